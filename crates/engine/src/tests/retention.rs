//! What is due goes, once, wherever a process dies; what is held stays; and nothing else is touched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::keys::retention::{BeginDisposal, Kind, PayloadCompacted, RetentionScheduled};
use domain::serving::InferenceCore;
use domain::{Command, Event};
use ledger::fsck::{Level, Scope, fsck};
use ledger::records::{Payload, segment};
use vault::{SubjectRef, VaultError};

use super::{events, killed, open, operator};
use crate::{DroppedRows, Engine, Principal};

const OLD: &str = "2020-01-01";
const ANNA: SubjectRef = SubjectRef([1; 16]);
const BERT: SubjectRef = SubjectRef([2; 16]);

fn officer(actor: &str, role: &str) -> Principal {
    Principal { actor: actor.into(), roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

/// Records an inference of a class and day.
async fn record(engine: &Arc<Engine>, id: &str, (class, day): (&str, &str), subject: SubjectRef) -> InferenceCore {
    let now = u64::try_from(Engine::now_ms()).expect("after 1970");
    let sealed = engine.vault().seal(class, day, &subject, &[(1, id.as_bytes())], now).expect("sealed");
    let core = InferenceCore {
        inference_id: id.into(),
        ts_start: Engine::now_us(),
        ts_end: Engine::now_us(),
        door: "openai.chat.completions".into(),
        service: Some("credit".into()),
        status: "ok".into(),
        classification: class.into(),
        day: day.into(),
        r: sealed.r.to_vec(),
        ct_sha256: sealed.ct_sha256.to_vec(),
        c_root: sealed.c_root.to_vec(),
        ..InferenceCore::default()
    };
    let payload = Payload { ct: sealed.ct, subject_ref: subject.0 };
    engine.records().append(core.clone(), payload).await.expect("durable");
    core
}

fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

/// Two segments: three old payloads of a class and one of another, and two of today.
async fn filled(engine: &Arc<Engine>) -> Vec<InferenceCore> {
    let now = today();
    let first = vec![
        record(engine, "i-1", ("internal", OLD), ANNA).await,
        record(engine, "i-2", ("internal", &now), ANNA).await,
        record(engine, "i-3", ("internal", OLD), BERT).await,
    ];
    engine.seal_now().await.expect("sealed");
    let second = vec![
        record(engine, "i-4", ("internal", OLD), BERT).await,
        record(engine, "i-5", ("public", OLD), BERT).await,
        record(engine, "i-6", ("public", &now), BERT).await,
    ];
    engine.seal_now().await.expect("sealed");
    [first, second].concat()
}

async fn schedule(engine: &Arc<Engine>, class: &str) {
    let (rule, class, basis) = (class.to_owned(), class.to_owned(), "POL-7".to_owned());
    let scheduled = RetentionScheduled { rule, kind: Kind::InferencePayload, class, days: 30, basis };
    engine
        .execute(&officer("a_privacy", "privacy_officer"), Command::ScheduleRetention(scheduled))
        .await
        .expect("a rule");
}

/// The Parquet files of payloads.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![dir.join("records/payloads")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                files.insert(path);
            }
        }
    }
    files
}

/// The inferences whose payloads are there.
fn held(engine: &Engine) -> BTreeSet<String> {
    let rows = files(engine.data_dir()).into_iter();
    let rows = rows.flat_map(|path| segment::read_payloads(&path, |_| true).expect("payloads"));
    rows.map(|row| row.inference_id).collect()
}

/// The files that the log of the payload table names.
fn listed(engine: &Engine) -> BTreeSet<PathBuf> {
    let table = engine.data_dir().join("records/payloads");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(table.join("_delta_log")).expect("a log").map(|entry| entry.expect("one").path()).collect();
    names.sort();
    let mut live = BTreeSet::new();
    for name in names {
        for line in std::fs::read_to_string(name).expect("text").lines() {
            let action: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let path = |kind: &str| action[kind]["path"].as_str().map(|path| table.join(path));
            if let Some(gone) = path("remove") {
                live.remove(&gone);
            }
            live.extend(path("add"));
        }
    }
    live
}

fn compactions(engine: &Engine) -> Vec<PayloadCompacted> {
    let told = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::PayloadCompacted(body) => Some(body),
        _ => None,
    });
    told.collect()
}

fn count(engine: &Engine, name: &str) -> usize {
    events(engine).iter().filter(|entry| entry.event.name() == name).count()
}

/// Begins the disposal of what is due first; what is taken out because of it.
async fn begun(engine: &Arc<Engine>) -> String {
    engine.note_kept().await.expect("what there is becomes known");
    let item = engine.read(|state| state.due(Engine::now_ms())[0].item.clone());
    let begin = BeginDisposal { disposal: "x_1".into(), item, clear_of: vec![] };
    engine.execute(engine.system(), Command::BeginDisposal(begin)).await.expect("begun");
    "disposal/x_1".to_owned()
}

