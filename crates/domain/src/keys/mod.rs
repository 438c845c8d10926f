//! Keys that encrypt, and who keeps the one at the top.

pub mod custodians;

pub use custodians::{CustodianKind, CustodianReported};
