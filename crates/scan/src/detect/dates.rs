//! Dates of birth. A date alone may be that of anything: a word beside it decides, and without one a full date of some
//! decades ago is a weak finding.

use std::sync::LazyLock;

use super::groups::Groups;
use super::kinds::Kind;
use super::text::{Text, is_ascii_word, is_joint};
use super::walk::Finder;
use super::words::Words;

const MONTHS: &str = "january february march april may june july august september october november december \
                      jan feb mar apr jun jul aug sep sept oct nov dec";

static KNOWN: LazyLock<Words<()>> = LazyLock::new(|| Words::set(MONTHS));

/// Years in which people are born that live, with some room.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2035;

/// Years that are long enough ago for a date without a word beside it.
const LONG_AGO: std::ops::RangeInclusive<u32> = 1920..=2012;

/// Looks at the date that begins with this number.
pub(crate) fn find(finder: &mut Finder<'_>, groups: &Groups) {
    if matches!(groups.first(), 1 | 2 | 4) {
        in_digits(finder, groups);
        if groups.first() <= 2 {
            day_and_month(finder, groups);
        }
    } else if groups.first() == 8 {
        packed(finder, groups);
    }
}

/// `03/11/1985`, `3.11.85`, `1985-11-03`.
fn in_digits(finder: &mut Finder<'_>, groups: &Groups) {
    let [Some(one), Some(two), Some(three)] = [0, 1, 2].map(|at| groups.group(at)) else { return };
    if one.0 + two.0 + three.0 > 8 || two.1 != three.1 || two.1 == b' ' || two.0 > 2 {
        return;
    }
    let value = |from: usize, length: usize| number(groups.all().get(from..from + length).unwrap_or_default());
    let (first, second, third) = (value(0, one.0), value(one.0, two.0), value(one.0 + two.0, three.0));
    let form = match (one.0, three.0, two.1) {
        (4, 1..=2, _) if is_date(third, second) => -160,
        (1..=2, 4, b'/') if is_date(first, second) || is_date(second, first) => -45,
        (1..=2, 4, _) if is_date(first, second) || is_date(second, first) => -110,
        (1..=2, 2, _) if is_date(first, second) || is_date(second, first) => -250,
        _ => return,
    };
    let year = match (one.0, three.0) {
        (4, _) => first,
        (_, 4) => third,
        _ => 1950,
    };
    // A full stop or hyphen and another number make a version or a reference of it.
    let goes_on = groups.group(3).is_some_and(|group| group.1 != b' ') || groups.joined_before;
    if !goes_on {
        add(finder, groups.start, three.2, year, form);
    }
}

/// `3 November 1985`, `3rd of Nov. 1985`, `03-NOV-1985`.
fn day_and_month(finder: &mut Finder<'_>, groups: &Groups) {
    let text = finder.text;
    let Some((length, _, end)) = groups.group(0) else { return };
    let day = number(groups.all().get(..length).unwrap_or_default());
    let mut at = end;
    if [b"st", b"nd", b"rd", b"th"].iter().any(|ending| text.bytes(at, at + 2).eq_ignore_ascii_case(*ending)) {
        at += 2;
    }
    if !matches!(text.byte(at), b' ' | b'-' | b'/' | b'.') {
        return;
    }
    at = text.run(at, 2, |byte| matches!(byte, b' ' | b'-' | b'/' | b'.'));
    if text.bytes(at, at + 3).eq_ignore_ascii_case(b"of ") {
        at += 3;
    }
    let Some(month_ends) = month(text, at) else { return };
    year_behind(finder, groups.start, month_ends, day);
}

/// `November 3, 1985`, from its month.
pub(crate) fn month_first(finder: &mut Finder<'_>, start: usize) {
    let text = finder.text;
    let Some(ends) = month(text, start) else { return };
    let from = text.run(ends, 2, |byte| matches!(byte, b' ' | b'.'));
    let end = text.run(from, 3, |byte| byte.is_ascii_digit());
    if !(1..=2).contains(&(end - from)) {
        return;
    }
    let day = digits(text.bytes(from, end));
    let ending = [b"st", b"nd", b"rd", b"th"].iter().any(|e| text.bytes(end, end + 2).eq_ignore_ascii_case(*e));
    year_behind(finder, start, end + if ending { 2 } else { 0 }, day);
}

fn year_behind(finder: &mut Finder<'_>, start: usize, from: usize, day: u32) {
    let text = finder.text;
    let begins = text.run(from, 2, |byte| matches!(byte, b' ' | b',' | b'-' | b'/' | b'.'));
    let end = text.run(begins, 5, |byte| byte.is_ascii_digit());
    if end - begins == 4 && begins > from && (1..=31).contains(&day) && !text.before(start).is_ascii_alphanumeric() {
        add(finder, start, end, digits(text.bytes(begins, end)), -160);
    }
}

/// `19851103`: only where a date of birth is named.
fn packed(finder: &mut Finder<'_>, groups: &Groups) {
    let Some(filled) = groups.fill(finder.text, &[8], b" ") else { return };
    let (year, rest) = filled.digits.split_at_checked(4).unwrap_or_default();
    let (month, day) = rest.split_at_checked(2).unwrap_or_default();
    if is_date(number(day), number(month)) && finder.around(groups.start, filled.end).names(Kind::BirthDate) {
        add(finder, groups.start, filled.end, number(year), -250);
    }
}

fn add(finder: &mut Finder<'_>, start: usize, end: usize, year: u32, form: i32) {
    let text = finder.text;
    let joined = is_ascii_word(text.byte(end)) || (is_joint(text.byte(end)) && text.byte(end + 1).is_ascii_digit());
    // With a time of day it is when something happened.
    let beyond = text.run(end, 2, |byte| matches!(byte, b' ' | b',' | b'T'));
    let clock = text.run(beyond, 3, |byte| byte.is_ascii_digit());
    let time =
        clock > beyond && clock - beyond <= 2 && text.byte(clock) == b':' && text.byte(clock + 1).is_ascii_digit();
    if !YEARS.contains(&year) || (joined && !time) {
        return;
    }
    let recent = if LONG_AGO.contains(&year) { 0 } else { -150 };
    finder.add(Kind::BirthDate, start, end, form + recent - if time { 300 } else { 0 });
}

fn is_date(day: u32, month: u32) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Where the name of a month that begins here ends: whole, or its first three letters.
fn month(text: Text<'_>, at: usize) -> Option<usize> {
    let end = text.run(at, 10, |byte| byte.is_ascii_alphabetic());
    KNOWN.has(text.bytes(at, end)).then_some(end)
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(*digit))
}

fn digits(text: &[u8]) -> u32 {
    text.iter().fold(0, |number, byte| number * 10 + u32::from(byte.wrapping_sub(b'0')))
}
