//! Forgetting one person in data sets, and finding what is held of them there.
//!
//! To forget somebody, a version is written anew without their rows into another object, an event says so, and the object
//! before is destroyed.

use std::io;
use std::sync::Arc;

use domain::Command;
use domain::data::{Form, RewriteVersion, StoredObject, SubjectColumn, Version};
use vault::SubjectRef;

use super::columnar::stashed;
use super::rows::{RowError, Rows};
use super::{HOLDER, Unwritten, holder, unavailable};
use crate::artifacts::now;
use crate::{Engine, ExecuteError};

/// The most bytes of rows about somebody that are given out at once.
const MAX_HELD_BYTES: usize = 64 << 20;

/// A version that was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewrittenVersion {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// How many rows it has no more.
    pub rows_removed: u64,
    /// The object that it was in.
    pub old: String,
    /// The object that it is in.
    pub object: String,
}

/// The rows of a version that are about somebody, as they are written in it; of Parquet and Arrow each as a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRows {
    /// Of which data set.
    pub dataset: String,
    /// Of which version.
    pub version: String,
    /// The row that names the columns, of comma-separated ones.
    pub header: Option<String>,
    /// The rows.
    pub rows: Vec<String>,
    /// How many more there are, which were too many for one answer.
    pub left_out: u64,
}

impl HeldRows {
    /// Takes one in, as long as there is room.
    fn takes(&mut self, row: String, room: &mut usize) {
        match room.checked_sub(row.len()) {
            Some(left) => {
                *room = left;
                self.rows.push(row);
            }
            None => self.left_out += 1,
        }
    }
}

impl Engine {
    /// The versions of data sets, as (data set, version), that hold rows about `subject`. None once it is destroyed.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store cannot be read.
    pub fn datasets_of(&self, subject: &SubjectRef) -> Result<Vec<(String, String)>, ExecuteError> {
        let holders = self.vault.holders(subject).map_err(unavailable)?;
        let named = holders.iter().filter_map(|holder| holder.strip_prefix(HOLDER)?.split_once('/'));
        let known =
            |(dataset, version): &(&str, &str)| self.read(|state| state.dataset_version(dataset, version).is_some());
        Ok(named.filter(known).map(|(dataset, version)| (dataset.to_owned(), version.to_owned())).collect())
    }

    /// Writes each version with rows about `subject` anew without them, destroys what it was in, and returns those that
    /// were changed. To be called before the subject is destroyed, since nobody knows afterwards which rows those are.
    ///
    /// # Errors
    /// When something cannot be read or written; what was done stays done, and another call goes on from there.
    pub async fn drop_dataset_rows(
        self: &Arc<Self>,
        subject: &SubjectRef,
    ) -> Result<Vec<RewrittenVersion>, ExecuteError> {
        let _turn = self.transfers.rewrites.lock().await;
        let mut rewritten = Vec::new();
        for (dataset, version) in self.datasets_of(subject)? {
            rewritten.extend(self.rewrite_without(subject, &dataset, &version).await?);
            let (holder, subject) = (holder(&dataset, &version), *subject);
            self.blocking(move |engine| engine.vault.release(&holder, Some(&subject))).await?.map_err(unavailable)?;
        }
        self.finish_objects().await?;
        Ok(rewritten)
    }

    /// The rows about `subject` in every version that says whom its rows are about, up to 64 MiB of them. Who may see them
    /// is for the caller to ask. Blocks, and reads those versions to their end.
    pub(crate) fn rows_about(&self, subject: &SubjectRef) -> Result<Vec<HeldRows>, ExecuteError> {
        let mut held = Vec::new();
        let mut room = MAX_HELD_BYTES;
        for (dataset, version) in self.datasets_of(subject)? {
            let known = self.read(|state| state.dataset_version(&dataset, &version).cloned());
            let Some(Version { stored, subjects: Some(column), .. }) = known else { continue };
            let mut found = HeldRows { dataset, version, header: None, rows: Vec::new(), left_out: 0 };
            self.read_about(subject, (&stored, &column), &mut found, &mut room).map_err(|why| match why {
                Unwritten::Rows(RowError::Malformed(why)) => ExecuteError::Internal(format!(
                    "version `{}` of data set `{}` is not as it was stored: {why}",
                    found.version, found.dataset
                )),
                other => other.into(),
            })?;
            held.push(found);
        }
        Ok(held)
    }

    fn read_about(
        &self,
        subject: &SubjectRef,
        (stored, column): (&StoredObject, &SubjectColumn),
        found: &mut HeldRows,
        room: &mut usize,
    ) -> Result<(), Unwritten> {
        if !column.form.is_text() {
            return self.read_columns_about(subject, (stored, column), found, room);
        }
        let mut rows = Rows::new(self.open_stored(stored)?, column);
        let (mut row, mut first) = (Vec::new(), column.form == Form::Csv);
        while let Some((line, identifier)) = rows.next(&mut row)? {
            let text = || String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned();
            if std::mem::take(&mut first) {
                found.header = Some(text());
            } else if self.is_about(subject, &column.scope, identifier.as_deref())? {
                found.takes(text(), room);
            }
        }
        Ok(())
    }

