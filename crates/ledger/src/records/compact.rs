//! Payload files without some of their rows: ciphertext that nobody may keep is removed, not only made unreadable.
//!
//! A file is never changed. Another one is written beside it, under the next name, and takes its place: the caller says
//! so in the ledger, then here the table's log is told, and the old file goes. Names tell the order, so whatever a crash
//! leaves is found again: two files of one segment, of which the ledger names the newer, or does not. Cores are untouched,
//! and so is all that is proven.

use std::path::PathBuf;

use domain::Record;
use domain::keys::retention::PayloadCompacted;
use domain::serving::SegmentFile;
use merkle::hex;
use sha2::{Digest, Sha256};

use super::RecordLog;
use super::delta::{Remove, Replacement, TableKind, publish};
use super::error::RecordError;
use super::segment::write::write_payloads;
use super::segment::{PayloadOwner, Place, SEGMENT_DAY, SegmentError, read_owners, read_payloads_bytes};
use super::state::lock;
use crate::vfs::read_file;

/// Largest payload file that is read: more than a segment can have.
const MAX_FILE_BYTES: u64 = 1 << 30;

const SUFFIX: &str = ".payload.parquet";

/// A payload file of a segment of this node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadFile {
    /// The incarnation that wrote it.
    pub incarnation: u64,
    /// The segment's number.
    pub number: u64,
    /// How often it was written anew.
    pub generation: u64,
    /// The day that it is stored under, `yyyy-mm-dd`.
    pub day: String,
    /// The first digits of the segment's root.
    root: String,
}

/// A file that was written without some rows, and has not taken the old one's place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// What to say in the ledger.
    pub event: PayloadCompacted,
    file: PayloadFile,
    n: u64,
    range: (i64, i64),
}

impl PayloadFile {
    fn parse(name: &str, node: &str, day: &str) -> Option<Self> {
        let rest = name.strip_suffix(SUFFIX)?.strip_prefix(node)?.strip_prefix('-')?;
        let mut parts = rest.split('-');
        let (incarnation, number, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let (root, generation) = match last.split_once('.') {
            Some((root, generation)) => (root, generation.parse().ok()?),
            None => (last, 0),
        };
        let (day, root) = (day.to_owned(), root.to_owned());
        parts.next().is_none().then_some(Self { incarnation, number, generation, day, root })
    }

    /// Path below the table's directory.
    fn path(&self, node: &str) -> String {
        let Self { incarnation, number, generation, day, root } = self;
        let again = if *generation == 0 { String::new() } else { format!(".{generation}") };
        format!("{SEGMENT_DAY}={day}/{node}-{incarnation}-{number}-{root}{again}{SUFFIX}")
    }
}

impl<R: Record> RecordLog<R> {
    /// The payload files of this node on disk, stored under `from` (`yyyy-mm-dd`) or a later day, in their order. Those of
    /// segments that are not confirmed as sealed may be among them.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn payload_files(&self, from: &str) -> Result<Vec<PayloadFile>, RecordError> {
        let Some(table) = TableKind::payloads::<R>() else { return Ok(Vec::new()) };
        let (dir, vfs) = (self.sealer.tables.join(table.name()), &*self.sealer.vfs);
        let mut files = Vec::new();
        if !vfs.exists(&dir).map_err(RecordError::io("look for", &dir))? {
            return Ok(files);
        }
        for entry in vfs.list(&dir).map_err(RecordError::io("list", &dir))? {
            let day = entry.name.strip_prefix(SEGMENT_DAY).and_then(|rest| rest.strip_prefix('='));
            let Some(day) = day.filter(|day| entry.is_dir && *day >= from) else { continue };
            let dir = dir.join(&entry.name);
            let names = vfs.list(&dir).map_err(RecordError::io("list", &dir))?;
            files.extend(names.iter().filter_map(|file| PayloadFile::parse(&file.name, &self.options.node, day)));
        }
        files.sort();
        Ok(files)
    }

