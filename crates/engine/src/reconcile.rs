//! What happens by itself after things were decided: sealing segments, committing to progress, signs of life, counts,
//! replacing keys that are due, and snapshots. Each is a command like any other, given by Counterfoil itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::infrastructure::{LedgerHeartbeat, NodeStopped};
use domain::serving::{GatewayCounted, SegmentProgress, SegmentSealed};
use domain::{Command, Record};
use ledger::log::LogError;
use ledger::records::RecordLog;

use crate::archive::ARCHIVE_EVERY;
use crate::places::OBJECTS_EVERY;
use crate::recover::hour_of;
use crate::sealer::Sealer;
use crate::snapshot::Snapshot;
use crate::{Engine, ExecuteError};

/// How often segments are looked at.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// How often an unsealed segment's progress is committed to, while records come.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How often there is a sign of life. The control on the ledger allows fifteen minutes.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often hours that have ended are reported.
pub(crate) const COUNT_EVERY: Duration = Duration::from_secs(60);

/// How often counts of those turned away at the doors are looked at.
const REFUSED_EVERY: Duration = Duration::from_secs(2);

/// How often sessions that lie idle are ended.
const IDLE_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether keys are to be replaced.
const KEYS_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether a class has a key that is not reported yet.
const NEW_KEYS_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked whether a new day began, on which what is due is disposed of.
const DISPOSE_EVERY: Duration = Duration::from_secs(60);
/// How often erasures that have begun are gone on with.
const ERASE_EVERY: Duration = Duration::from_secs(2);

/// How many events lie between snapshots.
const SNAPSHOT_EVERY: u64 = 10_000;

/// What sealing a kind of record takes.
struct Sealing<'a, R> {
    records: &'a Arc<RecordLog<R>>,
    sealer: &'a tokio::sync::Mutex<Sealer<R>>,
    command: fn(SegmentSealed) -> Command,
}

/// A checkpoint for a heartbeat to keep.
struct Kept {
    note: String,
    /// Milliseconds since the epoch.
    signed_at: i64,
}

impl Kept {
    /// A witnessed checkpoint. When it was signed is known by its cosignatures: 8 bytes of Unix seconds before the 64 of
    /// the signature (C2SP tlog-cosignature).
    fn witnessed(note: String) -> Self {
        let parsed = merkle::Note::parse(&note).ok();
        let lines = parsed.iter().flat_map(|note| &note.signatures);
        let cosigned = lines.filter(|line| line.signature.len() == 72);
        let seconds =
            cosigned.filter_map(|line| line.signature.first_chunk::<8>()).map(|b| i64::from_be_bytes(*b)).max();
        Self { signed_at: seconds.map_or_else(Engine::now_ms, |seconds| seconds.saturating_mul(1000)), note }
    }

    /// The ledger size that it is of: the second line.
    fn size(&self) -> u64 {
        self.note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)
    }
}

impl Engine {
    /// Starts the reconcilers; they stop at [`Engine::shutdown`].
    pub(crate) fn start_reconcilers(self: &Arc<Self>) {
        self.every(SEAL_EVERY, "seal", |engine| async move { engine.seal(false).await.map(drop) });
        self.every(PROGRESS_EVERY, "progress", |engine| async move { engine.report_progress().await });
        self.every(HEARTBEAT_EVERY, "heartbeat", |engine| async move { engine.beat().await });
        self.every(REFUSED_EVERY, "refused sign-ins", |engine| async move { engine.tell_refused(false).await });
        self.every(IDLE_EVERY, "idle sessions", |engine| async move { engine.end_idle_sessions().await });
        self.every(KEYS_EVERY, "encryption keys", |engine| async move { engine.tend_keys().await });
        self.every(NEW_KEYS_EVERY, "new encryption keys", |engine| async move { engine.tell_new_keys().await });
        self.every(self.custodian_period(), "custodian", |engine| async move { engine.watch_custodian().await });
        if self.archive.is_some() {
            self.every(ARCHIVE_EVERY, "archive", |engine| async move { engine.tend_archive().await });
        }
        self.every(OBJECTS_EVERY, "objects", |engine| async move { engine.tend_objects().await });
        self.every(DISPOSE_EVERY, "retention", |engine| async move { engine.dispose_daily().await });
        self.every(ERASE_EVERY, "erasures", |engine| async move { engine.carry_out_erasures().await });
        self.every(COUNT_EVERY, "count", |engine| async move {
            engine.flush_strangers().await;
            engine.finish_objects().await?;
            engine.report_accesses().await?;
            engine.report_counts(Some(hour_of(Self::now_ms()))).await?;
            engine.report_use().await?;
            engine.snapshot_if_due().await
        });
    }

