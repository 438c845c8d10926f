//! `principals`: who may act.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::{ActorKind, OwnerReason};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    kind: &'static str,
    at: i64,
    by: String,
    left_at: Option<i64>,
    owner: Option<(String, OwnerReason)>,
    returned_at: Option<i64>,
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
        text("owner_id", "The person who answers for a program; NULL for others, and when that person has left"),
        text("status", "`active`, or `left`"),
        time("registered_at", "When it was registered"),
        text(
            "approved_by",
            "Who registered it: an actor can do nothing until a role is granted, which is approved by itself",
        ),
        time("terminated_at", "When it left; NULL while it did not, or came back"),
        time("disabled_at", "When it could no longer sign in: the moment it left"),
        text(
            "owner_because",
            "Why its owner is the one: `registered`, `named`, or `left` (the one before left, and this one said so)",
        ),
        time("returned_at", "When it last came back after leaving; NULL while it never did"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ActorRegistered(body) => {
                let kind = match body.kind {
                    ActorKind::Human => "human",
                    ActorKind::Service => "service",
                    ActorKind::System => "system",
                };
                let by = leaf.entry.actor.clone();
                let row = Row {
                    origin: leaf.origin(),
                    kind,
                    at: leaf.entry.ts,
                    by,
                    left_at: None,
                    owner: None,
                    returned_at: None,
                };
                self.0.insert(body.actor.clone(), row);
            }
            Event::AccountOwned(body) => {
                if let Some(row) = self.0.get_mut(&body.actor) {
                    (row.origin, row.owner) = (leaf.origin(), Some((body.owner.clone(), body.reason)));
                }
            }
            Event::ActorLeft(body) => {
                if let Some(row) = self.0.get_mut(&body.actor) {
                    (row.origin, row.left_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            Event::ActorReturned(body) => {
                if let Some(row) = self.0.get_mut(&body.actor) {
                    (row.origin, row.left_at) = (leaf.origin(), None);
                    row.returned_at = Some(leaf.entry.ts);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        let here = |actor: &str| self.0.get(actor).is_some_and(|row| row.left_at.is_none());
        for (actor, row) in &self.0 {
            let owner = row.owner.as_ref().filter(|(owner, _)| here(owner));
            let cells = [
                actor.into(),
                row.kind.into(),
                owner.map(|(owner, _)| owner).into(),
                if row.left_at.is_some() { "left" } else { "active" }.into(),
                ms(row.at),
                (&row.by).into(),
                row.left_at.map_or(Cell::Null, ms),
                row.left_at.map_or(Cell::Null, ms),
                row.owner.as_ref().map(|(_, reason)| reason.as_str()).into(),
                row.returned_at.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
