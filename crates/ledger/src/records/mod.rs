//! Records: the node's log of a kind of them, and the segments they are sealed into. Inferences and accesses have a log
//! each, so that neither waits for the other.
//!
//! The life of a record. `begin` puts the beginning of a call on record before anybody is called; `append` puts the
//! record into the write-ahead log and returns when it is durable, with its leaf. A segment of records is closed when it
//! is large or old, `seal` writes it as two Parquet files (cores and payloads), and the caller records its Merkle root
//! in the ledger. Only after `confirm_sealed` is the room in the write-ahead log given back.
//!
//! What a crash means: an acknowledged record is found again, in the segment it was acknowledged in; a call that began
//! and has no record gets one with the status `interrupted`; a seal is repeated and gives the same root. An incarnation
//! is the time between two starts of a node: its records are numbered from 0, without gaps.

mod begins;
mod compact;
mod delta;
mod dispose;
mod error;
mod frame;
mod recover;
mod replay;
mod reply;
mod seal;
pub mod segment;
mod state;
mod types;
mod writer;

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use domain::Record as RecordKind;
use domain::serving::{InferenceCore, SegmentProgress, SegmentSealed};
use sha2::{Digest, Sha256};

use begins::Begins;
pub use compact::{Compaction, PayloadFile};
pub use error::RecordError;
use frame::Building;
use recover::Recovery;
use reply::Answer;
use seal::{Sealer, Tables};
use state::{Segment, State, lock};
pub use types::{Payload, Receipt, RecordOptions, RecordStats, Recovered, Resume, Roll};
use writer::{Item, Record, Write, Writer};

pub use crate::commit::Hand;
use crate::commit::{Committer, Limits, Rejected};
use crate::vfs::{LockGuard, Vfs};
use crate::wal::{Batch, Wal, WalOptions};

/// Bytes of the beginnings of calls that are over, after which they are dropped before the next seal would do it.
const MAX_SPENT: u64 = 64 << 20;

/// A node's log of records of one kind. Opened by one process at a time.
pub struct RecordLog<R = InferenceCore> {
    _kind: PhantomData<fn() -> R>,
    options: RecordOptions,
    sealer: Sealer<R>,
    state: Arc<Mutex<State>>,
    begins: Arc<Begins>,
    /// The tables while they are known to be as remembered; held during a seal.
    sealing: Mutex<Option<Tables>>,
    // Dropped in this order: the writer ends before the directory is let go.
    committer: Committer<Item>,
    _lock: Box<dyn LockGuard>,
}

