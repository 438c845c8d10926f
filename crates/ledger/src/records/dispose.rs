//! Files of records that are kept no longer: taken out of their table, then removed, once the ledger says so. The seal
//! stays in the ledger, with the root, the count and the digest of what is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;

use domain::Record;
use domain::serving::SegmentFile;

use super::RecordLog;
use super::delta::{Remove, TableKind};
use super::error::RecordError;
use super::segment::{SEGMENT_DAY, day_of};
use super::state::lock;

impl<R: Record> RecordLog<R> {
    /// The days, `yyyy-mm-dd`, under which there is a file of records, apart from those that are `known`.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn core_days(&self, known: &BTreeSet<String>) -> Result<BTreeSet<String>, RecordError> {
        let (dir, vfs) = (self.sealer.tables.join(R::TABLE), &*self.sealer.vfs);
        let mut days = BTreeSet::new();
        if !vfs.exists(&dir).map_err(RecordError::io("look for", &dir))? {
            return Ok(days);
        }
        for entry in vfs.list(&dir).map_err(RecordError::io("list", &dir))? {
            let day = entry.name.strip_prefix(SEGMENT_DAY).and_then(|rest| rest.strip_prefix('='));
            let Some(day) = day.filter(|day| entry.is_dir && !known.contains(*day)) else { continue };
            let dir = dir.join(&entry.name);
            let files = vfs.list(&dir).map_err(RecordError::io("list", &dir))?;
            if files.iter().any(|file| file.name.ends_with(".core.parquet")) {
                days.insert(day.to_owned());
            }
        }
        Ok(days)
    }

    /// Whether a segment's file of records is there.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn has_core(&self, core: &SegmentFile) -> Result<bool, RecordError> {
        let path = self.core_path(core)?;
        self.sealer.vfs.exists(&path).map_err(RecordError::io("look for", &path))
    }

    /// Takes a segment's file of records away, if it is there: the table's log is told, then the file goes. Repeatable.
    /// Blocks.
    ///
    /// # Errors
    /// [`RecordError::Busy`] while a seal is not confirmed; or what failed: everything can be done again.
    pub fn remove_core(&self, core: &SegmentFile, now_ms: i64) -> Result<(), RecordError> {
        let (path, vfs) = (self.core_path(core)?, &*self.sealer.vfs);
        if !vfs.exists(&path).map_err(RecordError::io("look for", &path))? {
            return Ok(());
        }
        let below = core.path.split_once('/').map_or("", |(_, below)| below);
        let removed = Remove { path: below, day: day_of(&core.path).unwrap_or_default(), len: core.len, now_ms };
        {
            let mut tables = self.lock_sealing();
            // A seal that is repeated looks for its own commit as the newest.
            if lock(&self.state).sealed.is_some() {
                return Err(RecordError::Busy);
            }
            let mut opened = match tables.take() {
                Some(tables) => tables,
                None => self.sealer.tables()?,
            };
            opened.cores().replace(&removed, None)?;
            *tables = Some(opened);
        }
        vfs.remove(&path).map_err(RecordError::io("remove", &path))?;
        let dir = crate::vfs::parent(&path);
        vfs.sync_dir(dir).map_err(RecordError::io("sync", dir))
    }

    /// Where a file of records is. The ledger names it; whatever it says, nothing outside the table is meant.
    fn core_path(&self, core: &SegmentFile) -> Result<PathBuf, RecordError> {
        let table = TableKind::cores::<R>().name();
        let parts: Vec<&str> = core.path.split('/').collect();
        let ours = matches!(parts[..], [first, day, file] if first == table
            && day.starts_with(SEGMENT_DAY) && file.ends_with(".core.parquet"));
        match ours {
            true => Ok(self.sealer.tables.join(&core.path)),
            false => {
                let what = format!("`{}` is no file of records in table `{table}`", core.path);
                Err(RecordError::Inconsistent { what })
            }
        }
    }
}
