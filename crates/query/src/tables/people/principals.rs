//! `principals`: who may act.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::ActorKind;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    kind: &'static str,
    at: i64,
}

#[derive(Clone, Default)]
pub(crate) struct Principals(BTreeMap<String, Row>);

impl Table for Principals {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "principals";
    const DOC: &'static str = "Actors: people, programs and the system itself, by pseudonym.";
    const COLUMNS: &'static [Column] = &[
        text("principal_id", "Pseudonym of the actor"),
        text("kind", "`human`, `service` or `system`"),
        text("owner_id", "Who answers for it; NULL: owners are not recorded yet"),
        text("status", "`active`: an actor cannot be disabled yet"),
        time("registered_at", "When it was registered"),
        text("approved_by", "Who approved it; NULL: there is no approval of actors yet"),
        time("terminated_at", "When the person left; NULL: not recorded yet"),
        time("disabled_at", "When it was disabled; NULL: an actor cannot be disabled yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::ActorRegistered(body) = &leaf.entry.event {
            let kind = match body.kind {
                ActorKind::Human => "human",
                ActorKind::Service => "service",
                ActorKind::System => "system",
            };
            self.0.insert(body.actor.clone(), Row { origin: leaf.origin(), kind, at: leaf.entry.ts });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (actor, row) in &self.0 {
            let cells = [
                actor.into(),
                row.kind.into(),
                Cell::Null,
                "active".into(),
                ms(row.at),
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ];
            out.push(row.origin, cells);
        }
    }
}
