//! `workloads`: which proofs of programs are believed, and what they open.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::{KeyScope, WorkloadProof, WorkloadRule};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    rule: WorkloadRule,
    declared_by: String,
    declared_at: i64,
    retired_at: Option<i64>,
    exchanges: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Workloads(BTreeMap<String, Row>);

impl Table for Workloads {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "workloads";
    const DOC: &'static str =
        "Rules by which a program proves who it is by a token of its CI job's issuer or by a client certificate.";
    const COLUMNS: &'static [Column] = &[
        text("workload_id", "Name of the rule"),
        text("proof", "`token` or `certificate`"),
        text("issuer", "Who must have made the token; NULL for certificates"),
        text("audience", "For whom the token must be; NULL for certificates"),
        text("claims", "What the token must claim, as a JSON object; NULL for certificates"),
        text("names", "Names of which the certificate must have one, by commas; NULL for tokens"),
        text("principal_id", "The service account that its keys belong to"),
        text("service_id", "The services whose inference calls its keys open, by commas; NULL for the management API"),
        int("ttl_seconds", "How long its keys live"),
        text("declared_by", "Who declared it as it is"),
        time("declared_at", "When"),
        time("retired_at", "When it was believed no longer; NULL while it is"),
        int("exchanges", "How many keys came of it"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::WorkloadDeclared(body) => {
                let exchanges = self.0.get(&body.workload).map_or(0, |row| row.exchanges);
                let row = Row {
                    origin: leaf.origin(),
                    rule: body.rule.clone(),
                    declared_by: leaf.entry.actor.clone(),
                    declared_at: leaf.entry.ts,
                    retired_at: None,
                    exchanges,
                };
                self.0.insert(body.workload.clone(), row);
            }
            Event::WorkloadRetired(body) => {
                if let Some(row) = self.0.get_mut(&body.workload) {
                    (row.origin, row.retired_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            Event::KeyExchanged(body) => {
                if let Some(row) = self.0.get_mut(&body.workload) {
                    row.exchanges = row.exchanges.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, row) in &self.0 {
            let (proof, token, names) = match &row.rule.proof {
                WorkloadProof::Token(token) => ("token", Some(token), None),
                WorkloadProof::Certificate(names) => ("certificate", None, Some(names.join(","))),
            };
            let claims = token.and_then(|token| serde_json::to_string(&token.claims).ok());
            let services = match &row.rule.opens {
                KeyScope::Actor(_) => None,
                scope => Some(scope.services().join(",")),
            };
            let cells = [
                name.into(),
                proof.into(),
                token.map(|token| &token.issuer).into(),
                token.map(|token| &token.audience).into(),
                claims.into(),
                names.into(),
                row.rule.opens.principal().into(),
                services.into(),
                u64::from(row.rule.ttl_seconds).into(),
                (&row.declared_by).into(),
                ms(row.declared_at),
                row.retired_at.map_or(Cell::Null, ms),
                row.exchanges.into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
