//! Signed notes (C2SP signed-note): a text, an empty line, and one line for each signature. Parsing a note says nothing
//! about who wrote it; only [`VerifierKey::verify`](crate::VerifierKey::verify) does.

use std::fmt;
use std::str::FromStr;

use crate::encoding::{b64, shorten, unb64};

/// The longest note that is read, text and signatures together, in bytes.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// The most signatures a note may carry.
pub const MAX_SIGNATURES: usize = 100;

/// Why bytes are not a note, or a note is not signed by a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("a note of {bytes} bytes is longer than the {MAX_NOTE_BYTES} that are read")]
    TooLong {
        /// Length of the input.
        bytes: usize,
    },
    /// Not UTF-8, or with a control character other than newline.
    #[error("a note is UTF-8 text without control characters other than newline")]
    NotText,
    /// The text does not end in a newline.
    #[error("the text of a note must end with a newline")]
    NoFinalNewline,
    /// No empty line, followed by signature lines up to the end.
    #[error("no signatures: a note ends with an empty line and at least one complete signature line")]
    NoSignatures,
    /// More than [`MAX_SIGNATURES`].
    #[error("a note with more than {MAX_SIGNATURES} signatures is not read")]
    TooManySignatures,
    /// A line after the empty line that is not a signature.
    #[error("`{0}` is not a signature line; it should be an em dash, a key name and base64, with single spaces")]
    BadSignatureLine(String),
    /// No signature has the name and id of the key.
    #[error("the note is not signed by `{key}`")]
    NotSigned {
        /// Name and id of the key, as in a verifier key.
        key: String,
    },
    /// A signature names the key, but is not by it or not over this text.
    #[error("the note has an invalid signature in the name of `{key}`: the text or the signature was changed")]
    BadSignature {
        /// Name and id of the key, as in a verifier key.
        key: String,
    },
}

/// A text with signatures that may or may not be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was signed, with its final newline.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<NoteSignature>,
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key that is said to have signed.
    pub name: String,
    /// Short identifier that goes with the name; not a strong hash.
    pub key_id: u32,
    /// What the key's algorithm made; at least one byte.
    pub signature: Vec<u8>,
}

impl Note {
    /// A note still without signatures.
    ///
    /// # Errors
    /// [`NoteError`] when the text could not be the text of a note.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check(text.as_bytes())?;
        if !text.ends_with('\n') {
            return Err(NoteError::NoFinalNewline);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note: the text ends at the last empty line.
    ///
    /// # Errors
    /// [`NoteError`] says which rule of C2SP signed-note is broken, or which limit of ours.
    pub fn parse(note: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let note = check(note.as_ref())?;
        let split = note.rfind("\n\n").and_then(|blank| note.split_at_checked(blank + 1));
        let (text, rest) = split.ok_or(NoteError::NoSignatures)?;
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let mut signatures = Vec::new();
        for line in lines.ok_or(NoteError::NoSignatures)?.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(line.parse()?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

/// Text of a bounded length, without control characters other than newline.
fn check(note: &[u8]) -> Result<&str, NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLong { bytes: note.len() });
    }
    if note.iter().any(|byte| *byte < b' ' && *byte != b'\n') {
        return Err(NoteError::NotText);
    }
    str::from_utf8(note).map_err(|_| NoteError::NotText)
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// The signature line, without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes(), self.signature.as_slice()].concat();
        write!(f, "— {} {}", self.name, b64(&bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads a signature line, without its newline.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        parse_signature(line).ok_or_else(|| NoteError::BadSignatureLine(shorten(line)))
    }
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = unb64(base64).ok()?;
    let (key_id, signature) = bytes.split_first_chunk()?;
    (is_key_name(name) && !signature.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        key_id: u32::from_be_bytes(*key_id),
        signature: signature.to_vec(),
    })
}

/// Key names are not empty and have no spaces, no control characters and no plus (C2SP signed-note, format).
pub(crate) fn is_key_name(name: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && c >= ' ' && c != '+';
    !name.is_empty() && name.chars().all(allowed)
}

#[cfg(test)]
mod tests;
