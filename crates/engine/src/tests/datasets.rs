//! Data sets over a real data directory: what comes in and goes out, who may, what a crash leaves, and forgetting one
//! person.

use std::io::{Cursor, Read};

use domain::data::{DataClass, DatasetDeclared, DatasetSpec, DestroyVersion, Form, LawfulBasis, SubjectColumn};
use domain::people::{ActorKind, Purpose};
use vault::SubjectRef;

use super::*;
use crate::{About, Attempt, Reading, Wish};

const ROWS: &str = "id,email\n1,ann@example.com\n2,bob@example.com\n3,Ann@Example.com\n4,\n";

pub(super) fn declare(dataset: &str, owner: &str) -> Command {
    let spec = DatasetSpec {
        class: DataClass::Personal,
        owner: owner.into(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: Some(LawfulBasis::Contract),
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    Command::DeclareDataset(DatasetDeclared { dataset: dataset.into(), spec })
}

/// Somebody with a role in a scope.
pub(super) async fn with(engine: &Arc<Engine>, role: &str, scope: &str) -> Principal {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = (role.into(), scope.into(), "CHG-1".into());
    let wish = Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

/// The same person, who says why.
pub(super) fn asking(who: &Principal, purpose: Purpose) -> Principal {
    let attempt = Attempt::at("api", "GET /api/v1/datasets/{id}/versions/{version}".to_owned());
    attempt.purpose(purpose);
    Principal { attempt: Some(attempt), ..who.clone() }
}

pub(super) async fn put(
    engine: &Arc<Engine>,
    who: &Principal,
    dataset: &str,
    version: &str,
) -> Result<crate::Done, ExecuteError> {
    let subjects = SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() };
    engine.store_version(who, (dataset, version, About::Named(subjects)), Cursor::new(ROWS)).await
}

pub(super) fn all(mut reading: Reading) -> String {
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next_piece().expect("authentic") {
        bytes.extend_from_slice(piece);
    }
    assert_eq!(bytes.len() as u64, reading.bytes);
    String::from_utf8(bytes).expect("text")
}

async fn get(engine: &Arc<Engine>, who: &Principal, version: &str) -> Result<String, ExecuteError> {
    let who = asking(who, Purpose::Development);
    engine.read_version(&who, "loans", version).await.map(all)
}

#[track_caller]
pub(super) fn code<T>(result: Result<T, ExecuteError>) -> RefusalCode {
    match result {
        Err(ExecuteError::Refused(refusal)) => refusal.code,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was carried out"),
    }
}

fn subject(engine: &Engine, email: &str) -> SubjectRef {
    engine.vault().known_subject("email", email, 0).expect("asked").expect("known")
}

fn object_of(engine: &Engine, version: &str) -> String {
    engine.read(|state| state.dataset_version("loans", version).expect("stored").stored.object.clone())
}

/// Everything in the object store.
fn lying_there(engine: &Engine) -> Vec<Vec<u8>> {
    let dir = engine.objects_dir();
    let names = store::objects::list(&dir).expect("listed");
    names.iter().map(|name| store::objects::get(&dir, name).expect("readable").expect("there")).collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// An engine with a steward and a data set of theirs.
pub(super) async fn with_loans(dir: &std::path::Path) -> (Arc<Engine>, Principal) {
    let engine = open(dir).await;
    let steward = with(&engine, "data_steward", "org").await;
    engine.execute(&steward, declare("loans", &steward.actor)).await.expect("declared");
    (engine, steward)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_when_stored_then_it_lies_encrypted_and_is_read_back_for_a_declared_purpose_only() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    let done = put(&engine, &steward, "loans", "1").await.expect("stored");
    let Event::VersionStored(event) = &done.events[0].event else { panic!("{done:?}") };
    assert_eq!((event.stored.bytes, event.stored.chunks), (ROWS.len() as u64, 1));
    assert!(lying_there(&engine).iter().all(|bytes| !has(bytes, "ann@example.com")));
    let ledger = events(&engine).iter().map(|entry| entry.encode().expect("bytes")).collect::<Vec<_>>().concat();
    assert!(!has(&ledger, "example.com"));
    assert_eq!(get(&engine, &steward, "1").await.expect("read"), ROWS);

    assert_eq!(code(engine.read_version(&steward, "loans", "1").await.map(drop)), RefusalCode::Invalid, "no purpose");
    let audit = asking(&steward, Purpose::Audit);
    assert_eq!(code(engine.read_version(&audit, "loans", "1").await.map(drop)), RefusalCode::Forbidden);
    assert_eq!(code(get(&engine, &steward, "2").await), RefusalCode::NotFound);
    let trainer = with(&engine, "model_trainer", "org").await;
    assert_eq!(get(&engine, &trainer, "1").await.expect("read"), ROWS);
    for role in ["auditor", "monitor"] {
        let who = with(&engine, role, "org").await;
        assert_eq!(code(get(&engine, &who, "1").await), RefusalCode::Forbidden, "{role}");
        assert_eq!(code(put(&engine, &who, "loans", "9").await), RefusalCode::Forbidden, "{role}");
    }
    assert_eq!(code(put(&engine, &steward, "loans", "1").await), RefusalCode::Exists);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_steward_of_one_data_set_when_they_store_then_it_is_there_and_nowhere_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    engine.execute(&steward, declare("calls", &steward.actor)).await.expect("declared");
    let of_loans = with(&engine, "data_steward", "dataset/loans").await;
    put(&engine, &of_loans, "loans", "1").await.expect("theirs");
    assert_eq!(get(&engine, &of_loans, "1").await.expect("theirs"), ROWS);
    assert_eq!(code(put(&engine, &of_loans, "calls", "1").await), RefusalCode::Forbidden);
    assert_eq!(code(engine.execute(&of_loans, declare("new", &steward.actor)).await), RefusalCode::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_upload_that_breaks_off_or_makes_no_sense_when_it_ends_then_nothing_is_there() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the upload broke off"))
        }
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    let begun = Cursor::new(vec![b'x'; 3 << 20]).chain(Broken);
    let broken = engine.store_version(&steward, ("loans", "1", About::Nobody), begun).await;
    assert_eq!(code(broken), RefusalCode::Invalid);
    let subjects = SubjectColumn { form: Form::Csv, column: "mail".into(), scope: "email".into() };
    let without = engine.store_version(&steward, ("loans", "1", About::Named(subjects)), Cursor::new(ROWS)).await;
    assert_eq!(code(without), RefusalCode::Invalid);
    let unsaid = engine.store_version(&steward, ("loans", "1", About::Unsaid), Cursor::new(ROWS)).await;
    assert_eq!(code(unsaid), RefusalCode::Invalid, "erasure would find nobody in it");
    assert!(lying_there(&engine).is_empty());
    assert!(engine.read(|state| state.datasets["loans"].versions.is_empty()));
    put(&engine, &steward, "loans", "1").await.expect("the name is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_that_was_changed_on_disk_when_read_then_it_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    put(&engine, &steward, "loans", "1").await.expect("stored");
    let object = object_of(&engine, "1");
    let (objects, bytes) = (engine.objects_dir(), lying_there(&engine).remove(0));
    let replace = |bytes: &[u8]| {
        store::objects::remove(&objects, &object).expect("removed");
        store::objects::put(&objects, &object, bytes).expect("put in its place");
    };
    let message = |result: Result<String, ExecuteError>| result.expect_err("refused").to_string();
    replace(&bytes[..bytes.len() - 1]);
    assert!(message(get(&engine, &steward, "1").await).ends_with("(truncated)"));
    replace(&[&bytes[..], b"x"].concat());
    assert!(message(get(&engine, &steward, "1").await).ends_with("(trailing)"));
    let mut other = bytes.clone();
    other[10] ^= 1;
    replace(&other);
    assert!(message(get(&engine, &steward, "1").await).contains("wrong class"));
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    replace(&flipped);
    let told = message(get(&engine, &steward, "1").await);
    assert!(told.ends_with("(broken_end)") && told.contains(&format!("object `{object}`")), "{told}");
    let told = engine.verify_version(&steward, "loans", "1").await.expect_err("refused").to_string();
    assert!(told.ends_with("(broken_end)"), "{told}");
    replace(&bytes);
    assert_eq!(get(&engine, &steward, "1").await.expect("as it was"), ROWS);
    let whole = engine.verify_version(&steward, "loans", "1").await.expect("whole");
    assert_eq!(whole, (ROWS.len() as u64, object.clone()));
    assert_eq!(code(engine.verify_version(&steward, "loans", "2").await), RefusalCode::NotFound);

    // What is read ahead is told at once, what lies behind it when a reader comes there.
    let long = "x".repeat(3 << 20);
    engine.store_version(&steward, ("loans", "2", About::Nobody), Cursor::new(long)).await.expect("stored");
    let object = object_of(&engine, "2");
    let bytes = store::objects::get(&objects, &object).expect("readable").expect("there");
    for (at, ahead) in [(1 << 19, true), (2 << 20, false)] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        store::objects::remove(&objects, &object).expect("removed");
        store::objects::put(&objects, &object, &flipped).expect("put in its place");
        let opened = engine.read_version(&asking(&steward, Purpose::Development), "loans", "2").await;
        match opened {
            Err(refused) => assert!(ahead && refused.to_string().ends_with("(changed)"), "{refused}"),
            Ok(mut reading) => {
                let broken = loop {
                    match reading.next_piece() {
                        Ok(piece) => assert!(!ahead && piece.is_some(), "changed, and read to its end"),
                        Err(broken) => break broken,
                    }
                };
                assert_eq!(broken.name(), "changed");
            }
        }
        let told = engine.verify_version(&steward, "loans", "2").await.expect_err("changed").to_string();
        assert!(told.ends_with("(changed)"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_when_destroyed_then_its_key_is_gone_and_a_copy_of_its_file_opens_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    put(&engine, &steward, "loans", "1").await.expect("stored");
    let (object, copy) = (object_of(&engine, "1"), lying_there(&engine).remove(0));
    let wish = DestroyVersion { dataset: "loans".into(), version: "1".into(), reference: "CHG-7".into() };
    engine.destroy_version(&steward, wish).await.expect("destroyed");
    assert!(lying_there(&engine).is_empty());
    assert!(engine.read(|state| state.doomed_objects.is_empty()));
    let last = events(&engine).pop().expect("an event");
    assert_eq!((last.event.name(), last.actor.as_str()), ("object.destroyed", "a_system"));
    let id = vault::ObjectId::from_hex(&object).expect("an identifier");
    let refused = engine.vault().object_reader("personal", &id, &copy[..]).map(drop);
    assert_eq!(refused.expect_err("refused").name(), "key_destroyed");
    assert_eq!(code(get(&engine, &steward, "1").await), RefusalCode::NotFound);
    let ann = subject(&engine, "ann@example.com");
    assert!(engine.datasets_of(&ann).expect("asked").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_object_that_cannot_be_removed_when_others_are_to_go_then_they_go_and_it_is_tried_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    let mut versions = Vec::new();
    for version in ["1", "2"] {
        put(&engine, &steward, "loans", version).await.expect("stored");
        versions.push((object_of(&engine, version), version));
    }
    // They go in the order of their names: the first one is stuck.
    versions.sort();
    let stuck = versions[0].0.clone();
    let path = engine.objects_dir().join(&stuck[..2]).join(&stuck);
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("what is no file is not removed");
    for (_, version) in versions {
        let wish = DestroyVersion { dataset: "loans".into(), version: version.into(), reference: "CHG-7".into() };
        let error = engine.destroy_version(&steward, wish).await.expect_err("one is there still").to_string();
        assert!(error.contains(&stuck), "{error}");
    }
    assert!(engine.read(|state| state.doomed_objects.keys().eq([&stuck])));
    std::fs::remove_dir(&path).expect("removed");
    engine.finish_objects().await.expect("all are gone");
    assert!(engine.read(|state| state.doomed_objects.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_in_two_versions_when_their_rows_are_dropped_then_the_others_stay_and_the_old_keys_are_gone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    for version in ["1", "2"] {
        put(&engine, &steward, "loans", version).await.expect("stored");
    }
    let (ann, bob) = (subject(&engine, "ann@example.com"), subject(&engine, "bob@example.com"));
    let named = |version: &str| ("loans".to_owned(), version.to_owned());
    assert_eq!(engine.datasets_of(&ann).expect("asked"), [named("1"), named("2")]);
    let (old, copies) = (object_of(&engine, "1"), lying_there(&engine));

    let rewritten = engine.drop_dataset_rows(&ann).await.expect("dropped");
    assert_eq!(rewritten.iter().map(|one| one.rows_removed).collect::<Vec<_>>(), [2, 2]);
    assert_eq!((&rewritten[0].old, &rewritten[0].object), (&old, &object_of(&engine, "1")));
    for version in ["1", "2"] {
        assert_eq!(get(&engine, &steward, version).await.expect("read"), "id,email\n2,bob@example.com\n4,\n");
    }
    assert!(engine.datasets_of(&ann).expect("asked").is_empty());
    assert_eq!(engine.datasets_of(&bob).expect("asked").len(), 2);
    for copy in &copies {
        let mut from = &copy[..];
        let header = vault::ObjectHeader::read(&mut from).expect("a header");
        assert_eq!(engine.vault().open_object(header, from).map(drop).expect_err("refused").name(), "key_destroyed");
    }
    assert_eq!(lying_there(&engine).len(), 2);
    assert!(engine.drop_dataset_rows(&ann).await.expect("nothing left").is_empty());
    engine.vault().destroy_subject(&bob, 1).expect("destroyed");
    assert!(engine.datasets_of(&bob).expect("asked").is_empty(), "the index goes with the subject");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_process_that_was_killed_at_any_step_of_forgetting_when_started_again_then_it_completes_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    put(&engine, &steward, "loans", "1").await.expect("stored");
    let ann = subject(&engine, "ann@example.com");
    let old = object_of(&engine, "1");
    // Killed after a new object was written, before its event: it is removed, and the version is as it was.
    let orphan = engine.write_object("personal", |to| Ok::<(), vault::ObjectError>(to.write_all(b"half")?));
    let orphan = orphan.expect("written");
    std::fs::write(engine.objects_dir().join("00.incoming"), b"half").expect("written");
    killed(engine).await;
    let engine = open(dir.path()).await;
    assert_eq!(lying_there(&engine).len(), 1);
    assert!(!engine.objects_dir().join("00.incoming").exists());
    assert_eq!(get(&engine, &steward, "1").await.expect("read"), ROWS);
    let gone = vault::ObjectId::from_hex(&orphan.object).expect("an identifier");
    assert!(engine.vault().destroy_object("personal", &gone, 1).expect("again").keys.is_empty(), "its key is gone");

    // Killed after the event, before the old object was destroyed and the index cleared.
    let held = engine.vault().holders(&ann).expect("asked");
    engine.drop_dataset_rows(&ann).await.expect("dropped");
    for holder in &held {
        engine.vault().hold(holder, &[ann]).expect("as it was before");
    }
    killed(engine).await;
    let engine = open(dir.path()).await;
    assert_eq!(engine.datasets_of(&ann).expect("asked").len(), 1);
    assert!(engine.drop_dataset_rows(&ann).await.expect("again").is_empty(), "no row is left to remove");
    assert!(engine.datasets_of(&ann).expect("asked").is_empty());
    let rewritten = events(&engine).iter().filter(|entry| entry.event.name() == "dataset.version.rewritten").count();
    let destroyed = events(&engine).iter().filter(|entry| entry.stream == format!("object/{old}")).count();
    assert_eq!((rewritten, destroyed), (1, 1));
    assert_eq!(get(&engine, &steward, "1").await.expect("read"), "id,email\n2,bob@example.com\n4,\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_object_that_is_decided_to_go_when_killed_before_it_went_then_the_next_start_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    put(&engine, &steward, "loans", "1").await.expect("stored");
    let wish = DestroyVersion { dataset: "loans".into(), version: "1".into(), reference: "CHG-7".into() };
    engine.execute(&steward, Command::DestroyVersion(wish)).await.expect("decided, and no more");
    assert_eq!(lying_there(&engine).len(), 1);
    killed(engine).await;
    let engine = open(dir.path()).await;
    assert!(lying_there(&engine).is_empty());
    assert!(engine.read(|state| state.doomed_objects.is_empty()));
    assert_eq!(events(&engine).iter().filter(|entry| entry.event.name() == "object.destroyed").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_artifact_when_kept_then_it_lies_encrypted_and_one_in_clear_is_still_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let sha256 = engine.put_artifact(b"weights of a model").expect("kept");
    assert_eq!(engine.put_artifact(b"weights of a model").expect("kept already"), sha256);
    assert!(lying_there(&engine).iter().all(|bytes| !has(bytes, "weights")));
    assert_eq!(engine.artifact(&sha256).expect("read"), Some(b"weights of a model".to_vec()));
    let as_class = |class| engine.put_artifact_as(class, b"weights of a model");
    assert_eq!(as_class(DataClass::Internal).expect("kept as that"), sha256);
    assert_eq!(code(as_class(DataClass::Confidential)), RefusalCode::Exists);
    assert_eq!(code(as_class(DataClass::Personal)), RefusalCode::Invalid, "its digest would confirm a guess");
    let enclosed = engine.enclosure(&sha256).expect("encrypted");
    assert_eq!((enclosed.class.as_str(), enclosed.key.starts_with("object/internal/")), ("internal", true));

    use sha2::Digest;
    let clear = merkle::hex(&sha2::Sha256::digest(b"kept before"));
    store::objects::put(&engine.objects_dir(), &clear, b"kept before").expect("put");
    assert_eq!(engine.artifact(&clear).expect("read"), Some(b"kept before".to_vec()));
    assert_eq!(engine.enclosure(&clear), None);
    let wrong = "a".repeat(64);
    store::objects::put(&engine.objects_dir(), &wrong, b"altered").expect("put");
    assert!(engine.artifact(&wrong).is_err());
}
