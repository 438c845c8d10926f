//! Disposal of records themselves: whole files of segments, by the day that they are stored under.
//!
//! What is proven of a record that is gone is that its segment was: the entry that sealed it keeps root, count and digest,
//! and the entry that says that it goes names it again. It is said before a file goes, so that none is missing without an
//! entry; a process that dies in between finds the file, and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::keys::retention::{
    ACCESS_CORES, Disposal, INFERENCE_CORES, Item, Kind, MOST_SEGMENTS, Method, RetentionDisposing, SegmentGone,
    SegmentsDisposed,
};
use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentSealed};
use domain::{Command, Entry, Event, Record};
use ledger::records::{RecordError, segment};

use super::Looked;
use crate::{Engine, ExecuteError};

/// A kind of records and a day.
pub(super) type CoreDay = (Kind, String);

/// What the segments of a day hold, of which holds could be.
#[derive(Debug, Default)]
pub(super) struct HeldCores {
    pub classes: BTreeSet<String>,
    pub services: BTreeSet<String>,
    /// The bytes of the files.
    pub bytes: u64,
    /// Whether contents are there that only these records open.
    pub payloads: bool,
}

/// The segments of some days, as the ledger has them.
#[derive(Debug, Default)]
struct Sealed {
    days: BTreeMap<CoreDay, Vec<SegmentGone>>,
    /// Paths of those that an entry says go, and the disposal that it says it of.
    told: BTreeMap<String, String>,
}

fn kind_of(schema: u32) -> Kind {
    if schema == AccessCore::SCHEMA { Kind::AccessCore } else { Kind::InferenceCore }
}

fn failed(error: &RecordError) -> ExecuteError {
    crate::payloads::failed(error)
}

impl Looked {
    /// The holds that have something in segments of a day, and the contents that need their records.
    pub(super) fn keeping_cores(&self, item: &Item, holds: &[String]) -> Vec<String> {
        let day = item.day.clone().unwrap_or_default();
        let Some(held) = self.cores.get(&(item.kind, day.clone())) else { return holds.to_vec() };
        let has = |hold: &&String| match self.holds.get(*hold).and_then(|on| on.split_once('/')) {
            Some(("class", name)) => name == item.class || held.classes.contains(name),
            Some(("service", name)) => held.services.contains(name),
            // Of whom a record is, keys tell that may be gone; and one that was placed since was not looked for. They keep.
            _ => true,
        };
        let payloads = held.payloads.then(|| format!("payloads/{day}"));
        holds.iter().filter(has).cloned().chain(payloads).collect()
    }
}

