//! The contract of [`KeyStore`] as tests, for every driver: `vault::key_store_conformance!(make)`,
//! writes one test per case. `make` gives a new empty store, with a guard for what must outlive it (a
//! directory, or `()`). Each case panics when it fails.

use crate::names::{KeyName, ObjectId, SubjectRef};
use crate::ports::{
    DestroyOutcome, Destruction, KeyState, KeyStore, Put, Rewrap, Stored, Target, Turn, TurnedBucket, WrappedKey,
};

pub use crate::tokens::store::conformance::{a_value_has_one_token_in_a_scope, tokens_go_with_their_subject};

/// Writes one `#[test]` per case of the suite; the argument makes `(guard, new empty store)`.
#[macro_export]
macro_rules! key_store_conformance {
    ($make:expr) => {
        $crate::key_store_conformance!($make;
            a_key_is_stored_once
            a_key_needs_its_parent_as_it_was
            children_and_keys_of_a_subject_are_found
            the_blind_index_binds_once
            an_erased_subject_stays_erased
            a_destroyed_day_stays_destroyed
            a_destroyed_object_stays_destroyed
            who_holds_a_subject_is_known_until_it_is_destroyed
            a_stale_destruction_changes_nothing
            the_list_tells_all_without_secrets
            a_turn_keeps_outgoing_bucket_keys_until_their_children_moved
            a_stale_turn_changes_nothing
            keys_that_changed_meanwhile_do_not_move
            an_erasure_during_a_rotation_takes_the_outgoing_bucket_key
            roots_are_wrapped_anew_all_together_or_not_at_all
            keys_are_counted
            a_value_has_one_token_in_a_scope
            tokens_go_with_their_subject
        );
    };
    ($make:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                let (_guard, store) = ($make)();
                $crate::conformance::$case(&store);
            }
        )*
    };
}

