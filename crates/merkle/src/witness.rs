//! The witness protocol (C2SP tlog-witness), without its transport: the body of an `add-checkpoint` request, the body
//! of its answer, and the decision between them. The server that holds the state must take the decision and store the
//! new checkpoint as one atomic step, or two requests could make it cosign two histories.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoding::{b64, decimal, hash_from_b64, shorten};
use crate::key::VerifierKey;
use crate::note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, NoteSignature};
use crate::path::verify_consistency;
use crate::tree::{Hash, empty_root};

/// The most consistency proof lines a request may have.
pub const MAX_PROOF_LINES: usize = 63;

/// The longest request body that is read, in bytes: the longest note, and 63 lines of 45 bytes before it.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 4096;

/// Why a body is not an `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Longer than [`MAX_REQUEST_BYTES`].
    #[error("a request of {bytes} bytes is longer than the {MAX_REQUEST_BYTES} that are read")]
    TooLong {
        /// Length of the body.
        bytes: usize,
    },
    /// Not UTF-8, or without an empty line before the checkpoint.
    #[error("the request has no empty line followed by a checkpoint")]
    NoCheckpoint,
    /// The first line is not `old <size>`.
    #[error("`{0}` should be `old` and the size of the previous checkpoint")]
    BadOldSize(String),
    /// A line that is not a hash.
    #[error("`{0}` is not a hash of a consistency proof; it should be 32 bytes in base64")]
    BadHash(String),
    /// More than [`MAX_PROOF_LINES`].
    #[error("a consistency proof has at most {MAX_PROOF_LINES} hashes")]
    TooManyHashes,
    /// The checkpoint is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint the witness cosigned last; zero if it has none.
    pub old: u64,
    /// Consistency proof from there to the new checkpoint (RFC 6962 section 2.1.2).
    pub proof: Vec<Hash>,
    /// The new checkpoint, as a signed note.
    pub checkpoint: String,
}

impl AddCheckpoint {
    /// Reads the body of a request. The checkpoint is well-formed as a note; nothing more is known of it.
    ///
    /// # Errors
    /// [`WitnessError`]; answer 400.
    pub fn parse(body: impl AsRef<[u8]>) -> Result<Self, WitnessError> {
        let body = body.as_ref();
        if body.len() > MAX_REQUEST_BYTES {
            return Err(WitnessError::TooLong { bytes: body.len() });
        }
        let body = str::from_utf8(body).map_err(|_| WitnessError::NoCheckpoint)?;
        let (head, checkpoint) = body.split_once("\n\n").ok_or(WitnessError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let line = lines.next().unwrap_or_default();
        let old = line.strip_prefix("old ").and_then(decimal);
        let old = old.ok_or_else(|| WitnessError::BadOldSize(shorten(line)))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF_LINES {
                return Err(WitnessError::TooManyHashes);
            }
            proof.push(hash_from_b64(line).map_err(|_| WitnessError::BadHash(shorten(line)))?);
        }
        Note::parse(checkpoint)?;
        Ok(Self { old, proof, checkpoint: checkpoint.to_owned() })
    }

    /// The first line of the checkpoint, which names the log: to find its key and state with. Not yet to be trusted.
    pub fn origin(&self) -> &str {
        self.checkpoint.split('\n').next().unwrap_or_default()
    }
}

/// The body of the request.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", b64(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessDecision {
    /// 200: store this checkpoint as the latest, then cosign its text.
    Cosign {
        /// The checkpoint, verified to continue the stored one.
        checkpoint: Checkpoint,
    },
    /// 409, with the stored size and a newline as the body, and `Content-Type: text/x.tlog.size`: the old size is not
    /// the stored one, or the size is stored with another root.
    Conflict {
        /// Size of the checkpoint cosigned last.
        size: u64,
    },
    /// 404: a checkpoint of another log than the one the key is for.
    NotFound,
    /// 403: not signed by the log.
    BadSignature,
    /// 422: the consistency proof does not verify. The log may be misbehaving: keep the request as evidence.
    BadProof,
    /// 400: not a checkpoint, or one smaller than the old size.
    Malformed,
}

impl WitnessDecision {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosign { .. } => 200,
            Self::Malformed => 400,
            Self::BadSignature => 403,
            Self::NotFound => 404,
            Self::Conflict { .. } => 409,
            Self::BadProof => 422,
        }
    }
}

/// Decides on a request, given the size and root of the checkpoint cosigned last for this log, if any (C2SP
/// tlog-witness, add-checkpoint).
pub fn decide(stored: Option<(u64, Hash)>, request: &AddCheckpoint, log: &VerifierKey) -> WitnessDecision {
    let checkpoint = match Checkpoint::open(&request.checkpoint, log) {
        Ok((checkpoint, _)) => checkpoint,
        Err(CheckpointError::WrongOrigin { .. }) => return WitnessDecision::NotFound,
        Err(CheckpointError::Note(NoteError::NotSigned { .. } | NoteError::BadSignature { .. })) => {
            let known = request.origin() == log.name();
            return if known { WitnessDecision::BadSignature } else { WitnessDecision::NotFound };
        }
        Err(_) => return WitnessDecision::Malformed,
    };
    if request.old > checkpoint.size {
        return WitnessDecision::Malformed;
    }
    let (size, root) = stored.unwrap_or_else(|| (0, empty_root()));
    let forked = size == checkpoint.size && root != checkpoint.root;
    if request.old != size || forked {
        return WitnessDecision::Conflict { size };
    }
    match verify_consistency(size, &root, checkpoint.size, &checkpoint.root, &request.proof) {
        Ok(()) => WitnessDecision::Cosign { checkpoint },
        Err(_) => WitnessDecision::BadProof,
    }
}

/// The body of a successful answer: signature lines.
pub fn format_cosignatures(cosignatures: &[NoteSignature]) -> String {
    cosignatures.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the body of a successful answer. The lines still have to be verified against the keys of known witnesses,
/// by adding them to the checkpoint they were asked for.
///
/// # Errors
/// [`NoteError`] when a line is not a signature, the last has no newline, or there are too many.
pub fn parse_cosignatures(body: &str) -> Result<Vec<NoteSignature>, NoteError> {
    if body.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLong { bytes: body.len() });
    }
    let lines = body.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::TooManySignatures);
    }
    lines.split('\n').map(str::parse).collect()
}

#[cfg(test)]
mod tests;