    fn read_columns_about(
        &self,
        subject: &SubjectRef,
        (stored, column): (&StoredObject, &SubjectColumn),
        found: &mut HeldRows,
        room: &mut usize,
    ) -> Result<(), Unwritten> {
        let (columnar, pieces) = (self.columnar()?, Arc::new(self.stored_pieces(stored)?));
        stashed(|failed| {
            let mut theirs = |named: &str| self.is_about(subject, &column.scope, Some(named)).map_err(&mut *failed);
            columnar.rows_of(pieces, column, &mut theirs, &mut |row| {
                found.takes(row, room);
                Ok(())
            })
        })
    }

    async fn rewrite_without(
        self: &Arc<Self>,
        subject: &SubjectRef,
        dataset: &str,
        version: &str,
    ) -> Result<Option<RewrittenVersion>, ExecuteError> {
        let known = self.read(|state| state.dataset_version(dataset, version).cloned());
        let Some(Version { stored: old, subjects: Some(column), .. }) = known else { return Ok(None) };
        let (subject, before) = (*subject, old.clone());
        let written = self.blocking(move |engine| engine.write_without(&subject, &before, &column)).await?;
        let (stored, rows_removed) = written.map_err(ExecuteError::from)?;
        if rows_removed == 0 {
            // It was done before, or rows about them never came in.
            self.blocking(move |engine| engine.scrap_object(&stored.class, &stored.object)).await??;
            return Ok(None);
        }
        self.transfers.waits(&stored, None);
        let (old, object) = (old.object, stored.object.clone());
        let report = RewriteVersion {
            dataset: dataset.to_owned(),
            version: version.to_owned(),
            rows_removed,
            old: old.clone(),
            object: object.clone(),
        };
        let done = self.execute(self.system(), Command::RewriteVersion(report)).await;
        self.transfers.settled(&stored);
        self.unless_decided(&done, &stored).await;
        done?;
        let (dataset, version) = (dataset.to_owned(), version.to_owned());
        Ok(Some(RewrittenVersion { dataset, version, rows_removed, old, object }))
    }

    fn write_without(
        &self,
        subject: &SubjectRef,
        old: &StoredObject,
        column: &SubjectColumn,
    ) -> Result<(StoredObject, u64), Unwritten> {
        let (mut removed, mut left) = (0, None);
        let stored = self.write_object(&old.class, |to| {
            if !column.form.is_text() {
                let (gone, stay) = self.write_columns_without(subject, (old, column), to)?;
                (removed, left) = (gone, Some(stay));
                return Ok(());
            }
            let mut rows = Rows::new(self.open_stored(old)?, column);
            let mut row = Vec::new();
            while let Some((line, identifier)) = rows.next(&mut row)? {
                if self.is_about(subject, &column.scope, identifier.as_deref())? {
                    removed += 1;
                } else {
                    to.write_all(line)?;
                }
            }
            Ok::<(), Unwritten>(())
        })?;
        // The object before is destroyed once this one is told of: it must have all the others' rows.
        let whole = left.filter(|_| removed > 0).map_or(Ok(()), |left| self.has_rows(&stored, column, left));
        match whole {
            Ok(()) => Ok((stored, removed)),
            Err(why) => {
                // What cannot be removed is by the next start.
                let _ = self.scrap_object(&stored.class, &stored.object);
                Err(why)
            }
        }
    }

    /// Reads back what was written of a version of columns.
    fn has_rows(&self, stored: &StoredObject, column: &SubjectColumn, expected: u64) -> Result<(), Unwritten> {
        let pieces = Arc::new(self.stored_pieces(stored)?);
        let why = match self.columnar()?.rows(pieces, column) {
            Ok(rows) if rows == expected => return Ok(()),
            Ok(rows) => format!("it has {rows} rows, and {expected} are left"),
            Err(RowError::Malformed(why)) => why,
            Err(error @ RowError::Io(_)) => return Err(error.into()),
        };
        let message = format!("the version without somebody's rows cannot be read back ({why}), so it stays as it was");
        Err(RowError::Malformed(message).into())
    }

    fn write_columns_without(
        &self,
        subject: &SubjectRef,
        (old, column): (&StoredObject, &SubjectColumn),
        to: &mut dyn io::Write,
    ) -> Result<(u64, u64), Unwritten> {
        let (columnar, pieces) = (self.columnar()?, Arc::new(self.stored_pieces(old)?));
        stashed(|failed| {
            let mut theirs = |named: &str| self.is_about(subject, &column.scope, Some(named)).map_err(&mut *failed);
            columnar.without(pieces, column, &mut theirs, to)
        })
    }

    fn is_about(&self, subject: &SubjectRef, scope: &str, identifier: Option<&str>) -> Result<bool, Unwritten> {
        let Some(identifier) = identifier.filter(|identifier| !identifier.trim().is_empty()) else { return Ok(false) };
        let known = self.vault.known_subject(scope, identifier, now()).map_err(Unwritten::Vault)?;
        Ok(known == Some(*subject))
    }
}
