//! Telephone numbers: with a `+` anywhere in the world, or as they are dialled in Australia, New Zealand, the United Kingdom
//! and North America. Elsewhere only behind a word that names them.

use super::groups::{Groups, is_joined_behind};
use super::kinds::Kind;
use super::text::{Text, is_ascii_word};
use super::walk::Finder;

/// Longest number with what stands between its digits, in bytes.
const LONGEST: usize = 30;

/// Country codes with the fewest and most digits behind them; all others have 6 to 12.
const COUNTRIES: &[(&str, usize, usize)] = &[
    ("1", 10, 10),
    ("20", 8, 10),
    ("27", 9, 9),
    ("30", 10, 10),
    ("31", 9, 9),
    ("32", 8, 9),
    ("33", 9, 9),
    ("34", 9, 9),
    ("353", 7, 9),
    ("351", 9, 9),
    ("39", 8, 11),
    ("41", 9, 9),
    ("43", 7, 12),
    ("44", 9, 10),
    ("45", 8, 8),
    ("46", 7, 10),
    ("47", 8, 8),
    ("48", 9, 9),
    ("49", 7, 12),
    ("52", 10, 10),
    ("55", 10, 11),
    ("60", 8, 10),
    ("61", 9, 9),
    ("62", 8, 12),
    ("63", 10, 10),
    ("64", 8, 10),
    ("65", 8, 8),
    ("66", 8, 9),
    ("7", 10, 10),
    ("81", 9, 10),
    ("82", 8, 10),
    ("84", 9, 10),
    ("852", 8, 8),
    ("86", 10, 11),
    ("90", 10, 10),
    ("91", 10, 10),
    ("971", 8, 9),
    ("972", 8, 9),
];

/// Looks at the number whose first digit is here, with the `+` or bracket before it.
pub(crate) fn find(finder: &mut Finder<'_>, groups: &Groups) {
    let (text, start) = (finder.text, groups.start);
    match text.before(start) {
        b'+' => {
            let bracket = start.checked_sub(2).filter(|at| text.byte(*at) == b'(');
            let begins = bracket.unwrap_or(start - 1);
            if !is_ascii_word(text.before(begins)) && text.before(begins) != b'+' {
                international(finder, begins, start);
            }
        }
        b'(' if !is_ascii_word(start.checked_sub(1).map_or(0, |at| text.before(at))) => bracketed(finder, groups),
        _ if !groups.joined_before => {
            domestic(finder, groups);
        }
        _ => {}
    }
}

fn country(digits: &[u8]) -> (usize, usize) {
    let is = |code: &str| digits.len() >= code.len() && code.bytes().zip(digits).all(|(c, digit)| c - b'0' == *digit);
    COUNTRIES
        .iter()
        .find(|(code, ..)| is(code))
        .map_or((8, 15), |(code, least, most)| (code.len() + least, code.len() + most))
}

/// `+61 457 976 335`, `+61 (0)2 9999 0000`: as many groups as the country's numbers have digits.
fn international(finder: &mut Finder<'_>, begins: usize, start: usize) {
    let text = finder.text;
    let (mut digits, mut at, mut gap, mut ends) = (Vec::with_capacity(16), start, 0, None);
    let mut trunk = false;
    while at < begins + LONGEST {
        match text.byte(at) {
            byte @ b'0'..=b'9' => {
                // `(0)` is dialled within the country only.
                if byte == b'0' && text.before(at) == b'(' && text.byte(at + 1) == b')' && !trunk {
                    trunk = true;
                } else {
                    digits.push(byte - b'0');
                }
                gap = 0;
                if !text.byte(at + 1).is_ascii_digit() && !is_joined_behind(text, at + 1) || digits.len() >= 15 {
                    let (least, most) = country(&digits);
                    if digits.len() > most {
                        break;
                    }
                    if digits.len() >= least {
                        ends = Some(at + 1);
                    }
                }
            }
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if gap < 2 => gap += 1,
            _ => break,
        }
        at += 1;
    }
    let Some(end) = ends.filter(|end| !is_joined_behind(text, *end)) else { return };
    if digits.first().is_some_and(|digit| *digit > 0) {
        finder.add(Kind::Phone, begins, end, 300);
    }
}

