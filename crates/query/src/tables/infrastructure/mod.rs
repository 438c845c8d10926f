//! Infrastructure: the room's tables, and those still to be filled, which concern the ground that everything stands on.

use crate::table::Planned;

mod catalogue;
mod certificates;
mod checkpoints;
mod endpoints;
mod events;
mod ledger_objects;
mod nodes;
mod refusals;
mod sources;

pub(crate) use catalogue::{LIST, list, list_rows};
pub(crate) use certificates::Certificates;
pub(crate) use checkpoints::Checkpoints;
pub(crate) use endpoints::Endpoints;
pub(crate) use events::{EVENTS, Entries, events};
pub(crate) use ledger_objects::LedgerObjects;
pub(crate) use nodes::Nodes;
pub(crate) use refusals::Refusals;
pub(crate) use sources::{ExpectedSources, SourceActivity};

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "backups", doc: "Backups due and done.", area: "backup", columns: "backup_id scope due_at:time completed_at:time ok:bool encrypted:bool" },
    Planned { name: "restore_tests", doc: "Rehearsals of restoring.", area: "backup", columns: "test_id scope ts:time passed:bool rto_s:int rto_objective_s:int" },
    Planned { name: "zone_policy", doc: "Which zone may talk to which.", area: "network zones", columns: "src_zone dst_zone" },
    Planned { name: "network_flows", doc: "Flows between zones, allowed or denied.", area: "network zones", columns: "flow_id ts:time src_zone dst_zone allowed:bool rule_id" },
    Planned { name: "iac_applies", doc: "Applications of infrastructure code.", area: "infrastructure code", columns: "apply_id ts:time repo code_commit env actor_id change_id scan_id plan_hash" },
    Planned { name: "iac_scans", doc: "Scans of infrastructure code.", area: "infrastructure code", columns: "scan_id repo code_commit ts:time high_findings:int waived:int sarif_digest" },
    Planned { name: "drift_findings", doc: "Infrastructure that differs from its code.", area: "infrastructure code", columns: "drift_id env resource detected_at:time due_at:time resolved_at:time" },
    Planned { name: "vuln_findings", doc: "Vulnerabilities found.", area: "vulnerabilities", columns: "finding_id target_kind target_id severity first_seen:time due_at:time fixed_at:time accepted_by accepted_until:time" },
];
