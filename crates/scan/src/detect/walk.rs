//! The one pass over a text: every word is looked at once, and by what it starts with is handed to the few detectors that it
//! may concern. Each reads a bounded stretch around it, so that the work grows with the text and not faster.

use super::context::Context;
use super::groups::Groups;
use super::kinds::Kind;
use super::score::Candidate;
use super::secrets::Rules;
use super::text::{Text, is_ascii_word, is_joint};
use super::{address, codes, dates, email, network, numbers, person, phone, secrets};

/// What a number loses that is part of something longer, such as a path.
pub(crate) const JOINED: i32 = -450;

/// The most that words around a value add.
const MOST: i32 = 430;

/// A text that is searched, and what was found in it so far.
pub(crate) struct Finder<'a> {
    pub text: Text<'a>,
    column: &'a Context,
    least: i32,
    found: Vec<Candidate>,
    /// The words before the last start, and around the last value, that was asked for.
    before: (usize, Context),
    around: (usize, usize, Context),
    /// Up to where no end of a private key is.
    pub no_end_before: usize,
}

impl<'a> Finder<'a> {
    /// The words around a value, or the name of its column.
    pub(crate) fn around(&mut self, start: usize, end: usize) -> Context {
        if (self.around.0, self.around.1) != (start, end) {
            if self.before.0 != start {
                self.before = (start, Context::before(self.text, start));
            }
            self.around = (start, end, self.before.1.and_behind(self.text, end).within(self.column));
        }
        self.around.2
    }

    /// Adds what a detector found, with what the words around it say.
    pub(crate) fn add(&mut self, kind: Kind, start: usize, end: usize, score: i32) {
        if score + MOST < self.least {
            return;
        }
        let score = score + self.around(start, end).adds(kind);
        if score >= self.least {
            self.found.push(Candidate { kind, start, end, score });
        }
    }
}

/// What bytes begin: 0 nothing, then a letter, a digit, and marks that something is found by.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const MARK: u8 = 3;

static BEGINS: [u8; 256] = {
    let mut begins = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        begins[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'@' | b':' | b'=' | b'-' => MARK,
            _ => 0,
        };
        byte += 1;
    }
    begins
};

fn begins(byte: u8) -> u8 {
    BEGINS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// All that may be something, by the score at least, in the order in which it was met.
pub(crate) fn candidates(text: Text<'_>, column: &Context, least: i32) -> Vec<Candidate> {
    let (before, around) = ((usize::MAX, Context::default()), (usize::MAX, 0, Context::default()));
    let mut finder = Finder { text, column, least, found: Vec::new(), before, around, no_end_before: 0 };
    let rules = secrets::rules();
    let bytes = text.rest(0);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match begins(*byte) {
            0 => at += 1,
            MARK => {
                mark(&mut finder, at, *byte);
                at += 1;
            }
            class => {
                let (mut end, mut digits) = (at, class == DIGIT);
                while let Some(class @ (LETTER | DIGIT)) = bytes.get(end).map(|byte| begins(*byte)) {
                    digits |= class == DIGIT;
                    end += 1;
                }
                if class == DIGIT {
                    digit_first(&mut finder, at, end);
                } else {
                    letter_first(&mut finder, rules, at, end, digits);
                }
                at = end;
            }
        }
    }
    finder.found
}

fn mark(finder: &mut Finder<'_>, at: usize, byte: u8) {
    match byte {
        b'@' => email::find(finder, at),
        b'-' => secrets::private_key(finder, at),
        _ => {
            if byte == b':' && finder.text.byte(at + 1) == b':' {
                network::six(finder, at);
            }
            secrets::assigned(finder, at);
        }
    }
}

fn letter_first(finder: &mut Finder<'_>, rules: &Rules, at: usize, end: usize, digits: bool) {
    let text = finder.text;
    // The letter of `\n` belongs to no word.
    let start = if text.before(at) == b'\\' && b"nrt".contains(&text.byte(at)) { at + 1 } else { at };
    secrets::prefixed(finder, rules, start);
    if digits && let Some(number) = codes::label(text, start, end) {
        number_at(finder, number);
    }
    if text.byte(start).is_ascii_uppercase() {
        if digits || end - start == 2 {
            codes::find(finder, start, end);
        }
        if !digits {
            person::find(finder, start, end);
            // A day follows a month: one digit, perhaps behind a full stop.
            if text.byte(end + 1).is_ascii_digit() || (text.byte(end) == b'.' && text.byte(end + 2).is_ascii_digit()) {
                dates::month_first(finder, start);
            }
        }
    }
    short(finder, start, end);
}

fn digit_first(finder: &mut Finder<'_>, at: usize, end: usize) {
    let text = finder.text;
    if end - at >= 6 && !text.bytes(at, end).iter().all(u8::is_ascii_digit) {
        codes::mixed(finder, at, end);
    }
    short(finder, at, end);
    number_at(finder, at);
}

/// Groups of hexadecimal digits.
fn short(finder: &mut Finder<'_>, at: usize, end: usize) {
    let text = finder.text;
    if end - at <= 4 && matches!(text.byte(end), b':' | b'-' | b'.') && network::all_hex(text, at, end) {
        network::hexadecimal(finder, at, end);
    }
}

fn number_at(finder: &mut Finder<'_>, at: usize) {
    let text = finder.text;
    // The second and further groups of a number have been looked at with the first.
    let (before, beyond) = (text.before(at), at.checked_sub(1).map_or(0, |at| text.before(at)));
    if is_joint(before) && before != b'+' && beyond.is_ascii_digit() {
        return;
    }
    let groups = Groups::read(text, at);
    if groups.count() >= 4 && groups.first() <= 3 {
        network::four(finder, &groups);
    }
    phone::find(finder, &groups);
    if before != b'+' {
        numbers::find(finder, &groups);
        dates::find(finder, &groups);
        if groups.first() <= 5 && !is_ascii_word(before) {
            address::find(finder, &groups);
        }
    }
}

/// Of what overlaps, the most probable; at the same probability the longer.
pub(crate) fn resolve(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by_key(|one| (one.start, std::cmp::Reverse(one.end)));
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for one in candidates {
        let rank = |one: &Candidate| (one.score, one.end - one.start);
        let mut stays = true;
        while let Some(last) = kept.last().filter(|last| last.end > one.start) {
            if rank(last) >= rank(&one) {
                stays = false;
                break;
            }
            kept.pop();
        }
        if stays {
            kept.push(one);
        }
    }
    kept
}
