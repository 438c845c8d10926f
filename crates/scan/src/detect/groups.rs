//! Digits as they are written: in groups, with one separator between two of them.

use super::text::{Text, is_ascii_word, is_joint};

const MOST_GROUPS: usize = 9;
const MOST_DIGITS: usize = 32;

/// Groups of digits that follow each other.
pub(crate) struct Groups {
    pub start: usize,
    digits: [u8; MOST_DIGITS],
    /// Number of digits up to and with each group, the separator before it, and the byte after it.
    groups: [(usize, u8, usize); MOST_GROUPS],
    count: usize,
    /// What stands before makes it part of something longer, such as a path or a decimal number.
    pub joined_before: bool,
    /// A number stands before it, one space away.
    pub follows_number: bool,
}

/// The digits that fill a pattern of groups.
pub(crate) struct Filled<'a> {
    pub digits: &'a [u8],
    pub separator: u8,
    pub end: usize,
    /// More digits follow, one space away.
    pub goes_on: bool,
}

impl Groups {
    /// Reads from the first digit.
    pub(crate) fn read(text: Text<'_>, start: usize) -> Self {
        let before = text.before(start);
        let beyond = start.checked_sub(1).map_or(0, |at| text.before(at));
        let mut groups = Self {
            start,
            digits: [0; MOST_DIGITS],
            groups: [(0, 0, 0); MOST_GROUPS],
            count: 0,
            joined_before: (is_joint(before) && before != b':' && is_ascii_word(beyond))
                || (before == b':' && beyond.is_ascii_digit())
                || matches!(before, b'$' | b'%')
                || (before == b'.' && beyond != b' ')
                || (before >= 0x80 && is_currency(text, start)),
            follows_number: before == b' ' && beyond.is_ascii_digit(),
        };
        let (mut at, mut total, mut separator) = (start, 0, 0);
        while groups.count < MOST_GROUPS {
            let end = text.run(at, MOST_DIGITS + 1, |byte| byte.is_ascii_digit());
            if total + (end - at) > MOST_DIGITS {
                break;
            }
            for byte in text.bytes(at, end) {
                if let Some(digit) = groups.digits.get_mut(total) {
                    *digit = byte - b'0';
                }
                total += 1;
            }
            if let Some(group) = groups.groups.get_mut(groups.count) {
                *group = (total, separator, end);
            }
            groups.count += 1;
            separator = text.byte(end);
            if !matches!(separator, b' ' | b'-' | b'.' | b'/') || !text.byte(end + 1).is_ascii_digit() {
                break;
            }
            at = end + 1;
        }
        groups
    }

    /// The length of the first group.
    pub(crate) fn first(&self) -> usize {
        self.groups.first().map_or(0, |group| group.0)
    }

    /// How many groups there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The digits of all groups.
    pub(crate) fn all(&self) -> &[u8] {
        let total = self.count.checked_sub(1).and_then(|last| self.groups.get(last)).map_or(0, |group| group.0);
        self.digits.get(..total).unwrap_or_default()
    }

    /// The length of a group, the separator before it, and the byte after it.
    pub(crate) fn group(&self, at: usize) -> Option<(usize, u8, usize)> {
        let (total, separator, end) = *self.groups.get(..self.count)?.get(at)?;
        let before = at.checked_sub(1).and_then(|at| self.groups.get(at)).map_or(0, |group| group.0);
        Some((total - before, separator, end))
    }

    /// The digits, when the first groups have these lengths and one separator out of `separators`, and nothing is joined
    /// to them behind.
    pub(crate) fn fill(&self, text: Text<'_>, lengths: &[usize], separators: &[u8]) -> Option<Filled<'_>> {
        let separator = self.group(1).filter(|_| lengths.len() > 1).map_or(0, |group| group.1);
        if lengths.len() > 1 && !separators.contains(&separator) {
            return None;
        }
        for (at, length) in lengths.iter().enumerate() {
            let group = self.group(at)?;
            if group.0 != *length || (at > 0 && group.1 != separator) {
                return None;
            }
        }
        self.until(text, lengths.len(), separator)
    }

    /// The digits of the first `count` groups, when nothing is joined to them behind.
    pub(crate) fn until(&self, text: Text<'_>, count: usize, separator: u8) -> Option<Filled<'_>> {
        let (total, _, end) = *self.groups.get(..self.count)?.get(count.checked_sub(1)?)?;
        let goes_on = self.count > count && text.byte(end) == b' ';
        let filled = Filled { digits: self.digits.get(..total)?, separator, end, goes_on };
        (!is_joined_behind(text, end)).then_some(filled)
    }
}

/// Whether a word goes on here: a letter, or something that joins and then a letter or digit. Letters that are not ASCII do
/// not join: scripts such as Chinese have no spaces between words.
pub(crate) fn is_joined_behind(text: Text<'_>, end: usize) -> bool {
    let (byte, next) = (text.byte(end), text.byte(end + 1));
    is_ascii_word(byte)
        || (is_joint(byte) && next.is_ascii_digit())
        || (matches!(byte, b'-' | b'@') && is_ascii_word(next))
}

fn is_currency(text: Text<'_>, start: usize) -> bool {
    text.0.get(..start).is_some_and(|before| before.ends_with(['€', '£', '¥']))
}
