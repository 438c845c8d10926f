//! Versions of data sets and artifacts that are due go once, wherever a process dies, and stay while something holds them.

use domain::data::{
    DataClass, DatasetDeclared, DatasetSpec, DestroyVersion, Form, LawfulBasis, StoredObject, SubjectColumn,
    VersionStored,
};
use domain::keys::retention::{BeginDisposal, Item, Kind, RetentionScheduled};
use domain::models::{ModelFacts, ModelRegistered};
use domain::people::Purpose;
use domain::serving::{DeploymentEnded, DeploymentStarted, Target};
use vault::{ObjectId, SubjectRef};

use super::*;

/// The beginning of 2020, in milliseconds since the epoch.
const OLD: i64 = 1_577_836_800_000;

fn officer(actor: &str, role: &str) -> Principal {
    Principal { actor: actor.into(), roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

/// An engine with a rule for a kind, and a data set that was declared long ago.
async fn with_rule(dir: &std::path::Path, kind: Kind) -> Arc<Engine> {
    let engine = open(dir).await;
    let (rule, class, basis) = ("old".to_owned(), "*".to_owned(), "POL-7".to_owned());
    let scheduled = RetentionScheduled { rule, kind, class, days: 30, basis };
    let privacy = officer("a_privacy", "privacy_officer");
    engine.execute(&privacy, Command::ScheduleRetention(scheduled)).await.expect("a rule");
    let spec = DatasetSpec {
        class: DataClass::Personal,
        owner: "a_1".into(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: Some(LawfulBasis::Contract),
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    long_ago(&engine, Event::DatasetDeclared(DatasetDeclared { dataset: "loans".into(), spec })).await;
    engine
}

/// Tells the ledger of something as if it had happened at the beginning of 2020.
async fn long_ago(engine: &Arc<Engine>, event: Event) {
    engine.commit(engine.system(), vec![event], None, OLD).await.expect("told");
}

/// A version that was stored long ago, with a row about somebody.
async fn store(engine: &Arc<Engine>, version: &str, about: &str) -> (StoredObject, SubjectRef) {
    let row = format!("email\n{about}\n");
    let stored = engine
        .write_object("personal", |to| Ok::<(), vault::ObjectError>(to.write_all(row.as_bytes())?))
        .expect("kept");
    let subject = engine.vault().subject("email", about, 1).expect("a reference");
    engine.vault().hold(&format!("dataset/loans/{version}"), &[subject]).expect("noted");
    let subjects = Some(SubjectColumn { form: Form::Csv, column: "email".into(), scope: "email".into() });
    let (dataset, version) = ("loans".to_owned(), version.to_owned());
    let event = VersionStored { dataset, version, stored: stored.clone(), subjects };
    long_ago(engine, Event::VersionStored(event)).await;
    (stored, subject)
}

fn key_is_gone(engine: &Engine, class: &str, object: &str) -> bool {
    let keys = engine.vault().inventory().expect("read");
    keys.iter().any(|key| key.class == class && key.id == object && key.state != vault::KeyState::Live)
}

fn lying_there(engine: &Engine) -> Vec<String> {
    store::objects::list(&engine.objects_dir()).expect("listed")
}

/// The disposal of a version, from its beginning to its end.
const WHOLE: [&str; 4] = ["retention.disposing", "dataset.version.ended", "object.destroyed", "retention.disposed"];

/// What was told of disposals.
fn told(engine: &Engine) -> Vec<&'static str> {
    events(engine).iter().map(|entry| entry.event.name()).filter(|name| WHOLE.contains(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_old_version_when_due_then_its_key_and_file_go_and_nobody_is_in_it_any_more() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = with_rule(dir.path(), Kind::Dataset).await;
    let (stored, ann) = store(&engine, "1", "ann@example.com").await;
    let upcoming = engine.upcoming(Engine::now_ms()).await.expect("read");
    assert_eq!(upcoming[0].source.as_deref(), Some("dataset/loans/1"));
    assert_eq!((upcoming[0].rows, upcoming[0].bytes), (None, stored.stored_bytes));
    let done = engine.dispose_due().await.expect("disposed");
    assert_eq!(done.len(), 1);
    assert_eq!(told(&engine), WHOLE);
    assert!(key_is_gone(&engine, "personal", &stored.object));
    assert_eq!(lying_there(&engine), [""; 0]);
    assert!(engine.vault().holders(&ann).expect("asked").is_empty());
    let (disposal, doomed) = engine.read(|state| (state.disposals[&done[0]].clone(), state.doomed_objects.len()));
    let (disposed, _) = disposal.disposed.expect("reported");
    assert_eq!((disposed.copies, disposed.copies_confirmed, doomed), (2, 2, 0), "the key and the file");
    assert!(engine.dispose_due().await.expect("nothing to do").is_empty());
    assert_eq!(told(&engine), WHOLE);
    engine.confirm_disposal(&officer("a_lead", "compliance_lead"), &done[0], "CHECK-1").await.expect("confirmed");
}

async fn begin(engine: &Arc<Engine>) -> Item {
    let item = engine.read(|state| state.due(Engine::now_ms())[0].item.clone());
    let begin = BeginDisposal { disposal: "x_1".into(), item: item.clone(), clear_of: vec![] };
    engine.execute(engine.system(), Command::BeginDisposal(begin)).await.expect("begun");
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_process_that_dies_at_each_step_of_a_version_when_the_next_looks_then_it_completes_once() {
    for step in 0..4 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = with_rule(dir.path(), Kind::Dataset).await;
        let (stored, ann) = store(&engine, "1", "ann@example.com").await;
        begin(&engine).await;
        let id = ObjectId::from_hex(&stored.object).expect("an identifier");
        if step > 0 {
            engine.vault().destroy_object("personal", &id, 1).expect("destroyed");
        }
        if step > 1 {
            store::objects::remove(&engine.objects_dir(), &stored.object).expect("removed");
        }
        if step > 2 {
            engine.finish_objects().await.expect("told");
        }
        killed(engine).await;
        let engine = open(dir.path()).await;
        assert_eq!(engine.dispose_due().await.expect("gone on with"), ["x_1"], "step {step}");
        assert_eq!(told(&engine), WHOLE, "step {step}");
        assert!(key_is_gone(&engine, "personal", &stored.object) && lying_there(&engine).is_empty(), "step {step}");
        assert!(engine.vault().holders(&ann).expect("asked").is_empty(), "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_versions_that_are_held_when_due_then_those_stay_and_the_others_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = with_rule(dir.path(), Kind::Dataset).await;
    let (kept, ann) = store(&engine, "1", "ann@example.com").await;
    store(&engine, "2", "bob@example.com").await;
    let (privacy, lead) = (officer("a_privacy", "privacy_officer"), officer("a_lead", "compliance_lead"));
    let on_ann = engine.place_hold(&privacy, &format!("subject/{ann}"), "CASE-3", i64::MAX).await.expect("placed");
    let upcoming = engine.upcoming(Engine::now_ms()).await.expect("read");
    let held = |one: &crate::Upcoming| (one.source.clone().unwrap_or_default(), one.held_by.len());
    let mut seen: Vec<_> = upcoming.iter().map(held).collect();
    seen.sort();
    assert_eq!(seen, [("dataset/loans/1".to_owned(), 1), ("dataset/loans/2".to_owned(), 0)]);
    assert_eq!(engine.dispose_due().await.expect("the other").len(), 1);
    assert_eq!(lying_there(&engine), std::slice::from_ref(&kept.object));
    let (dataset, version, reference) = ("loans".to_owned(), "1".to_owned(), "CHG-7".to_owned());
    let by_hand = DestroyVersion { dataset, version, reference };
    let refused = engine.destroy_version(&officer("a_steward", "data_steward"), by_hand).await;
    assert!(refused.expect_err("held").to_string().contains(&on_ann), "nor by hand");
    let on_loans = engine.place_hold(&privacy, "dataset/loans", "CASE-4", i64::MAX).await.expect("placed");
    engine.release_hold(&lead, &on_ann, "CASE-3").await.expect("released");
    assert!(engine.dispose_due().await.expect("held").is_empty());
    engine.release_hold(&lead, &on_loans, "CASE-4").await.expect("released");
    assert_eq!(engine.dispose_due().await.expect("no longer held").len(), 1);
    assert_eq!(lying_there(&engine), [""; 0]);
}

/// An artifact of a model that was registered long ago: its digest and object.
async fn register(engine: &Arc<Engine>) -> (String, String) {
    let artifact_sha256 = engine.put_artifact(b"weights of a model").expect("kept");
    let enclosed = engine.enclosure(&artifact_sha256).expect("encrypted");
    let event = ModelRegistered {
        model: "m".into(),
        version: "1".into(),
        artifact_sha256: artifact_sha256.clone(),
        facts: ModelFacts { bytes: 18, operators: vec![], inputs: vec![], outputs: vec![] },
        enclosed: Some(enclosed.clone()),
        trained_on: vec![],
        run: None,
    };
    long_ago(engine, Event::ModelRegistered(event)).await;
    (artifact_sha256, enclosed.object)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_old_artifact_when_no_service_answers_with_it_then_it_goes_and_the_same_bytes_can_come_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = with_rule(dir.path(), Kind::Artifact).await;
    let (sha256, object) = register(&engine).await;
    let (deployment, service) = ("d_1".to_owned(), "credit".to_owned());
    let started = DeploymentStarted {
        deployment: deployment.clone(),
        service: service.clone(),
        route: "r".into(),
        target: Target::Model { model: "m".into(), version: "1".into() },
        artifact_sha256: Some(sha256.clone()),
    };
    long_ago(&engine, Event::DeploymentStarted(started)).await;
    assert!(engine.dispose_due().await.expect("it is served").is_empty());
    long_ago(&engine, Event::DeploymentEnded(DeploymentEnded { deployment, service })).await;
    assert_eq!(engine.dispose_due().await.expect("disposed").len(), 1);
    assert!(key_is_gone(&engine, "internal", &object) && lying_there(&engine).is_empty());
    assert_eq!(engine.artifact(&sha256).expect("asked"), None);
    assert_eq!(engine.put_artifact(b"weights of a model").expect("kept anew"), sha256);
    assert!(engine.dispose_due().await.expect("nothing to do").is_empty());
    assert_eq!(engine.artifact(&sha256).expect("read"), Some(b"weights of a model".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_process_that_dies_at_each_step_of_an_artifact_when_the_next_looks_then_it_completes_once() {
    for step in 0..4 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = with_rule(dir.path(), Kind::Artifact).await;
        let (sha256, object) = register(&engine).await;
        begin(&engine).await;
        let id = ObjectId::from_hex(&object).expect("an identifier");
        if step > 0 {
            engine.vault().destroy_object("internal", &id, 1).expect("destroyed");
        }
        if step > 1 {
            store::objects::remove(&engine.objects_dir(), &sha256).expect("removed");
        }
        if step > 2 {
            // The same bytes came again before the report.
            engine.put_artifact(b"weights of a model").expect("kept anew");
        }
        killed(engine).await;
        let engine = open(dir.path()).await;
        assert_eq!(engine.dispose_due().await.expect("gone on with"), ["x_1"], "step {step}");
        assert_eq!(told(&engine), ["retention.disposing", "retention.disposed"], "step {step}");
        assert!(key_is_gone(&engine, "internal", &object), "step {step}");
        assert_eq!(lying_there(&engine).len(), usize::from(step > 2), "step {step}: what came again stays");
    }
}
