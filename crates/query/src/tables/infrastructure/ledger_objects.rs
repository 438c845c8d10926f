//! `ledger_objects`: the files that must be kept for the whole retention term.

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

const DAY_MS: i64 = 24 * 3_600_000;

#[derive(Clone)]
struct Row {
    origin: Origin,
    path: String,
    written_at: i64,
    required_until: i64,
}

#[derive(Clone, Default)]
pub(crate) struct LedgerObjects {
    retention_days: i64,
    rows: Vec<Row>,
}

impl Table for LedgerObjects {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "ledger_objects";
    const DOC: &'static str =
        "Core files of sealed segments. On a local disk nothing locks them: changes show, but are not prevented.";
    const COLUMNS: &'static [Column] = &[
        text("object_id", "Path of the file below the records directory"),
        time("written_at", "When its segment was sealed"),
        time("required_until", "End of the retention term that held when it was written"),
        time("locked_until", "NULL: the disk offers no lock to read back"),
        int(
            "delete_attempts",
            "0: nothing in the program deletes such a file, and a disk does not tell of attempts from outside",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::OrgCreated(body) => self.retention_days = i64::from(body.retention_days),
            Event::SegmentSealed(body) | Event::AccessesSealed(body) => self.rows.push(Row {
                origin: leaf.origin(),
                path: body.core.path.clone(),
                written_at: leaf.entry.ts,
                required_until: leaf.entry.ts.saturating_add(self.retention_days.saturating_mul(DAY_MS)),
            }),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let cells = [(&row.path).into(), ms(row.written_at), ms(row.required_until), Cell::Null, Cell::Int(0)];
            out.push(row.origin, cells);
        }
    }
}
