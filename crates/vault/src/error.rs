//! What can go wrong in the vault, in words an operator can act on.

use crate::names::KeyName;

/// An error of a driver (key store or custodian), kept as the source of a [`VaultError`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the vault refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A class, scope, day, log id or identifier that cannot be used; the text says why.
    #[error("{what} `{given}` cannot be used: {why}")]
    Name {
        /// Which argument: "class", "day", ...
        what: &'static str,
        /// What was given, shortened; never an identifier of a person.
        given: String,
        /// The rule that was broken.
        why: &'static str,
    },
    /// The key was destroyed: what was sealed under it cannot be opened by anyone, for ever.
    #[error("key `{0}` was destroyed; what was sealed under it can no longer be opened")]
    KeyDestroyed(KeyName),
    /// No such key was ever made in this key store.
    #[error("key `{0}` is not in the key store; check that the key store belongs to this log")]
    UnknownKey(KeyName),
    /// A stored key does not unwrap: another root key, another log, or a changed key store.
    #[error("key `{0}` does not unwrap; the key store was changed, or belongs to another log")]
    Unwrap(KeyName),
    /// The ciphertext does not open under the derived key.
    #[error("sealed payload does not open; it was changed, or its class, day or subject is wrong")]
    Ciphertext,
    /// The payload opened, but is not what the ledger committed to.
    #[error("sealed payload opened, but its content does not match its commitment; do not trust it")]
    CommitmentMismatch,
    /// The payload opened, but its inner encoding is broken; the text says where.
    #[error("sealed payload has a broken inner encoding: {0}")]
    Malformed(&'static str),
    /// Fields must come in strictly ascending order of their ids.
    #[error("field {next} comes after field {previous}; give fields in ascending order, each once")]
    FieldOrder {
        /// The id before.
        previous: u16,
        /// The id that should have been larger.
        next: u16,
    },
    /// A payload has at most 65,535 fields.
    #[error("payload has more than 65535 fields")]
    TooManyFields,
    /// A field to disclose is not in the payload.
    #[error("field {0} is not in the sealed payload")]
    UnknownField(u16),
    /// More than [`crate::record::MAX_PLAIN_BYTES`] to seal.
    #[error("payload of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Size given, in bytes.
        bytes: usize,
        /// Largest size allowed, in bytes.
        limit: usize,
    },
    /// Other writers kept changing the same bucket.
    #[error("key `{0}` was changed by others at every attempt; try again")]
    Contended(KeyName),
    /// The key store driver failed.
    #[error("key store failed")]
    KeyStore(#[source] BoxError),
    /// The custodian of the root key failed or refused.
    #[error("custodian of root key `{key_id}` could not {action} key `{name}`")]
    Custodian {
        /// Which root key the custodian holds.
        key_id: String,
        /// "wrap" or "unwrap".
        action: &'static str,
        /// The key that was to be wrapped or unwrapped.
        name: KeyName,
        /// The driver's own words.
        #[source]
        source: BoxError,
    },
    /// The custodian of the root key failed or refused at what concerns no single key.
    #[error("custodian of root key `{key_id}` could not {action}")]
    Root {
        /// Which root key the custodian holds.
        key_id: String,
        /// What it was to do.
        action: &'static str,
        /// The driver's own words.
        #[source]
        source: BoxError,
    },
    /// The operating system gave no random bytes.
    #[error("operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// The compressor failed.
    #[error("payload could not be compressed")]
    Compress(#[source] std::io::Error),
}

impl VaultError {
    /// Whether what was asked for is gone for ever by a deliberate destruction.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        matches!(self, VaultError::KeyDestroyed(_))
    }
}
