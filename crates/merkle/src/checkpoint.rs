//! Checkpoints (C2SP tlog-checkpoint): which log, how many leaves, which root. Signed by the log as a note, a
//! checkpoint commits it to everything it has said so far.

use crate::encoding::{b64, decimal, hash_from_b64, shorten};
use crate::key::VerifierKey;
use crate::note::{Note, NoteError};
use crate::tree::Hash;

/// Why a text or note is not a checkpoint of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not three non-empty lines, or an empty extension line, or no final newline.
    #[error("a checkpoint has a line each for origin, size and root hash, none of them empty")]
    MissingLines,
    /// The second line is not a decimal number.
    #[error("`{0}` is not a tree size; it should be a decimal number without leading zeroes")]
    BadSize(String),
    /// The third line is not a hash.
    #[error("`{0}` is not a root hash; it should be 32 bytes in base64")]
    BadRoot(String),
    /// A checkpoint of another log, although signed by the key.
    #[error("the checkpoint is of log `{origin}`, not of `{expected}`")]
    WrongOrigin {
        /// The origin line of the checkpoint, shortened.
        origin: String,
        /// The name of the key it was opened with.
        expected: String,
    },
    /// Not a note, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The state of a log at some size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: one line, such as `example.com/log`; by convention also the name of the log's key.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
    /// Further lines, without newlines and not empty. Signed, but not checked by anybody.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads the text of a checkpoint, final newline included. The signatures are not part of the text.
    ///
    /// # Errors
    /// [`CheckpointError`] says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::MissingLines)?;
        let mut lines = body.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::MissingLines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::MissingLines);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: decimal(size).ok_or_else(|| CheckpointError::BadSize(shorten(size)))?,
            root: hash_from_b64(root).map_err(|_| CheckpointError::BadRoot(shorten(root)))?,
            extensions,
        })
    }

    /// The text to sign, final newline included.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, b64(&self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads a signed checkpoint and checks that it is by this log: signed by its key, with the name of the key as its
    /// origin. The note comes along for its other signatures.
    ///
    /// # Errors
    /// [`CheckpointError`] says what is wrong with it.
    pub fn open(note: impl AsRef<[u8]>, log: &VerifierKey) -> Result<(Self, Note), CheckpointError> {
        let note = Note::parse(note)?;
        log.verify(&note)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != log.name() {
            return Err(CheckpointError::WrongOrigin {
                origin: shorten(&checkpoint.origin),
                expected: log.name().to_owned(),
            });
        }
        Ok((checkpoint, note))
    }
}

#[cfg(test)]
mod tests;
