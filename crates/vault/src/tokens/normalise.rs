//! What counts as the same value, and what counts as one at all, by kind.

use scan::digits;

use super::MAX_VALUE_BYTES;

/// A kind of value, with its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Any text. Spaces around it do not count, nor does case when it has an `@`.
    Text,
    /// A card's number: 12 to 19 digits that pass the Luhn test.
    Card,
    /// A telephone number: 6 to 15 digits, with or without a `+` before them.
    Phone,
    /// An Australian tax file number: nine digits with their check digit.
    Tfn,
    /// An Australian Medicare number: eight digits, their check digit, the issue, and perhaps the person's line.
    Medicare,
}

/// What is wrong with a value, without the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It is too long.
    #[error("has more than 1,024 bytes")]
    TooLong,
    /// It holds characters that its kind has not.
    #[error(
        "holds characters that a number of its kind has not: use digits, spaces, `-`, `.`, `/`, brackets, and `+` first"
    )]
    Characters,
    /// It has too few or too many digits.
    #[error("has a number of digits that its kind has not")]
    Length,
    /// Its check digit does not fit.
    #[error("has a check digit that does not fit: it was mistyped, or is of another kind")]
    CheckDigit,
    /// So few values have its form that its token could be guessed.
    #[error("has so few digits that its token could be guessed: six are needed, a million values")]
    SmallDomain,
}

/// Fewest values that a domain may have: NIST SP 800-38G revision 1, section 5.1.
pub(crate) const MIN_DIGITS: usize = 6;

const MAX_PHONE_DIGITS: usize = 15;

/// A value as it is compared, and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What is the same for the same value.
    pub canonical: String,
    /// As it was written, without spaces around it.
    pub written: String,
}

impl Format {
    /// Reads a value of this kind.
    ///
    /// # Errors
    /// [`BadValue`].
    pub fn read(self, value: &str) -> Result<Value, BadValue> {
        let written = value.trim();
        if written.is_empty() {
            return Err(BadValue::Empty);
        }
        if written.len() > MAX_VALUE_BYTES {
            return Err(BadValue::TooLong);
        }
        let canonical = match self {
            Self::Text if written.contains('@') => written.to_lowercase(),
            Self::Text => written.to_owned(),
            _ => {
                let digits = self.digits(written)?;
                let plus = if self == Self::Phone && written.starts_with('+') { "+" } else { "" };
                plus.chars().chain(digits.iter().map(|digit| char::from(b'0' + digit))).collect()
            }
        };
        Ok(Value { canonical, written: written.to_owned() })
    }

    /// The digits of a number of this kind, checked.
    pub(crate) fn digits(self, written: &str) -> Result<Vec<u8>, BadValue> {
        if written.len() > MAX_VALUE_BYTES {
            return Err(BadValue::TooLong);
        }
        let mut digits = Vec::with_capacity(written.len());
        for (at, byte) in written.bytes().enumerate() {
            match byte {
                b'0'..=b'9' => digits.push(byte - b'0'),
                b' ' | b'-' | b'.' | b'/' | b'(' | b')' => {}
                b'+' if at == 0 && self == Self::Phone => {}
                _ => return Err(BadValue::Characters),
            }
        }
        let (length, genuine) = match self {
            Self::Text => return Err(BadValue::Characters),
            Self::Phone if digits.len() < MIN_DIGITS => return Err(BadValue::SmallDomain),
            Self::Phone => (digits.len() <= MAX_PHONE_DIGITS, true),
            Self::Card => ((12..=19).contains(&digits.len()), digits::is_card(&digits)),
            Self::Tfn => (digits.len() == 9, digits::is_tfn(&digits)),
            Self::Medicare => ((10..=11).contains(&digits.len()), digits::is_medicare(&digits)),
        };
        match (length, genuine) {
            (false, _) => Err(BadValue::Length),
            (true, false) => Err(BadValue::CheckDigit),
            (true, true) => Ok(digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(format: Format, value: &str) -> Result<String, BadValue> {
        format.read(value).map(|value| value.canonical)
    }

    #[test]
    fn given_one_value_written_in_several_ways_when_read_then_it_is_the_same() {
        assert_eq!(canonical(Format::Text, " Anna@Example.org "), Ok("anna@example.org".into()));
        assert_eq!(canonical(Format::Text, "Anna"), Ok("Anna".into()));
        assert_eq!(canonical(Format::Card, "4111-1111 1111 1111"), Ok("4111111111111111".into()));
        assert_eq!(canonical(Format::Phone, "+61 (2) 9999-0000"), Ok("+61299990000".into()));
        assert_eq!(canonical(Format::Tfn, "123 456 782"), Ok("123456782".into()));
        assert_eq!(canonical(Format::Medicare, "2123 45670 1/2"), Ok("21234567012".into()));
    }

    #[test]
    fn given_what_is_no_value_when_read_then_it_is_said_why_without_it() {
        let long = "x".repeat(1_025);
        for (format, value, why) in [
            (Format::Text, "  ", BadValue::Empty),
            (Format::Text, long.as_str(), BadValue::TooLong),
            (Format::Card, "4111 1111 1111 1112", BadValue::CheckDigit),
            (Format::Card, "4111", BadValue::Length),
            (Format::Card, "+4111111111111111", BadValue::Characters),
            (Format::Tfn, "123456789", BadValue::CheckDigit),
            (Format::Tfn, "12345678", BadValue::Length),
            (Format::Medicare, "2123456711", BadValue::CheckDigit),
            (Format::Phone, "12345", BadValue::SmallDomain),
            (Format::Phone, "1234567890123456", BadValue::Length),
            (Format::Phone, "0412x345678", BadValue::Characters),
        ] {
            assert_eq!(format.read(value).map(|value| value.canonical), Err(why), "{format:?}");
        }
    }
}
