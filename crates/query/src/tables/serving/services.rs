//! `services`: what applications may call.

use std::collections::BTreeMap;

use domain::Event;
use domain::serving::ServiceSpec;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, float, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    spec: ServiceSpec,
    created_at: i64,
    retired: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Services(BTreeMap<String, Row>);

impl Table for Services {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "services";
    const DOC: &'static str = "Services as declared. What is not declared of them is NULL.";
    const COLUMNS: &'static [Column] = &[
        text("service_id", "Name of the service"),
        text("owner_id", "The team that answers for it"),
        text("status", "`active` or `retired`"),
        text("risk_tier", "`high`, `medium` or `low`"),
        time("created_at", "When it was declared first, or declared again after it had been retired"),
        time("approved_at", "NULL: there is no approval of services yet"),
        text("adm_class", "NULL: not declared yet"),
        boolean("significant_effect", "Whether its answers may significantly affect a person"),
        boolean("uses_personal_info", "Whether it handles personal information"),
        text("oversight", "How people oversee it, such as `human_review`; NULL when not declared"),
        boolean("explain_required", "Whether each decision needs an explanation"),
        boolean("guardrails_required", "Whether each inference must pass guardrails"),
        text("fallback_kind", "NULL: there are no fallbacks yet"),
        time("fallback_tested_at", "NULL: there are no fallbacks yet"),
        text("pet_required", "NULL: not declared yet"),
        float("slo_availability", "NULL: not declared yet"),
        float("slo_p95_ms", "NULL: not declared yet"),
        text("env", "The environment that it is for, such as `prod`"),
        text("purpose_id", "What it is for"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ServiceDeclared(body) => {
                let known = self.0.get(&body.service).filter(|row| !row.retired);
                let created_at = known.map_or(leaf.entry.ts, |row| row.created_at);
                let row = Row { origin: leaf.origin(), spec: body.spec.clone(), created_at, retired: false };
                self.0.insert(body.service.clone(), row);
            }
            Event::ServiceRetired(body) => {
                if let Some(row) = self.0.get_mut(&body.service) {
                    (row.origin, row.retired) = (leaf.origin(), true);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (service, row) in &self.0 {
            let spec = &row.spec;
            let cells = [
                service.into(),
                (&spec.owner).into(),
                if row.retired { "retired" } else { "active" }.into(),
                spec.risk_tier.as_str().into(),
                ms(row.created_at),
                Cell::Null,
                Cell::Null,
                spec.significant_effect.into(),
                spec.uses_personal_info.into(),
                spec.oversight.as_ref().into(),
                spec.explain_required.into(),
                spec.guardrails_required.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                (&spec.environment).into(),
                (&spec.purpose).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
