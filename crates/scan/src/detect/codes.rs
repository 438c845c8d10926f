//! Numbers with letters in them: bank accounts, passports, driver licences and national insurance numbers.

use super::groups::is_joined_behind;
use super::kinds::Kind;
use super::score::ONE_IN_97;
use super::text::{Text, is_ascii_word, is_joint};
use super::walk::Finder;
use crate::digits::is_iban;

/// Countries of bank account numbers, each with the length of its numbers: the registry of ISO 13616.
const IBANS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 \
                     ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 \
                     LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 \
                     PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 \
                     YE30";

/// Looks at the word that begins here with a capital letter.
pub(crate) fn find(finder: &mut Finder<'_>, start: usize, end: usize) {
    let text = finder.text;
    let before = text.before(start);
    let joined =
        is_joint(before) && before != b':' && is_ascii_word(start.checked_sub(1).map_or(0, |at| text.before(at)));
    if joined || end - start > 34 {
        return;
    }
    bank_account(finder, start);
    insurance(finder, start, end);
    let word = text.bytes(start, end);
    if is_joined_behind(text, end) || !word.iter().any(u8::is_ascii_digit) {
        return;
    }
    passport(finder, start, end, word);
    licence(finder, start, end, word);
}

/// Looks at the word that begins here with a digit and has letters too: passports and licences of some countries.
pub(crate) fn mixed(finder: &mut Finder<'_>, start: usize, end: usize) {
    let word = finder.text.bytes(start, end);
    if !is_joint(finder.text.before(start)) && !is_joined_behind(finder.text, end) {
        named_passport(finder, start, end, word);
        named_licence(finder, start, end, word);
    }
}

/// A country, two check digits and the account, in one piece or in fours.
fn bank_account(finder: &mut Finder<'_>, start: usize) {
    let text = finder.text;
    let head = text.bytes(start, start + 4);
    let [first, second, third, fourth] = head else { return };
    if !(first.is_ascii_uppercase() && second.is_ascii_uppercase() && third.is_ascii_digit() && fourth.is_ascii_digit())
    {
        return;
    }
    let length = IBANS.split_ascii_whitespace().find(|one| one.as_bytes().starts_with(&[*first, *second]));
    let Some(length) = length.and_then(|one| one.get(2..)).and_then(|length| length.parse::<usize>().ok()) else {
        return;
    };
    let (mut account, mut at, mut spaced) = ([0_u8; 34], start, false);
    for place in 0..length {
        let space = matches!(text.byte(at), b' ' | b'-') && place % 4 == 0 && place > 0;
        (at, spaced) = (at + usize::from(space), spaced || space);
        let byte = text.byte(at);
        if !(byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return;
        }
        if let Some(slot) = account.get_mut(place) {
            *slot = byte;
        }
        at += 1;
    }
    if !is_ascii_word(text.byte(at)) && account.get(..length).is_some_and(is_iban) {
        finder.add(Kind::Iban, start, at, ONE_IN_97 - 60 + if spaced { 50 } else { 0 });
    }
}

/// `QQ 12 34 56 C`: two letters of which some never stand there, six digits and a letter from A to D.
fn insurance(finder: &mut Finder<'_>, start: usize, end: usize) {
    let text = finder.text;
    let [first, second] = text.bytes(start, start + 2) else { return };
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[*first, *second]);
    if never || b"DFIQUV".contains(first) || b"DFIOQUV".contains(second) || !second.is_ascii_uppercase() {
        return;
    }
    let (mut at, mut digits, mut spaces) = (start + 2, 0, 0);
    if end != start + 2 && !text.byte(at).is_ascii_digit() {
        return;
    }
    while digits < 6 {
        if matches!(text.byte(at), b' ' | b'-') && digits % 2 == 0 {
            (at, spaces) = (at + 1, spaces + 1);
        }
        if !text.byte(at).is_ascii_digit() {
            return;
        }
        (at, digits) = (at + 1, digits + 1);
    }
    if matches!(text.byte(at), b' ' | b'-') {
        (at, spaces) = (at + 1, spaces + 1);
    }
    if (b'A'..=b'D').contains(&text.byte(at)) && !is_joined_behind(text, at + 1) {
        finder.add(Kind::Nino, start, at + 1, if spaces >= 3 { 200 } else { 110 });
    }
}