    /// Whose payloads a file holds, row by row. Reads no ciphertext.
    ///
    /// # Errors
    /// [`RecordError::Segment`] when it cannot be read.
    pub fn payload_owners(&self, file: &PayloadFile) -> Result<Vec<PayloadOwner>, RecordError> {
        read_owners(&self.payload_path(file)).map_err(|source| RecordError::Segment { number: file.number, source })
    }

    /// The length of a payload file in bytes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn payload_len(&self, file: &PayloadFile) -> Result<u64, RecordError> {
        let path = self.payload_path(file);
        let opened = self.sealer.vfs.open(&path, crate::vfs::Access::Read).map_err(RecordError::io("open", &path))?;
        opened.size().map_err(RecordError::io("read", &path))
    }

    /// Where a payload file is, below the directory of records.
    pub fn payload_name(&self, file: &PayloadFile) -> String {
        let table = TableKind::payloads::<R>().map_or("", TableKind::name);
        format!("{table}/{}", file.path(&self.options.node))
    }

    /// Writes a file anew without the rows that `drop` names, durably, under the next name; `None` when it has no such row.
    /// `because` is why, for the ledger. Nothing else changes until that holds the event and [`Self::replace_payload`] is
    /// called. Blocks.
    ///
    /// # Errors
    /// What failed; the old file is as it was.
    pub fn compact_payload(
        &self,
        file: &PayloadFile,
        drop: &dyn Fn(&PayloadOwner) -> bool,
        because: Vec<String>,
    ) -> Result<Option<Compaction>, RecordError> {
        let path = self.payload_path(file);
        let read = read_file(&*self.sealer.vfs, &path, MAX_FILE_BYTES).map_err(RecordError::io("read", &path))?;
        let Some(bytes) = read else { return Ok(None) };
        let failed = |source: SegmentError| RecordError::Segment { number: file.number, source };
        let (len, sha256) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
        let mut rows = read_payloads_bytes(bytes, |_| true).map_err(failed)?;
        let before = rows.len();
        rows.retain(|row| {
            let (classification, day) = (row.classification.clone(), row.day.clone());
            !drop(&PayloadOwner { classification, day, subject_ref: row.subject_ref })
        });
        let rows_removed = (before - rows.len()) as u64;
        if rows_removed == 0 {
            return Ok(None);
        }
        let next = PayloadFile { generation: file.generation + 1, ..file.clone() };
        let new = if rows.is_empty() { None } else { Some(self.write_next(&next, &rows)?) };
        let mut leaves: Vec<_> = rows.iter().map(|row| (row.node_seq, merkle::leaf_hash(&row.ct))).collect();
        leaves.sort_unstable();
        let leaves: Vec<_> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
        let left = new.is_some().then(|| hex(&merkle::root_of(&leaves)));
        let numbers = || rows.iter().map(|row| row.node_seq);
        let range = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
        let event = PayloadCompacted {
            node: self.options.node.clone(),
            incarnation: file.incarnation,
            number: file.number,
            old: SegmentFile { path: self.payload_name(file), sha256, len },
            new,
            rows_removed,
            left,
            because,
        };
        Ok(Some(Compaction { event, file: file.clone(), n: rows.len() as u64, range }))
    }

    fn write_next(&self, next: &PayloadFile, rows: &[super::segment::PayloadRow]) -> Result<SegmentFile, RecordError> {
        let vfs = &*self.sealer.vfs;
        let staged = self.sealer.staging().join("compacted.parquet");
        let created = vfs.create(&staged).map_err(RecordError::io("create", &staged))?;
        let whose = (self.options.node.as_str(), i64::try_from(next.incarnation).unwrap_or(i64::MAX));
        let place = Place { segment: next.number, day: &next.day };
        let written = write_payloads(created, rows, whose, place);
        let finished = written.map_err(RecordError::segment(next.number, &self.sealer.dir))?;
        publish(vfs, &staged, &self.payload_path(next))?;
        Ok(SegmentFile { path: self.payload_name(next), sha256: hex(&finished.sha256), len: finished.len })
    }

    /// Puts the new file in the old one's place, once the ledger says so: the table's log, then the old file goes.
    /// Repeatable. Blocks.
    ///
    /// # Errors
    /// [`RecordError::Busy`] while a seal is not confirmed; or what failed: everything can be done again.
    pub fn replace_payload(&self, compaction: &Compaction, now_ms: i64) -> Result<(), RecordError> {
        let Compaction { event, file, n, range } = compaction;
        let node = &self.options.node;
        let (old, next) = (file.path(node), PayloadFile { generation: file.generation + 1, ..file.clone() }.path(node));
        let removed = Remove { path: &old, day: &file.day, len: event.old.len, now_ms };
        let added = event.new.as_ref().map(|new| Replacement { path: &next, len: new.len, n: *n, range: *range });
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
            if let Some(table) = opened.payloads() {
                table.replace(&removed, added.as_ref())?;
            }
            *tables = Some(opened);
        }
        self.remove_payload(file)
    }

    /// Goes on with what a crash cut off: `last` is the compaction that the ledger told last. A newer file that the ledger
    /// does not name goes; an older one that it names as replaced goes, after the table's log was told. Blocks.
    ///
    /// # Errors
    /// As [`Self::replace_payload`].
    pub fn mend_payloads(&self, last: Option<&PayloadCompacted>, now_ms: i64) -> Result<(), RecordError> {
        let files = self.payload_files("")?;
        for (at, file) in files.iter().enumerate() {
            let newer =
                files.get(at + 1).filter(|next| (next.incarnation, next.number) == (file.incarnation, file.number));
            let told = last.filter(|last| last.node == self.options.node && last.old.path == self.payload_name(file));
            match (told, newer) {
                (Some(event), newer) if newer.is_some() == event.new.is_some() => {
                    let owners = match newer {
                        Some(newer) => self.numbers(newer)?,
                        None => Vec::new(),
                    };
                    let range = (owners.iter().min().copied().unwrap_or(0), owners.iter().max().copied().unwrap_or(0));
                    let n = owners.len() as u64;
                    let compaction = Compaction { event: event.clone(), file: file.clone(), n, range };
                    self.replace_payload(&compaction, now_ms)?;
                }
                (_, Some(newer)) => self.remove_payload(newer)?,
                (_, None) => {}
            }
        }
        Ok(())
    }

    fn numbers(&self, file: &PayloadFile) -> Result<Vec<i64>, RecordError> {
        let rows = super::segment::read_payloads(&self.payload_path(file), |_| true);
        let rows = rows.map_err(|source| RecordError::Segment { number: file.number, source })?;
        Ok(rows.into_iter().map(|row| row.node_seq).collect())
    }

    fn remove_payload(&self, file: &PayloadFile) -> Result<(), RecordError> {
        let (path, vfs) = (self.payload_path(file), &*self.sealer.vfs);
        if vfs.exists(&path).map_err(RecordError::io("look for", &path))? {
            vfs.remove(&path).map_err(RecordError::io("remove", &path))?;
        }
        let dir = crate::vfs::parent(&path);
        vfs.sync_dir(dir).map_err(RecordError::io("sync", dir))
    }

    fn payload_path(&self, file: &PayloadFile) -> PathBuf {
        self.sealer.tables.join(self.payload_name(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_names_of_files_when_read_then_they_are_those_that_are_written() {
        for (name, generation) in [
            ("my-node.2-3-14-0123456789abcdef.payload.parquet", 0),
            ("my-node.2-3-14-0123456789abcdef.12.payload.parquet", 12),
        ] {
            let file = PayloadFile::parse(name, "my-node.2", "2026-11-28").expect("a name of ours");
            assert_eq!((file.incarnation, file.number, file.generation), (3, 14, generation));
            assert_eq!(file.path("my-node.2"), format!("segment_day=2026-11-28/{name}"));
        }
        for other in
            ["my-node-3-14-ab.payload.parquet", "my-node.2-3-14-ab.core.parquet", "my-node.2-3-14-ab.x.payload.parquet"]
        {
            assert_eq!(PayloadFile::parse(other, "my-node.2", "2026-11-28"), None, "{other}");
        }
    }
}
