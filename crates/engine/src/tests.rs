//! The engine over a real data directory: what is durable, what is refused, what a restart finds.

mod accesses;
mod aside;
mod authorize;
mod checks;
mod cores;
mod datasets;
mod detectors;
mod disposals;
mod encryption;
mod requests;
mod residency;
mod retention;
mod scopes;
mod tokens;
mod views;

use std::sync::Arc;
use std::time::Duration;

use domain::people::KeyScope;
use domain::serving::InferenceCore;
use domain::vendors::{ProviderDeclared, ProviderKind, ProviderSpec};
use domain::{Command, Event, RefusalCode, State};
use ledger::log::OtherHistory;
use ledger::records::Payload;

use crate::open::Otherwise;
use crate::{Ask, Engine, EngineOptions, ExecuteError, OpenError, Principal};

fn options(dir: &std::path::Path) -> EngineOptions {
    EngineOptions {
        dir: dir.join("data"),
        state: None,
        organisation: "Test".into(),
        origin: Some("test.example/log".into()),
        retention_days: 30,
        node: "n1".into(),
        program: "test".into(),
        roll_records: 1000,
        roll_bytes: 1 << 20,
        roll_after: Duration::from_secs(60),
        outbound: crate::Outbound::default(),
        sessions: crate::SessionLimits::default(),
        custody: crate::CustodyOptions::default(),
        archive: None,
        objects: None,
        columnar: None,
    }
}

pub(crate) async fn open(dir: &std::path::Path) -> Arc<Engine> {
    Engine::open(options(dir)).await.expect("the data directory opens")
}

