//! Lineage over a real data directory: what is sealed, what is taken, who may, and which models learned from whom.

use std::path::Path;

use domain::data::{DataClass, DatasetDeclared, DatasetSpec};
use domain::keys::retention::{Kind as Kept, RetentionScheduled};
use domain::models::{ModelFacts, ModelRegistered};
use domain::people::{ActorKind, Purpose};
use serde_json::json;

use super::*;
use crate::tests::{events, open, operator};
use crate::{About, Wish};

const RUN: &str = "01a204ce-f484-7f71-af44-93561f30881c";

/// A run of which it is only said what it wrote.
const WROTE: &str = "01a204ce-f484-7f71-af44-93561f30883e";

/// Somebody with a role.
async fn with(engine: &Arc<Engine>, role: &str) -> Principal {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = (role.into(), "org".into(), "CHG-1".into());
    let wish = Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

/// An engine with a steward and version 1 of a data set.
async fn with_loans(dir: &Path) -> (Arc<Engine>, Principal) {
    let engine = open(dir).await;
    let steward = with(&engine, "data_steward").await;
    let spec = DatasetSpec {
        class: DataClass::Internal,
        owner: steward.actor.clone(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: None,
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    let declared = DatasetDeclared { dataset: "loans".into(), spec };
    engine.execute(&steward, Command::DeclareDataset(declared)).await.expect("declared");
    let rows = std::io::Cursor::new("id\n1\n");
    engine.store_version(&steward, ("loans", "1", About::Unsaid), rows).await.expect("stored");
    (engine, steward)
}

fn event(input: &str, output: &str) -> Value {
    json!({
        "eventType": "COMPLETE", "eventTime": "2026-11-22T19:50:10Z", "producer": "p", "run": {"runId": RUN},
        "job": {"namespace": "ml", "name": "features", "facets": {"sql": {"query": "select 'canary-words'"}}},
        "inputs": [{"namespace": "counterfoil", "name": input}],
        "outputs": [{"namespace": "s3://lake", "name": output, "facets": {"version": {"datasetVersion": "canary-version"}}}],
    })
}

/// Whether a file below a directory has this text in it.
fn lies_in(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("readable").path()).any(|path| {
        match path.is_dir() {
            true => lies_in(&path, text),
            false => std::fs::read(&path).unwrap_or_default().windows(text.len()).any(|w| w == text.as_bytes()),
        }
    })
}

fn models(engine: &Engine) -> BTreeSet<String> {
    engine.learned_from(&[("loans".to_owned(), "1".to_owned())].into()).expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_event_when_reported_then_what_it_said_is_sealed_opens_for_some_and_goes_with_its_day() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    let sent = event("loans/1", "features");
    let answers = engine.report_lineage(&steward, vec![sent.clone()]).await.expect("may report");
    assert_eq!(answers, [Ok(())]);
    assert!(!lies_in(engine.data_dir(), "canary"), "nothing of it lies in clear");
    let all = events(&engine);
    let found = all.iter().zip(0..).find_map(|(entry, seq)| match &entry.event {
        Event::LineageReported(report) => Some((report, seq)),
        _ => None,
    });
    let (report, seq) = found.expect("an entry");
    assert_eq!(report.inputs[0].id(), "version:loans:1");
    let checksum = report.outputs[0].checksum.as_ref().expect("a reference");
    assert_eq!((checksum.of, checksum.reference.len()), (ChecksumOf::Version, 32));
    let again = engine.checksum(ChecksumOf::Version, "canary-version").expect("a fingerprint");
    assert_eq!(*checksum, again, "equal for what is equal");
    assert_ne!(checksum.reference, engine.checksum(ChecksumOf::Content, "canary-version").expect("another").reference);
    let opened = engine.lineage_event(&steward, seq).await.expect("opens");
    assert_eq!(serde_json::from_slice::<Value>(&opened).expect("JSON"), sent);
    let monitor = with(&engine, "monitor").await;
    let refused = engine.lineage_event(&monitor, seq).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden));
    let refused = engine.report_lineage(&monitor, vec![sent]).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden));

    let day = report.sealed.as_ref().expect("sealed").day.clone();
    engine.vault().destroy_day(CLASS, &day, now()).expect("destroyed");
    engine.drop_reports(&day).expect("removed");
    let gone = engine.lineage_event(&steward, seq).await;
    assert!(matches!(gone, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Expired));
    engine.drop_reports(&day).expect("again is nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_days_of_reports_when_retention_looks_then_they_are_a_kind_of_their_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    engine.report_lineage(&steward, vec![event("loans/1", "features")]).await.expect("may report");
    engine.note_kept().await.expect("noted");
    let lead = with(&engine, "security_lead").await;
    let (rule, class, basis) = ("reports".into(), "*".into(), "POL-7".into());
    let scheduled = RetentionScheduled { rule, kind: Kept::LineageEvent, class, days: 30, basis };
    // There are some already, so that it is a decision of two people; what it is about is known before that.
    let asked = engine.execute(&lead, Command::ScheduleRetention(scheduled)).await;
    assert!(matches!(asked, Err(ExecuteError::Refused(refusal)) if refusal.policies == ["approval-required"]));
    let days = engine.read(|state| state.kept.get(CLASS).map_or(0, BTreeSet::len));
    assert_eq!(days, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_batch_when_some_of_it_is_wrong_then_the_rest_is_taken_and_each_fault_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    let mut nameless = event("loans/1", "b");
    nameless["job"]["name"] = json!(null);
    let batch = vec![
        event("loans/1", "a"),
        nameless,
        event("cars", "c"),
        event("loans/1", "ann@example.com"),
        event("loans", "e"),
        event("loans/1", "card 4111 1111 1111 1111"),
    ];
    let answers = engine.report_lineage(&steward, batch).await.expect("may report");
    let codes: Vec<Option<RefusalCode>> =
        answers.iter().map(|answer| answer.as_ref().err().map(|rejected| rejected.code)).collect();
    let (invalid, missing) = (Some(RefusalCode::Invalid), Some(RefusalCode::NotFound));
    assert_eq!(codes, [None, invalid, missing, invalid, None, invalid]);
    let taken = events(&engine).iter().filter(|entry| matches!(entry.event, Event::LineageReported(_))).count();
    assert_eq!(taken, 2);
    assert!(!lies_in(engine.data_dir(), "ann@example.com"));
    assert!(engine.lineage.waiting().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_version_read_for_a_run_when_a_model_comes_of_it_then_that_learned_from_it_after_a_restart_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    assert!(models(&engine).is_empty());
    engine.report_read(&steward, ("loans", "1"), &RUN.to_ascii_uppercase()).await.expect("noted");
    let register = |version: &str, trained_on: &[&str], run: Option<&str>| {
        Event::ModelRegistered(ModelRegistered {
            model: "risk".into(),
            version: version.into(),
            artifact_sha256: "a".repeat(64),
            facts: ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] },
            enclosed: None,
            trained_on: trained_on.iter().map(|one| (*one).to_owned()).collect(),
            run: run.map(str::to_owned),
        })
    };
    let mut wrote = event("loans/1", "features");
    wrote["run"]["runId"] = json!(WROTE);
    wrote["inputs"] = json!([]);
    assert_eq!(engine.report_lineage(&steward, vec![wrote]).await.expect("may report"), [Ok(())]);
    let system = engine.system().clone();
    let registered = vec![
        register("1", &[], Some(RUN)),
        register("2", &["loans@1"], None),
        register("3", &["cars@1"], None),
        register("4", &[], None),
        register("5", &[], Some("01a204ce-f484-7f71-af44-93561f30882d")),
        register("6", &[], Some(WROTE)),
    ];
    engine.commit(&system, registered, None, Engine::now_ms()).await.expect("registered");
    // Of the fifth's run nobody reported what it read, and of the sixth's only what it wrote.
    let expected: BTreeSet<String> = ["risk/1", "risk/2", "risk/5", "risk/6"].map(str::to_owned).into();
    assert_eq!(models(&engine), expected);
    // Of the fourth nobody said what it learned from, so that it may have learned from anybody.
    let counts = [("datasets".to_owned(), 1)].into();
    let kind = domain::keys::requests::RequestKind::Erasure;
    let concerned = engine.read(|state| domain::keys::requests::may_have_learned(state, kind, &counts, &expected));
    assert_eq!(concerned.into_iter().collect::<Vec<_>>(), ["risk/1", "risk/2", "risk/4", "risk/5", "risk/6"]);
    let refused = engine.report_read(&steward, ("loans", "9"), RUN).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::NotFound));
}
