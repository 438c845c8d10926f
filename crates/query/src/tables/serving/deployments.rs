//! `deployments`: which model version answered for which service, and when.

use std::collections::BTreeMap;

use domain::Event;
use domain::serving::DeploymentStarted;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    started: DeploymentStarted,
    at: i64,
    by: String,
    env: String,
    change: Option<String>,
    emergency: bool,
    ended_at: Option<i64>,
}

/// By what a command was carried out.
#[derive(Clone)]
enum Change {
    Approval(String),
    Emergency(String),
}

#[derive(Clone, Default)]
pub(crate) struct Deployments {
    rows: Vec<Row>,
    /// The environment of each service.
    envs: BTreeMap<String, String>,
    /// The approval or emergency that the command at hand uses, and its time: what it deploys comes right after.
    change: Option<(Change, i64)>,
}

impl Table for Deployments {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "deployments";
    const DOC: &'static str = "Every deployment, ended ones too. Both instants are those of the ledger: a deployment answers from `ts` on and for no call that arrives at `ended_at` or later.";
    const COLUMNS: &'static [Column] = &[
        text("deployment_id", "Identifier of the deployment"),
        text("service_id", "The service that it answers for"),
        text("model_id", "The model: `provider/model`, or a registered model's name"),
        text("version", "Its version; `as-served` for an outside provider"),
        text("env", "The environment of its service, such as `prod`"),
        time("ts", "When it began to answer"),
        time("ended_at", "When it stopped; NULL while it answers"),
        text("actor_id", "Who declared the service so"),
        text(
            "change_id",
            "The approval or emergency that it was deployed with, as in `changes`; NULL when it needed none",
        ),
        text("strategy", "NULL: a deployment takes over at once, there is no gradual one yet"),
        int("guard_metrics", "NULL: there are no guarded rollouts yet"),
        text("artifact_digest", "SHA-256 of the model served in process; NULL for an outside provider"),
        text("rollback_target", "NULL: not declared yet"),
        boolean("emergency", "Whether it was deployed in an emergency"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ServiceDeclared(body) => {
                self.change = None;
                self.envs.insert(body.service.clone(), body.spec.environment.clone());
            }
            Event::ApprovalConsumed(body) => {
                self.change = Some((Change::Approval(body.approval.clone()), leaf.entry.ts));
            }
            Event::EmergencyUsed(body) => {
                self.change = Some((Change::Emergency(body.emergency.clone()), leaf.entry.ts));
            }
            Event::DeploymentStarted(body) => {
                let change = self.change.as_ref().filter(|(_, at)| *at == leaf.entry.ts).map(|(change, _)| change);
                let emergency = matches!(change, Some(Change::Emergency(_)));
                self.rows.push(Row {
                    origin: leaf.origin(),
                    started: body.clone(),
                    at: leaf.entry.ts,
                    by: leaf.entry.actor.clone(),
                    env: self.envs.get(&body.service).cloned().unwrap_or_else(|| "prod".into()),
                    change: change.map(|(Change::Approval(id) | Change::Emergency(id))| id.clone()),
                    emergency,
                    ended_at: None,
                });
            }
            Event::DeploymentEnded(body) => {
                let live = |row: &&mut Row| row.started.deployment == body.deployment && row.ended_at.is_none();
                if let Some(row) = self.rows.iter_mut().rev().find(live) {
                    (row.origin, row.ended_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let (model, version) = row.started.target.model_and_version();
            let cells = [
                (&row.started.deployment).into(),
                (&row.started.service).into(),
                model.into(),
                version.into(),
                (&row.env).into(),
                ms(row.at),
                row.ended_at.map_or(Cell::Null, ms),
                (&row.by).into(),
                row.change.as_ref().into(),
                Cell::Null,
                Cell::Null,
                row.started.artifact_sha256.as_ref().into(),
                Cell::Null,
                row.emergency.into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
