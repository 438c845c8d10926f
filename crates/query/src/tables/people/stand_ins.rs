//! `stand_ins`: what whoever administers did in place of duties that nobody had been given yet.

use domain::Event;
use domain::people::DutyStoodIn;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    id: String,
    at: i64,
    by: String,
    done: DutyStoodIn,
}

#[derive(Clone, Default)]
pub(crate) struct StandIns(Vec<Row>);

impl Table for StandIns {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "stand_ins";
    const DOC: &'static str = "What whoever administers did in place of a duty that nobody had been given yet. The first \
        grant of the duty ends it for good.";
    const COLUMNS: &'static [Column] = &[
        text("event_id", "Identifier of the event"),
        time("ts", "When"),
        text("principal_id", "Who"),
        text("duty", "The role that nobody had been given yet"),
        text("command", "Name of the command that was carried out"),
        text("resource", "What it changed, as `kind/name`"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::DutyStoodIn(body) = &leaf.entry.event {
            let (id, by) = (leaf.entry.id.clone(), leaf.entry.actor.clone());
            self.0.push(Row { origin: leaf.origin(), id, at: leaf.entry.ts, by, done: body.clone() });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let DutyStoodIn { duty, command, resource } = &row.done;
            let cells = [(&row.id).into(), ms(row.at), (&row.by).into(), duty.into(), command.into(), resource.into()];
            out.push(row.origin, cells);
        }
    }
}
