//! `retention_rules`: how long what is kept.

use std::collections::BTreeMap;

use domain::Event;
use domain::keys::retention::RetentionScheduled;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    rule: RetentionScheduled,
    by: String,
    at: i64,
    ended_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct RetentionRules(BTreeMap<String, Row>);

impl Table for RetentionRules {
    const ROOM: &'static str = "keys";
    const NAME: &'static str = "retention_rules";
    const DOC: &'static str = "Rules of how long data is kept, as they were last said.";
    const COLUMNS: &'static [Column] = &[
        text("rule_id", "Name of the rule"),
        text("kind", "`inference_payload`, `inference_core`, `access_record`, `access_core`, `dataset` or `artifact`"),
        text("classification", "Of which class; `*` for every class that no other rule names"),
        int("days", "For how many whole days after the day on which it came to be"),
        text("basis", "Where it is written down why"),
        text("scheduled_by", "Who said so"),
        time("scheduled_at", "When"),
        time("unscheduled_at", "When it was taken away; NULL while it holds"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RetentionScheduled(body) => {
                let (origin, by, at) = (leaf.origin(), leaf.entry.actor.clone(), leaf.entry.ts);
                self.0.insert(body.rule.clone(), Row { origin, rule: body.clone(), by, at, ended_at: None });
            }
            Event::RetentionUnscheduled(body) => {
                if let Some(row) = self.0.get_mut(&body.rule) {
                    (row.origin, row.ended_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.0 {
            let cells = [
                name.into(),
                row.rule.kind.as_str().into(),
                (&row.rule.class).into(),
                u64::from(row.rule.days).into(),
                (&row.rule.basis).into(),
                (&row.by).into(),
                ms(row.at),
                row.ended_at.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
