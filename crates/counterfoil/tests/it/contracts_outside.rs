//! Contracts that data proposes or that another tool wrote, and what tools elsewhere say of their checks.

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

fn declare(world: &World, key: &str, owner: &str, dataset: &str, class: &str) {
    let mut words = vec!["data", "declare", dataset, "--class", class, "--source", "core/loans", "--licence", "own"];
    words.extend(["--lawful-basis", "contract", "--purposes", "development,training", "--owner", owner]);
    done(world, key, &words);
}

fn rows() -> String {
    let line = |n: u32| format!("{n},{},{},2026-01-{:02}\n", 10 + n % 50, ["car", "home"][n as usize % 2], n % 28 + 1);
    std::iter::once("id,amount,canary_kind,day\n".to_owned()).chain((1..=200).map(line)).collect()
}

#[test]
fn given_a_version_when_profiled_then_the_proposal_can_be_published_and_says_nothing_of_what_is_not_public() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, steward) = people::somebody_with(&world, &staff, "data_steward");
    let (_, stranger) = people::somebody(&world);
    declare(&world, &steward, &actor, "loans", "internal");
    declare(&world, &steward, &actor, "patients", "sensitive");
    let file = world.file("rows.csv", &rows());
    done(&world, &steward, &["data", "put", "loans", &file, "--version", "1", "--no-subjects"]);
    done(&world, &steward, &["data", "put", "patients", &file, "--version", "1", "--no-subjects"]);

    assert_eq!(
        tried(&world, &steward, &["data", "profile", "loans"]).error(),
        (65, "invalid".into()),
        "for no purpose"
    );
    let ask = ["--purpose", "development", "data", "profile", "loans@1"];
    assert_eq!(tried(&world, &stranger, &ask).error(), (65, "forbidden".into()));
    let out = world.path("proposed.toml").display().to_string();
    let told = done(&world, &steward, &["--purpose", "development", "data", "profile", "loans", "-o", &out]);
    assert_eq!((&told["version"], &told["rows"]), (&json!("1"), &json!(200)), "{told}");
    let text = std::fs::read_to_string(&out).expect("written");
    for part in ["closed = true", "unique = true", "IN ('car', 'home')", "amount-range", "day-range", "count(*) >= 100"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    done(&world, &steward, &["contracts", "try", &out]);
    let found = done(&world, &steward, &["--purpose", "development", "data", "check", "loans@1", "--contract", &out]);
    assert_eq!(found["verdict"], "passed", "{found}");
    assert_eq!(tried(&world, &steward, &["--purpose", "development", "data", "profile", "loans", "-o", &out]).code, 5);
    let printed = world.cli(&["--token", &steward, "--purpose", "development", "data", "profile", "loans@1"]);
    assert!(printed.out.contains("[[column]]"), "{printed:?}");

    let hidden = done(&world, &steward, &["--purpose", "development", "data", "profile", "patients"]);
    let text = hidden["text"].as_str().expect("a text");
    assert!(text.contains("name = \"amount\"") && !text.contains("home") && !text.contains("-range"), "{text}");
    assert!(hidden["left_out"].to_string().contains("values of column `amount`"), "{hidden}");

    let cookie = people::session(&world, &steward);
    let page = |path: &str| http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &cookie)], "").text();
    assert!(page("/data/loans/1").contains("Propose a contract"));
    let shown = page("/data/loans/profile?version=1&purpose=development");
    assert!(shown.contains("amount-range"), "{shown}");
}

