//! Calls that have begun and not ended, in files of their own, so that the end of the process does not lose them.
//!
//! A beginning is handed to the operating system before anybody is called, by one write and no sync: the end of the
//! process does not lose it, a power cut may. Waiting for the disk before each call would cost every call a sync to
//! keep, through a power cut, beginnings that nobody was answered for.
//!
//! ```text
//! begins/NUMBER: u32 LE length ‖ u32 LE crc32c(frame) ‖ frame, again and again
//! ```
//! What comes after the last whole frame does not count. A call is over when its record is durable; that is not noted
//! here but seen in the write-ahead log. So before the log gives up records, [`Begins::rotate`] goes on in a new file
//! that holds only the calls in flight, and removes the old one for good.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::RecordError;
use crate::vfs::{Access, Vfs, VfsFile, read_exact_at};

/// Bytes before each frame.
pub(super) const HEADER_BYTES: usize = 8;

pub(super) struct Begins {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// The number of the file that is written; it is made with its first beginning.
    number: u64,
    file: Option<Box<dyn VfsFile>>,
    end: u64,
    /// Bytes that found no room on the disk; 0 once something was written again.
    no_room_for: usize,
    /// Where the frames of the calls in flight are: offset and length.
    flying: HashMap<String, (u64, usize)>,
}

impl Begins {
    /// Opens or creates the directory, and calls `each` with the frames that are in it.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: PathBuf,
        max_frame: u64,
        mut each: impl FnMut(Vec<u8>) -> Result<(), RecordError>,
    ) -> Result<Self, RecordError> {
        vfs.create_dir_all(&dir).map_err(RecordError::io("create", &dir))?;
        let mut last = 0;
        for (number, path) in files(&*vfs, &dir)? {
            last = number;
            read(&*vfs, &path, max_frame, &mut each)?;
        }
        Ok(Self { vfs, dir, open: Mutex::new(Open { number: last + 1, ..Open::default() }) })
    }

    /// Hands a beginning to the operating system: a frame after as many bytes as its header will take.
    pub fn begin(&self, id: &str, mut entry: Vec<u8>) -> Result<(), RecordError> {
        fill_header(&mut entry);
        let (id, len) = (id.to_owned(), entry.len() - HEADER_BYTES);
        let mut open = self.lock();
        let number = open.number;
        let written = open.append(&*self.vfs, || self.path(number), &entry);
        match written.map_err(|error| self.failed("write", &self.path(number), error)) {
            Ok(at) => {
                open.no_room_for = 0;
                open.flying.insert(id, (at, len));
                Ok(())
            }
            Err(error) => {
                if matches!(error, RecordError::Full { .. }) {
                    open.no_room_for = len;
                }
                Err(error)
            }
        }
    }

    /// Whether the last beginning found no room.
    pub fn lacks_room(&self) -> bool {
        self.lock().no_room_for > 0
    }

    /// Whether the last beginning found no room and there still is none: if so, as many zeros are tried.
    pub fn is_full(&self) -> bool {
        let mut open = self.lock();
        let number = open.number;
        if open.no_room_for > 0 && open.try_room(&*self.vfs, || self.path(number)).is_ok() {
            open.no_room_for = 0;
        }
        open.no_room_for > 0
    }

    /// Notes that calls are over: their records are durable.
    pub fn ended<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let mut open = self.lock();
        for id in ids {
            open.flying.remove(id);
        }
    }

    /// Calls that have begun and not ended.
    pub fn in_flight(&self) -> u64 {
        self.lock().flying.len() as u64
    }

    /// Bytes of calls that are over in the file that is written.
    pub fn spent(&self) -> u64 {
        let open = self.lock();
        let flying: u64 = open.flying.values().map(|(_, len)| (HEADER_BYTES + len) as u64).sum();
        open.end.saturating_sub(flying)
    }

    /// Goes on in a new file with the calls in flight alone; every other file is gone for good on return.
    pub fn rotate(&self) -> Result<(), RecordError> {
        let number = {
            let mut open = self.lock();
            let mut next = Open { number: open.number + 1, no_room_for: open.no_room_for, ..Open::default() };
            let path = self.path(next.number);
            self.carry(&open, &mut next, &path)?;
            *open = next;
            open.number
        };
        self.remove(|found| found != number)
    }

    /// Removes every file, once what they say is in the log.
    pub fn clear(&self) -> Result<(), RecordError> {
        self.remove(|_| true)
    }

    fn carry(&self, from: &Open, to: &mut Open, path: &Path) -> Result<(), RecordError> {
        let Some(file) = &from.file else { return Ok(()) };
        // In their order, which is that of their records should they be cut off.
        let mut flying: Vec<_> = from.flying.iter().collect();
        flying.sort_unstable_by_key(|(_, place)| **place);
        let mut entry = Vec::new();
        for (id, (at, len)) in flying {
            entry.resize(HEADER_BYTES + *len, 0);
            let old = self.path(from.number);
            read_exact_at(&**file, &mut entry, *at - HEADER_BYTES as u64).map_err(RecordError::io("read", &old))?;
            let written = to.append(&*self.vfs, || path.to_owned(), &entry);
            let at = written.map_err(|error| self.failed("write", path, error))?;
            to.flying.insert(id.clone(), (at, *len));
        }
        Ok(())
    }

    fn remove(&self, doomed: impl Fn(u64) -> bool) -> Result<(), RecordError> {
        for (_, path) in files(&*self.vfs, &self.dir)?.into_iter().filter(|(number, _)| doomed(*number)) {
            self.vfs.remove(&path).map_err(RecordError::io("remove", &path))?;
        }
        self.vfs.sync_dir(&self.dir).map_err(RecordError::io("sync", &self.dir))
    }

    fn failed(&self, action: &'static str, path: &Path, error: std::io::Error) -> RecordError {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                RecordError::Full { dir: self.dir.clone() }
            }
            _ => RecordError::io(action, path)(error),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:010}"))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The file that is written, made when it is not there.
    fn file(&mut self, vfs: &dyn Vfs, path: impl FnOnce() -> PathBuf) -> std::io::Result<&dyn VfsFile> {
        match &mut self.file {
            Some(file) => Ok(&**file),
            none => Ok(&**none.insert(vfs.create(&path())?)),
        }
    }

    /// Writes zeros where the next frame will be; a length of zero ends what is read.
    fn try_room(&mut self, vfs: &dyn Vfs, path: impl FnOnce() -> PathBuf) -> std::io::Result<()> {
        let (zeros, end) = (vec![0; HEADER_BYTES + self.no_room_for], self.end);
        self.file(vfs, path)?.write_at(&zeros, end)
    }

    /// Writes one frame with its header, and returns where the frame is. One that fails is written over by the next.
    fn append(&mut self, vfs: &dyn Vfs, path: impl FnOnce() -> PathBuf, entry: &[u8]) -> std::io::Result<u64> {
        let end = self.end;
        self.file(vfs, path)?.write_at(entry, end)?;
        self.end = end + entry.len() as u64;
        Ok(end + HEADER_BYTES as u64)
    }
}

