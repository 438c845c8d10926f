//! `control_runs`: every test of a control.

use std::collections::BTreeMap;

use domain::Event;
use domain::assurance::ControlRan;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    ran: ControlRan,
    at: i64,
    approved: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct ControlRuns {
    /// Approved logic by control, of the scope in force.
    approved: BTreeMap<String, String>,
    rows: Vec<Row>,
}

impl Table for ControlRuns {
    const ROOM: &'static str = "assurance";
    const NAME: &'static str = "control_runs";
    const DOC: &'static str =
        "Tests of controls. What each concluded is in `events`; the numbers that it concluded from are here.";
    const COLUMNS: &'static [Column] = &[
        text("run_id", "Identifier of the run"),
        text("control_id", "Which control"),
        time("due_at", "When the schedule wanted it; the time of the run when it was asked for"),
        time("ts", "When it was recorded"),
        text("logic_hash", "Digest of the logic that ran"),
        text(
            "approved_logic_hash",
            "Digest of the logic approved in the scope then in force; NULL when the control was not in scope",
        ),
        text("engine_version", "Name and version of the SQL engine"),
        int("tree_size", "The ledger size that it was computed at"),
        text("root", "The ledger's root at that size, hexadecimal"),
        int("population", "Items in the population"),
        text("population_root", "Root over the population's items, hexadecimal"),
        int("violations", "Rows that the test returned"),
        text("reproduced_by", "NULL: reproductions are not recorded yet"),
        boolean("reproduced_ok", "NULL: reproductions are not recorded yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ControlsScoped(body) => {
                self.approved = body.controls.iter().map(|c| (c.control.clone(), c.logic_sha256.clone())).collect();
            }
            Event::ControlRan(body) => self.rows.push(Row {
                origin: leaf.origin(),
                ran: body.clone(),
                at: leaf.entry.ts,
                approved: self.approved.get(&body.control).cloned(),
            }),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let ran = &row.ran;
            let cells = [
                (&ran.run).into(),
                (&ran.control).into(),
                ms(ran.due_at),
                ms(row.at),
                (&ran.logic_sha256).into(),
                row.approved.as_ref().into(),
                (&ran.engine).into(),
                ran.at_size.into(),
                (&ran.at_root).into(),
                ran.population.into(),
                (&ran.population_root).into(),
                ran.violations.into(),
                Cell::Null,
                Cell::Null,
            ];
            out.push(row.origin, cells);
        }
    }
}
