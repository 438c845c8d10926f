//! `model_versions`: the models that are served in process.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    at: i64,
    by: String,
    artifact: String,
    /// Live deployments of it.
    live: BTreeSet<String>,
    served: bool,
}

#[derive(Clone, Default)]
pub(crate) struct ModelVersions(BTreeMap<(String, String), Row>);

impl Table for ModelVersions {
    const ROOM: &'static str = "models";
    const NAME: &'static str = "model_versions";
    const DOC: &'static str = "Registered model versions. What training, evaluation and scanning would tell of them is not recorded yet and stays NULL.";
    const COLUMNS: &'static [Column] = &[
        text("model_id", "Name of the model"),
        text("version", "Its version, never used for other bytes"),
        text("run_id", "NULL: training runs are not recorded yet"),
        text("source", "NULL: where a model came from is not recorded yet"),
        text(
            "stage",
            "`prod` while a deployment serves it, `retired` after the last one ended, `registered` before the first",
        ),
        time("created_at", "When it was registered"),
        text("created_by", "Who registered it"),
        text("artifact_digest", "SHA-256 of the artifact, hexadecimal"),
        boolean("signature_ok", "NULL: signatures of artifacts are not checked yet"),
        text("scan_status", "NULL: the check at registration is of the model's operators, not a scan for malware"),
        time("scanned_at", "NULL: see `scan_status`"),
        text("metrics_hash", "NULL: not recorded yet"),
        text("card_hash", "NULL: not recorded yet"),
        text("business_logic_hash", "NULL: not recorded yet"),
        text("compliance_status", "NULL: not recorded yet"),
        boolean("isolation_required", "NULL: not recorded yet"),
        time("max_age_until", "NULL: not recorded yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ModelRegistered(body) => {
                let row = Row {
                    origin: leaf.origin(),
                    at: leaf.entry.ts,
                    by: leaf.entry.actor.clone(),
                    artifact: body.artifact_sha256.clone(),
                    live: BTreeSet::new(),
                    served: false,
                };
                self.0.insert((body.model.clone(), body.version.clone()), row);
            }
            Event::DeploymentStarted(body) if body.artifact_sha256.is_some() => {
                if let Some(row) = self.0.get_mut(&body.target.model_and_version()) {
                    row.live.insert(body.deployment.clone());
                    (row.origin, row.served) = (leaf.origin(), true);
                }
            }
            Event::DeploymentEnded(body) => {
                for row in self.0.values_mut().filter(|row| row.live.contains(&body.deployment)) {
                    row.live.remove(&body.deployment);
                    row.origin = leaf.origin();
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for ((model, version), row) in &self.0 {
            let stage = match (row.live.is_empty(), row.served) {
                (false, _) => "prod",
                (true, true) => "retired",
                (true, false) => "registered",
            };
            let mut cells = [const { Cell::Null }; 17];
            cells[0] = model.into();
            cells[1] = version.into();
            cells[4] = stage.into();
            cells[5] = ms(row.at);
            cells[6] = (&row.by).into();
            cells[7] = (&row.artifact).into();
            out.push(row.origin, cells);
        }
    }
}
