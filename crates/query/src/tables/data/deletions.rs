//! `deletions`: what was due by a rule of retention, and what became of it.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::retention::{RetentionDisposed, RetentionDisposing, WITHIN_MS};

use super::payload_objects::object_id;
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    disposing: RetentionDisposing,
    at: i64,
    disposed: Option<(RetentionDisposed, i64)>,
    confirmed_by: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Deletions(BTreeMap<String, Row>);

impl Table for Deletions {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "deletions";
    const DOC: &'static str = "Disposals of what was due by a rule of retention.";
    const COLUMNS: &'static [Column] = &[
        text("deletion_id", "Public identifier"),
        text("object_id", "What went: the object's identifier in `data_objects`"),
        time("requested_at", "When the ledger was told that it is to go"),
        time("due_at", "A week after it was due by its rule, or after that was told if it was told later"),
        time("completed_at", "When it had gone; NULL while it is under way"),
        text("method", "`key_destroyed` or `file_deleted`; NULL while it is under way"),
        int("replicas_total", "Copies in this installation: the key, and each file with ciphertext"),
        int("replicas_confirmed", "Those of them that were looked for again and not found, by the program itself"),
        text("verified_by", "Who confirmed it: another person than the one who made the rule; NULL while nobody did"),
        text("rule_id", "The rule by which it was due"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RetentionDisposing(body) => {
                let (origin, at) = (leaf.origin(), leaf.entry.ts);
                let row = Row { origin, disposing: body.clone(), at, disposed: None, confirmed_by: None };
                self.0.insert(body.disposal.clone(), row);
            }
            Event::RetentionDisposed(body) => {
                if let Some(row) = self.0.get_mut(&body.disposal) {
                    (row.origin, row.disposed) = (leaf.origin(), Some((body.clone(), leaf.entry.ts)));
                }
            }
            Event::DisposalConfirmed(body) => {
                if let Some(row) = self.0.get_mut(&body.disposal) {
                    (row.origin, row.confirmed_by) = (leaf.origin(), Some(leaf.entry.actor.clone()));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.0 {
            let done = row.disposed.as_ref();
            let cells = [
                name.into(),
                object_id(&row.disposing.item).into(),
                ms(row.at),
                // A rule that was shortened, or a hold that was released, makes due at once what is old already.
                ms(row.disposing.due.max(row.at).saturating_add(WITHIN_MS)),
                done.map_or(Cell::Null, |(_, at)| ms(*at)),
                done.map(|(body, _)| body.method.as_str()).into(),
                done.map(|(body, _)| body.copies).into(),
                done.map(|(body, _)| body.copies_confirmed).into(),
                row.confirmed_by.as_ref().into(),
                (&row.disposing.rule).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
