//! Sealed segments: other tools read them as tables, and each record has a proof.

use std::process::Command;

use serde_json::Value;

use crate::support::{World, tools};

/// A world with sealed segments: two, of four and three records.
fn sealed() -> World {
    let world = World::new();
    for count in [4, 3] {
        for _ in 0..count {
            assert_eq!(world.chat("chat").status, 200);
        }
        assert_eq!(world.json(&["records", "seal"])["segments"], 1);
    }
    world
}

#[test]
fn given_sealed_segments_when_duckdb_reads_the_delta_tables_then_it_sees_what_the_ledger_says() {
    let Some(python) = tools::python("DuckDB reads the Delta tables", "duckdb_extension_delta") else { return };
    let world = sealed();
    let said = tools::run(
        Command::new(python).arg(tools::client("delta_reader.py")).env("RECORDS", world.data.join("records")),
    );
    let seen: Value = serde_json::from_str(&said).expect("JSON");
    let records = world.sql("select inference_id, status from inference_records order by incarnation, node_seq");
    let ids: Vec<Value> = records.iter().map(|record| record["inference_id"].clone()).collect();
    assert_eq!(ids.len(), 7);
    assert_eq!(seen["ids"], Value::from(ids.clone()));
    assert_eq!(seen["statuses"], Value::from(vec!["ok"; 7]));
    assert_eq!(seen["payloads"], 7);
    let mut sorted: Vec<String> = ids.iter().map(|id| id.as_str().expect("text").to_owned()).collect();
    sorted.sort_unstable();
    assert_eq!(seen["payload_ids"], Value::from(sorted));
    assert_eq!(seen["days"].as_array().map(Vec::len), Some(1), "{seen}");
}

#[test]
fn given_a_sealed_record_when_proven_then_the_proof_verifies_offline_and_a_changed_one_does_not() {
    let mut world = sealed();
    let id =
        world.sql("select inference_id from inference_records")[2]["inference_id"].as_str().expect("text").to_owned();
    let proof = world.path("record.proof").display().to_string();
    world.json(&["records", "proof", &id, "-o", &proof]);
    let vkey = world.log_vkey();
    world.stop();
    std::fs::remove_dir_all(&world.data).expect("verify needs no data directory");
    let report = world.cli(&["--json", "verify", &proof, "--key", &vkey]);
    assert_eq!(report.json()["verdicts"][0]["verdict"], "pass", "{report:?}");

    let whole = std::fs::read_to_string(&proof).expect("text");
    // Every line says something that the proof stands on.
    for (number, line) in whole.lines().enumerate().filter(|(_, line)| line.len() > 20) {
        let first = line.find(char::is_alphanumeric).expect("there is one");
        let other = if line[first..].starts_with('A') { "B" } else { "A" };
        let changed = line.replacen(char::is_alphanumeric, other, 1);
        let text = whole.replacen(line, &changed, 1);
        let file = world.file("changed.proof", &text);
        let run = world.cli(&["--json", "verify", &file, "--key", &vkey]);
        assert_ne!(run.code, 0, "line {number} changed from `{line}` to `{changed}`: {run:?}");
    }
}
