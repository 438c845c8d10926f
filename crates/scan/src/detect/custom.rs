//! Detectors of somebody's own: words, and patterns in the syntax that SQL's `~` has here.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::kinds::{Class, Kind};
use super::score::Candidate;
use super::text::{Text, is_word};

/// Most bytes of a name, a word, a pattern; most words.
const MAX_NAME: usize = 32;
const MAX_WORD: usize = 128;
const MAX_PATTERN: usize = 1_000;
const MAX_WORDS: usize = 10_000;

/// Most bytes of memory that a pattern may take when it is compiled.
const MAX_COMPILED: usize = 1 << 20;

/// Longest line that is read in one piece. A match that a longer one cuts is not found, and none crosses a line: so the work
/// for a text grows with the text and not faster.
const MAX_LINE: usize = 4_096;

/// The score of what somebody asked for.
const SCORE: i32 = 350;

/// Why a detector was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDetector {
    /// Its name has another form, or is taken.
    Name(String),
    /// Its list of words is empty or too long, or one of them is.
    Words(String),
    /// Its pattern cannot be used.
    Pattern(String),
}

impl std::fmt::Display for BadDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Name(why) | Self::Words(why) | Self::Pattern(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for BadDetector {}

#[derive(Clone, Debug)]
enum How {
    /// Words in small letters by their first part.
    Words(HashMap<String, Vec<String>>),
    Pattern(Regex),
}

/// One detector.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub name: String,
    pub class: Class,
    how: How,
}

impl Custom {
    pub(crate) fn words<'a>(
        name: &str,
        class: Class,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BadDetector> {
        let mut by_first: HashMap<String, Vec<String>> = HashMap::new();
        let mut count = 0;
        for word in words {
            let word = super::fold::Folded::of(word.trim()).text.to_lowercase();
            if word.is_empty() || word.len() > MAX_WORD {
                return Err(BadDetector::Words(format!(
                    "word {} has no letter or more than {MAX_WORD} bytes",
                    count + 1
                )));
            }
            count += 1;
            if count > MAX_WORDS {
                return Err(BadDetector::Words(format!("there are more than {MAX_WORDS} words")));
            }
            by_first.entry(first(&word).to_owned()).or_default().push(word);
        }
        if count == 0 {
            return Err(BadDetector::Words("the list of words is empty".to_owned()));
        }
        // The longest first, so that `north sea oil` goes before `north sea`.
        by_first.values_mut().for_each(|words| words.sort_by_key(|word| std::cmp::Reverse(word.len())));
        Ok(Self { name: named(name)?, class, how: How::Words(by_first) })
    }

    pub(crate) fn pattern(name: &str, class: Class, pattern: &str) -> Result<Self, BadDetector> {
        if pattern.len() > MAX_PATTERN {
            return Err(BadDetector::Pattern(format!("the pattern has more than {MAX_PATTERN} bytes")));
        }
        let mut builder = RegexBuilder::new(pattern);
        let built = builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
        let regex = built.map_err(|error| BadDetector::Pattern(reason(&error)))?;
        if regex.is_match("") {
            return Err(BadDetector::Pattern(
                "the pattern matches nothing at all, so that it would match everywhere".to_owned(),
            ));
        }
        Ok(Self { name: named(name)?, class, how: How::Pattern(regex) })
    }

    /// Adds what is found in the folded text.
    pub(crate) fn find(&self, kind: Kind, text: &str, found: &mut Vec<Candidate>) {
        let mut add = |start, end| found.push(Candidate { kind, start, end, score: SCORE });
        match &self.how {
            How::Words(words) => find_words(words, text, &mut add),
            How::Pattern(regex) => {
                for (offset, line) in pieces(text) {
                    let matches = regex.find_iter(line).filter(|one| !one.is_empty());
                    matches.for_each(|one| add(offset + one.start(), offset + one.end()));
                }
            }
        }
    }
}

/// What a word begins with: letters and digits, or one character that is neither.
fn first(word: &str) -> &str {
    let end = Text(word).run(0, usize::MAX, is_word);
    let end = if end == 0 { word.chars().next().map_or(0, char::len_utf8) } else { end };
    word.get(..end).unwrap_or_default()
}

fn find_words(words: &HashMap<String, Vec<String>>, text: &str, add: &mut dyn FnMut(usize, usize)) {
    let lower = lower(text);
    let (bytes, mut at) = (Text(&lower), 0);
    while at < bytes.len() {
        let part = first(lower.get(at..).unwrap_or_default());
        let candidates = words.get(part).into_iter().flatten();
        let whole = |word: &&String| {
            let end = at + word.len();
            bytes.rest(at).starts_with(word.as_bytes())
                && !(is_word(bytes.byte(end)) && word.bytes().next_back().is_some_and(is_word))
        };
        let found = candidates.into_iter().find(whole);
        if let Some(word) = found {
            add(at, at + word.len());
        }
        at += found.map_or(part.len(), String::len).max(1);
    }
}

/// In small letters, byte for byte: a letter whose small form has another length stays.
fn lower(text: &str) -> String {
    let small = |c: char| {
        let mut small = c.to_lowercase();
        let one = small.next().filter(|one| one.len_utf8() == c.len_utf8());
        one.filter(|_| small.next().is_none()).unwrap_or(c)
    };
    text.chars().map(small).collect()
}

/// The lines of a text, long ones in pieces, each with its place.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let mut end = rest.find('\n').map_or(rest.len(), |line| line + 1).min(MAX_LINE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let begins = at;
        at += end.max(1);
        Some((begins, rest.get(..end).unwrap_or_default()))
    })
}

fn named(name: &str) -> Result<String, BadDetector> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if name.is_empty() || name.len() > MAX_NAME || !plain {
        return Err(BadDetector::Name(format!(
            "a detector is named with up to {MAX_NAME} small letters, digits and `_`, such as `staff_number`"
        )));
    }
    if Kind::find(name).is_some() || name == "custom" {
        return Err(BadDetector::Name(format!("`{name}` is the name of a detector that is built in")));
    }
    Ok(name.to_owned())
}

/// What is wrong with a pattern, in one line and with its place.
fn reason(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        return format!("the pattern takes more than {MAX_COMPILED} bytes of memory: repeat less");
    }
    let text = error.to_string();
    // The third of its lines marks the place below the pattern, the last says what it is.
    let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let place = text.lines().find_map(|line| line.find('^').filter(|_| line.trim_matches(&[' ', '^'][..]).is_empty()));
    match place {
        Some(place) => format!("the pattern is wrong at character {}: {what}", place.saturating_sub(3)),
        None => format!("the pattern is wrong: {what}"),
    }
}