impl<R: RecordKind> RecordLog<R> {
    /// Opens or creates the log. Calls that never ended get a durable record with the status `interrupted`, ended at
    /// `now_us`. What was found is sealed with [`Self::seal`] before [`Self::start_incarnation`].
    ///
    /// # Errors
    /// [`RecordError::Locked`], [`RecordError::BadNode`], [`RecordError::Full`] when there is no room for the records of
    /// interrupted calls, [`RecordError::Inconsistent`] when disk and ledger do not fit, or what else failed.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        options: RecordOptions,
        resume: Resume,
        now_us: i64,
    ) -> Result<(Arc<Self>, Recovered), RecordError> {
        check_node(&options.node)?;
        let sealer = Sealer {
            vfs: vfs.clone(),
            dir: options.dir.clone(),
            tables: options.tables.clone(),
            _kind: PhantomData,
            log_id: options.log_id.clone(),
            node: options.node.clone(),
        };
        let guard = prepare_directory(&sealer)?;
        let mut recovery = Recovery::<R>::new(&options.node, resume, options.batch_bytes());
        let begun = |frame| recovery.begun(frame);
        let begins = Begins::open(vfs.clone(), options.dir.join("begins"), options.max_record(), begun)?;
        let wal_options = WalOptions {
            log_id: wal_id::<R>(&options.log_id),
            segment_bytes: options.wal_segment_bytes,
            prepare: options.prepare,
        };
        let mut replay = |batch: &Batch<'_>| Ok(recovery.batch(batch)?);
        let (mut wal, found) = Wal::open(vfs, &sealer.wal_dir(), wal_options, &mut replay)?;
        let interrupted = recovery.interrupt(&mut wal, now_us)?;
        begins.clear()?;
        let (closed, open) = recovery.finish();
        let stats = RecordStats { wal_segments: wal.segment_count() as u64, ..RecordStats::default() };
        let (sealed, prev_root) = (None, resume.prev_root);
        let state = State { started: false, open, closed, sealed, prev_root, no_room_for: 0, stats };
        // Batches that a crash kept from being released.
        if let Some(upto) = state.first_needed().unwrap_or(wal.next_batch()).checked_sub(1) {
            wal.release(upto)?;
        }
        let recovered = Recovered {
            unsealed: state.unsealed(),
            interrupted,
            truncated_bytes: found.torn.map_or(0, |torn| torn.bytes),
        };
        let state = Arc::new(Mutex::new(state));
        let begins = Arc::new(begins);
        let committer = spawn_writer(&options, wal, &state, &begins)?;
        let sealing = Mutex::new(None);
        let log = Self { _kind: PhantomData, options, sealer, state, begins, sealing, committer, _lock: guard };
        Ok((Arc::new(log), recovered))
    }

    /// Begins to take records, as `incarnation`; numbers start again from 0. The ledger must hold the incarnation
    /// durably by then, or the next start takes its records for another ledger's.
    ///
    /// # Errors
    /// [`RecordError::CannotStart`] while records of the one before are not sealed, or when one has started.
    pub fn start_incarnation(&self, incarnation: u64) -> Result<(), RecordError> {
        let cannot = |why| RecordError::CannotStart { incarnation, why };
        let mut state = lock(&self.state);
        if state.started {
            return Err(cannot("one has started already"));
        }
        if state.unsealed() > 0 {
            return Err(cannot("records of the one before are not sealed yet"));
        }
        if incarnation <= state.open.incarnation {
            return Err(cannot("it is not higher than the one before"));
        }
        state.open = Segment::new(incarnation, 0, 0);
        state.prev_root = None;
        state.started = true;
        Ok(())
    }

    /// Takes records again in the incarnation that was the last, after all that were found: for a command that is carried
    /// out while no node runs.
    ///
    /// # Errors
    /// [`RecordError::CannotStart`] when there was none yet, or one has started.
    pub fn resume_incarnation(&self) -> Result<(), RecordError> {
        let mut state = lock(&self.state);
        let incarnation = state.open.incarnation;
        let cannot = |why| Err(RecordError::CannotStart { incarnation, why });
        match (state.started, incarnation) {
            (true, _) => cannot("one has started already"),
            (false, 0) => cannot("the node never started"),
            (false, _) => {
                state.started = true;
                Ok(())
            }
        }
    }

    /// Puts the beginning of a call on record, before anybody is called. On return the operating system has it: the end
    /// of the process does not lose it, a power cut in the next seconds may.
    ///
    /// # Errors
    /// A retryable error when it cannot be taken: the call must not be made then, if it has to be on record. While the
    /// disk is full each attempt also finds out, a moment later, whether there is room again.
    pub fn begin(&self, core: &R, payload: &Payload) -> Result<(), RecordError> {
        let incarnation = self.admit()?;
        if self.log_is_full() {
            return Err(RecordError::Full { dir: self.sealer.wal_dir() });
        }
        let too_large = || self.too_large(payload.ct.len());
        let entry = frame::begin(begins::HEADER_BYTES, core, payload, incarnation).ok_or_else(too_large)?;
        if (entry.len() - begins::HEADER_BYTES) as u64 > self.options.max_record() {
            return Err(too_large());
        }
        self.begins.begin(core.id(), entry)
    }

    /// One more thread that appends records and will say when it has nothing to do: while all of them are busy, the writer
    /// lets batches fill.
    #[must_use]
    pub fn hand(&self) -> Hand {
        self.committer.hand()
    }

    /// Hands a record in, and returns what waits until it is durable, for its number and leaf. Node, incarnation and number
    /// are filled in here. The record is written even if nobody waits.
    ///
    /// # Errors
    /// A retryable error when it cannot be taken, [`RecordError::TooLarge`], [`RecordError::NotStarted`], or
    /// [`RecordError::Stopped`]: then it is unknown whether it is durable.
    pub fn append(
        &self,
        core: R,
        payload: Payload,
    ) -> impl Future<Output = Result<Receipt, RecordError>> + Send + use<R> {
        let answer = self.submit_record(core, &payload);
        async move { answer?.await.unwrap_or(Err(RecordError::Stopped)) }
    }

    fn submit_record(
        &self,
        mut core: R,
        payload: &Payload,
    ) -> Result<Answer<Result<Receipt, RecordError>>, RecordError> {
        let incarnation = self.admit()?;
        core.written_by(&self.options.node, i64::try_from(incarnation).unwrap_or(i64::MAX));
        let too_large = || self.too_large(payload.ct.len());
        let frame = Building::new(&core, &payload.subject_ref, &payload.ct, incarnation).ok_or_else(too_large)?;
        if frame.bytes().len() as u64 > self.options.max_record() {
            return Err(too_large());
        }
        let (reply, answer) = reply::pair();
        let payload_bytes = payload.ct.len() as u64;
        let (id, ts_end, receipt) = (core.id().to_owned(), core.ended_us(), Receipt::default());
        self.submit(Write::Record(Box::new(Record { id, frame, payload_bytes, ts_end, receipt, reply })))?;
        Ok(answer)
    }

    /// Seals the oldest segment that is closed, or closes the open one if it is large or old, or `force` and not empty.
    /// Both files and their table entries are durable on return. `None` when nothing is due. Gives the same answer
    /// until [`Self::confirm_sealed`]. Blocks; never from async code.
    ///
    /// # Errors
    /// What failed; everything is as it was, and the call may be made again.
    pub fn seal(&self, force: bool, now_us: i64) -> Result<Option<SegmentSealed>, RecordError> {
        if force {
            // What was handed in before is meant too, even if nobody waited for it.
            self.settle()?;
        }
        if self.begins.spent() > MAX_SPENT {
            self.begins.rotate()?;
        }
        let mut tables = self.lock_sealing();
        if let Some(sealed) = lock(&self.state).sealed.clone() {
            return Ok(Some(sealed));
        }
        if self.open_is_due(force, now_us) {
            self.settle_and(true)?;
        }
        let (segment, prev) = {
            let state = lock(&self.state);
            (state.closed.front().cloned(), state.prev_root)
        };
        let Some(segment) = segment else { return Ok(None) };
        // Taken out, so that after an error they are read from the disk again.
        let mut opened = match tables.take() {
            Some(tables) => tables,
            None => self.sealer.tables()?,
        };
        let sealed = self.sealer.seal(&mut opened, &segment, prev)?;
        *tables = Some(opened);
        lock(&self.state).sealed = Some(sealed.clone());
        Ok(Some(sealed))
    }

    /// Says that the ledger durably holds the seal of segment `number`: its records leave [`Self::tail`], its room in
    /// the write-ahead log is given back. Any other number is ignored.
    pub fn confirm_sealed(&self, number: u64) {
        let _sealing = self.lock_sealing();
        let mut state = lock(&self.state);
        if state.sealed.as_ref().is_none_or(|sealed| sealed.number != number) {
            return;
        }
        let Some(segment) = state.closed.pop_front() else { return };
        state.sealed = None;
        state.prev_root = Some(segment.root());
        let last = segment.batches.map_or(0, |(_, last)| last);
        let upto = state.first_needed().map_or(Some(last), |first| first.checked_sub(1));
        let Some(upto) = upto else { return };
        drop(state);
        // What is not released now is released with the next segment.
        let released = self
            .begins
            .rotate()
            .and_then(|()| self.committer.submit(Item::Release { upto }, 0).map_err(|_| RecordError::Stopped));
        if let Err(error) = released {
            tracing::warn!(segment = number, %error, "sealed records stay in the write-ahead log for now");
        }
    }

    /// Waits until everything handed in before is written or refused, and released room is given back. Blocks; never from
    /// async code.
    ///
    /// # Errors
    /// [`RecordError::Stopped`].
    pub fn settle(&self) -> Result<(), RecordError> {
        self.settle_and(false)
    }

    /// The open segment's size and root, durable records only; `None` while it is empty.
    pub fn progress(&self) -> Option<SegmentProgress> {
        lock(&self.state).progress(&self.options.node)
    }

    /// The records that are durable and not yet confirmed as sealed, in order.
    pub fn tail(&self) -> Vec<R> {
        let cores: Vec<Arc<[u8]>> = {
            let state = lock(&self.state);
            let segments = state.closed.iter().map(|segment| &**segment).chain([&state.open]);
            segments.flat_map(|segment| &segment.kept).map(|kept| kept.core.clone()).collect()
        };
        // They were encoded or decoded here before they were kept, so none is left out.
        cores.iter().filter_map(|core| R::decode(core).ok()).collect()
    }

    /// Counters.
    pub fn stats(&self) -> RecordStats {
        let state = lock(&self.state);
        RecordStats {
            unsealed: state.unsealed(),
            in_flight: self.begins.in_flight(),
            full: state.no_room_for > 0 || self.begins.lacks_room(),
            ..state.stats
        }
    }

    /// Whether the disk is full. If so, another attempt to write is begun, so that whoever asks again learns whether there
    /// is room by now, even when nobody calls meanwhile.
    pub fn is_full(&self) -> bool {
        let log = self.log_is_full();
        self.begins.is_full() || log
    }

    fn log_is_full(&self) -> bool {
        let wanted = lock(&self.state).no_room_for;
        if wanted > 0 {
            // Without room for the probe either, things stay as they are.
            let _ = self.submit(Write::Probe(vec![0; wanted]));
        }
        wanted > 0
    }

    /// The incarnation, if records are taken now.
    fn admit(&self) -> Result<u64, RecordError> {
        if self.committer.is_closed() {
            return Err(RecordError::Stopped);
        }
        let state = lock(&self.state);
        if !state.started {
            return Err(RecordError::NotStarted);
        }
        let unsealed = state.unsealed();
        if unsealed >= self.options.max_unsealed {
            return Err(RecordError::Behind { unsealed });
        }
        Ok(state.open.incarnation)
    }

    fn submit(&self, write: Write) -> Result<(), RecordError> {
        let bytes = write.bytes();
        self.committer.try_submit(Item::Write(write), bytes).map_err(|rejected| match rejected {
            Rejected::Busy(_) => RecordError::Busy,
            Rejected::Closed(_) => RecordError::Stopped,
        })
    }

    fn too_large(&self, bytes: usize) -> RecordError {
        RecordError::TooLarge { bytes: bytes as u64, max: self.options.max_record() }
    }

    fn open_is_due(&self, force: bool, now_us: i64) -> bool {
        let state = lock(&self.state);
        let (open, roll) = (&state.open, &self.options.roll);
        let opened_us = i64::try_from(open.opened_ms).unwrap_or(i64::MAX).saturating_mul(1000);
        let due = open.len() >= roll.records
            || open.payload_bytes >= roll.payload_bytes
            || now_us.saturating_sub(opened_us) >= roll.age_us;
        open.len() > 0 && state.closed.is_empty() && (due || force)
    }

    fn settle_and(&self, close: bool) -> Result<(), RecordError> {
        let (done, wait) = mpsc::channel();
        self.committer.submit(Item::Settle { close, done }, 0).map_err(|_| RecordError::Stopped)?;
        wait.recv().map_err(|_| RecordError::Stopped)
    }

    fn lock_sealing(&self) -> MutexGuard<'_, Option<Tables>> {
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_node(node: &str) -> Result<(), RecordError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let named = (1..=64).contains(&node.len()) && node.bytes().all(fine) && !node.starts_with('.');
    if named { Ok(()) } else { Err(RecordError::BadNode { node: node.into() }) }
}

