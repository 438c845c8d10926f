//! Keys that data are encrypted under: when they are due, asking for a replacement, and what reports of one mean.

use super::approvals::Company;
use crate::keys::{ClassKeyRotated, EncryptionConfigured, RootRatcheted, RotationRequested};
use crate::people::sessions;
use crate::{Command, RefusalCode};

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

fn configure(class_days: u32, ratchet_hours: u32) -> Command {
    Command::ConfigureEncryption(EncryptionConfigured { class_days, ratchet_hours })
}

fn rotate(key: &str) -> Command {
    Command::RotateEncryption(RotationRequested { key: key.into() })
}

fn rotated(class: &str, version: u32, made_at: i64) -> Command {
    let (class, custodian) = (class.into(), "file".into());
    Command::ReportClassKey(ClassKeyRotated { class, version, made_at, buckets: 3, rewrapped: 9, custodian })
}

fn ratcheted(key_id: &str) -> Command {
    let (key_id, custodian) = (key_id.into(), "file".into());
    Command::ReportRatchet(RootRatcheted { key_id, custodian, rewrapped: 4, forgets: true })
}

#[test]
fn given_a_class_key_when_reported_then_it_is_due_after_the_days_that_are_set() {
    let mut company = Company::staffed();
    assert_eq!(company.state.encryption.rotation_due_at("personal"), None, "it has no key");
    assert_eq!(company.done("a_system", rotated("personal", 1, 500)), ["encryption.key.rotated"]);
    assert!(company.done("a_system", rotated("personal", 1, 500)).is_empty(), "told once");
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(500 + 90 * DAY));
    assert_eq!(company.done("a_lead", configure(30, 12)), ["encryption.configured"]);
    assert!(company.done("a_lead", configure(30, 12)).is_empty());
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(500 + 30 * DAY));
    company.done("a_system", rotated("personal", 2, 700));
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(700 + 30 * DAY));
    assert_eq!(company.code("a_system", rotated("personal", 1, 500)), RefusalCode::Conflict, "an older copy");
    for (class_days, ratchet_hours) in [(0, 24), (367, 24), (90, 0), (90, 721)] {
        assert_eq!(company.code("a_lead", configure(class_days, ratchet_hours)), RefusalCode::Invalid);
    }
}

#[test]
fn given_a_request_when_it_is_made_then_the_key_is_due_until_a_version_made_after_it_is_reported() {
    let mut company = Company::staffed();
    assert_eq!(company.code("a_lead", rotate("personal")), RefusalCode::NotFound);
    assert_eq!(company.code("a_lead", rotate("Not A Class")), RefusalCode::Invalid);
    company.done("a_system", rotated("personal", 1, 500));
    company.done("a_system", rotated("_link", 1, 500));
    assert_eq!(company.done("a_lead", rotate("personal")), ["encryption.rotation.requested"]);
    assert!(company.done("a_lead", rotate("personal")).is_empty(), "it waits already");
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(1_000));
    // A rotation from before the request, which is told late, is not what was asked for.
    company.done("a_system", rotated("personal", 2, 900));
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(1_000));
    company.done("a_system", rotated("personal", 3, 1_000));
    assert_eq!(company.state.encryption.rotation_due_at("personal"), Some(1_000 + 90 * DAY));
    assert_eq!(company.done("a_lead", rotate("_link")), ["encryption.rotation.requested"]);
}

#[test]
fn given_the_root_key_when_it_was_never_ratcheted_then_it_is_due_and_then_each_day_or_on_request() {
    let mut company = Company::staffed();
    assert_eq!(company.state.encryption.ratchet_due_at(), 0);
    assert_eq!(company.done("a_system", ratcheted("file:1")), ["encryption.root.ratcheted"]);
    assert_eq!(company.state.encryption.ratchet_due_at(), 1_000 + DAY);
    company.given.now = 5_000;
    assert_eq!(company.done("a_lead", rotate("root")), ["encryption.rotation.requested"]);
    assert_eq!(company.state.encryption.ratchet_due_at(), 5_000);
    company.done("a_system", ratcheted("file:2"));
    assert_eq!(company.state.encryption.ratchet_due_at(), 5_000 + DAY);
    for bad in ["", "two words", "ключ"] {
        assert_eq!(company.code("a_system", ratcheted(bad)), RefusalCode::Invalid, "{bad}");
    }
}

#[test]
fn given_a_class_called_root_when_the_root_is_asked_for_then_they_are_not_taken_for_each_other() {
    let mut company = Company::staffed();
    company.done("a_system", rotated("root", 1, 500));
    company.done("a_lead", rotate("root"));
    company.done("a_system", rotated("root", 2, 2_000));
    assert_eq!(company.state.encryption.ratchet_due_at(), 0, "still to be ratcheted");
    assert_eq!(company.state.encryption.rotation_due_at("root"), Some(2_000 + 90 * DAY));
}

#[test]
fn given_what_replaces_keys_when_asked_in_a_session_then_it_takes_a_fresh_proof_of_identity() {
    for command in [configure(90, 24), rotate("root")] {
        assert!(sessions::is_critical(&command));
    }
    assert!(!sessions::is_critical(&ratcheted("file:1")));
}
