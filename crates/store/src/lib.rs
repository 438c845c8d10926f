//! Drivers behind the ports of the ledger and the vault: where bytes and keys really lie. A driver is
//! one file here, and passes the conformance suite of its port. Nothing in this crate knows what the
//! bytes mean.

mod client;
pub mod custodian;
pub mod keys;
pub mod objects;
pub mod s3;
pub mod secret_file;
pub mod tokens;

pub use custodian::{
    CustodianError, CustodianOptions, FileCustodian, Pkcs11Options, SecretSource, TransitCustodian, TransitOptions,
};
pub use keys::{KeyStoreError, SqliteKeys};
