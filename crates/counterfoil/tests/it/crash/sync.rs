//! A sync that fails. What is on disk is then unknown, so the process must end, and nobody may have been told that
//! something is durable when it was not.

use std::path::{Path, PathBuf};

use ::http::Method;
use serde_json::{Value, json};

use crate::crash::{assert_kept, is_whole};
use crate::support::http::{RUNTIME, Response, try_send};
use crate::support::trace::FailingSyncs;
use crate::support::world::ask;
use crate::support::{World, tools};

/// The signal of `abort`.
const SIGABRT: i32 = 6;

/// Syncs that still work, before all others fail.
const GOOD: [u32; 2] = [0, 15];

/// The numbered files of a write-ahead log.
fn segments(wal: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(wal).expect("a write-ahead log").map(|file| file.expect("an entry").path());
    let files: Vec<PathBuf> = files.filter(|path| path.file_name().is_some_and(|n| n.len() == 10)).collect();
    assert!(!files.is_empty(), "{}", wal.display());
    files
}

/// Sends requests one after the other until the server is gone; the answers that it gave before.
fn until_it_ends(request: impl FnMut() -> Option<Response>) -> Vec<Response> {
    let answers: Vec<Response> = std::iter::from_fn(request).take(1000).collect();
    assert!(answers.len() < 1000, "the server lives on though nothing can be synced");
    answers
}

/// A call of the number, every other one a stream; `None` when it was not answered.
fn call(world: &World, number: usize) -> Option<Response> {
    let mut body = ask("chat");
    body["stream"] = (number % 2 == 1).into();
    let (url, bearer) = (format!("{}/v1/chat/completions", world.url), format!("Bearer {}", world.key));
    let headers = [("authorization", bearer.as_str())];
    RUNTIME.block_on(try_send(Method::POST, &url, &headers, body.to_string().into()))
}

/// Asks for one more key of an application; `None` when that was not answered.
fn create_key(world: &World, token: &str) -> Option<Response> {
    let expires_at = chrono::Utc::now().timestamp_millis() + 86_400_000;
    let body = json!({"service": "support", "expires_at": expires_at}).to_string();
    let (url, bearer) = (format!("{}/api/v1/keys", world.url), format!("Bearer {token}"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    RUNTIME.block_on(try_send(Method::POST, &url, &headers, body.into()))
}

#[test]
fn given_records_that_cannot_be_synced_when_called_then_the_process_ends_and_no_such_call_was_answered() {
    let test = "records that cannot be synced";
    let Some(strace) = tools::strace(test) else { return };
    for good in GOOD {
        let mut world = World::new();
        let id = |answer: &Response| answer.header("x-counterfoil-inference").expect("an identifier").to_owned();
        let mut acknowledged: Vec<String> = (0..4).map(|n| id(&call(&world, n).expect("an answer"))).collect();
        let files = segments(&world.data.join("records/wal"));
        let Some(_failing) = FailingSyncs::of(&strace, world.server().id(), &files, good) else {
            return eprintln!("skipped: {test}: strace may not attach to processes here");
        };
        let mut number = 0;
        let answers = until_it_ends(|| {
            number += 1;
            call(&world, number)
        });
        let after: Vec<String> = answers.iter().filter(|a| a.status == 200 && is_whole(a)).map(id).collect();
        // They came one after the other, so that each one needed a sync of its own.
        assert!(after.len() <= good as usize, "{} answers after {good} syncs", after.len());
        assert_eq!(after.is_empty(), good == 0, "calls are answered while syncs work");
        assert_eq!(world.server().ended(), Some(SIGABRT), "{}", world.log());
        assert!(world.log().contains("what is on disk is unknown"), "{}", world.log());

        acknowledged.extend(after);
        world.start();
        assert_kept(&world, &acknowledged);
        assert_eq!(call(&world, 0).expect("an answer").status, 200);
        world.stop();
    }
}

#[test]
fn given_a_ledger_that_cannot_be_synced_when_changed_then_the_process_ends_and_no_such_change_was_acknowledged() {
    let test = "a ledger that cannot be synced";
    let Some(strace) = tools::strace(test) else { return };
    for good in GOOD {
        let mut world = World::new();
        let token = std::fs::read_to_string(world.data.join("operator.token")).expect("a token").trim().to_owned();
        let id = |answer: &Response| answer.json()["key"].as_str().expect("an identifier").to_owned();
        let mut acknowledged: Vec<String> = (0..4).map(|_| id(&create_key(&world, &token).expect("a key"))).collect();
        let files = segments(&world.data.join("ledger/.state/wal"));
        let Some(_failing) = FailingSyncs::of(&strace, world.server().id(), &files, good) else {
            return eprintln!("skipped: {test}: strace may not attach to processes here");
        };
        let answers = until_it_ends(|| create_key(&world, &token));
        let after: Vec<String> = answers.iter().filter(|a| a.status == 200).map(id).collect();
        assert!(after.len() <= good as usize, "{} answers after {good} syncs", after.len());
        assert_eq!(after.is_empty(), good == 0, "keys are created while syncs work");
        assert_eq!(world.server().ended(), Some(SIGABRT), "{}", world.log());

        acknowledged.extend(after);
        world.start();
        let rows = world.sql("select stream, count(*) as n from events where type = 'key.created' group by stream");
        let times = |key: &String| rows.iter().find(|row| row["stream"] == format!("key/{key}")).map(|row| &row["n"]);
        for key in &acknowledged {
            assert_eq!(times(key), Some(&Value::from(1)), "{key} of {acknowledged:?}");
        }
        world.stop();
        let fsck = world.cli(&["--json", "ledger", "fsck"]);
        assert_eq!(fsck.code, 0, "{fsck:?}");
    }
}
