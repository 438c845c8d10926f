//! Versions that were stored and not checked, since a process ended between the two. Nobody reads them until they are, and
//! whoever brought them in may not know: each is checked at the next start, as they would have been.
//!
//! What ended the process may have been the check, so each is tried once: a mark is made before, and one that is found at a
//! start means that the process ended in between again. That is told, and left to people.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::Engine;
use tokio::sync::watch;

use super::{Under, Wish, check_version};

/// Where the marks are, in the data directory: a file `<data set>@<version>` for each check that was begun.
const DIR: &str = "checking";

/// Checks each of `left`, as [`domain::State::unchecked`] named them before anything new came in, until `stop`. One that
/// cannot be checked is told, and waits for somebody to ask, or for the next start; one whose check ended the process, for
/// somebody to ask.
pub async fn check_those_left(engine: Arc<Engine>, left: Vec<(String, String)>, mut stop: watch::Receiver<bool>) {
    let dir = engine.data_dir().join(DIR);
    if let Err(error) = forget_all_but(&dir, &left) {
        tracing::warn!(%error, dir = %dir.display(), "marks of checks that ended meanwhile cannot be removed");
    }
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
        let mark = dir.join(name_of(&dataset, &version));
        match begin(engine.data_dir(), &mark) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                tracing::warn!(
                    %dataset, %version,
                    "the process ended while it checked this version after a start, so that is not tried again: give it \
                     more memory or change the contract, and run `counterfoil data check`"
                );
                continue;
            }
            Err(error) => {
                tracing::warn!(
                    %dataset, %version, %error, mark = %mark.display(),
                    "a version was stored and not checked, and is not now, since that cannot be marked as begun: run \
                     `counterfoil data check`"
                );
                continue;
            }
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
            checked = check_version(&engine, &system, wish) => Some(checked),
            _ = stop.changed() => None,
        };
        // Whatever came of it, the process outlived it.
        if let Err(error) = fs::remove_file(&mark) {
            tracing::warn!(%error, mark = %mark.display(), "the mark of a check that ended cannot be removed");
        }
        let Some(checked) = checked else { return };
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

fn name_of(dataset: &str, version: &str) -> String {
    format!("{dataset}@{version}")
}

/// Makes a mark. Durable on return; [`io::ErrorKind::AlreadyExists`] when it is there.
fn begin(data: &Path, mark: &Path) -> io::Result<()> {
    let dir = data.join(DIR);
    fs::create_dir_all(&dir)?;
    File::create_new(mark)?.sync_all()?;
    File::open(&dir)?.sync_all()?;
    File::open(data)?.sync_all()
}

/// Removes the marks of versions that somebody had checked since, or that are gone.
fn forget_all_but(dir: &Path, left: &[(String, String)]) -> io::Result<()> {
    let marks = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        marks => marks?,
    };
    for mark in marks {
        let mark = mark?;
        if !left.iter().any(|(dataset, version)| mark.file_name() == *name_of(dataset, version)) {
            fs::remove_file(mark.path())?;
        }
    }
    Ok(())
}
