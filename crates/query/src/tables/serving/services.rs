//! `services`: what applications may call, who answers for it, and who agreed to that.

use std::collections::BTreeMap;

use domain::Event;
use domain::serving::ServiceSpec;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, float, ms, text, time};
use crate::tables::people::{Requests, decided_by};

#[derive(Clone)]
struct Row {
    origin: Origin,
    spec: ServiceSpec,
    created_at: i64,
    retired: bool,
    registered: Option<Registered>,
}

/// Who answers for a service, and the approval that they do, of the risk as it is declared.
#[derive(Clone)]
struct Registered {
    owner: String,
    approval: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Services {
    rows: BTreeMap<String, Row>,
    requests: Requests,
}

impl Table for Services {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "services";
    const DOC: &'static str = "Services as declared. What is not declared of them is NULL.";
    const COLUMNS: &'static [Column] = &[
        text("service_id", "Name of the service"),
        text(
            "owner_id",
            "The person who answers for it, or did when it was retired; NULL when it is not registered, or that person has left",
        ),
        text("status", "`active` or `retired`"),
        text("risk_tier", "`high`, `medium` or `low`"),
        time("created_at", "When it was declared first, or declared again after it had been retired"),
        time(
            "approved_at",
            "When its registration was approved; NULL when it was not, or not with the risk it has now",
        ),
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
        text("team", "The team that answers for it, as declared"),
        text("approved_by", "Whose vote made up the quorum; NULL when `approved_at` is"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.requests.apply(leaf);
        match &leaf.entry.event {
            Event::ServiceDeclared(body) => {
                let known = self.rows.get(&body.service).filter(|row| !row.retired);
                let created_at = known.map_or(leaf.entry.ts, |row| row.created_at);
                let same_risk = known.filter(|row| row.spec.risk_tier == body.spec.risk_tier);
                let registered = same_risk.and_then(|row| row.registered.clone());
                let (origin, spec) = (leaf.origin(), body.spec.clone());
                self.rows.insert(body.service.clone(), Row { origin, spec, created_at, retired: false, registered });
            }
            Event::ServiceRegistered(body) => {
                if let Some(row) = self.rows.get_mut(&body.service) {
                    let registered = Registered { owner: body.owner.clone(), approval: None };
                    (row.origin, row.registered) = (leaf.origin(), Some(registered));
                }
            }
            // It comes right after what it is of.
            Event::ApprovalConsumed(body) => self.approved(leaf, &body.approval),
            Event::ActorLeft(body) => {
                let theirs = |row: &&mut Row| {
                    !row.retired && row.registered.as_ref().is_some_and(|known| known.owner == body.actor)
                };
                for row in self.rows.values_mut().filter(theirs) {
                    (row.origin, row.registered) = (leaf.origin(), None);
                }
            }
            Event::ServiceRetired(body) => {
                if let Some(row) = self.rows.get_mut(&body.service) {
                    // How it was registered to the end is told of what it answered until then.
                    (row.origin, row.retired) = (leaf.origin(), true);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (service, row) in &self.rows {
            let spec = &row.spec;
            let registered = row.registered.as_ref();
            let approval = registered.and_then(|known| self.requests.get(known.approval.as_ref()?));
            let decided = approval.and_then(decided_by);
            let cells = [
                service.into(),
                registered.map(|known| &known.owner).into(),
                if row.retired { "retired" } else { "active" }.into(),
                spec.risk_tier.as_str().into(),
                ms(row.created_at),
                decided.map_or(Cell::Null, |cast| ms(cast.at)),
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
                (&spec.owner).into(),
                decided.map(|cast| &cast.by).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}

impl Services {
    fn approved(&mut self, leaf: &Leaf<'_>, approval: &str) {
        let asked = self.requests.get(approval).map(|known| &known.requested);
        let asked = asked.filter(|asked| asked.command == "service.register");
        let service = asked.and_then(|asked| asked.resource.strip_prefix("service/"));
        let Some(row) = service.and_then(|service| self.rows.get_mut(service)) else { return };
        if let Some(registered) = &mut row.registered {
            (row.origin, registered.approval) = (leaf.origin(), Some(approval.to_owned()));
        }
    }
}
