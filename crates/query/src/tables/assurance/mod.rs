//! Assurance: the room's tables, and those still to be filled, which concern governance, and what follows from controls.

use crate::table::Planned;

mod control_runs;
mod control_schedule;
mod evidence_packages;

pub(crate) use control_runs::ControlRuns;
pub(crate) use control_schedule::ControlSchedule;
pub(crate) use evidence_packages::EvidencePackages;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "risks", doc: "Risks and their treatment.", area: "risk register", columns: "risk_id service_id residual treatment owner_id accepted_by review_due:time status opened_at:time" },
    Planned { name: "impact_assessments", doc: "Assessments of a service's impact.", area: "risk register", columns: "assessment_id service_id kind completed_at:time approved_by valid_until:time" },
    Planned { name: "adm_register", doc: "Automated decisions that are made.", area: "automated decisions", columns: "adm_id service_id decision_kind pi_kinds degree significant_effect:bool assessed_by review_due:time status effective_from:time" },
    Planned { name: "privacy_policy_entries", doc: "What the privacy policy says of them.", area: "automated decisions", columns: "policy_version published_at:time withdrawn_at:time adm_id pi_kinds decision_kind degree" },
    Planned { name: "obligations", doc: "Legal and contractual obligations.", area: "obligations", columns: "obligation_id instrument effective_from:time owner_id review_due:time mapped_controls:int" },
    Planned { name: "exceptions", doc: "Violations accepted, answered and closed.", area: "exceptions", columns: "exception_id control_id item_ref run_id opened_at:time approved_by opened_by expires_at:time closed_at:time response_hash" },
    Planned { name: "evidence_requests", doc: "What auditors asked for, and when they got it.", area: "evidence requests", columns: "request_id control_id asked_at:time due_at:time delivered_at:time package_digest query_hash params_hash" },
    Planned { name: "generated_docs", doc: "Documents generated from live state.", area: "generated documents", columns: "doc_kind version generated_at:time state_root current_state_root approved_by review_due:time" },
    Planned { name: "gap_items", doc: "Gaps and when they are to be closed.", area: "gap analysis", columns: "gap_id control_id priority phase:int owner_id due_at:time closed_at:time" },
];
