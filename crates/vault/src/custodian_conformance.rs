//! The contract of [`Custodian`] as a test, for every driver. It panics where a driver breaks it.

use crate::custody::Unreachable;
use crate::ports::Custodian;

/// Longest key name that is bound to a key at the top, generously.
const LONG_AAD: usize = 700;

/// Walks through the whole contract. The custodian has one version of a root key in the beginning, and in the end.
pub fn check(custodian: &dyn Custodian) {
    wraps_and_unwraps(custodian);
    refuses_what_was_changed(custodian);
    has_versions_until_they_are_forgotten(custodian);
    serves_many_threads(custodian);
    let info = custodian.describe();
    assert_eq!(info.key_id, custodian.key_id());
    assert!(info.key_id.starts_with(&format!("{}:", info.kind)), "{info:?}");
}

fn wrap(custodian: &dyn Custodian, plain: &[u8], aad: &[u8]) -> Vec<u8> {
    custodian.wrap(plain, aad).expect("it wraps")
}

fn unwrap(custodian: &dyn Custodian, wrapped: &[u8], aad: &[u8]) -> Vec<u8> {
    custodian.unwrap(wrapped, aad).expect("it unwraps")
}

/// A refusal, as opposed to a custodian that is not there.
fn is_refused(custodian: &dyn Custodian, wrapped: &[u8], aad: &[u8]) -> bool {
    match custodian.unwrap(wrapped, aad) {
        Ok(_) => false,
        Err(error) => {
            assert!(!error.is::<Unreachable>(), "what is refused was understood, so it was there: {error}");
            true
        }
    }
}

fn wraps_and_unwraps(custodian: &dyn Custodian) {
    let key = [0x5a; 32];
    let first = wrap(custodian, &key, b"aad");
    assert_ne!(first, wrap(custodian, &key, b"aad"), "each wrapping is another");
    assert_eq!(unwrap(custodian, &first, b"aad"), key);
    assert!(!first.windows(8).any(|bytes| bytes == &key[..8]), "the key does not show");
    let long = vec![0xa5; LONG_AAD];
    assert_eq!(unwrap(custodian, &wrap(custodian, &key, &long), &long), key);
}

fn refuses_what_was_changed(custodian: &dyn Custodian) {
    let wrapped = wrap(custodian, &[1; 32], b"aad");
    assert!(is_refused(custodian, &wrapped, b"abd") && is_refused(custodian, &wrapped, b""));
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        assert!(is_refused(custodian, &changed, b"aad"), "byte {at}");
    }
    for len in [0, 1, 4, wrapped.len() / 2, wrapped.len() - 1] {
        assert!(is_refused(custodian, &wrapped[..len], b"aad"), "first {len} bytes");
    }
    let longer = [&wrapped[..], b"x"].concat();
    assert!(is_refused(custodian, &longer, b"aad"));
}

fn has_versions_until_they_are_forgotten(custodian: &dyn Custodian) {
    let old = wrap(custodian, &[1; 32], b"aad");
    custodian.forget_older().expect("there is none older");
    assert_eq!(unwrap(custodian, &old, b"aad"), [1; 32]);
    let key_id = custodian.advance().expect("it advances");
    assert_eq!(key_id, custodian.key_id());
    let new = wrap(custodian, &[2; 32], b"aad");
    assert_eq!(unwrap(custodian, &old, b"aad"), [1; 32], "older versions unwrap still");
    assert_eq!(unwrap(custodian, &new, b"aad"), [2; 32]);
    custodian.forget_older().expect("it forgets");
    assert!(is_refused(custodian, &old, b"aad"), "the version that wrapped it is gone");
    assert_eq!(unwrap(custodian, &new, b"aad"), [2; 32]);
    custodian.forget_older().expect("again");
    assert_eq!(unwrap(custodian, &new, b"aad"), [2; 32]);
    // Advancing twice, as after a crash in between, is allowed.
    custodian.advance().expect("it advances");
    custodian.advance().expect("and again");
    assert_eq!(unwrap(custodian, &new, b"aad"), [2; 32]);
    let newest = wrap(custodian, &[3; 32], b"aad");
    custodian.forget_older().expect("it forgets both");
    assert!(is_refused(custodian, &new, b"aad"));
    assert_eq!(unwrap(custodian, &newest, b"aad"), [3; 32]);
}

fn serves_many_threads(custodian: &dyn Custodian) {
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for turn in 0..8_u8 {
                    let key = [thread << 4 | turn; 32];
                    let wrapped = wrap(custodian, &key, &[turn]);
                    assert_eq!(unwrap(custodian, &wrapped, &[turn]), key);
                }
            });
        }
    });
}
