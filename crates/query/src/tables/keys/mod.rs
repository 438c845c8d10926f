//! Keys: the room's tables, and those still to be filled, which concern keys and what they protect.

mod erasures;
mod requests;

pub(crate) use requests::{Dsr, DsrImpacts, SubjectKeys};

use crate::table::Planned;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "crypto_keys", doc: "Keys by classification, with their state and rotation.", area: "key inventory", columns: "key_id classification state created_at:time rotate_due_at:time custodian_id" },
];
