//! Objects that an older copy of the ledger does not name. Whoever goes on with one gives up what was written since, and
//! should not lose the data of it at the next start too: the objects are moved aside for a stated time, with their keys as
//! they are, and come back when the ledger names them again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use store::objects;
use vault::ObjectHeader;

use crate::{Engine, ExecuteError};

/// How long an object lies aside before it is destroyed, in days.
pub const ASIDE_DAYS: i64 = 90;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The directory below the data directory; in it one for each time, by milliseconds since the epoch.
const DIR: &str = "objects-aside";

/// While this file is there, objects that nothing names are moved and not destroyed. It is written before an older copy is
/// accepted, so that no crash comes between.
const MARK: &str = "objects-aside.mark";

/// An object that lies aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its identifier.
    pub object: String,
    /// Its class, when its file still says it.
    pub class: Option<String>,
    /// The length of its file.
    pub bytes: u64,
    /// When it was moved, in milliseconds since the epoch.
    pub since: i64,
    /// When it is destroyed.
    pub until: i64,
}

fn failed(error: &std::io::Error) -> ExecuteError {
    ExecuteError::Unavailable(format!("objects cannot be moved aside: {error}"))
}

impl Engine {
    /// From here on, objects that nothing names are moved. Durable on return.
    pub(crate) fn mark_aside(&self) -> Result<(), ExecuteError> {
        let marked = std::fs::File::create(self.data_dir().join(MARK)).and_then(|file| file.sync_all());
        let synced = marked.and_then(|()| std::fs::File::open(self.data_dir())?.sync_all());
        synced.map_err(|e| failed(&e))
    }

    pub(crate) fn unmark_aside(&self) -> Result<(), ExecuteError> {
        match std::fs::remove_file(self.data_dir().join(MARK)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Moves objects aside, if an older copy was accepted since they were last looked through; whether it did. Blocks.
    pub(crate) fn set_aside(&self, unnamed: &[String]) -> Result<bool, ExecuteError> {
        if !self.data_dir().join(MARK).try_exists().map_err(|e| failed(&e))? {
            return Ok(false);
        }
        let dir = self.data_dir().join(DIR).join(Self::now_ms().to_string());
        for object in unnamed {
            tracing::warn!(object, days = ASIDE_DAYS, "an object that the older copy does not name is moved aside");
            objects::move_to(&self.objects_dir(), &dir, object).map_err(|e| failed(&e))?;
        }
        self.unmark_aside().map(|()| true)
    }

    /// Puts back what the ledger names again, and destroys what lay aside for as long as it may. Blocks.
    pub(crate) fn mend_aside(&self, named: &BTreeSet<String>) -> Result<(), ExecuteError> {
        for (dir, aside) in self.lying_aside()? {
            let Aside { object, class, until, .. } = aside;
            if named.contains(&object) {
                tracing::info!(object, "an object that the ledger names again is put back");
                objects::move_to(&dir, &self.objects_dir(), &object).map_err(|e| failed(&e))?;
            } else if until <= Self::now_ms() {
                if let Some(class) = class {
                    self.scrap_object(&class, &object)?;
                }
                objects::remove(&dir, &object).map_err(|e| failed(&e))?;
            }
        }
        Ok(())
    }

    /// What lies aside, oldest first. Blocks.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn objects_aside(&self) -> Result<Vec<Aside>, ExecuteError> {
        Ok(self.lying_aside()?.into_iter().map(|(_, aside)| aside).collect())
    }

    fn lying_aside(&self) -> Result<Vec<(PathBuf, Aside)>, ExecuteError> {
        let all = match std::fs::read_dir(self.data_dir().join(DIR)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            all => all.map_err(|e| failed(&e))?,
        };
        let mut lying = Vec::new();
        for entry in all {
            let dir = entry.map_err(|e| failed(&e))?.path();
            let since = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<i64>().ok());
            let Some(since) = since else { continue };
            for object in objects::list(&dir).map_err(|e| failed(&e))? {
                let Some(mut file) = objects::open(&dir, &object).map_err(|e| failed(&e))? else { continue };
                let bytes = file.metadata().map_err(|e| failed(&e))?.len();
                let class = ObjectHeader::read(&mut file).ok().map(|header| header.class);
                let until = since.saturating_add(ASIDE_DAYS * DAY_MS);
                lying.push((dir.clone(), Aside { object, class, bytes, since, until }));
            }
        }
        lying.sort_by(|(_, a), (_, b)| (a.since, &a.object).cmp(&(b.since, &b.object)));
        Ok(lying)
    }
}
