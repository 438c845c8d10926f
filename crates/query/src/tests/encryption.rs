//! Keys that data are encrypted under, as events tell of them.

use domain::keys::{ClassKeyRotated, EncryptionConfigured, RootRatcheted};

use super::*;

fn rotated(class: &str, version: u32, made_at: i64) -> Event {
    let (class, custodian) = (class.into(), "file".into());
    Event::EncryptionKeyRotated(ClassKeyRotated { class, version, made_at, buckets: 3, rewrapped: 9, custodian })
}

fn ratcheted(key_id: &str, forgets: bool) -> Event {
    let (key_id, custodian) = (key_id.into(), "transit".into());
    Event::EncryptionRootRatcheted(RootRatcheted { key_id, custodian, rewrapped: 4, forgets })
}

#[test]
fn a_version_is_active_until_the_next_is_told_and_due_by_the_schedule_that_is_set() {
    run(async {
        let world = World::filled();
        let rows = "SELECT key_id, classification, state, created_at, rotate_due_at, custodian_id, ended_at \
                    FROM crypto_keys ORDER BY key_id";
        world.add(T0 + MINUTE, rotated("personal", 1, T0));
        world.add(T0 + MINUTE, rotated("_link", 1, T0));
        world.add(T0 + MINUTE, ratcheted("transit:k/v1", true));
        let session = world.session().await;
        let first = [
            "class/_link/v1|_link|active|2026-11-22T10:00:00|2027-02-20T10:00:00|file|-",
            "class/personal/v1|personal|active|2026-11-22T10:00:00|2027-02-20T10:00:00|file|-",
            "root/transit:k/v1|(root)|active|2026-11-22T10:01:00|2026-11-23T10:01:00|transit|-",
        ];
        assert_eq!(ask(&session, rows).await, first);
        let schedule = EncryptionConfigured { class_days: 30, ratchet_hours: 48 };
        world.add(T0 + HOUR, Event::EncryptionConfigured(schedule));
        world.add(T0 + DAY, rotated("personal", 2, T0 + DAY));
        world.add(T0 + DAY, ratcheted("transit:k/v2", false));
        let then = [
            "class/_link/v1|_link|active|2026-11-22T10:00:00|2026-12-22T10:00:00|file|-",
            "class/personal/v1|personal|destroyed|2026-11-22T10:00:00|-|file|2026-11-23T10:00:00",
            "class/personal/v2|personal|active|2026-11-23T10:00:00|2026-12-23T10:00:00|file|-",
            "root/transit:k/v1|(root)|retired|2026-11-22T10:01:00|-|transit|2026-11-23T10:00:00",
            "root/transit:k/v2|(root)|active|2026-11-23T10:00:00|2026-11-25T10:00:00|transit|-",
        ];
        assert_eq!(ask(&world.session().await, rows).await, then);
    });
}
