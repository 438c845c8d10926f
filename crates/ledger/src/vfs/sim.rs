//! A disk in memory that keeps no promise it did not make, for the tests of this crate and of those above it.
//!
//! It remembers, for each file and each directory, what has been synced and what has not. `crash` builds the disk that
//! the next process would find: each un-synced 512-byte sector is kept or lost by the toss of a seeded coin, and of the
//! un-synced names in a directory some first part survives. Operations can be made to fail: the n-th changing
//! operation (with or without having taken effect), one sync, or any growth beyond a capacity.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Entry, LockGuard, Vfs, VfsFile, parent, zero_fill};

/// Bytes that a disk writes or loses as one.
const SECTOR: usize = 512;

/// When the simulated machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The number of the changing operation (write, sync, rename, ...; from 0) at which it stops.
    pub operation: u64,
    /// Whether that operation took effect although the caller never saw it succeed.
    pub landed: bool,
}

/// A simulated disk. Clones share the disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Un-synced changes of names, oldest first.
    pending_names: Vec<NameChange>,
    directories: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    next_inode: u64,
    operations: u64,
    crash_at: Option<CrashPoint>,
    down: bool,
    fail_next_sync: bool,
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Un-synced writes, oldest first.
    pending: Vec<(u64, Vec<u8>)>,
}

struct NameChange {
    dir: PathBuf,
    removed: Option<PathBuf>,
    added: Option<(PathBuf, u64)>,
}

/// What the fault plan says about one changing operation.
enum Fate {
    Proceed,
    /// The machine stops; the operation may still take effect.
    Stop {
        landed: bool,
    },
}

impl SimDisk {
    /// An empty, faultless disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the machine at a changing operation counted from the disk's creation or last crash: that operation and
    /// all later ones fail.
    pub fn crash_at(&self, point: CrashPoint) {
        self.lock_state().crash_at = Some(point);
    }

    /// How many changing operations there were since creation or the last crash.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// Whether a planned crash has happened.
    pub fn is_down(&self) -> bool {
        self.lock_state().down
    }

    /// Makes the next `sync_data` fail. As on Linux the un-synced bytes are then no longer written back: a second sync
    /// succeeds without making them durable.
    pub fn fail_next_sync(&self) {
        self.lock_state().fail_next_sync = true;
    }

    /// Limits the sum of all file sizes, in bytes; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity = bytes;
    }

    /// The sum of all file sizes, in bytes.
    pub fn used(&self) -> u64 {
        self.lock_state().used()
    }

    /// The disk as the next boot finds it. The same seed gives the same losses. `self` is left as it was, so that
    /// several outcomes of one crash can be looked at.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let state = self.lock_state();
        let mut coin = Coin(seed ^ 0x9e37_79b9_7f4a_7c15);
        let mut names = state.durable_names.clone();
        let mut stopped = BTreeSet::new();
        for change in &state.pending_names {
            // Within one directory a journal keeps the order: once a change is lost, so are the later ones.
            if stopped.contains(&change.dir) || !coin.toss() {
                stopped.insert(change.dir.clone());
                continue;
            }
            change.apply(&mut names);
        }
        let mut next =
            State { directories: state.directories.clone(), next_inode: state.next_inode, ..State::default() };
        next.capacity = state.capacity;
        for inode in names.values() {
            let survived = state.files.get(inode).map(|file| file.after_crash(&mut coin)).unwrap_or_default();
            next.files.insert(*inode, Inode { content: survived.clone(), durable: survived, pending: Vec::new() });
        }
        next.names.clone_from(&names);
        next.durable_names = names;
        SimDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// A disk with the same content, all of it durable: a backup taken now.
    pub fn snapshot(&self) -> SimDisk {
        let state = self.lock_state();
        let files = state.files.iter().map(|(inode, file)| {
            (*inode, Inode { content: file.content.clone(), durable: file.content.clone(), pending: Vec::new() })
        });
        let next = State {
            files: files.collect(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            directories: state.directories.clone(),
            next_inode: state.next_inode,
            ..State::default()
        };
        SimDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// All file names, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock_state().names.keys().cloned().collect()
    }

    /// Flips the bits of `mask` in one byte, durably: bit rot.
    pub fn corrupt(&self, path: &Path, offset: u64, mask: u8) {
        let mut state = self.lock_state();
        let inode = *state.names.get(path).expect("the test names a file that exists");
        let file = state.files.get_mut(&inode).expect("a name has its file");
        let at = usize::try_from(offset).expect("a simulated file fits in memory");
        file.content[at] ^= mask;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= mask;
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one changing operation under the fault plan.
    fn change<T>(&self, operation: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock_state();
        match state.next_fate() {
            Fate::Proceed => operation(&mut state),
            Fate::Stop { landed } => {
                if landed {
                    // Its result is lost with the machine.
                    let _ = operation(&mut state);
                }
                Err(down())
            }
        }
    }

    fn file(&self, inode: u64) -> Box<dyn VfsFile> {
        Box::new(SimFile { disk: self.clone(), inode })
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.files.get(inode)).map(|file| file.content.len() as u64).sum()
    }

    fn next_fate(&mut self) -> Fate {
        if self.down {
            return Fate::Stop { landed: false };
        }
        let number = self.operations;
        self.operations += 1;
        match self.crash_at {
            Some(point) if point.operation == number => {
                self.down = true;
                Fate::Stop { landed: point.landed }
            }
            _ => Fate::Proceed,
        }
    }

    fn rename_now(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let old = self.files.get(&inode).map_or(0, |file| file.content.len() as u64);
        if let Some(capacity) = self.capacity
            && end > old
            && self.used() + (end - old) > capacity
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.files.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        overlay(&mut file.content, bytes, offset);
        file.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self, inode: u64) -> io::Result<()> {
        let failing = std::mem::take(&mut self.fail_next_sync);
        let file = self.files.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        let pending = std::mem::take(&mut file.pending);
        if failing {
            return Err(io::Error::other("simulated failure of fdatasync"));
        }
        for (offset, bytes) in pending {
            overlay(&mut file.durable, &bytes, offset);
        }
        Ok(())
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, inode)) = &self.added {
            names.insert(path.clone(), *inode);
        }
    }
}

