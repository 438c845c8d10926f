//! `policy_versions`: which policies were in force when, and who agreed to them.

use domain::Event;

use super::approvals::Requests;
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    sha256: String,
    text: String,
    at: i64,
    by: String,
    until: Option<i64>,
    approval: Option<String>,
    stood_in: bool,
}

#[derive(Clone, Default)]
pub(crate) struct PolicyVersions {
    versions: Vec<Row>,
    requests: Requests,
}

impl Table for PolicyVersions {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "policy_versions";
    const DOC: &'static str = "Policies as they came into force, oldest first. The first ones are the program's own.";
    const COLUMNS: &'static [Column] = &[
        int("version", "1 for the first, then one more each time"),
        text("sha256", "SHA-256 of the text, hexadecimal: how decisions name it"),
        time("installed_at", "When it came into force"),
        text("installed_by", "Who put it into force"),
        time("superseded_at", "When others came into force; NULL while it is in force"),
        text("approval_id", "The approval that it was installed with; NULL for the first, and when somebody stood in"),
        text("approved_by", "Who approved it, separated by commas"),
        boolean("stood_in", "Whether nobody could approve, because nobody had been given that duty yet"),
        text("text", "The policies"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.requests.apply(leaf);
        match &leaf.entry.event {
            Event::PoliciesInstalled(body) => {
                if let Some(before) = self.versions.last_mut() {
                    (before.origin, before.until) = (leaf.origin(), Some(leaf.entry.ts));
                }
                self.versions.push(Row {
                    origin: leaf.origin(),
                    sha256: body.sha256.clone(),
                    text: body.text.clone(),
                    at: leaf.entry.ts,
                    by: leaf.entry.actor.clone(),
                    until: None,
                    approval: None,
                    stood_in: false,
                });
            }
            // What a command did beside its first event follows it at once.
            Event::ApprovalConsumed(body) => {
                let concerned =
                    self.requests.get(&body.approval).is_some_and(|a| a.requested.command == "policies.install");
                if let Some(row) = self.versions.last_mut().filter(|_| concerned) {
                    (row.origin, row.approval) = (leaf.origin(), Some(body.approval.clone()));
                }
            }
            Event::DutyStoodIn(body) if body.command == "policies.install" => {
                if let Some(row) = self.versions.last_mut() {
                    (row.origin, row.stood_in) = (leaf.origin(), true);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (row, version) in self.versions.iter().zip(1_u64..) {
            let approval = row.approval.as_ref().and_then(|id| self.requests.get(id));
            let approved_by =
                approval.map(|approval| approval.yes().map(|cast| cast.by.as_str()).collect::<Vec<_>>().join(","));
            let cells = [
                version.into(),
                (&row.sha256).into(),
                ms(row.at),
                (&row.by).into(),
                row.until.map_or(Cell::Null, ms),
                row.approval.as_ref().into(),
                approved_by.into(),
                row.stood_in.into(),
                (&row.text).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
