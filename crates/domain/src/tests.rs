//! The rules of the pure core: golden bytes of every event, and given/when/then of the decisions.

mod approvals;
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
mod notifications;
mod passkeys;
mod records;
mod requests;
mod retention;
mod reviews;
mod sessions;
mod tokens;
mod walks;
mod workloads;
