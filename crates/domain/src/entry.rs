//! The envelope of an event: the exact bytes of one ledger leaf.
//!
//! An entry's bytes are hashed as stored and never written again from the parsed form; [`Entry::encode`] runs once,
//! when the event is born. The format is specified in `docs/format.md`, section "Events".

use serde::{Deserialize, Serialize};

use crate::{Event, canonical};

/// The largest entry, in bytes. C2SP tlog-tiles frames entries with a u16 length; the rest is headroom.
pub const MAX_ENTRY_BYTES: usize = 60_000;

/// One event with its envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the envelope: 1.
    pub v: u32,
    /// UUIDv7 of the event. The first event of a command carries the command's idempotency key, when it had one.
    pub id: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ts: i64,
    /// Pseudonym of whoever caused it; names are never in the ledger.
    pub actor: String,
    /// The thing that changed, as `kind/name`.
    pub stream: String,
    /// Version of the stream after this event: 1 for its first event, without gaps.
    pub sv: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why bytes are not an entry that this build understands.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not JSON of the right shape, or an event type unknown to this build.
    #[error("entry is not an event that this build knows: {0}")]
    Unknown(#[from] serde_json::Error),
    /// An envelope version other than 1.
    #[error("entry has envelope version {0}, this build reads version 1")]
    Version(u32),
    /// The event does not fit an entry.
    #[error(
        "event takes {0} bytes, the limit is {MAX_ENTRY_BYTES}: put large bodies in the object store and name their digest"
    )]
    TooLarge(usize),
}

impl Entry {
    /// The entry's bytes: compact JSON with sorted keys.
    ///
    /// # Errors
    /// [`EntryError::TooLarge`] over [`MAX_ENTRY_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let bytes = canonical::to_vec(self)?;
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads an entry's bytes. An unknown type or version is an error: a fold over it must stop, not guess.
    ///
    /// # Errors
    /// [`EntryError::Unknown`] or [`EntryError::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = serde_json::from_slice(bytes)?;
        let files_fit = match &entry.event {
            Event::SegmentSealed(body) => body.payload.is_some(),
            Event::AccessesSealed(body) => body.payload.is_none(),
            _ => true,
        };
        if !files_fit {
            let what = "a segment of inferences has a payload file, one of accesses has none";
            return Err(<serde_json::Error as serde::de::Error>::custom(what).into());
        }
        match entry.v {
            1 => Ok(entry),
            other => Err(EntryError::Version(other)),
        }
    }
}
