//! `data_objects`: what is stored, how it is classified, and how long it is kept. A file beside this one for each kind.

use super::payload_objects::PayloadObjects;
use crate::fold::{Leaf, Moment};
use crate::table::{Column, Rows, Table, boolean, text, time};

#[derive(Clone, Default)]
pub(crate) struct DataObjects {
    payloads: PayloadObjects,
}

impl Table for DataObjects {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "data_objects";
    const DOC: &'static str = "Stored objects with their classification and retention. Payloads of a class and day are one: they share a key.";
    const COLUMNS: &'static [Column] = &[
        text("object_id", "Identifier: `payloads/CLASS/DAY`"),
        text("kind", "`inference_payload`, or `access_record` for what accesses asked"),
        text("classification", "Its class"),
        time("classified_at", "When it was classified: payloads are as they come"),
        text("key_id", "The key that it is sealed under and destroyed with: `day/CLASS/DAY`"),
        boolean("encrypted", "Whether it is stored encrypted"),
        text("region", "NULL: not known yet"),
        text("source_ref", "Where it came from: `gateway` or `accesses`"),
        time("created_at", "When it came to be: the start of its day"),
        text("retention_policy_id", "The rule of retention that it is under; NULL when none says how long it is kept"),
        time("expires_at", "When it is due by that rule"),
        time("deleted_at", "When it had gone; NULL while it is there"),
        boolean("legal_hold", "Whether a legal hold keeps it, or may: of whom it is, the ledger does not say"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.payloads.apply(leaf);
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        self.payloads.rows(out);
    }
}
