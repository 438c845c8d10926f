//! The writer thread's work: numbers records, makes a batch durable with one sync, then answers.
//!
//! Nothing is numbered, kept or answered for good unless its batch is durable; a refused batch leaves no trace, so its
//! numbers are given again.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use merkle::leaf_hash;

use super::begins::Begins;
use super::error::RecordError;
use super::frame::Building;
use super::reply::Reply;
use super::state::{Kept, State, lock};
use super::{Receipt, Roll};
use crate::commit::{Fatal, Sink};
use crate::wal::{KIND_META, KIND_RECORD, Wal, WalError};

/// A record to be written.
pub(super) struct Record {
    pub id: String,
    pub frame: Building,
    pub payload_bytes: u64,
    pub ts_end: i64,
    /// Empty until the writer thread gives the record its place.
    pub receipt: Receipt,
    pub reply: Reply<Result<Receipt, RecordError>>,
}

/// Work for the writer thread.
pub(super) enum Item {
    Write(Write),
    /// Answers when all before it is dealt with; with `close` the open segment is closed then.
    Settle {
        close: bool,
        done: mpsc::Sender<()>,
    },
    /// Batches up to `upto` are no longer needed.
    Release {
        upto: u64,
    },
}

/// One frame to be written.
pub(super) enum Write {
    Record(Box<Record>),
    /// Zeros that show whether a full disk has room again, for as much as did not fit: room for less would let calls be
    /// made that cannot be recorded.
    Probe(Vec<u8>),
}

impl Write {
    /// Bytes it adds to a batch.
    pub fn bytes(&self) -> usize {
        self.frame().1.len()
    }

    fn record(self) -> Option<Record> {
        match self {
            Self::Record(record) => Some(*record),
            Self::Probe(_) => None,
        }
    }

    fn frame(&self) -> (u8, &[u8]) {
        match self {
            Self::Record(record) => (KIND_RECORD, record.frame.bytes()),
            Self::Probe(zeros) => (KIND_META, zeros),
        }
    }
}

/// Owns the write-ahead log.
pub(super) struct Writer {
    pub wal: Wal,
    pub state: Arc<Mutex<State>>,
    pub begins: Arc<Begins>,
    pub roll: Roll,
    /// Most bytes of one batch, single larger frames apart.
    pub batch_bytes: usize,
}

impl Sink for Writer {
    type Item = Item;

    fn commit(&mut self, batch: &mut Vec<Item>) -> Result<(), Fatal> {
        let (mut writes, mut close_open, mut settled, mut release) = (VecDeque::new(), false, Vec::new(), None);
        for item in batch.drain(..) {
            match item {
                Item::Write(write) => writes.push_back(write),
                Item::Settle { close, done } => {
                    close_open |= close;
                    settled.push(done);
                }
                Item::Release { upto } => release = Some(upto),
            }
        }
        self.write_all(writes)?;
        if close_open {
            lock(&self.state).close_open();
        }
        if let Some(upto) = release {
            self.release(upto)?;
        }
        for done in settled {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
        Ok(())
    }

    /// Every call that has begun ends with a record.
    fn coming(&self) -> Option<usize> {
        usize::try_from(self.begins.in_flight()).ok().filter(|calls| *calls > 0)
    }
}

impl Writer {
    /// Writes everything, nearly always as one batch. What there is no room for is refused.
    fn write_all(&mut self, mut writes: VecDeque<Write>) -> Result<(), Fatal> {
        while !writes.is_empty() {
            let (mut bytes, mut chunk) = (0, Vec::with_capacity(writes.len()));
            while let Some(write) = writes.pop_front_if(|next| {
                bytes += next.bytes();
                chunk.is_empty() || bytes <= self.batch_bytes
            }) {
                chunk.push(write);
            }
            let bytes = chunk.iter().map(Write::bytes).sum();
            match self.write(chunk) {
                Ok(()) => self.found_room(bytes),
                Err(Failed::Full { dir, chunk }) => {
                    let mut state = lock(&self.state);
                    state.no_room_for = state.no_room_for.max(bytes);
                    drop(state);
                    for record in chunk.into_iter().chain(writes).filter_map(Write::record) {
                        record.reply.give(Err(RecordError::Full { dir: dir.clone() }));
                    }
                    return Ok(());
                }
                Err(Failed::Fatal(fatal)) => return Err(fatal),
            }
        }
        Ok(())
    }

    /// There was room for this much: the disk is no longer full if as much did not fit before.
    fn found_room(&self, bytes: usize) {
        let mut state = lock(&self.state);
        if bytes >= state.no_room_for {
            state.no_room_for = 0;
        }
    }

    /// Writes one batch and answers for it.
    fn write(&mut self, mut chunk: Vec<Write>) -> Result<(), Failed> {
        let mut cursor = lock(&self.state).cursor();
        let first_seq = cursor.node_seq;
        for write in &mut chunk {
            if let Write::Record(record) = write {
                let (segment, node_seq) = cursor.take(record.payload_bytes, &self.roll);
                record.frame.number(segment, node_seq);
                record.receipt = Receipt { node_seq, segment, leaf: leaf_hash(record.frame.core()) };
            }
        }
        let frames: Vec<(u8, &[u8])> = chunk.iter().map(Write::frame).collect();
        let ts_ms = now_ms();
        match self.wal.append(ts_ms, first_seq, &frames) {
            Ok(appended) => {
                self.publish(chunk, appended.batch, ts_ms);
                Ok(())
            }
            Err(WalError::Full { dir }) => Err(Failed::Full { dir, chunk }),
            Err(error) => Err(Failed::Fatal(fatal(&error))),
        }
    }

    /// Takes a durable batch into the state, then answers.
    fn publish(&self, chunk: Vec<Write>, batch: u64, ts_ms: u64) {
        let records: Vec<Record> = chunk.into_iter().filter_map(Write::record).collect();
        // Before they can be sealed: what is sealed must not look begun at the next start.
        self.begins.ended(records.iter().map(|record| record.id.as_str()));
        let mut state = lock(&self.state);
        for record in &records {
            let Receipt { segment, leaf, .. } = record.receipt;
            let kept = Kept { core: record.frame.core().into(), leaf, ts_end: record.ts_end };
            state.push(segment, kept, record.payload_bytes, batch, ts_ms);
        }
        state.stats.batches += 1;
        state.stats.wal_segments = self.wal.segment_count() as u64;
        drop(state);
        records.into_iter().for_each(|record| record.reply.give(Ok(record.receipt)));
    }

    fn release(&mut self, upto: u64) -> Result<(), Fatal> {
        self.wal.release(upto).map_err(|error| fatal(&error))?;
        lock(&self.state).stats.wal_segments = self.wal.segment_count() as u64;
        Ok(())
    }
}

/// Why a batch was not written.
enum Failed {
    Full { dir: PathBuf, chunk: Vec<Write> },
    Fatal(Fatal),
}

fn fatal(error: &dyn std::error::Error) -> Fatal {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Fatal(text)
}

fn now_ms() -> u64 {
    // A clock before 1970 makes a segment look old, nothing worse.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
