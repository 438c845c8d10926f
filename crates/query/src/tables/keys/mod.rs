//! Keys: the room's tables, and those still to be filled, which concern keys and what they protect.

mod legal_holds;
mod retention_rules;

use crate::table::Planned;

pub(crate) use legal_holds::LegalHolds;
pub(crate) use retention_rules::RetentionRules;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "crypto_keys", doc: "Keys by classification, with their state and rotation.", area: "key inventory", columns: "key_id classification state created_at:time rotate_due_at:time custodian_id" },
    Planned { name: "subject_keys", doc: "Keys of data subjects and their destruction.", area: "erasure", columns: "subject_ref key_id created_at:time destroyed_at:time" },
];
