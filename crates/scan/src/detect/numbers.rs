//! Numbers of states, banks and health services that are written in digits: what starts with a digit and is neither a
//! telephone number nor a date.

use super::groups::{Filled, Groups};
use super::kinds::Kind;
use super::score::{ONE_IN_10, ONE_IN_11, ONE_IN_20, ONE_IN_89};
use super::walk::Finder;
use crate::digits::{is_abn, is_acn, is_card, is_medicare, is_nhs, is_old_tfn, is_tfn};

/// What a number loses when it stands in a row of groups that its form does not explain.
const IN_A_ROW: i32 = -120;

const SPACE: u8 = b' ';
const HYPHEN: u8 = b'-';
const ANY: &[u8] = b" -.";

/// Looks at the number that starts here.
pub(crate) fn find(finder: &mut Finder<'_>, groups: &Groups) {
    match groups.first() {
        2 => business(finder, groups),
        3 => {
            nine(finder, groups);
            branch(finder, groups);
            social(finder, groups);
            health(finder, groups);
            licence(finder, groups);
            old_tax(finder, groups);
        }
        4 => {
            card(finder, groups);
            medicare(finder, groups);
        }
        5..=7 => {
            branch(finder, groups);
            licence(finder, groups);
        }
        8 => {
            old_tax(finder, groups);
            licence(finder, groups);
        }
        9 => {
            nine(finder, groups);
            social(finder, groups);
            passport(finder, groups);
            licence(finder, groups);
        }
        10 => {
            medicare(finder, groups);
            health(finder, groups);
            licence(finder, groups);
        }
        11 => {
            business(finder, groups);
            medicare(finder, groups);
        }
        12..=19 => card(finder, groups),
        _ => {}
    }
}

/// Adds one, unless all its digits are the same. What stands in a row counts only where groups are written.
fn add(finder: &mut Finder<'_>, groups: &Groups, kind: Kind, filled: &Filled<'_>, score: i32) {
    let first = filled.digits.first();
    if filled.digits.iter().all(|digit| Some(digit) == first) {
        return;
    }
    let row = filled.separator != 0 && (filled.goes_on || groups.follows_number);
    let joined = if groups.joined_before { super::walk::JOINED } else { 0 };
    let score = score + joined + if row { IN_A_ROW } else { 0 };
    finder.add(kind, groups.start, filled.end, score);
}

/// Tax file numbers and company numbers. Both have nine digits and a check digit that every tenth or eleventh number has,
/// so that without a word beside it a number is neither for certain.
fn nine(finder: &mut Finder<'_>, groups: &Groups) {
    let bare = groups.fill(finder.text, &[9], ANY);
    let Some(filled) = bare.or_else(|| groups.fill(finder.text, &[3, 3, 3], ANY)) else { return };
    let begins_with_0 = filled.digits.first() == Some(&0);
    if is_tfn(filled.digits) {
        let form = match filled.separator {
            0 => -290,
            SPACE => -280,
            _ => -260,
        };
        add(finder, groups, Kind::Tfn, &filled, form + ONE_IN_11 - if begins_with_0 { 150 } else { 0 });
    }
    if is_acn(filled.digits) {
        let form = match filled.separator {
            0 => -285,
            SPACE => -260,
            _ => -400,
        };
        add(finder, groups, Kind::Acn, &filled, form + ONE_IN_10 + if begins_with_0 { 60 } else { 0 });
    }
}

fn old_tax(finder: &mut Finder<'_>, groups: &Groups) {
    let forms: [&[usize]; 3] = [&[8], &[2, 3, 3], &[3, 3, 2]];
    let Some(filled) = forms.iter().find_map(|form| groups.fill(finder.text, form, ANY)) else { return };
    if is_old_tfn(filled.digits) && finder.around(groups.start, filled.end).suits(Kind::Tfn) {
        add(finder, groups, Kind::Tfn, &filled, ONE_IN_11 - 400);
    }
}

fn business(finder: &mut Finder<'_>, groups: &Groups) {
    if let Some(filled) = groups.fill(finder.text, &[2, 3, 3, 3], ANY).filter(|filled| is_abn(filled.digits)) {
        add(finder, groups, Kind::Abn, &filled, ONE_IN_89 - 210);
    } else if let Some(filled) = groups.fill(finder.text, &[11], ANY).filter(|filled| is_abn(filled.digits)) {
        add(finder, groups, Kind::Abn, &filled, ONE_IN_89 - 300);
    }
    old_tax(finder, groups);
}

