//! `checkpoints`: the signed states of the log that heartbeats kept, each checked again here.

use domain::Event;

use crate::checkpoint::Kept;
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    kept: Kept,
    prev: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Checkpoints {
    log_id: String,
    rows: Vec<Row>,
}

impl Table for Checkpoints {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "checkpoints";
    const DOC: &'static str = "Checkpoints that heartbeats kept. Signature and consistency are not copied from anywhere: they are computed while the ledger is folded.";
    const COLUMNS: &'static [Column] = &[
        text("log_id", "Origin of the log"),
        int("tree_size", "Entries that it covers; NULL when the kept note cannot be read"),
        time("ts", "When it was signed"),
        time("prev_ts", "When the checkpoint kept before was signed; NULL for the first"),
        text("root", "Its root, hexadecimal"),
        boolean("signature_ok", "Whether it verifies with the log's key, which the first entry names"),
        boolean("consistency_ok", "Whether its root is the root of that many entries, recomputed from the log"),
        int(
            "witness_count",
            "Names other than the log's with a cosignature on it. They are counted, not verified: whom to trust as a witness is the auditor's policy, not the ledger's",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::OrgCreated(body) = &leaf.entry.event {
            self.log_id.clone_from(&body.origin);
        }
        if let Some(kept) = &leaf.kept {
            let prev = self.rows.last().map(|row| row.kept.signed_at);
            self.rows.push(Row { origin: leaf.origin(), kept: kept.clone(), prev });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let kept = &row.kept;
            let cells = [
                (&self.log_id).into(),
                kept.tree.map(|(size, _)| size).into(),
                ms(kept.signed_at),
                row.prev.map_or(Cell::Null, ms),
                kept.tree.map(|(_, root)| merkle::hex(&root)).into(),
                kept.signature_ok.into(),
                kept.consistency_ok.into(),
                kept.witnesses.into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
