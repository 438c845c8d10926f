//! `nodes`: the starts of nodes, and what each found.

use domain::Event;
use domain::infrastructure::NodeRecovered;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    node: String,
    incarnation: u64,
    program: String,
    at: i64,
    recovered: Option<NodeRecovered>,
}

#[derive(Clone, Default)]
pub(crate) struct Nodes(Vec<Row>);

impl Table for Nodes {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "nodes";
    const DOC: &'static str = "Incarnations of nodes: one row for every start.";
    const COLUMNS: &'static [Column] = &[
        text("node_id", "The node's name"),
        int("incarnation", "1 for its first start, then one more each time"),
        text("program", "Version of the program"),
        time("joined_at", "When it started"),
        int(
            "unsealed",
            "Records of this incarnation that the next start found unsealed; NULL when nothing had to be recovered",
        ),
        int("interrupted", "Inferences of this incarnation that had begun and not ended"),
        int("truncated_bytes", "Bytes of a torn batch that was cut off"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::NodeJoined(body) => self.0.push(Row {
                origin: leaf.origin(),
                node: body.node.clone(),
                incarnation: body.incarnation,
                program: body.program.clone(),
                at: leaf.entry.ts,
                recovered: None,
            }),
            Event::NodeRecovered(body) => {
                let same = |row: &&mut Row| (&row.node, row.incarnation) == (&body.node, body.incarnation);
                if let Some(row) = self.0.iter_mut().rev().find(same) {
                    (row.origin, row.recovered) = (leaf.origin(), Some(body.clone()));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let found = |value: fn(&NodeRecovered) -> u64| Cell::from(row.recovered.as_ref().map(value));
            let cells = [
                (&row.node).into(),
                row.incarnation.into(),
                (&row.program).into(),
                ms(row.at),
                found(|r| r.unsealed),
                found(|r| r.interrupted),
                found(|r| r.truncated_bytes),
            ];
            out.push(row.origin, cells);
        }
    }
}
