//! The Merkle log: entries in one order, durable when acknowledged, and provable to anybody who has a checkpoint.
//!
//! Life of an entry: the caller's thread hashes it; the `writer` puts it with others into one batch of the write-ahead
//! log and syncs once; it joins the tree in memory (`tree`) and its caller is answered; a thread writes full tiles and
//! bundles in the C2SP tlog-tiles layout (`flush`, `files`); another signs the tree (`publish`). The write-ahead log is
//! the truth, the tiles are a projection of it that can be written again, and `open` compares the two with everything
//! that was ever signed.
//!
//! ```text
//! checkpoint             signed by the log (C2SP tlog-checkpoint), replaced atomically
//! checkpoint.witnessed   the last one that met the witness policy
//! tile/<L>/<N>           full hash tiles only, read-only; tile/entries/<N> full entry bundles only
//! .state/LOCK            one process at a time      .state/wal/    the write-ahead log
//! .state/signer          the last checkpoint signed, durable before it is published
//! .state/other-history   only while the log is stopped, because a witness remembers another history (`halt`)
//! ```
//!
//! Elsewhere, if wanted, `memory` keeps the newest checkpoint: a whole older copy of the directory is known by it.

mod error;
pub(crate) mod files;
mod flush;
pub(crate) mod halt;
mod memory;
pub(crate) mod open;
mod publish;
pub(crate) mod tree;
mod writer;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use merkle::tree::leaf_hash;
use merkle::{AddCheckpoint, Hash, HashReader, NoteSignature, Policy, SignerKey, TilePath, TlogProof};
use sha2::{Digest, Sha256};

use crate::commit::{Committer, FatalHandler, Limits, Rejected, abort_process};
use crate::vfs::{LockGuard, Vfs};
use crate::wal::{FRAME_OVERHEAD_BYTES, Torn, Wal, WalOptions};
pub use error::{AppendError, LogError};
use files::Files;
use flush::Flush;
use halt::Halt;
pub use halt::OtherHistory;
use memory::Memory;
use open::{
    CHECKPOINT, HALT, LOCK, PRIVATE_DIR, Rebuild, SIGNER, WAL_DIR, WITNESSED, check_not_rolled_back, read_signed,
};
use publish::{Publisher, Stop};
use tree::Tree;
use writer::{Append, Writer};

/// Longest entry in bytes. C2SP tlog-tiles allows 65,535; the rest is left for what may be added to an entry later.
pub const MAX_ENTRY_BYTES: usize = 60_000;

/// How a log is kept.
#[derive(Clone)]
pub struct LogOptions {
    /// The log's directory.
    pub dir: PathBuf,
    /// Signs checkpoints; its name is the log's origin.
    pub signer: SignerKey,
    /// The write-ahead log.
    pub wal: WalOptions,
    /// How appends are grouped.
    pub limits: Limits,
    /// File outside `dir` that remembers the newest checkpoint; none when nothing is to be remembered.
    pub memory: Option<PathBuf>,
    /// Open the log although `memory` tells of another history, so that somebody can give that up.
    pub accept_rollback: bool,
    /// Open the log although it is stopped, so that whoever told of another history can be asked again.
    pub asks: bool,
    /// What to do when the state of the disk is unknown. Only tests do anything but abort.
    pub on_fatal: FatalHandler,
}

impl LogOptions {
    /// The usual options for a log in `dir` signed by `signer`.
    pub fn new(dir: impl Into<PathBuf>, signer: SignerKey) -> Self {
        let wal = WalOptions::new(log_id(signer.verifier_key().name()));
        let (limits, on_fatal) = (Limits::default(), abort_process());
        Self { dir: dir.into(), signer, wal, limits, memory: None, accept_rollback: false, asks: false, on_fatal }
    }
}

