//! Objects that an older copy of the ledger does not name. Whoever goes on with one gives up what was written since, and
//! should not lose the data of it at the next start too: the objects stay where they are for a stated time, with their keys, and
//! a list says which. What the ledger names again is kept as ever.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use domain::{Refusal, RefusalCode};
use vault::{ObjectHeader, SubjectRef};

use crate::{Engine, ExecuteError};

/// How long an object is kept that nothing names, in days.
pub const ASIDE_DAYS: i64 = 90;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The directory of the lists, below the data directory; each is called by the time it was made, in milliseconds since the
/// epoch, and has an object's identifier a line.
const DIR: &str = "objects-aside";

/// While this file is there, objects that nothing names are put on a list and not destroyed. It is written before an older
/// copy is accepted, so that no crash comes between.
const MARK: &str = "objects-aside.mark";

/// An object that nothing names, and that is kept for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its identifier.
    pub object: String,
    /// Its class, when it still says it.
    pub class: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// When it was found that nothing names it, in milliseconds since the epoch.
    pub since: i64,
    /// When it is destroyed.
    pub until: i64,
}

fn failed(error: &io::Error) -> ExecuteError {
    ExecuteError::Unavailable(format!("the lists of objects that an older copy does not name cannot be used: {error}"))
}

impl Engine {
    /// From here on, objects that nothing names are kept. Durable on return.
    pub(crate) fn mark_aside(&self) -> Result<(), ExecuteError> {
        let marked = File::create(self.data_dir().join(MARK)).and_then(|file| file.sync_all());
        let synced = marked.and_then(|()| File::open(self.data_dir())?.sync_all());
        synced.map_err(|e| failed(&e))
    }

    pub(crate) fn unmark_aside(&self) -> Result<(), ExecuteError> {
        match fs::remove_file(self.data_dir().join(MARK)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Whether an older copy was accepted, and what it does not name is on no list yet.
    pub(crate) fn is_to_list_aside(&self) -> Result<bool, ExecuteError> {
        self.data_dir().join(MARK).try_exists().map_err(|e| failed(&e))
    }

    /// Those of `unnamed` that are to be destroyed. If an older copy was accepted since this was last asked, that is none of
    /// them from then on, for [`ASIDE_DAYS`]. Blocks.
    pub(crate) fn not_aside(&self, unnamed: Vec<String>) -> Result<Vec<String>, ExecuteError> {
        if self.is_to_list_aside()? {
            self.list_aside(&unnamed).map_err(|e| failed(&e))?;
            self.unmark_aside()?;
        }
        let (mut kept, now) = (BTreeSet::new(), Self::now_ms());
        for (since, path, objects) in self.lists_aside()? {
            match since.saturating_add(ASIDE_DAYS * DAY_MS) <= now {
                true => fs::remove_file(&path).map_err(|e| failed(&e))?,
                false => kept.extend(objects),
            }
        }
        Ok(unnamed.into_iter().filter(|object| !kept.contains(object)).collect())
    }

    fn list_aside(&self, unnamed: &[String]) -> io::Result<()> {
        if unnamed.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            objects = unnamed.len(),
            days = ASIDE_DAYS,
            "objects that the older copy does not name are kept"
        );
        let dir = self.data_dir().join(DIR);
        fs::create_dir_all(&dir)?;
        let (name, text) = (Self::now_ms().to_string(), unnamed.join("\n") + "\n");
        let incoming = dir.join(format!("{name}.incoming"));
        let mut file = File::create(&incoming)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(incoming, dir.join(name))?;
        File::open(dir)?.sync_all()
    }

    /// When each list was made, where it is, and what is on it.
    fn lists_aside(&self) -> Result<Vec<(i64, PathBuf, Vec<String>)>, ExecuteError> {
        let all = match fs::read_dir(self.data_dir().join(DIR)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            all => all.map_err(|e| failed(&e))?,
        };
        let mut lists = Vec::new();
        for entry in all {
            let path = entry.map_err(|e| failed(&e))?.path();
            let since = path.file_name().and_then(|name| name.to_str()?.parse::<i64>().ok());
            let Some(since) = since else { continue };
            let text = fs::read_to_string(&path).map_err(|e| failed(&e))?;
            lists.push((since, path, text.lines().map(str::to_owned).collect()));
        }
        lists.sort();
        Ok(lists)
    }

    /// Refuses to forget a person while something lies aside that may be about them: what a version of theirs was stored in,
    /// which the ledger does not name any more. Blocks.
    pub(crate) fn is_not_aside(&self, subject: &SubjectRef) -> Result<(), ExecuteError> {
        let holders = self.vault.holders(subject).map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        let known = self.datasets_of(subject)?.len();
        if holders.len() == known {
            return Ok(());
        }
        let aside = if self.is_to_list_aside()? { None } else { self.objects_aside()?.first().map(|one| one.until) };
        let why = match aside {
            None if self.is_to_list_aside()? => "they are listed first, within a day".to_owned(),
            None => return Ok(()),
            Some(_) => {
                "see `counterfoil data aside` for when each is destroyed and wait for that, or have them destroyed \
                        sooner: stop the server, remove `objects-aside` in the data directory, and start it"
                    .to_owned()
            }
        };
        let message = format!(
            "rows about whom is to be forgotten may be in objects that lie aside since an older copy of the ledger was \
             accepted, and nobody can write those anew: {why}"
        );
        Err(Refusal::new(RefusalCode::Conflict, message).into())
    }

    /// What is kept although nothing names it, oldest first. Blocks.
    ///
    /// # Errors
    /// When a list or an object cannot be read.
    pub fn objects_aside(&self) -> Result<Vec<Aside>, ExecuteError> {
        let mut aside = Vec::new();
        for (since, _, objects) in self.lists_aside()? {
            for object in objects.into_iter().filter(|object| !self.is_spoken_of(object)) {
                let Some(mut found) = self.places.objects.open(&object).map_err(|e| failed(&e))? else { continue };
                let bytes = found.size().map_err(|e| failed(&e))?;
                let class = ObjectHeader::read(&mut found).ok().map(|header| header.class);
                aside.push(Aside { object, class, bytes, since, until: since.saturating_add(ASIDE_DAYS * DAY_MS) });
            }
        }
        Ok(aside)
    }
}
