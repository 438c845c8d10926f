//! `pii_findings`: what contradicts the declared classes, who is to settle it, and how it was.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::{FindingOpened, FindingResolved};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    opened: FindingOpened,
    at: i64,
    resolved: Option<(FindingResolved, String, i64)>,
}

#[derive(Clone, Default)]
pub(crate) struct PiiFindings {
    findings: BTreeMap<String, Row>,
    /// The object that each version lies in, or lay in last.
    objects: BTreeMap<(String, String), String>,
}

impl Table for PiiFindings {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "pii_findings";
    const DOC: &'static str = "What contradicts what is declared of data sets: personal data above the class of its field or data set, secrets, and fields of which nobody said what they are.";
    const COLUMNS: &'static [Column] = &[
        text("finding_id", "Public identifier of the finding"),
        text("object_id", "The object that it is in, as in `data_objects`; the last one when it is no more"),
        text("category", "What was found, by the detector's name; `undeclared` when nobody said what a field is"),
        time("ts", "When it was opened"),
        time("resolved_at", "When it was settled; NULL while it is open"),
        text("why", "`secret`, `above_class`, `undeclared` or `unnamed`"),
        text("dataset_id", "Name of the data set"),
        text("version", "Name of the version that it was found in first"),
        text("field", "The column; NULL for the file or the data set as a whole"),
        text("classification", "The class that it has by what was found"),
        int("cells", "Cells that have it, of those looked at"),
        int("score_permille", "How sure the detector is, in thousandths"),
        text("owner_id", "Who is to settle it, by pseudonym"),
        time("due_at", "By when"),
        text("resolution", "`reclassified`, `false_alarm`, `removed` or `accepted`"),
        text("reference", "Where the reason is written down"),
        time("accepted_until", "Until when it is accepted"),
        text("resolved_by", "Who settled it, by pseudonym"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::VersionStored(body) => {
                let version = (body.dataset.clone(), body.version.clone());
                self.objects.insert(version, body.stored.object.clone());
            }
            Event::VersionRewritten(body) => {
                let version = (body.dataset.clone(), body.version.clone());
                self.objects.insert(version, body.stored.object.clone());
            }
            Event::FindingOpened(body) => {
                let row = Row { origin, opened: body.clone(), at, resolved: None };
                self.findings.insert(body.finding.clone(), row);
            }
            Event::FindingResolved(body) => {
                if let Some(row) = self.findings.get_mut(&body.finding) {
                    (row.origin, row.resolved) = (origin, Some((body.clone(), leaf.entry.actor.clone(), at)));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in self.findings.values() {
            let opened = &row.opened;
            let settled = row.resolved.as_ref();
            let cells = [
                (&opened.finding).into(),
                self.objects.get(&(opened.dataset.clone(), opened.version.clone())).into(),
                (&opened.kind).into(),
                ms(row.at),
                settled.map_or(Cell::Null, |(_, _, at)| ms(*at)),
                opened.why.as_str().into(),
                (&opened.dataset).into(),
                (&opened.version).into(),
                opened.field.as_ref().into(),
                opened.class.as_str().into(),
                opened.cells.into(),
                u64::from(opened.score_permille).into(),
                (&opened.owner).into(),
                ms(opened.due),
                settled.map(|(body, ..)| body.resolution.as_str()).into(),
                settled.and_then(|(body, ..)| body.reference.as_ref()).into(),
                settled.and_then(|(body, ..)| body.until).map_or(Cell::Null, ms),
                settled.map(|(_, by, _)| by).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
