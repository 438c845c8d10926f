//! Sealed payloads on disk: whose they are, and taking out what may no longer be kept.
//!
//! One file is written anew at a time, and sealing goes on meanwhile. The ledger is told before the old file is gone, so
//! that nothing is missing without an entry that says so; the first thing that each pass does is to finish what a crash
//! cut off. What the write-ahead log holds of a record is written over as the log goes round: until then its ciphertext
//! is there, and the keys are what protects it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::Command;
use ledger::records::segment::PayloadOwner;
use ledger::records::{Compaction, PayloadFile, RecordError};
use vault::SubjectRef;

use crate::{Engine, ExecuteError};

/// What was taken out of the payload files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedRows {
    /// How many segments had rows of it.
    pub segments: u64,
    /// How many rows there were.
    pub rows: u64,
}

/// What rows are taken out.
#[derive(Clone, Debug)]
pub(crate) enum Doomed {
    /// All of these subjects, because of this.
    Subjects(BTreeSet<[u8; 16]>, String),
    /// All of these days, by class; each with the disposal because of which it goes.
    Days(BTreeMap<String, BTreeMap<String, String>>),
}

impl Doomed {
    /// Why a row is taken out, if it is.
    fn cause(&self, owner: &PayloadOwner) -> Option<&String> {
        match self {
            Self::Subjects(subjects, cause) => subjects.contains(&owner.subject_ref).then_some(cause),
            Self::Days(classes) => classes.get(&owner.classification)?.get(&owner.day),
        }
    }
}

/// What the payload files hold of a class and day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub files: u64,
    pub rows: u64,
    /// About: the files' bytes, shared out by rows.
    pub bytes: u64,
}

/// A class and a day.
pub(crate) type ClassDay = (String, String);

pub(crate) fn failed(error: &RecordError) -> ExecuteError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    ExecuteError::Unavailable(text)
}

impl Engine {
    /// Takes the payloads of a subject out of every payload file: what is not sealed is sealed first. `because` is why,
    /// `request/ID` or `disposal/ID`. Done again after an error or a crash, it goes on where it was.
    ///
    /// # Errors
    /// When a file or the ledger cannot be written or read; what was done stays done.
    pub async fn drop_payload_rows(
        self: &Arc<Self>,
        subject: &SubjectRef,
        because: &str,
    ) -> Result<DroppedRows, ExecuteError> {
        self.drop_rows_of(&[*subject].into(), because).await
    }

    /// The same of several subjects, in one pass over the files.
    pub(crate) async fn drop_rows_of(
        self: &Arc<Self>,
        subjects: &BTreeSet<SubjectRef>,
        because: &str,
    ) -> Result<DroppedRows, ExecuteError> {
        self.seal(true).await?;
        let subjects = subjects.iter().map(|subject| subject.0).collect();
        self.drop_rows("", Doomed::Subjects(subjects, because.to_owned())).await
    }

    /// Takes rows out of the payload files that are stored under `from` or a later day.
    pub(crate) async fn drop_rows(self: &Arc<Self>, from: &str, doomed: Doomed) -> Result<DroppedRows, ExecuteError> {
        let _one = self.compacting.lock().await;
        self.mend_payloads().await?;
        let mut dropped = DroppedRows::default();
        for file in self.sealed_payloads(from).await? {
            let doomed = doomed.clone();
            let compacted = self.blocking(move |engine| engine.compact_one(&file, &doomed)).await?;
            let Some(compaction) = compacted.map_err(|e| failed(&e))? else { continue };
            self.execute(self.system(), Command::CompactPayload(compaction.event.clone())).await?;
            dropped.segments += 1;
            dropped.rows += compaction.event.rows_removed;
            self.replace_payload(compaction).await?;
        }
        Ok(dropped)
    }

    /// Finishes what a crash cut off. Held by whoever compacts.
    async fn mend_payloads(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let last = self.read(|state| state.compacted.clone());
        let sealing = self.sealer.lock().await;
        let mended = self.blocking(move |engine| engine.records.mend_payloads(last.as_ref(), Self::now_ms())).await?;
        drop(sealing);
        mended.map_err(|e| failed(&e))
    }

    async fn replace_payload(self: &Arc<Self>, compaction: Compaction) -> Result<(), ExecuteError> {
        // No seal lies between its commit and its confirmation meanwhile.
        let sealing = self.sealer.lock().await;
        let replaced = self.blocking(move |engine| engine.records.replace_payload(&compaction, Self::now_ms())).await?;
        drop(sealing);
        replaced.map_err(|e| failed(&e))
    }

    fn compact_one(&self, file: &PayloadFile, doomed: &Doomed) -> Result<Option<Compaction>, RecordError> {
        let owners = self.records.payload_owners(file)?;
        let because: BTreeSet<&String> = owners.iter().filter_map(|owner| doomed.cause(owner)).collect();
        match because.is_empty() {
            true => Ok(None),
            false => {
                let takes = |owner: &PayloadOwner| doomed.cause(owner).is_some();
                self.records.compact_payload(file, &takes, because.into_iter().cloned().collect())
            }
        }
    }

    /// The payload files of segments that the ledger holds, stored under `from` or a later day.
    async fn sealed_payloads(self: &Arc<Self>, from: &str) -> Result<Vec<PayloadFile>, ExecuteError> {
        let from = from.to_owned();
        let files = self.blocking(move |engine| engine.records.payload_files(&from)).await?.map_err(|e| failed(&e))?;
        let (newest, last) = self.read(|state| {
            let node = state.nodes.get(self.node());
            let last = node.and_then(|node| node.last_segment.as_ref()).map(|segment| segment.number);
            (node.map_or(0, |node| node.incarnation), last)
        });
        let sealed = |file: &PayloadFile| file.incarnation < newest || last.is_some_and(|last| file.number <= last);
        Ok(files.into_iter().filter(sealed).collect())
    }

    /// What the payload files stored under `from` or a later day hold, by class and day, and of which subjects out of
    /// `subjects` there is something in it.
    pub(crate) async fn payloads_by_day(
        self: &Arc<Self>,
        from: &str,
        subjects: BTreeSet<[u8; 16]>,
    ) -> Result<BTreeMap<ClassDay, (Held, BTreeSet<[u8; 16]>)>, ExecuteError> {
        let files = self.sealed_payloads(from).await?;
        let read = self.blocking(move |engine| {
            let mut days: BTreeMap<ClassDay, (Held, BTreeSet<[u8; 16]>)> = BTreeMap::new();
            for file in files {
                let (owners, len) = (engine.records.payload_owners(&file)?, engine.records.payload_len(&file)?);
                let all = owners.len() as u64;
                let mut rows: BTreeMap<ClassDay, u64> = BTreeMap::new();
                for owner in owners {
                    let key = (owner.classification, owner.day);
                    if subjects.contains(&owner.subject_ref) {
                        days.entry(key.clone()).or_default().1.insert(owner.subject_ref);
                    }
                    *rows.entry(key).or_default() += 1;
                }
                for (key, n) in rows {
                    let held = &mut days.entry(key).or_default().0;
                    held.files += 1;
                    held.rows += n;
                    held.bytes += len.saturating_mul(n) / all.max(1);
                }
            }
            Ok(days)
        });
        read.await?.map_err(|e: RecordError| failed(&e))
    }
}
