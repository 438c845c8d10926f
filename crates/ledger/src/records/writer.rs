//! The writer thread's work: numbers records, makes a batch durable with one sync, then answers.
//!
//! Nothing is numbered, kept or answered for good unless its batch is durable; a refused batch leaves no trace, so its
//! numbers are given again. The beginning of a call stands before its record, or is left out when both come at once.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use merkle::leaf_hash;

use super::error::RecordError;
use super::frame::{Building, KIND_FORGET};
use super::reply::Reply;
use super::state::{Kept, State, lock};
use super::{Receipt, Roll};
use crate::commit::{Fatal, Sink};
use crate::wal::{KIND_BEGIN, KIND_META, KIND_RECORD, Wal, WalError};

/// Bytes that are written to find out whether there is room again; about what one record takes.
const PROBE_BYTES: usize = 4096;

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
    /// Batches up to `upto` are no longer needed, once the beginnings in `carry` are written again.
    Release {
        upto: u64,
        carry: Vec<(String, Vec<u8>)>,
    },
}

/// One frame to be written.
pub(super) enum Write {
    Begin {
        id: String,
        frame: Vec<u8>,
    },
    /// A beginning that is on disk already, in a batch that is about to be released.
    Carry {
        id: String,
        frame: Vec<u8>,
    },
    Forget {
        id: String,
    },
    Record(Box<Record>),
    /// Zeros that show whether a full disk has room again.
    Probe,
}

impl Write {
    /// Bytes it adds to a batch.
    pub fn bytes(&self) -> usize {
        self.frame().1.len()
    }

    fn frame(&self) -> (u8, &[u8]) {
        match self {
            Self::Begin { frame, .. } | Self::Carry { frame, .. } => (KIND_BEGIN, frame),
            Self::Forget { id } => (KIND_FORGET, id.as_bytes()),
            Self::Record(record) => (KIND_RECORD, record.frame.bytes()),
            Self::Probe => (KIND_META, &[0; PROBE_BYTES]),
        }
    }

    /// The call that is over with this.
    fn ends(&self) -> Option<&str> {
        match self {
            Self::Forget { id } => Some(id),
            Self::Record(record) => Some(&record.id),
            Self::Begin { .. } | Self::Carry { .. } | Self::Probe => None,
        }
    }
}

/// Owns the write-ahead log.
pub(super) struct Writer {
    pub wal: Wal,
    pub state: Arc<Mutex<State>>,
    pub roll: Roll,
    /// Most bytes of one batch, single larger frames apart.
    pub batch_bytes: usize,
    /// Beginnings that found the disk full. They are written before anything else.
    pub waiting: Vec<Write>,
}

impl Sink for Writer {
    type Item = Item;

    fn commit(&mut self, batch: &mut Vec<Item>) -> Result<(), Fatal> {
        let mut writes = std::mem::take(&mut self.waiting);
        let (mut close_open, mut settled, mut release) = (false, Vec::new(), None);
        for item in batch.drain(..) {
            match item {
                Item::Write(write) => writes.push(write),
                Item::Settle { close, done } => {
                    close_open |= close;
                    settled.push(done);
                }
                Item::Release { upto, carry } => {
                    release = Some(upto);
                    writes.extend(carry.into_iter().map(|(id, frame)| Write::Carry { id, frame }));
                }
            }
        }
        // Without room the carried beginnings were not written; the next release takes them along.
        let room = self.write_all(self.without_ended(writes).into())?;
        if close_open {
            lock(&self.state).close_open();
        }
        if let Some(upto) = release.filter(|_| room) {
            self.release(upto)?;
        }
        for done in settled {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
        Ok(())
    }
}

impl Writer {
    /// Leaves out the beginnings of calls that are over: those whose end is written in the same go, and carried ones
    /// that ended in the meantime.
    fn without_ended(&self, mut writes: Vec<Write>) -> Vec<Write> {
        if !writes.iter().any(|write| matches!(write, Write::Begin { .. } | Write::Carry { .. })) {
            return writes;
        }
        let ended: HashSet<String> = writes.iter().filter_map(|write| write.ends().map(str::to_owned)).collect();
        let state = lock(&self.state);
        writes.retain(|write| match write {
            Write::Begin { id, .. } => !ended.contains(id),
            Write::Carry { id, .. } => !ended.contains(id) && state.in_flight.contains_key(id),
            _ => true,
        });
        writes
    }

    /// Writes everything, nearly always as one batch; false when there was no room for all of it.
    fn write_all(&mut self, mut writes: VecDeque<Write>) -> Result<bool, Fatal> {
        let any = !writes.is_empty();
        while !writes.is_empty() {
            let (mut bytes, mut chunk) = (0, Vec::with_capacity(writes.len()));
            while let Some(write) = writes.pop_front_if(|next| {
                bytes += next.bytes();
                chunk.is_empty() || bytes <= self.batch_bytes
            }) {
                chunk.push(write);
            }
            match self.write(chunk) {
                Ok(()) => {}
                Err(Failed::Full { dir, chunk }) => {
                    lock(&self.state).full = true;
                    chunk.into_iter().chain(writes).for_each(|write| self.refuse(write, &dir));
                    return Ok(false);
                }
                Err(Failed::Fatal(fatal)) => return Err(fatal),
            }
        }
        if any {
            lock(&self.state).full = false;
        }
        Ok(true)
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
        let mut answers = Vec::with_capacity(chunk.len());
        let mut state = lock(&self.state);
        for write in chunk {
            match write {
                Write::Begin { id, .. } | Write::Carry { id, .. } => {
                    state.in_flight.insert(id, batch);
                }
                Write::Forget { id } => {
                    state.in_flight.remove(&id);
                }
                Write::Record(record) => {
                    state.in_flight.remove(&record.id);
                    let Receipt { segment, leaf, .. } = record.receipt;
                    let kept = Kept { core: record.frame.core().into(), leaf, ts_end: record.ts_end };
                    state.push(segment, kept, record.payload_bytes, batch, ts_ms);
                    answers.push((record.reply, record.receipt));
                }
                Write::Probe => {}
            }
        }
        state.stats.batches += 1;
        state.stats.wal_segments = self.wal.segment_count() as u64;
        drop(state);
        answers.into_iter().for_each(|(reply, receipt)| reply.give(Ok(receipt)));
    }

    /// There was no room for `write`: a beginning waits for it, anybody else is told.
    fn refuse(&mut self, write: Write, dir: &Path) {
        match write {
            Write::Begin { .. } => self.waiting.push(write),
            Write::Record(record) => record.reply.give(Err(RecordError::Full { dir: dir.to_owned() })),
            // Only memory forgets it then; a restart would make a record of it, which is true if superfluous.
            Write::Forget { id } => drop(lock(&self.state).in_flight.remove(&id)),
            Write::Carry { .. } | Write::Probe => {}
        }
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
