//! Tokens: what stands in the place of a value, so that the value itself need not cross systems. Two methods:
//!
//! - [`vaulted`]: random tokens. The value is sealed under its subject's key, so erasing the subject ends its tokens.
//! - [`ff1`]: format-preserving encryption of numbers. Nothing is stored, and whoever has the key can turn every token
//!   back: it ends with its key, for everybody at once, and not for one subject.
//!
//! Both are deterministic within a scope, so that tokens can be joined on, and differ between scopes, so that they cannot
//! be joined across.

pub mod ff1;
pub mod normalise;
pub mod store;
pub mod vaulted;

pub use normalise::{BadValue, Format};
pub use store::{KeptToken, PutToken, TokenCount, TokenInfo, TokenRow, TokenStore};
pub use vaulted::{Owner, SCOPES, is_token};

use crate::error::VaultError;

/// Most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 1_024;

/// Why there is no token, or no value, for one of the things given.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A value is not of the scope's kind. The value itself stays out of messages.
    #[error("value {at} {why}")]
    Value {
        /// Which one, from 1.
        at: usize,
        /// What is wrong with it.
        why: BadValue,
    },
    /// This is no token, or none of this scope.
    #[error("token {0} is none of this scope")]
    Unknown(usize),
    /// The subject of a value was erased while it was tokenised.
    #[error("the subject of value {0} was erased")]
    SubjectErased(usize),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// `lp(x)` of the texts given, one after the other, behind a label: what keys and tweaks are bound to.
pub(crate) fn bound(label: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut bytes = label.to_vec();
    for part in parts {
        crate::wrap::push_prefixed(&mut bytes, part);
    }
    bytes
}