#[test]
fn given_a_contract_of_the_open_standard_when_imported_then_it_can_be_tried_and_the_rest_is_listed_by_its_place() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, steward) = people::somebody_with(&world, &staff, "data_steward");
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\nschema:\n- name: loans\n  properties:\n\
                \x20 - name: id\n    logicalType: integer\n    required: true\n    unique: true\n\
                \x20 - name: kind\n    logicalType: string\n    quality:\n    - metric: invalidValues\n      mustBeLessThan: 5\n\
                \x20     arguments: {validValues: [car, home]}\n    - type: text\n      description: a kind\n";
    let file = world.file("loans.odcs.yaml", text);
    let out = world.path("imported.toml").display().to_string();
    let told = done(&world, &steward, &["contracts", "import", "--from", "odcs", &file, "-o", &out]);
    assert!(told["left_out"].to_string().contains("schema.loans.kind.quality 2"), "{told}");
    let tries = done(&world, &steward, &["contracts", "try", &out]);
    assert_eq!(tries["dataset"], "loans", "{tries}");
    let refused = world.cli(&["--json", "contracts", "import", "--from", "odcs", &out, "-o", &out]);
    assert_eq!(refused.error().0, 65, "{refused:?}");

    let send = |body: Value| {
        let (bearer, json) = (format!("Bearer {steward}"), "application/json");
        let headers = [("authorization", bearer.as_str()), ("content-type", json)];
        http::send(Method::POST, &format!("{}/api/v1/contracts/import", world.url), &headers, body.to_string())
    };
    let made = send(json!({"from": "odcs", "text": text, "dataset": "credits"})).json();
    assert!(made["text"].as_str().is_some_and(|text| text.contains("dataset = \"credits\"")), "{made}");
    let refused = send(json!({"from": "odcs", "text": "a: &b 1"})).json();
    assert!(refused["error"]["message"].as_str().is_some_and(|why| why.starts_with("line 1: anchors")), "{refused}");
}

#[test]
fn given_results_of_other_tools_when_reported_then_they_stand_beside_our_checks_with_their_name_and_open_nothing() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, steward) = people::somebody_with(&world, &staff, "data_steward");
    let (_, stranger) = people::somebody(&world);
    declare(&world, &steward, &actor, "loans", "internal");
    let file = world.file("rows.csv", &rows());
    done(&world, &steward, &["data", "put", "loans", &file, "--version", "1"]);
    let fixture = |name: &str| tools::repository(&format!("crates/ingest/testdata/{name}")).display().to_string();
    let (validation, run, manifest) =
        (fixture("gx_validation.json"), fixture("dbt_run_results.json"), fixture("dbt_manifest.json"));

    let report = ["data", "report-checks", "loans@1", "--from", "great-expectations", &validation];
    assert_eq!(tried(&world, &stranger, &report).error(), (65, "forbidden".into()));
    let told = done(&world, &steward, &report);
    assert_eq!((&told["verdict"], &told["tool"]), (&json!("failed"), &json!("great_expectations")), "{told}");
    let report = ["data", "report-checks", "loans", "--from", "dbt", &run, "--manifest", &manifest];
    let told = done(&world, &steward, &report);
    assert_eq!((&told["verdict"], &told["version"]), (&json!("failed"), &Value::Null), "{told}");
    let missing = ["data", "report-checks", "loans@9", "--from", "dbt", &run];
    assert_eq!(tried(&world, &steward, &missing).error(), (65, "not_found".into()));

    world.json(&["records", "seal"]);
    let said = "select reported_by, version, blocking, count(*) as n from dataset_checks group by 1, 2, 3 order by 1";
    let said = world.sql(said);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((&said[0]["reported_by"], &said[0]["version"]), (&json!("dbt"), &Value::Null));
    assert_eq!((&said[1]["version"], &said[1]["blocking"]), (&json!("1"), &json!(false)));

    let out = world.path("out.csv").display().to_string();
    let train = ["--purpose", "training", "data", "get", "loans", "1", "-o", &out];
    assert_eq!(tried(&world, &staff.trainer.1, &train).error(), (65, "forbidden".into()), "there is no contract");
    let read = ["--purpose", "development", "data", "get", "loans", "1", "-o", &out];
    assert_eq!(tried(&world, &staff.trainer.1, &read).code, 0, "what failed elsewhere shuts nothing away");
    let cookie = people::session(&world, &steward);
    let page = http::send(Method::GET, &format!("{}/data/loans/1", world.url), &[("cookie", &cookie)], "").text();
    assert!(page.contains("said by great expectations"), "{page}");
    let command = json!({"command": "dataset.checks.report", "body": {
        "dataset": "loans", "report": "k_1", "tool": "dbt", "results": [
            {"rule": "id.not_null", "dimension": "completeness", "warns": false, "verdict": "passed"}]}});
    let bearer = format!("Bearer {steward}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let forged = http::send(Method::POST, &format!("{}/api/v1/commands", world.url), &headers, command.to_string());
    assert_eq!(forged.status, 422, "{}", forged.text());
}
