//! Detectors of somebody's own: words, and patterns in the syntax that SQL's `~` has here.
//!
//! What they cost is bounded before they are used: a pattern by its size when compiled and by how long a match may be, so that
//! a text is read in pieces that miss none; words are looked for all at once.

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};

use super::MASKED;
use super::context::{beside, parts};
use super::kinds::{Class, Kind};
use super::score::{Candidate, odds};
use super::text::{Text, is_word};

/// Most bytes of a name, a word, a pattern; most words.
const MAX_NAME: usize = 32;
const MAX_WORD: usize = 128;
const MAX_PATTERN: usize = 1_000;
const MAX_WORDS: usize = 10_000;

/// Most words of context, and most names of columns.
const MAX_CONTEXT: usize = 64;

/// Most bytes of memory that a pattern may take when it is compiled.
const MAX_COMPILED: usize = 1 << 20;

/// Longest match that a pattern may have, in bytes. A stream is held back for as long as one could still come.
const MAX_MATCH: usize = 1_024;

/// Longest stretch of a line that is read at once: so the work for a text grows with the text and not faster.
const MAX_PIECE: usize = 4_096;

/// What a word of context or the name of a column adds, as with the detectors that are built in.
const NAMED: i32 = 420;

/// How sure a match is when nobody says, in thousandths.
pub const SURE: u16 = 970;

/// A detector as somebody describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Its name, which is that of the kind it finds.
    pub name: String,
    /// How much what it finds matters.
    pub class: Class,
    /// What it finds.
    pub finds: Finds,
    /// Words that speak for it when they stand beside a match or in the name of a column.
    pub context: Vec<String>,
    /// Names of columns that hold what it finds, such as `staff_no`.
    pub columns: Vec<String>,
    /// How sure a match is by itself, in thousandths.
    pub score_permille: u16,
}

/// What a detector finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finds {
    /// These words, wherever they stand alone, in capital or small letters.
    Words(Vec<String>),
    /// What this regular expression matches within a line.
    Pattern(String),
}

impl Own {
    /// One that finds these words.
    #[must_use]
    pub fn words<'a>(name: &str, class: Class, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(name, class, Finds::Words(words.into_iter().map(str::to_owned).collect()))
    }

    /// One that finds what this regular expression matches.
    #[must_use]
    pub fn pattern(name: &str, class: Class, pattern: &str) -> Self {
        Self::new(name, class, Finds::Pattern(pattern.to_owned()))
    }

    fn new(name: &str, class: Class, finds: Finds) -> Self {
        let name = name.to_owned();
        Self { name, class, finds, context: Vec::new(), columns: Vec::new(), score_permille: SURE }
    }

    /// Refuses it when one of the texts that it must find has nothing that it is sure enough of to put something in its
    /// place, or one that it must not find has.
    ///
    /// # Errors
    /// [`BadDetector`]: it cannot be, or which of the texts shows that it does something else. The text is not repeated.
    pub fn proven(&self, examples: &[String], near_misses: &[String]) -> Result<(), BadDetector> {
        let detector = Custom::of(self)?;
        if let Some(at) = examples.iter().position(|text| !detector.acts_on(text)) {
            return Err(BadDetector::Example(format!("example {} is not found by it", at + 1)));
        }
        if let Some(at) = near_misses.iter().position(|text| detector.acts_on(text)) {
            return Err(BadDetector::Example(format!("near miss {} is found by it", at + 1)));
        }
        Ok(())
    }
}

/// Why a detector was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDetector {
    /// Its name has another form, or is taken.
    Name(String),
    /// Its list of words is empty or too long, or one of them is.
    Words(String),
    /// Its pattern cannot be used.
    Pattern(String),
    /// What it says of words beside, of columns or of how sure it is cannot be.
    Around(String),
    /// It does not find an example, or finds a near miss.
    Example(String),
}

impl std::fmt::Display for BadDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Name(why) | Self::Words(why) | Self::Pattern(why) | Self::Around(why) | Self::Example(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for BadDetector {}

#[derive(Clone, Debug)]
enum How {
    /// Words in small letters, looked for all at once.
    Words(AhoCorasick),
    Pattern(Regex),
}

/// One detector, ready to look.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub name: String,
    pub class: Class,
    how: How,
    /// In small letters.
    context: Vec<String>,
    /// Each in its parts.
    columns: Vec<Vec<String>>,
    pub score_permille: u16,
    /// Longest match, in bytes.
    pub longest: usize,
}

