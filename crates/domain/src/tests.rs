//! The rules of the pure core: golden bytes of every event, and given/when/then of the decisions.

mod approvals;
mod custom;
mod decisions;
mod duties;
mod emergencies;
mod golden;
mod keys;
mod records;
mod sessions;
mod workloads;
