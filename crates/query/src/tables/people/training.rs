//! `training`: courses that people completed, as somebody else recorded it.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::TrainingRecorded;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    recorded: TrainingRecorded,
    by: String,
}

/// By person and course: what is recorded later stands.
#[derive(Clone, Default)]
pub(crate) struct Training(BTreeMap<(String, String), Row>);

impl Table for Training {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "training";
    const DOC: &'static str = "Courses that people completed, as somebody else recorded it: what was recorded last of each. \
        What was taught is attested.";
    const COLUMNS: &'static [Column] = &[
        text("principal_id", "Who completed it"),
        text("course", "The course"),
        time("completed_at", "When they completed it"),
        time("expires_at", "Until when it counts"),
        text("evidence_sha256", "SHA-256 of what shows it, hexadecimal; NULL when nothing was named"),
        text("recorded_by", "Who recorded it: always somebody else"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::TrainingRecorded(body) = &leaf.entry.event {
            let row = Row { origin: leaf.origin(), recorded: body.clone(), by: leaf.entry.actor.clone() };
            self.0.insert((body.actor.clone(), body.course.clone()), row);
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for Row { origin, recorded, by } in self.0.values() {
            let cells = [
                (&recorded.actor).into(),
                (&recorded.course).into(),
                ms(recorded.completed_at),
                ms(recorded.expires_at),
                recorded.evidence_sha256.as_ref().into(),
                by.into(),
            ];
            out.push(*origin, cells);
        }
    }
}
