//! Keys: the room's tables, and those still to be filled, which concern keys and what they protect.

mod crypto_keys;
mod legal_holds;
mod retention_rules;
mod token_scopes;

use crate::table::Planned;

pub(crate) use crypto_keys::CryptoKeys;
pub(crate) use legal_holds::LegalHolds;
pub(crate) use retention_rules::RetentionRules;
pub(crate) use token_scopes::TokenScopes;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "subject_keys", doc: "Keys of data subjects that were destroyed, by the erasure that ended them. Live ones come and go at the rate of traffic: `counterfoil encryption status` counts them.", area: "erasure", columns: "subject_ref key_id created_at:time destroyed_at:time" },
];
