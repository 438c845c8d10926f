//! `ledger_objects`: the files that must be kept for the whole retention term.
//!
//! What must be kept follows from the entries: core files of segments, and each bundle and tile that an entry completes.
//! Whether a file is locked follows from what a write-once bucket said after it was stored there, and from the newest trial
//! of whether its locks hold.

use std::collections::BTreeMap;

use domain::Event;
use domain::infrastructure::{ArchiveLocked, ArchiveProbed, LockMode, ProbeOutcome};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

const DAY_MS: i64 = 24 * 3_600_000;

/// For how long a trial tells that locks hold: there is one a day.
const TRIAL_COUNTS_MS: i64 = 2 * DAY_MS;

/// Objects below this are made to be deleted, if that can be done.
const PROBES: &str = "probes/";

/// What files of segments begin with in a bucket, where the ledger's own are beside them.
const RECORDS: &str = "records/";

#[derive(Clone)]
struct Row {
    origin: Origin,
    written_at: i64,
    required_until: i64,
    copy: Option<Kept>,
}

#[derive(Clone)]
struct Kept {
    bucket: String,
    version: String,
    mode: LockMode,
    locked_until: i64,
    /// Whether it is as it was stored, as far as was looked.
    good: bool,
    /// How often it was found hidden or gone.
    attempts: i64,
}

#[derive(Clone, Default)]
pub(crate) struct LedgerObjects {
    retention_days: i64,
    rows: BTreeMap<String, Row>,
    /// Of each bucket, when the newest trial was, if that was refused.
    held_at: BTreeMap<String, Option<i64>>,
}

impl LedgerObjects {
    fn add(&mut self, leaf: &Leaf<'_>, path: String) {
        let (origin, written_at) = (leaf.origin(), leaf.entry.ts);
        let required_until = written_at.saturating_add(self.retention_days.saturating_mul(DAY_MS));
        self.rows.insert(path, Row { origin, written_at, required_until, copy: None });
    }

    fn locked(&mut self, leaf: &Leaf<'_>, body: &ArchiveLocked) {
        for object in &body.objects {
            let Some(row) = self.rows.get_mut(path_of(&object.object)) else { continue };
            let attempts = row.copy.as_ref().map_or(0, |copy| copy.attempts);
            row.origin = leaf.origin();
            row.copy = Some(Kept {
                bucket: body.bucket.clone(),
                version: object.version.clone(),
                mode: body.mode,
                locked_until: object.until,
                good: true,
                attempts,
            });
        }
    }

    fn probed(&mut self, leaf: &Leaf<'_>, body: &ArchiveProbed) {
        if body.object.starts_with(PROBES) {
            let held_at = (body.outcome == ProbeOutcome::Held).then_some(leaf.entry.ts);
            self.held_at.insert(body.bucket.clone(), held_at);
        }
        let row = self.rows.get_mut(path_of(&body.object));
        let Some(row) = row else { return };
        let Some(copy) = row.copy.as_mut().filter(|copy| copy.bucket == body.bucket) else { return };
        row.origin = leaf.origin();
        copy.good = body.outcome == ProbeOutcome::Held;
        copy.attempts += i64::from(matches!(body.outcome, ProbeOutcome::Hidden | ProbeOutcome::Missing));
    }
}

/// The name of a row: what the ledger calls a segment's file, else the object's name.
fn path_of(object: &str) -> &str {
    object.strip_prefix(RECORDS).unwrap_or(object)
}

impl Table for LedgerObjects {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "ledger_objects";
    const DOC: &'static str = "Core files of sealed segments, and full bundles and tiles of the ledger. On a local disk \
                               nothing locks them: changes show, but are not prevented. A write-once bucket locks its copies.";
    const COLUMNS: &'static [Column] = &[
        text(
            "object_id",
            "Path of the file: a segment's below the records directory, the ledger's below the data directory",
        ),
        time("written_at", "When its segment was sealed, or when its last entry was written"),
        time("required_until", "End of the retention term that held when it was written"),
        time(
            "locked_until",
            "Until when its copy is locked, as the bucket said after it was stored; NULL without a copy, where somebody \
             could lift the lock (`governance`), where the newest trial could delete or is older than two days, and where \
             the copy was found otherwise since. A disk offers no lock to read back",
        ),
        int(
            "delete_attempts",
            "How often its copy was found gone, or hidden by a newer version or a mark of deletion. A disk does not tell of attempts",
        ),
        text("bucket", "The write-once bucket that holds its copy, as `HOST/BUCKET` and its prefix; NULL without one"),
        text("version_id", "The version that is locked there"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        for tile in merkle::completed_by(leaf.seq) {
            self.add(leaf, format!("ledger/{tile}"));
        }
        match &leaf.entry.event {
            Event::OrgCreated(body) => self.retention_days = i64::from(body.retention_days),
            Event::SegmentSealed(body) | Event::AccessesSealed(body) => self.add(leaf, body.core.path.clone()),
            Event::ArchiveLocked(body) => self.locked(leaf, body),
            Event::ArchiveProbed(body) => self.probed(leaf, body),
            _ => {}
        }
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        for (path, row) in &self.rows {
            let locked = |copy: &&Kept| {
                let held_at = self.held_at.get(&copy.bucket).copied().flatten();
                let recent = held_at.is_some_and(|at| moment.now.saturating_sub(at) < TRIAL_COUNTS_MS);
                copy.good && copy.mode == LockMode::Compliance && recent
            };
            let copy = row.copy.as_ref();
            out.push(
                row.origin,
                [
                    path.into(),
                    ms(row.written_at),
                    ms(row.required_until),
                    copy.filter(locked).map_or(Cell::Null, |copy| ms(copy.locked_until)),
                    Cell::Int(copy.map_or(0, |copy| copy.attempts)),
                    copy.map_or(Cell::Null, |copy| (&copy.bucket).into()),
                    copy.map_or(Cell::Null, |copy| (&copy.version).into()),
                ],
            );
        }
    }
}
