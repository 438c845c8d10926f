//! `refusals`: what was asked for and not done.

use domain::Event;
use domain::infrastructure::CommandRefused;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    id: String,
    at: i64,
    actor: String,
    refused: CommandRefused,
    policy_version: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Refusals {
    rows: Vec<Row>,
    /// The policies in force.
    policy_version: Option<String>,
}

impl Table for Refusals {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "refusals";
    const DOC: &'static str =
        "Commands that were refused, by a policy or by the rules. Refused inference calls are in `inference_records`.";
    const COLUMNS: &'static [Column] = &[
        text("event_id", "Identifier of the event"),
        time("ts", "When"),
        text("principal_id", "Who asked"),
        text("command", "The command's name"),
        text("resource", "What it would have changed, as `kind/name`"),
        text("code", "A stable code, such as `forbidden` or `conflict`"),
        text(
            "policies",
            "Policies that forbade it, separated by commas; empty when none allowed it or the rules refused it",
        ),
        text("policy_version", "SHA-256 of the policies that were in force, as in `policy_versions`"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::PoliciesInstalled(body) = &leaf.entry.event {
            self.policy_version = Some(body.sha256.clone());
        }
        if let Event::CommandRefused(body) = &leaf.entry.event {
            self.rows.push(Row {
                origin: leaf.origin(),
                id: leaf.entry.id.clone(),
                at: leaf.entry.ts,
                actor: leaf.entry.actor.clone(),
                refused: body.clone(),
                policy_version: self.policy_version.clone(),
            });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let cells = [
                (&row.id).into(),
                ms(row.at),
                (&row.actor).into(),
                (&row.refused.command).into(),
                (&row.refused.resource).into(),
                row.refused.code.as_str().into(),
                row.refused.policies.join(",").into(),
                row.policy_version.as_ref().into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
