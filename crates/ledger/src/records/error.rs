//! What can go wrong with the record log, in words for the person who has to act.

use std::io;
use std::path::{Path, PathBuf};

use super::segment::SegmentError;
use crate::wal::WalError;

/// Why a record could not be taken, or a segment not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No room on the disk. Nothing was recorded; the same call may be made again.
    #[error("the disk is full: no room below `{dir}`; free some space, nothing was recorded")]
    Full {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk does not keep up. Nothing was recorded; the same call may be made again.
    #[error("the record log has too much waiting to be written; try again in a moment")]
    Busy,
    /// Segments are not being sealed. Nothing was recorded; the same call may be made again.
    #[error("{unsealed} records wait to be sealed, the most that may; find out why sealing fails")]
    Behind {
        /// Records not sealed yet.
        unsealed: u64,
    },
    /// The record can never fit.
    #[error("a record of {bytes} bytes does not fit into the record log; it can have at most {max}")]
    TooLarge {
        /// Bytes of the record.
        bytes: u64,
        /// Most bytes a record can have.
        max: u64,
    },
    /// Records were appended before an incarnation was started.
    #[error("this node's incarnation has not started, so nothing can be recorded yet")]
    NotStarted,
    /// The incarnation cannot start.
    #[error("incarnation {incarnation} cannot start: {why}")]
    CannotStart {
        /// The one asked for.
        incarnation: u64,
        /// Why not.
        why: &'static str,
    },
    /// The writer has stopped: an earlier write failed. The process must restart and recover from the disk.
    #[error("the record log has stopped after a failed write; the process must restart")]
    Stopped,
    /// The name of the node cannot be part of a file name.
    #[error("`{node}` cannot name a node; use letters, digits, `-`, `_` and `.`")]
    BadNode {
        /// The name.
        node: String,
    },
    /// Another process uses the directory.
    #[error("another process writes records in `{dir}`; stop it first")]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The write-ahead log failed.
    #[error("the log of records failed")]
    Wal(#[source] WalError),
    /// A file operation failed.
    #[error("could not {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A segment's files could not be written or read back.
    #[error("the files of segment {number} failed")]
    Segment {
        /// The segment's number.
        number: u64,
        /// Why.
        source: SegmentError,
    },
    /// The disk does not hold what it must, given what the ledger says.
    #[error("the records on disk do not fit the ledger: {what}; restore both from the same moment")]
    Inconsistent {
        /// What does not fit.
        what: String,
    },
}

impl RecordError {
    /// Whether nothing was recorded and the same call can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Busy | Self::Behind { .. })
    }

    /// Turns an I/O error into ours; a full disk is its own case.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { dir: crate::vfs::parent(&path).to_owned() }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// Turns an error of a segment's files into ours; `dir` is where they are written.
    pub(super) fn segment(number: u64, dir: &Path) -> impl Fn(SegmentError) -> Self {
        let dir = dir.to_owned();
        move |source| match &source {
            SegmentError::Parquet(parquet::errors::ParquetError::External(inner))
                if inner.downcast_ref::<io::Error>().is_some_and(is_full) =>
            {
                Self::Full { dir: dir.clone() }
            }
            _ => Self::Segment { number, source },
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<WalError> for RecordError {
    fn from(error: WalError) -> Self {
        match error {
            WalError::Full { dir } => Self::Full { dir },
            WalError::TooLarge { bytes, max } => Self::TooLarge { bytes, max },
            WalError::Replay { path, offset, source } => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => Self::Wal(WalError::Replay { path, offset, source }),
            },
            error => Self::Wal(error),
        }
    }
}
