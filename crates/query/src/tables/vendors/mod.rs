//! Vendors: the room's tables, and those still to be filled, which concern the providers in operation.

use crate::table::Planned;

mod providers;

pub(crate) use providers::Vendors;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "vendor_health", doc: "Availability and errors of providers.", area: "provider health", columns: "vendor_id ts:time availability:float error_rate:float breaker" },
    Planned { name: "failovers", doc: "Switches to another provider or region.", area: "fallback", columns: "failover_id vendor_id service_id ts:time to_vendor_id to_region guardrails_on:bool logging_on:bool residency_ok:bool" },
    Planned { name: "vendor_models", doc: "Versions of models at providers, pinned and observed.", area: "provider health", columns: "vendor_id model_id pinned_version observed_version observed_at:time change_id" },
];
