//! Keys that protect data, and what follows from them: what may be kept, what must be, and what a person can ask for.

pub mod holds;
pub mod requests;
