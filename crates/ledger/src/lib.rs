//! The ledger on disk: a write-ahead log that makes things durable in groups, and on it a Merkle log and the records of
//! inferences. This crate moves bytes; what they mean is known further up.

pub mod commit;
pub mod fsck;
pub mod log;
pub mod records;
pub mod vfs;
pub mod wal;
pub mod witness;
