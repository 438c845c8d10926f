use super::*;
use crate::memory::{MemoryCustodian, MemoryKeys};
use crate::{KeyKind, KeyState, SecretKey, verify_commitment};

const DAY: &str = "2026-11-22";
const NEXT_DAY: &str = "2026-11-23";
const NOW_MS: u64 = 1_795_000_000_000;

struct World {
    keys: Arc<MemoryKeys>,
    vault: Vault,
}

fn reopen(log_id: &str, keys: &Arc<MemoryKeys>, root: u8) -> Result<Vault, VaultError> {
    let custodian = MemoryCustodian::new(SecretKey::from_bytes(&[root; 32]));
    Vault::open(log_id, keys.clone(), Arc::new(custodian), NOW_MS)
}

fn world() -> World {
    let keys = Arc::new(MemoryKeys::default());
    let vault = reopen("log.example/1", &keys, 1).expect("a new vault opens");
    World { keys, vault }
}

fn seal(vault: &Vault, subject: &SubjectRef) -> Sealed {
    vault.seal("pii", DAY, subject, &[(1, b"prompt"), (2, b"answer")], NOW_MS).expect("seals")
}

fn open(vault: &Vault, subject: &SubjectRef, sealed: &Sealed) -> Result<Vec<(u16, Vec<u8>)>, VaultError> {
    vault.open_sealed("pii", DAY, subject, &sealed.as_ref())
}