/// Takes the lock and clears what an unfinished seal left.
fn prepare_directory<R: RecordKind>(sealer: &Sealer<R>) -> Result<Box<dyn LockGuard>, RecordError> {
    let (vfs, staging) = (&*sealer.vfs, sealer.staging());
    vfs.create_dir_all(&staging).map_err(RecordError::io("create", &staging))?;
    let guard = vfs.lock(&sealer.dir.join("LOCK")).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => RecordError::Locked { dir: sealer.dir.clone() },
        _ => RecordError::io("lock", &sealer.dir)(error),
    })?;
    for entry in vfs.list(&staging).map_err(RecordError::io("list", &staging))? {
        let path = staging.join(entry.name);
        vfs.remove(&path).map_err(RecordError::io("remove", &path))?;
    }
    Ok(guard)
}

fn spawn_writer(
    options: &RecordOptions,
    wal: Wal,
    state: &Arc<Mutex<State>>,
    begins: &Arc<Begins>,
) -> Result<Committer<Item>, RecordError> {
    let batch_bytes = options.batch_bytes();
    let (state, begins) = (state.clone(), begins.clone());
    let writer = Writer { wal, state, begins, roll: options.roll, batch_bytes: 2 * batch_bytes };
    let limits = Limits { batch_bytes, ..Limits::default() };
    Committer::spawn("records", writer, limits, options.on_fatal.clone())
        .map_err(RecordError::io("start the writer thread of", &options.dir))
}

/// The write-ahead log of records is another log than the ledger's, and each kind's is another.
fn wal_id<R: RecordKind>(log_id: &str) -> [u8; 16] {
    let kind = if R::SCHEMA == 1 { String::new() } else { format!("\n{}", R::TABLE) };
    let hash = Sha256::digest(format!("counterfoil records\n{log_id}{kind}"));
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id
}

#[cfg(test)]
mod tests;