const ALICE: SubjectRef = SubjectRef([0x11; 16]);
/// In the same bucket as [`ALICE`].
const BOB: SubjectRef = SubjectRef([0x11, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const CAROL: SubjectRef = SubjectRef([0x33; 16]);
const MONDAY: &str = "2026-11-23";
const TUESDAY: &str = "2026-11-24";

fn key(name: KeyName, version: u32, parent_version: u32) -> WrappedKey {
    let wrapped = format!("{name} v{version} under v{parent_version}").into_bytes();
    WrappedKey { name, version, parent_version, wrapped, created_ms: 1_000 }
}

fn bucket_of(name: &KeyName) -> KeyName {
    name.parent().expect("this kind of key has a bucket")
}

fn put(store: &dyn KeyStore, key: &WrappedKey) -> Put {
    store.put(key).expect("store works")
}

fn get(store: &dyn KeyStore, name: &KeyName) -> Option<Stored> {
    store.get(name).expect("store works")
}

fn names(keys: Vec<WrappedKey>) -> Vec<KeyName> {
    let mut names: Vec<KeyName> = keys.into_iter().map(|key| key.name).collect();
    names.sort();
    names
}

/// Stores the keys named, and their parents, all at version 1.
fn fill(store: &dyn KeyStore, keys: &[KeyName]) {
    for name in keys {
        let bucket = bucket_of(name);
        put(store, &key(bucket_of(&bucket), 1, 0));
        put(store, &key(bucket, 1, 1));
        assert_eq!(put(store, &key(name.clone(), 1, 1)), Put::Stored, "{name}");
    }
}

fn rewrap(bucket: KeyName, version: u32, children: &[KeyName]) -> Rewrap {
    let children = children.iter().map(|name| key(name.clone(), 1, version)).collect();
    Rewrap { bucket: key(bucket, version, 1), children }
}

fn destroy(store: &dyn KeyStore, target: Target, rewraps: Vec<Rewrap>) -> DestroyOutcome {
    store.destroy(&Destruction { target, rewraps, at_ms: 2_000 }).expect("store works")
}

/// One row per name; a second put changes nothing.
pub fn a_key_is_stored_once(store: &dyn KeyStore) {
    let first = key(KeyName::class("pii"), 1, 0);
    assert_eq!(get(store, &first.name), None);
    assert_eq!(put(store, &first), Put::Stored);
    let second = WrappedKey { wrapped: b"other".to_vec(), ..first.clone() };
    assert_eq!(put(store, &second), Put::Exists);
    assert_eq!(get(store, &first.name), Some(Stored::Live(first)));
    assert_eq!(get(store, &KeyName::class("public")), None);
}

/// A key wrapped under a parent that is absent or of another version is refused.
pub fn a_key_needs_its_parent_as_it_was(store: &dyn KeyStore) {
    let alice = KeyName::subject("pii", &ALICE);
    assert_eq!(put(store, &key(alice.clone(), 1, 1)), Put::ParentMoved);
    fill(store, &[KeyName::subject("pii", &BOB)]);
    assert_eq!(put(store, &key(alice.clone(), 1, 2)), Put::ParentMoved);
    assert_eq!(get(store, &alice), None);
    assert_eq!(put(store, &key(alice, 1, 1)), Put::Stored);
}

/// Lookups by bucket and by subject give live keys of exactly those.
pub fn children_and_keys_of_a_subject_are_found(store: &dyn KeyStore) {
    let alice = KeyName::subject("pii", &ALICE);
    let bob = KeyName::subject("pii", &BOB);
    let alice_public = KeyName::subject("public", &ALICE);
    let alice_link = KeyName::link(&ALICE);
    let carol = KeyName::subject("pii", &CAROL);
    let monday = KeyName::day("pii", MONDAY);
    let all = [&alice, &bob, &alice_public, &alice_link, &carol, &monday];
    fill(store, &all.map(Clone::clone));
    let children = |bucket: &KeyName| names(store.children(bucket).expect("store works"));
    assert_eq!(children(&bucket_of(&alice)), [alice.clone(), bob]);
    assert_eq!(children(&bucket_of(&monday)), [monday]);
    assert_eq!(children(&KeyName::class("nothing")), []);
    let of_alice = names(store.keys_of(&ALICE).expect("store works"));
    assert_eq!(of_alice, [alice, alice_public, alice_link]);
}

/// The first binding wins, per scope.
pub fn the_blind_index_binds_once(store: &dyn KeyStore) {
    let find = |scope, idx| store.find_subject(scope, idx).expect("store works");
    let bind = |scope, idx, subject| store.bind_subject(scope, idx, subject).expect("store works");
    assert_eq!(find("user", &[1; 32]), None);
    assert_eq!(bind("user", &[1; 32], &ALICE), ALICE);
    assert_eq!(bind("user", &[1; 32], &BOB), ALICE);
    assert_eq!(bind("email", &[1; 32], &BOB), BOB);
    assert_eq!(bind("user", &[2; 32], &ALICE), ALICE);
    assert_eq!(find("user", &[1; 32]), Some(ALICE));
    assert_eq!(find("email", &[1; 32]), Some(BOB));
}

/// Erasing a subject takes all its keys and index rows, leaves its neighbours usable, and lasts.
pub fn an_erased_subject_stays_erased(store: &dyn KeyStore) {
    let alice = KeyName::subject("pii", &ALICE);
    let bob = KeyName::subject("pii", &BOB);
    let alice_link = KeyName::link(&ALICE);
    fill(store, &[alice.clone(), bob.clone(), alice_link.clone()]);
    for (scope, idx) in [("user", [1; 32]), ("email", [2; 32])] {
        store.bind_subject(scope, &idx, &ALICE).expect("store works");
    }
    store.bind_subject("user", &[3; 32], &BOB).expect("store works");

    let bucket = bucket_of(&alice);
    let rewraps =
        || vec![rewrap(bucket.clone(), 2, std::slice::from_ref(&bob)), rewrap(bucket_of(&alice_link), 2, &[])];
    assert_eq!(destroy(store, Target::Subject(ALICE), rewraps()), DestroyOutcome::Done);

    for gone in [&alice, &alice_link] {
        assert_eq!(get(store, gone), Some(Stored::Destroyed { at_ms: 2_000 }), "{gone}");
        assert_eq!(put(store, &key(gone.clone(), 1, 2)), Put::Exists, "{gone}");
    }
    let new_class = KeyName::subject("public", &ALICE);
    fill(store, &[KeyName::subject("public", &BOB)]);
    assert_eq!(put(store, &key(new_class, 1, 1)), Put::SubjectErased);
    assert_eq!(store.keys_of(&ALICE).expect("store works"), []);
    for (scope, idx) in [("user", [1; 32]), ("email", [2; 32])] {
        assert_eq!(store.find_subject(scope, &idx).expect("store works"), None, "{scope}");
    }
    assert_eq!(store.find_subject("user", &[3; 32]).expect("store works"), Some(BOB));
    assert_eq!(store.bind_subject("user", &[1; 32], &CAROL).expect("store works"), CAROL);

    assert_eq!(get(store, &bob), Some(Stored::Live(key(bob.clone(), 1, 2))));
    assert_eq!(get(store, &bucket), Some(Stored::Live(key(bucket.clone(), 2, 1))));
    assert_eq!(names(store.children(&bucket).expect("store works")), [bob]);

    assert_eq!(destroy(store, Target::Subject(ALICE), vec![]), DestroyOutcome::Done, "again");
    assert_eq!(destroy(store, Target::Subject(CAROL), vec![]), DestroyOutcome::Done, "no keys");
    let carol = KeyName::subject("public", &CAROL);
    fill(store, &[KeyName::subject("public", &SubjectRef([0x33, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))]);
    assert_eq!(put(store, &key(carol, 1, 1)), Put::SubjectErased);
}

/// A destroyed day, with or without a key, never gets another; the other days stay.
pub fn a_destroyed_day_stays_destroyed(store: &dyn KeyStore) {
    let monday = KeyName::day("pii", MONDAY);
    let tuesday = KeyName::day("pii", TUESDAY);
    fill(store, &[monday.clone(), tuesday.clone()]);
    let bucket = bucket_of(&monday);
    let rewraps = vec![rewrap(bucket.clone(), 2, std::slice::from_ref(&tuesday))];
    assert_eq!(destroy(store, Target::Day(monday.clone()), rewraps), DestroyOutcome::Done);
    assert_eq!(get(store, &monday), Some(Stored::Destroyed { at_ms: 2_000 }));
    assert_eq!(put(store, &key(monday, 1, 2)), Put::Exists);
    assert_eq!(get(store, &tuesday), Some(Stored::Live(key(tuesday.clone(), 1, 2))));

    let never_used = KeyName::day("pii", "2026-11-25");
    assert_eq!(destroy(store, Target::Day(never_used.clone()), vec![]), DestroyOutcome::Done);
    assert_eq!(get(store, &never_used), Some(Stored::Destroyed { at_ms: 2_000 }));
    assert_eq!(put(store, &key(never_used, 1, 2)), Put::Exists);
}

/// The key of an object goes alone, whoever's keys are in its bucket.
pub fn a_destroyed_object_stays_destroyed(store: &dyn KeyStore) {
    let object = KeyName::object("pii", &ObjectId([0x11; 16]));
    let other = KeyName::object("pii", &ObjectId([0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let alice = KeyName::subject("pii", &ALICE);
    fill(store, &[object.clone(), other.clone(), alice.clone()]);
    let bucket = bucket_of(&object);
    assert_eq!(bucket, bucket_of(&alice));
    let survivors = || vec![rewrap(bucket.clone(), 2, &[other.clone(), alice.clone()])];
    assert_eq!(destroy(store, Target::Object(object.clone()), survivors()), DestroyOutcome::Done);
    assert_eq!(get(store, &object), Some(Stored::Destroyed { at_ms: 2_000 }));
    assert_eq!(put(store, &key(object, 1, 2)), Put::Exists);
    assert_eq!(get(store, &other), Some(Stored::Live(key(other.clone(), 1, 2))));
    assert_eq!(names(store.keys_of(&ALICE).expect("store works")), [alice]);
}

/// Notes of who holds data of a subject are found by subject, and go with it.
pub fn who_holds_a_subject_is_known_until_it_is_destroyed(store: &dyn KeyStore) {
    let holders = |subject: &SubjectRef| store.holders(subject).expect("store works");
    store.hold("loans/2", &[ALICE, BOB]).expect("store works");
    store.hold("loans/1", &[ALICE, CAROL]).expect("store works");
    store.hold("loans/1", &[ALICE]).expect("store works");
    assert_eq!(holders(&ALICE), ["loans/1", "loans/2"]);
    store.release("loans/1", Some(&ALICE)).expect("store works");
    assert_eq!(holders(&ALICE), ["loans/2"]);
    assert_eq!(holders(&CAROL), ["loans/1"]);
    assert_eq!(destroy(store, Target::Subject(ALICE), vec![]), DestroyOutcome::Done);
    assert!(holders(&ALICE).is_empty());
    assert_eq!(holders(&BOB), ["loans/2"]);
    store.release("loans/2", None).expect("store works");
    assert!(holders(&BOB).is_empty());
    let bound = store.bind_subjects("user", &[([7; 32], BOB), ([8; 32], CAROL), ([7; 32], ALICE)]);
    assert_eq!(bound.expect("store works"), [BOB, CAROL, BOB]);
}

/// Prepared from an old view, a destruction is refused whole.
pub fn a_stale_destruction_changes_nothing(store: &dyn KeyStore) {
    let alice = KeyName::subject("pii", &ALICE);
    let bob = KeyName::subject("pii", &BOB);
    fill(store, &[alice.clone(), bob.clone()]);
    let bucket = bucket_of(&alice);
    let stale = [
        ("bucket not replaced", vec![]),
        ("a survivor is missing", vec![rewrap(bucket.clone(), 2, &[])]),
        ("same version", vec![rewrap(bucket.clone(), 1, std::slice::from_ref(&bob))]),
        ("version skipped", vec![rewrap(bucket.clone(), 3, std::slice::from_ref(&bob))]),
        ("one child too many", vec![rewrap(bucket.clone(), 2, &[bob.clone(), KeyName::subject("pii", &CAROL)])]),
        (
            "one bucket too many",
            vec![
                rewrap(bucket.clone(), 2, std::slice::from_ref(&bob)),
                rewrap(bucket_of(&KeyName::link(&ALICE)), 2, &[]),
            ],
        ),
    ];
    for (why, rewraps) in stale {
        let outcome = destroy(store, Target::Subject(ALICE), rewraps);
        assert_eq!(outcome, DestroyOutcome::Conflict, "{why}");
        for (name, parent_version) in [(&alice, 1), (&bob, 1), (&bucket, 1)] {
            let unchanged = Stored::Live(key(name.clone(), 1, parent_version));
            assert_eq!(get(store, name), Some(unchanged), "{why}: {name}");
        }
    }
}

/// The inventory is complete, ordered, and knows the dead.
pub fn the_list_tells_all_without_secrets(store: &dyn KeyStore) {
    assert_eq!(store.list().expect("store works"), []);
    let monday = KeyName::day("pii", MONDAY);
    fill(store, &[monday.clone(), KeyName::subject("pii", &ALICE)]);
    put(store, &key(KeyName::index("user"), 1, 0));
    let rewraps = vec![rewrap(bucket_of(&monday), 2, &[])];
    assert_eq!(destroy(store, Target::Day(monday), rewraps), DestroyOutcome::Done);

    let list = store.list().expect("store works");
    let lines: Vec<String> = list
        .iter()
        .map(|k| {
            let state = match k.state {
                KeyState::Live => "live".to_owned(),
                KeyState::Destroyed { at_ms } => format!("destroyed {at_ms}"),
            };
            format!("{} {:?} {:?} v{} {state} {}", k.kind.as_str(), k.class, k.id, k.version, k.created_ms)
        })
        .collect();
    let alice = ALICE.to_string();
    assert_eq!(
        lines,
        [
            r#"class "pii" "" v1 live 1000"#.to_owned(),
            r#"bucket "pii" "11" v1 live 1000"#.to_owned(),
            r#"bucket "pii" "days" v2 live 1000"#.to_owned(),
            format!(r#"subject "pii" "{alice}" v1 live 1000"#),
            format!(r#"day "pii" "{MONDAY}" v1 destroyed 2000 1000"#),
            r#"index "" "user" v1 live 1000"#.to_owned(),
        ]
    );
}

/// Turns the class of `pii` from version 1 to 2.
fn turn(store: &dyn KeyStore, buckets: &[KeyName]) -> DestroyOutcome {
    let buckets = buckets.iter().map(|bucket| TurnedBucket {
        outgoing: key(KeyName::outgoing(bucket), 1, 2),
        incoming: key(bucket.clone(), 2, 2),
    });
    let turn = Turn { class: key(KeyName::class("pii"), 2, 0), buckets: buckets.collect() };
    store.turn(&turn).expect("store works")
}

fn lagging(store: &dyn KeyStore) -> Vec<KeyName> {
    let (mut after, mut names) = (0, Vec::new());
    loop {
        let batch = store.lagging("pii", after, 1).expect("store works");
        let Some((mark, key)) = batch.into_iter().next() else { break };
        assert!(mark > after && !names.contains(&key.name), "marks go on");
        after = mark;
        // The smallest stores leave no marks: moving over is what goes on.
        let moved = WrappedKey { parent_version: 2, ..key.clone() };
        assert_eq!(store.rewrap(&[moved]).expect("store works"), 1);
        names.push(key.name);
    }
    names.sort();
    names
}

/// The outgoing versions lie beside the new ones, wrap what has not moved, and go at the end, and come with the next turn.
pub fn a_turn_keeps_outgoing_bucket_keys_until_their_children_moved(store: &dyn KeyStore) {
    let (alice, carol, monday) = (KeyName::subject("pii", &ALICE), KeyName::subject("pii", &CAROL), MONDAY);
    let monday = KeyName::day("pii", monday);
    let elsewhere = KeyName::subject("public", &ALICE);
    fill(store, &[alice.clone(), carol.clone(), monday.clone(), elsewhere.clone()]);
    let buckets = [bucket_of(&alice), bucket_of(&carol), bucket_of(&monday)];
    assert_eq!(turn(store, &buckets), DestroyOutcome::Done);
    assert_eq!(get(store, &KeyName::class("pii")), Some(Stored::Live(key(KeyName::class("pii"), 2, 0))));
    for bucket in &buckets {
        let outgoing = KeyName::outgoing(bucket);
        assert_eq!(get(store, bucket), Some(Stored::Live(key(bucket.clone(), 2, 2))));
        assert_eq!(get(store, &outgoing), Some(Stored::Live(key(outgoing.clone(), 1, 2))));
    }
    assert_eq!(get(store, &alice), Some(Stored::Live(key(alice.clone(), 1, 1))), "untouched so far");
    let bob = KeyName::subject("pii", &BOB);
    assert_eq!(put(store, &key(bob.clone(), 1, 1)), Put::ParentMoved, "nothing new under what goes out");
    assert_eq!(put(store, &key(bob, 1, 2)), Put::Stored);
    assert!(!store.forget_outgoing("pii", 2_000).expect("store works"), "it wraps keys still");

    assert_eq!(lagging(store), [alice, carol, monday]);
    for _again in 0..2 {
        assert!(store.forget_outgoing("pii", 2_000).expect("store works"));
        let outgoing = KeyName::outgoing(&buckets[0]);
        assert_eq!(get(store, &outgoing), Some(Stored::Destroyed { at_ms: 2_000 }));
    }
    assert_eq!(get(store, &elsewhere), Some(Stored::Live(key(elsewhere.clone(), 1, 1))), "another class");
    let next = buckets.iter().map(|bucket| TurnedBucket {
        outgoing: key(KeyName::outgoing(bucket), 2, 3),
        incoming: key(bucket.clone(), 3, 3),
    });
    let next = Turn { class: key(KeyName::class("pii"), 3, 0), buckets: next.collect() };
    assert_eq!(store.turn(&next).expect("store works"), DestroyOutcome::Done);
    let outgoing = KeyName::outgoing(&buckets[0]);
    assert_eq!(get(store, &outgoing), Some(Stored::Live(key(outgoing.clone(), 2, 3))));
}

/// Prepared from an old view, a turn is refused whole.
pub fn a_stale_turn_changes_nothing(store: &dyn KeyStore) {
    let (alice, carol) = (KeyName::subject("pii", &ALICE), KeyName::subject("pii", &CAROL));
    fill(store, &[alice.clone(), carol.clone()]);
    let (of_alice, of_carol) = (bucket_of(&alice), bucket_of(&carol));
    let other = bucket_of(&KeyName::day("pii", MONDAY));
    assert_eq!(turn(store, std::slice::from_ref(&of_alice)), DestroyOutcome::Conflict, "a bucket is missing");
    assert_eq!(turn(store, &[of_alice.clone(), of_carol.clone(), other]), DestroyOutcome::Conflict, "one too many");
    assert_eq!(get(store, &of_alice), Some(Stored::Live(key(of_alice.clone(), 1, 1))));
    assert_eq!(get(store, &KeyName::outgoing(&of_alice)), None);
    let both = [of_alice, of_carol];
    assert_eq!(turn(store, &both), DestroyOutcome::Done);
    assert_eq!(turn(store, &both), DestroyOutcome::Conflict, "another turned it before");
}

/// A key moves only from what it was to under what its bucket is.
pub fn keys_that_changed_meanwhile_do_not_move(store: &dyn KeyStore) {
    let (alice, carol) = (KeyName::subject("pii", &ALICE), KeyName::subject("pii", &CAROL));
    fill(store, &[alice.clone(), carol.clone()]);
    assert_eq!(turn(store, &[bucket_of(&alice), bucket_of(&carol)]), DestroyOutcome::Done);
    let rewraps = vec![rewrap(bucket_of(&carol), 3, &[])];
    assert_eq!(destroy(store, Target::Subject(CAROL), rewraps), DestroyOutcome::Done);
    let moved = [key(alice.clone(), 1, 2), key(carol.clone(), 1, 2), key(KeyName::subject("pii", &BOB), 1, 2)];
    assert_eq!(store.rewrap(&moved).expect("store works"), 1);
    assert_eq!(get(store, &alice), Some(Stored::Live(key(alice.clone(), 1, 2))));
    assert_eq!(get(store, &carol), Some(Stored::Destroyed { at_ms: 2_000 }));
    assert_eq!(get(store, &KeyName::subject("pii", &BOB)), None);
    assert_eq!(store.rewrap(&[key(alice.clone(), 1, 1), key(alice, 2, 2)]).expect("store works"), 0, "stale");
}

/// The bucket key that wrapped the destroyed key is gone, whichever version it was.
pub fn an_erasure_during_a_rotation_takes_the_outgoing_bucket_key(store: &dyn KeyStore) {
    let (alice, bob) = (KeyName::subject("pii", &ALICE), KeyName::subject("pii", &BOB));
    fill(store, &[alice.clone(), bob.clone()]);
    let bucket = bucket_of(&alice);
    assert_eq!(turn(store, std::slice::from_ref(&bucket)), DestroyOutcome::Done);
    let rewraps = vec![rewrap(bucket.clone(), 3, std::slice::from_ref(&bob))];
    assert_eq!(destroy(store, Target::Subject(ALICE), rewraps), DestroyOutcome::Done);
    assert_eq!(get(store, &KeyName::outgoing(&bucket)), Some(Stored::Destroyed { at_ms: 2_000 }));
    assert_eq!(get(store, &bob), Some(Stored::Live(key(bob.clone(), 1, 3))));
    assert_eq!(store.lagging("pii", 0, 10).expect("store works"), []);
    assert!(store.forget_outgoing("pii", 3_000).expect("store works"));
}

/// Class and index keys are replaced in one step, and only all of them.
pub fn roots_are_wrapped_anew_all_together_or_not_at_all(store: &dyn KeyStore) {
    let (pii, user) = (key(KeyName::class("pii"), 1, 0), key(KeyName::index("user"), 1, 0));
    fill(store, &[KeyName::subject("pii", &ALICE)]);
    put(store, &user);
    let cards = key(KeyName::format("cards"), 1, 0);
    put(store, &cards);
    let roots = || store.wrapped_by_root().expect("store works");
    assert_eq!(roots(), [pii.clone(), user.clone(), cards.clone()]);
    let anew = |key: &WrappedKey| WrappedKey { wrapped: b"anew, and of another length".to_vec(), ..key.clone() };
    let rewrap = |keys: &[WrappedKey]| store.rewrap_roots(keys).expect("store works");
    assert_eq!(rewrap(&[anew(&pii)]), DestroyOutcome::Conflict);
    assert_eq!(
        rewrap(&[anew(&pii), anew(&user), anew(&cards), key(KeyName::index("email"), 1, 0)]),
        DestroyOutcome::Conflict
    );
    assert_eq!(rewrap(&[anew(&pii), anew(&cards), WrappedKey { version: 2, ..anew(&user) }]), DestroyOutcome::Conflict);
    assert_eq!(roots(), [pii.clone(), user.clone(), cards.clone()]);
    assert_eq!(rewrap(&[anew(&cards), anew(&user), anew(&pii)]), DestroyOutcome::Done);
    assert_eq!(roots(), [anew(&pii), anew(&user), anew(&cards)]);
}

/// By kind and class, the living and the dead.
pub fn keys_are_counted(store: &dyn KeyStore) {
    assert_eq!(store.count().expect("store works"), []);
    let monday = KeyName::day("pii", MONDAY);
    fill(store, &[monday.clone(), KeyName::subject("pii", &ALICE), KeyName::subject("pii", &BOB)]);
    put(store, &key(KeyName::index("user"), 1, 0));
    let rewraps = vec![rewrap(bucket_of(&monday), 2, &[])];
    assert_eq!(destroy(store, Target::Day(monday), rewraps), DestroyOutcome::Done);
    let counts = store.count().expect("store works");
    let lines = counts.iter().map(|c| format!("{} {:?} {}+{}", c.kind.as_str(), c.class, c.live, c.destroyed));
    let expected =
        [r#"class "pii" 1+0"#, r#"bucket "pii" 2+0"#, r#"subject "pii" 2+0"#, r#"day "pii" 0+1"#, r#"index "" 1+0"#];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}
