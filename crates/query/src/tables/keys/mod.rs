//! Keys: the room's tables, which concern keys and what they protect.

mod crypto_keys;
mod legal_holds;
mod requests;
mod retention_rules;
mod token_scopes;

pub(crate) use crypto_keys::CryptoKeys;
pub(crate) use legal_holds::LegalHolds;
pub(crate) use requests::{Dsr, DsrImpacts, SubjectKeys};
pub(crate) use retention_rules::RetentionRules;
pub(crate) use token_scopes::TokenScopes;
