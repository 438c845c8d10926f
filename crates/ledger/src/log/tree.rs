//! The tree as it can be read: what is not yet on disk in memory, everything older in files.
//!
//! In memory are the partial tile of each level, the full tiles and the entries that still wait to be written. Only
//! full tiles are files, so each hash is found in exactly one place, and what is in a file never changes.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use merkle::tile::locate;
use merkle::{
    Hash, HashReader, TILE_WIDTH, TileKind, TilePath, decode_bundle, encode_bundle, root_of, stored_consistency_proof,
    stored_inclusion_proof, stored_root,
};

use super::error::LogError;
use super::files::Files;

const HASH_BYTES: usize = 32;
const TILE_BYTES: usize = HASH_BYTES * TILE_WIDTH as usize;

/// The right edge of the tree: all that is not on disk.
#[derive(Default)]
pub(crate) struct Tail {
    size: u64,
    /// The partial tile of each level, its hashes one after another.
    edge: Vec<Vec<u8>>,
    /// Full hash tiles that are not files yet.
    waiting: BTreeMap<TilePath, Arc<[u8]>>,
    /// Entries from `entries_start`, a multiple of 256, to `size`.
    entries: VecDeque<Vec<u8>>,
    entries_start: u64,
    entry_bytes: usize,
}

/// The tree of a log: its tail and its files.
pub(crate) struct Tree {
    pub(crate) files: Files,
    tail: RwLock<Tail>,
}

/// The path of a full tile.
pub(crate) fn full(kind: TileKind, index: u64) -> TilePath {
    TilePath { kind, index, width: TILE_WIDTH as u16 }
}

impl Tail {
    pub(crate) fn push(&mut self, entry: Vec<u8>, leaf: Hash) {
        self.entry_bytes += entry.len();
        self.entries.push_back(entry);
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u8.. {
            let at = usize::from(level);
            if self.edge.len() == at {
                self.edge.push(Vec::with_capacity(TILE_BYTES));
            }
            self.edge[at].extend_from_slice(&hash);
            if self.edge[at].len() < TILE_BYTES {
                break;
            }
            let tile = std::mem::replace(&mut self.edge[at], Vec::with_capacity(TILE_BYTES));
            hash = root_of(tile.as_chunks().0);
            let index = (self.size >> (8 * (u32::from(level) + 1))) - 1;
            self.waiting.insert(full(TileKind::Hashes { level }, index), tile.into());
        }
    }

    /// Bytes of entries that wait to be written to bundles.
    pub(crate) fn entry_bytes(&self) -> usize {
        self.entry_bytes
    }

    /// Full bundles that are not files yet, as a range of bundle numbers.
    pub(crate) fn waiting_bundles(&self) -> Range<u64> {
        self.entries_start / TILE_WIDTH..self.size / TILE_WIDTH
    }

    /// The full hash tiles that wait and cover only entries below `end`.
    pub(crate) fn waiting_tiles(&self, end: u64) -> Vec<(TilePath, Arc<[u8]>)> {
        let covered = |tile: &TilePath| leaf_end(tile).is_some_and(|leaf| leaf <= end);
        self.waiting.iter().filter(|(tile, _)| covered(tile)).map(|(tile, bytes)| (*tile, Arc::clone(bytes))).collect()
    }

    /// Lets go of what is now on disk: everything that covers only entries below `end`, a multiple of 256.
    pub(crate) fn forget(&mut self, end: u64) {
        self.waiting.retain(|tile, _| leaf_end(tile).is_none_or(|leaf| leaf > end));
        while self.entries_start < end
            && let Some(entry) = self.entries.pop_front()
        {
            self.entry_bytes -= entry.len();
            self.entries_start += 1;
        }
    }

    fn entry(&self, seq: u64) -> Option<&[u8]> {
        let at = seq.checked_sub(self.entries_start)?;
        self.entries.get(usize::try_from(at).ok()?).map(Vec::as_slice)
    }

    /// A hash tile as far as it goes.
    fn tile(&self, level: u8, index: u64) -> Option<Arc<[u8]>> {
        if let Some(tile) = self.waiting.get(&full(TileKind::Hashes { level }, index)) {
            return Some(Arc::clone(tile));
        }
        let partial = self.size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
        (index == partial).then(|| self.edge.get(usize::from(level)).map(|tile| tile.as_slice().into()))?
    }

    fn bundle(&self, index: u64, width: u64) -> Option<Vec<u8>> {
        let first = index.checked_mul(TILE_WIDTH)?;
        let entries: Option<Vec<&[u8]>> = (first..first + width).map(|seq| self.entry(seq)).collect();
        encode_bundle(entries?).ok()
    }
}

/// One past the last leaf under a full tile.
pub(crate) fn leaf_end(tile: &TilePath) -> Option<u64> {
    let level = match tile.kind {
        TileKind::Hashes { level } => level,
        TileKind::Entries => 0,
    };
    tile.index.checked_add(1)?.checked_mul(1_u64.checked_shl(8 * (u32::from(level) + 1))?)
}

