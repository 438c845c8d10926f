//! The write-ahead log: the one place where something becomes durable. One append is one write and one `fdatasync`.
//!
//! Segments are written full of zeros before they are needed and used again after they are released, so that the commit
//! path never changes the size of a file or the names in a directory. The room an append needs is there before the
//! append touches anything: a full disk refuses, it does not tear. `format` has the bytes, `scan` reads them back,
//! `segments` keeps the files.

pub mod format;
pub mod scan;
mod segments;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::vfs::{Vfs, VfsFile, zero_fill};
pub use format::{Batch, FRAME_OVERHEAD_BYTES};
use format::{HEADER_BYTES, SegmentHeader, align, batch_bytes, encode_batch};
pub use scan::{Replay, Scan, Torn};
use segments::Segments;

/// Frame kind: one entry of a ledger.
pub const KIND_ENTRY: u8 = 1;
/// Frame kind: a signed checkpoint.
pub const KIND_CHECKPOINT: u8 = 2;
/// Frame kind: a note of the log about itself.
pub const KIND_META: u8 = 3;
/// Frame kind: a complete record.
pub const KIND_RECORD: u8 = 5;

/// Where the next segment is written full of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// By a thread of its own, as soon as the current segment is three quarters full.
    Background,
    /// By the appending thread, when it is needed. For tests that count operations.
    Inline,
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Which log it is; opening another log's files is refused.
    pub log_id: [u8; 16],
    /// Length of a segment file in bytes, a multiple of 4,096. An append must fit into one.
    pub segment_bytes: u64,
    /// Who prepares segments.
    pub prepare: Prepare,
}

impl WalOptions {
    /// 64 MiB segments, prepared in the background.
    pub fn new(log_id: [u8; 16]) -> Self {
        Self { log_id, segment_bytes: 64 << 20, prepare: Prepare::Background }
    }
}