/// Puts length and checksum of the frame that follows into the first bytes.
fn fill_header(entry: &mut [u8]) {
    let (header, frame) = entry.split_at_mut(HEADER_BYTES);
    // Records are far smaller than 4 GiB; a longer one would not be read back, and was refused before.
    let len = u32::try_from(frame.len()).unwrap_or(0);
    header[..4].copy_from_slice(&len.to_le_bytes());
    header[4..].copy_from_slice(&crc32c::crc32c(frame).to_le_bytes());
}

/// The files in `dir`, oldest first.
fn files(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<(u64, PathBuf)>, RecordError> {
    let names = vfs.list(dir).map_err(RecordError::io("list", dir))?;
    let numbered = names.into_iter().filter_map(|entry| Some((entry.name.parse().ok()?, dir.join(entry.name))));
    Ok(numbered.collect())
}

fn read(
    vfs: &dyn Vfs,
    path: &Path,
    max_frame: u64,
    each: &mut impl FnMut(Vec<u8>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let io = |error| RecordError::io("read", path)(error);
    let file = vfs.open(path, Access::Read).map_err(io)?;
    let (size, mut at) = (file.size().map_err(io)?, 0);
    while at + HEADER_BYTES as u64 <= size {
        let mut header = [0; HEADER_BYTES];
        read_exact_at(&*file, &mut header, at).map_err(io)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let len = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        at += HEADER_BYTES as u64;
        if len == 0 || len > max_frame || at + len > size {
            break;
        }
        let mut frame = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        read_exact_at(&*file, &mut frame, at).map_err(io)?;
        if crc32c::crc32c(&frame) != u32::from_le_bytes([c0, c1, c2, c3]) {
            break;
        }
        each(frame)?;
        at += len;
    }
    Ok(())
}
