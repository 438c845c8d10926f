//! `segments` and `access_segments`: the sealed segments of records, hour by hour.

use std::collections::BTreeSet;

use domain::Event;
use domain::serving::SegmentSealed;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    segment: SegmentSealed,
    anchored_at: Option<i64>,
    /// The disposal by which its records went.
    disposal: Option<String>,
}

/// Segments of one kind of record, and when each was anchored.
#[derive(Clone, Default)]
struct Anchored {
    rows: Vec<Row>,
    /// How many rows, from the front, are anchored.
    anchored: usize,
}

const COLUMNS: &[Column] = &[
    text("segment_id", "`<node>/<incarnation>/<number>`"),
    text("node_id", "The node that wrote it"),
    time("hour", "Start of the hour in which these records ended"),
    int("row_count", "Records of the segment that ended in that hour"),
    text("root", "Merkle root over all of the segment's records, hexadecimal"),
    time(
        "closed_at",
        "When its newest record ended. Not when it was sealed, so that late sealing counts as late anchoring",
    ),
    time(
        "anchored_at",
        "Time of the first heartbeat that keeps a checkpoint which covers the segment, signed and consistent; NULL before",
    ),
    text("disposal_id", "The disposal in `deletions` by which its records went; NULL while they are there"),
];

impl Anchored {
    /// Takes in an entry, and the segment that it seals if it is of this kind.
    fn apply(&mut self, leaf: &Leaf<'_>, sealed: Option<&SegmentSealed>) {
        if let Some(body) = sealed {
            self.rows.push(Row { origin: leaf.origin(), segment: body.clone(), anchored_at: None, disposal: None });
        }
        if let Event::SegmentsDisposed(body) = &leaf.entry.event {
            let paths: BTreeSet<&str> = body.segments.iter().map(|gone| gone.core.path.as_str()).collect();
            for row in self.rows.iter_mut().filter(|row| paths.contains(row.segment.core.path.as_str())) {
                row.disposal = Some(body.disposal.clone());
            }
        }
        let Some(kept) = &leaf.kept else { return };
        let Some((size, _)) = kept.tree.filter(|_| kept.signature_ok && kept.consistency_ok) else { return };
        for row in self.rows.iter_mut().skip(self.anchored).take_while(|row| row.origin.seq < size) {
            row.anchored_at = Some(leaf.entry.ts);
            self.anchored += 1;
        }
    }

    fn rows(&self, out: &mut Rows) {
        for row in &self.rows {
            let segment = &row.segment;
            for (hour, count) in &segment.hours {
                let cells = [
                    format!("{}/{}/{}", segment.node, segment.incarnation, segment.number).into(),
                    (&segment.node).into(),
                    ms(*hour),
                    (*count).into(),
                    (&segment.root).into(),
                    Cell::Time(segment.t1),
                    row.anchored_at.map_or(Cell::Null, ms),
                    row.disposal.as_ref().into(),
                ];
                out.push(row.origin, cells);
            }
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Segments(Anchored);

impl Table for Segments {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "segments";
    const DOC: &'static str = "Sealed segments of inference records: one row for each hour in which records of a segment ended, so that the sum of `row_count` over a node and hour can be held against `gateway_counters`.";
    const COLUMNS: &'static [Column] = COLUMNS;

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let sealed = if let Event::SegmentSealed(body) = &leaf.entry.event { Some(body) } else { None };
        self.0.apply(leaf, sealed);
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        self.0.rows(out);
    }
}

#[derive(Clone, Default)]
pub(crate) struct AccessSegments(Anchored);

impl Table for AccessSegments {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "access_segments";
    const DOC: &'static str =
        "Sealed segments of records of accesses: one row for each hour in which accesses of a segment ended.";
    const COLUMNS: &'static [Column] = COLUMNS;

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let sealed = if let Event::AccessesSealed(body) = &leaf.entry.event { Some(body) } else { None };
        self.0.apply(leaf, sealed);
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        self.0.rows(out);
    }
}
