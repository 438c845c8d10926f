//! The public files of a log: full tiles and full entry bundles, written once and never changed.
//!
//! Writing is create-only. If a file is already there it must have the same bytes, since tiles are a function of the
//! entries; after a crash the same group is simply written again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use merkle::{TileKind, TilePath};

use super::error::LogError;
use crate::vfs::{Vfs, VfsFile, parent, read_file, temporary_name};

/// A bundle of 256 entries of 65,535 bytes with their lengths.
const MAX_FILE_BYTES: u64 = 256 * (65_535 + 2);
/// Tiles kept in memory: 8 MiB of them.
const CACHED_TILES: usize = 1024;

/// The files below one directory.
pub(crate) struct Files {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    cache: Mutex<Cache>,
}

/// Hash tiles read lately; the one read longest ago goes first.
#[derive(Default)]
struct Cache {
    tiles: HashMap<TilePath, Arc<[u8]>>,
    order: VecDeque<TilePath>,
}

impl Files {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, dir: &Path) -> Self {
        Self { vfs, dir: dir.to_owned(), cache: Mutex::default() }
    }

    pub(crate) fn path(&self, tile: &TilePath) -> PathBuf {
        self.dir.join(tile.to_string())
    }

    /// A full tile or bundle, `None` if it was not written yet.
    pub(crate) fn read(&self, tile: &TilePath) -> Result<Option<Arc<[u8]>>, LogError> {
        if let Some(bytes) = self.cached(tile) {
            return Ok(Some(bytes));
        }
        let path = self.path(tile);
        let bytes = read_file(&*self.vfs, &path, MAX_FILE_BYTES);
        let Some(bytes) = bytes.map_err(|source| LogError::io("read", &path, source))? else { return Ok(None) };
        let bytes: Arc<[u8]> = bytes.into();
        if tile.kind != TileKind::Entries {
            self.remember(tile, &bytes);
        }
        Ok(Some(bytes))
    }

    /// Writes a group of files and makes all of them durable. Their directories are synced once.
    pub(crate) fn write(&self, group: &[(TilePath, Arc<[u8]>)]) -> Result<(), LogError> {
        let mut written = Vec::new();
        let mut dirs = BTreeSet::new();
        for (tile, bytes) in group {
            let path = self.path(tile);
            dirs.insert(parent(&path).to_owned());
            if let Some(file) = self.create(&path, bytes)? {
                written.push((path, file));
            }
        }
        // All are written before the first is synced, so that the file system can write them out together.
        for (path, file) in &written {
            let temporary = temporary_name(path);
            file.sync_data().map_err(|source| LogError::io("sync", &temporary, source))?;
            let vfs = &self.vfs;
            vfs.set_read_only(&temporary).map_err(|source| LogError::io("protect", &temporary, source))?;
            vfs.rename(&temporary, path).map_err(|source| LogError::io("rename", &temporary, source))?;
        }
        for dir in &dirs {
            self.vfs.sync_dir(dir).map_err(|source| LogError::io("sync", dir, source))?;
        }
        Ok(())
    }

    /// Writes a temporary file that is to become `path`, unless that is there with the same bytes.
    fn create(&self, path: &Path, bytes: &[u8]) -> Result<Option<Box<dyn VfsFile>>, LogError> {
        let there = read_file(&*self.vfs, path, MAX_FILE_BYTES).map_err(|source| LogError::io("read", path, source))?;
        match there {
            Some(there) if there == bytes => return Ok(None),
            Some(_) => return Err(LogError::corrupt(path, "it has other bytes than the entries of the log give")),
            None => {}
        }
        let temporary = temporary_name(path);
        let io = |source| LogError::io("write", &temporary, source);
        self.vfs.create_dir_all(parent(path)).map_err(io)?;
        // A leftover may be read-only; a name that is gone can be created again.
        if self.vfs.exists(&temporary).map_err(io)? {
            self.vfs.remove(&temporary).map_err(io)?;
        }
        let file = self.vfs.create(&temporary).map_err(io)?;
        file.write_at(bytes, 0).map_err(io)?;
        Ok(Some(file))
    }

    fn cached(&self, tile: &TilePath) -> Option<Arc<[u8]>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).tiles.get(tile).cloned()
    }

    fn remember(&self, tile: &TilePath, bytes: &Arc<[u8]>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.tiles.insert(*tile, Arc::clone(bytes)).is_none() {
            cache.order.push_back(*tile);
        }
        if cache.order.len() > CACHED_TILES
            && let Some(oldest) = cache.order.pop_front()
        {
            cache.tiles.remove(&oldest);
        }
    }
}