/// Why the log could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// No room for another segment. Nothing was written; the same append may be tried again.
    #[error("the disk is full: no room for another log segment in `{dir}`; free some space, nothing was written")]
    Full {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The append can never fit.
    #[error("a batch of {bytes} bytes does not fit into a log segment; send at most {max} bytes at once")]
    TooLarge {
        /// Bytes of the batch.
        bytes: u64,
        /// Most bytes a batch can have.
        max: u64,
    },
    /// A write or sync failed, so what is on disk is unknown. The process must stop and recover from the disk.
    #[error("could not {action} `{path}`, so it is unknown what is on disk; the process must restart")]
    Fatal {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file operation failed before anything was at stake.
    #[error("could not {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Bytes in the middle of the log were damaged.
    #[error("log segment `{path}` is damaged at offset {offset}: {what}; restore it from a copy, do not delete it")]
    Corrupt {
        /// The damaged segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The files belong to another log.
    #[error("log segment `{path}` belongs to another log; check the configured directory and name of the log")]
    OtherLog {
        /// A segment with another id.
        path: PathBuf,
    },
    /// The reader of the replay refused a batch.
    #[error("the batch at offset {offset} of `{path}` could not be replayed")]
    Replay {
        /// Its segment.
        path: PathBuf,
        /// Where it starts.
        offset: u64,
        /// Why it was refused.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A random salt could not be drawn.
    #[error("the operating system gave no random bytes for a log segment: {0}")]
    Random(String),
}

impl WalError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: String) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, what }
    }

    fn fatal(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Fatal { action, path: path.to_owned(), source }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Batches replayed.
    pub batches: u64,
    /// Frames replayed.
    pub frames: u64,
    /// Sequence number of the first frame that was replayed.
    pub first_seq: Option<u64>,
    /// A batch that was never acknowledged and has been cut off.
    pub torn: Option<Torn>,
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its batch number, for `release`.
    pub batch: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// An open log. One thread writes; a lock on the directory is the caller's.
pub struct Wal {
    options: WalOptions,
    segments: Segments,
    current: Current,
    next_batch: u64,
    buffer: Vec<u8>,
    broken: bool,
}

struct Current {
    header: SegmentHeader,
    started: bool,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    offset: u64,
    bytes: u64,
}

impl Wal {
    /// Opens or creates the log in `dir`, replaying every durable batch in order. Batches that were released may appear
    /// again after a crash: the reader skips what it has by their `first_seq`.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        options: WalOptions,
        replay: Replay<'_>,
    ) -> Result<(Wal, Recovered), WalError> {
        vfs.create_dir_all(dir).map_err(|source| WalError::io("create", dir, source))?;
        let found = scan::scan(&*vfs, dir, Some(&options.log_id), replay)?;
        let end = found.end.clone();
        let (mut segments, current) = Segments::adopt(vfs, dir, &options, &found)?;
        if let (Some(end), true) = (&end, current.started)
            && let Some(torn) = &end.torn
        {
            cut_off(&current, torn)?;
        }
        segments.prepare_if_due(&current);
        let recovered = Recovered {
            batches: found.batches,
            frames: found.frames,
            first_seq: found.first_seq,
            torn: end.as_ref().and_then(|end| end.torn.clone()),
        };
        let next_batch = end.map_or(0, |end| end.next_batch);
        Ok((Wal { options, segments, current, next_batch, buffer: Vec::new(), broken: false }, recovered))
    }

    /// Makes one batch durable: one write, one sync. `first_seq` is the caller's number of the first frame.
    ///
    /// `Full` and `TooLarge` leave the log as it was. After `Fatal` every further append is `Fatal` too.
    pub fn append(&mut self, ts_ms: u64, first_seq: u64, frames: &[(u8, &[u8])]) -> Result<Appended, WalError> {
        if self.broken {
            let source = io::Error::other("an earlier write to this log failed");
            return Err(WalError::fatal("append to", &self.current.path, source));
        }
        let bytes = batch_bytes(frames) as u64;
        let max = self.max_batch_bytes();
        if bytes > max {
            return Err(WalError::TooLarge { bytes, max });
        }
        if self.current.offset + bytes > self.current.bytes {
            self.current = self.segments.take_next(&self.current)?;
        }
        self.write_batch(ts_ms, first_seq, frames)?;
        let batch = self.next_batch;
        self.next_batch += 1;
        self.current.offset = align(self.current.offset + bytes);
        self.segments.prepare_if_due(&self.current);
        Ok(Appended { batch, bytes })
    }

    /// Says that batches up to and including `batch` are no longer needed. Segments that hold nothing else are used
    /// again or removed.
    pub fn release(&mut self, batch: u64) -> Result<(), WalError> {
        self.segments.release(batch, self.current.header.number)
    }

    /// The most bytes that the frames of one append can have, `FRAME_OVERHEAD_BYTES` for each frame included.
    pub fn max_frames_bytes(&self) -> usize {
        usize::try_from(self.max_batch_bytes()).unwrap_or(usize::MAX) - batch_bytes(&[])
    }

    fn max_batch_bytes(&self) -> u64 {
        (self.options.segment_bytes - HEADER_BYTES).min(u64::from(u32::MAX))
    }

    /// Number of the next batch.
    pub fn next_batch(&self) -> u64 {
        self.next_batch
    }

    /// How many segment files there are, prepared and spare ones included.
    pub fn segment_count(&self) -> usize {
        self.segments.count() + 1
    }

    fn write_batch(&mut self, ts_ms: u64, first_seq: u64, frames: &[(u8, &[u8])]) -> Result<(), WalError> {
        let current = &mut self.current;
        let numbers = (self.next_batch, first_seq, ts_ms);
        encode_batch(&mut self.buffer, &current.header.salt, numbers, frames)
            .ok_or(WalError::TooLarge { bytes: u64::MAX, max: u64::from(u32::MAX) })?;
        let start = || -> io::Result<()> {
            if !current.started {
                // One sync covers the header and the first batch: without the header the batch does not count, and
                // without the batch the header only says where it would have been.
                let header = SegmentHeader { first_batch: self.next_batch, ..current.header };
                current.file.write_at(&header.encode(), 0)?;
            }
            current.file.write_at(&self.buffer, current.offset)
        };
        if let Err(source) = start() {
            return Err(self.write_failed(source));
        }
        if let Err(source) = current.file.sync_data() {
            self.broken = true;
            return Err(WalError::fatal("sync", &self.current.path, source));
        }
        if !current.started {
            current.started = true;
            current.header.first_batch = self.next_batch;
            self.segments.started(current.header.number, self.next_batch);
        }
        Ok(())
    }

    /// A file system that copies on write can run out of space inside a preallocated file. If the place can be made
    /// empty again, durably, the batch was never there and may be tried again; any other failure is final.
    fn write_failed(&mut self, source: io::Error) -> WalError {
        let current = &self.current;
        let path = current.path.clone();
        let end = current.bytes.min(current.offset + self.buffer.len() as u64);
        if source.kind() == io::ErrorKind::StorageFull && current.started {
            let emptied = zero_fill(&*current.file, current.offset, end).and_then(|()| current.file.sync_data());
            if emptied.is_ok() {
                return WalError::Full { dir: crate::vfs::parent(&path).to_owned() };
            }
        }
        self.broken = true;
        WalError::fatal("write", &path, source)
    }
}

fn cut_off(current: &Current, torn: &Torn) -> Result<(), WalError> {
    zero_fill(&*current.file, torn.offset, torn.offset + torn.bytes)
        .and_then(|()| current.file.sync_data())
        .map_err(|source| WalError::io("cut the torn tail off", &torn.path, source))
}

#[cfg(test)]
mod tests;
