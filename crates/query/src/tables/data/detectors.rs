//! `detectors`: what the organisation looks for beside what is built in.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::detectors::DetectorSpec;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    spec: DetectorSpec,
    declared_by: String,
    declared_at: i64,
    retired_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Detectors(BTreeMap<String, Row>);

impl Table for Detectors {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "detectors";
    const DOC: &'static str = "Detectors of the organisation's own, as they were declared last. What they found in data sets is in \
                               `dataset_fields` and `pii_findings`, by their names.";
    const COLUMNS: &'static [Column] = &[
        text("detector_id", "Its name, and that of the kind it finds"),
        text("classification", "Class of what it finds"),
        text("pattern", "Its regular expression; NULL when it looks for words"),
        int("word_count", "How many words it looks for"),
        text("context", "Words beside a match that speak for it, by commas; NULL when none"),
        text("column_names", "Names of columns that hold what it finds, by commas; NULL when none"),
        int("score_permille", "How sure a match is by itself, in thousandths"),
        text("declared_by", "Who declared it as it is"),
        time("declared_at", "When"),
        time("retired_at", "Since when it looks at nothing; NULL while it does"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::DetectorDeclared(body) => {
                let row = Row {
                    origin: leaf.origin(),
                    spec: body.spec.clone(),
                    declared_by: leaf.entry.actor.clone(),
                    declared_at: leaf.entry.ts,
                    retired_at: None,
                };
                self.0.insert(body.detector.clone(), row);
            }
            Event::DetectorRetired(body) => {
                if let Some(row) = self.0.get_mut(&body.detector) {
                    (row.origin, row.retired_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        let listed = |all: &[String]| Some(all.join(",")).filter(|all| !all.is_empty());
        for (name, row) in &self.0 {
            let spec = &row.spec;
            let cells = [
                name.into(),
                spec.class.as_str().into(),
                spec.pattern.as_ref().into(),
                (spec.words.len() as u64).into(),
                listed(&spec.context).into(),
                listed(&spec.columns).into(),
                u64::from(spec.score_permille).into(),
                (&row.declared_by).into(),
                ms(row.declared_at),
                row.retired_at.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