/// Two subjects that share a bucket: their references begin with the same byte.
const ANNA: SubjectRef = SubjectRef([0xa0; 16]);
const BEN: SubjectRef = SubjectRef([0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

#[test]
fn what_is_sealed_opens_again_also_after_a_restart() {
    let World { keys, vault } = world();
    let sealed = seal(&vault, &ANNA);
    let content = [(1, b"prompt".to_vec()), (2, b"answer".to_vec())];
    assert_eq!(open(&vault, &ANNA, &sealed).unwrap(), content);
    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    assert_eq!(open(&restarted, &ANNA, &sealed).unwrap(), content);
    assert_ne!(seal(&vault, &ANNA).r, sealed.r, "every record has its own key");
}

#[test]
fn another_class_day_or_subject_does_not_open_it() {
    let World { vault, .. } = world();
    let sealed = seal(&vault, &ANNA);
    for (class, day, subject) in [("public", DAY, &ANNA), ("pii", NEXT_DAY, &ANNA), ("pii", DAY, &BEN)] {
        let unknown = vault.open_sealed(class, day, subject, &sealed.as_ref());
        assert!(matches!(unknown, Err(VaultError::UnknownKey(_))), "{class} {day}: no key yet");
        vault.seal(class, day, subject, &[(1, b"x")], NOW_MS).unwrap();
        let refused = vault.open_sealed(class, day, subject, &sealed.as_ref());
        assert!(matches!(refused, Err(VaultError::Ciphertext)), "{class} {day}");
    }
}

#[test]
fn tampering_is_refused() {
    let World { vault, .. } = world();
    let sealed = seal(&vault, &ANNA);
    let mut ct = sealed.clone();
    ct.ct[0] ^= 1;
    assert!(matches!(open(&vault, &ANNA, &ct), Err(VaultError::Ciphertext)));
    let mut r = sealed.clone();
    r.r[23] ^= 1;
    assert!(matches!(open(&vault, &ANNA, &r), Err(VaultError::Ciphertext)));
    let mut root = sealed.clone();
    root.c_root[0] ^= 1;
    assert!(matches!(open(&vault, &ANNA, &root), Err(VaultError::CommitmentMismatch)));
    let cut = Sealed { ct: Vec::new(), ..sealed };
    assert!(matches!(open(&vault, &ANNA, &cut), Err(VaultError::Ciphertext)));
}

#[test]
fn another_root_key_or_log_is_refused_at_the_start() {
    let World { keys, .. } = world();
    for (log_id, root) in [("log.example/1", 2), ("log.example/2", 1)] {
        let refused = reopen(log_id, &keys, root).err().expect("does not fit");
        assert!(matches!(refused, VaultError::Custodian { action: "unwrap", .. }), "{refused}");
    }
}

#[test]
fn a_destroyed_subject_is_gone_and_its_bucket_neighbours_are_not() {
    let World { keys, vault } = world();
    let (of_anna, of_ben) = (seal(&vault, &ANNA), seal(&vault, &BEN));
    let in_public = vault.seal("public", DAY, &ANNA, &[(1, b"x")], NOW_MS).unwrap();
    let ben_tag = vault.subject_tag(&BEN, DAY, NOW_MS).unwrap();
    vault.subject_tag(&ANNA, DAY, NOW_MS).unwrap();

    let done = vault.destroy_subject(&ANNA, NOW_MS).unwrap();
    assert_eq!(done.keys.len(), 3, "pii, public and link");
    assert_eq!(done.buckets.len(), 3);
    assert_eq!(done.rewrapped, 2, "Ben's key and link key");

    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    for vault in [&vault, &restarted] {
        assert!(open(vault, &ANNA, &of_anna).unwrap_err().is_destroyed());
        assert!(vault.open_sealed("public", DAY, &ANNA, &in_public.as_ref()).unwrap_err().is_destroyed());
        assert!(vault.seal("pii", DAY, &ANNA, &[], NOW_MS).unwrap_err().is_destroyed());
        assert!(vault.seal("special", DAY, &ANNA, &[], NOW_MS).unwrap_err().is_destroyed());
        assert!(vault.subject_tag(&ANNA, DAY, NOW_MS).unwrap_err().is_destroyed());
        assert!(open(vault, &BEN, &of_ben).is_ok());
        assert_eq!(vault.subject_tag(&BEN, DAY, NOW_MS).unwrap(), ben_tag);
    }
    let again = vault.destroy_subject(&ANNA, NOW_MS).unwrap();
    assert_eq!(again, crate::Destroyed { keys: vec![], buckets: vec![], rewrapped: 0 });
    assert!(open(&vault, &BEN, &seal(&vault, &BEN)).is_ok(), "the bucket is still of use");
}

#[test]
fn a_destroyed_day_is_gone_and_other_days_are_not() {
    let World { keys, vault } = world();
    let sealed = seal(&vault, &ANNA);
    let later = vault.seal("pii", NEXT_DAY, &ANNA, &[(1, b"x")], NOW_MS).unwrap();
    let done = vault.destroy_day("pii", DAY, NOW_MS).unwrap();
    assert_eq!((done.keys.len(), done.rewrapped), (1, 1));
    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    for vault in [&vault, &restarted] {
        assert!(open(vault, &ANNA, &sealed).unwrap_err().is_destroyed());
        assert!(vault.seal("pii", DAY, &ANNA, &[], NOW_MS).unwrap_err().is_destroyed());
        assert!(vault.open_sealed("pii", NEXT_DAY, &ANNA, &later.as_ref()).is_ok());
    }
    vault.destroy_day("pii", "2020-01-01", NOW_MS).unwrap();
    let refused = vault.seal("pii", "2020-01-01", &ANNA, &[], NOW_MS);
    assert!(refused.unwrap_err().is_destroyed(), "a day without a key is closed too");
}

#[test]
fn another_vault_on_the_same_store_follows_a_destruction_of_a_bucket() {
    // Given two processes, the second with the bucket key in its cache.
    let World { keys, vault } = world();
    let second = reopen("log.example/1", &keys, 1).unwrap();
    seal(&vault, &ANNA);
    let of_ben = seal(&vault, &BEN);
    open(&second, &BEN, &of_ben).unwrap();
    // When the first destroys a neighbour, then the second still makes and finds keys there.
    vault.destroy_subject(&ANNA, NOW_MS).unwrap();
    let newcomer = SubjectRef([0xa0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    let sealed = seal(&second, &newcomer);
    assert!(open(&vault, &newcomer, &sealed).is_ok());
    assert!(second.destroy_subject(&BEN, NOW_MS).is_ok());
    assert!(open(&vault, &newcomer, &sealed).is_ok());
}

#[test]
fn identifiers_lead_to_one_subject_per_scope() {
    let World { keys, vault } = world();
    let subject = |scope, identifier| vault.subject(scope, identifier, NOW_MS).unwrap();
    let anna = subject("email", "Anna@Example.org");
    assert_eq!(subject("email", "  anna@example.org\n"), anna);
    assert_ne!(subject("login", "anna@example.org"), anna);
    assert_ne!(subject("login", "u1"), subject("login", "U1"), "opaque ids keep their case");
    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    assert_eq!(restarted.subject("email", "anna@example.org", NOW_MS).unwrap(), anna);

    vault.destroy_subject(&anna, NOW_MS).unwrap();
    let reborn = subject("email", "anna@example.org");
    assert_ne!(reborn, anna);
    assert!(vault.seal("pii", DAY, &reborn, &[(1, b"x")], NOW_MS).is_ok());
}

#[test]
fn bad_names_are_refused_without_repeating_identifiers() {
    let World { vault, .. } = world();
    for identifier in ["", "  ", &"anna".repeat(300)] {
        let refused = vault.subject("email", identifier, NOW_MS).unwrap_err().to_string();
        assert!(refused.starts_with("identifier `of "), "{refused}");
        assert!(!refused.contains("anna"), "{refused}");
    }
    assert!(vault.subject("E mail", "x", NOW_MS).is_err());
    assert!(vault.seal("_link", DAY, &ANNA, &[], NOW_MS).is_err());
    assert!(vault.seal("pii", "today", &ANNA, &[], NOW_MS).is_err());
    assert!(vault.destroy_day("pii", "days", NOW_MS).is_err());
    let refused = vault.seal("PII", DAY, &ANNA, &[], NOW_MS).unwrap_err().to_string();
    assert_eq!(
        refused,
        "class `PII` cannot be used: use 1 to 64 of a-z, 0-9, `.`, `_`, `-`, starting with a letter or digit"
    );
}

#[test]
fn the_anonymous_subject_lasts_a_day_and_a_process() {
    let World { keys, vault } = world();
    let today = vault.anonymous_subject(DAY).unwrap();
    assert_eq!(vault.anonymous_subject(DAY).unwrap(), today);
    assert_ne!(vault.anonymous_subject(NEXT_DAY).unwrap(), today);
    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    assert_ne!(restarted.anonymous_subject(DAY).unwrap(), today);

    let current = vault.anonymous_subject(DAY).unwrap();
    let sealed = seal(&vault, &current);
    assert!(open(&vault, &current, &sealed).is_ok());
    vault.destroy_subject(&current, NOW_MS).unwrap();
    assert!(open(&vault, &current, &sealed).unwrap_err().is_destroyed());
    assert_ne!(vault.anonymous_subject(DAY).unwrap(), current);
}

#[test]
fn tags_link_within_a_day_only() {
    let World { vault, .. } = world();
    let tag = |subject, day| vault.subject_tag(subject, day, NOW_MS).unwrap();
    assert_eq!(tag(&ANNA, DAY), tag(&ANNA, DAY));
    assert_ne!(tag(&ANNA, DAY), tag(&ANNA, NEXT_DAY));
    assert_ne!(tag(&ANNA, DAY), tag(&BEN, DAY));
}

#[test]
fn a_disclosure_proves_one_field_and_reveals_no_other() {
    let World { vault, .. } = world();
    let sealed = seal(&vault, &ANNA);
    let shown = vault.disclose("pii", DAY, &ANNA, &sealed.as_ref(), &[2]).unwrap();
    assert_eq!(shown.commitments, sealed.commitments);
    let [answer] = &shown.fields[..] else { panic!("one field was asked for") };
    assert_eq!((answer.field, &answer.value[..]), (2, &b"answer"[..]));
    let verify =
        |field, value: &[u8]| verify_commitment(&sealed.c_root, &shown.commitments, field, &answer.salt, value);
    assert!(verify(2, b"answer"));
    assert!(!verify(2, b"other"));
    assert!(!verify(1, b"prompt"), "the salt of one field is of no use for another");
    let refused = vault.disclose("pii", DAY, &ANNA, &sealed.as_ref(), &[3]);
    assert!(matches!(refused, Err(VaultError::UnknownField(3))));
    // The same content sealed again commits to other values: no table of guesses helps.
    assert_ne!(seal(&vault, &ANNA).commitments, sealed.commitments);
}

#[test]
fn the_inventory_lists_the_living_and_the_dead() {
    let World { vault, .. } = world();
    seal(&vault, &ANNA);
    vault.destroy_subject(&ANNA, NOW_MS + 5).unwrap();
    let keys = vault.inventory().unwrap();
    let subject = keys.iter().find(|key| key.kind == KeyKind::Subject).expect("is listed");
    assert_eq!(subject.state, KeyState::Destroyed { at_ms: NOW_MS + 5 });
    assert_eq!((subject.class.as_str(), subject.id.as_str()), ("pii", ANNA.to_string().as_str()));
    let bucket = keys.iter().find(|key| key.id == "a0").expect("is listed");
    assert_eq!((bucket.version, bucket.state), (2, KeyState::Live));
}

#[test]
fn many_threads_make_one_key_and_survive_destructions() {
    let World { vault, .. } = world();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let vault = &vault;
            scope.spawn(move || {
                for round in 0..50u8 {
                    let own = SubjectRef([0xa0, thread, round, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
                    let (of_own, of_ben) = (seal(vault, &own), seal(vault, &BEN));
                    assert!(open(vault, &own, &of_own).is_ok());
                    vault.destroy_subject(&own, NOW_MS).unwrap();
                    assert!(open(vault, &own, &of_own).unwrap_err().is_destroyed());
                    assert!(open(vault, &BEN, &of_ben).is_ok());
                }
            });
        }
    });
}

#[test]
fn a_signet_is_at_hand_once_it_was_made_and_not_after_a_destruction() {
    let World { keys, vault } = world();
    let at_hand = |vault: &Vault, class, day| vault.signet_at_hand("user", "anna", class, day).is_some();
    assert!(!at_hand(&vault, "pii", DAY), "never seen");
    let signet = vault.signet("user", "anna", "pii", DAY, NOW_MS).unwrap();
    assert!(at_hand(&vault, "pii", DAY));
    assert!(!at_hand(&vault, "pii", NEXT_DAY) && !at_hand(&vault, "public", DAY), "another day, another class");
    assert!(!at_hand(&reopen("log.example/1", &keys, 1).unwrap(), "pii", DAY), "only the store knows it");
    vault.destroy_day("pii", DAY, NOW_MS).unwrap();
    assert!(!at_hand(&vault, "pii", DAY), "its day is gone");
    vault.signet("user", "anna", "pii", NEXT_DAY, NOW_MS).unwrap();
    vault.destroy_subject(&BEN, NOW_MS).unwrap();
    assert!(at_hand(&vault, "pii", NEXT_DAY), "somebody else is gone");
    vault.destroy_subject(&signet.subject(), NOW_MS).unwrap();
    assert!(!at_hand(&vault, "pii", NEXT_DAY), "its subject is gone");
}

#[test]
fn what_a_signet_seals_is_opened_like_any_other_and_by_nobody_after_a_destruction() {
    let World { vault, .. } = world();
    let signet = vault.signet("user", "anna", "pii", DAY, NOW_MS).unwrap();
    let subject = vault.subject("user", "anna", NOW_MS).unwrap();
    assert_eq!((signet.subject(), signet.tag()), (subject, vault.subject_tag(&subject, DAY, NOW_MS).unwrap()));
    let sealed = signet.seal(&[(1, b"prompt"), (2, b"answer")]).unwrap();
    assert_eq!(open(&vault, &subject, &sealed).unwrap(), open(&vault, &subject, &seal(&vault, &subject)).unwrap());
    vault.destroy_subject(&subject, NOW_MS).unwrap();
    let late = signet.seal(&[(1, b"prompt")]).unwrap();
    for sealed in [sealed, late] {
        assert!(open(&vault, &subject, &sealed).unwrap_err().is_destroyed());
    }
}

#[test]
fn a_note_opens_for_its_person_class_and_topic_until_they_are_forgotten() {
    let World { keys, vault } = world();
    let sealed = vault.seal_note("people", &ANNA, "profile", b"Anna", NOW_MS).unwrap();
    let restarted = reopen("log.example/1", &keys, 1).unwrap();
    assert_eq!(*restarted.open_note("people", &ANNA, "profile", &sealed).unwrap(), b"Anna");
    assert!(matches!(vault.open_note("people", &ANNA, "comment", &sealed), Err(VaultError::Ciphertext)));
    assert!(matches!(vault.open_note("people", &BEN, "profile", &sealed), Err(VaultError::UnknownKey(_))));
    vault.seal_note("people", &BEN, "profile", b"", NOW_MS).unwrap();
    vault.seal_note("other", &ANNA, "profile", b"", NOW_MS).unwrap();
    assert!(matches!(vault.open_note("people", &BEN, "profile", &sealed), Err(VaultError::Ciphertext)));
    assert!(matches!(vault.open_note("other", &ANNA, "profile", &sealed), Err(VaultError::Ciphertext)));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(matches!(vault.open_note("people", &ANNA, "profile", &changed), Err(VaultError::Ciphertext)), "{at}");
        assert!(matches!(vault.open_note("people", &ANNA, "profile", &sealed[..at]), Err(VaultError::Ciphertext)));
    }
    let large = vec![0; crate::note::MAX_NOTE_BYTES + 1];
    assert!(matches!(
        vault.seal_note("people", &ANNA, "profile", &large, NOW_MS),
        Err(VaultError::TooLarge { limit: crate::note::MAX_NOTE_BYTES, .. })
    ));
    vault.destroy_subject(&ANNA, NOW_MS).unwrap();
    assert!(vault.open_note("people", &ANNA, "profile", &sealed).unwrap_err().is_destroyed());
}

#[test]
fn looking_for_a_subject_makes_none() {
    let World { vault, .. } = world();
    assert_eq!(vault.known_subject("identity", "x", NOW_MS).unwrap(), None);
    let made = vault.subject("identity", "x", NOW_MS).unwrap();
    assert_eq!(vault.known_subject("identity", "x", NOW_MS).unwrap(), Some(made));
    assert_eq!(vault.known_subject("identity", "X", NOW_MS).unwrap(), None);
}
