//! The three spellings of bytes and numbers that the log formats use: lower-case hexadecimal, standard base64 with
//! padding (RFC 4648 section 4), and decimal without leading zeroes. Each value has exactly one accepted spelling.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::tree::Hash;

/// Why a text does not spell the bytes it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Not pairs of `0-9a-f`.
    #[error("`{0}` is not lower-case hexadecimal; write two digits from 0-9a-f for each byte")]
    Hex(String),
    /// Not standard base64 with padding, or with stray bits after the last byte.
    #[error("`{0}` is not standard base64 with padding")]
    Base64(String),
    /// Good encoding, but not 32 bytes.
    #[error("`{text}` encodes {bytes} bytes; a hash has 32")]
    HashLength {
        /// What was written, shortened.
        text: String,
        /// How many bytes it stands for.
        bytes: usize,
    },
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads lower-case hexadecimal.
///
/// # Errors
/// [`EncodingError::Hex`] for an odd number of digits, or any other character.
pub fn unhex(text: &str) -> Result<Vec<u8>, EncodingError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<u8>>>();
    match bytes {
        Some(bytes) if rest.is_empty() => Ok(bytes),
        _ => Err(EncodingError::Hex(shorten(text))),
    }
}

/// Standard base64 with padding.
pub fn b64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Reads standard base64 with padding.
///
/// # Errors
/// [`EncodingError::Base64`] for anything that [`b64`] would not have written.
pub fn unb64(text: &str) -> Result<Vec<u8>, EncodingError> {
    BASE64_STANDARD.decode(text).map_err(|_| EncodingError::Base64(shorten(text)))
}

/// Reads a hash from lower-case hexadecimal.
///
/// # Errors
/// [`EncodingError`] when the text is not hexadecimal, or not of 32 bytes.
pub fn hash_from_hex(text: &str) -> Result<Hash, EncodingError> {
    into_hash(text, unhex(text)?)
}

/// Reads a hash from standard base64.
///
/// # Errors
/// [`EncodingError`] when the text is not base64, or not of 32 bytes.
pub fn hash_from_b64(text: &str) -> Result<Hash, EncodingError> {
    into_hash(text, unb64(text)?)
}

fn into_hash(text: &str, bytes: Vec<u8>) -> Result<Hash, EncodingError> {
    Hash::try_from(bytes).map_err(|bytes| EncodingError::HashLength { text: shorten(text), bytes: bytes.len() })
}

/// Reads a decimal number with no sign and no leading zeroes, the only spelling the C2SP formats allow.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Input as an error message may carry it: the first 64 characters, so that a hostile line cannot flood a log.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hexadecimal_has_one_spelling() {
        assert_eq!(hex(&[0x00, 0x9f, 0xff]), "009fff");
        assert_eq!(unhex("009fff").unwrap(), [0x00, 0x9f, 0xff]);
        for bad in ["0", "0G", "FF", " 00", "0x00", "é0"] {
            assert_eq!(unhex(bad), Err(EncodingError::Hex(bad.to_owned())));
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(unb64("AA==").unwrap(), [0]);
        for bad in ["AA", "AB==", "AA==\n", "A-==", "A"] {
            assert_eq!(unb64(bad), Err(EncodingError::Base64(bad.to_owned())), "{bad}");
        }
        assert_eq!(hash_from_b64("AA==").unwrap_err().to_string(), "`AA==` encodes 1 bytes; a hash has 32");
    }

    #[test]
    fn decimal_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "18446744073709551616", "1e3", "٣"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn long_input_is_shortened_in_messages() {
        assert_eq!(shorten(&"é".repeat(70)), format!("{}…", "é".repeat(64)));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(unhex(&hex(&bytes)).unwrap(), bytes.clone());
            prop_assert_eq!(unb64(&b64(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_read_without_panic_and_prints_back(text: String) {
            if let Ok(bytes) = unhex(&text) {
                prop_assert_eq!(hex(&bytes), text.clone());
            }
            if let Ok(bytes) = unb64(&text) {
                prop_assert_eq!(b64(&bytes), text);
            }
        }
    }
}