    fn every<F, W>(self: &Arc<Self>, period: Duration, what: &'static str, work: F)
    where
        F: Fn(Arc<Self>) -> W + Send + 'static,
        W: Future<Output = Result<(), ExecuteError>> + Send,
    {
        let engine = Arc::downgrade(self);
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                let Some(engine) = engine.upgrade() else { return };
                if engine.log.halted().is_some() {
                    continue;
                }
                if let Err(error) = work(engine).await {
                    tracing::warn!(what, %error, "a reconciler could not do its work; it will try again");
                }
            }
        });
    }

    /// Seals everything recorded so far, and reports the gateway's counts beside it. Returns how many segments of
    /// inferences that made.
    ///
    /// # Errors
    /// When a file or the ledger cannot be written; what was not sealed stays as it was.
    pub async fn seal_now(self: &Arc<Self>) -> Result<u64, ExecuteError> {
        self.flush_strangers().await;
        let sealed = self.seal(true).await?;
        self.report_counts(None).await?;
        self.report_use().await?;
        Ok(sealed)
    }

    /// Seals what is due, of both kinds; returns how many segments of inferences that made.
    pub(crate) async fn seal(self: &Arc<Self>, force: bool) -> Result<u64, ExecuteError> {
        let inferences = Sealing { records: &self.records, sealer: &self.sealer, command: Command::SealSegment };
        let sealed = self.seal_kind(inferences, force).await?;
        self.seal_accesses(force).await?;
        Ok(sealed)
    }

    /// Seals accesses that are due, or all of them.
    pub(crate) async fn seal_accesses(self: &Arc<Self>, force: bool) -> Result<u64, ExecuteError> {
        let accesses = Sealing { records: &self.accesses, sealer: &self.access_sealer, command: Command::SealAccesses };
        self.seal_kind(accesses, force).await
    }

    async fn seal_kind<R: Record>(self: &Arc<Self>, kind: Sealing<'_, R>, force: bool) -> Result<u64, ExecuteError> {
        let sealer = kind.sealer.lock().await;
        let mut sealed = 0;
        loop {
            let segment = sealer.seal(force).await;
            let segment = segment.ok_or_else(|| ExecuteError::Internal("the thread that seals has ended".into()))?;
            let segment = segment.map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
            let Some(segment) = segment else { return Ok(sealed) };
            let number = segment.number;
            self.execute(self.system(), (kind.command)(segment)).await?;
            let records = Arc::clone(kind.records);
            self.blocking(move |_| records.confirm_sealed(number)).await?;
            sealed += 1;
        }
    }

    async fn report_progress(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.report(self.records.progress(), &self.last_progress, Command::ReportProgress).await
    }

    async fn report_accesses(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.report(self.accesses.progress(), &self.last_accesses, Command::ReportAccesses).await
    }

    async fn report(
        self: &Arc<Self>,
        progress: Option<SegmentProgress>,
        last: &Mutex<Option<SegmentProgress>>,
        command: fn(SegmentProgress) -> Command,
    ) -> Result<(), ExecuteError> {
        let Some(progress) = progress else { return Ok(()) };
        if last.lock().expect("no panic while progress is locked").as_ref() == Some(&progress) {
            return Ok(());
        }
        self.execute(self.system(), command(progress.clone())).await?;
        *last.lock().expect("no panic while progress is locked") = Some(progress);
        Ok(())
    }

    /// Publishes a checkpoint and gives a sign of life. It keeps the newest witnessed checkpoint when there is one since
    /// the last sign of life, so that cosignatures come into the ledger; else the published one.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn beat(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let published = Kept { note: self.publish().await?, signed_at: Self::now_ms() };
        let witnessed = self.log.witnessed_checkpoint().map(Kept::witnessed);
        let last = self.last_beat.load(Ordering::Relaxed);
        let kept = witnessed.filter(|kept| kept.size() > last).unwrap_or(published);
        self.last_beat.fetch_max(kept.size(), Ordering::Relaxed);
        let beat = LedgerHeartbeat { checkpoint: kept.note, signed_at: kept.signed_at };
        self.execute(self.system(), Command::Beat(beat)).await.map(drop)
    }

    /// Signs and publishes a checkpoint of the ledger as it is, and returns it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn publish(self: &Arc<Self>) -> Result<String, ExecuteError> {
        let published = self.blocking(|engine| engine.log.publish()).await?;
        published.map_err(|error| match error {
            error @ LogError::OtherHistory { .. } => ExecuteError::RolledBack(error.to_string()),
            error => ExecuteError::Unavailable(error.to_string()),
        })
    }

    /// Reports the gateway's counts of hours that changed, of all or of those before `before_ms`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn report_counts(self: &Arc<Self>, before_ms: Option<i64>) -> Result<(), ExecuteError> {
        for (hour, counts) in self.counters.changed(before_ms) {
            let counted = GatewayCounted {
                node: self.node().to_owned(),
                incarnation: self.incarnation(),
                hour,
                requests: counts.requests,
                logged: counts.logged,
            };
            self.execute(self.system(), Command::CountGateway(counted)).await?;
            self.counters.reported(hour, counts);
        }
        Ok(())
    }

    async fn snapshot_if_due(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let size = self.read(|state| state.size);
        let last = self.last_snapshot.load(Ordering::Relaxed);
        if size < last + SNAPSHOT_EVERY { Ok(()) } else { self.snapshot().await }
    }

    /// Commits to the state's digest, then writes the state down.
    async fn snapshot(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let state = self.digest_state().await?;
        let size = state.size;
        let written = self.blocking(|engine| Snapshot::new(state).write(&engine.snapshot_dir())).await?;
        written.map_err(|e| ExecuteError::Unavailable(format!("the snapshot was not written: {e}")))?;
        self.last_snapshot.store(size, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn snapshot_dir(&self) -> std::path::PathBuf {
        self.data_dir().join("snapshots")
    }

    /// Ends a visit well: seals the accesses that it recorded, and signs what the command added.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn leave_visit(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.flush_strangers().await;
        self.seal_accesses(true).await?;
        self.publish().await.map(drop)
    }

    /// Ends well: reports counts, seals what is unsealed, says so, publishes a checkpoint and writes a snapshot. Requests
    /// must have ended before. A ledger that is stopped stays as it is: what is unsealed is kept for whoever goes on.
    ///
    /// # Errors
    /// The first thing that could not be done; what was done stays done.
    pub async fn shutdown(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.stop.send_replace(true);
        if let Some(told) = self.log.halted() {
            tracing::warn!(witness = told.by, why = told.why, "nothing was sealed at the end: the ledger is stopped");
            return Ok(());
        }
        self.tell_refused(true).await?;
        self.seal_now().await?;
        let stopped = NodeStopped { node: self.node().to_owned(), incarnation: self.incarnation() };
        self.execute(self.system(), Command::StopNode(stopped)).await?;
        self.beat().await?;
        self.snapshot().await?;
        self.publish().await.map(drop)
    }
}
