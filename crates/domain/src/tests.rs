//! The rules of the pure core: golden bytes of every event, and given/when/then of the decisions.

mod approvals;
mod contract_format;
mod contracts;
mod custom;
mod datasets;
mod decisions;
mod directory;
mod duties;
mod emergencies;
mod encryption;
mod fields;
mod golden;
mod governance;
mod keys;
mod lineage;
mod notifications;
mod passkeys;
mod records;
mod requests;
mod residency;
mod retention;
mod reviews;
mod sessions;
mod tokens;
mod walks;
mod workloads;
