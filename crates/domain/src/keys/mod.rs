//! Keys that data are encrypted under, who keeps the one at the top, and what hangs on them: retention, holds, and
//! forgetting. The keys that applications hold are in [`crate::people::keys`].

pub mod custodians;
pub mod disposals;
pub mod encryption;
pub mod holds;
pub mod requests;
pub mod retention;
pub mod tokens;

pub use custodians::{CustodianKind, CustodianReported};
pub use encryption::{ClassKey, ClassKeyRotated, Encryption, EncryptionConfigured, RootRatcheted, RotationRequested};
