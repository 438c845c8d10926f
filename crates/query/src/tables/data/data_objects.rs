//! `data_objects`: what is stored, how it is classified, and how long it is kept. A file beside this one for each kind.

use domain::{Event, State};

use super::objects::StoredObjects;
use super::payload_objects::PayloadObjects;
use crate::fold::{Leaf, Moment};
use crate::table::{Column, Rows, Table, boolean, text, time};

#[derive(Clone, Default)]
pub(crate) struct DataObjects {
    /// Folded of rules of retention and of holds, and of nothing else.
    retention: State,
    payloads: PayloadObjects,
    stored: StoredObjects,
}

impl Table for DataObjects {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "data_objects";
    const DOC: &'static str = "Stored objects with their classification, key and retention: versions of data sets, model artifacts, and payloads. Payloads of a class and day are one object: they share a key.";
    const COLUMNS: &'static [Column] = &[
        text(
            "object_id",
            "Identifier of the encrypted object; SHA-256 of an artifact that lies in clear; `payloads/CLASS/DAY`",
        ),
        text("kind", "`dataset`, `artifact`, `inference_payload`, or `access_record` for what accesses asked"),
        text("classification", "Its class; NULL for an artifact in clear"),
        time("classified_at", "Since when it is of that class: payloads are as they come"),
        text(
            "key_id",
            "The key that it is encrypted under and destroyed with: `object/CLASS/ID`, or `day/CLASS/DAY`; NULL for an artifact in clear",
        ),
        boolean("encrypted", "Whether it is stored encrypted"),
        text(
            "region",
            "Where it lies: the region of the node, as its settings say; when they do not, where a data set is to stay as declared",
        ),
        text("source_ref", "What it is of: `dataset/NAME/VERSION`, `model/NAME/VERSION`, `gateway` or `accesses`"),
        time("created_at", "When it came to be: for payloads the start of their day"),
        text("retention_policy_id", "The rule of retention that it is under; NULL when none says how long it is kept"),
        time("expires_at", "When it is due by that rule"),
        time("deleted_at", "When it had gone; NULL while it is there"),
        boolean("legal_hold", "Whether a legal hold keeps it, or may: of whom it is, the ledger does not say"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::RetentionScheduled(_)
        | Event::RetentionUnscheduled(_)
        | Event::HoldPlaced(_)
        | Event::HoldReleased(_) = &leaf.entry.event
        {
            self.retention.apply(leaf.entry);
        }
        self.payloads.apply(leaf);
        self.stored.apply(leaf);
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        self.payloads.rows(&self.retention, out);
        self.stored.rows(&self.retention, out);
    }
}
