//! The rules of the pure core: golden bytes of every event, and given/when/then of the decisions.

mod decisions;
mod directory;
mod duties;
mod golden;
mod keys;
mod records;
mod reviews;
mod sessions;
mod workloads;
