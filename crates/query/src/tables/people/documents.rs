//! `documents` and `acknowledgements`: what people work under, who agreed to it, and who says that they read it.

use domain::Event;
use domain::people::{DocumentAcknowledged, DocumentPublished};

use super::approvals::{Requests, decided_by};
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    published: DocumentPublished,
    at: i64,
    by: String,
    approval: Option<String>,
    until: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Documents {
    versions: Vec<Row>,
    requests: Requests,
}

impl Table for Documents {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "documents";
    const DOC: &'static str = "Documents that people work under, such as policies: a row a version.";
    const COLUMNS: &'static [Column] = &[
        text("doc_id", "The document's name"),
        text("kind", "`policy` or `procedure`"),
        text("version", "1 for the first, then one more each time"),
        text("approved_by", "Whose vote made up the quorum; NULL when somebody stood in, because nobody could approve"),
        time("approved_at", "When"),
        time("review_due", "Until when it is to be reviewed"),
        time("superseded_at", "When the next version came into force; NULL while this one is"),
        text("content_hash", "SHA-256 of its bytes, hexadecimal"),
        boolean("ack_required", "Whether everybody who holds a role is to acknowledge it"),
        time("published_at", "When it came into force"),
        text("published_by", "Who put it into force"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.requests.apply(leaf);
        match &leaf.entry.event {
            Event::DocumentPublished(body) => {
                let (origin, at) = (leaf.origin(), leaf.entry.ts);
                let same = |row: &&mut Row| row.published.document == body.document && row.until.is_none();
                if let Some(before) = self.versions.iter_mut().find(same) {
                    (before.origin, before.until) = (origin, Some(at));
                }
                let by = leaf.entry.actor.clone();
                self.versions.push(Row { origin, published: body.clone(), at, by, approval: None, until: None });
            }
            // What a command did beside its first event follows it at once.
            Event::ApprovalConsumed(body) => {
                let concerned =
                    self.requests.get(&body.approval).is_some_and(|a| a.requested.command == "document.publish");
                if let Some(row) = self.versions.last_mut().filter(|_| concerned) {
                    (row.origin, row.approval) = (leaf.origin(), Some(body.approval.clone()));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.versions {
            let published = &row.published;
            let approval = row.approval.as_ref().and_then(|id| self.requests.get(id));
            let decided = approval.and_then(decided_by);
            let cells = [
                (&published.document).into(),
                published.kind.as_str().into(),
                published.version.to_string().into(),
                decided.map(|cast| &cast.by).into(),
                decided.map_or(Cell::Null, |cast| ms(cast.at)),
                ms(published.review_due),
                row.until.map_or(Cell::Null, ms),
                (&published.sha256).into(),
                published.ack_required.into(),
                ms(row.at),
                (&row.by).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Acknowledgements(Vec<(Origin, DocumentAcknowledged, String, i64)>);

impl Table for Acknowledgements {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "acknowledgements";
    const DOC: &'static str = "Who acknowledged which version of a document, each for themselves.";
    const COLUMNS: &'static [Column] = &[
        text("doc_id", "The document's name"),
        text("version", "The version that they read"),
        text("principal_id", "Who"),
        time("acked_at", "When"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::DocumentAcknowledged(body) = &leaf.entry.event {
            self.0.push((leaf.origin(), body.clone(), leaf.entry.actor.clone(), leaf.entry.ts));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, body, by, at) in &self.0 {
            out.push(*origin, [(&body.document).into(), body.version.to_string().into(), by.into(), ms(*at)]);
        }
    }
}
