//! Records that are kept no longer: whole files of segments, which entries say went, once, and not while anything is held.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::keys::retention::{BeginDisposal, Kind, RetentionScheduled};
use domain::people::AccessCore;
use domain::serving::InferenceCore;
use domain::{Command, Event};
use ledger::fsck::{Level, Scope, fsck};
use ledger::records::Payload;
use vault::SubjectRef;

use super::{events, killed, open};
use crate::{Engine, Principal};

const OLD: &str = "2020-01-01";
/// Noon of that day, in microseconds.
const NOON_US: i64 = 1_577_880_000_000_000;

fn officer(actor: &str, role: &str) -> Principal {
    Principal { actor: actor.into(), roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

async fn schedule(engine: &Arc<Engine>, kind: Kind) {
    let (rule, class, basis) = (kind.as_str().to_owned(), "*".to_owned(), "POL-7".to_owned());
    let scheduled = RetentionScheduled { rule, kind, class, days: 30, basis };
    let who = officer("a_privacy", "privacy_officer");
    engine.execute(&who, Command::ScheduleRetention(scheduled)).await.expect("a rule");
}

/// A segment of one inference that ended long ago.
async fn served(engine: &Arc<Engine>, id: &str) {
    let (now, subject) = (u64::try_from(Engine::now_ms()).expect("after 1970"), SubjectRef([1; 16]));
    let sealed = engine.vault().seal("internal", OLD, &subject, &[(1, id.as_bytes())], now).expect("sealed");
    let core = InferenceCore {
        inference_id: id.into(),
        ts_start: NOON_US,
        ts_end: NOON_US,
        door: "openai.chat.completions".into(),
        service: Some("credit".into()),
        status: "ok".into(),
        classification: "internal".into(),
        day: OLD.into(),
        r: sealed.r.to_vec(),
        ct_sha256: sealed.ct_sha256.to_vec(),
        c_root: sealed.c_root.to_vec(),
        ..InferenceCore::default()
    };
    let payload = Payload { ct: sealed.ct, subject_ref: subject.0 };
    engine.records().append(core, payload).await.expect("durable");
    engine.seal_now().await.expect("sealed");
}

/// The files of records of that day.
fn files(engine: &Engine, table: &str) -> BTreeSet<PathBuf> {
    let dir = engine.data_dir().join("records").join(table).join(format!("segment_day={OLD}"));
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// What entries say of segments that went: kind, records and path of each.
fn told(engine: &Engine) -> Vec<(Kind, u64, String)> {
    let told = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::SegmentsDisposed(body) => Some(body),
        _ => None,
    });
    told.flat_map(|body| {
        let kind = body.kind;
        body.segments.into_iter().map(move |segment| (kind, segment.n, segment.core.path))
    })
    .collect()
}

/// What the log of a table names under that day.
fn listed(engine: &Engine, table: &str) -> BTreeSet<String> {
    let log = engine.data_dir().join("records").join(table).join("_delta_log");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(log).expect("a log").map(|entry| entry.expect("one").path()).collect();
    names.sort();
    let mut live = BTreeSet::new();
    for name in names {
        for line in std::fs::read_to_string(name).expect("text").lines() {
            let action: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let path = |kind: &str| action[kind]["path"].as_str().map(str::to_owned);
            if let Some(gone) = path("remove") {
                live.remove(&gone);
            }
            live.extend(path("add").filter(|path| path.contains(OLD)));
        }
    }
    live
}

fn checked(data: &Path) -> u8 {
    let vfs: Arc<dyn ledger::vfs::Vfs> = Arc::new(ledger::vfs::RealVfs);
    let records = data.join("records");
    fsck(&vfs, &data.join("ledger"), &Scope { records: Some(&records), ..Scope::alone(Level::Full) }).exit_code()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_old_records_when_due_then_their_files_go_after_their_contents_and_entries_name_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    for kind in [Kind::InferencePayload, Kind::InferenceCore] {
        schedule(&engine, kind).await;
    }
    served(&engine, "i-1").await;
    served(&engine, "i-2").await;
    engine.note_kept().await.expect("what there is becomes known");
    let upcoming = engine.upcoming(Engine::now_ms()).await.expect("read");
    let seen: Vec<_> = upcoming.iter().map(|one| (one.expiring.item.kind, one.held_by.clone())).collect();
    let payloads = format!("payloads/{OLD}");
    let expected = [(Kind::InferencePayload, vec![]), (Kind::InferenceCore, vec![payloads])];
    assert_eq!(seen, expected, "contents need their records");
    assert_eq!(engine.dispose_due().await.expect("the contents go").len(), 1);
    assert_eq!(engine.dispose_due().await.expect("then the records").len(), 1);
    assert!(files(&engine, "inferences").is_empty());
    assert!(listed(&engine, "inferences").is_empty(), "the table's log names what is there");
    let told = told(&engine);
    assert_eq!(told.iter().map(|(kind, n, _)| (*kind, *n)).collect::<Vec<_>>(), [(Kind::InferenceCore, 1); 2]);
    let disposal = engine.read(|state| {
        let of_cores = state.disposals.values().find(|one| one.disposing.item.kind == Kind::InferenceCore);
        of_cores.expect("one").disposed.clone().expect("done").0
    });
    assert_eq!((disposal.method.as_str(), disposal.copies, disposal.copies_confirmed), ("file_deleted", 2, 2));
    assert!(engine.dispose_due().await.expect("nothing to do").is_empty());
    let data = engine.data_dir().to_owned();
    killed(engine).await;
    assert_eq!(checked(&data), 0, "what is gone is so by an entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_records_that_are_held_when_due_then_they_stay_and_so_does_what_a_hold_came_in_time_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    for kind in [Kind::InferencePayload, Kind::InferenceCore] {
        schedule(&engine, kind).await;
    }
    let declared = super::scopes::declare("credit", "lending", "prod");
    engine.execute(&officer("a_deployer", "deployer"), declared).await.expect("declared");
    served(&engine, "i-1").await;
    let (privacy, lead) = (officer("a_privacy", "privacy_officer"), officer("a_lead", "compliance_lead"));
    assert_eq!(engine.dispose_due().await.expect("the contents").len(), 1);
    for on in ["class/internal", "service/credit", "class/inference_core", "subject/0123456789abcdef0123456789abcdef"] {
        let hold = engine.place_hold(&privacy, on, "CASE-3", i64::MAX).await.expect("placed");
        assert!(engine.dispose_due().await.expect("held").is_empty(), "{on}");
        engine.release_hold(&lead, &hold, "CASE-3").await.expect("released");
    }
    let other = engine.place_hold(&privacy, "class/public", "CASE-4", i64::MAX).await.expect("placed");
    // A disposal is under way, and then somebody places a hold.
    let item = engine.read(|state| state.due(Engine::now_ms())[0].item.clone());
    let begin = BeginDisposal { disposal: "x_1".into(), item, clear_of: vec![other] };
    engine.execute(engine.system(), Command::BeginDisposal(begin)).await.expect("begun");
    let late = engine.place_hold(&privacy, "service/credit", "CASE-5", i64::MAX).await.expect("placed in time");
    assert!(engine.dispose_due().await.expect("it waits").is_empty());
    assert_eq!((files(&engine, "inferences").len(), told(&engine).len()), (1, 0));
    engine.release_hold(&lead, &late, "CASE-5").await.expect("released");
    assert_eq!(engine.dispose_due().await.expect("it goes on"), ["x_1"]);
    assert!(files(&engine, "inferences").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_day_of_contents_whose_disposal_began_when_a_hold_is_placed_before_the_key_goes_then_it_opens_as_before()
 {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, Kind::InferencePayload).await;
    served(&engine, "i-1").await;
    engine.note_kept().await.expect("what there is becomes known");
    let item = engine.read(|state| state.due(Engine::now_ms())[0].item.clone());
    let begin = BeginDisposal { disposal: "x_1".into(), item, clear_of: vec![] };
    engine.execute(engine.system(), Command::BeginDisposal(begin)).await.expect("begun");
    let (privacy, lead) = (officer("a_privacy", "privacy_officer"), officer("a_lead", "compliance_lead"));
    let hold = engine.place_hold(&privacy, "class/internal", "CASE-5", i64::MAX).await.expect("placed in time");
    let live = |engine: &Engine| {
        let keys = engine.vault().inventory().expect("readable");
        keys.iter().any(|key| key.kind == vault::KeyKind::Day && key.id == OLD && key.state == vault::KeyState::Live)
    };
    assert!(engine.dispose_due().await.expect("it waits").is_empty());
    assert!(live(&engine), "nothing is destroyed");
    engine.release_hold(&lead, &hold, "CASE-5").await.expect("released");
    assert_eq!(engine.dispose_due().await.expect("it goes on"), ["x_1"]);
    assert!(!live(&engine));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_old_records_of_accesses_when_a_process_dies_before_their_file_goes_then_the_next_goes_on() {
    for step in 0..2 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        schedule(&engine, Kind::AccessCore).await;
        let core = AccessCore {
            access_id: crate::accesses::new_id(),
            ts_start: NOON_US,
            ts_end: NOON_US,
            door: "api".into(),
            action: "sql".into(),
            object_kind: "org".into(),
            decision: "allow".into(),
            occurrences: 1,
            ..AccessCore::default()
        };
        engine.import_accesses(vec![core]).await.expect("recorded");
        engine.seal_now().await.expect("sealed");
        assert_eq!(files(&engine, "accesses").len(), 1);
        engine.note_kept().await.expect("what there is becomes known");
        let item = engine.read(|state| state.due(Engine::now_ms())[0].item.clone());
        let begin = BeginDisposal { disposal: "x_1".into(), item, clear_of: vec![] };
        engine.execute(engine.system(), Command::BeginDisposal(begin)).await.expect("begun");
        if step > 0 {
            let gone = engine.segments_to_go("x_1").expect("known");
            engine.execute(engine.system(), Command::DisposeSegments(gone)).await.expect("told");
        }
        killed(engine).await;
        let engine = open(dir.path()).await;
        assert_eq!(engine.dispose_due().await.expect("gone on with"), ["x_1"], "step {step}");
        assert!(files(&engine, "accesses").is_empty(), "step {step}");
        assert_eq!(told(&engine).len(), 1, "step {step}: it is told once");
        assert!(listed(&engine, "accesses").is_empty(), "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_day_that_was_disposed_of_when_more_of_it_comes_then_the_next_disposal_counts_that_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    schedule(&engine, Kind::AccessCore).await;
    for _ in 0..2 {
        let core = AccessCore {
            access_id: crate::accesses::new_id(),
            ts_start: NOON_US,
            ts_end: NOON_US,
            door: "api".into(),
            action: "sql".into(),
            object_kind: "org".into(),
            decision: "allow".into(),
            occurrences: 1,
            ..AccessCore::default()
        };
        engine.import_accesses(vec![core]).await.expect("recorded");
        engine.seal_now().await.expect("sealed");
        engine.note_kept().await.expect("what there is becomes known");
        assert_eq!(engine.dispose_due().await.expect("it goes").len(), 1);
    }
    let copies: Vec<u64> = engine.read(|state| {
        let disposals = state.disposals.values();
        disposals.map(|one| one.disposed.as_ref().expect("done").0.copies).collect()
    });
    assert_eq!(copies, [1, 1]);
}