impl Custom {
    pub(crate) fn of(own: &Own) -> Result<Self, BadDetector> {
        let name = named(&own.name)?;
        let (how, longest) = match &own.finds {
            Finds::Words(words) => of_words(words)?,
            Finds::Pattern(pattern) => of_pattern(pattern)?,
        };
        if !(1..=999).contains(&own.score_permille) {
            return Err(BadDetector::Around("the score of a match is 1 to 999 thousandths".to_owned()));
        }
        if own.context.len() > MAX_CONTEXT || own.columns.len() > MAX_CONTEXT {
            let rule = format!("there are at most {MAX_CONTEXT} words of context and {MAX_CONTEXT} names of columns");
            return Err(BadDetector::Around(rule));
        }
        let alone = |word: &String| (1..=MAX_WORD).contains(&word.len()) && word.chars().all(char::is_alphanumeric);
        if let Some(at) = own.context.iter().position(|word| !alone(word)) {
            let rule = format!("word {} of the context is not one word of letters and digits", at + 1);
            return Err(BadDetector::Around(rule));
        }
        let columns: Vec<Vec<String>> = own.columns.iter().map(|name| parts(name)).collect();
        let fits = |(name, parts): (&String, &Vec<String>)| name.len() <= MAX_WORD && !parts.is_empty();
        if let Some(at) = own.columns.iter().zip(&columns).position(|one| !fits(one)) {
            let rule = format!("column {} has no letter, or more than {MAX_WORD} bytes", at + 1);
            return Err(BadDetector::Around(rule));
        }
        let context = own.context.iter().map(|word| word.to_lowercase()).collect();
        Ok(Self { name, class: own.class, how, context, columns, score_permille: own.score_permille, longest })
    }

    /// Whether it looks for words, and so wants the text in small letters.
    pub(crate) fn is_of_words(&self) -> bool {
        matches!(self.how, How::Words(_))
    }

    /// Whether a column of these parts is named for what it finds.
    pub(crate) fn is_named_by(&self, column: &[String]) -> bool {
        let within = |name: &Vec<String>| column.windows(name.len()).any(|parts| parts == name);
        self.columns.iter().any(within) || column.iter().any(|part| self.context.contains(part))
    }

    /// Adds what is found in the folded text, which is there in small letters too; in a column that names it or not.
    pub(crate) fn find(&self, kind: Kind, (text, small): (&str, &str), named: bool, found: &mut Vec<Candidate>) {
        let own = odds(self.score_permille);
        let says = |word: &[u8]| self.context.iter().any(|known| is_same(word, known));
        let mut add = |start, end| {
            let beside = named || (!self.context.is_empty() && beside(Text(text), start, end, &says));
            found.push(Candidate { kind, start, end, score: own + if beside { NAMED } else { 0 } });
        };
        match &self.how {
            How::Words(words) => whole_words(words, small).into_iter().for_each(|(start, end)| add(start, end)),
            How::Pattern(regex) => {
                let mut at = 0;
                for line in text.split('\n') {
                    find_in_line(regex, self.longest, line, &mut |start, end| add(at + start, at + end));
                    at += line.len() + 1;
                }
            }
        }
    }

    fn acts_on(&self, text: &str) -> bool {
        let text = super::fold::Folded::of(text).text;
        let mut found = Vec::new();
        self.find(Kind::Custom(0), (&text, &small(&text)), false, &mut found);
        found.iter().any(|one| super::score::permille(one.score) >= MASKED)
    }
}

fn of_words(words: &[String]) -> Result<(How, usize), BadDetector> {
    if words.is_empty() {
        return Err(BadDetector::Words("the list of words is empty".to_owned()));
    }
    if words.len() > MAX_WORDS {
        return Err(BadDetector::Words(format!("there are more than {MAX_WORDS} words")));
    }
    let words: Vec<String> = words.iter().map(|word| small(&super::fold::Folded::of(word.trim()).text)).collect();
    if let Some(at) = words.iter().position(|word| word.is_empty() || word.len() > MAX_WORD) {
        return Err(BadDetector::Words(format!("word {} has no letter or more than {MAX_WORD} bytes", at + 1)));
    }
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    let automaton = AhoCorasick::new(words);
    let automaton =
        automaton.map_err(|error| BadDetector::Words(format!("the words cannot be looked for: {error}")))?;
    Ok((How::Words(automaton), longest))
}

