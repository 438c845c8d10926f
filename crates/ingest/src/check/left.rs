//! Versions that were stored and not checked, since a process ended between the two. Nobody reads them until they are, and
//! whoever brought them in may not know: each is checked at the next start, as they would have been.

use std::sync::Arc;

use engine::Engine;
use tokio::sync::watch;

use super::{Under, Wish, check_version};

/// Checks each of `left`, as [`domain::State::unchecked`] named them before anything new came in, until `stop`. One that
/// cannot be checked is told, and waits for somebody to ask, or for the next start.
pub async fn check_those_left(engine: Arc<Engine>, left: Vec<(String, String)>, mut stop: watch::Receiver<bool>) {
    for (dataset, version) in left {
        // Policies of before there were checks at the start do not permit them: that is told, and is no refusal to record.
        let resource = format!("dataset/{dataset}");
        if engine.policies().decide(engine.system(), "dataset.version.check", &resource).is_err() {
            tracing::warn!(
                %dataset, %version,
                "a version was stored and not checked: run `counterfoil data check`, or permit `dataset.version.check` to \
                 the role `system`"
            );
            continue;
        }
        let wish = Wish {
            dataset: dataset.clone(),
            version: version.clone(),
            under: Under::InForce,
            stage: "ingest".to_owned(),
            run: None,
        };
        let system = engine.system().clone();
        let checked = tokio::select! {
            checked = check_version(&engine, &system, wish) => checked,
            _ = stop.changed() => return,
        };
        match checked {
            Ok(outcome) => {
                let verdict = outcome.checked.verdict.as_str();
                tracing::info!(%dataset, %version, verdict, "a version that was stored and not checked was checked");
            }
            Err(error) => tracing::warn!(
                %dataset, %version, %error, "a version could not be checked: `counterfoil data check` tries again"
            ),
        }
    }
}
