//! One of each event about keys that data are encrypted under.

use super::s;
use crate::Event;
use crate::keys::{ClassKeyRotated, EncryptionConfigured, RootRatcheted, RotationRequested};

pub(super) fn events() -> Vec<Event> {
    vec![
        Event::EncryptionConfigured(EncryptionConfigured { class_days: 90, ratchet_hours: 24 }),
        Event::EncryptionRotationRequested(RotationRequested { key: s("personal") }),
        Event::EncryptionKeyRotated(ClassKeyRotated {
            class: s("personal"),
            version: 2,
            made_at: 1_793_400_000_000,
            buckets: 257,
            rewrapped: 1_000_400,
            custodian: s("file"),
        }),
        Event::EncryptionRootRatcheted(RootRatcheted {
            key_id: s("file:0123456789abcdef"),
            custodian: s("file"),
            rewrapped: 8,
            forgets: true,
        }),
    ]
}
