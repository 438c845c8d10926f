//! What happens by itself after things were decided: sealing segments, committing to progress, signs of life, counts
//! and snapshots. Each is a command like any other, given by Counterfoil itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::infrastructure::LedgerHeartbeat;
use domain::serving::GatewayCounted;
use domain::Command;

use crate::snapshot::Snapshot;
use crate::{Engine, ExecuteError};

/// How often segments are looked at.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// How often an unsealed segment's progress is committed to, while records come.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How often there is a sign of life. The control on the ledger allows fifteen minutes.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often hours that have ended are reported.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// How many events lie between snapshots.
const SNAPSHOT_EVERY: u64 = 10_000;

impl Engine {
    /// Starts the reconcilers; they stop at [`Engine::shutdown`].
    pub(crate) fn start_reconcilers(self: &Arc<Self>) {
        self.every(SEAL_EVERY, "seal", |engine| async move { engine.seal(false).await.map(drop) });
        self.every(PROGRESS_EVERY, "progress", |engine| async move { engine.report_progress().await });
        self.every(HEARTBEAT_EVERY, "heartbeat", |engine| async move { engine.beat().await });
        self.every(COUNT_EVERY, "count", |engine| async move {
            let this_hour = Self::now_ms().div_euclid(3_600_000) * 3_600_000;
            engine.report_counts(Some(this_hour)).await?;
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
                if let Err(error) = work(engine).await {
                    tracing::warn!(what, %error, "a reconciler could not do its work; it will try again");
                }
            }
        });
    }

    /// Seals everything recorded so far. Returns how many segments that made.
    ///
    /// # Errors
    /// When a file or the ledger cannot be written; what was not sealed stays as it was.
    pub async fn seal_now(self: &Arc<Self>) -> Result<u64, ExecuteError> {
        self.seal(true).await
    }

    pub(crate) async fn seal(self: &Arc<Self>, force: bool) -> Result<u64, ExecuteError> {
        let _one_at_a_time = self.sealing.lock().await;
        let mut sealed = 0;
        loop {
            let records = Arc::clone(&self.records);
            let segment = tokio::task::spawn_blocking(move || records.seal(force, Self::now_us()))
                .await
                .map_err(|e| ExecuteError::Internal(e.to_string()))?
                .map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
            let Some(segment) = segment else { return Ok(sealed) };
            let number = segment.number;
            self.execute(self.system(), Command::SealSegment(segment)).await?;
            self.records.confirm_sealed(number);
            sealed += 1;
        }
    }

    async fn report_progress(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let Some(progress) = self.records.progress() else { return Ok(()) };
        let last = self.last_progress.lock().expect("no panic while progress is locked").clone();
        if last.as_ref() == Some(&progress) {
            return Ok(());
        }
        self.execute(self.system(), Command::ReportProgress(progress.clone())).await?;
        *self.last_progress.lock().expect("no panic while progress is locked") = Some(progress);
        Ok(())
    }

    /// Publishes a checkpoint and gives a sign of life that keeps it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn beat(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let checkpoint = self.publish()?;
        let beat = LedgerHeartbeat { checkpoint, signed_at: Self::now_ms() };
        self.execute(self.system(), Command::Beat(beat)).await.map(drop)
    }

    /// Signs and publishes a checkpoint of the ledger as it is, and returns it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self) -> Result<String, ExecuteError> {
        self.log.publish().map_err(|e| ExecuteError::Unavailable(e.to_string()))
    }

    /// Reports the gateway's counts of hours that changed, of all or of those before `before_ms`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn report_counts(self: &Arc<Self>, before_ms: Option<i64>) -> Result<(), ExecuteError> {
        for (hour, counts) in self.counters.take_changed(before_ms) {
            let counted = GatewayCounted {
                node: self.node().to_owned(),
                incarnation: self.incarnation(),
                hour,
                requests: counts.requests,
                logged: counts.logged,
            };
            self.execute(self.system(), Command::CountGateway(counted)).await?;
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
        Snapshot::new(state)
            .write(&self.snapshot_dir())
            .map_err(|e| ExecuteError::Unavailable(format!("the snapshot was not written: {e}")))?;
        self.last_snapshot.store(size, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn snapshot_dir(&self) -> std::path::PathBuf {
        self.data_dir().join("snapshots")
    }

    /// Ends well: reports counts, seals what is unsealed, publishes a checkpoint and writes a snapshot. Requests must
    /// have ended before.
    ///
    /// # Errors
    /// The first thing that could not be done; what was done stays done.
    pub async fn shutdown(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.stop.send_replace(true);
        self.seal(true).await?;
        self.report_counts(None).await?;
        self.beat().await?;
        self.snapshot().await?;
        self.publish().map(drop)
    }
}
