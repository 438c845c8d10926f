use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::memory::{MemoryCustodian, MemoryKeys};
use crate::names::SubjectRef;
use crate::wrap::SecretKey;
use crate::{KeyStore, VaultError};

const GRACE: Duration = Duration::from_secs(60);

/// A custodian that can be taken away.
struct Removable {
    inner: MemoryCustodian,
    away: AtomicBool,
}

impl Removable {
    fn new() -> Arc<Removable> {
        let inner = MemoryCustodian::new(SecretKey::from_bytes(&[7; 32]));
        Arc::new(Removable { inner, away: AtomicBool::new(false) })
    }

    fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn there(&self) -> Result<&MemoryCustodian, BoxError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Unreachable::error("it was taken away")),
            false => Ok(&self.inner),
        }
    }
}

impl Custodian for Removable {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.there()?.wrap(plaintext, aad)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.there()?.unwrap(wrapped, aad)
    }

    fn key_id(&self) -> String {
        self.inner.key_id()
    }

    fn advance(&self) -> Result<String, BoxError> {
        self.there()?.advance()
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        self.there()?.forget_older()
    }

    fn describe(&self) -> CustodianInfo {
        self.inner.describe()
    }
}

fn later(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

#[test]
fn given_a_custodian_that_is_away_when_a_key_was_unwrapped_before_then_it_serves_for_the_grace_and_no_longer() {
    let removable = Removable::new();
    let custody = Custody::new(removable.clone(), GRACE);
    let wrapped = removable.wrap(b"class key", b"aad").expect("wrapped");
    let never = removable.wrap(b"another", b"aad").expect("wrapped");
    let now = Instant::now();
    assert_eq!(custody.unwrap_at(&wrapped, b"aad", now).expect("unwrapped"), b"class key");
    assert_eq!(custody.last().away, None);

    removable.away(true);
    assert_eq!(custody.unwrap_at(&wrapped, b"aad", now).expect("held"), b"class key");
    assert!(custody.unwrap_at(&wrapped, b"other", now).is_err(), "held for its own place only");
    assert!(custody.unwrap_at(&never, b"aad", now).expect_err("not held").is::<Unreachable>());
    assert!(custody.wrap(b"new", b"aad").expect_err("nobody is there").is::<Unreachable>());
    assert!(custody.unwrap_at(&wrapped, b"aad", later(now, 59)).is_ok());
    let over = custody.unwrap_at(&wrapped, b"aad", later(now, 61)).expect_err("the grace is over").to_string();
    assert!(over.contains("keys are held for 60 s only: it was taken away"), "{over}");
    assert!(custody.lock().held.is_empty(), "wiped");

    removable.away(false);
    assert_eq!(custody.unwrap_at(&wrapped, b"aad", later(now, 70)).expect("back"), b"class key");
    assert_eq!(custody.last().away, None);
}

#[test]
fn given_a_custodian_that_was_away_a_moment_ago_when_a_key_is_needed_then_it_is_not_asked_again_at_once() {
    let removable = Removable::new();
    let custody = Custody::new(removable.clone(), GRACE);
    let wrapped = removable.wrap(b"class key", b"aad").expect("wrapped");
    let never = removable.wrap(b"another", b"aad").expect("wrapped");
    custody.unwrap(&wrapped, b"aad").expect("unwrapped");
    removable.away(true);
    custody.unwrap(&wrapped, b"aad").expect("held");
    removable.away(false);
    assert!(custody.unwrap(&never, b"aad").is_err(), "not asked, so not known to be back");
    assert_eq!(custody.probe().away, None, "a probe asks always");
    assert!(custody.unwrap(&never, b"aad").is_ok());
}

#[test]
fn given_what_is_refused_when_it_is_unwrapped_then_nothing_held_is_given_instead() {
    let removable = Removable::new();
    let custody = Custody::new(removable.clone(), GRACE);
    let mut wrapped = removable.wrap(b"class key", b"aad").expect("wrapped");
    wrapped[0] ^= 1;
    assert!(!custody.unwrap(&wrapped, b"aad").expect_err("changed").is::<Unreachable>());
    assert_eq!(custody.last().away, None, "a refusal is an answer");
}

#[test]
fn given_a_new_root_version_when_older_ones_are_forgotten_then_only_what_it_wrapped_is_held() {
    let removable = Removable::new();
    let custody = Custody::new(removable.clone(), GRACE);
    let old = custody.wrap(b"old", b"aad").expect("wrapped");
    custody.advance().expect("advanced");
    let new = custody.wrap(b"new", b"aad").expect("wrapped");
    custody.forget_older().expect("forgotten");
    removable.away(true);
    assert_eq!(custody.unwrap(&new, b"aad").expect("held"), b"new");
    assert!(custody.unwrap(&old, b"aad").is_err());
    let away = custody.probe().away.expect("it is away");
    assert!(away.left <= GRACE && away.left > Duration::ZERO && away.why == "it was taken away");
}

#[test]
fn given_a_vault_when_the_grace_is_over_and_it_forgets_then_sealing_fails_until_the_custodian_is_back() {
    let removable = Removable::new();
    let custody = Arc::new(Custody::new(removable.clone(), Duration::ZERO));
    let store: Arc<dyn KeyStore> = Arc::new(MemoryKeys::default());
    let vault = Vault::open("log", store, custody, 1).expect("opened");
    let seal = || vault.seal("internal", "2026-11-28", &SubjectRef([1; 16]), &[(1, b"text")], 1);
    seal().expect("sealed");
    removable.away(true);
    seal().expect("sealed by keys at hand");
    vault.forget_unwrapped();
    let refused = seal().expect_err("nothing to seal with");
    assert!(matches!(refused, VaultError::Custodian { action: "unwrap", .. }), "{refused}");
    removable.away(false);
    assert!(seal().is_err(), "it was away a moment ago");
}
