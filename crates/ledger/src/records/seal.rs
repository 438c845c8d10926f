//! Sealing a closed segment: its files (a second one for a kind with payloads) and their entries in the tables, all of
//! it durable and repeatable.
//!
//! Payloads are read back from the write-ahead log, and every record must hash to the leaf that was acknowledged. The
//! order is: the files under other names, their names, then the entries. Whatever a crash leaves of that, the next
//! attempt goes on from it: files that no entry names are written again, files that one names are taken as they are.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Record;
use domain::serving::{SegmentFile, SegmentSealed};
use merkle::{Hash, hex, leaf_hash};
use sha2::{Digest, Sha256};

use super::delta::{Add, Table, TableKind, publish};
use super::error::RecordError;
use super::frame::Frame;
use super::replay::read_batches;
use super::segment::Place;
use super::segment::write::{Finished, Sealing, SegmentWriter};
use super::state::Segment;
use crate::vfs::{Access, Vfs, VfsFile};
use crate::wal::KIND_RECORD;

const HOUR_US: i64 = 3_600_000_000;
const HOUR_MS: i64 = 3_600_000;
const READ_BYTES: usize = 1 << 20;

/// Where things are.
pub(super) struct Sealer<R> {
    pub _kind: PhantomData<fn() -> R>,
    pub vfs: Arc<dyn Vfs>,
    pub dir: PathBuf,
    pub tables: PathBuf,
    pub log_id: String,
    pub node: String,
}

/// The tables that segments are added to.
pub(super) struct Tables {
    cores: Table,
    payloads: Option<Table>,
}

impl Tables {
    /// That of the records.
    pub fn cores(&mut self) -> &mut Table {
        &mut self.cores
    }

    /// That of the payloads; `None` for a kind without.
    pub fn payloads(&mut self) -> Option<&mut Table> {
        self.payloads.as_mut()
    }
}

/// A file of a segment, as it is named.
struct Named {
    /// Path below the table's directory, with forward slashes.
    path: String,
    target: PathBuf,
    staged: PathBuf,
    /// Whether the table has it already.
    committed: bool,
}

impl<R: Record> Sealer<R> {
    /// The directory of the write-ahead log.
    pub fn wal_dir(&self) -> PathBuf {
        self.dir.join("wal")
    }

    /// Where files are written before they get their names.
    pub fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    /// Opens the tables, as they are after whatever happened before.
    pub fn tables(&self) -> Result<Tables, RecordError> {
        let open = |kind| Table::open(self.vfs.clone(), &self.tables, &self.staging(), kind, &self.log_id);
        let payloads = TableKind::payloads::<R>().map(open).transpose()?;
        Ok(Tables { cores: open(TableKind::cores::<R>())?, payloads })
    }

    /// Writes the segment's files and table entries. After an error the tables must be opened again.
    pub fn seal(
        &self,
        tables: &mut Tables,
        segment: &Segment,
        prev: Option<Hash>,
    ) -> Result<SegmentSealed, RecordError> {
        let root = hex(&segment.root());
        let (t0, t1) = range(segment);
        let day = day(t1);
        let core = self.named(&tables.cores, segment, &root, &day)?;
        let payload = tables.payloads.as_ref().map(|table| self.named(table, segment, &root, &day)).transpose()?;
        let place = Place { segment: segment.number, day: &day };
        let (core_file, payload_file) = self.files(segment, place, &core, payload.as_ref())?;
        let mut add = Add {
            path: &core.path,
            day: &day,
            len: core_file.len,
            node: &self.node,
            incarnation: segment.incarnation,
            segment: segment.number,
            root: &root,
            first: segment.first,
            n: segment.len(),
            times: (t0, t1),
        };
        if !core.committed {
            tables.cores.add(&add)?;
        }
        let mut described_payload = None;
        if let (Some(table), Some(named), Some(file)) = (&mut tables.payloads, &payload, &payload_file) {
            if !named.committed {
                (add.path, add.len) = (&named.path, file.len);
                table.add(&add)?;
            }
            described_payload = Some(described(table, named, file));
        }
        Ok(SegmentSealed {
            node: self.node.clone(),
            incarnation: segment.incarnation,
            number: segment.number,
            first: segment.first,
            n: segment.len(),
            root: root.clone(),
            prev: prev.map(|root| hex(&root)),
            t0,
            t1,
            hours: hours(segment),
            core: described(&tables.cores, &core, &core_file),
            payload: described_payload,
        })
    }