/// Lets go of the data directory as a killed process would: nothing is sealed or reported.
async fn killed(engine: Arc<Engine>) {
    engine.stop.send_replace(true);
    while Arc::strong_count(&engine) > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn operator(engine: &Engine) -> Principal {
    let token = std::fs::read_to_string(engine.data_dir().join("operator.token")).expect("made at the first start");
    engine.authenticate(token.trim()).expect("the operator's key is good")
}

fn provider(name: &str) -> Command {
    Command::DeclareProvider(ProviderDeclared {
        provider: name.into(),
        spec: ProviderSpec {
            kind: ProviderKind::Openai,
            base_url: "http://127.0.0.1:9/v1".into(),
            api_key_env: None,
            region: None,
            critical: false,
            first_byte_timeout_ms: 1,
            idle_timeout_ms: 1,
        },
    })
}

pub(crate) fn events(engine: &Engine) -> Vec<domain::Entry> {
    let log = engine.log();
    let entries = log.entries(0..log.size()).expect("readable");
    entries.iter().map(|bytes| domain::Entry::decode(bytes).expect("known")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_new_directory_when_opened_then_its_first_events_say_whose_it_is_and_who_may_act() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let names: Vec<_> = events(&engine).iter().map(|entry| entry.event.name()).collect();
    let expected =
        ["org.created", "policies.installed", "actor.registered", "node.joined", "actor.registered", "key.created"];
    assert_eq!(names, expected);
    assert_eq!(operator(&engine).roles, [("administrator".to_owned(), "org".to_owned())]);
    assert_eq!(engine.incarnation(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_command_when_carried_out_then_its_event_is_durable_with_its_author_and_stream_version() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let done = engine.execute(&who, provider("p")).await.expect("carried out");
    let last = events(&engine).pop().expect("an event");
    assert_eq!((last.actor.as_str(), last.stream.as_str(), last.sv), (who.actor.as_str(), "provider/p", 1));
    assert_eq!(done.size, engine.log().size());
    assert!(engine.execute(&who, provider("p")).await.expect("nothing to do").events.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_without_permission_when_they_ask_then_the_refusal_is_an_event_without_what_they_sent() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let auditor =
        Principal { actor: "a_auditor".into(), roles: vec![("auditor".into(), "org".into())], ..Principal::default() };
    match engine.execute(&auditor, provider("secret-name")).await {
        Err(ExecuteError::Refused(refusal)) => assert_eq!(refusal.code, RefusalCode::Forbidden),
        other => panic!("{other:?}"),
    }
    match events(&engine).pop().expect("an event").event {
        Event::CommandRefused(body) => assert_eq!(body.command, "provider.declare"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_the_same_idempotency_key_when_asked_twice_then_things_change_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let ask = Ask { idempotency: Some(uuid::Uuid::now_v7()), ..Ask::from(provider("p")) };
    let first = engine.execute(&who, ask.clone()).await.expect("carried out");
    let size = engine.log().size();
    let second = engine.execute(&who, ask).await.expect("recognised");
    assert!(second.replayed && !first.replayed);
    assert_eq!((second.first_seq, engine.log().size()), (first.first_seq, size));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_stream_that_moved_on_when_its_old_version_is_expected_then_it_is_a_conflict() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    engine.execute(&who, provider("p")).await.expect("carried out");
    let ask = Ask { expect: Some(("provider/p".into(), 0)), ..Ask::from(provider("p")) };
    match engine.execute(&who, ask).await {
        Err(ExecuteError::Refused(refusal)) => assert_eq!(refusal.code, RefusalCode::Conflict),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_many_askers_at_once_when_done_then_stream_versions_have_no_gap() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let asks = (0..20).map(|i| {
        let (engine, who) = (Arc::clone(&engine), who.clone());
        tokio::spawn(async move { engine.execute(&who, provider(&format!("p{}", i % 4))).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        ask.await.expect("no panic").expect("carried out");
    }
    let mut versions = std::collections::BTreeMap::<String, u64>::new();
    for entry in events(&engine) {
        let version = versions.entry(entry.stream).or_default();
        *version += 1;
        assert_eq!(entry.sv, *version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_killed_engine_when_opened_again_then_the_state_is_the_same_fold_and_the_node_is_a_new_incarnation() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    engine.execute(&who, provider("p")).await.expect("carried out");
    killed(engine).await;
    let again = open(dir.path()).await;
    assert!(again.read(|state| state.providers.contains_key("p")));
    assert_eq!(again.incarnation(), 2);
    assert_eq!(operator(&again).actor, who.actor, "the same operator, the same key");
    let mut folded = State::default();
    for entry in events(&again) {
        folded.apply(&entry);
    }
    assert_eq!(again.read(State::clone), folded);
}

/// A call that has begun, in the write-ahead log.
fn begun(id: &str) -> InferenceCore {
    let now = Engine::now_us();
    let (door, status, day) = ("openai.chat.completions".into(), "ok".into(), "2026-11-22".into());
    InferenceCore { inference_id: id.into(), ts_start: now, ts_end: now, door, status, day, ..InferenceCore::default() }
}

fn names(engine: &Engine, wanted: &[&str]) -> Vec<&'static str> {
    let names = events(engine).into_iter().map(|entry| entry.event.name());
    names.filter(|name| wanted.contains(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_engine_that_ended_well_or_never_served_when_opened_again_then_nothing_was_lost() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    killed(engine).await;
    let engine = open(dir.path()).await;
    engine.beat().await.expect("a sign of life");
    engine.count(Engine::now_us(), true);
    engine.shutdown().await.expect("ends well");
    killed(engine).await;
    let engine = open(dir.path()).await;
    let told = names(&engine, &["node.stopped", "node.recovered", "gateway.counted", "gateway.count.lost"]);
    assert_eq!(told, ["gateway.counted", "node.stopped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_starts_that_die_in_the_middle_of_recovery_when_one_gets_through_then_all_is_said_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    engine.beat().await.expect("a sign of life");
    engine.records().append(begun("id-1"), Payload::default()).await.expect("durable");
    engine.records().begin(&begun("id-2"), &Payload::default()).expect("taken");
    engine.records().settle().expect("written");
    killed(engine).await;
    // Dies when the call that was cut off has its record, and nothing is in the ledger.
    let (first, found) = Engine::read_disk(options(dir.path()), Otherwise::Refuse).await.expect("read");
    assert_eq!((found.unsealed, found.interrupted), (2, 1));
    drop(first);
    // Dies when all is recovered, and no new incarnation has begun.
    let (second, found) = Engine::read_disk(options(dir.path()), Otherwise::Refuse).await.expect("read");
    assert_eq!((found.unsealed, found.interrupted), (2, 1), "found again");
    second.recover(found).await.expect("recovered");
    drop(second);
    let engine = open(dir.path()).await;
    let found = events(&engine).into_iter().find_map(|entry| match entry.event {
        Event::NodeRecovered(body) => Some((body.incarnation, body.unsealed, body.interrupted)),
        _ => None,
    });
    assert_eq!(found, Some((1, 2, 1)));
    assert_eq!(names(&engine, &["node.recovered"]).len(), 1);
    let mut lost = std::collections::BTreeMap::new();
    for entry in events(&engine) {
        if let Event::GatewayCountLost(body) = entry.event {
            assert_eq!(lost.insert(body.hour, body.records), None, "an hour is said once");
        }
    }
    assert_eq!(lost.values().sum::<u64>(), 2, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_start_that_sealed_and_died_when_opened_again_then_the_crash_is_in_the_ledger_all_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    engine.beat().await.expect("a sign of life");
    engine.records().append(begun("id-1"), Payload::default()).await.expect("durable");
    killed(engine).await;
    let (first, _) = Engine::read_disk(options(dir.path()), Otherwise::Refuse).await.expect("read");
    first.seal(true).await.expect("sealed");
    drop(first);
    let engine = open(dir.path()).await;
    assert_eq!(names(&engine, &["node.recovered"]), ["node.recovered"]);
    assert!(!names(&engine, &["gateway.count.lost"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_snapshot_when_opened_then_it_is_used_only_if_it_belongs_to_the_ledger() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    engine.execute(&operator(&engine), provider("p")).await.expect("carried out");
    engine.shutdown().await.expect("ends well");
    let snapshots = engine.snapshot_dir();
    killed(engine).await;
    let path = std::fs::read_dir(&snapshots).expect("written").next().expect("one").expect("readable").path();
    let again = open(dir.path()).await;
    assert!(again.read(|state| state.providers.contains_key("p")));
    killed(again).await;
    let text = std::fs::read_to_string(&path).expect("readable");
    assert!(text.contains("\"providers\":{\"p\""));
    std::fs::write(&path, text.replace("\"providers\":{\"p\"", "\"providers\":{\"forged\"")).expect("written");
    let folded = open(dir.path()).await;
    assert!(!folded.read(|state| state.providers.contains_key("forged")), "the ledger did not commit to that state");
    assert!(folded.read(|state| state.providers.contains_key("p")), "folded from the beginning");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_sign_in_link_when_used_then_it_opens_one_session_and_a_key_opens_what_it_is_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let link = engine.create_signin_link(&who, &who.actor).await.expect("made");
    let cookie = engine.open_session(&link, None).await.expect("opened").secret;
    let session = engine.authenticate_session(&cookie).expect("known");
    assert_eq!(session.actor, who.actor);
    assert!(engine.open_session(&link, None).await.is_err(), "a link is good once");
    engine.close_session(&session).await.expect("closed");
    assert!(engine.authenticate_session(&cookie).is_err());
    let soon = Engine::now_ms() + 60_000;
    let key = engine.create_key(&who, KeyScope::Actor(who.actor.clone()), soon).await.expect("made");
    assert!(engine.authenticate(&key.secret).is_ok());
    engine.revoke_key(&who, &key.key).await.expect("revoked");
    assert!(engine.authenticate(&key.secret).is_err());
    let written = String::from_utf8(engine.log().entries(0..engine.log().size()).expect("readable").concat());
    let written = written.expect("events are text");
    for secret in [&link, &cookie, &key.secret] {
        assert!(!written.contains(secret.as_str()), "a secret is in the ledger");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_witness_that_remembers_otherwise_when_told_then_nothing_is_written_until_it_was_asked_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let told = OtherHistory { by: "https://w.example/add-checkpoint".into(), why: "it has 9 entries more".into() };
    engine.log().halt(told.clone()).expect("kept");
    let size = engine.log().size();
    for wish in [provider("p"), provider("no good name")] {
        match engine.execute(&who, wish).await {
            Err(ExecuteError::RolledBack(why)) => assert!(why.contains("it has 9 entries more"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(engine.beat().await, Err(ExecuteError::RolledBack(_))), "nor is anything signed");
    engine.shutdown().await.expect("ends all the same");
    assert_eq!(engine.log().size(), size, "nothing was written");
    killed(engine).await;

    for refused in [Engine::open(options(dir.path())).await, Engine::visit(options(dir.path())).await] {
        let error = refused.err().expect("stopped");
        assert_eq!((error.exit_code(), error.kind()), (3, "rolled_back"), "{error}");
    }
    let asked = Engine::open_asking(options(dir.path()), |log| async move {
        assert_eq!((log.halted(), log.size()), (Some(told), size));
        log.publish().map(|note| vec![note])
    });
    assert_eq!(asked.await.err().expect("still so").kind(), "rolled_back");
    let engine = Engine::open_asking(options(dir.path()), |log| async move {
        log.go_on();
        Ok(vec!["https://another.example/add-checkpoint".to_owned()])
    });
    let engine = engine.await.expect("goes on");
    let resumed = events(&engine).into_iter().find_map(|entry| match entry.event {
        Event::LedgerResumed(body) => Some(body),
        _ => None,
    });
    let resumed = resumed.expect("it is on record");
    assert_eq!((resumed.cosigning.len(), resumed.unnamed.len()), (0, 1));
    engine.execute(&who, provider("p")).await.expect("written");
    killed(engine).await;
    open(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_directory_in_use_when_opened_again_then_it_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let _engine = open(dir.path()).await;
    match Engine::open(options(dir.path())).await {
        Err(error @ OpenError::Ledger(_)) => assert_eq!(error.kind(), "locked"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two processes at once"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_session_that_lies_idle_when_used_again_then_it_is_void_and_its_end_is_an_event() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let sessions = crate::SessionLimits { idle: Duration::ZERO, ..crate::SessionLimits::default() };
    let engine = Engine::open(EngineOptions { sessions, ..options(dir.path()) }).await.expect("opens");
    let who = operator(&engine);
    let link = engine.create_signin_link(&who, &who.actor).await.expect("made");
    let session = engine.open_session(&link, None).await.expect("opened");
    // Idle is what was not used in this very millisecond.
    while engine.authenticate_session(&session.secret).is_ok() {}
    assert_eq!(engine.authenticate_session(&session.secret), Err(crate::AuthError::Void));
    assert!(engine.sessions_of(&who.actor).is_empty());
    engine.end_idle_sessions().await.expect("ended");
    match events(&engine).pop().expect("an event").event {
        Event::SessionEnded(body) => assert_eq!(body.reason.as_str(), "idle"),
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.authenticate_session(&session.secret), Err(crate::AuthError::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_browser_with_a_session_when_its_owner_signs_in_again_then_the_old_secret_opens_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let mut previous: Option<(String, Principal)> = None;
    for _ in 0..3 {
        let link = engine.create_signin_link(&who, &who.actor).await.expect("made");
        let session = engine.open_session(&link, previous.as_ref().map(|(_, who)| who)).await.expect("opened");
        let visitor = engine.authenticate_session(&session.secret).expect("known");
        if let Some((old, _)) = previous.replace((session.secret.clone(), visitor)) {
            assert!(old != session.secret && engine.authenticate_session(&old).is_err());
        }
    }
    assert_eq!(engine.sessions_of(&who.actor).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_proof_from_this_morning_when_something_critical_is_asked_then_it_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let who = operator(&engine);
    let proven = crate::Proven {
        actor: who.actor.clone(),
        proof: domain::people::Proof::Oidc,
        authenticated_at: Engine::now_ms() - 3_600_000,
        ..crate::Proven::default()
    };
    let session = engine.admit(proven.clone(), None).await.expect("opened");
    let visitor = engine.authenticate_session(&session.secret).expect("known");
    let soon = Engine::now_ms() + 60_000;
    let key = engine.create_key(&visitor, KeyScope::Actor(who.actor.clone()), soon).await;
    match key.expect_err("refused") {
        ExecuteError::Refused(refusal) => {
            assert_eq!(refusal.code, RefusalCode::ReauthenticationRequired);
            assert_eq!(refusal.policies, ["critical-acts-need-fresh-proof"]);
        }
        other => panic!("{other}"),
    }
    assert!(engine.must_be_fresh(&visitor).is_err() && engine.must_be_fresh(&who).is_ok(), "a key needs none");
    let again = crate::Proven { authenticated_at: Engine::now_ms(), ..proven };
    let old = visitor.session.expect("a session").session;
    let session = engine.admit(again, Some(&old)).await.expect("opened");
    let visitor = engine.authenticate_session(&session.secret).expect("known");
    engine.create_key(&visitor, KeyScope::Actor(who.actor.clone()), soon).await.expect("made");
    assert!(engine.read(|state| state.session(&old).is_none()), "the old one is replaced");
}
