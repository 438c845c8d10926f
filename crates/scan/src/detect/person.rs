//! Names of people: two or three words with capital letters, of which some are among common names, or behind a word that says
//! that a name follows. Without either a name is not found.

use std::sync::LazyLock;

use super::kinds::Kind;
use super::text::{Text, is_joint, is_word};
use super::walk::Finder;
use super::words::Words;

/// Common given names and surnames of Australia and of where its people came from.
const NAMES: &str = include_str!("names.txt");

/// Words with a capital letter that are no names, although they stand beside some.
const OTHERS: &str = "the a an in on at of for and or to from with by my your our his her their this that these those i we you he she \
                      it is are was were be please thanks thank dear hi hello regards street st road rd avenue ave drive lane \
                      place court crescent parade highway park bay beach island river lake mount north south east west new old \
                      city town university college school hospital bank group pty ltd limited inc team support service services \
                      sales customer account accounts order invoice ticket january february march april june july august \
                      september october november december monday tuesday wednesday thursday friday saturday sunday medicare \
                      passport licence license tax file number card phone mobile email address date birth value note ref see \
                      patient client draft classify translate summarise can if when what where who why how but not no yes all \
                      day morning evening office department government council australia australian zealand english italian \
                      german french spanish chinese american united states kingdom london sydney melbourne brisbane perth \
                      adelaide hobart darwin canberra version api http https sql json xml";

/// Titles: one name behind them is enough.
const TITLES: [&str; 9] = ["mr", "mrs", "ms", "miss", "dr", "prof", "mx", "sir", "dame"];

static KNOWN: LazyLock<Words<Is>> = LazyLock::new(|| {
    let names = NAMES.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let others = OTHERS.split_whitespace().map(|word| (word, Is::Other));
    Words::of(names.map(|word| (word, Is::Name)).chain(others), |said, more| *said = more)
});

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Is {
    Name,
    #[default]
    Unknown,
    Other,
}

/// Looks at the word that begins here with a capital letter.
pub(crate) fn find(finder: &mut Finder<'_>, start: usize, ascii_end: usize) {
    let text = finder.text;
    // Most capitals begin sentences: nothing but a second one behind is looked at further.
    let first = if text.byte(ascii_end) == b' ' { ascii_end } else { word(text, start) };
    let dotted = text.byte(first) == b'.' && text.byte(first + 1) == b' ';
    let second = first + 1 + usize::from(dotted);
    let follows = text.byte(first) == b' ' || dotted;
    if joined(text, start) {
        return;
    }
    if !follows || !is_capital(text.byte(second)) {
        alone(finder, start, first);
        return;
    }
    let given = text.bytes(start, first);
    if TITLES.iter().any(|title| title.as_bytes().eq_ignore_ascii_case(given)) {
        let end = without_s(text, second, word(text, second));
        if is(text.bytes(second, end)) != Is::Other && !capital_behind(text, end) {
            finder.add(Kind::Person, second, end, -200);
        }
        return;
    }
    if dotted {
        return;
    }
    pair(finder, start, first, second);
}

