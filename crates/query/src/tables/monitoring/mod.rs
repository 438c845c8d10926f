//! Monitoring: the room's tables, and those still to be filled, which concern what is watched.

use crate::table::Planned;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "required_monitors", doc: "Monitors that a risk tier demands.", area: "monitoring", columns: "risk_tier kind" },
    Planned { name: "monitors", doc: "Monitors of services.", area: "monitoring", columns: "monitor_id service_id kind threshold:float enabled:bool last_sample_at:time interval_s:int route_team tested_at:time" },
    Planned { name: "monitor_samples", doc: "Values that monitors measured.", area: "monitoring", columns: "sample_id monitor_id ts:time slice value:float breached:bool alert_id" },
    Planned { name: "alerts", doc: "Alerts and what became of them.", area: "monitoring", columns: "alert_id monitor_id service_id kind severity opened_at:time ack_due_at:time acked_at:time acked_by close_due_at:time closed_at:time resolution linked_ref" },
    Planned { name: "slo_periods", doc: "Service levels reached, period by period.", area: "monitoring", columns: "service_id period_start:time availability:float p95_ms:float headroom_pct:float consumption_limit_set:bool incident_id" },
    Planned { name: "incidents", doc: "Incidents from detection to closing.", area: "incidents", columns: "incident_id kind severity detected_at:time triage_due_at:time triaged_at:time contained_at:time closed_at:time root_cause_hash postmortem_at:time personal_info:bool suspected_at:time assessed_at:time eligible:bool regulator_notified_at:time individuals_notified_at:time" },
];
