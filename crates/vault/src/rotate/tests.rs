use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::memory::{MemoryCustodian, MemoryKeys};
use crate::ports::{Custodian, Destruction, KeyCount, KeyInfo, KeyStore, Put};
use crate::tokens::{KeptToken, PutToken, TokenCount, TokenInfo, TokenRow, TokenStore};
use crate::{BoxError, Sealed, SubjectRef};

const DAY: &str = "2026-11-22";
const NOW_MS: u64 = 1_795_000_000_000;

/// Three in one bucket, and one in another.
const SUBJECTS: [SubjectRef; 4] = [SubjectRef([0xa0; 16]), of_bucket(0xa0, 1), of_bucket(0xa0, 2), of_bucket(0xb0, 3)];

const fn of_bucket(bucket: u8, number: u8) -> SubjectRef {
    SubjectRef([bucket, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// A store and a custodian that stop working at one step: before they do it, or after it is done but before they say so.
struct Fuse {
    left: AtomicUsize,
    lands: bool,
}

impl Fuse {
    fn at(step: usize, lands: bool) -> Arc<Fuse> {
        Arc::new(Fuse { left: AtomicUsize::new(step), lands })
    }

    fn step<T>(&self, work: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        match left {
            0 => Err("dead".into()),
            1 if self.lands => work().and(Err("died before it could say so".into())),
            1 => Err("died before it began".into()),
            _ => work(),
        }
    }
}

struct Mortal<T> {
    inner: Arc<T>,
    fuse: Arc<Fuse>,
}

impl KeyStore for Mortal<MemoryKeys> {
    fn get(&self, name: &KeyName) -> Result<Option<Stored>, BoxError> {
        self.inner.get(name)
    }
    fn put(&self, key: &WrappedKey) -> Result<Put, BoxError> {
        self.fuse.step(|| self.inner.put(key))
    }
    fn children(&self, parent: &KeyName) -> Result<Vec<WrappedKey>, BoxError> {
        self.inner.children(parent)
    }
    fn wrapped_by_root(&self) -> Result<Vec<WrappedKey>, BoxError> {
        self.inner.wrapped_by_root()
    }
    fn rewrap_roots(&self, keys: &[WrappedKey]) -> Result<DestroyOutcome, BoxError> {
        self.fuse.step(|| self.inner.rewrap_roots(keys))
    }
    fn turn(&self, turn: &Turn) -> Result<DestroyOutcome, BoxError> {
        self.fuse.step(|| self.inner.turn(turn))
    }
    fn lagging(&self, class: &str, after: u64, limit: usize) -> Result<Vec<(u64, WrappedKey)>, BoxError> {
        self.inner.lagging(class, after, limit)
    }
    fn rewrap(&self, keys: &[WrappedKey]) -> Result<u64, BoxError> {
        self.fuse.step(|| self.inner.rewrap(keys))
    }
    fn forget_outgoing(&self, class: &str, at_ms: u64) -> Result<bool, BoxError> {
        self.fuse.step(|| self.inner.forget_outgoing(class, at_ms))
    }
    fn keys_of(&self, subject: &SubjectRef) -> Result<Vec<WrappedKey>, BoxError> {
        self.inner.keys_of(subject)
    }
    fn find_subject(&self, scope: &str, idx: &[u8; 32]) -> Result<Option<SubjectRef>, BoxError> {
        self.inner.find_subject(scope, idx)
    }
    fn bind_subject(&self, scope: &str, idx: &[u8; 32], subject: &SubjectRef) -> Result<SubjectRef, BoxError> {
        self.fuse.step(|| self.inner.bind_subject(scope, idx, subject))
    }
    fn hold(&self, holder: &str, subjects: &[SubjectRef]) -> Result<(), BoxError> {
        self.inner.hold(holder, subjects)
    }
    fn holders(&self, subject: &SubjectRef) -> Result<Vec<String>, BoxError> {
        self.inner.holders(subject)
    }
    fn release(&self, holder: &str, subject: Option<&SubjectRef>) -> Result<(), BoxError> {
        self.inner.release(holder, subject)
    }
    fn destroy(&self, destruction: &Destruction) -> Result<DestroyOutcome, BoxError> {
        self.fuse.step(|| self.inner.destroy(destruction))
    }
    fn list(&self) -> Result<Vec<KeyInfo>, BoxError> {
        self.inner.list()
    }
    fn count(&self) -> Result<Vec<KeyCount>, BoxError> {
        self.inner.count()
    }
}

impl TokenStore for Mortal<MemoryKeys> {
    fn put_tokens(&self, rows: &[TokenRow]) -> Result<Vec<PutToken>, BoxError> {
        self.inner.put_tokens(rows)
    }
    fn find_tokens(&self, scope: &str, idx: &[[u8; 32]]) -> Result<Vec<Option<String>>, BoxError> {
        self.inner.find_tokens(scope, idx)
    }
    fn get_tokens(&self, tokens: &[String]) -> Result<Vec<Option<KeptToken>>, BoxError> {
        self.inner.get_tokens(tokens)
    }
    fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, BoxError> {
        self.inner.tokens_of(subject)
    }
    fn count_tokens(&self, scope: &str) -> Result<TokenCount, BoxError> {
        self.inner.count_tokens(scope)
    }
}

impl Custodian for Mortal<MemoryCustodian> {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.inner.wrap(plaintext, aad)
    }
    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.inner.unwrap(wrapped, aad)
    }
    fn key_id(&self) -> String {
        self.inner.key_id()
    }
    fn advance(&self) -> Result<String, BoxError> {
        self.fuse.step(|| self.inner.advance())
    }
    fn forget_older(&self) -> Result<(), BoxError> {
        self.fuse.step(|| self.inner.forget_older())
    }
    fn describe(&self) -> CustodianInfo {
        self.inner.describe()
    }
}

struct World {
    keys: Arc<MemoryKeys>,
    root: Arc<MemoryCustodian>,
    sealed: Vec<(SubjectRef, Sealed)>,
}

impl World {
    fn new() -> World {
        let keys = Arc::new(MemoryKeys::default());
        let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[1; 32])));
        let mut world = World { keys, root, sealed: Vec::new() };
        let vault = world.open();
        let person = vault.subject("user", "anna", NOW_MS).expect("a new subject");
        world.sealed = SUBJECTS.iter().chain([&person]).map(|subject| (*subject, seal(&vault, subject))).collect();
        world
    }

    /// As after a restart: nothing is cached.
    fn open(&self) -> Vault {
        Vault::open("log.example/1", self.keys.clone(), self.root.clone(), NOW_MS).expect("opens")
    }

    fn until(&self, step: usize, lands: bool) -> Vault {
        let fuse = Fuse::at(usize::MAX, lands);
        let keys = Arc::new(Mortal { inner: self.keys.clone(), fuse: fuse.clone() });
        let root = Arc::new(Mortal { inner: self.root.clone(), fuse: fuse.clone() });
        let vault = Vault::open("log.example/1", keys, root, NOW_MS).expect("opens");
        fuse.left.store(step, Ordering::Relaxed);
        vault
    }

    fn all_open(&self, vault: &Vault) -> bool {
        self.sealed.iter().all(|(subject, sealed)| opens(vault, subject, sealed))
            && vault.known_subject("user", "anna", NOW_MS).is_ok_and(|known| known == Some(self.sealed[4].0))
    }

    /// What somebody gets out of a copy of the key store with the root key as it is now.
    fn opened_with(&self, copy: &MemoryKeys) -> usize {
        let keys = Arc::new(copy.copy());
        match Vault::open("log.example/1", keys, self.root.clone(), NOW_MS) {
            Ok(vault) => self.sealed.iter().filter(|(subject, sealed)| opens(&vault, subject, sealed)).count(),
            Err(_) => 0,
        }
    }

    fn outgoing(&self) -> usize {
        let list = self.keys.list().expect("store works");
        list.iter().filter(|key| key.kind == KeyKind::Outgoing && key.state == crate::KeyState::Live).count()
    }
}