/// `2123 45670 1`, and behind it the line on the card of whom it is: `2123 45670 1/2`.
fn medicare(finder: &mut Finder<'_>, groups: &Groups) {
    if let Some(filled) = groups.fill(finder.text, &[11], ANY) {
        if is_medicare(filled.digits) {
            add(finder, groups, Kind::Medicare, &filled, ONE_IN_20 - 490);
        }
        return;
    }
    let (groups_of_it, form) = if groups.first() == 10 { (1, -330) } else { (3, -240) };
    if groups_of_it == 3 && [0, 1, 2].map(|at| groups.group(at).map_or(0, |group| group.0)) != [4, 5, 1] {
        return;
    }
    let separators = [1, 2].map(|at| groups.group(at).map_or(0, |group| group.1));
    if groups_of_it == 3 && (separators[0] != separators[1] || separators[0] == b'/') {
        return;
    }
    let line = groups.group(groups_of_it).filter(|group| group.0 == 1 && group.1 != b'.');
    let longer = line.and_then(|_| groups.until(finder.text, groups_of_it + 1, separators[0]));
    if let Some(filled) = longer.filter(|filled| is_medicare(filled.digits)) {
        add(finder, groups, Kind::Medicare, &filled, ONE_IN_20 + form + 40);
    } else if let Some(filled) = groups.until(finder.text, groups_of_it, separators[0])
        && is_medicare(filled.digits)
    {
        add(finder, groups, Kind::Medicare, &filled, ONE_IN_20 + form);
    }
}

fn card(finder: &mut Finder<'_>, groups: &Groups) {
    let forms: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1]];
    let single = || groups.fill(finder.text, &[groups.first()], ANY).filter(|filled| filled.digits.len() >= 12);
    let filled = forms.iter().find_map(|form| groups.fill(finder.text, form, ANY)).or_else(single);
    let Some(filled) = filled.filter(|filled| is_card(filled.digits)) else { return };
    let Some(issuer) = issuer(filled.digits) else { return };
    let grouped = if filled.separator == 0 { 0 } else { 170 };
    add(finder, groups, Kind::Card, &filled, issuer + grouped + ONE_IN_10);
}

/// What the first digits and the length say of who issued a card: how much of the numbers of that length they leave.
fn issuer(digits: &[u8]) -> Option<i32> {
    let head = digits.iter().take(4).fold(0_u32, |head, digit| head * 10 + u32::from(*digit));
    Some(match (head, digits.len()) {
        (4000..=4999, 16) | (5100..=5599 | 2221..=2720, 16) => -60,
        (3400..=3499 | 3700..=3799, 15) => -80,
        (6011 | 6440..=6599 | 3528..=3589, 16) => -70,
        (6200..=6299, 16..=19) => -120,
        (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14) => -230,
        (4000..=4999, 13 | 19) => -340,
        (6000..=6099 | 8100..=8299 | 5080..=5089, 16) => -240,
        (5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799, 12..=19) => -420,
        _ => return None,
    })
}

/// The branch of a bank account: no check digit, so that it is little more than two groups of three.
fn branch(finder: &mut Finder<'_>, groups: &Groups) {
    if let Some(filled) = groups.fill(finder.text, &[3, 3], b"- ") {
        add(finder, groups, Kind::Bsb, &filled, if filled.separator == HYPHEN { -60 } else { -320 });
    } else if let Some(filled) = groups.fill(finder.text, &[6], ANY)
        && finder.around(groups.start, filled.end).names(Kind::Bsb)
    {
        add(finder, groups, Kind::Bsb, &filled, -250);
    }
}

fn social(finder: &mut Finder<'_>, groups: &Groups) {
    let grouped = groups.fill(finder.text, &[3, 2, 4], b"- ");
    let Some(filled) = grouped.or_else(|| groups.fill(finder.text, &[9], ANY)) else { return };
    let number = filled.digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    let never = matches!(area, 0 | 666 | 900..) || group == 0 || serial == 0;
    let printed = matches!(number, 78_051_120 | 219_099_999 | 123_456_789 | 457_555_462)
        || (987_654_320..=987_654_329).contains(&number);
    if never || printed {
        return;
    }
    let form = match filled.separator {
        HYPHEN => 30,
        SPACE => -110,
        _ => -400,
    };
    if filled.separator != 0 || finder.around(groups.start, filled.end).suits(Kind::Ssn) {
        add(finder, groups, Kind::Ssn, &filled, form);
    }
}

fn health(finder: &mut Finder<'_>, groups: &Groups) {
    let grouped = groups.fill(finder.text, &[3, 3, 4], b" -");
    let Some(filled) = grouped.or_else(|| groups.fill(finder.text, &[10], ANY)) else { return };
    if is_nhs(filled.digits) {
        let form = match filled.separator {
            SPACE => -310,
            HYPHEN => -400,
            _ => -520,
        };
        add(finder, groups, Kind::Nhs, &filled, form + ONE_IN_11);
    }
}

/// Nine digits, as in the United Kingdom and the United States: only where a passport is named.
fn passport(finder: &mut Finder<'_>, groups: &Groups) {
    let Some(filled) = groups.fill(finder.text, &[9], ANY) else { return };
    if finder.around(groups.start, filled.end).names(Kind::Passport) {
        add(finder, groups, Kind::Passport, &filled, -200);
    }
}

/// Six to ten digits, as in the states of Australia and some of the United States: only where a licence is named.
fn licence(finder: &mut Finder<'_>, groups: &Groups) {
    let forms: [&[usize]; 7] = [&[3, 3, 3], &[6], &[7], &[8], &[9], &[10], &[3, 3, 2]];
    let Some(filled) = forms.iter().find_map(|form| groups.fill(finder.text, form, b" -")) else { return };
    if finder.around(groups.start, filled.end).names(Kind::Licence) {
        add(finder, groups, Kind::Licence, &filled, -230);
    }
}
