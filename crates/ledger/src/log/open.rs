//! Opening a log: read every entry in order, compare what the tree gives with the tiles and with everything the log has
//! ever signed, and refuse if anything is missing or different.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use merkle::{Checkpoint, Hash, Note, TILE_WIDTH, TileKind, leaf_hash};

use super::error::LogError;
use super::tree::{Tree, decode_full, full, read_full};
use crate::vfs::{Vfs, read_file};
use crate::wal::{Batch, WalError};

/// The public checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The last checkpoint that met the witness policy.
pub(crate) const WITNESSED: &str = "checkpoint.witnessed";
/// What only this process reads.
pub(crate) const PRIVATE_DIR: &str = ".state";
/// The last checkpoint signed, durable before it was given to anybody.
pub(crate) const SIGNER: &str = ".state/signer";
/// Says that somebody remembers another history.
pub(crate) const HALT: &str = ".state/other-history";
/// The write-ahead log.
pub(crate) const WAL_DIR: &str = ".state/wal";
/// The lock file.
pub(crate) const LOCK: &str = ".state/LOCK";

/// Longest checkpoint file read.
pub(super) const MAX_NOTE_BYTES: u64 = 1 << 20;

/// A signed checkpoint as found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) path: PathBuf,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Note,
}

/// Rebuilds the tree from bundles and from the batches of the write-ahead log.
pub(crate) struct Rebuild<'a> {
    tree: &'a Tree,
    on_entry: &'a mut dyn FnMut(u64, &[u8]),
    started: bool,
    /// Batch number and sequence number after its last entry.
    pub(crate) batches: VecDeque<(u64, u64)>,
    /// Entries that were read from bundles.
    pub(crate) from_bundles: u64,
}

impl<'a> Rebuild<'a> {
    pub(crate) fn new(tree: &'a Tree, on_entry: &'a mut dyn FnMut(u64, &[u8])) -> Self {
        Self { tree, on_entry, started: false, batches: VecDeque::new(), from_bundles: 0 }
    }

    /// Goes on with a tree that already has what is in bundles.
    pub(crate) fn after_bundles(tree: &'a Tree, on_entry: &'a mut dyn FnMut(u64, &[u8])) -> Self {
        Self { started: true, from_bundles: tree.size(), ..Self::new(tree, on_entry) }
    }

    /// Takes the next batch. The first one says how much must be in bundles: segments of the write-ahead log are only
    /// released when the bundles with their entries are durable.
    pub(crate) fn batch(&mut self, batch: &Batch<'_>) -> Result<(), LogError> {
        if !self.started {
            self.started = true;
            self.bundles(batch.first_seq.next_multiple_of(TILE_WIDTH))?;
        }
        let size = self.tree.size();
        if batch.first_seq > size {
            let what = format!("batch {} starts at entry {}, after {size}", batch.number, batch.first_seq);
            return Err(LogError::corrupt(&self.tree.files.dir.join(WAL_DIR), what));
        }
        self.batches.push_back((batch.number, batch.first_seq + u64::from(batch.count)));
        for (seq, (_, entry)) in (batch.first_seq..).zip(batch.frames()) {
            if seq >= size {
                self.push(seq, entry);
            }
        }
        Ok(())
    }

    fn bundles(&mut self, end: u64) -> Result<(), LogError> {
        let files = &self.tree.files;
        for index in 0..end / TILE_WIDTH {
            let path = full(TileKind::Entries, index);
            let bytes = read_full(files, &path)?;
            for (seq, entry) in (index * TILE_WIDTH..).zip(decode_full(files, &path, &bytes)?) {
                self.push(seq, entry);
            }
            self.compare_tiles((index + 1) * TILE_WIDTH)?;
        }
        self.from_bundles = end;
        Ok(())
    }

    /// The tiles these bundles give must be the tiles on disk.
    fn compare_tiles(&self, end: u64) -> Result<(), LogError> {
        let files = &self.tree.files;
        for (path, bytes) in self.tree.tail().waiting_tiles(end) {
            if read_full(files, &path)? != bytes {
                let what = "its hashes are not those of the entries in `tile/entries`";
                return Err(LogError::corrupt(&files.path(&path), what));
            }
        }
        self.tree.tail_mut().forget(end);
        Ok(())
    }

    fn push(&mut self, seq: u64, entry: &[u8]) {
        self.tree.tail_mut().push(entry.to_vec(), leaf_hash(entry));
        (self.on_entry)(seq, entry);
    }
}

/// Takes the log's own error out of the one the replay wrapped it in.
pub(crate) fn unwrap_replay(error: WalError) -> LogError {
    match error {
        WalError::Replay { path, offset, source } => match source.downcast::<LogError>() {
            Ok(error) => *error,
            Err(source) => LogError::Wal(WalError::Replay { path, offset, source }),
        },
        error => LogError::Wal(error),
    }
}

/// Reads a checkpoint file, if there is one. Its signature is not checked.
pub(crate) fn read_signed(vfs: &dyn Vfs, path: &Path) -> Result<Option<Signed>, LogError> {
    let bytes = read_file(vfs, path, MAX_NOTE_BYTES).map_err(|source| LogError::io("read", path, source))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let note = Note::parse(bytes).map_err(|error| LogError::corrupt(path, error.to_string()))?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|error| LogError::corrupt(path, error.to_string()))?;
    Ok(Some(Signed { path: path.to_owned(), checkpoint, note }))
}

/// The tree must contain what was signed.
pub(crate) fn check_not_rolled_back(tree: &Tree, signed: &Signed) -> Result<(), LogError> {
    let Checkpoint { size, root, .. } = signed.checkpoint;
    let rolled_back = |found| LogError::RolledBack { signed_in: signed.path.clone(), signed: size, found };
    let have = tree.size();
    if have < size {
        return Err(rolled_back(format!("only {have} are there")));
    }
    let there: Hash = tree.root_at(size)?;
    if there == root { Ok(()) } else { Err(rolled_back("those that are there have another root".into())) }
}
