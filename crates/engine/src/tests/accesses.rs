//! Accesses: what is recorded of them, and what waits for it.

use domain::people::{AccessCore, Purpose};

use super::*;
use crate::{Answered, Attempt};

const OK: Answered = Answered { status: 200, code: None, denied: false };

/// Somebody who comes through a door.
fn through(who: Principal, route: &str) -> (Principal, Attempt) {
    let attempt = Attempt::at("api", route.to_owned());
    attempt.by(&who);
    (Principal { attempt: Some(attempt.clone()), ..who }, attempt)
}

/// What waits to be sealed, once it is written.
fn recorded(engine: &Engine) -> Vec<AccessCore> {
    engine.accesses().settle().expect("written");
    engine.accesses().tail()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_permitted_read_when_recorded_then_it_says_who_what_why_and_what_carried_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (who, attempt) = through(operator(&engine), "GET /api/v1/inferences/{id}");
    attempt.purpose(Purpose::Audit);
    attempt.concerns("0193540a-9c1f-7b60-8a11-000000000001");
    engine.authorize(&who, "read", "inferences").expect("permitted");
    engine.record_access(&attempt, OK).await.expect("recorded");
    let access = recorded(&engine).pop().expect("one");
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!((access.action.as_str(), access.object_kind.as_str()), ("read", "inference_log"));
    assert_eq!(text(&access.object_id), "0193540a-9c1f-7b60-8a11-000000000001");
    assert_eq!((access.decision.as_str(), text(&access.purpose)), ("allow", "audit".into()));
    assert_eq!(access.actor.as_deref(), Some(who.actor.as_str()));
    assert_eq!(access.key, who.key);
    assert_eq!(text(&access.policies), "administrator-reads");
    assert_eq!(text(&access.grant_id), format!("{}/administrator", who.actor));
    let installed = engine.read(|state| state.policies.clone().expect("installed").sha256);
    assert_eq!(text(&access.policies_sha256), installed);
    assert_eq!((access.occurrences, access.node_seq), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_denial_when_recorded_then_it_is_one_of_somebody_known_and_the_rules_of_the_ledger_deny_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let nobody = Principal { actor: "a_nobody".into(), ..Principal::default() };
    let (who, attempt) = through(nobody, "POST /api/v1/sql");
    engine.authorize(&who, "sql", "ledger").expect_err("no role");
    let denied = Answered { status: 403, code: Some("forbidden"), denied: true };
    engine.record_access(&attempt, denied).await.expect("recorded");
    // Permitted by policy, refused by a rule: nobody approves what is for them.
    let (who, attempt) = through(operator(&engine), "POST /api/v1/grants/{id}/approve");
    engine.authorize(&who, "grant.approve", "grant/g_1").expect("permitted");
    engine.record_access(&attempt, denied).await.expect("recorded");
    let (_, early) = through(operator(&engine), "POST /people");
    let foreign = Answered { status: 403, code: Some("cross_origin"), denied: true };
    engine.record_access(&early, foreign).await.expect("recorded");
    let found: Vec<_> = recorded(&engine)
        .into_iter()
        .map(|access| (access.action, access.object_kind, access.decision, access.code.unwrap_or_default()))
        .collect();
    let row = |action: &str, kind: &str, code: &str| (action.into(), kind.into(), "deny".into(), code.into());
    let expected = [
        row("sql", "ledger", "forbidden"),
        row("grant.approve", "grant", "forbidden"),
        row("enter", "door", "cross_origin"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_question_in_sql_when_recorded_then_it_is_committed_to_and_not_kept() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (who, attempt) = through(operator(&engine), "POST /api/v1/sql");
    let text = "select * from inferences where subject_ref = 'ann@example.org'";
    attempt.asks(text, vec!["inferences".into()], Some(7));
    engine.authorize(&who, "sql", "ledger").expect("permitted");
    engine.record_access(&attempt, OK).await.expect("recorded");
    let access = recorded(&engine).pop().expect("one");
    assert_eq!((access.object_kind.as_str(), access.tables.as_deref()), ("inference_log", Some("inferences")));
    assert_eq!((access.at_size, access.c_root.as_ref().map(Vec::len)), (Some(7), Some(32)));
    engine.seal_now().await.expect("sealed");
    for file in walk(engine.data_dir()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(15).any(|word| word == b"ann@example.org"), "{}", file.display());
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("readable").map(|entry| entry.expect("readable").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_flood_of_strangers_when_flushed_then_each_kind_of_denial_is_one_record() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let denied = Answered { status: 401, code: Some("unauthenticated"), denied: true };
    for i in 0..5_000 {
        let route = if i % 2 == 0 { "GET /api/v1/org" } else { "GET /people" };
        engine.record_access(&Attempt::at("api", route.into()), denied).await.expect("counted");
    }
    engine.record_access(&Attempt::at("page", "GET /signin".into()), OK).await.expect("nothing to record");
    assert_eq!(recorded(&engine), []);
    engine.flush_strangers().await;
    let found = recorded(&engine);
    assert_eq!(found.iter().map(|access| access.occurrences).collect::<Vec<_>>(), [2_500, 2_500]);
    assert!(found.iter().all(|access| access.actor.is_none() && access.ts_start <= access.ts_end));
    engine.flush_strangers().await;
    assert_eq!(recorded(&engine).len(), 2, "what was written is counted anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_accesses_when_killed_or_visited_then_none_is_lost_and_all_are_sealed_in_their_incarnation() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let read = async |engine: &Arc<Engine>| {
        let (who, attempt) = through(operator(engine), "GET /api/v1/evidence");
        engine.authorize(&who, "read", "evidence").expect("permitted");
        engine.record_access(&attempt, OK).await.expect("recorded");
    };
    read(&engine).await;
    killed(engine).await;
    let visit = Engine::visit(options(dir.path())).await.expect("visited");
    read(&visit).await;
    visit.leave_visit().await.expect("left");
    killed(visit).await;
    let engine = open(dir.path()).await;
    read(&engine).await;
    engine.shutdown().await.expect("ends well");
    let sealed = events(&engine).into_iter().filter_map(|entry| match entry.event {
        Event::AccessesSealed(body) => Some((body.incarnation, body.number, body.first, body.n)),
        _ => None,
    });
    assert_eq!(sealed.collect::<Vec<_>>(), [(1, 0, 0, 1), (1, 1, 1, 1), (2, 0, 0, 1)]);
}
