//! The file system as the ledger needs it: a dozen operations, so that one test disk can fail at each of them.
//!
//! `RealVfs` is the operating system; `sim::SimDisk` is a disk in memory that loses, tears and refuses.
//! Names follow POSIX: bytes written are durable only after `VfsFile::sync_data`, and a created, renamed or removed
//! name is durable only after `Vfs::sync_dir` on its directory. All paths are used as given.

mod real;
pub mod sim;

use std::io;
use std::path::{Path, PathBuf};

pub use real::RealVfs;

/// How many zero bytes `Vfs::preallocate` writes at a time. Whoever syncs another file waits for no more than these.
const ZERO_CHUNK: usize = 256 << 10;

/// An open file. Writes go to absolute offsets; there is no cursor to share.
pub trait VfsFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; returns how many were there (0 at the end of the file).
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`, growing the file if needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes all earlier writes to this file durable. An error is final: what was written since the last success may
    /// be lost even if a later call succeeds.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// What an open file may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without its directory.
    pub name: String,
    /// Whether it is itself a directory.
    pub is_dir: bool,
}

/// Holds an exclusive lock until dropped.
pub trait LockGuard: Send + Sync {}

/// A file system.
pub trait Vfs: Send + Sync + 'static {
    /// Creates `path` empty, or empties it, and opens it for writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn VfsFile>>;
    /// Creates `path` with `len` zero bytes, written and synced, so that later writes inside it change no metadata
    /// and cannot run out of space. `between` is called again and again, when what was written so far is synced: a
    /// caller that is in no hurry can leave the disk to others for a while. On error nothing is left behind.
    fn preallocate(&self, path: &Path, len: u64, between: &dyn Fn()) -> io::Result<Box<dyn VfsFile>>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Marks a file as never to be written again (mode 0444).
    fn set_read_only(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its parents; each new name is made durable.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Whether `path` exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Takes an exclusive lock on the file `path`, creating it; `ErrorKind::WouldBlock` when another holder lives.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;
}

/// Writes zeros over `[from, to)`.
pub fn zero_fill(file: &dyn VfsFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0_u8; ZERO_CHUNK.min(usize::try_from(to.saturating_sub(from)).unwrap_or(ZERO_CHUNK))];
    let mut at = from;
    while at < to {
        let len = zeros.len().min(usize::try_from(to - at).unwrap_or(zeros.len()));
        file.write_at(&zeros[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// Fills `buf` from `offset`; `ErrorKind::UnexpectedEof` when the file is shorter.
pub fn read_exact_at(file: &dyn VfsFile, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.read_at(buf, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

/// The whole content of a file, or `None` when there is no such file. Refuses more than `max` bytes.
pub fn read_file(vfs: &dyn Vfs, path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match vfs.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size()?;
    if size > max {
        let what = format!("`{}` has {size} bytes, more than the {max} it can have", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut bytes = vec![0_u8; usize::try_from(size).map_err(io::Error::other)?];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Replaces `path` so that a crash at any instant leaves the old content or the new, and the new after return.
pub fn write_atomic(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let file = vfs.create(&temporary)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    drop(file);
    vfs.rename(&temporary, path)?;
    vfs.sync_dir(parent(path))
}

/// The name under which `path` is written before it is renamed into place.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The directory of `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
