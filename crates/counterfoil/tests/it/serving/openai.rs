//! The stock OpenAI clients work unchanged, and each of their calls is on record.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::{World, eventually, tools};

/// How many records ended in each way.
fn statuses(records: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record["status"].as_str().expect("a status").to_owned()).or_default() += 1;
    }
    counts
}

/// Waits until the client that left is on record, then gives all records.
fn settled(world: &World) -> Vec<Value> {
    eventually("the client that left is on record", || {
        let records = world.records();
        records.iter().any(|record| record["status"] == "cancelled").then_some(records)
    })
}

/// Everything the clients do is recorded, with tokens where the provider said how many, and nothing twice.
#[track_caller]
fn assert_recorded(records: &[Value]) {
    let ids: std::collections::BTreeSet<_> = records.iter().map(|record| record["inference_id"].as_str()).collect();
    assert_eq!(ids.len(), records.len(), "an inference is on record twice");
    let counts = statuses(records);
    assert_eq!(counts["cancelled"], 1, "{counts:?}");
    for record in records.iter().filter(|record| record["status"] == "ok") {
        assert!(record["tokens_in"].as_u64().is_some_and(|tokens| tokens > 0), "{record}");
        assert_eq!(record["service"], "support");
        assert_eq!(record["model"], "stand-in/chat");
    }
    let doors: std::collections::BTreeSet<_> =
        records.iter().filter(|r| r["status"] == "ok").map(|r| r["door"].as_str().expect("a door")).collect();
    assert_eq!(
        doors.into_iter().collect::<Vec<_>>(),
        ["openai.chat.completions", "openai.embeddings", "openai.responses"]
    );
}

#[test]
fn given_the_stock_python_client_when_it_calls_then_it_works_unchanged_and_all_is_on_record() {
    let Some(python) = tools::python("the Python OpenAI client", "openai") else { return };
    let world = World::new();
    let said = tools::run(
        Command::new(python)
            .arg(tools::client("openai_client.py"))
            .env("BASE_URL", format!("{}/v1", world.url))
            .env("API_KEY", &world.key)
            .env("PYTHONIOENCODING", "utf-8"),
    );
    assert_eq!(said.lines().count(), 12, "{said}");
    assert_recorded(&settled(&world));
    // Neither our key nor the subject's name goes to the provider in a header.
    for call in world.upstream.seen() {
        assert!(!call.head.contains(&world.key), "{}", call.head);
    }
}

#[test]
fn given_the_stock_node_client_when_it_calls_then_it_works_unchanged_and_all_is_on_record() {
    let Some(packages) = tools::node("the Node OpenAI client") else { return };
    let world = World::new();
    let said = tools::run(
        Command::new("node")
            .arg(tools::client("openai_client.mjs"))
            .env("NODE_DIR", packages)
            .env("BASE_URL", format!("{}/v1", world.url))
            .env("API_KEY", &world.key),
    );
    assert_eq!(said.lines().count(), 11, "{said}");
    assert_recorded(&settled(&world));
}

#[test]
fn given_a_subject_when_named_in_header_or_body_then_records_are_linked_and_the_name_is_nowhere() {
    let mut world = World::new();
    let ask = crate::support::world::ask("chat");
    for field in ["user", "safety_identifier"] {
        let mut ask = ask.clone();
        ask[field] = "anna.ledger@example.com".into();
        assert_eq!(world.post("/v1/chat/completions", &ask).status, 200);
    }
    assert_eq!(world.chat("chat").status, 200);
    let tags: Vec<Value> = world.records().iter().map(|record| record["subject_tag"].clone()).collect();
    assert!(!tags[0].is_null() && tags[0] == tags[1] && tags[2].is_null(), "{tags:?}");
    world.stop();
    for path in files(&world.data) {
        let bytes = std::fs::read(&path).expect("readable");
        let found = bytes.windows(b"anna.ledger".len()).any(|window| window == b"anna.ledger");
        assert!(!found, "the subject's name is in {}", path.display());
    }
}

/// Every file below a directory.
fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
