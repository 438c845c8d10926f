//! The vault: the only part of Counterfoil that can forget.
//!
//! Personal data is *sealed*: encrypted under a key that is derived from two others, the key of the
//! person it concerns (the subject) and the key of its class and day. Destroy either and the data is
//! gone everywhere it was copied, while the ledger's proofs still verify, because the ledger commits
//! to ciphertext and to salted commitments, and the salts die with the keys.
//!
//! ```text
//! root key                         behind a [`Custodian`]
//!  ├ class key [c]                 one per data class
//!  │  ├ bucket key [c][00..ff] v   wraps the subject and object keys whose reference starts with that byte
//!  │  │  ├ subject key [c][s]      destroyed to erase a subject
//!  │  │  └ object key [c][o]       destroyed with an object
//!  │  └ bucket key [c][days] v     wraps the day keys of the class
//!  │     └ day key [c][yyyy-mm-dd] destroyed when the retention of a day ends
//!  ├ class key [_link], bucket keys, link key [s]   subject tags
//!  ├ index key [scope]             blind index: identifier -> subject reference; tokens: value -> token;
//!  │                               fingerprints of content
//!  └ format key [scope]            format-preserving tokens
//! ```
//!
//! Class and bucket keys are replaced on time without a change to any data, and the root key has versions, of which
//! the older ones are destroyed: `rotate.rs`.
//!
//! All keys are 32 random bytes and are stored wrapped, in a [`KeyStore`]. This crate knows nothing
//! of who may ask, of SQL or of files: stores and custodians are drivers behind those two traits.
//! Byte formats are in [`record`] (sealed payloads), [`object`] (encrypted files), [`note`] (sealed notes), [`commit`]
//! (commitments), [`wrap`] (wrapped keys) and [`tokens`] (tokens).
//!
//! Not done here: the pages of the process are not locked into memory, so a host that swaps should
//! encrypt its swap; plaintext handed in and out is the caller's to wipe, only keys are zeroized.

mod cache;
pub mod commit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
pub mod custodian_conformance;
pub mod custody;
mod destroy;
mod error;
mod fingerprint;
mod held;
mod keyring;
pub mod memory;
mod names;
pub mod note;
pub mod object;
mod ports;
pub mod record;
mod rotate;
mod signet;
pub mod tokens;
mod vault;
pub mod wrap;

pub use commit::{commitment_root, verify_commitment};
pub use custody::{Away, Custodied, Custody, Unreachable};
pub use destroy::Destroyed;
pub use error::{BoxError, VaultError};
pub use fingerprint::{Fingerprint, Fingerprints};
pub use names::{KeyKind, KeyName, ObjectId, SubjectRef};
pub use object::{ObjectError, ObjectHeader, ObjectPieces, ObjectReader, ObjectWriter, ReadAt, Written};
pub use ports::{
    Custodian, CustodianInfo, DestroyOutcome, Destruction, KeyCount, KeyInfo, KeyState, KeyStore, Put, Rewrap, Stored,
    Target, Turn, TurnedBucket, WrappedKey, same_versions,
};
pub use record::{Sealed, SealedRef};
pub use rotate::{ClassKey, Ratcheted, Turned};
pub use signet::Signet;
pub use vault::{Disclosed, Disclosure, Vault};
pub use wrap::SecretKey;
