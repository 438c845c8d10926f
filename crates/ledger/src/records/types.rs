//! What goes into the record log and what comes out: options, payloads, receipts, counters.

use std::path::PathBuf;

use merkle::Hash;

use crate::commit::{FatalHandler, abort_process};
use crate::wal::Prepare;

/// When a segment is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Most records.
    pub records: u64,
    /// Bytes of payload after which no further record joins.
    pub payload_bytes: u64,
    /// Age in microseconds at which `seal` closes it.
    pub age_us: i64,
}

impl Default for Roll {
    fn default() -> Self {
        Self { records: 65_536, payload_bytes: 64 << 20, age_us: 60_000_000 }
    }
}

/// How a record log is kept.
#[derive(Clone)]
pub struct RecordOptions {
    /// Its directory, which it has for itself.
    pub dir: PathBuf,
    /// Directory of the tables that its segments are added to.
    pub tables: PathBuf,
    /// Which ledger it belongs to.
    pub log_id: String,
    /// Name of this node: letters, digits, `-`, `_` and `.`.
    pub node: String,
    /// When a segment is closed.
    pub roll: Roll,
    /// Length of a file of the write-ahead log in bytes, a multiple of 4,096. A record may have half of it.
    pub wal_segment_bytes: u64,
    /// Who prepares files of the write-ahead log.
    pub prepare: Prepare,
    /// Most records that may wait to be sealed; they are kept in memory without their payloads.
    pub max_unsealed: u64,
    /// Called when a write failed and what is on disk is unknown.
    pub on_fatal: FatalHandler,
}

impl RecordOptions {
    /// The usual values.
    #[must_use]
    pub fn new(dir: PathBuf, log_id: &str, node: &str) -> Self {
        Self {
            tables: dir.clone(),
            dir,
            log_id: log_id.to_owned(),
            node: node.to_owned(),
            roll: Roll::default(),
            wal_segment_bytes: 64 << 20,
            prepare: Prepare::Background,
            max_unsealed: 4 * 65_536,
            on_fatal: abort_process(),
        }
    }

    /// Most bytes of a record: half of a file of the write-ahead log, so that it fits beside what else is in its batch.
    pub(super) fn max_record(&self) -> u64 {
        self.wal_segment_bytes / 2
    }

    /// Most bytes gathered into one batch.
    pub(super) fn batch_bytes(&self) -> usize {
        usize::try_from(self.wal_segment_bytes / 4).unwrap_or(usize::MAX).min(1 << 20)
    }
}

/// What the ledger knows of this node's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The node's last incarnation; 0 when it never started.
    pub incarnation: u64,
    /// Number of the segment after the last sealed one of that incarnation.
    pub next_segment: u64,
    /// How many records of that incarnation are sealed.
    pub sealed_records: u64,
    /// Root of its last sealed segment.
    pub prev_root: Option<Hash>,
}

/// What was found on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records to be sealed, interrupted ones included.
    pub unsealed: u64,
    /// Calls that were cut off, and now have a record.
    pub interrupted: u64,
    /// Bytes of an unfinished write, never acknowledged, that were cut off.
    pub truncated_bytes: u64,
}

/// The contents of a record, sealed. Its core holds what is needed to check and open it. Empty for a kind without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The ciphertext; the core's `ct_sha256` is its SHA-256.
    pub ct: Vec<u8>,
    /// Which subject key it is sealed under.
    pub subject_ref: [u8; 16],
}

/// Where a durable record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its number in the incarnation.
    pub node_seq: u64,
    /// The segment it will be sealed in.
    pub segment: u64,
    /// Its leaf.
    pub leaf: Hash,
}

/// Counters since the log was opened, and how it stands now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordStats {
    /// Records made durable.
    pub appended: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Batches written, each with one sync.
    pub batches: u64,
    /// Records not sealed yet.
    pub unsealed: u64,
    /// Calls that began and did not end.
    pub in_flight: u64,
    /// Files of the write-ahead log.
    pub wal_segments: u64,
    /// Whether the disk is full: a write found no room, and as much was not written since.
    pub full: bool,
}