fn of_pattern(pattern: &str) -> Result<(How, usize), BadDetector> {
    let refused = |why: String| Err(BadDetector::Pattern(why));
    if pattern.len() > MAX_PATTERN {
        return refused(format!("the pattern has more than {MAX_PATTERN} bytes"));
    }
    let mut builder = RegexBuilder::new(pattern);
    let built = builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    let regex = built.map_err(|error| BadDetector::Pattern(reason(&error)))?;
    let parsed = regex_syntax::parse(pattern).map_err(|error| BadDetector::Pattern(error.to_string()))?;
    let properties = parsed.properties();
    match (properties.minimum_len(), properties.maximum_len()) {
        (None, _) => refused("the pattern can match nothing there is".to_owned()),
        (Some(0), _) => refused("the pattern matches nothing at all, so that it would match everywhere".to_owned()),
        (_, Some(longest)) if longest <= MAX_MATCH => Ok((How::Pattern(regex), longest)),
        _ => refused(format!(
            "a match of the pattern may have more than {MAX_MATCH} bytes: say how often what repeats may come, such as \
             `{{1,20}}` in the place of `+`"
        )),
    }
}

/// Words that stand alone: the first, and of those at one place the longest; then those that begin within it are passed over.
fn whole_words(words: &AhoCorasick, small: &str) -> Vec<(usize, usize)> {
    let bytes = Text(small);
    let cuts = |at: usize| is_word(bytes.before(at)) && is_word(bytes.byte(at));
    let all = words.find_overlapping_iter(small).map(|one| (one.start(), one.end()));
    let mut all: Vec<(usize, usize)> = all.filter(|(start, end)| !cuts(*start) && !cuts(*end)).collect();
    all.sort_unstable_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)));
    let mut until = 0;
    all.retain(|(start, end)| {
        let stays = *start >= until;
        until = if stays { *end } else { until };
        stays
    });
    all
}

/// Finds what a pattern matches in a line, which is read in pieces that overlap by the longest match: none is missed, and a
/// word that a piece cuts is not taken for a whole one.
fn find_in_line(regex: &Regex, longest: usize, line: &str, add: &mut dyn FnMut(usize, usize)) {
    let mut at = 0;
    loop {
        let end = floor(line, (at + MAX_PIECE).min(line.len()));
        let is_last = end == line.len();
        // What begins from there on may go on beyond this piece.
        let certain = if is_last { end } else { floor(line, end - longest) };
        let (piece, mut from) = (line.get(..end).unwrap_or_default(), at);
        while let Some(one) = regex.find_at(piece, from).filter(|one| one.start() < certain) {
            add(one.start(), one.end());
            from = one.end();
        }
        if is_last {
            return;
        }
        at = certain.max(from);
    }
}

/// The start of the character that a byte is in.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// In small letters, byte for byte: a letter whose small form has another length stays.
pub(crate) fn small(text: &str) -> String {
    let small = |c: char| {
        let mut small = c.to_lowercase();
        let one = small.next().filter(|one| one.len_utf8() == c.len_utf8());
        one.filter(|_| small.next().is_none()).unwrap_or(c)
    };
    text.chars().map(small).collect()
}

fn is_same(word: &[u8], small: &str) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.chars().flat_map(char::to_lowercase).eq(small.chars()))
}

fn named(name: &str) -> Result<String, BadDetector> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !begins || name.len() > MAX_NAME || !plain {
        return Err(BadDetector::Name(format!(
            "a detector is named with up to {MAX_NAME} small letters, digits and `_`, such as `staff_number`"
        )));
    }
    // `[EMAIL_1]` is the place of the first e-mail address, and may be nothing else.
    let numbered = |(_, number): (&str, &str)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if name.rsplit_once('_').is_some_and(numbered) {
        let rule = "the name of a detector does not end in `_` and a number: placeholders do";
        return Err(BadDetector::Name(rule.to_owned()));
    }
    if Kind::find(name).is_some() || Class::find(name).is_some() || ["custom", "undeclared"].contains(&name) {
        return Err(BadDetector::Name(format!("`{name}` is the name of something else that is found, or of a class")));
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
