//! Writing full tiles and bundles in the background. They are a projection of the write-ahead log: a failure here loses
//! nothing, it only keeps entries in memory and segments on disk until it can be done.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use merkle::{TILE_WIDTH, TileKind, TilePath};

use super::Shared;
use super::error::{AppendError, LogError};
use super::tree::{Tree, full};
use super::writer::with_causes;
use crate::commit::{Fatal, FatalHandler};

/// Full bundles that are worth a pass of their own: below, one pass each `IDLE` is enough.
const WORTHWHILE: u64 = 16;
/// Most bundles in one pass, so that memory is let go of early.
const MOST: u64 = 64;
const IDLE: Duration = Duration::from_millis(500);
/// Bytes of entries in memory at which appends wait for this thread.
const MAX_WAITING_BYTES: usize = 128 << 20;

/// What the writer and this thread tell each other.
#[derive(Default)]
pub(super) struct Flush {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    /// Entries below this are in durable bundles. A multiple of 256.
    integrated: AtomicU64,
}

#[derive(Default)]
struct State {
    stop: bool,
    due: bool,
    disk_full: bool,
}

impl Flush {
    pub(super) fn new(integrated: u64) -> Self {
        Self { integrated: AtomicU64::new(integrated), ..Self::default() }
    }

    pub(super) fn integrated(&self) -> u64 {
        self.integrated.load(Ordering::Acquire)
    }

    /// Wakes the thread when there is enough to do.
    pub(super) fn notify(&self, tree: &Tree) {
        let waiting = tree.tail().waiting_bundles();
        if waiting.end - waiting.start >= WORTHWHILE {
            self.lock().due = true;
            self.work.notify_one();
        }
    }

    /// Holds the writer back while too much waits in memory; refuses when the disk is full.
    pub(super) fn wait_for_room(&self, tree: &Tree) -> Result<(), AppendError> {
        let mut state = self.lock();
        while tree.tail().entry_bytes() > MAX_WAITING_BYTES {
            if state.disk_full {
                return Err(AppendError::Full);
            }
            state.due = true;
            self.work.notify_one();
            state = self.done.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.work.notify_all();
    }

    /// Waits until there is something to do; false at the end.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        if !state.due && !state.stop {
            state = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.due = false;
        !state.stop
    }

    fn finished(&self, result: &Result<(), LogError>) {
        self.lock().disk_full = result.as_ref().is_err_and(LogError::is_disk_full);
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread.
pub(super) fn spawn(shared: Arc<Shared>, on_fatal: FatalHandler) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ledger-flush".into()).spawn(move || {
        while shared.flush.wait() {
            let result = flush_all(&shared);
            shared.flush.finished(&result);
            match &result {
                Ok(()) => {}
                Err(error @ LogError::Corrupt { .. }) => return on_fatal(&Fatal(with_causes(error))),
                Err(error) => tracing::warn!(error = %with_causes(error), "could not write tiles; will try again"),
            }
        }
    })
}

/// Writes every full bundle and tile that waits.
pub(super) fn flush_all(shared: &Shared) -> Result<(), LogError> {
    let _one_at_a_time = shared.flushing.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = &shared.tree;
    loop {
        let waiting = tree.tail().waiting_bundles();
        let end = waiting.end.min(waiting.start + MOST);
        if waiting.start >= end {
            return Ok(());
        }
        let mut group = tree.tail().waiting_tiles(end * TILE_WIDTH);
        for index in waiting.start..end {
            let path = full(TileKind::Entries, index);
            // One lock for each: the writer waits for a copy of 256 entries at most.
            let Some(bundle) = tree.tile(&path)? else { break };
            group.push((path, bundle.into()));
        }
        // Lowest level and number first: after a crash what is there is what was written first.
        group.sort_by_key(|(path, _)| order(path));
        tree.files.write(&group)?;
        tree.tail_mut().forget(end * TILE_WIDTH);
        shared.flush.integrated.store(end * TILE_WIDTH, Ordering::Release);
    }
}

fn order(path: &TilePath) -> (u8, u64) {
    match path.kind {
        TileKind::Entries => (0, path.index),
        TileKind::Hashes { level } => (level + 1, path.index),
    }
}