/// Two words, or three when an initial or a name stands between or behind.
fn pair(finder: &mut Finder<'_>, start: usize, first: usize, second: usize) {
    let text = finder.text;
    let one = is(text.bytes(start, first));
    if one == Is::Other {
        return;
    }
    let (mut begins, mut ends) = (second, word(text, second));
    let initial = ends - begins == 1;
    if initial {
        let dot = usize::from(text.byte(ends) == b'.');
        begins = ends + dot + 1;
        if text.byte(begins - 1) != b' ' || !is_capital(text.byte(begins)) {
            return;
        }
        ends = word(text, begins);
    }
    let end = without_s(text, begins, ends);
    let other = is(text.bytes(begins, end));
    if other == Is::Other || end - begins < 2 {
        return;
    }
    // A third name belongs to it, and a third word that is none makes it doubtful.
    let (third, third_ends) = (ends + 1, word(text, ends + 1));
    let more = end == ends && text.byte(ends) == b' ' && is_capital(text.byte(third));
    let last = if more { is(text.bytes(third, without_s(text, third, third_ends))) } else { Is::Unknown };
    let shouted = text.bytes(start, end).iter().all(|byte| !byte.is_ascii_lowercase());
    let score = match (one, other) {
        (Is::Name, Is::Name) => 110,
        (Is::Name, _) | (_, Is::Name) if initial => 60,
        (Is::Name, _) if !shouted => -60,
        (_, Is::Name) if !shouted => -75,
        _ if !shouted && finder.around(start, end).names(Kind::Person) => -330,
        _ => return,
    };
    let end = if last == Is::Name { without_s(text, third, third_ends) } else { end };
    let street = last == Is::Other && more;
    finder.add(Kind::Person, start, end, score - if street { 150 } else { 0 });
}

/// A given name alone, right behind a word that says so.
fn alone(finder: &mut Finder<'_>, start: usize, end: usize) {
    let text = finder.text;
    let end = without_s(text, start, end);
    let begins = text.byte(end).is_ascii_punctuation() || text.byte(end) == b' ' || text.byte(end) == 0;
    if begins && is(text.bytes(start, end)) == Is::Name && finder.around(start, end).names(Kind::Person) {
        finder.add(Kind::Person, start, end, -330);
    }
}

fn capital_behind(text: Text<'_>, end: usize) -> bool {
    text.byte(end) == b' '
        && is_capital(text.byte(end + 1))
        && is(text.bytes(end + 1, word(text, end + 1))) == Is::Unknown
}

/// Whether it goes on from something before: a path, a name with a hyphen, code.
fn joined(text: Text<'_>, start: usize) -> bool {
    let before = text.before(start);
    (is_joint(before) && before != b':' || matches!(before, b'@' | b'#' | b'\'' | b'&'))
        && start.checked_sub(1).is_some_and(|at| is_word(text.before(at)))
        || before >= 0x80
}

fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte >= 0xc3
}

/// Where the word ends: letters, and `'` or `-` between them.
fn word(text: Text<'_>, start: usize) -> usize {
    let mut end = text.run(start, 40, |byte| is_letter(byte) || matches!(byte, b'\'' | b'-'));
    while end > start && matches!(text.before(end), b'\'' | b'-') {
        end -= 1;
    }
    // Never within a character.
    while !text.0.is_char_boundary(end) {
        end -= 1;
    }
    if is_word(text.byte(end)) { start } else { end }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// `Lee's` is of Lee.
fn without_s(text: Text<'_>, start: usize, end: usize) -> usize {
    if end > start + 2 && text.bytes(end - 2, end) == b"'s" { end - 2 } else { end }
}

fn is(word: &[u8]) -> Is {
    // A capital letter within a word is of a product, unless it is McKay's or DiCaprio's.
    let within = |pair: &[u8]| matches!(pair, [one, other] if one.is_ascii_lowercase() && other.is_ascii_uppercase());
    let rest =
        word.iter().position(u8::is_ascii_lowercase).map_or(&[][..], |at| word.get(at + 1..).unwrap_or_default());
    if word.is_empty() || rest.windows(2).any(within) {
        return Is::Other;
    }
    KNOWN.get(word).unwrap_or_default()
}

/// Whether a value of a column that is named for people may be a name: one to four words of letters.
pub(crate) fn is_plain(value: &str) -> bool {
    let letters = |c: char| c.is_alphabetic() || matches!(c, '\'' | '-' | '.' | ',' | '\u{2019}');
    let words = value.split_whitespace().count();
    (1..=4).contains(&words) && value.split_whitespace().flat_map(str::chars).all(letters)
}

/// Whether one of its words is a common name.
pub(crate) fn is_common(value: &str) -> bool {
    value.split_whitespace().any(|word| is(word.as_bytes()) == Is::Name)
}
