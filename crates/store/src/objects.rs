//! Objects by name: by the SHA-256 of their bytes, or by an identifier of their own. Two drivers keep them, behind
//! [`Objects`]: read-only files in a directory, which is here, and an ordinary bucket, [`bucket`].
//!
//! A file appears whole or not at all: it is written under a temporary name, synced, then renamed. Large ones are written
//! as a stream: [`Incoming`]. Read-only files protect from accidents, not from whoever may write to the directory.

pub mod bucket;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

/// What the names of files end with that are not whole yet.
const INCOMING: &str = "incoming";

/// Bytes that are handed to the thread that writes, at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Blocks that are under way.
const BLOCKS: usize = 4;

/// Where objects are kept. All of it waits for a disk or a network.
pub trait Objects: Send + Sync {
    /// Begins an object that will be kept under `name`.
    ///
    /// # Errors
    /// When it cannot be.
    fn begin(&self, name: &str) -> io::Result<Incoming>;

    /// What is kept under `name`, to be read; `None` when there is nothing.
    ///
    /// # Errors
    /// When it cannot be told, or the name is none.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Object>>>;

    /// Removes what is kept under `name`, if there is anything: on return nothing of it is left, in no older version
    /// either, and that is durable.
    ///
    /// # Errors
    /// When something is left, or it cannot be told.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all that is kept, in order.
    ///
    /// # Errors
    /// When they cannot be had.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// An object that is read as a stream, or any part of it.
pub trait Object: Read + Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    /// When it cannot be told.
    fn size(&self) -> io::Result<u64>;

    /// Reads at a place, without moving the stream; 0 at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Object for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, to, offset)
    }
}

impl vault::ReadAt for Box<dyn Object> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(filled as u64))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }
}

/// Objects in a directory.
pub struct Directory(pub PathBuf);

