//! Being a witness: a key, a memory of what was cosigned, and the two requests of C2SP tlog-witness.
//!
//! A witness shares nothing with the logs it watches, neither process nor data directory; it is best run by somebody
//! else. What must not be forgotten is kept by `ledger::witness`, which decides and stores as one step.

pub mod key;
pub mod server;
