//! `legal_holds`: what may not be destroyed.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::holds::HoldPlaced;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    placed: HoldPlaced,
    by: String,
    at: i64,
    released: Option<(String, i64)>,
}

#[derive(Clone, Default)]
pub(crate) struct LegalHolds(BTreeMap<String, Row>);

impl Table for LegalHolds {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "legal_holds";
    const DOC: &'static str = "Legal holds, released ones too.";
    const COLUMNS: &'static [Column] = &[
        text("hold_id", "Public identifier"),
        text("held", "What is held: `subject/REFERENCE`, `class/NAME`, `dataset/NAME` or `service/NAME`"),
        text("reference", "Where the reason is written down"),
        text("placed_by", "Who placed it"),
        time("placed_at", "When"),
        time("review_due_at", "By when somebody looks whether it is still needed; it does not end by itself"),
        text("released_by", "Who released it, another person than who placed it; NULL while it holds"),
        time("released_at", "When; NULL while it holds"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::HoldPlaced(body) => {
                let (origin, by, at) = (leaf.origin(), leaf.entry.actor.clone(), leaf.entry.ts);
                self.0.insert(body.hold.clone(), Row { origin, placed: body.clone(), by, at, released: None });
            }
            Event::HoldReleased(body) => {
                if let Some(row) = self.0.get_mut(&body.hold) {
                    (row.origin, row.released) = (leaf.origin(), Some((leaf.entry.actor.clone(), leaf.entry.ts)));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.0 {
            let cells = [
                name.into(),
                (&row.placed.on).into(),
                (&row.placed.reference).into(),
                (&row.by).into(),
                ms(row.at),
                ms(row.placed.review_due),
                row.released.as_ref().map(|(by, _)| by).into(),
                row.released.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
            ];
            out.push(row.origin, cells);
        }
    }
}
