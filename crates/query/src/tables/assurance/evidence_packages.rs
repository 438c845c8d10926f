//! `evidence_packages`: what was handed out.

use domain::Event;
use domain::assurance::EvidenceExported;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, boolean, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    package: EvidenceExported,
    at: i64,
    by: String,
}

#[derive(Clone, Default)]
pub(crate) struct EvidencePackages(Vec<Row>);

impl Table for EvidencePackages {
    const ROOM: &'static str = "assurance";
    const NAME: &'static str = "evidence_packages";
    const DOC: &'static str =
        "Evidence packages that left the system. They are not `evidence_requests`: a package has no due date.";
    const COLUMNS: &'static [Column] = &[
        text("package_id", "Identifier of the package"),
        time("ts", "When it was written"),
        text("principal_id", "Who asked for it and received it"),
        text("package_digest", "SHA-256 of its manifest, hexadecimal"),
        time("window_start", "Start of its window"),
        time("window_end", "End of its window"),
        int("tree_size", "The ledger size that it was made at"),
        int("segments", "Segments in it"),
        boolean("payloads", "Whether it carries sealed payloads"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::EvidenceExported(body) = &leaf.entry.event {
            let by = body.requested_by.clone();
            self.0.push(Row { origin: leaf.origin(), package: body.clone(), at: leaf.entry.ts, by });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let package = &row.package;
            let cells = [
                (&package.package).into(),
                ms(row.at),
                (&row.by).into(),
                (&package.manifest_sha256).into(),
                ms(package.from),
                ms(package.to),
                package.at_size.into(),
                package.segments.into(),
                package.payloads.into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
