//! What is remembered of a log outside its directory: the newest checkpoint that it gave out.
//!
//! An older copy of a log's directory, restored whole, is consistent in itself: only what lies elsewhere can tell that it
//! is old. This file can, and witnesses can. It is a help and not the truth: when it cannot be read or written, that is a
//! warning, and the log goes on without it.

use std::path::{Path, PathBuf};

use merkle::{Checkpoint, VerifierKey};

use super::open::{MAX_NOTE_BYTES, Signed};
use super::writer::with_causes;
use crate::vfs::{Vfs, parent, read_file, write_atomic};

/// The file that remembers, and what it holds.
pub(super) struct Memory {
    path: PathBuf,
    held: Option<Signed>,
    /// It tells of a history that this log does not extend, and nobody has given that up yet: it is not written over.
    kept: bool,
    /// The last attempt to write failed, which was reported.
    failing: bool,
}

impl Memory {
    /// Reads the file, if there is one. What this log's key has not signed is not a memory of it.
    pub(super) fn read(vfs: &dyn Vfs, path: PathBuf, key: &VerifierKey) -> Self {
        let held = read(vfs, &path, key).unwrap_or_else(|why| {
            tracing::warn!(path = %path.display(), %why, "what was remembered of this ledger cannot be read; an older copy would not be noticed by it");
            None
        });
        Self { path, held, kept: false, failing: false }
    }

    /// What the file holds.
    pub(super) fn held(&self) -> Option<&Signed> {
        self.held.as_ref()
    }

    /// Keeps what is held, until [`Self::give_up`].
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// The history that is kept although this log does not extend it.
    pub(super) fn kept(&self) -> Option<&Signed> {
        self.held.as_ref().filter(|_| self.kept)
    }

    /// Lets the next checkpoint replace what is held.
    pub(super) fn give_up(&mut self) {
        self.kept = false;
    }

    /// Remembers a checkpoint that was published.
    pub(super) fn remember(&mut self, vfs: &dyn Vfs, signed: &Signed) {
        if self.kept || self.held.as_ref().is_some_and(|held| held.note == signed.note) {
            return;
        }
        let text = signed.note.to_string();
        let made = vfs.create_dir_all(parent(&self.path));
        match made.and_then(|()| write_atomic(vfs, &self.path, text.as_bytes())) {
            Ok(()) => {
                self.held = Some(Signed { path: self.path.clone(), ..signed.clone() });
                self.failing = false;
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(path = %self.path.display(), error = %with_causes(&error), "the size of the ledger cannot be remembered outside its directory: an older copy that is restored whole would not be noticed; make the directory writable, or name another one in `server.state`");
            }
            Err(_) => {}
        }
    }
}

fn read(vfs: &dyn Vfs, path: &Path, key: &VerifierKey) -> Result<Option<Signed>, String> {
    let bytes = read_file(vfs, path, MAX_NOTE_BYTES).map_err(|error| with_causes(&error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let (checkpoint, note) = Checkpoint::open(bytes, key).map_err(|error| with_causes(&error))?;
    Ok(Some(Signed { path: path.to_owned(), checkpoint, note }))
}