/// The id of a log in its write-ahead log: the first 16 bytes of the SHA-256 of its origin.
pub fn log_id(origin: &str) -> [u8; 16] {
    let hash: Hash = Sha256::digest(origin.as_bytes()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Entries in the log.
    pub size: u64,
    /// How many of them were read from bundles; the others from the write-ahead log.
    pub from_bundles: u64,
    /// The last write, never acknowledged, if it was incomplete and had to be cut off.
    pub torn: Option<Torn>,
}

/// An open log. Dropping it writes what waits and ends its threads.
pub struct Log {
    // Dropped in this order: the writer first, the lock on the directory last.
    committer: Option<Committer<Append>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
    max_append_bytes: usize,
    _lock: Box<dyn LockGuard>,
}

struct Shared {
    tree: Tree,
    halt: Halt,
    publisher: Publisher,
    flush: Flush,
    flushing: Mutex<()>,
    stop: Stop,
}

impl Log {
    /// Opens or creates a log, calling `on_entry` with every entry in order.
    ///
    /// # Errors
    /// `Locked` when another process has it; `RolledBack` when entries that were signed for are missing or different;
    /// `OtherHistory` when it is stopped; `Corrupt` or `Wal` when a file is damaged.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        mut options: LogOptions,
        on_entry: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(Arc<Log>, Recovery), LogError> {
        let dir = options.dir.clone();
        let lock = take_lock(&*vfs, &dir)?;
        let tree = Tree::new(Files::new(Arc::clone(&vfs), &dir));
        let mut rebuild = Rebuild::new(&tree, on_entry);
        let replay: crate::wal::Replay<'_> = &mut |batch| Ok(rebuild.batch(batch)?);
        let opened = Wal::open(Arc::clone(&vfs), &dir.join(WAL_DIR), options.wal.clone(), replay);
        let (wal, recovered) = opened.map_err(open::unwrap_replay)?;
        let (batches, from_bundles) = (rebuild.batches, rebuild.from_bundles);

        let read = |name: &str| read_signed(&*vfs, &dir.join(name));
        let (signed, published, witnessed) = (read(SIGNER)?, read(CHECKPOINT)?, read(WITNESSED)?);
        for signed in [&signed, &published, &witnessed].into_iter().flatten() {
            check_not_rolled_back(&tree, signed)?;
        }
        let memory = options.memory.map(|path| Memory::read(&*vfs, path, options.signer.verifier_key()));
        let memory = memory.map(|memory| check_memory(&tree, memory, options.accept_rollback)).transpose()?;
        let halt = Halt::read(&*vfs, dir.join(HALT))?;
        if !options.asks {
            halt.check()?;
        }
        let recovery = Recovery { size: tree.size(), from_bundles, torn: recovered.torn };

        let publisher = Publisher::new(options.signer, signed, published, witnessed, memory);
        let flush = Flush::new(from_bundles);
        let (flushing, stop) = (Mutex::new(()), Stop::default());
        let shared = Arc::new(Shared { tree, halt, publisher, flush, flushing, stop });
        let max_append_bytes = wal.max_frames_bytes();
        options.limits.batch_bytes = options.limits.batch_bytes.min(max_append_bytes);
        let writer = Writer { shared: Arc::clone(&shared), wal, batches };
        let thread = |name| move |source| LogError::Thread { name, source };
        let committer = Committer::spawn("ledger-writer", writer, options.limits, Arc::clone(&options.on_fatal))
            .map_err(thread("ledger-writer"))?;
        let flusher = flush::spawn(Arc::clone(&shared), options.on_fatal).map_err(thread("ledger-flush"))?;
        let threads = Mutex::new(vec![flusher]);
        Ok((Arc::new(Log { committer: Some(committer), threads, shared, max_append_bytes, _lock: lock }), recovery))
    }

    /// Appends entries as one unit, in the order of calls. `on_durable` is called exactly once with the sequence number
    /// of the first, by the writer thread once all of them are durable and readable, or at once if they are refused;
    /// it must be quick. It is never called when the process is about to abort because a sync failed.
    pub fn append(&self, entries: Vec<Vec<u8>>, on_durable: impl FnOnce(Result<u64, AppendError>) + Send + 'static) {
        if let Err(stopped) = self.shared.halt.check() {
            return on_durable(Err(AppendError::OtherHistory(stopped.to_string())));
        }
        if let Some(long) = entries.iter().find(|entry| entry.len() > MAX_ENTRY_BYTES) {
            return on_durable(Err(AppendError::EntryTooLong { bytes: long.len(), max: MAX_ENTRY_BYTES }));
        }
        let bytes: usize = entries.iter().map(|entry| entry.len() + FRAME_OVERHEAD_BYTES).sum();
        let max = self.max_append_bytes;
        if bytes > max {
            return on_durable(Err(AppendError::TooLarge { bytes, max }));
        }
        let leaves = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let append = Append { entries, leaves, on_durable: Box::new(on_durable) };
        let Some(committer) = &self.committer else { return (append.on_durable)(Err(AppendError::Closed)) };
        match committer.try_submit(append, bytes) {
            Ok(()) => {}
            Err(Rejected::Busy(append)) => (append.on_durable)(Err(AppendError::Busy)),
            Err(Rejected::Closed(append)) => (append.on_durable)(Err(AppendError::Closed)),
        }
    }

    /// Appends entries and waits until they are durable. Not from async code.
    ///
    /// # Errors
    /// As `append` answers; `Closed` also when the writer ended without an answer.
    pub fn append_and_wait(&self, entries: Vec<Vec<u8>>) -> Result<u64, AppendError> {
        let (answer, answered) = mpsc::sync_channel(1);
        // The receiver lives until the answer is there.
        self.append(entries, move |result| drop(answer.send(result)));
        answered.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// How many entries are durable.
    pub fn size(&self) -> u64 {
        self.shared.tree.size()
    }

    /// The log's name, the first line of its checkpoints.
    pub fn origin(&self) -> &str {
        self.shared.publisher.key().verifier_key().name()
    }

    /// One entry, byte for byte as it was appended.
    pub fn entry(&self, seq: u64) -> Result<Vec<u8>, LogError> {
        let beyond = || LogError::BeyondEnd { asked: seq, size: self.size() };
        let mut found = None;
        let end = seq.checked_add(1).ok_or_else(beyond)?;
        self.for_each_entry(seq..end, &mut |_, entry| found = Some(entry.to_vec()))?;
        found.ok_or_else(beyond)
    }

    /// The entries of a range. The caller bounds it: all are in memory at once.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LogError> {
        let mut entries = Vec::new();
        self.for_each_entry(range, &mut |_, entry| entries.push(entry.to_vec()))?;
        Ok(entries)
    }

    /// Calls `each` with the entries of a range in order, one bundle in memory at a time.
    pub fn for_each_entry(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), LogError> {
        self.shared.tree.for_each(range, each)
    }

    /// The leaf hash of an entry (RFC 6962 section 2.1).
    pub fn leaf_hash(&self, seq: u64) -> Result<Hash, LogError> {
        self.shared.tree.check_within(seq.saturating_add(1))?;
        self.shared.tree.read(0, seq)
    }

    /// The root of the tree of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        self.shared.tree.root_at(size)
    }

    /// The proof that entry `index` is in the tree of the first `size` entries (RFC 6962 section 2.1.1).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.shared.tree.inclusion_proof(index, size)
    }

    /// The proof that the tree of `new` entries extends the one of `old` (RFC 6962 section 2.1.2).
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        self.shared.tree.consistency_proof(old, new)
    }

    /// A proof of one entry that needs nothing else (C2SP tlog-proof), against the witnessed checkpoint if that covers
    /// the entry, otherwise the published one.
    pub fn tlog_proof(&self, seq: u64) -> Result<TlogProof, LogError> {
        let publisher = &self.shared.publisher;
        let mut candidates = [publisher.witnessed(), publisher.published()].into_iter().flatten();
        let covering = candidates.find(|signed| seq < signed.checkpoint.size);
        let covering = covering.ok_or(LogError::NotPublished { seq })?;
        let hashes = self.inclusion_proof(seq, covering.checkpoint.size)?;
        Ok(TlogProof { extra: None, index: seq, hashes, checkpoint: covering.note.to_string() })
    }

    /// A tile or bundle as C2SP tlog-tiles serves it; `None` when the log is not that long. Partial ones are made on
    /// request.
    pub fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, LogError> {
        self.shared.tree.tile(path)
    }

    /// Signs the tree as it is now and replaces the public checkpoint; returns the note. When nothing was appended
    /// since, it is the same note again.
    ///
    /// # Errors
    /// `RolledBack` when the tree does not extend what was signed last; `OtherHistory` when the log is stopped; `Io`.
    pub fn publish(&self) -> Result<String, LogError> {
        self.shared.halt.check()?;
        self.shared.publisher.publish(&self.shared.tree)
    }

    /// Stops the log, because somebody remembers another history of it: from now on nothing is appended or signed, here
    /// and by whoever opens it later.
    ///
    /// # Errors
    /// `Io` when that could not be kept; here it is stopped all the same.
    pub fn halt(&self, told: OtherHistory) -> Result<(), LogError> {
        self.shared.halt.set(&*self.shared.tree.files.vfs, told)
    }

    /// Who remembers another history of this log, so that it is stopped: the first that told so.
    pub fn halted(&self) -> Option<OtherHistory> {
        self.shared.halt.first()
    }

    /// All that told of another history of this log.
    pub fn other_histories(&self) -> Vec<OtherHistory> {
        self.shared.halt.told()
    }

    /// Lets a stopped log go on in this process, once whoever told of another history has been asked again, or does not count
    /// any more. Those that open it later are still stopped, until that is on record and [`Self::forget_stop`] is called.
    pub fn go_on(&self) {
        self.shared.halt.lift();
    }

    /// Lets those that open the log later go on, too.
    ///
    /// # Errors
    /// `Io`; then they are stopped as before.
    pub fn forget_stop(&self) -> Result<(), LogError> {
        self.shared.halt.forget(&*self.shared.tree.files.vfs)
    }

    /// Publishes at every interval in which the log grew, until the log is dropped.
    pub fn start_publisher(&self, interval: Duration) -> Result<(), LogError> {
        let name = "ledger-publish";
        let thread = publish::spawn(Arc::clone(&self.shared), interval);
        let thread = thread.map_err(|source| LogError::Thread { name, source })?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// The checkpoint of a history that is remembered and that this log does not extend. Only a log that was opened to
    /// accept that can have one.
    pub fn other_history(&self) -> Option<String> {
        self.shared.publisher.other_history().map(|signed| signed.note.to_string())
    }

    /// Gives [`Self::other_history`] up: from the next checkpoint on, this log is what is remembered.
    pub fn give_up_other_history(&self) {
        self.shared.publisher.give_up_other_history();
    }

    /// The checkpoint published last.
    pub fn latest_checkpoint(&self) -> Option<String> {
        self.shared.publisher.published().map(|signed| signed.note.to_string())
    }

    /// The last checkpoint that met the witness policy, with its cosignatures.
    pub fn witnessed_checkpoint(&self) -> Option<String> {
        self.shared.publisher.witnessed().map(|signed| signed.note.to_string())
    }

    /// What to ask a witness that has cosigned `old` entries so far (C2SP tlog-witness); it says its size when it
    /// refuses.
    ///
    /// # Errors
    /// `BeyondEnd` when the witness knows more than is published here: the log was rolled back, or another one signs
    /// with its key.
    pub fn witness_request(&self, old: u64) -> Result<AddCheckpoint, LogError> {
        let published = self.shared.publisher.published().ok_or(LogError::NotPublished { seq: 0 })?;
        let size = published.checkpoint.size;
        if old > size {
            return Err(LogError::BeyondEnd { asked: old, size });
        }
        let proof = self.consistency_proof(old, size)?;
        Ok(AddCheckpoint { old, proof, checkpoint: published.note.to_string() })
    }

    /// Adds what witnesses answered for a checkpoint of this log to what they answered before; once the policy is met
    /// the result becomes `checkpoint.witnessed`. Returns whether it is met.
    ///
    /// # Errors
    /// `Checkpoint` when it is not of this log, `Cosignature` when a line is not by a witness of the policy.
    pub fn add_cosignatures(
        &self,
        checkpoint: &str,
        lines: &[NoteSignature],
        policy: &Policy,
    ) -> Result<bool, LogError> {
        self.shared.publisher.add_cosignatures(&self.shared.tree, checkpoint, lines, policy)
    }

    /// Signs a statement about something outside the tree, such as a file that is handed out; returns the note.
    ///
    /// # Errors
    /// `Note` when a member could not be in a note; `OtherHistory` when the log is stopped.
    pub fn state(&self, kind: &str, members: &[(&str, String)]) -> Result<String, LogError> {
        self.shared.halt.check()?;
        self.shared.publisher.state(kind, members)
    }

    /// Writes the full tiles and bundles that still wait in memory. They are durable already; this is for whoever wants
    /// to read the directory now.
    pub fn flush(&self) -> Result<(), LogError> {
        flush::flush_all(&self.shared)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.committer = None;
        self.shared.stop.stop();
        self.shared.flush.stop();
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// The tree must contain what is remembered, unless somebody is about to accept that it does not.
fn check_memory(tree: &Tree, mut memory: Memory, accept: bool) -> Result<Memory, LogError> {
    match memory.held().map(|held| check_not_rolled_back(tree, held)) {
        Some(Err(LogError::RolledBack { .. })) if accept => memory.keep(),
        Some(checked) => checked?,
        None => {}
    }
    Ok(memory)
}

fn take_lock(vfs: &dyn Vfs, dir: &Path) -> Result<Box<dyn LockGuard>, LogError> {
    let private = dir.join(PRIVATE_DIR);
    vfs.create_dir_all(&private).map_err(|source| LogError::io("create", &private, source))?;
    let path = dir.join(LOCK);
    vfs.lock(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => LogError::Locked { path },
        _ => LogError::io("lock", &path, source),
    })
}

#[cfg(test)]
pub(crate) mod tests;