/// The class of records of a kind, and days.
type CoreDays = (&'static str, Kind, BTreeSet<String>);

impl Engine {
    /// The days of which there are files of records, as the ledger is to know them: class, kind and days. Without a rule about
    /// them nobody asks.
    pub(super) fn days_of_cores(&self) -> Result<Vec<CoreDays>, ExecuteError> {
        let known = |class: &str| self.read(|state| state.kept.get(class).cloned().unwrap_or_default());
        let mut days = Vec::new();
        for (class, kind) in [(INFERENCE_CORES, Kind::InferenceCore), (ACCESS_CORES, Kind::AccessCore)] {
            if self.read(|state| state.retention_rule(kind, class).is_none()) {
                continue;
            }
            let found = match kind {
                Kind::AccessCore => self.accesses.core_days(&known(class)),
                _ => self.records.core_days(&known(class)),
            };
            days.push((class, kind, found.map_err(|e| failed(&e))?));
        }
        Ok(days)
    }

    /// What the segments of days hold. Reads their records only when a hold is on a class or a service. Blocks.
    pub(super) fn look_at_cores(
        &self,
        days: &BTreeSet<CoreDay>,
        holds: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<CoreDay, HeldCores>, ExecuteError> {
        let reads = holds.values().any(|on| on.starts_with("class/") || on.starts_with("service/"));
        let from = days.iter().map(|(_, day)| day.as_str()).min().unwrap_or_default();
        let payloads = self.records.payload_files(from).map_err(|e| failed(&e))?;
        let payloads: BTreeSet<String> = payloads.into_iter().map(|file| file.day).collect();
        let mut found: BTreeMap<CoreDay, HeldCores> = BTreeMap::new();
        for (kind, day) in days {
            let held = found.entry((*kind, day.clone())).or_default();
            let table = match kind {
                Kind::AccessCore => AccessCore::TABLE,
                _ => InferenceCore::TABLE,
            };
            held.payloads = *kind == Kind::InferenceCore && payloads.contains(day);
            let dir = self.data_dir().join("records").join(table).join(format!("{}={day}", segment::SEGMENT_DAY));
            let unreadable =
                |why: &dyn std::fmt::Display| ExecuteError::Unavailable(format!("{}: {why}", dir.display()));
            for file in super::names(&dir).map_err(|e| unreadable(&e))? {
                held.bytes += file.metadata().map_err(|e| unreadable(&e))?.len();
                if reads && *kind == Kind::InferenceCore {
                    for core in segment::read_core::<InferenceCore>(&file).map_err(|e| unreadable(&e))? {
                        held.classes.insert(core.classification);
                        held.services.extend(core.service);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The segments that the ledger sealed of days, and of which it said that they go. Reads the whole ledger. Blocks.
    fn sealed_on(&self, days: &BTreeSet<CoreDay>) -> Result<Sealed, ExecuteError> {
        let mut sealed = Sealed::default();
        let mut unreadable = None;
        let mut each = |seq: u64, bytes: &[u8]| match Entry::decode(bytes).map(|entry| entry.event) {
            Ok(Event::SegmentsDisposed(body)) => {
                let told = body.segments.into_iter().map(|segment| (segment.core.path, body.disposal.clone()));
                sealed.told.extend(told);
            }
            Ok(event) => {
                let Some((schema, body)) = event.sealed() else { return };
                let day = segment::day_of(&body.core.path).unwrap_or_default().to_owned();
                let key = (kind_of(schema), day);
                if days.contains(&key) {
                    sealed.days.entry(key).or_default().push(gone(body));
                }
            }
            Err(error) => unreadable = Some(format!("entry {seq}: {error}")),
        };
        let read = self.log.for_each_entry(0..self.log.size(), &mut each);
        read.map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        match unreadable {
            Some(why) => Err(ExecuteError::Internal(why)),
            None => Ok(sealed),
        }
    }

    /// Says which segments go, removes their files, looks for them again, and reports it.
    pub(super) async fn dispose_of_cores(
        self: &Arc<Self>,
        under_way: Vec<Disposal>,
    ) -> Result<Vec<String>, ExecuteError> {
        let day = |one: &Disposal| {
            let item = &one.disposing.item;
            (item.kind, item.day.clone().unwrap_or_default())
        };
        let days: BTreeSet<CoreDay> = under_way.iter().map(day).collect();
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let mut sealed = self.blocking(move |engine| engine.sealed_on(&days)).await??;
        let mut done = Vec::new();
        for one in under_way {
            let segments = sealed.days.remove(&day(&one)).unwrap_or_default();
            if !self.dispose_of_segments(&one.disposing, &segments, &sealed.told).await? {
                continue;
            }
            // What an earlier disposal of the day said goes was counted then.
            let by = |segment: &SegmentGone| sealed.told.get(&segment.core.path);
            let new = |segment: &SegmentGone| by(segment).is_none_or(|by| *by == one.disposing.disposal);
            let segments: Vec<SegmentGone> = segments.into_iter().filter(new).collect();
            let (copies, kind) = (segments.len() as u64, one.disposing.item.kind);
            let left = self.blocking(move |engine| engine.cores_left(kind, &segments)).await??;
            done.push(self.report_disposal(one.disposing, Method::FileDeleted, copies, left).await?);
        }
        Ok(done)
    }

    /// What would be said of the segments of a disposal that is under way.
    #[cfg(test)]
    pub(crate) fn segments_to_go(&self, disposal: &str) -> Result<SegmentsDisposed, ExecuteError> {
        let item = self.read(|state| state.disposals.get(disposal).map(|one| one.disposing.item.clone()));
        let item = item.ok_or_else(|| ExecuteError::Internal("no such disposal".into()))?;
        let day = (item.kind, item.day.unwrap_or_default());
        let mut sealed = self.sealed_on(&[day.clone()].into())?;
        let segments = sealed.days.remove(&day).unwrap_or_default();
        Ok(SegmentsDisposed { disposal: disposal.to_owned(), kind: item.kind, segments })
    }

    /// Whether all of them went: a hold that is placed meanwhile keeps those that are left.
    async fn dispose_of_segments(
        self: &Arc<Self>,
        disposing: &RetentionDisposing,
        segments: &[SegmentGone],
        told: &BTreeMap<String, String>,
    ) -> Result<bool, ExecuteError> {
        let kind = disposing.item.kind;
        for some in segments.chunks(MOST_SEGMENTS) {
            if self.is_kept_since(disposing) {
                return Ok(false);
            }
            let new: Vec<SegmentGone> =
                some.iter().filter(|segment| !told.contains_key(&segment.core.path)).cloned().collect();
            if !new.is_empty() {
                let disposal = disposing.disposal.clone();
                let gone = SegmentsDisposed { disposal, kind, segments: new };
                self.execute(self.system(), Command::DisposeSegments(gone)).await?;
            }
            // No seal lies between its commit and its confirmation meanwhile. A seal waits for its turn, so this comes first.
            let accesses = if kind == Kind::AccessCore { Some(self.access_sealer.lock().await) } else { None };
            let inferences = if kind == Kind::InferenceCore { Some(self.sealer.lock().await) } else { None };
            let files: Vec<SegmentGone> = some.to_vec();
            let removed = self.unless_kept(disposing, move |engine| engine.remove_cores(kind, &files)).await?;
            drop((accesses, inferences));
            match removed {
                Some(removed) => removed?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn remove_cores(&self, kind: Kind, segments: &[SegmentGone]) -> Result<(), ExecuteError> {
        let now = Self::now_ms();
        for segment in segments {
            let removed = match kind {
                Kind::AccessCore => self.accesses.remove_core(&segment.core, now),
                _ => self.records.remove_core(&segment.core, now),
            };
            removed.map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn cores_left(&self, kind: Kind, segments: &[SegmentGone]) -> Result<u64, ExecuteError> {
        let mut left = 0;
        for segment in segments {
            let there = match kind {
                Kind::AccessCore => self.accesses.has_core(&segment.core),
                _ => self.records.has_core(&segment.core),
            };
            left += u64::from(there.map_err(|e| failed(&e))?);
        }
        Ok(left)
    }
}

fn gone(sealed: &SegmentSealed) -> SegmentGone {
    let SegmentSealed { node, incarnation, number, n, root, core, .. } = sealed.clone();
    SegmentGone { node, incarnation, number, n, root, core }
}
