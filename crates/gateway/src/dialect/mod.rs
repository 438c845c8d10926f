//! What clients and providers say on the wire: parsers of untrusted bytes, pure and without I/O.
//!
//! A dialect knows shapes; it does not know providers, keys or records.

pub mod oip;
pub mod openai;
pub mod sse;
