//! ZIP files whose entries are all Stored, read in place: a package needs no more of ZIP, and so nothing is ever
//! inflated and no entry can be larger than the file it came in.
//!
//! The reader takes bytes from anybody. What is wrong with one entry is a [`Fault`] of that entry and the rest is read
//! all the same; only a file without a readable directory is refused. Every entry is found through the central
//! directory, which local headers must agree with (PKWARE APPNOTE 4.3; ZIP64 included).

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

/// The most entries that are read.
pub const MAX_ENTRIES: u64 = 4_000_000;

/// The longest name of an entry, in bytes.
const MAX_NAME_BYTES: usize = 512;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const END_BYTES: usize = 22;
const ENCRYPTED: u16 = 1;

/// Why bytes are not a ZIP file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No end of the central directory: not a ZIP file, or one that was cut short.
    #[error("it has no ZIP directory at its end: it was cut short, or is not a package")]
    NoDirectory,
    /// The directory lies elsewhere than said, or ends too soon.
    #[error("its ZIP directory is damaged at entry {entry}")]
    Directory {
        /// Which entry, from 0.
        entry: u64,
    },
    /// More entries than are read.
    #[error("it has {entries} entries; at most {MAX_ENTRIES} are read")]
    TooMany {
        /// How many it says it has.
        entries: u64,
    },
}

/// Something wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The entry's name, or its number when the name cannot be read.
    pub path: String,
    /// What is wrong.
    pub what: &'static str,
}

/// An opened ZIP file.
#[derive(Debug)]
pub struct Archive {
    bytes: Bytes,
    files: BTreeMap<String, Stored>,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Stored {
    range: Range<usize>,
    crc: u32,
}

/// An entry as the central directory describes it.
struct Described {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    len: u64,
    local: u64,
}

impl Archive {
    /// Reads the directory and finds every entry.
    ///
    /// # Errors
    /// [`ArchiveError`] when there is no directory to go by.
    pub fn open(bytes: Bytes) -> Result<Self, ArchiveError> {
        let (entries, mut at) = find_directory(&bytes).ok_or(ArchiveError::NoDirectory)?;
        if entries > MAX_ENTRIES {
            return Err(ArchiveError::TooMany { entries });
        }
        let mut archive = Self { bytes, files: BTreeMap::new(), faults: Vec::new() };
        // Entries that lie apart from each other are together no longer than the file.
        let mut room = archive.bytes.len();
        for entry in 0..entries {
            let (described, next) = describe(&archive.bytes, at).ok_or(ArchiveError::Directory { entry })?;
            at = next;
            archive.add(entry, described, &mut room);
        }
        Ok(archive)
    }

    fn add(&mut self, entry: u64, described: Described, room: &mut usize) {
        let path = match str::from_utf8(&described.name) {
            Ok(name) => name.to_owned(),
            Err(_) => format!("entry {entry}"),
        };
        let found = locate(&self.bytes, &described).and_then(|range| {
            *room = room.checked_sub(range.len()).ok_or("it overlaps other entries")?;
            if self.files.contains_key(&path) { Err("it comes twice; the first is read") } else { Ok(range) }
        });
        match found {
            Ok(range) => drop(self.files.insert(path, Stored { range, crc: described.crc })),
            Err(what) => self.faults.push(Fault { path, what }),
        }
    }

    /// The contents of an entry.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.bytes.get(self.files.get(path)?.range.clone())
    }

    /// The contents of an entry, shared rather than borrowed.
    #[must_use]
    pub fn shared(&self, path: &str) -> Option<Bytes> {
        Some(self.bytes.slice(self.files.get(path)?.range.clone()))
    }

    /// Names of the entries, in order of their bytes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether the entry has the checksum that the ZIP file gives for it.
    #[must_use]
    pub fn checksum_fits(&self, path: &str) -> bool {
        let expected = self.files.get(path).map(|stored| stored.crc);
        self.file(path).map(crc32fast::hash) == expected
    }

