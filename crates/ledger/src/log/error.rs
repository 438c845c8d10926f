//! What can go wrong with a log, in words an operator can act on.

use std::io;
use std::path::{Path, PathBuf};

use merkle::{CheckpointError, NoteError, ProofError, StoredError};

use crate::wal::WalError;

/// Why a log could not be opened, read or published.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has it open.
    #[error("the ledger is in use: `{path}` names the process that holds it; stop that one first")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// It lacks something it has already signed for.
    #[error(
        "the ledger was rolled back: `{signed_in}` vouches for {signed} entries, but {found}; \
         restore the newest copy, and do not write to this one"
    )]
    RolledBack {
        /// The file with the signature.
        signed_in: PathBuf,
        /// How many entries it vouches for.
        signed: u64,
        /// What is there instead.
        found: String,
    },
    /// Somebody else remembers another history of it.
    #[error(
        "the ledger was rolled back, or its key is used elsewhere too: witness {by}: {why}; nothing is written to this one: \
         restore the newest copy, or, if that witness is wrong, take it out of `witnesses.urls`; then start the server again"
    )]
    OtherHistory {
        /// Who: the address of a witness.
        by: String,
        /// What it remembers, in words.
        why: String,
    },
    /// A file is not what the log once wrote.
    #[error("ledger file `{path}` is damaged: {what}; restore it from a copy")]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file the log once wrote is gone.
    #[error("ledger file `{path}` is missing; restore it from a copy")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The write-ahead log.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// A file operation.
    #[error("could not {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Asked for something beyond the end.
    #[error("the ledger has {size} entries; {asked} is beyond its end")]
    BeyondEnd {
        /// The index or size asked for.
        asked: u64,
        /// Entries there are.
        size: u64,
    },
    /// No checkpoint covers the entry yet.
    #[error("entry {seq} is not covered by a checkpoint yet; try again in a second")]
    NotPublished {
        /// The entry.
        seq: u64,
    },
    /// There is no such proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Not a checkpoint of this log.
    #[error("not a checkpoint of this ledger")]
    Checkpoint(#[from] CheckpointError),
    /// Not a signature of a known witness over this checkpoint.
    #[error("the cosignature in the name of `{name}` is not by a witness of the policy, or not over this checkpoint")]
    Cosignature {
        /// The name in the signature line.
        name: String,
    },
    /// A note could not be made.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A thread could not be started.
    #[error("could not start the thread `{name}`")]
    Thread {
        /// Its name.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// Whether the cause is a full disk.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Wal(error) => matches!(error, WalError::Full { .. }),
            _ => false,
        }
    }
}

impl From<StoredError<LogError>> for LogError {
    fn from(error: StoredError<LogError>) -> Self {
        match error {
            StoredError::Proof(error) => Self::Proof(error),
            StoredError::Read(error) => error,
        }
    }
}

/// Why entries were not appended. None of them was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No room on the disk.
    #[error("the ledger's disk is full; free some space and try again")]
    Full,
    /// More is waiting than the disk can take.
    #[error("the ledger is busy: too much is waiting to be written; try again")]
    Busy,
    /// The log is stopped, because somebody remembers another history of it.
    #[error("{0}")]
    OtherHistory(String),
    /// The log is shutting down, or has failed.
    #[error("the ledger is closed")]
    Closed,
    /// An entry is too long for a tile.
    #[error("an entry of {bytes} bytes is longer than the {max} an entry can have; put large content elsewhere")]
    EntryTooLong {
        /// Bytes of the entry.
        bytes: usize,
        /// Most bytes an entry can have.
        max: usize,
    },
    /// All entries of one append must fit into one batch.
    #[error("{bytes} bytes of entries are more than the {max} that can be appended at once; append them in parts")]
    TooLarge {
        /// Bytes of all entries, with their framing.
        bytes: usize,
        /// Most bytes.
        max: usize,
    },
}
