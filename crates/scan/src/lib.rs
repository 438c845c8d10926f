//! Detectors: bytes in, findings out. Pure: no I/O, no clock, no chance, and no knowledge of who asks.
//!
//! A detector is one file. It reads each byte a bounded number of times, whatever the bytes are.

pub mod artifacts;
pub mod detect;
pub mod digits;
pub mod keys;
pub mod personal;
pub mod placeholders;

pub use detect::Detectors;
