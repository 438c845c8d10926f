//! Reads what people see rather than how it is encoded: fullwidth and other digits, spaces that do not break, dashes of
//! all lengths and characters without width become what a keyboard types, with the way back to where they stood.

use std::borrow::Cow;

/// A text as detectors read it.
pub(crate) struct Folded<'a> {
    pub text: Cow<'a, str>,
    given: &'a str,
    /// Where the folded text begins to run beside the given one at another distance: folded byte, given byte.
    turns: Vec<(usize, usize)>,
}

impl<'a> Folded<'a> {
    pub(crate) fn of(given: &'a str) -> Self {
        if given.is_ascii() || !given.chars().any(|c| !c.is_ascii() && fold(c) != Fold::Same) {
            return Self { text: Cow::Borrowed(given), given, turns: Vec::new() };
        }
        let (mut text, mut turns) = (String::with_capacity(given.len()), Vec::new());
        for (at, c) in given.char_indices() {
            match fold(c) {
                Fold::Same => text.push(c),
                Fold::Nothing => turns.push((text.len(), at + c.len_utf8())),
                Fold::To(to) => {
                    text.push(to);
                    turns.push((text.len(), at + c.len_utf8()));
                }
            }
        }
        Self { text: Cow::Owned(text), given, turns }
    }

    /// Where a stretch of the folded text stands in the given one, from its first character to its last: what has no width
    /// before and behind it stays outside.
    pub(crate) fn given(&self, start: usize, end: usize) -> (usize, usize) {
        if self.turns.is_empty() {
            return (start, end);
        }
        let last = self.text.get(start..end).and_then(|text| text.chars().next_back()).map_or(0, char::len_utf8);
        let begins = self.one(end - last);
        let length = self.given.get(begins..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        (self.one(start), begins + length)
    }

    fn one(&self, at: usize) -> usize {
        let next = self.turns.partition_point(|(folded, _)| *folded <= at);
        next.checked_sub(1).and_then(|last| self.turns.get(last)).map_or(at, |(folded, given)| given + (at - folded))
    }
}

#[derive(PartialEq, Eq)]
enum Fold {
    Same,
    Nothing,
    To(char),
}

fn fold(c: char) -> Fold {
    let digit = |from: u32| Fold::To(char::from_digit((u32::from(c) - from) % 10, 10).unwrap_or('0'));
    match c {
        '\0'..='\u{7f}' => Fold::Same,
        // Without width: joiners, marks of direction, soft hyphen, variation selectors, the byte order mark.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => Fold::Nothing,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Fold::To(' '),
        '\u{2028}' | '\u{2029}' | '\u{85}' => Fold::To('\n'),
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Fold::To('-'),
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => Fold::To('\''),
        '\u{2044}' | '\u{2215}' => Fold::To('/'),
        '\u{ff01}'..='\u{ff5e}' => Fold::To(char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        '\u{1d7ce}'..='\u{1d7ff}' => digit(0x1d7ce),
        _ => Fold::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_disguised_digits_when_folded_then_they_are_plain_and_lead_back() {
        let given = "é １２\u{200b}3\u{a0}–\u{200b} x";
        let folded = Folded::of(given);
        assert_eq!(folded.text, "é 123 - x");
        let at = folded.text.find("123").expect("plain");
        let (start, end) = folded.given(at, at + 3);
        assert_eq!(given.get(start..end), Some("１２\u{200b}3"));
        let (start, end) = folded.given(at + 1, at + 2);
        assert_eq!(given.get(start..end), Some("２"), "what has no width is not part of what stands before it");
        let (start, end) = folded.given(at + 4, at + 5);
        assert_eq!(given.get(start..end), Some("–"));
        let (start, end) = folded.given(0, folded.text.len());
        assert_eq!((start, end), (0, given.len()));
    }

    proptest::proptest! {
        #[test]
        fn given_any_text_when_folded_then_every_stretch_leads_to_whole_characters(
            given in "[a0é１\u{200b}\u{a0}–\u{feff}]{0,12}", from in 0_usize..20, length in 1_usize..8,
        ) {
            let folded = Folded::of(&given);
            if folded.text.get(from..from + length).is_some() {
                let (start, end) = folded.given(from, from + length);
                proptest::prop_assert!(start < end && given.get(start..end).is_some(), "{start}..{end} of {given:?}");
                let back = Folded::of(given.get(start..end).unwrap_or_default()).text.into_owned();
                proptest::prop_assert_eq!(Some(back.as_str()), folded.text.get(from..from + length));
            }
        }
    }
}
