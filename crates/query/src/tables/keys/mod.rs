//! Keys: the room's tables, and those still to be filled, which concern keys and what they protect.

mod token_scopes;

pub(crate) use token_scopes::TokenScopes;

use crate::table::Planned;

mod crypto_keys;

pub(crate) use crypto_keys::CryptoKeys;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "subject_keys", doc: "Keys of data subjects that were destroyed, by the erasure that ended them. Live ones come and go at the rate of traffic: `counterfoil encryption status` counts them.", area: "erasure", columns: "subject_ref key_id created_at:time destroyed_at:time" },
];
