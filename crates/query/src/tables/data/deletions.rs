//! `deletions`: what was due by a rule of retention, asked for by a person or destroyed by hand, and what became of it.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::retention::{RetentionDisposed, RetentionDisposing, WITHIN_MS};

use super::erasures::Erasures;
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

/// A version that somebody destroyed.
#[derive(Clone)]
struct ByHand {
    origin: Origin,
    at: i64,
    gone_at: Option<i64>,
    copies_confirmed: Option<u64>,
    confirmed_by: Option<String>,
}

/// Of a version that is destroyed: its key and its file.
const COPIES: u64 = 2;

#[derive(Clone, Default)]
pub(crate) struct Deletions {
    disposals: BTreeMap<String, Row>,
    /// By object.
    by_hand: BTreeMap<String, ByHand>,
    erasures: Erasures,
}

impl Table for Deletions {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "deletions";
    const DOC: &'static str = "Disposals of what was due by a rule of retention, erasures that people asked for, and versions \
                               of data sets that somebody destroyed by hand.";
    const COLUMNS: &'static [Column] = &[
        text(
            "deletion_id",
            "Public identifier of the disposal; of an erasure, of the request and of the reference; of a version that was destroyed by hand, of its object",
        ),
        text("object_id", "What went: the object's identifier in `data_objects`, or `subject/REFERENCE` of a person"),
        time("requested_at", "When the ledger was told that it is to go; when the person asked"),
        time(
            "due_at",
            "A week after it was due by its rule, or after that was told if it was told later, or after somebody destroyed it; when the person's request is due",
        ),
        time("completed_at", "When it had gone; NULL while it is under way"),
        text("method", "`key_destroyed` or `file_deleted`; NULL while it is under way"),
        int(
            "replicas_total",
            "Copies in this installation: the key, and each file that was found; of an erasure the keys of that reference, NULL before they are destroyed and where they were too many to be named",
        ),
        int(
            "replicas_confirmed",
            "Those of them that were looked for again and not found, by the program itself; NULL of a version that was destroyed by hand before the ledger was told of such a look",
        ),
        text(
            "verified_by",
            "Who confirmed it: another person than the one who made the rule, or destroyed it; of an erasure who closed the request, who neither asked for it nor carried it out; NULL while nobody did",
        ),
        text("rule_id", "The rule by which it was due; NULL for an erasure and for what was destroyed by hand"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.erasures.apply(leaf);
        match &leaf.entry.event {
            Event::RetentionDisposing(body) => {
                let (origin, at) = (leaf.origin(), leaf.entry.ts);
                let row = Row { origin, disposing: body.clone(), at, disposed: None, confirmed_by: None };
                self.disposals.insert(body.disposal.clone(), row);
            }
            Event::RetentionDisposed(body) => {
                if let Some(row) = self.disposals.get_mut(&body.disposal) {
                    (row.origin, row.disposed) = (leaf.origin(), Some((body.clone(), leaf.entry.ts)));
                }
            }
            Event::DisposalConfirmed(body) => {
                let by = Some(leaf.entry.actor.clone());
                if let Some(row) = self.disposals.get_mut(&body.disposal) {
                    (row.origin, row.confirmed_by) = (leaf.origin(), by);
                } else if let Some(row) = self.by_hand.get_mut(&body.disposal) {
                    (row.origin, row.confirmed_by) = (leaf.origin(), by);
                }
            }
            // One that ends by a rule names its disposal.
            Event::VersionEnded(body) => {
                let ruled = self.disposals.get(&body.reference).and_then(|row| row.disposing.item.object.as_ref());
                if ruled != Some(&body.object) {
                    let (origin, at) = (leaf.origin(), leaf.entry.ts);
                    let row = ByHand { origin, at, gone_at: None, copies_confirmed: None, confirmed_by: None };
                    self.by_hand.insert(body.object.clone(), row);
                }
            }
            Event::ObjectDestroyed(body) => {
                if let Some(row) = self.by_hand.get_mut(&body.object) {
                    (row.origin, row.gone_at) = (leaf.origin(), Some(leaf.entry.ts));
                    row.copies_confirmed = body.copies_confirmed;
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.disposals {
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
        for (object, row) in &self.by_hand {
            let cells = [
                object.into(),
                object.into(),
                ms(row.at),
                ms(row.at.saturating_add(WITHIN_MS)),
                row.gone_at.map_or(Cell::Null, ms),
                row.gone_at.map(|_| "key_destroyed").into(),
                row.gone_at.map(|_| COPIES).into(),
                row.copies_confirmed.into(),
                row.confirmed_by.as_ref().into(),
                Cell::Null,
            ];
            out.push(row.origin, cells);
        }
        self.erasures.rows(out);
    }
}
