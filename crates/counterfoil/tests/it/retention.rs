//! Data that is due goes: from the command line, past a kill, up to what an auditor's tools say of what is left.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use domain::serving::InferenceCore;
use engine::{Engine, EngineOptions};
use ledger::records::Payload;
use serde_json::Value;
use vault::SubjectRef;

use crate::support::people::{Staff, somebody_with};
use crate::support::{World, tools};

/// How a test opens the data directory of a world that no server uses.
pub fn options(world: &World, node: &str) -> EngineOptions {
    EngineOptions {
        dir: world.data.clone(),
        state: None,
        organisation: "Test".into(),
        origin: None,
        retention_days: 30,
        node: node.to_owned(),
        program: "test".into(),
        roll_records: 1000,
        roll_bytes: 1 << 20,
        roll_after: Duration::from_secs(60),
        outbound: engine::Outbound::default(),
        sessions: engine::SessionLimits::default(),
        custody: engine::CustodyOptions::default(),
        archive: None,
        objects: None,
        columnar: None,
    }
}

/// Puts payloads of a day years ago into a data directory that no server uses, as if they had been recorded then.
fn record_old(world: &World, node: &str, day: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::open(options(world, node)).await.expect("the data directory opens");
        for number in 0..3_u8 {
            append(&engine, day, number).await;
        }
        engine.shutdown().await.expect("ends well");
    });
}

/// The name of the node, as its records' files have it.
pub fn node(world: &World) -> String {
    let said = world.sql("select node_id from nodes");
    said[0]["node_id"].as_str().expect("a node").to_owned()
}

async fn append(engine: &Arc<Engine>, day: &str, number: u8) {
    let (subject, now) = (SubjectRef([number; 16]), u64::try_from(Engine::now_ms()).expect("after 1970"));
    let sealed = engine.vault().seal("internal", day, &subject, &[(1, b"a secret")], now).expect("sealed");
    let core = InferenceCore {
        inference_id: format!("018f3c2e-7d4b-7000-8000-{number:012}"),
        ts_start: Engine::now_us(),
        ts_end: Engine::now_us(),
        door: "openai.chat.completions".into(),
        status: "ok".into(),
        classification: "internal".into(),
        day: day.into(),
        r: sealed.r.to_vec(),
        ct_sha256: sealed.ct_sha256.to_vec(),
        c_root: sealed.c_root.to_vec(),
        ..InferenceCore::default()
    };
    engine.records().append(core, Payload { ct: sealed.ct, subject_ref: subject.0 }).await.expect("durable");
}

#[test]
fn given_payloads_of_an_old_day_when_due_then_they_go_past_holds_and_kills_and_an_auditor_sees_why() {
    let mut world = World::new();
    let staff = Staff::new(&world);
    let (_, privacy) = somebody_with(&world, &staff, "privacy_officer");
    let (_, lead) = somebody_with(&world, &staff, "compliance_lead");
    let run = |world: &World| world.json(&["--token", &privacy, "retention", "run"])["disposals"].clone();
    world.json(&["--token", &privacy, "retention", "set", "all", "--days", "30", "--basis", "POL-7"]);
    let node = node(&world);
    world.stop();
    record_old(&world, &node, "2020-01-01");
    world.start();

    let place = ["--token", &lead, "holds", "place", "class/internal", "--reference", "CASE-3"];
    let hold = world.json(&place)["hold"].as_str().expect("a hold").to_owned();
    assert_eq!(run(&world), Value::from(Vec::<Value>::new()), "it is held");
    let due = world.json(&["--token", &privacy, "retention", "due", "--days", "0"])["due"].clone();
    assert_eq!((due[0]["class"].as_str(), due[0]["day"].as_str()), (Some("internal"), Some("2020-01-01")), "{due}");
    assert_eq!((&due[0]["rows"], &due[0]["held_by"][0]), (&Value::from(3), &Value::from(hold.as_str())), "{due}");
    let shorter = ["--json", "--token", &privacy, "retention", "set", "all", "--days", "7", "--basis", "POL-7"];
    assert_eq!(world.cli(&shorter).error().1, "forbidden", "what would go sooner, somebody else approves");
    let asked = world.json(&[&shorter[1..], &["--ask", "CHG-7"]].concat());
    assert!(asked["approval"].as_str().is_some_and(|approval| approval.starts_with("p_")), "{asked}");
    let own = ["--json", "--token", &lead, "holds", "release", &hold, "--reference", "CASE-3"];
    assert_eq!(world.cli(&own).error().1, "forbidden", "they placed it");
    world.json(&["--token", &privacy, "holds", "release", &hold, "--reference", "CASE-3"]);

    world.server().kill();
    world.start();
    let disposals = run(&world);
    let id = disposals[0].as_str().expect("one went").to_owned();
    assert_eq!(run(&world), Value::from(Vec::<Value>::new()), "once");
    let confirm = |token: &str| {
        let words = ["--json", "--token", token, "retention", "confirm", &id, "--reference", "CHECK-1"];
        world.cli(&words)
    };
    assert_eq!(confirm(&privacy).error().1, "forbidden", "they made the rule");
    assert_eq!(confirm(&lead).code, 0);
    let gone =
        &world.sql("select object_id, method, replicas_total, replicas_confirmed, verified_by from deletions")[0];
    assert_eq!(gone["object_id"], "payloads/internal/2020-01-01");
    assert_eq!(
        (&gone["method"], &gone["replicas_total"]),
        (&Value::from("key_destroyed"), &gone["replicas_confirmed"])
    );
    let objects = world.sql("select deleted_at from data_objects where object_id = 'payloads/internal/2020-01-01'");
    assert!(!objects[0]["deleted_at"].is_null(), "{objects:?}");

    world.chat("chat");
    world.json(&["records", "seal"]);
    let pack = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "--payloads", "-o", &pack]);
    let report = world.cli(&["--json", "verify", &pack]);
    assert_eq!((report.code, &report.json()["verdicts"][4]["verdict"]), (0, &Value::from("pass")), "{report:?}");
    assert!(report.out.contains("payload.disposed") && report.out.contains("rule `all`"), "{report:?}");

    let Some(python) = tools::python("DuckDB reads tables whose payloads went", "duckdb_extension_delta") else {
        return;
    };
    let reader = tools::client("delta_reader.py");
    let said = tools::run(Command::new(python).arg(reader).env("RECORDS", world.data.join("records")));
    let seen: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&seen["payloads"], seen["ids"].as_array().map(Vec::len)), (&Value::from(1), Some(4)), "{seen}");
}
