//! Detectors look at every new version, and again when somebody asks or there are others. What they find goes into the ledger as counts.
//!
//! A version without a scan on record is looked at by whichever process next sees it, so that nothing is forgotten when a
//! process is killed between storing a version and looking at it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Command;
use domain::data::VersionScanned;
use engine::{Done, Engine, ExecuteError, Looking};
use query::rows::{Frame, RowsError};
use tokio::sync::watch;

use crate::classify::{Classified, classify, classify_text};

/// How often new versions are looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// One scan at a time: each holds a sample in memory.
static TURN: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// Why a version was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There is no such version, it cannot be opened, or the ledger cannot be written.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// Its rows cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The work ended early.
    #[error("the scan ended early: {0}")]
    Ended(String),
}

/// Looks at a version, and writes down what was found. Who may ask for it is for the caller to ask.
///
/// # Errors
/// [`ScanError`].
pub async fn scan(engine: &Arc<Engine>, dataset: &str, version: &str) -> Result<Done, ScanError> {
    let _turn = TURN.acquire().await;
    let bytes = crate::stored(engine, dataset, version).await?;
    let (object, form) = engine.read(|state| {
        let known = state.dataset_version(dataset, version);
        (known.map(|known| known.stored.object.clone()), known.and_then(crate::form_of))
    });
    let Looking { revision, detectors } = engine.detectors();
    let classified: Classified = match form {
        Some(form) => classify(&Frame::open(form, bytes).await?.in_order(), &detectors).await?,
        None => {
            let looked = tokio::task::spawn_blocking(move || classify_text(&bytes, &detectors)).await;
            looked.map_err(|error| ScanError::Ended(error.to_string()))??
        }
    };
    let report = VersionScanned {
        dataset: dataset.to_owned(),
        version: version.to_owned(),
        object: object.unwrap_or_default(),
        rows_sampled: classified.rows,
        bytes_sampled: classified.bytes,
        whole: classified.whole,
        columns: classified.columns,
        columns_left_out: classified.left_out,
        detectors: revision,
    };
    let system = engine.system().clone();
    Ok(engine.execute(&system, Command::ReportScan(report)).await?)
}

/// Looks at each version that not all detectors have looked at, until `stop`.
pub async fn follow(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    // Those that could not be looked at wait for somebody to ask, for other detectors, or for the next start: it is told once.
    let mut failed: BTreeSet<(String, String)> = BTreeSet::new();
    let mut known = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.changed() => return,
        }
        let (new, revision) = engine.read(|state| (state.unscanned(), state.detectors.revision));
        if revision != known {
            known = revision;
            failed.clear();
        }
        for (dataset, version) in new.into_iter().filter(|one| !failed.contains(one)).collect::<Vec<_>>() {
            // Policies of before there were scans do not permit them, and a refusal each second would fill the ledger.
            let resource = format!("dataset/{dataset}");
            if engine.policies().decide(engine.system(), "dataset.version.scan", &resource).is_err() {
                tracing::warn!("new versions are not scanned: permit `dataset.version.scan` to the role `system`");
                failed.insert((dataset, version));
                continue;
            }
            if let Err(error) = scan(&engine, &dataset, &version).await {
                tracing::warn!(%dataset, %version, %error, "a version could not be scanned: `counterfoil data scan` tries again");
                failed.insert((dataset, version));
            }
        }
    }
}
