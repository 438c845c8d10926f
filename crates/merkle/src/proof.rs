//! Portable proofs (C2SP tlog-proof): one text file that shows, offline, that an entry is in a log and that witnesses
//! saw the log so. It takes the place of a detached signature.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoding::{b64, decimal, hash_from_b64, shorten, unb64};
use crate::key::VerifierKey;
use crate::note::{MAX_NOTE_BYTES, Note, NoteError};
use crate::path::{ProofError, verify_inclusion};
use crate::policy::Policy;
use crate::tree::{Hash, leaf_hash};

/// The first line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest proof that is read, in bytes: the longest note and as much again for extra data and hashes.
pub const MAX_PROOF_BYTES: usize = 2 * MAX_NOTE_BYTES;

/// A tree of 2^64 leaves is 64 levels high.
const MAX_HASHES: usize = 64;

/// Why a text is not a portable proof, or does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`MAX_PROOF_BYTES`].
    #[error("a proof of {bytes} bytes is longer than the {MAX_PROOF_BYTES} that are read")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// Another first line.
    #[error("not a portable proof: the first line should be `{HEADER}`")]
    NotAProof,
    /// No empty line before the checkpoint.
    #[error("the proof has no empty line followed by a checkpoint; it was cut short")]
    NoCheckpoint,
    /// A line before the empty line that does not belong there.
    #[error("`{0}` is out of place: expected an optional `extra` line, an `index` line, then hashes in base64")]
    BadLine(String),
    /// More hashes than any tree has levels.
    #[error("a proof has at most {MAX_HASHES} hashes")]
    TooManyHashes,
    /// The checkpoint is not a note.
    #[error("the checkpoint of the proof is not a signed note")]
    Note(#[source] NoteError),
    /// The checkpoint is not one of the log.
    #[error("the checkpoint of the proof is not by the log")]
    Checkpoint(#[source] CheckpointError),
    /// The entry is not where the proof says.
    #[error("the entry is not in the log at index {index}")]
    Inclusion {
        /// Index in the log, from zero.
        index: u64,
        /// What does not fit.
        #[source]
        source: ProofError,
    },
    /// The policy lists logs, but not this one.
    #[error("the policy does not list the log `{0}` with the key that signed")]
    UnlistedLog(String),
    /// Too few witnesses cosigned.
    #[error("the policy asks for more witnesses; these cosigned: `{0}`")]
    NoQuorum(String),
}

/// Everything needed to verify that an entry is in a log, but the entry and the trusted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Whatever the application attached. Covered by no signature.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry in the log, from zero.
    pub index: u64,
    /// The inclusion proof (RFC 6962 section 2.1.1).
    pub hashes: Vec<Hash>,
    /// The checkpoint the proof leads to, as a signed note.
    pub checkpoint: String,
}

impl TlogProof {
    /// Reads a proof. Nothing is verified yet.
    ///
    /// # Errors
    /// [`TlogProofError`] says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(TlogProofError::TooLong { bytes: text.len() });
        }
        let bad = |line: &str| TlogProofError::BadLine(shorten(line));
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::NotAProof);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(base64) => {
                lines.next();
                Some(unb64(base64).map_err(|_| bad(base64))?)
            }
            None => None,
        };
        let line = lines.next().unwrap_or_default();
        let index = line.strip_prefix("index ").and_then(decimal).ok_or_else(|| bad(line))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(hash_from_b64(line).map_err(|_| bad(line))?);
        }
        Note::parse(checkpoint).map_err(TlogProofError::Note)?;
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the entry, byte for byte, is in the log with this key, and that the policy, if there is one, is
    /// met. Gives the checkpoint that was relied on. A policy that lists no logs leaves the choice of log to `log`.
    ///
    /// # Errors
    /// [`TlogProofError`] says which link of the chain is broken.
    pub fn verify(
        &self,
        entry: &[u8],
        log: &VerifierKey,
        policy: Option<&Policy>,
    ) -> Result<Checkpoint, TlogProofError> {
        let (checkpoint, note) = Checkpoint::open(&self.checkpoint, log).map_err(TlogProofError::Checkpoint)?;
        let leaf = leaf_hash(entry);
        let index = self.index;
        verify_inclusion(&leaf, index, checkpoint.size, &self.hashes, &checkpoint.root)
            .map_err(|source| TlogProofError::Inclusion { index, source })?;
        if let Some(policy) = policy {
            let verdict = policy.evaluate(&note);
            if !policy.logs().is_empty() && !verdict.log_ok {
                return Err(TlogProofError::UnlistedLog(checkpoint.origin));
            }
            if !verdict.quorum_met {
                let names: Vec<String> = verdict.witnesses.into_iter().map(|(name, _)| name).collect();
                return Err(TlogProofError::NoQuorum(names.join(", ")));
            }
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", b64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", b64(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