impl Inode {
    /// The synced bytes, and of each later write those sectors that happened to reach the disk.
    fn after_crash(&self, coin: &mut Coin) -> Vec<u8> {
        let mut survived = self.durable.clone();
        for (offset, bytes) in &self.pending {
            // One write in four each: nothing reached the disk, everything did; otherwise sector by sector.
            let (none, all) = (coin.one_in_four(), coin.one_in_four());
            let mut at = 0;
            while at < bytes.len() {
                let in_sector = usize::try_from((offset + at as u64) % SECTOR as u64).expect("below 512");
                let end = bytes.len().min(at + SECTOR - in_sector);
                if !none && (all || coin.toss()) {
                    overlay(&mut survived, &bytes[at..end], offset + at as u64);
                }
                at = end;
            }
        }
        survived
    }
}

/// Writes `bytes` into `content` at `offset`; a gap reads as zeros.
fn overlay(content: &mut Vec<u8>, bytes: &[u8], offset: u64) {
    let start = usize::try_from(offset).expect("a simulated file fits in memory");
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

fn down() -> io::Error {
    io::Error::other("simulated machine is down")
}

/// A small repeatable source of coin tosses (xorshift64*).
struct Coin(u64);

impl Coin {
    fn next(&mut self) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn toss(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn one_in_four(&mut self) -> bool {
        self.next() & 3 == 0
    }
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.lock_state();
        if state.down {
            return Err(down());
        }
        let file = state.files.get(&self.inode).ok_or(io::ErrorKind::NotFound)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.content.len());
        let len = buf.len().min(file.content.len() - start);
        buf[..len].copy_from_slice(&file.content[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.change(|state| state.write(self.inode, bytes, offset))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change(|state| state.sync(self.inode))
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.lock_state();
        Ok(state.files.get(&self.inode).map_or(0, |file| file.content.len() as u64))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock_state().locks.remove(&self.path);
    }
}

impl Vfs for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let inode = self.change(|state| {
            if !state.directories.contains(parent(path)) {
                return Err(io::ErrorKind::NotFound.into());
            }
            // A new inode even for an old name: what the old one held may come back after a crash.
            let inode = state.next_inode;
            state.next_inode += 1;
            state.files.insert(inode, Inode::default());
            let added = Some((path.to_owned(), inode));
            state.rename_now(NameChange { dir: parent(path).to_owned(), removed: None, added });
            Ok(inode)
        })?;
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Box<dyn VfsFile>> {
        let inode = self.lock_state().find(path)?;
        Ok(self.file(inode))
    }

    fn preallocate(&self, path: &Path, len: u64, _: &dyn Fn()) -> io::Result<Box<dyn VfsFile>> {
        let file = self.create(path)?;
        match zero_fill(&*file, 0, len).and_then(|()| file.sync_data()) {
            Ok(()) => Ok(file),
            Err(error) => {
                // As on the real disk; when the machine is down this fails too, and that is the test.
                let _ = self.remove(path);
                Err(error)
            }
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            let inode = state.find(from)?;
            let (removed, added) = (Some(from.to_owned()), Some((to.to_owned(), inode)));
            state.rename_now(NameChange { dir: parent(to).to_owned(), removed, added });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.find(path)?;
            let removed = Some(path.to_owned());
            state.rename_now(NameChange { dir: parent(path).to_owned(), removed, added: None });
            Ok(())
        })
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.lock_state().find(path).map(|_| ())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.directories.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state| {
            let pending = std::mem::take(&mut state.pending_names);
            let (now, later) = pending.into_iter().partition(|change| change.dir == dir);
            state.pending_names = later;
            let now: Vec<NameChange> = now;
            now.iter().for_each(|change| change.apply(&mut state.durable_names));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.lock_state();
        if !state.directories.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let of = |path: &PathBuf, is_dir| {
            let name = path.strip_prefix(dir).ok()?.to_str()?;
            (!name.is_empty() && !name.contains('/')).then(|| Entry { name: name.to_owned(), is_dir })
        };
        let files = state.names.keys().filter_map(|path| of(path, false));
        let dirs = state.directories.iter().filter_map(|path| of(path, true));
        let mut entries: Vec<Entry> = files.chain(dirs).collect();
        entries.sort();
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.lock_state();
        Ok(state.names.contains_key(path) || state.directories.contains(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        if !self.lock_state().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }
}
