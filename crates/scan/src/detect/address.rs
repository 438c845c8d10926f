//! Street addresses: a number, a name with a kind of street, and what follows it: a place, a state and a postcode.

use std::sync::LazyLock;

use super::groups::Groups;
use super::kinds::Kind;
use super::text::{Text, is_word};
use super::walk::Finder;
use super::words::Words;

const STREETS: &str = "st street rd road ave avenue av pde parade cres crescent cct circuit ct court dr drive hwy highway ln lane \
                       pl place tce terrace way bvd blvd boulevard cl close gr grove sq square esp esplanade rise mews walk row \
                       loop quay parkway pkwy alley gardens gdns hill view vista path track trail broadway crossing glade green \
                       straße strasse weg platz rue via calle";

/// The states of Australia with the postcodes in them.
const STATES: [(&str, &[(u32, u32)]); 8] = [
    ("NSW", &[(1000, 2599), (2619, 2899), (2921, 2999)]),
    ("ACT", &[(200, 299), (2600, 2618), (2900, 2920)]),
    ("VIC", &[(3000, 3999), (8000, 8999)]),
    ("QLD", &[(4000, 4999), (9000, 9999)]),
    ("SA", &[(5000, 5999)]),
    ("WA", &[(6000, 6999)]),
    ("TAS", &[(7000, 7999)]),
    ("NT", &[(800, 999)]),
];

const AMERICA: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR \
                       PA RI SC SD TN TX UT VT VA WA WV WI WY DC";

/// Words of a street's name and of a place's.
const MOST_WORDS: usize = 4;

/// Looks at the house number that is here.
pub(crate) fn find(finder: &mut Finder<'_>, groups: &Groups) {
    let text = finder.text;
    let Some(from) = house(text, groups) else { return };
    // `Box 12` has no street: `PO Box 12, Parramatta NSW 2124`.
    let boxed = text.before(groups.start) == b' ' && text.0.get(..groups.start).is_some_and(|t| t.ends_with("PO Box "));
    let street = if boxed { Some(from) } else { street(text, from) };
    let Some(street) = street else { return };
    let start = if boxed { groups.start - 7 } else { unit(text, groups.start) };
    match place(text, street) {
        Some((end, score)) => finder.add(Kind::Address, start, end, score),
        None if boxed => {}
        None => finder.add(Kind::Address, start, street, -130),
    }
}

/// Where the name of the street begins: behind `12`, `12A`, `3/12`, `12-14`.
fn house(text: Text<'_>, groups: &Groups) -> Option<usize> {
    let (mut end, mut count) = (groups.group(0).filter(|group| group.0 <= 5)?.2, 1);
    while let Some((length, b'/' | b'-', ends)) = groups.group(count) {
        if length > 5 || count > 2 {
            return None;
        }
        (end, count) = (ends, count + 1);
    }
    let before = text.before(groups.start);
    if matches!(before, b'.' | b'$' | b':') || text.byte(end) == b'.' {
        return None;
    }
    end += usize::from(text.byte(end).is_ascii_alphabetic() && !text.byte(end + 1).is_ascii_alphanumeric());
    end += usize::from(text.byte(end) == b',');
    let next = text.byte(end + 1);
    (text.byte(end) == b' ' && (next.is_ascii_uppercase() || next >= 0x80)).then_some(end + 1)
}

/// Where `Unit 5,` or `Level 3/` before a house number begins, or the number itself.
fn unit(text: Text<'_>, start: usize) -> usize {
    let before = text.run_back(start, 2, |byte| matches!(byte, b' ' | b','));
    let number = text.run_back(before, 5, |byte| byte.is_ascii_alphanumeric());
    let space = text.run_back(number, 1, |byte| byte == b' ');
    let word = text.run_back(space, 9, |byte| byte.is_ascii_alphabetic());
    let units = ["unit", "flat", "level", "suite", "apartment", "apt", "shop", "lot", "villa"];
    let is = units.iter().any(|unit| unit.as_bytes().eq_ignore_ascii_case(text.bytes(word, space)));
    let digits = text.bytes(number, before).iter().any(u8::is_ascii_digit);
    if is && digits && space < number && before < start { word } else { start }
}

/// The word here, and where it ends.
fn word(text: Text<'_>, at: usize) -> (&[u8], usize) {
    let end = text.run(at, 24, |byte| (is_word(byte) && byte != b'_') || matches!(byte, b'\'' | b'-'));
    (text.bytes(at, end), end)
}