    /// The segment's files under their names: those that an entry names already are taken as they are.
    fn files(
        &self,
        segment: &Segment,
        place: Place<'_>,
        core: &Named,
        payload: Option<&Named>,
    ) -> Result<(Finished, Option<Finished>), RecordError> {
        if core.committed && payload.is_none_or(|payload| payload.committed) {
            return Ok((self.existing(core)?, payload.map(|payload| self.existing(payload)).transpose()?));
        }
        let written = self.write(segment, place, core, payload).inspect_err(|_| {
            // A half-written file only takes room; if it cannot be removed, the next attempt overwrites it.
            for named in [Some(core), payload].into_iter().flatten() {
                let _ = self.vfs.remove(&named.staged);
            }
        })?;
        let core_file = if core.committed { self.existing(core)? } else { self.place(core, written.0)? };
        let payload_file = match (payload, written.1) {
            (Some(named), Some(file)) => Some(self.place(named, file)?),
            _ => None,
        };
        Ok((core_file, payload_file))
    }

    fn named(&self, table: &Table, segment: &Segment, root: &str, day: &str) -> Result<Named, RecordError> {
        let suffix = table.kind().suffix();
        let Segment { incarnation, number, .. } = segment;
        let name = format!("{}-{incarnation}-{number}-{}.{suffix}.parquet", self.node, &root[..16]);
        let path = format!("{}={day}/{name}", super::segment::SEGMENT_DAY);
        let target = self.tables.join(table.kind().name()).join(&path);
        let dir = crate::vfs::parent(&target);
        self.vfs.create_dir_all(dir).map_err(RecordError::io("create", dir))?;
        let committed = table.has(&path);
        Ok(Named { path, target, staged: self.staging().join(format!("{suffix}.parquet")), committed })
    }

    /// The files, complete and synced, under their staging names.
    fn write(
        &self,
        segment: &Segment,
        place: Place<'_>,
        core: &Named,
        payload: Option<&Named>,
    ) -> Result<(Finished, Option<Finished>), RecordError> {
        let create = |path: &Path| self.vfs.create(path).map_err(RecordError::io("create", path));
        let failed = RecordError::segment(segment.number, &self.dir);
        let payload = payload.map(|payload| create(&payload.staged)).transpose()?;
        let mut writer = SegmentWriter::<R>::new(place, create(&core.staged)?, payload).map_err(&failed)?;
        let mut leaves = segment.kept.iter().map(|kept| kept.leaf);
        let Some(batches) = segment.batches else {
            return Err(RecordError::Inconsistent { what: format!("segment {} is empty", segment.number) });
        };
        read_batches(&*self.vfs, &self.wal_dir(), batches, |batch| {
            for (_, bytes) in batch.frames().filter(|(kind, _)| *kind == KIND_RECORD) {
                let frame = Frame::decode(bytes).ok_or_else(|| changed(segment))?;
                if (frame.incarnation, frame.segment) != (segment.incarnation, segment.number) {
                    continue;
                }
                let leaf = leaf_hash(frame.core);
                if leaves.next() != Some(leaf) {
                    return Err(changed(segment));
                }
                let core = R::decode(frame.core).map_err(|_| changed(segment))?;
                let record = Sealing { core, leaf, subject_ref: frame.subject_ref, ct: frame.ct.to_vec() };
                writer.push(record).map_err(&failed)?;
            }
            Ok(())
        })?;
        match leaves.next() {
            Some(_) => Err(changed(segment)),
            None => writer.finish().map_err(&failed),
        }
    }

    fn place(&self, file: &Named, finished: Finished) -> Result<Finished, RecordError> {
        publish(&*self.vfs, &file.staged, &file.target)?;
        Ok(finished)
    }

    /// A file that an entry of the table names already.
    fn existing(&self, named: &Named) -> Result<Finished, RecordError> {
        let path = &named.target;
        let file = self.vfs.open(path, Access::Read).map_err(RecordError::io("read", path))?;
        hash_file(&*file).map_err(RecordError::io("read", path))
    }
}

fn hash_file(file: &dyn VfsFile) -> std::io::Result<Finished> {
    let (mut hash, mut len) = (Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read_at(&mut buffer, len)? {
            0 => return Ok(Finished { sha256: hash.finalize().into(), len }),
            n => {
                hash.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

/// The log gave back something else than was acknowledged.
fn changed(segment: &Segment) -> RecordError {
    let what = format!("segment {} in the log of records is not what was acknowledged", segment.number);
    RecordError::Inconsistent { what }
}

fn described(table: &Table, named: &Named, file: &Finished) -> SegmentFile {
    SegmentFile { path: format!("{}/{}", table.kind().name(), named.path), sha256: hex(&file.sha256), len: file.len }
}

/// Earliest and latest `ts_end` in microseconds.
fn range(segment: &Segment) -> (i64, i64) {
    let times = || segment.kept.iter().map(|kept| kept.ts_end);
    (times().min().unwrap_or(0), times().max().unwrap_or(0))
}

/// How many records ended in each hour.
fn hours(segment: &Segment) -> Vec<(i64, u64)> {
    let mut hours = BTreeMap::new();
    for kept in &segment.kept {
        *hours.entry(kept.ts_end.div_euclid(HOUR_US) * HOUR_MS).or_insert(0) += 1;
    }
    hours.into_iter().collect()
}

fn day(us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(us).unwrap_or_default().format("%Y-%m-%d").to_string()
}
