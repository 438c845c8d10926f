//! Keys: what protects data, how long data is kept, and what keeps it from being destroyed.

pub mod holds;
pub mod retention;