/// `(02) 9999 0000`, `(415) 555-2671`.
fn bracketed(finder: &mut Finder<'_>, groups: &Groups) {
    let (text, start) = (finder.text, groups.start);
    let Some((length, _, end)) = groups.group(0).filter(|group| (2..=5).contains(&group.0)) else { return };
    if text.byte(end) != b')' {
        return;
    }
    let next = text.run(end + 1, 2, |byte| matches!(byte, b' ' | b'-'));
    let rest = Groups::read(text, next);
    let area = groups.all().get(..length).unwrap_or_default();
    let forms: &[&[usize]] = match (area.first(), length) {
        (Some(0), 2) => &[&[4, 4], &[8], &[3, 4], &[7], &[3, 5]],
        (Some(0), _) => &[&[3, 4], &[6], &[3, 3], &[7], &[4, 4], &[5]],
        (Some(2..=9), 3) => &[&[3, 4], &[7]],
        _ => &[],
    };
    if let Some(filled) = forms.iter().find_map(|form| rest.fill(text, form, b" -.")) {
        finder.add(Kind::Phone, start - 1, filled.end, 260);
    }
}

/// As it is dialled within a country: the forms with what their first digits and groups say.
fn domestic(finder: &mut Finder<'_>, groups: &Groups) {
    let text = finder.text;
    let all = groups.all();
    let (first, second, third) = (all.first(), all.get(1), all.get(2));
    let two_to_nine = |at: usize| all.get(at).is_some_and(|digit| *digit >= 2);
    let forms: &[(&[usize], i32)] = match (first, second, third) {
        (Some(0), Some(4), _) => {
            &[(&[4, 3, 3], 240), (&[10], 110), (&[4, 6], 120), (&[2, 4, 4], 150), (&[5, 5], 60), (&[3, 3, 4], -60)]
        }
        (Some(0), Some(7), _) => &[
            (&[5, 6], 180),
            (&[5, 3, 3], 180),
            (&[11], 60),
            (&[2, 4, 4], 150),
            (&[10], -40),
            (&[2, 3, 4], 20),
            (&[4, 3, 3], 0),
            (&[4, 3, 4], 20),
        ],
        (Some(0), Some(2), _) => &[
            (&[2, 4, 4], 150),
            (&[3, 4, 4], 150),
            (&[10], -20),
            (&[11], -40),
            (&[3, 3, 3], -60),
            (&[3, 3, 4], 40),
            (&[3, 7], 0),
            (&[4, 4], -200),
        ],
        (Some(0), Some(3 | 8), _) => &[(&[2, 4, 4], 150), (&[10], -20), (&[2, 3, 4], 20), (&[4, 3, 4], 20)],
        (Some(0), Some(5), _) => &[(&[4, 3, 3], 40), (&[10], -60)],
        (Some(0), Some(1), _) => &[(&[5, 6], 120), (&[5, 5], 40), (&[4, 3, 4], 100), (&[11], -40), (&[10], -150)],
        (Some(0), Some(6 | 9), _) => &[(&[2, 3, 4], 20), (&[2, 4, 4], 20), (&[9], -200)],
        (Some(1), Some(3 | 8), Some(0)) => &[(&[4, 3, 3], 40), (&[10], -250), (&[1, 3, 3, 4], 60)],
        (Some(1), Some(2..=9), _) => &[(&[1, 3, 3, 4], 60), (&[11], -380)],
        (Some(6), Some(1), Some(2..=4 | 7 | 8)) => &[(&[11], -60), (&[2, 3, 3, 3], 60), (&[2, 1, 4, 4], 60)],
        (Some(2..=9), ..) if two_to_nine(3) => &[(&[3, 3, 4], 0), (&[10], -380)],
        _ => &[],
    };
    for (form, score) in forms {
        let Some(filled) = groups.fill(text, form, b" -.") else { continue };
        let america = *form == [3, 3, 4] && first != Some(&0);
        let dialled = match filled.separator {
            b'-' if america => 90,
            b'.' if america => 50,
            b' ' if america => -20,
            _ => 0,
        };
        let row = if form.len() > 1 && (filled.goes_on || groups.follows_number) { -120 } else { 0 };
        finder.add(Kind::Phone, groups.start, filled.end, score + dialled + row);
        return;
    }
    named(finder, groups);
}

/// Seven to thirteen digits in any groups, right behind a word that names a telephone.
fn named(finder: &mut Finder<'_>, groups: &Groups) {
    for count in (1..=groups.count().min(5)).rev() {
        let Some(filled) = groups.until(finder.text, count, 0).filter(|filled| (7..=13).contains(&filled.digits.len()))
        else {
            continue;
        };
        if finder.around(groups.start, filled.end).names(Kind::Phone) {
            finder.add(Kind::Phone, groups.start, filled.end, -300);
        }
        return;
    }
}

/// Whether this could be a number as people write it: for columns that say so.
pub(crate) fn is_plain(text: Text<'_>) -> bool {
    let digits = text.bytes(0, text.len()).iter().filter(|byte| byte.is_ascii_digit()).count();
    let all = text.bytes(0, text.len()).iter().all(|b| b.is_ascii_digit() || b" +-().".contains(b));
    all && (7..=15).contains(&digits)
}
