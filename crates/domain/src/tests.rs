//! The rules of the pure core: golden bytes of every event, and given/when/then of the decisions.

mod decisions;
mod duties;
mod golden;
mod keys;
mod passkeys;
mod records;
mod sessions;
mod workloads;