impl Objects for Directory {
    fn begin(&self, name: &str) -> io::Result<Incoming> {
        path(&self.0, name)?;
        Incoming::new(&self.0)
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Object>>> {
        Ok(open(&self.0, name)?.map(|file| Box::new(file) as Box<dyn Object>))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.0, name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        list(&self.0)
    }
}

/// Keeps `bytes` under `name` (32 or 64 hexadecimal digits) in `dir`; does nothing when it is there.
///
/// # Errors
/// When the name is no such thing, or the file system refuses.
pub fn put(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = path(dir, name)?;
    if path.exists() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(parent)?.sync_all()
}

/// The bytes kept under `name`; `None` when there are none.
///
/// # Errors
/// When the name is no such thing, or the file system refuses.
pub fn get(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path(dir, name)?) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The file kept under `name`, to be read as a stream; `None` when there is none.
///
/// # Errors
/// When the name is no such thing, or the file system refuses.
pub fn open(dir: &Path, name: &str) -> io::Result<Option<File>> {
    match File::open(path(dir, name)?) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes the bytes kept under `name`, if there are any; that is durable on return.
///
/// # Errors
/// When the name is no such thing, or the file system refuses.
pub fn remove(dir: &Path, name: &str) -> io::Result<()> {
    let path = path(dir, name)?;
    match fs::remove_file(&path) {
        Ok(()) => File::open(path.parent().unwrap_or(dir))?.sync_all(),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) => Ok(()),
    }
}

/// The names of all that is kept in `dir`, in order.
///
/// # Errors
/// When the file system refuses.
pub fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for below in entries(dir)?.into_iter().filter(|entry| entry.is_dir()) {
        let found = entries(&below)?.into_iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()));
        names.extend(found.filter(|name| is_name(name)));
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes what was being written to `dir` when the process ended.
///
/// # Errors
/// When the file system refuses.
pub fn clear_incoming(dir: &Path) -> io::Result<()> {
    let left = |path: &PathBuf| path.extension().is_some_and(|extension| extension == INCOMING);
    entries(dir)?.iter().filter(|path| left(path)).try_for_each(fs::remove_file)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// An object that is being written, in constant memory; nothing of it can be seen until [`Incoming::keep`]. A thread of
/// its own hashes and writes, so that whoever encrypts does not wait for that.
pub struct Incoming {
    block: Vec<u8>,
    full: Option<SyncSender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<Kept>>>,
}

/// What was written to, and what is known of it.
type Kept = (Box<dyn Sink>, Stored);

/// Where an object comes to lie. What is dropped before it is kept leaves nothing.
trait Sink: Write + Send {
    /// Makes what was written seen under `name`, durably.
    fn keep(&mut self, name: &str) -> io::Result<()>;
}

/// A file with a temporary name.
struct Draft {
    dir: PathBuf,
    path: PathBuf,
    file: File,
}

impl Write for Draft {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.file.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Draft {
    fn keep(&mut self, name: &str) -> io::Result<()> {
        let path = path(&self.dir, name)?;
        self.file.sync_all()?;
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent)?;
        fs::rename(&self.path, &path)?;
        File::open(parent)?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

/// What was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of the bytes as they lie there.
    pub sha256: [u8; 32],
    /// How many they are.
    pub bytes: u64,
}

impl Incoming {
    /// Begins an object in `dir`, which is made when it is missing.
    ///
    /// # Errors
    /// When the file system refuses, or no thread can be had.
    pub fn new(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = dir.join(format!("{name}.{INCOMING}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path)?;
        Self::through(Box::new(Draft { dir: dir.to_owned(), path, file }))
    }

    /// Begins an object that comes to lie in `sink`.
    fn through(mut sink: Box<dyn Sink>) -> io::Result<Self> {
        let (full, to_write) = sync_channel::<Vec<u8>>(BLOCKS);
        let (to_fill, empty) = channel();
        for _ in 0..BLOCKS {
            let _ = to_fill.send(Vec::with_capacity(BLOCK_BYTES));
        }
        let write = move || {
            let (mut hasher, mut bytes) = (Sha256::new(), 0);
            for mut block in to_write {
                sink.write_all(&block)?;
                hasher.update(&block);
                bytes += block.len() as u64;
                block.clear();
                let _ = to_fill.send(block);
            }
            Ok((sink, Stored { sha256: hasher.finalize().into(), bytes }))
        };
        let thread = std::thread::Builder::new().name("object".to_owned()).spawn(write)?;
        let block = Vec::with_capacity(BLOCK_BYTES);
        Ok(Self { block, full: Some(full), empty, thread: Some(thread) })
    }

    /// Ends the object and keeps it under `name`, durably.
    ///
    /// # Errors
    /// When the name is none, or the file system refuses: then nothing is kept.
    pub fn keep(mut self, name: &str) -> io::Result<Stored> {
        self.hand_on()?;
        let (mut sink, stored) = self.join()?;
        sink.keep(name)?;
        Ok(stored)
    }

    /// Gives the block to the thread that writes and takes another.
    fn hand_on(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let next = self.empty.recv();
        let sent = match (&self.full, next) {
            (Some(full), Ok(next)) => full.send(std::mem::replace(&mut self.block, next)).is_ok(),
            _ => false,
        };
        // It ends early only for a reason, which it says when it is waited for.
        if sent { Ok(()) } else { self.join().map(drop).and(Err(io::Error::other("the object was closed too early"))) }
    }

    fn join(&mut self) -> io::Result<Kept> {
        self.full = None;
        let thread = self.thread.take().ok_or_else(|| io::Error::other("the object was closed already"))?;
        thread.join().map_err(|_| io::Error::other("the thread that writes the object failed"))?
    }
}

impl Write for Incoming {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.hand_on()?;
        }
        let taken = from.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&from[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o444).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn is_name(name: &str) -> bool {
    matches!(name.len(), 32 | 64) && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn path(dir: &Path, name: &str) -> io::Result<PathBuf> {
    match is_name(name) {
        true => Ok(dir.join(&name[..2]).join(name)),
        false => {
            let message = format!("`{name}` is neither a SHA-256 nor an identifier in hexadecimal");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_object_when_put_twice_then_it_is_kept_once_and_read_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let name = "a".repeat(64);
        put(dir.path(), &name, b"bytes").expect("kept");
        put(dir.path(), &name, b"bytes").expect("kept already");
        assert_eq!(get(dir.path(), &name).expect("readable"), Some(b"bytes".to_vec()));
        assert_eq!(get(dir.path(), &"b".repeat(64)).expect("readable"), None);
        remove(dir.path(), &name).expect("removed");
        remove(dir.path(), &name).expect("gone already");
        assert_eq!(get(dir.path(), &name).expect("readable"), None);
    }

    #[test]
    fn given_a_name_that_is_a_path_when_used_then_it_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(get(dir.path(), "../../etc/passwd").expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn given_a_stream_when_it_is_kept_then_it_is_whole_read_only_and_its_digest_is_told() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bytes: Vec<u8> = (0..3 * BLOCK_BYTES + 7).map(|at| (at % 251) as u8).collect();
        let mut incoming = Incoming::new(dir.path()).expect("begun");
        bytes.chunks(70_001).for_each(|piece| incoming.write_all(piece).expect("written"));
        assert!(list(dir.path()).expect("listed").is_empty(), "nothing can be seen before");
        let name = "0f".repeat(16);
        let stored = incoming.keep(&name).expect("kept");
        assert_eq!(stored, Stored { sha256: Sha256::digest(&bytes).into(), bytes: bytes.len() as u64 });
        assert_eq!(list(dir.path()).expect("listed"), std::slice::from_ref(&name));
        assert_eq!(get(dir.path(), &name).expect("readable"), Some(bytes));
        let file = open(dir.path(), &name).expect("readable").expect("there");
        assert!(file.metadata().expect("known").permissions().readonly());
    }

    #[test]
    fn given_a_stream_that_ends_early_when_nothing_keeps_it_then_nothing_is_left() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut incoming = Incoming::new(dir.path()).expect("begun");
        incoming.write_all(&[7; 3 * BLOCK_BYTES]).expect("written");
        drop(incoming);
        assert!(entries(dir.path()).expect("listed").is_empty());
        fs::write(dir.path().join("00.incoming"), b"left by a process that was killed").expect("written");
        clear_incoming(dir.path()).expect("cleared");
        assert!(entries(dir.path()).expect("listed").is_empty());
    }
}