fn ids(wanted: &[&str]) -> BTreeSet<String> {
    wanted.iter().map(|id| (*id).to_owned()).collect()
}

fn opens(engine: &Engine, core: &InferenceCore, subject: SubjectRef) -> Result<(), VaultError> {
    let (r, c_root) = (core.r.as_slice().try_into().expect("r"), core.c_root.as_slice().try_into().expect("c_root"));
    let sealed = vault::SealedRef { r, ct: &[0; 64], c_root };
    engine.vault().open_sealed(&core.classification, &core.day, &subject, &sealed).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_old_payloads_when_due_then_their_key_and_rows_go_and_all_else_stays() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, "internal").await;
    let cores = filled(&engine).await;
    engine.note_kept().await.expect("what there is becomes known");
    let upcoming = engine.upcoming(Engine::now_ms()).await.expect("read");
    let seen: Vec<_> = upcoming.iter().map(|one| (one.expiring.item.class.as_str(), one.rows)).collect();
    assert_eq!(seen, [("internal", Some(3))], "no rule is about `public`");
    assert_eq!(engine.dispose_due().await.expect("disposed").len(), 1);
    assert_eq!(held(&engine), ids(&["i-2", "i-5", "i-6"]));
    assert_eq!(listed(&engine), files(engine.data_dir()), "the table's log names what is there");
    assert!(matches!(opens(&engine, &cores[0], ANNA), Err(VaultError::KeyDestroyed(_))));
    assert!(!matches!(opens(&engine, &cores[1], ANNA), Err(VaultError::KeyDestroyed(_))), "today's key is there");
    let told = compactions(&engine);
    assert_eq!(told.iter().map(|one| one.rows_removed).collect::<Vec<_>>(), [2, 1]);
    assert!(told.iter().all(|one| one.because.len() == 1 && one.new.is_some() == one.left.is_some()), "{told:?}");
    assert_eq!(count(&engine, "retention.disposed"), 1);
    let disposal = engine.read(|state| state.disposals.values().next().expect("one").clone());
    let (done, _) = disposal.disposed.expect("done");
    assert_eq!((done.copies, done.copies_confirmed), (3, 3), "the key and two files");
    assert!(engine.dispose_due().await.expect("nothing to do").is_empty());
    assert_eq!(count(&engine, "payload.compacted"), 2);
    // What made the rule does not confirm; another does.
    let id = done.disposal;
    assert!(engine.confirm_disposal(&officer("a_privacy", "privacy_officer"), &id, "CHECK-1").await.is_err());
    engine.confirm_disposal(&officer("a_lead", "compliance_lead"), &id, "CHECK-1").await.expect("confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_files_of_records_when_checked_then_what_is_gone_by_an_entry_is_well_and_what_is_gone_without_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, "internal").await;
    filled(&engine).await;
    engine.seal_now().await.expect("sealed");
    let before = files(engine.data_dir()).first().cloned().expect("a file");
    let bytes = std::fs::read(&before).expect("readable");
    engine.dispose_due().await.expect("disposed");
    let data = engine.data_dir().to_owned();
    killed(engine).await;
    let vfs: Arc<dyn ledger::vfs::Vfs> = Arc::new(ledger::vfs::RealVfs);
    let records = data.join("records");
    let scope = Scope { records: Some(&records), ..Scope::alone(Level::Full) };
    let check = || fsck(&vfs, &data.join("ledger"), &scope);
    let report = check();
    assert_eq!(report.exit_code(), 0, "{report:?}");
    let said = report.checks.last().expect("checks").detail.clone();
    assert!(said.contains("3 payloads were taken out") && said.contains("one disposal"), "{said}");
    // What was taken out comes back from an old copy.
    std::fs::write(&before, bytes).expect("written");
    let report = check();
    assert_eq!(report.exit_code(), 1, "{report:?}");
    assert!(report.checks.last().expect("checks").detail.contains("is still there"), "{report:?}");
    std::fs::remove_file(&before).expect("removed");
    std::fs::remove_file(files(&data).first().expect("a file")).expect("removed");
    let report = check();
    assert_eq!(report.exit_code(), 2, "{report:?}");
    assert!(report.checks.last().expect("checks").detail.contains("no entry says why"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_something_held_when_due_then_it_stays_until_another_person_lets_it_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, "internal").await;
    schedule(&engine, "public").await;
    filled(&engine).await;
    engine.note_kept().await.expect("what there is becomes known");
    let (privacy, lead) = (officer("a_privacy", "privacy_officer"), officer("a_lead", "compliance_lead"));
    for service in ["credit", "other"] {
        let declared = super::scopes::declare(service, "lending", "prod");
        engine.execute(&officer("a_deployer", "deployer"), declared).await.expect("declared");
    }
    let on_anna = format!("subject/{ANNA}");
    let hold = engine.place_hold(&privacy, &on_anna, "CASE-3", i64::MAX).await.expect("placed");
    let upcoming = engine.upcoming(Engine::now_ms()).await.expect("read");
    let seen: Vec<_> = upcoming.iter().map(|one| (one.expiring.item.class.as_str(), one.held_by.clone())).collect();
    assert_eq!(seen, [("internal", vec![hold.clone()]), ("public", vec![])], "she has something in one class only");
    assert_eq!(engine.dispose_due().await.expect("the other class").len(), 1);
    assert_eq!(held(&engine), ids(&["i-1", "i-2", "i-3", "i-4", "i-6"]));
    assert!(engine.release_hold(&privacy, &hold, "CASE-3").await.is_err(), "they placed it");
    let service = engine.place_hold(&privacy, "service/credit", "CASE-4", i64::MAX).await.expect("placed");
    engine.release_hold(&lead, &hold, "CASE-3").await.expect("released");
    assert!(engine.dispose_due().await.expect("held still").is_empty(), "the service has records of that day");
    engine.release_hold(&lead, &service, "CASE-4").await.expect("released");
    engine.place_hold(&privacy, "service/other", "CASE-5", i64::MAX).await.expect("placed");
    assert_eq!(engine.dispose_due().await.expect("no longer held").len(), 1);
    assert_eq!(held(&engine), ids(&["i-2", "i-6"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_process_that_dies_at_each_step_when_the_next_looks_then_it_goes_on_and_completes_once() {
    for step in 0..5 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        schedule(&engine, "internal").await;
        filled(&engine).await;
        begun(&engine).await;
        let now = u64::try_from(Engine::now_ms()).expect("after 1970");
        if step > 0 {
            engine.vault().destroy_day("internal", OLD, now).expect("destroyed");
        }
        let cause = || vec!["disposal/x_1".to_owned()];
        let old = |owner: &segment::PayloadOwner| owner.day == OLD && owner.classification == "internal";
        if step > 1 {
            // A file was written anew, and the ledger does not know of it.
            let file = engine.records().payload_files("").expect("files")[0].clone();
            let compaction =
                engine.records().compact_payload(&file, &old, cause()).expect("written").expect("rows of that day");
            if step > 2 {
                let event = compaction.event.clone();
                engine.execute(engine.system(), Command::CompactPayload(event)).await.expect("told");
            }
            if step > 3 {
                engine.records().replace_payload(&compaction, Engine::now_ms()).expect("replaced");
            }
        }
        killed(engine).await;
        let engine = open(dir.path()).await;
        assert_eq!(engine.dispose_due().await.expect("gone on with"), ["x_1"], "step {step}");
        assert_eq!(held(&engine), ids(&["i-2", "i-5", "i-6"]), "step {step}");
        assert_eq!(files(engine.data_dir()).len(), 2, "step {step}: nothing is left over");
        assert_eq!(listed(&engine), files(engine.data_dir()), "step {step}");
        assert_eq!(count(&engine, "retention.disposed"), 1, "step {step}");
        let removed: u64 = compactions(&engine).iter().map(|one| one.rows_removed).sum();
        assert_eq!(removed, 3, "step {step}: each row is said to be gone once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_subject_when_dropped_then_their_rows_go_from_every_file_also_where_nothing_is_left_of_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, "internal").await;
    filled(&engine).await;
    let cause = begun(&engine).await;
    record(&engine, "i-7", ("internal", &today()), ANNA).await;
    assert!(engine.drop_payload_rows(&ANNA, "request/rq_0").await.is_err(), "nobody asked for it");
    let dropped = engine.drop_payload_rows(&ANNA, &cause).await.expect("dropped");
    assert_eq!(dropped, DroppedRows { segments: 2, rows: 3 }, "what was not sealed was sealed first");
    assert_eq!(held(&engine), ids(&["i-3", "i-4", "i-5", "i-6"]));
    let told = compactions(&engine);
    assert!(told.last().is_some_and(|last| last.new.is_none()), "the last file had nothing else: {told:?}");
    assert_eq!(listed(&engine), files(engine.data_dir()));
    assert_eq!(engine.drop_payload_rows(&ANNA, &cause).await.expect("again"), DroppedRows::default());
    // Sealing goes on, and another pass over a file that was written anew gives the next one.
    record(&engine, "i-8", ("internal", &today()), ANNA).await;
    engine.seal_now().await.expect("sealed");
    let dropped = engine.drop_payload_rows(&BERT, &cause).await.expect("dropped");
    assert_eq!(dropped, DroppedRows { segments: 2, rows: 4 });
    assert_eq!(held(&engine), ids(&["i-8"]));
    assert_eq!(listed(&engine), files(engine.data_dir()));
    assert_eq!(operator(&engine).roles.len(), 1, "everything else goes on");
}
