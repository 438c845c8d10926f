//! What a check leads to over a real data directory: who may see a version then, what is kept beside it, and that it goes
//! with whom it is about.

use std::io::Cursor;

use domain::data::{
    ContractPublished, ContractUsed, DataClass, DatasetDeclared, DatasetSpec, Dimension, Form, LawfulBasis, RuleResult,
    SubjectColumn, Verdict, VersionChecked, VersionReleased, checks,
};
use domain::people::{ActorKind, Purpose};

use super::*;
use crate::{About, Attempt, Wish};

const ROWS: &str = "id,email\n1,ann@example.com\n2,bob@example.com\n";
const KEPT: &[u8] = b"id,email\n1,ann@example.com\n";
const TEXT: &str = "name = \"loans\"\ndataset = \"loans\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n";

async fn with(engine: &Arc<Engine>, role: &str) -> Principal {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = (role.into(), "org".into(), "CHG-1".into());
    let wish = Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

/// An engine with a steward, and a contract in force for their data set.
async fn with_a_contract(dir: &std::path::Path) -> (Arc<Engine>, Principal) {
    let engine = open(dir).await;
    let steward = with(&engine, "data_steward").await;
    let spec = DatasetSpec {
        class: DataClass::Personal,
        owner: steward.actor.clone(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: Some(LawfulBasis::Contract),
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    let declared = Command::DeclareDataset(DatasetDeclared { dataset: "loans".into(), spec });
    engine.execute(&steward, declared).await.expect("declared");
    let (contract, dataset, text) = ("loans".into(), "loans".into(), TEXT.into());
    let publish = Command::PublishContract(ContractPublished { contract, version: 1, dataset, text });
    // Nobody was given the duty to approve, so whoever administers stands in for it.
    let founder = Principal { roles: steward.roles.clone(), ..operator(&engine) };
    engine.execute(&founder, publish).await.expect("published");
    (engine, steward)
}

async fn put(engine: &Arc<Engine>, who: &Principal, version: &str) {
    let subjects = SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() };
    let stored = engine.store_version(who, ("loans", version, About::Named(subjects)), Cursor::new(ROWS)).await;
    stored.expect("stored");
}

fn found(engine: &Engine, version: &str, verdict: Verdict) -> VersionChecked {
    let result = RuleResult {
        rule: "id.type".into(),
        dimension: Dimension::Validity,
        blocking: true,
        verdict,
        checked: 2,
        violations: 1,
        why: None,
    };
    let stored = engine.read(|state| state.dataset_version("loans", version).expect("stored").stored.clone());
    VersionChecked {
        dataset: "loans".into(),
        version: version.into(),
        check: String::new(),
        object: stored.object,
        contract: ContractUsed { contract: "loans".into(), version: Some(1), sha256: "a".repeat(64) },
        stage: "ingest".into(),
        run: None,
        rows: 2,
        verdict: checks::overall(std::slice::from_ref(&result)),
        results: vec![result],
    }
}

async fn checked(engine: &Arc<Engine>, who: &Principal, version: &str, verdict: Verdict) -> bool {
    let found = found(engine, version, verdict);
    engine.record_check(who, found, Some((KEPT.to_vec(), 1))).await.expect("recorded").quarantined
}

async fn rule_of(engine: &Arc<Engine>, who: &Principal, version: &str) -> Vec<String> {
    let attempt = Attempt::at("api", "GET /api/v1/datasets/{id}/versions/{version}".to_owned());
    attempt.purpose(Purpose::Development);
    let who = Principal { attempt: Some(attempt), ..who.clone() };
    match engine.read_version(&who, "loans", version).await.map(drop) {
        Ok(()) => vec![],
        Err(ExecuteError::Refused(refusal)) => refusal.policies,
        Err(other) => panic!("{other:?}"),
    }
}

fn files(engine: &Engine) -> usize {
    store::objects::list(&engine.objects_dir()).expect("listed").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_that_breaks_its_contract_when_checked_then_its_rows_are_kept_encrypted_until_it_is_released() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_a_contract(dir.path()).await;
    put(&engine, &steward, "1").await;
    assert_eq!(rule_of(&engine, &steward, "1").await, ["unchecked"]);
    assert!(checked(&engine, &steward, "1", Verdict::Failed).await);
    assert_eq!(rule_of(&engine, &steward, "1").await, ["quarantined"]);
    assert_eq!(files(&engine), 2);
    assert!(!checked(&engine, &steward, "1", Verdict::Failed).await, "once");
    assert_eq!(files(&engine), 2, "nothing is kept twice");
    assert_eq!(engine.quarantined_rows(&steward, "loans", "1").await.expect("read"), KEPT);
    let trainer = with(&engine, "model_trainer").await;
    engine.quarantined_rows(&trainer, "loans", "1").await.expect_err("not for whoever trains");

    // As when the process ends between the event and the end of the note.
    let kept = engine.read(|state| state.quarantined_objects().next().expect("kept").object.clone());
    std::fs::write(engine.data_dir().join("begun").join(&kept), "personal\n").expect("a note");
    killed(engine).await;
    let engine = open(dir.path()).await;
    assert_eq!(files(&engine), 2, "an event speaks of them");
    assert_eq!(engine.quarantined_rows(&steward, "loans", "1").await.expect("read"), KEPT);
    let check = engine.read(|state| state.standing("loans", "1").expect("checked").quarantine.clone());
    let check = check.expect("quarantined").check;
    let wish = VersionReleased { dataset: "loans".into(), version: "1".into(), check, reference: "CHG-7".into() };
    engine.release_version(&steward, wish.clone()).await.expect_err("they stored it");
    let officer = with(&engine, "privacy_officer").await;
    engine.release_version(&officer, wish).await.expect("released");
    assert_eq!((files(&engine), rule_of(&engine, &steward, "1").await), (1, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_kept_rows_when_somebody_in_the_version_is_forgotten_or_it_is_destroyed_then_they_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_a_contract(dir.path()).await;
    for version in ["1", "2"] {
        put(&engine, &steward, version).await;
        assert!(checked(&engine, &steward, version, Verdict::Failed).await);
    }
    assert_eq!(files(&engine), 4);
    let ann = engine.vault().known_subject("email", "ann@example.com", 0).expect("asked").expect("known");
    assert_eq!(engine.drop_dataset_rows(&ann).await.expect("dropped").len(), 2);
    assert_eq!(files(&engine), 2, "both versions, without what was kept beside them");
    assert_eq!(rule_of(&engine, &steward, "1").await, ["quarantined"], "it breaks its contract all the same");
    engine.quarantined_rows(&steward, "loans", "1").await.expect_err("no rows are kept");
    let wish = domain::data::DestroyVersion { dataset: "loans".into(), version: "2".into(), reference: "CHG-8".into() };
    engine.destroy_version(&steward, wish).await.expect("destroyed");
    assert_eq!(files(&engine), 1);
    assert!(engine.read(|state| state.standing("loans", "2").is_none() && state.doomed_objects.is_empty()));
}

fn for_purpose(who: &Principal, purpose: Purpose) -> Principal {
    let attempt = Attempt::at("api", "POST /api/v1/checks".to_owned());
    attempt.purpose(purpose);
    Principal { attempt: Some(attempt), ..who.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_text_of_ones_own_when_a_version_is_checked_against_it_then_that_asks_what_a_read_does() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_a_contract(dir.path()).await;
    put(&engine, &steward, "1").await;
    let tried = async |who: Principal| match engine.may_try(&who, ("loans", "1"), ("ingest", None)).await {
        Ok(_) => None,
        Err(ExecuteError::Refused(refusal)) => Some((refusal.code, refusal.policies)),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(tried(steward.clone()).await, Some((RefusalCode::Invalid, vec![])), "for no purpose");
    let other = tried(for_purpose(&steward, Purpose::Audit)).await;
    assert_eq!(other, Some((RefusalCode::Forbidden, vec!["purpose-fits-data-set".to_owned()])));
    let waits = tried(for_purpose(&steward, Purpose::Development)).await;
    assert_eq!(waits, None, "that it waits for its check is no reason");
    assert!(checked(&engine, &steward, "1", Verdict::Failed).await);
    let shut = tried(for_purpose(&steward, Purpose::Development)).await;
    assert_eq!(shut, Some((RefusalCode::Forbidden, vec!["quarantined".to_owned()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_contract_that_refers_to_another_data_set_when_published_then_by_somebody_who_may_read_that() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_a_contract(dir.path()).await;
    let spec = DatasetSpec {
        class: DataClass::Internal,
        owner: steward.actor.clone(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: None,
        purposes: vec![Purpose::Operation],
        region: None,
        subject_country: None,
    };
    let customers = DatasetDeclared { dataset: "customers".into(), spec };
    engine.execute(&steward, Command::DeclareDataset(customers)).await.expect("declared");
    let refers = "[[reference]]\nname = \"known\"\ncolumns = [\"id\"]\ndataset = \"customers\"\n";
    let (contract, dataset, text) = ("loans".into(), "loans".into(), format!("{TEXT}{refers}"));
    let publish = Command::PublishContract(ContractPublished { contract, version: 2, dataset, text });
    let founder = Principal { roles: steward.roles.clone(), ..operator(&engine) };
    let auditor = with(&engine, "auditor").await;
    let mut unread = founder.clone();
    unread.roles.extend(auditor.roles);
    let Err(ExecuteError::Refused(refusal)) = engine.execute(&unread, publish.clone()).await else {
        panic!("it was published")
    };
    assert!(refusal.policies.contains(&"auditors-read-no-data".to_owned()), "{refusal:?}");
    engine.execute(&founder, publish).await.expect("published");
}