impl Tree {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, tail: RwLock::default() }
    }

    /// The tree whose first `size` entries, a multiple of 256, are files. Reads only the tiles along the right edge.
    pub(crate) fn from_files(files: Files, size: u64) -> Result<Self, LogError> {
        let mut tail = Tail { size, entries_start: size, ..Tail::default() };
        for level in 0_u8.. {
            let hashes = size >> (8 * u32::from(level));
            if hashes == 0 {
                break;
            }
            let mut edge = Vec::with_capacity(TILE_BYTES);
            for index in hashes - hashes % TILE_WIDTH..hashes {
                let Some(below) = level.checked_sub(1) else { break };
                let tile = full(TileKind::Hashes { level: below }, index);
                edge.extend_from_slice(&root_of(read_full(&files, &tile)?.as_chunks().0));
            }
            tail.edge.push(edge);
        }
        Ok(Self { files, tail: RwLock::new(tail) })
    }

    pub(crate) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn size(&self) -> u64 {
        self.tail().size
    }

    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        self.check_within(size)?;
        Ok(stored_root(self, size)?)
    }

    pub(crate) fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.check_within(size)?;
        Ok(stored_inclusion_proof(self, index, size)?)
    }

    pub(crate) fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        self.check_within(new)?;
        Ok(stored_consistency_proof(self, old, new)?)
    }

    /// Calls `each` with the entries of a range in order.
    pub(crate) fn for_each(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), LogError> {
        self.check_within(range.end)?;
        let mut seq = range.start;
        while seq < range.end {
            let bundle_end = (seq - seq % TILE_WIDTH + TILE_WIDTH).min(range.end);
            let recent: Option<Vec<Vec<u8>>> = {
                let tail = self.tail();
                (seq..bundle_end).map(|seq| tail.entry(seq).map(<[u8]>::to_vec)).collect()
            };
            match recent {
                Some(recent) => (seq..).zip(&recent).for_each(|(seq, entry)| each(seq, entry)),
                None => {
                    let tile = full(TileKind::Entries, seq / TILE_WIDTH);
                    let bytes = read_full(&self.files, &tile)?;
                    let entries = decode_full(&self.files, &tile, &bytes)?;
                    let skip = (seq % TILE_WIDTH) as usize;
                    (seq..bundle_end).zip(entries.iter().skip(skip)).for_each(|(seq, entry)| each(seq, entry));
                }
            }
            seq = bundle_end;
        }
        Ok(())
    }

    /// The bytes of a tile or bundle, full or partial; `None` when the log is not that long.
    pub(crate) fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, LogError> {
        let width = u64::from(path.width);
        match path.kind {
            TileKind::Hashes { level } => {
                let Some(tile) = self.hash_tile(level, path.index)? else { return Ok(None) };
                Ok(tile.get(..usize::from(path.width) * HASH_BYTES).map(<[u8]>::to_vec))
            }
            TileKind::Entries => {
                if let Some(bundle) = self.tail().bundle(path.index, width) {
                    return Ok(Some(bundle));
                }
                let tile = full(TileKind::Entries, path.index);
                let Some(bytes) = self.files.read(&tile)? else { return Ok(None) };
                let entries = decode_full(&self.files, &tile, &bytes)?;
                let first = entries.into_iter().take(path.width.into());
                let bundle = encode_bundle(first);
                bundle.map(Some).map_err(|error| LogError::corrupt(&self.files.path(&tile), error.to_string()))
            }
        }
    }

    fn hash_tile(&self, level: u8, index: u64) -> Result<Option<Arc<[u8]>>, LogError> {
        let in_memory = self.tail().tile(level, index);
        match in_memory {
            Some(tile) => Ok(Some(tile)),
            None => self.files.read(&full(TileKind::Hashes { level }, index)),
        }
    }

    pub(crate) fn check_within(&self, asked: u64) -> Result<(), LogError> {
        let size = self.size();
        if asked > size { Err(LogError::BeyondEnd { asked, size }) } else { Ok(()) }
    }
}

impl HashReader for Tree {
    type Error = LogError;

    fn read(&self, level: u8, index: u64) -> Result<Hash, LogError> {
        let beyond = || LogError::BeyondEnd { asked: index, size: self.size() };
        let place = locate(level, index).ok_or_else(beyond)?;
        let tile = self.hash_tile(place.level, place.index)?;
        let path = || self.files.path(&full(TileKind::Hashes { level: place.level }, place.index));
        let tile = tile.ok_or_else(|| LogError::Missing { path: path() })?;
        place.hash_in(&tile).ok_or_else(|| LogError::corrupt(&path(), "it is too short"))
    }
}

/// A file that must be there.
pub(crate) fn read_full(files: &Files, tile: &TilePath) -> Result<Arc<[u8]>, LogError> {
    let bytes = files.read(tile)?.ok_or_else(|| LogError::Missing { path: files.path(tile) })?;
    if tile.kind != TileKind::Entries && bytes.len() != TILE_BYTES {
        let what = format!("it has {} bytes, a full tile has {TILE_BYTES}", bytes.len());
        return Err(LogError::corrupt(&files.path(tile), what));
    }
    Ok(bytes)
}

/// The 256 entries of a bundle.
pub(crate) fn decode_full<'b>(files: &Files, tile: &TilePath, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, LogError> {
    let entries = decode_bundle(bytes).map_err(|error| LogError::corrupt(&files.path(tile), error.to_string()))?;
    if entries.len() as u64 != TILE_WIDTH {
        let what = format!("it has {} entries, a full bundle has {TILE_WIDTH}", entries.len());
        return Err(LogError::corrupt(&files.path(tile), what));
    }
    Ok(entries)
}
