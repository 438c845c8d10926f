//! Views of data sets over a real data directory: who gets one, who may still read what lies behind it, links, and tokens in
//! the place of values.

use domain::data::{
    ColumnRule, DataClass, FieldDecision, FieldsDeclared, ViewColumn, ViewDeclared, ViewRetired, ViewSpec,
};
use domain::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared};
use domain::people::Purpose;

use super::datasets::{asking, code, declare, put, with};
use super::*;

const FOR: Purpose = Purpose::Development;

fn view(column: &str) -> Command {
    let columns = vec![ViewColumn { column: column.into(), rule: ColumnRule::Keep }];
    let spec = ViewSpec { columns, quasi: vec![], min_k: 1, max_suppressed_permille: 0 };
    Command::DeclareView(ViewDeclared { dataset: "loans".into(), purpose: FOR, spec })
}

fn field(field: &str, purposes: &[Purpose]) -> Command {
    let (class, justification) = (DataClass::Personal, Some("DPIA-7".to_owned()));
    let decision = FieldDecision { field: field.into(), class, purposes: purposes.to_vec(), justification };
    Command::DeclareFields(FieldsDeclared { dataset: "loans".into(), fields: vec![decision] })
}

/// A data set with a version, its steward, a trainer, and a view of its numbers.
async fn with_view(engine: &Arc<Engine>) -> (Principal, Principal) {
    let steward = with(engine, "data_steward", "org").await;
    let trainer = with(engine, "model_trainer", "org").await;
    engine.execute(&steward, declare("loans", &steward.actor)).await.expect("declared");
    put(engine, &steward, "loans", "1").await.expect("stored");
    engine.execute(&steward, field("id", &[FOR])).await.expect("declared");
    engine.execute(&steward, view("id")).await.expect("declared");
    (steward, trainer)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_view_when_read_then_by_those_who_may_and_only_stewards_see_behind_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (steward, trainer) = with_view(&engine).await;
    assert!(engine.view_for(&trainer, "loans", "1", FOR).is_ok());
    let auditor = with(&engine, "auditor", "org").await;
    assert_eq!(code(engine.view_for(&auditor, "loans", "1", FOR).map(drop)), RefusalCode::Forbidden);
    assert_eq!(code(engine.view_for(&trainer, "loans", "2", FOR).map(drop)), RefusalCode::NotFound);
    let other = engine.view_for(&trainer, "loans", "1", Purpose::Audit);
    assert_eq!(code(other.map(drop)), RefusalCode::Forbidden, "the data set is not for that");

    let raw = engine.read_version(&asking(&trainer, FOR), "loans", "1").await.map(drop);
    let Err(ExecuteError::Refused(refusal)) = raw else { panic!("{raw:?}") };
    assert!(refusal.message.contains("through its view"), "{}", refusal.message);
    assert!(engine.read_version(&asking(&steward, FOR), "loans", "1").await.is_ok());

    // Another purpose of the data set is no way around the view.
    let Command::DeclareDataset(mut wider) = declare("loans", &steward.actor) else { unreachable!() };
    wider.spec.purposes = vec![FOR, Purpose::Training, Purpose::Operation];
    engine.execute(&steward, Command::DeclareDataset(wider)).await.expect("declared");
    let around = engine.read_version(&asking(&trainer, Purpose::Operation), "loans", "1").await.map(drop);
    assert_eq!(code(around), RefusalCode::Forbidden);
    assert!(engine.read_version(&asking(&steward, Purpose::Operation), "loans", "1").await.is_ok());

    // What the field is for is said anew, and the view may not give it any more.
    engine.execute(&steward, field("id", &[])).await.expect("declared");
    assert_eq!(code(engine.view_for(&trainer, "loans", "1", FOR).map(drop)), RefusalCode::Forbidden);
    let retire = Command::RetireView(ViewRetired { dataset: "loans".into(), purpose: FOR });
    engine.execute(&steward, retire).await.expect("retired");
    assert_eq!(code(engine.view_for(&trainer, "loans", "1", FOR).map(drop)), RefusalCode::NotFound);
    assert!(engine.read_version(&asking(&trainer, FOR), "loans", "1").await.is_ok(), "as it was before");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_link_when_followed_then_it_is_its_makers_for_as_long_as_all_is_as_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (steward, trainer) = with_view(&engine).await;
    let wish = ("loans", "1", FOR);
    for lives_ms in [0, 3_600_001, i64::MAX] {
        assert_eq!(code(engine.link_view(&trainer, wish, lives_ms).map(drop)), RefusalCode::Invalid, "{lives_ms}");
    }
    let (secret, link) = engine.link_view(&trainer, wish, 60_000).expect("a link");
    assert_eq!(link.by, trainer.actor);
    let (who, followed) = engine.follow_view_link(&secret).expect("good");
    assert_eq!((who.actor, followed), (trainer.actor.clone(), link));
    assert_eq!(engine.follow_view_link("cfv_other").expect_err("unknown").code, RefusalCode::Expired);

    engine.execute(&steward, field("email", &[FOR])).await.expect("declared");
    engine.execute(&steward, view("email")).await.expect("declared");
    let changed = engine.follow_view_link(&secret).expect_err("another view");
    assert!(changed.code == RefusalCode::Expired && changed.message.contains("changed"), "{}", changed.message);

    let (secret, _) = engine.link_view(&trainer, wish, 1_000).expect("a link");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(engine.follow_view_link(&secret).expect_err("expired").code, RefusalCode::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_link_when_the_key_it_was_made_with_is_revoked_or_its_maker_leaves_then_it_leads_nowhere() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (_, trainer) = with_view(&engine).await;
    let administrator = operator(&engine);
    let linked = async || {
        let (scope, expires_at) = (KeyScope::Actor(trainer.actor.clone()), Engine::now_ms() + 3_600_000);
        let key = engine.create_key(&trainer, scope, expires_at).await.expect("a key");
        let who = engine.authenticate(&key.secret).expect("good");
        let (secret, _) = engine.link_view(&who, ("loans", "1", FOR), 600_000).expect("a link");
        (key.key, secret)
    };
    let (key, first) = linked().await;
    let (_, second) = linked().await;
    engine.revoke_key(&administrator, &key).await.expect("revoked");
    let over = engine.follow_view_link(&first).expect_err("its key is no more");
    assert!(over.code == RefusalCode::Expired && over.message.contains("key or session"), "{}", over.message);
    assert!(engine.follow_view_link(&second).is_ok(), "that of another key is good");
    let left = Command::Leave(domain::people::ActorLeft { actor: trainer.actor.clone() });
    engine.execute(&administrator, left).await.expect("left");
    assert_eq!(engine.follow_view_link(&second).expect_err("they left").code, RefusalCode::Expired);

    // A session ends as a key does.
    let reader = with(&engine, "model_trainer", "org").await;
    let (proof, authenticated_at) = (domain::people::Proof::Oidc, Engine::now_ms());
    let proven = crate::Proven { actor: reader.actor, proof, authenticated_at, ..crate::Proven::default() };
    let session = engine.admit(proven, None).await.expect("a session");
    let who = engine.authenticate_session(&session.secret).expect("good");
    let (secret, _) = engine.link_view(&who, ("loans", "1", FOR), 600_000).expect("a link");
    assert!(engine.follow_view_link(&secret).is_ok());
    engine.close_session(&who).await.expect("signed out");
    assert_eq!(engine.follow_view_link(&secret).expect_err("signed out").code, RefusalCode::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_scope_per_subject_when_a_view_makes_tokens_then_each_is_somebodys_and_the_same_each_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let officer = with(&engine, "privacy_officer", "org").await;
    let (method, kind) = (TokenMethod::Vaulted, TokenKind::Text);
    let spec = TokenScope { method, kind, class: "personal".into(), purposes: vec![], per_subject: true };
    let declare = Command::DeclareTokenScope(TokenScopeDeclared { scope: "mail".into(), spec });
    engine.execute(&officer, declare).await.expect("declared");
    let values = || vec!["ann@example.com".to_owned(), "bob@example.com".to_owned()];
    let make = |engine: Arc<Engine>, whose: Option<Vec<String>>| async move {
        let made = tokio::task::spawn_blocking(move || {
            engine.tokens_in_view("mail", values(), whose.map(|ids| ("email", ids)))
        });
        made.await.expect("done")
    };
    assert_eq!(code(make(Arc::clone(&engine), None).await), RefusalCode::Invalid, "whose they are is not said");
    let unknown = make(Arc::clone(&engine), Some(values())).await;
    assert_eq!(code(unknown), RefusalCode::Conflict, "nobody comes to be known by being read of");
    assert_eq!(engine.vault().known_subject("email", "ann@example.com", 0).expect("asked"), None);
    for one in values() {
        engine.vault().subject("email", &one, 1).expect("as when a version comes in");
    }
    let first = make(Arc::clone(&engine), Some(values())).await.expect("tokens");
    assert_eq!(make(Arc::clone(&engine), Some(values())).await.expect("tokens"), first);
    assert!(first[0] != first[1] && !first.iter().any(|token| token.contains('@')), "{first:?}");
    let ann = engine.vault().known_subject("email", "ann@example.com", 0).expect("asked").expect("known");
    assert_eq!(engine.tokens_of(&ann).expect("listed").len(), 1, "it goes with her");
}
