//! Personal data that has a form: card numbers, e-mail addresses, telephone numbers, Australian tax file numbers and
//! Medicare numbers. What has a check digit is found only when that fits; what has none is found by its form alone, so
//! that some of it is something else. Names and addresses have no form and are not found here.

use crate::digits::{is_card, is_medicare, is_tfn};

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The number of a payment card, with its Luhn digit.
    Card,
    /// An e-mail address.
    Email,
    /// A telephone number: with a `+` and 8 to 15 digits, or with a 0 and 9 or 10.
    Phone,
    /// An Australian tax file number, with its check digit.
    Tfn,
    /// An Australian Medicare number, with its check digit.
    Medicare,
}

impl Kind {
    /// All of them, in the order in which they are tried where several fit.
    pub const ALL: [Self; 5] = [Self::Email, Self::Card, Self::Medicare, Self::Tfn, Self::Phone];

    /// The word that is used for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Tfn => "tfn",
            Self::Medicare => "medicare",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where something stands in a text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// Longest number with what stands between its digits, and longest address, in bytes.
const LONGEST: usize = 254;

/// What stands in `text` of these kinds, in ascending order, none in another.
#[must_use]
pub fn find(text: &str, kinds: &[Kind]) -> Vec<Finding> {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let run = match byte {
            b'0'..=b'9' | b'+' => number(bytes, at),
            // A bracket belongs to a number only when it is closed within it.
            b'(' => number(bytes, at).filter(|run| bytes.get(at..run.end).is_some_and(|run| run.contains(&b')'))),
            b if is_local(*b) => word(bytes, at),
            _ => None,
        };
        let Some(run) = run else {
            at += 1;
            continue;
        };
        let fits = |kind: &Kind| kinds.contains(kind).then(|| run.fits(*kind)).flatten();
        match Kind::ALL.iter().find_map(|kind| fits(kind).map(|end| (*kind, end))) {
            Some((kind, end)) => {
                found.push(Finding { kind, start: at, end });
                at = end;
            }
            None => at = run.next,
        }
    }
    found
}

/// A stretch that may be something.
struct Run {
    /// Its digits, when it has nothing but digits and what stands between them.
    digits: Vec<u8>,
    plus: bool,
    address: bool,
    end: usize,
    /// Where to look on when it is nothing.
    next: usize,
}

impl Run {
    /// Where it ends, if it is of this kind.
    fn fits(&self, kind: Kind) -> Option<usize> {
        let digits = self.digits.as_slice();
        let is = match kind {
            Kind::Email => self.address,
            _ if self.address => false,
            Kind::Card => !self.plus && is_card(digits),
            Kind::Medicare => !self.plus && is_medicare(digits),
            Kind::Tfn => !self.plus && is_tfn(digits),
            Kind::Phone if self.plus => (8..=15).contains(&digits.len()),
            Kind::Phone => digits.first() == Some(&0) && (9..=10).contains(&digits.len()),
        };
        is.then_some(self.end)
    }
}

/// Digits with single spaces, hyphens, dots or brackets between them. A number that goes on in letters is no number.
fn number(bytes: &[u8], at: usize) -> Option<Run> {
    if let Some(run) = word(bytes, at).filter(|run| run.address) {
        return Some(run);
    }
    let plus = bytes.get(at) == Some(&b'+');
    let (mut digits, mut end, mut here) = (Vec::new(), at, at + usize::from(plus));
    let mut gap = 0;
    while let Some(byte) = bytes.get(here).filter(|_| here - at < LONGEST) {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                (end, gap) = (here + 1, 0);
            }
            b' ' | b'-' | b'.' | b'(' | b')' if gap < 2 => gap += 1,
            _ => break,
        }
        here += 1;
    }
    let goes_on = bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let next = end.max(at + 1);
    if goes_on || digits.is_empty() {
        digits.clear();
    }
    Some(Run { digits, plus, address: false, end, next })
}

/// A word as addresses are made of, and whether it is one: `local@domain.top`.
fn word(bytes: &[u8], at: usize) -> Option<Run> {
    let length = |from: usize, is: fn(u8) -> bool| {
        bytes.get(from..).unwrap_or_default().iter().take(LONGEST + 1).take_while(|b| is(**b)).count()
    };
    let local = length(at, is_local);
    let (begins, mut next) = (at + local, at + local.max(1));
    let mut run = Run { digits: vec![], plus: false, address: false, end: next, next };
    if local == 0 || local > 64 || bytes.get(begins) != Some(&b'@') {
        // Numbers stand behind words too: `tel:0412…` is looked at from its first digit.
        run.next =
            at + bytes.get(at..begins).unwrap_or_default().iter().take_while(|b| !b.is_ascii_digit()).count().max(1);
        return Some(run);
    }
    let domain = length(begins + 1, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let written = bytes.get(begins + 1..begins + 1 + domain).unwrap_or_default();
    // A full stop that ends a sentence is not part of it.
    let dots = written.iter().rev().take_while(|b| matches!(b, b'.' | b'-')).count();
    let name = written.get(..domain - dots).unwrap_or_default();
    let top = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
    next = begins + 1 + domain - dots;
    run.address = name.contains(&b'.') && top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic);
    (run.end, run.next) = (next, next.max(at + 1));
    Some(run)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, &str)> {
        find(text, &Kind::ALL).iter().map(|one| (one.kind.as_str(), &text[one.start..one.end])).collect()
    }

    #[test]
    fn given_a_text_when_searched_then_what_has_a_form_is_found_whole() {
        let text = "Ann <ann.o'hara@example.org>, card 4111 1111 1111 1111, TFN 123-456-782; call +61 412 345 678 or \
                    0412 345 678. Medicare 2123 45670 1. Mail bob@example.com.";
        assert_eq!(
            found(text),
            [
                ("email", "hara@example.org"),
                ("card", "4111 1111 1111 1111"),
                ("tfn", "123-456-782"),
                ("phone", "+61 412 345 678"),
                ("phone", "0412 345 678"),
                ("medicare", "2123 45670 1"),
                ("email", "bob@example.com"),
            ]
        );
    }

    #[test]
    fn given_numbers_that_are_none_when_searched_then_nothing_is_found() {
        for text in
            ["4111 1111 1111 1112", "order 123456789", "2026-11-28", "v1.2.3", "a@b", "@", "+", "x4111111111111111y"]
        {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
        assert!(find("4111111111111111", &[Kind::Email]).is_empty(), "only what is asked for");
        assert_eq!(found("tel:0412345678"), [("phone", "0412345678")]);
    }

    proptest::proptest! {
        #[test]
        fn given_any_text_when_searched_then_findings_are_ascending_and_lie_in_it(text in "[ -~é]{0,200}") {
            let mut before = 0;
            for one in find(&text, &Kind::ALL) {
                proptest::prop_assert!(before <= one.start && one.start < one.end);
                proptest::prop_assert!(text.get(one.start..one.end).is_some());
                before = one.end;
            }
        }
    }
}
