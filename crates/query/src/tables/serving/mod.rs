//! Serving: the room's tables, and those still to be filled, which concern what answers lead to.

use crate::table::Planned;

mod deployments;
mod gateway_counters;
mod inference_records;
mod inferences;
mod segments;
mod service_registrations;
mod services;

pub(crate) use deployments::Deployments;
pub(crate) use gateway_counters::GatewayCounters;
pub(crate) use inferences::{INFERENCES, inference_select, inferences};
pub(crate) use segments::{AccessSegments, Segments};
pub(crate) use service_registrations::ServiceRegistrations;
pub(crate) use services::Services;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "decisions", doc: "Decisions that answers led to, and their review.", area: "human oversight", columns: "decision_id inference_id service_id ts:time significant_effect:bool reviewer_id review_seconds:int overridden:bool" },
    Planned { name: "explanations", doc: "Explanations kept for decisions.", area: "explanations", columns: "explanation_id inference_id method payload_hash ts:time" },
    Planned { name: "agent_tools", doc: "Tools that agents may use.", area: "agent tools", columns: "agent_id tool needs_approval:bool" },
    Planned { name: "tool_calls", doc: "Tools that agents called.", area: "agent tools", columns: "call_id agent_id tool ts:time executed:bool side_effect:bool approval_id" },
];
