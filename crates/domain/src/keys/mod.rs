//! Keys: what protects data, how long data is kept, and what keeps it from being destroyed.

pub(crate) mod disposals;
pub mod holds;
pub mod retention;
