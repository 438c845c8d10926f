//! Contracts from the command line: published with an approval, checked as versions come in, quarantined, looked into,
//! released, and the gate on training.

use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{Run, World, http, people, tools};

#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

fn tried(world: &World, key: &str, arguments: &[&str]) -> Run {
    world.cli(&[&["--json", "--token", key], arguments].concat())
}

const CONTRACT: &str = r#"name = "loans"
dataset = "loans"
closed = true
keys = [["id"]]

[[column]]
name = "id"
type = "integer"
required = true

[[column]]
name = "amount"
type = "integer"
required = true
unit = "EUR"
min = 1
max = 1000

[[column]]
name = "paid"
type = "integer"

[[rule]]
name = "paid-not-more"
row = "paid <= amount"
dimension = "consistency"

[[reference]]
name = "as-booked"
columns = ["id"]
dataset = "bookings"
agree = ["amount"]
"#;

fn declare<'a>(dataset: &'a str, owner: &'a str) -> Vec<&'a str> {
    let mut words = vec!["data", "declare", dataset, "--class", "confidential", "--source", "core/loans"];
    words.extend(["--licence", "own", "--purposes", "development,training,operation", "--owner", owner]);
    words
}

fn rows(world: &World, name: &str, third: &str) -> String {
    world.file(name, &format!("id,amount,paid\n1,100,50\n2,200,200\n{third}\n"))
}

#[test]
fn given_a_contract_when_versions_come_in_then_what_breaks_it_is_shut_away_and_training_waits_for_what_passed() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, steward) = people::somebody_with(&world, &staff, "data_steward");
    let (_, privacy) = people::somebody_with(&world, &staff, "privacy_officer");
    for dataset in ["loans", "bookings"] {
        done(&world, &steward, &declare(dataset, &actor));
    }
    let booked = world.file("bookings.csv", "id,amount\n1,100\n2,200\n3,300\n");
    done(&world, &steward, &["data", "put", "bookings", &booked, "--version", "1"]);

    let broken = world.file("broken.toml", &CONTRACT.replace("paid <= amount", "paid <= sum"));
    let refused = tried(&world, &steward, &["contracts", "publish", &broken, "--ask", "CHG-1"]);
    assert_eq!(refused.error(), (65, "invalid".into()));
    let file = world.file("loans.toml", CONTRACT);
    let tries = done(&world, &steward, &["contracts", "try", &file]);
    assert_eq!(tries["checks"].as_array().map(Vec::len), Some(10), "{tries}");
    assert_eq!(tried(&world, &steward, &["contracts", "publish", &file]).error(), (65, "forbidden".into()));
    let asked = done(&world, &steward, &["contracts", "publish", &file, "--ask", "CHG-1"]);
    let approval = asked["approval"].as_str().expect("an approval");
    done(&world, &staff.approver.1, &["approvals", "approve", approval]);
    let published = done(&world, &steward, &["contracts", "publish", &file]);
    assert_eq!((&published["contract"], &published["version"]), (&json!("loans"), &json!(1)));
    assert_eq!(done(&world, &steward, &["contracts", "list"])[0]["contract"], "loans");

    let good = rows(&world, "good.csv", "3,300,1");
    let stored = done(&world, &steward, &["data", "put", "loans", &good, "--version", "good"]);
    assert_eq!((&stored["check"]["verdict"], &stored["check"]["rows"]), (&json!("passed"), &json!(3)), "{stored}");
    let bad = rows(&world, "bad.csv", "3,301,4000");
    let refused = tried(&world, &steward, &["data", "put", "loans", &bad, "--version", "bad"]);
    assert_eq!(refused.code, 2, "a pipeline stops here: {refused:?}");
    let stored = refused.json();
    assert_eq!((&stored["check"]["verdict"], &stored["check"]["quarantined"]), (&json!("failed"), &json!(true)));

    // A text of one's own asks about the rows what a read of them does.
    let own = ["data", "check", "loans@good", "--contract", &file];
    assert_eq!(tried(&world, &steward, &own).error(), (65, "invalid".into()), "for no purpose");
    let found = done(&world, &steward, &[&["--purpose", "development"][..], &own].concat());
    assert_eq!((&found["verdict"], &found["check"]), (&json!("passed"), &Value::Null), "{found}");
    let shut = ["--purpose", "development", "data", "check", "loans@bad", "--contract", &file];
    assert_eq!(tried(&world, &steward, &shut).error(), (65, "forbidden".into()), "it is quarantined");

    let out = world.path("out.csv").display().to_string();
    let read = |key: &str, purpose: &str, version: &str| {
        tried(&world, key, &["--purpose", purpose, "data", "get", "loans", version, "-o", &out])
    };
    assert_eq!(read(&staff.trainer.1, "training", "good").code, 0);
    for purpose in ["training", "development"] {
        assert_eq!(read(&staff.trainer.1, purpose, "bad").error(), (65, "forbidden".into()), "{purpose}");
    }

    let kept = world.path("kept.jsonl").display().to_string();
    let look = ["data", "rows", "loans@bad", "--quarantined", "-o", &kept];
    assert_eq!(tried(&world, &staff.trainer.1, &look).error(), (65, "forbidden".into()));
    done(&world, &steward, &look);
    let lines = std::fs::read_to_string(&kept).expect("written");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let rules: Vec<&str> = lines.iter().filter_map(|line| line["counterfoil_rules"].as_str()).collect();
    assert_eq!(rules, ["paid-not-more", "as-booked"]);
    assert!(lines.iter().all(|line| line["id"] == 3));
    let report = world.path("kept.parquet").display().to_string();
    done(&world, &steward, &["data", "rows", "loans@bad", "--quarantined", "-o", &report]);
    if let Some(python) = tools::python("DuckDB reads the quarantine report", "duckdb") {
        let ask = format!("select id, counterfoil_rules from '{report}' order by 2");
        let ask = format!("import duckdb\nprint(duckdb.sql(\"{ask}\").fetchall())");
        let answer = tools::run(Command::new(&python).args(["-c", &ask]));
        assert_eq!(answer.trim(), "[(3, 'as-booked'), (3, 'paid-not-more')]");
    }

    let cookie = people::session(&world, &steward);
    for (path, text) in
        [("/data/loans/bad", "quarantined"), ("/data/contracts", "paid-not-more"), ("/data/loans", "good")]
    {
        let page = http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &cookie)], "").text();
        assert!(page.contains(text), "{path}: {page}");
    }

    let check = ["data", "check", "loans@bad", "--stage", "features", "--run", "nightly/7"];
    assert_eq!(tried(&world, &staff.trainer.1, &check).code, 2, "a pipeline stops");
    let release = ["data", "release", "loans@bad", "--reference", "CHG-2"];
    assert_eq!(tried(&world, &steward, &release).error(), (65, "forbidden".into()), "not by whoever stored it");
    done(&world, &privacy, &release);
    assert_eq!(read(&staff.trainer.1, "development", "bad").code, 0);
    assert_eq!(read(&staff.trainer.1, "training", "bad").error(), (65, "forbidden".into()));

    world.json(&["records", "seal"]);
    let steps = "select stage, status, run_id from pipeline_steps where dataset_id = 'loans' order by ts, stage";
    assert_eq!(
        world.sql(steps),
        [
            json!({"stage": "ingest", "status": "completed", "run_id": null}),
            json!({"stage": "ingest", "status": "released", "run_id": null}),
            json!({"stage": "features", "status": "released", "run_id": "nightly/7"}),
        ]
    );
    let contracts = "select contract_id, version, in_force_until from dataset_contracts where dataset_id = 'loans'";
    assert_eq!(world.sql(contracts), [json!({"contract_id": "loans", "version": 1, "in_force_until": null})]);
    let run = world.json(&["controls", "run", "AI-DG-03"])["runs"][0].take();
    assert_eq!((&run["outcome"], &run["population"]), (&json!("pass"), &json!(1)), "{run}");
}

