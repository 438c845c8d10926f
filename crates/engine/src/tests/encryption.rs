//! Keys that data are encrypted under: what comes into being is told, what is due or asked for is replaced and told.

use domain::keys::{ClassKeyRotated, RootRatcheted};

use super::*;

const CLASS: &str = "personal";
const DAY: &str = "2026-11-22";

/// Somebody who answers for security.
fn lead() -> Principal {
    let roles = vec![("security_lead".to_owned(), "org".to_owned())];
    Principal { actor: "a_lead".into(), roles, ..Principal::default() }
}

fn rotated(engine: &Engine) -> Vec<ClassKeyRotated> {
    let told = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::EncryptionKeyRotated(body) if body.class == CLASS => Some(body),
        _ => None,
    });
    told.collect()
}

fn ratcheted(engine: &Engine) -> Vec<RootRatcheted> {
    let told = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::EncryptionRootRatcheted(body) => Some(body),
        _ => None,
    });
    told.collect()
}

/// Seals something; gives what opens it again.
fn sealed(engine: &Engine) -> impl Fn(&Engine) -> bool + use<> {
    let vault = engine.vault();
    let now = u64::try_from(Engine::now_ms()).expect("after 1970");
    let subject = vault.subject("user", "anna", now).expect("a subject");
    let sealed = vault.seal(CLASS, DAY, &subject, &[(1, b"prompt")], now).expect("seals");
    move |engine| engine.vault().open_sealed(CLASS, DAY, &subject, &sealed.as_ref()).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_key_that_came_into_being_when_keys_are_tended_then_it_is_told_once_and_the_root_is_ratcheted_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let opens = sealed(&engine);
    engine.tend_keys().await.expect("tended");
    let told = rotated(&engine);
    assert_eq!(told.iter().map(|body| (body.version, body.rewrapped)).collect::<Vec<_>>(), [(1, 0)]);
    assert_eq!(told[0].custodian, "file");
    let before = ratcheted(&engine);
    // The classes of the data, of links and of what was asked, and the index of users.
    assert!(before.len() == 1 && before[0].rewrapped >= 3 && before[0].forgets, "{before:?}");
    let size = engine.log().size();
    engine.tend_keys().await.expect("tended again");
    assert_eq!(engine.log().size(), size, "nothing is due");

    let inventory = engine.encryption_inventory().await.expect("the key store works");
    assert_eq!((inventory.custodian, &inventory.root), ("file", &before[0].key_id));
    let class = inventory.classes.iter().find(|class| class.class == CLASS).expect("is listed");
    assert_eq!((class.version, class.subjects, class.days, class.buckets), (1, [1, 0], [1, 0], 2));
    assert_eq!(class.rotation_due_at, Some(class.created_at + 90 * 86_400_000));
    killed(engine).await;
    assert!(opens(&*open(dir.path()).await), "with the new version of the root key");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_new_key_when_new_ones_are_told_then_it_is_told_once_and_nothing_is_replaced() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let _opens = sealed(&engine);
    for _ in 0..2 {
        engine.tell_new_keys().await.expect("told");
        assert_eq!((rotated(&engine).len(), ratcheted(&engine).len()), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_security_lead_when_they_ask_then_keys_are_replaced_and_told_and_nobody_else_may_ask() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let opens = sealed(&engine);
    engine.tend_keys().await.expect("tended");
    for key in [CLASS, "root"] {
        let refused = engine.rotate_encryption(&operator(&engine), key).await;
        assert!(matches!(refused, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden));
    }
    engine.rotate_encryption(&lead(), CLASS).await.expect("rotated");
    let told = rotated(&engine);
    assert_eq!(told.len(), 2);
    // The key of the subject and that of the day, below a bucket key each.
    assert_eq!((told[1].version, told[1].buckets, told[1].rewrapped), (2, 2, 2));
    engine.rotate_encryption(&lead(), "root").await.expect("ratcheted");
    let roots = ratcheted(&engine);
    assert!(roots.len() == 2 && roots[0].key_id != roots[1].key_id, "{roots:?}");
    let unknown = engine.rotate_encryption(&lead(), "nothing").await;
    assert!(matches!(unknown, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::NotFound));
    assert!(engine.read(|state| state.encryption.requested.is_empty()));
    assert!(opens(&engine));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_ledger_that_is_stopped_when_keys_are_tended_or_objects_scrapped_then_nothing_is_replaced_or_destroyed()
{
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let opens = sealed(&engine);
    let keys = engine.vault().class_keys().expect("readable");
    let told = ledger::log::OtherHistory { by: "https://w.example".into(), why: "it has more".into() };
    engine.log().halt(told).expect("kept");
    let object = "00".repeat(16);
    for done in [
        engine.tend_keys().await,
        engine.rotate_encryption(&lead(), "root").await,
        engine.ratchet_root().await,
        engine.scrap_object(CLASS, &object),
    ] {
        assert!(matches!(done, Err(ExecuteError::RolledBack(_))), "{done:?}");
    }
    let now = engine.vault().class_keys().expect("readable");
    let versions = |keys: &[vault::ClassKey]| keys.iter().map(|key| key.version).collect::<Vec<_>>();
    assert_eq!(versions(&now), versions(&keys));
    assert!(opens(&engine));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_rotation_that_was_done_and_not_told_when_keys_are_tended_then_it_is_told_and_not_done_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let opens = sealed(&engine);
    engine.tend_keys().await.expect("tended");
    // As a process that died after the key store was written, before the ledger was.
    let now = u64::try_from(Engine::now_ms()).expect("after 1970");
    engine.vault().rotate_class(CLASS, now).expect("rotates");
    killed(engine).await;
    let engine = open(dir.path()).await;
    engine.tend_keys().await.expect("tended");
    assert_eq!(rotated(&engine).iter().map(|body| body.version).collect::<Vec<_>>(), [1, 2]);
    assert!(opens(&engine));

    engine.configure_encryption(&lead(), 366, 1).await.expect("set");
    let due = engine.read(|state| (state.encryption.rotation_due_at(CLASS), state.encryption.ratchet_due_at()));
    assert!(due.0 > Some(Engine::now_ms() + 300 * 86_400_000) && due.1 < Engine::now_ms() + 3_700_000);
}
