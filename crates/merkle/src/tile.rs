//! Tiles: how a log is cut into immutable files (C2SP tlog-tiles). A hash tile holds up to 256 hashes of one level, an
//! entry bundle the entries under a level-0 tile. This file knows their paths, the bundle encoding, and where in the
//! tiles the hash of a subtree is found.

use std::fmt;
use std::str::FromStr;

use crate::encoding::{decimal, shorten};
use crate::tree::{Hash, root_of};

/// How many hashes, or entries, a full tile has.
pub const TILE_WIDTH: u64 = 256;

/// The longest entry a bundle can hold, in bytes: its length is written in 16 bits.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Tile levels are 8 tree levels apart; C2SP tlog-tiles allows 0 to 63.
const MAX_LEVEL: u64 = 63;

/// Why a tile path, tile or bundle is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path of C2SP tlog-tiles.
    #[error("`{0}` is not a tile path; write it like `tile/0/x001/067`, `tile/entries/000` or `tile/0/000.p/8`")]
    BadPath(String),
    /// More than 256 entries.
    #[error("an entry bundle holds at most 256 entries")]
    TooManyEntries,
    /// An entry whose length does not fit in 16 bits.
    #[error("entry of {bytes} bytes is longer than the 65535 an entry bundle can hold")]
    EntryTooLong {
        /// Length of the entry.
        bytes: usize,
    },
    /// The bundle ends within an entry.
    #[error("entry bundle ends within its entry {entry}; it was cut short or is not a bundle")]
    Truncated {
        /// Position of the entry in the bundle, from zero.
        entry: usize,
    },
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of subtrees of `256^level` leaves.
    Hashes {
        /// 0 for leaf hashes, up to 63.
        level: u8,
    },
    /// The entries themselves, length-prefixed.
    Entries,
}

/// The path of a tile below the prefix of the log, such as `tile/0/x001/x234/067.p/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// What the tile holds.
    pub kind: TileKind,
    /// Which tile of its level.
    pub index: u64,
    /// How many hashes or entries it holds: 256 when full, 1 to 255 when partial.
    pub width: u16,
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        // Three decimal digits a path element; a u64 has at most seven.
        for power in (1..7).rev().map(|element| 1000_u64.pow(element)) {
            if self.index >= power {
                write!(f, "x{:03}/", self.index / power % 1000)?;
            }
        }
        write!(f, "{:03}", self.index % 1000)?;
        if u64::from(self.width) < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        parse_path(path)
            // One spelling only: this refuses leading `x000` elements, which the grammar alone lets through.
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| TileError::BadPath(shorten(path)))
    }
}

fn parse_path(path: &str) -> Option<TilePath> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: decimal(level).filter(|level| *level <= MAX_LEVEL)? as u8 },
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, decimal(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
        None => (rest, TILE_WIDTH),
    };
    let (parents, last) = index.rsplit_once('/').map_or(("", index), |(parents, last)| (parents, last));
    let parents = parents.split_terminator('/').map(|element| element.strip_prefix('x'));
    let index = parents.chain([Some(last)]).try_fold(0_u64, |index, element| {
        let digits = element.filter(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
    })?;
    Some(TilePath { kind, index, width: width as u16 })
}

/// How many hashes the last tile of a level has in a tree of `size` leaves, when that tile is partial; 0 when the
/// level has no partial tile. It is the tile after `size / 256^(level + 1)` full ones (C2SP tlog-tiles, partial tiles).
pub fn partial_width(level: u8, size: u64) -> u16 {
    let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    (hashes % TILE_WIDTH) as u16
}

/// The bundle and the hash tiles that entry `seq` completes: none but for every 256th.
pub fn completed_by(seq: u64) -> Vec<TilePath> {
    let (mut tiles, mut index, mut level) = (Vec::new(), seq.saturating_add(1), 0);
    while index.is_multiple_of(TILE_WIDTH) {
        index /= TILE_WIDTH;
        let tile = |kind| TilePath { kind, index: index - 1, width: TILE_WIDTH as u16 };
        tiles.extend((level == 0).then(|| tile(TileKind::Entries)));
        tiles.push(tile(TileKind::Hashes { level }));
        level += 1;
    }
    tiles
}

/// Where the hash of a complete subtree is found: `count` neighbouring hashes of one tile, whose root it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Level of the tile.
    pub level: u8,
    /// Which tile of its level.
    pub index: u64,
    /// The first hash in the tile that belongs to the subtree.
    pub first: u16,
    /// How many hashes belong to it: a power of two, up to 128.
    pub count: u16,
}

/// Where to find what [`HashReader::read`](crate::HashReader::read) is asked for. None for a subtree beyond the
/// largest possible tree.
pub fn locate(level: u8, index: u64) -> Option<Location> {
    let count = 1_u16 << (level % 8);
    let first = index.checked_mul(count.into())?;
    Some(Location { level: level / 8, index: first / TILE_WIDTH, first: (first % TILE_WIDTH) as u16, count })
}

impl Location {
    /// The hash of the subtree, given the tile: its hashes one after another, 32 bytes each, full or partial.
    /// None when the tile is too short.
    pub fn hash_in(&self, tile: &[u8]) -> Option<Hash> {
        let (hashes, _) = tile.as_chunks::<32>();
        let first = usize::from(self.first);
        hashes.get(first..first + usize::from(self.count)).map(root_of)
    }
}

/// Encodes entries as a bundle: each with its length before it, in two bytes, big end first.
///
/// # Errors
/// [`TileError::TooManyEntries`] or [`TileError::EntryTooLong`].
pub fn encode_bundle<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if position as u64 >= TILE_WIDTH {
            return Err(TileError::TooManyEntries);
        }
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { bytes: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Reads the entries of a bundle, which may be partial. Nothing is copied.
///
/// # Errors
/// [`TileError::TooManyEntries`] or [`TileError::Truncated`].
pub fn decode_bundle(mut bundle: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        if entries.len() as u64 >= TILE_WIDTH {
            return Err(TileError::TooManyEntries);
        }
        let (entry, rest) = split_entry(bundle).ok_or(TileError::Truncated { entry: entries.len() })?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}

fn split_entry(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests;