#[test]
fn given_a_suite_of_expectations_when_imported_then_the_contract_can_be_tried_and_what_it_does_not_say_is_listed() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, steward) = people::somebody_with(&world, &staff, "data_steward");
    let suite = world.file(
        "suite.json",
        r#"{"name": "loans", "expectations": [
            {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10}},
            {"type": "expect_column_values_to_be_between",
             "kwargs": {"column": "amount", "min_value": 1, "max_value": 9, "mostly": 0.9}},
            {"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "amount", "type_": "int64"}},
            {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "code", "regex": "[A-Z]", "mostly": 0.5}},
            {"type": "expect_column_values_to_be_dateutil_parseable", "kwargs": {"column": "code"}}]}"#,
    );
    let out = world.dir.path().join("imported.toml").display().to_string();
    let told = done(&world, &steward, &["contracts", "import", &suite, "-o", &out]);
    assert!(told["left_out"].to_string().contains("expect_column_values_to_be_dateutil_parseable of `code`"), "{told}");
    let tried = done(&world, &steward, &["contracts", "try", &out]);
    let rules: Vec<&str> =
        tried["checks"].as_array().expect("checks").iter().filter_map(|one| one["rule"].as_str()).collect();
    assert!(["expectation-1", "expectation-2", "expectation-4"].iter().all(|rule| rules.contains(rule)), "{rules:?}");
    let again = world.cli(&["--json", "contracts", "import", &suite, "-o", &out]);
    assert_eq!(again.error(), (5, "io".into()), "what is there is not written over");
}
