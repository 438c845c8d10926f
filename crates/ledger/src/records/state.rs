//! What the record log knows in memory: the open segment, the closed ones that wait for their seal.
//!
//! Only what is durable is here. The writer thread adds to it after each sync; everybody else reads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::serving::{SegmentProgress, SegmentSealed};
use merkle::{Frontier, Hash};

use super::{RecordStats, Roll};

/// A durable record, without its payload.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The core's byte form.
    pub core: Arc<[u8]>,
    pub leaf: Hash,
    /// Microseconds since 1970.
    pub ts_end: i64,
}

/// Consecutive records of one incarnation that are sealed together.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub incarnation: u64,
    pub number: u64,
    /// `node_seq` of the first record.
    pub first: u64,
    pub kept: Vec<Kept>,
    pub frontier: Frontier,
    pub payload_bytes: u64,
    /// When its first record became durable, milliseconds since 1970.
    pub opened_ms: u64,
    /// First and last batch of the write-ahead log with a record of it; `None` while it is empty.
    pub batches: Option<(u64, u64)>,
}

impl Segment {
    pub fn new(incarnation: u64, number: u64, first: u64) -> Self {
        let (kept, frontier) = (Vec::new(), Frontier::new());
        Self { incarnation, number, first, kept, frontier, payload_bytes: 0, opened_ms: 0, batches: None }
    }

    pub fn len(&self) -> u64 {
        self.kept.len() as u64
    }

    /// `node_seq` of the record after its last.
    pub fn end(&self) -> u64 {
        self.first + self.len()
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub fn push(&mut self, kept: Kept, payload_bytes: u64, batch: u64, ts_ms: u64) {
        if self.kept.is_empty() {
            self.opened_ms = ts_ms;
        }
        self.frontier.push(kept.leaf);
        self.kept.push(kept);
        self.payload_bytes += payload_bytes;
        self.batches = Some((self.batches.map_or(batch, |(first, _)| first), batch));
    }

    /// The empty segment that follows it.
    pub fn next(&self) -> Self {
        Self::new(self.incarnation, self.number + 1, self.end())
    }
}

/// Where the next record goes. The writer thread moves a copy ahead of what is durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub segment: u64,
    pub node_seq: u64,
    records: u64,
    payload_bytes: u64,
}

impl Cursor {
    /// Takes the next place; a record that finds the segment full goes into the next one.
    pub fn take(&mut self, payload_bytes: u64, roll: &Roll) -> (u64, u64) {
        if self.records >= roll.records || (self.records > 0 && self.payload_bytes >= roll.payload_bytes) {
            *self = Self { segment: self.segment + 1, node_seq: self.node_seq, records: 0, payload_bytes: 0 };
        }
        let place = (self.segment, self.node_seq);
        self.node_seq += 1;
        self.records += 1;
        self.payload_bytes += payload_bytes;
        place
    }
}

/// Shared by the writer thread and the callers.
pub(super) struct State {
    /// Whether records are taken.
    pub started: bool,
    pub open: Segment,
    /// Oldest first.
    pub closed: VecDeque<Arc<Segment>>,
    /// The seal of the oldest closed segment, once its files are there.
    pub sealed: Option<SegmentSealed>,
    /// Root of the last segment whose seal was confirmed.
    pub prev_root: Option<Hash>,
    /// Bytes that found no room on the disk; 0 once as much was written again.
    pub no_room_for: usize,
    pub stats: RecordStats,
}

impl State {
    pub fn cursor(&self) -> Cursor {
        let open = &self.open;
        let (records, payload_bytes) = (open.len(), open.payload_bytes);
        Cursor { segment: open.number, node_seq: open.end(), records, payload_bytes }
    }

    /// Adds a durable record in segment `number`, which is the open one or the one after it.
    pub fn push(&mut self, number: u64, kept: Kept, payload_bytes: u64, batch: u64, ts_ms: u64) {
        if number != self.open.number {
            self.close_open();
        }
        self.open.push(kept, payload_bytes, batch, ts_ms);
        self.stats.appended += 1;
        self.stats.payload_bytes += payload_bytes;
    }

    /// Closes the open segment unless it is empty.
    pub fn close_open(&mut self) {
        if self.open.len() > 0 {
            let next = self.open.next();
            self.closed.push_back(Arc::new(std::mem::replace(&mut self.open, next)));
        }
    }

    pub fn unsealed(&self) -> u64 {
        self.closed.iter().map(|segment| segment.len()).sum::<u64>() + self.open.len()
    }

    /// The first batch that holds a record not yet sealed.
    pub fn first_needed(&self) -> Option<u64> {
        self.closed.iter().map(|segment| &**segment).chain([&self.open]).find_map(|segment| Some(segment.batches?.0))
    }

    pub fn progress(&self, node: &str) -> Option<SegmentProgress> {
        let open = &self.open;
        (open.len() > 0).then(|| SegmentProgress {
            node: node.to_owned(),
            incarnation: open.incarnation,
            number: open.number,
            n: open.len(),
            root: merkle::hex(&open.root()),
        })
    }
}

/// Locks the state; a panic elsewhere leaves it usable, because each change is made in one step.
pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