fn seal(vault: &Vault, subject: &SubjectRef) -> Sealed {
    vault.seal("pii", DAY, subject, &[(1, b"prompt")], NOW_MS).expect("seals")
}

fn opens(vault: &Vault, subject: &SubjectRef, sealed: &Sealed) -> bool {
    let opened = vault.open_sealed("pii", DAY, subject, &sealed.as_ref());
    opened.is_ok_and(|fields| fields == [(1, b"prompt".to_vec())])
}

#[test]
fn given_sealed_records_when_their_class_is_rotated_then_all_open_under_new_keys_only() {
    let world = World::new();
    let (vault, before) = (world.open(), world.keys.copy());
    let turned = vault.rotate_class("pii", NOW_MS + 1).expect("rotates");
    // Buckets a0, b0, the person's own and the days'; four subjects, the person and the day.
    let own = world.sealed[4].0.0[0];
    let buckets = if [0xa0, 0xb0].contains(&own) { 3 } else { 4 };
    assert_eq!(turned, Turned { class: "pii".into(), version: 2, buckets, rewrapped: 6 });
    assert!(world.all_open(&vault) && world.all_open(&world.open()));
    assert_eq!(world.outgoing(), 0);
    for (old, new) in
        before.list().unwrap().iter().zip(world.keys.list().unwrap().iter().filter(|k| k.kind != KeyKind::Outgoing))
    {
        let replaced = matches!(old.kind, KeyKind::Class | KeyKind::Bucket) && old.class == "pii";
        assert_eq!(new.version, old.version + u32::from(replaced), "{old:?}");
    }
    let again = vault.rotate_class("pii", NOW_MS + 2).expect("rotates again");
    assert_eq!((again.version, again.rewrapped), (3, 6));
    assert!(world.all_open(&vault));
    assert_eq!(vault.rotate_class("_link", NOW_MS).expect("rotates").version, 2);
    assert!(matches!(vault.rotate_class("other", NOW_MS), Err(VaultError::UnknownKey(_))));
    assert!(matches!(vault.rotate_class("Not A Class", NOW_MS), Err(VaultError::Name { .. })));
}