static KINDS: LazyLock<Words<()>> = LazyLock::new(|| Words::set(STREETS));

fn is_capital(word: &[u8]) -> bool {
    word.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0x80)
}

/// Where the street ends: behind a kind of street that follows one to four words, such as `Collins St`.
fn street(text: Text<'_>, from: usize) -> Option<usize> {
    let (mut at, mut named) = (from, 0);
    while named <= MOST_WORDS {
        let (written, end) = word(text, at);
        let capital = is_capital(written) || matches!(written, b"of" | b"the" | b"de" | b"la");
        if !capital || written.iter().any(u8::is_ascii_digit) && named > 1 {
            return None;
        }
        if named > 0 && KINDS.has(written) {
            // `St Kilda Rd`: a kind may be the first word too; and `North` may follow it.
            let (next, next_ends) = word(text, end + 1);
            let follows = text.byte(end) == b' '
                && matches!(next, b"North" | b"South" | b"East" | b"West" | b"N" | b"S" | b"E" | b"W");
            let dotted = text.byte(end) == b'.' && (text.byte(end + 1) == b',' || text.byte(end + 1) == b' ');
            return Some(if follows { next_ends } else { end + usize::from(dotted && has_place(text, end + 1)) });
        }
        if text.byte(end) != b' ' {
            return None;
        }
        (at, named) = (end + 1, named + 1);
    }
    None
}

fn has_place(text: Text<'_>, at: usize) -> bool {
    place(text, at).is_some()
}

/// Where the address ends, with what that says of it: a state of Australia with a postcode that lies in it, one of America
/// with its code, or a British postcode, behind up to five words.
fn place(text: Text<'_>, from: usize) -> Option<(usize, i32)> {
    let (mut at, mut words) = (from, 0);
    while words <= MOST_WORDS + 1 {
        at = text.run(at, 2, |byte| matches!(byte, b',' | b' ' | b'\n'));
        let (written, end) = word(text, at);
        if written.is_empty() || !(is_capital(written) || written.first().is_some_and(u8::is_ascii_digit)) {
            return None;
        }
        if let Some(found) = australian(text, written, end).or_else(|| american(text, written, end)) {
            return Some(found);
        }
        if let Some(found) = british(text, written, end) {
            return Some(found);
        }
        if text.byte(end) == b'.' || written.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        (at, words) = (end, words + 1);
    }
    None
}

fn behind(text: Text<'_>, end: usize) -> (usize, usize) {
    let from = text.run(end, 2, |byte| matches!(byte, b' ' | b','));
    (from, text.run(from, 6, |byte| byte.is_ascii_digit()))
}

fn australian(text: Text<'_>, written: &[u8], end: usize) -> Option<(usize, i32)> {
    let (_, codes) = STATES.iter().find(|(state, _)| state.as_bytes().eq_ignore_ascii_case(written))?;
    if !written.iter().all(u8::is_ascii_uppercase) && written.len() < 3 {
        return None;
    }
    let (from, ends) = behind(text, end);
    let code = text.bytes(from, ends).iter().fold(0, |code, byte| code * 10 + u32::from(byte - b'0'));
    let fits = codes.iter().any(|(first, last)| (*first..=*last).contains(&code));
    match ends - from {
        4 if fits => Some((ends, 450)),
        4 => Some((ends, 150)),
        _ => Some((end, 100)),
    }
}

fn american(text: Text<'_>, written: &[u8], end: usize) -> Option<(usize, i32)> {
    let state = written.len() == 2 && AMERICA.split_ascii_whitespace().any(|state| state.as_bytes() == written);
    let (from, ends) = behind(text, end);
    if !state || ends - from != 5 {
        return None;
    }
    let plus = text.run(ends + 1, 5, |byte| byte.is_ascii_digit());
    Some((if text.byte(ends) == b'-' && plus == ends + 5 { plus } else { ends }, 400))
}

/// `SW1A 1AA`
fn british(text: Text<'_>, written: &[u8], end: usize) -> Option<(usize, i32)> {
    let letters = written.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let out = (1..=2).contains(&letters)
        && (letters + 1..=letters + 2).contains(&written.len())
        && written.get(letters).is_some_and(u8::is_ascii_digit);
    let (inward, ends) = word(text, end + 1);
    let fits = matches!(inward, [digit, one, two] if digit.is_ascii_digit() && one.is_ascii_uppercase() && two.is_ascii_uppercase());
    (out && fits && text.byte(end) == b' ').then_some((ends, 400))
}