/// How a word is made: letters, then digits.
fn letters_and_digits(word: &[u8]) -> Option<(&[u8], usize)> {
    let letters = word.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let digits = word.iter().skip(letters).take_while(|byte| byte.is_ascii_digit()).count();
    (letters + digits == word.len()).then(|| (word.get(..letters).unwrap_or_default(), digits))
}

/// Australian passports without a word beside them, weakly; those of others where one is named.
fn passport(finder: &mut Finder<'_>, start: usize, end: usize, word: &[u8]) {
    let australian = match letters_and_digits(word) {
        Some(([series], 7)) => b"ACDEFNUX".contains(series),
        Some(([b'P', series], 7)) => b"ABCDEFUWXZ".contains(series),
        _ => false,
    };
    if australian {
        finder.add(Kind::Passport, start, end, -35);
    } else {
        named_passport(finder, start, end, word);
    }
}

/// Six to nine capital letters and digits, most of them digits, where a passport is named.
fn named_passport(finder: &mut Finder<'_>, start: usize, end: usize, word: &[u8]) {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let form = word.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if form && (6..=9).contains(&word.len()) && digits >= 4 && finder.around(start, end).names(Kind::Passport) {
        finder.add(Kind::Passport, start, end, -180);
    }
}

/// British driver licences have so much form that they need no word; all others do.
fn licence(finder: &mut Finder<'_>, start: usize, end: usize, word: &[u8]) {
    if is_british_licence(word) {
        finder.add(Kind::Licence, start, end, 230);
    } else {
        named_licence(finder, start, end, word);
    }
}

fn named_licence(finder: &mut Finder<'_>, start: usize, end: usize, word: &[u8]) {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let form = word.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if form && (5..=18).contains(&word.len()) && digits >= 4 && finder.around(start, end).names(Kind::Licence) {
        finder.add(Kind::Licence, start, end, -220);
    }
}

/// Five letters of the surname with 9 for what is missing, the date of birth in the order year's ten, month (50 more for
/// women), day, year's one, two initials, and three characters more.
fn is_british_licence(word: &[u8]) -> bool {
    let (Some(name), Some(born), Some(rest)) = (word.get(..5), word.get(5..11), word.get(11..)) else { return false };
    let letters = name.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let padded = letters > 0 && name.iter().skip(letters).all(|byte| *byte == b'9');
    let pair = |at: usize| match born.get(at..at + 2) {
        Some([ten, one]) if ten.is_ascii_digit() && one.is_ascii_digit() => (ten - b'0') * 10 + one - b'0',
        _ => 0,
    };
    let dated =
        born.iter().all(u8::is_ascii_digit) && matches!(pair(1), 1..=12 | 51..=62) && (1..=31).contains(&pair(3));
    let ends = rest.len() == 5 && rest.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    padded && dated && ends && rest.iter().take(2).all(|byte| byte.is_ascii_uppercase() || *byte == b'9')
}

/// Whether letters stand right before digits and name what these are, as in `TFN123456782`.
pub(crate) fn label(text: Text<'_>, start: usize, end: usize) -> Option<usize> {
    let digits = text.run(start, 9, |byte| byte.is_ascii_alphabetic());
    let rest = text.bytes(digits, end);
    let label = text.bytes(start, digits);
    let known = ["tfn", "abn", "acn", "bsb", "ssn", "nhs", "tel", "ph", "mob"];
    let names = known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(label));
    (names && !rest.is_empty() && rest.iter().all(u8::is_ascii_digit)).then_some(digits)
}
