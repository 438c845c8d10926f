//! When somebody else remembers another history of this log: nothing is appended or signed any more, in this process and
//! in every later one, until what told so is asked again or the newest copy is restored.
//!
//! It is kept in a file of the log's directory, so that a copy that is restored over it is not stopped by what was said
//! of the one before, and so that no command goes on where a server had to stop.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::error::LogError;
use crate::vfs::{Vfs, parent, read_file, write_atomic};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Somebody remembers another history of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherHistory {
    /// Who: the address of a witness.
    pub by: String,
    /// What it remembers, in words.
    pub why: String,
}

/// Whether the log is stopped.
pub(super) struct Halt {
    path: PathBuf,
    told: RwLock<Vec<OtherHistory>>,
}

impl Halt {
    /// Reads the file that says so, if there is one.
    pub(super) fn read(vfs: &dyn Vfs, path: PathBuf) -> Result<Self, LogError> {
        let told = RwLock::new(read(vfs, &path)?);
        Ok(Self { path, told })
    }

    /// All that told of another history; none while all is well.
    pub(super) fn told(&self) -> Vec<OtherHistory> {
        self.told.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first that told of another history.
    pub(super) fn first(&self) -> Option<OtherHistory> {
        self.told.read().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// # Errors
    /// [`LogError::OtherHistory`] when the log is stopped.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match self.first() {
            None => Ok(()),
            Some(OtherHistory { by, why }) => Err(LogError::OtherHistory { by, why }),
        }
    }

    /// Stops the log: at once here, and for those that open it later. Who told so before is kept beside.
    pub(super) fn set(&self, vfs: &dyn Vfs, told: OtherHistory) -> Result<(), LogError> {
        let line = |text: &str| text.replace(['\r', '\n'], " ");
        // Held while the file is written, so that two that tell at once are both in it.
        let mut all = self.told.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.by != told.by);
        all.push(told);
        let text: String = all.iter().map(|told| format!("{}\n{}\n", line(&told.by), line(&told.why))).collect();
        let written = write_atomic(vfs, &self.path, text.as_bytes());
        written.map_err(|source| LogError::io("write", &self.path, source))
    }

    /// Lets the log go on in this process.
    pub(super) fn lift(&self) {
        self.told.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets those that open the log later go on, too.
    pub(super) fn forget(&self, vfs: &dyn Vfs) -> Result<(), LogError> {
        let removed = vfs.remove(&self.path).and_then(|()| vfs.sync_dir(parent(&self.path)));
        removed.map_err(|source| LogError::io("remove", &self.path, source))
    }
}

/// What the file says: two lines for each that told so. One that is there stops the log, whatever is in it.
pub(crate) fn read(vfs: &dyn Vfs, path: &Path) -> Result<Vec<OtherHistory>, LogError> {
    let bytes = read_file(vfs, path, MAX_BYTES).map_err(|source| LogError::io("read", path, source))?;
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::to_owned);
    let mut told = Vec::new();
    while let Some(by) = lines.next() {
        told.push(OtherHistory { by, why: lines.next().unwrap_or_default() });
    }
    if told.is_empty() {
        told.push(OtherHistory { by: String::new(), why: String::new() });
    }
    Ok(told)
}