#[test]
fn given_a_rotation_that_dies_at_any_step_then_all_opens_and_the_next_one_ends_it() {
    for lands in [false, true] {
        for step in 1.. {
            let world = World::new();
            let mortal = world.until(step, lands);
            let done = mortal.rotate_class("pii", NOW_MS).is_ok();
            if done {
                assert!(step > 4, "there are steps to die at: {step}");
                break;
            }
            let vault = world.open();
            assert!(world.all_open(&vault), "died at {step}");
            let fresh = of_bucket(0xa0, 9);
            let sealed = seal(&vault, &fresh);
            vault.destroy_subject(&SUBJECTS[1], NOW_MS).expect("destroys in the middle of it");
            let turned = vault.rotate_class("pii", NOW_MS).expect("rotates");
            // One rotation, not two, unless the first was at its very end and only its answer got lost.
            let all_done = lands && step == 5;
            assert_eq!(turned.version, 2 + u32::from(all_done), "{step}");
            assert_eq!(world.outgoing(), 0, "{step}");
            for vault in [&vault, &world.open()] {
                assert!(opens(vault, &fresh, &sealed), "{step}");
                let open = world.sealed.iter().map(|(subject, sealed)| opens(vault, subject, sealed));
                assert_eq!(open.collect::<Vec<_>>(), [true, false, true, true, true], "{step}");
            }
        }
    }
}

#[test]
fn given_a_ratchet_then_a_copy_made_before_opens_nothing_and_all_else_opens() {
    let world = World::new();
    let (vault, before) = (world.open(), world.keys.copy());
    assert_eq!(world.opened_with(&before), 5, "until the ratchet a copy opens all");
    let old_id = world.root.key_id();
    let ratcheted = vault.ratchet().expect("ratchets");
    // The classes `pii` and `_link`, and the index of `user`.
    assert_eq!((ratcheted.rewrapped, ratcheted.forgets), (3, true));
    assert_eq!(ratcheted.key_id, world.root.key_id());
    assert_ne!(ratcheted.key_id, old_id);
    assert_eq!(world.opened_with(&before), 0);
    assert!(world.all_open(&vault) && world.all_open(&world.open()));
    let now = world.keys.copy();
    vault.ratchet().expect("ratchets again");
    assert_eq!(world.opened_with(&now), 0);
    assert!(world.all_open(&world.open()));
}

#[test]
fn given_a_ratchet_that_dies_at_any_step_then_all_opens_and_the_next_one_closes_older_copies() {
    for lands in [false, true] {
        for step in 1.. {
            let world = World::new();
            let before = world.keys.copy();
            let mortal = world.until(step, lands);
            if mortal.ratchet().is_ok() {
                assert_eq!(step, 4, "advance, wrap anew, forget");
                break;
            }
            assert!(world.all_open(&world.open()), "died at {step}");
            let between = world.keys.copy();
            world.open().ratchet().expect("ratchets");
            assert!(world.all_open(&world.open()), "{step}");
            assert_eq!((world.opened_with(&before), world.opened_with(&between)), (0, 0), "{step}");
        }
    }
}

#[test]
fn given_threads_that_seal_open_and_erase_when_keys_turn_and_the_root_ratchets_then_nothing_is_lost() {
    let world = World::new();
    let vault = &world.open();
    let world = &world;
    std::thread::scope(|scope| {
        for thread in 0..3u8 {
            scope.spawn(move || {
                for round in 0..60u8 {
                    let own = SubjectRef([0xa0, 0xff, thread, round, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
                    let sealed = seal(vault, &own);
                    assert!(opens(vault, &own, &sealed));
                    // Scopes make index keys, which the root key wraps while it ratchets.
                    let scope = format!("scope-{thread}-{round}");
                    let subject = vault.subject(&scope, "somebody", NOW_MS).expect("a subject");
                    assert_eq!(vault.subject(&scope, "somebody", NOW_MS).expect("the same"), subject);
                    vault.destroy_subject(&own, NOW_MS).expect("destroys");
                    assert!(!opens(vault, &own, &sealed));
                    assert!(world.all_open(vault), "{thread} {round}");
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..30 {
                vault.rotate_class("pii", NOW_MS).expect("rotates");
                vault.ratchet().expect("ratchets");
            }
        });
    });
    let after = world.open();
    assert!(world.all_open(&after));
    for thread in 0..3 {
        for round in 0..60 {
            let known = after.known_subject(&format!("scope-{thread}-{round}"), "somebody", NOW_MS);
            assert!(known.expect("its index key opens").is_some(), "{thread} {round}");
        }
    }
}