    /// What was wrong with entries.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The number of entries, and where the central directory begins.
fn find_directory(bytes: &[u8]) -> Option<(u64, usize)> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    // A comment of up to 64 KiB may follow, and must end the file.
    let fits = |at: &usize| {
        u32_at(bytes, *at) == Some(END)
            && u16_at(bytes, at + 20).is_some_and(|comment| at + END_BYTES + usize::from(comment) == bytes.len())
    };
    let end = (last.saturating_sub(usize::from(u16::MAX))..=last).rev().find(fits)?;
    let (entries, start) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 16)?);
    if entries < u16::MAX && start < u32::MAX {
        return Some((entries.into(), start as usize));
    }
    let locator = end.checked_sub(20).filter(|at| u32_at(bytes, *at) == Some(LOCATOR_64));
    match locator {
        None => Some((entries.into(), start as usize)),
        Some(locator) => {
            let at = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
            if u32_at(bytes, at)? != END_64 {
                return None;
            }
            Some((u64_at(bytes, at.checked_add(32)?)?, usize::try_from(u64_at(bytes, at.checked_add(48)?)?).ok()?))
        }
    }
}

/// Reads one record of the central directory; gives where the next one begins.
fn describe(bytes: &[u8], at: usize) -> Option<(Described, usize)> {
    let head = bytes.get(at..at.checked_add(46)?)?;
    if u32_at(head, 0)? != CENTRAL {
        return None;
    }
    let (name, extra) = (usize::from(u16_at(head, 28)?), usize::from(u16_at(head, 30)?));
    let (name_at, comment) = (at + 46, usize::from(u16_at(head, 32)?));
    let extra_at = name_at + name;
    let mut described = Described {
        name: bytes.get(name_at..extra_at)?.to_vec(),
        flags: u16_at(head, 8)?,
        method: u16_at(head, 10)?,
        crc: u32_at(head, 16)?,
        packed: u32_at(head, 20)?.into(),
        len: u32_at(head, 24)?.into(),
        local: u32_at(head, 42)?.into(),
    };
    widen(&mut described, bytes.get(extra_at..extra_at + extra)?);
    let next = extra_at + extra + comment;
    if next <= bytes.len() { Some((described, next)) } else { None }
}

/// Takes the 64-bit values of the ZIP64 extra field for those that are marked as too large for 32 bits.
fn widen(described: &mut Described, mut extra: &[u8]) {
    while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some((field, rest)) = extra.get(4..).and_then(|rest| rest.split_at_checked(len.into())) else { return };
        if id == 1 {
            let wide = [&mut described.len, &mut described.packed, &mut described.local];
            let marked = wide.into_iter().filter(|value| **value == u64::from(u32::MAX));
            for (value, wide) in marked.zip(field.as_chunks::<8>().0) {
                *value = u64::from_le_bytes(*wide);
            }
        }
        extra = rest;
    }
}

/// Where the contents of an entry are.
fn locate(bytes: &[u8], described: &Described) -> Result<Range<usize>, &'static str> {
    if described.method != 0 || described.packed != described.len {
        return Err("it is compressed; entries of a package are stored as they are");
    }
    if described.flags & ENCRYPTED != 0 {
        return Err("it is encrypted; entries of a package are stored as they are");
    }
    if !is_path(&described.name) {
        return Err("its name is not a plain relative path");
    }
    let damaged = "the ZIP file is damaged where it should be";
    let at = usize::try_from(described.local).map_err(|_| damaged)?;
    let head = at.checked_add(30).and_then(|end| bytes.get(at..end)).ok_or(damaged)?;
    let (name, extra) = (u16_at(head, 26).ok_or(damaged)?, u16_at(head, 28).ok_or(damaged)?);
    let name_end = at + 30 + usize::from(name);
    let stored = u16_at(head, 8) == Some(0) && u32_at(head, 0) == Some(LOCAL);
    if !stored || bytes.get(at + 30..name_end) != Some(&described.name) {
        return Err(damaged);
    }
    let start = name_end + usize::from(extra);
    let len = usize::try_from(described.len).map_err(|_| damaged)?;
    let end = start.checked_add(len).filter(|end| *end <= bytes.len()).ok_or(damaged)?;
    Ok(start..end)
}

fn is_path(name: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(name) else { return false };
    let part = |part: &str| !matches!(part, "" | "." | "..");
    let plain = |c: char| !c.is_control() && c != '\\';
    name.len() <= MAX_NAME_BYTES && name.chars().all(plain) && name.split('/').all(part)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
