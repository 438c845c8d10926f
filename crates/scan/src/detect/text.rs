//! A text as bytes that may be asked for beyond its ends, and the words in it.

/// A folded text.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub &'a str);

impl<'a> Text<'a> {
    /// The byte there, 0 beyond the ends.
    pub(crate) fn byte(self, at: usize) -> u8 {
        self.0.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before, 0 at the beginning.
    pub(crate) fn before(self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    pub(crate) fn bytes(self, start: usize, end: usize) -> &'a [u8] {
        self.0.as_bytes().get(start..end.min(self.len())).unwrap_or_default()
    }

    pub(crate) fn rest(self, start: usize) -> &'a [u8] {
        self.0.as_bytes().get(start..).unwrap_or_default()
    }

    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// Where the run of bytes that `is` true of ends, at most `most` bytes on.
    pub(crate) fn run(self, start: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        start + self.rest(start).iter().take(most).take_while(|byte| is(**byte)).count()
    }

    /// Where the run that ends here begins.
    pub(crate) fn run_back(self, end: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        let before = self.0.as_bytes().get(..end).unwrap_or_default();
        end - before.iter().rev().take(most).take_while(|byte| is(**byte)).count()
    }
}

/// Part of a word: letters and digits, `_`, and all that is not ASCII.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The part of that which is ASCII.
pub(crate) fn is_ascii_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What joins words to one token, such as in file names, versions and addresses of the web.
pub(crate) fn is_joint(byte: u8) -> bool {
    matches!(byte, b'-' | b'.' | b'/' | b':' | b'\\' | b'+')
}
