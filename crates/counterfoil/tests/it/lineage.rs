//! Lineage through the real doors: the stock client, what dbt sends, what is malformed, and what models learned from.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::people::{self, Person, Staff};
use crate::support::{World, data, http, tools};

const FEATURES: &str = "dataset:duckdb://dbtp/db.duckdb:db.main.features";
const RUN: &str = "01a204ce-f484-7f71-af44-93561f30881c";

/// A steward with the data set `loans`, which has version 1, and a program of theirs that may report.
fn with_loans(world: &World, staff: &Staff) -> (Person, String) {
    let steward = data::steward_of_loans(world, staff, "internal");
    let rows = world.file("loans.csv", "id,age\n1,40\n");
    as_(world, &steward.1, &["data", "put", "loans", &rows, "--version", "1"]);
    let program = world.json(&["people", "add", "--kind", "service"])["actor"].as_str().expect("an actor").to_owned();
    let asked = people::ask(world, &program, "data_steward", "org");
    world.json(&["--token", &staff.lead.1, "grants", "approve", &asked]);
    let key = world.json(&["keys", "create", "--actor", &program, "--expires", "1d"]);
    (steward, key["secret"].as_str().expect("a secret").to_owned())
}

#[track_caller]
fn as_(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

fn post(
    world: &World,
    key: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> http::Response {
    let bearer = format!("Bearer {key}");
    let ours = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    http::send(Method::POST, &format!("{}{path}", world.url), &[&ours, headers].concat(), body)
}

/// Whether a file below a directory has this text in it.
fn lies_in(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => lies_in(&path, text),
        false => memchr::memmem::find(&std::fs::read(&path).unwrap_or_default(), text.as_bytes()).is_some(),
    })
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str()).collect()
}

#[test]
fn given_what_dbt_sent_when_replayed_then_tables_columns_models_and_pages_show_it_and_no_sql_lies_in_clear() {
    let world = World::new();
    let staff = Staff::new(&world);
    let (steward, program) = with_loans(&world, &staff);
    let alias =
        ["lineage", "alias", "loans", "--namespace", "duckdb://dbtp/db.duckdb", "--name", "db.main.raw_customers"];
    as_(&world, &steward.1, &alias);
    let recorded =
        std::fs::read_to_string(tools::repository("crates/counterfoil/tests/lineage/dbt.jsonl")).expect("text");
    for event in recorded.lines() {
        let answer = post(&world, &program, "/api/v1/lineage", &[], event.to_owned());
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "success"})));
    }
    assert!(!lies_in(&world.data, "age*2 as age2"), "what events say beside names is sealed");

    let down = as_(&world, &steward.1, &["lineage", "impact", "dataset/loans"]);
    assert!(ids(&down).contains(&FEATURES), "{down}");
    let up = as_(&world, &steward.1, &["lineage", "impact", "--up", FEATURES]);
    assert!(ids(&up).contains(&"dataset:counterfoil:loans") && ids(&up).contains(&"version:loans:1"), "{up}");
    let column = as_(&world, &steward.1, &["lineage", "impact", "dataset/loans", "--column", "age"]);
    let last = column["columns"].as_array().and_then(|columns| columns.last()).expect("a column");
    assert_eq!(last, &json!({"dataset": FEATURES, "column": "age2", "distance": 1}));

    let bearer = format!("Bearer {}", steward.1);
    let headers = [("authorization", bearer.as_str())];
    let around =
        http::send(Method::GET, &format!("{}/api/v1/lineage?nodeId={FEATURES}&depth=5", world.url), &headers, "");
    let around = around.json();
    let graph = around["graph"].as_array().expect("a graph");
    let job = graph.iter().find(|node| node["id"] == "job:ml:db.main.p.features.build.run").expect("the job");
    assert_eq!((&job["type"], &job["data"]["namespace"]), (&json!("JOB"), &json!("ml")));
    assert_eq!(job["outEdges"], json!([{"origin": "job:ml:db.main.p.features.build.run", "destination": FEATURES}]));
    let unknown = format!("{}/api/v1/lineage?nodeId=dataset:a:b", world.url);
    assert_eq!(http::send(Method::GET, &unknown, &headers, "").status, 404);

    let edges = "select distinct input_node, output_node, kind, job_id from lineage_edges where input_node = \
                 'dataset:counterfoil:loans' and output_node is not null";
    let expected = json!({
        "input_node": "dataset:counterfoil:loans", "output_node": FEATURES, "kind": "run",
        "job_id": "job:ml:db.main.p.features.build.run",
    });
    assert_eq!(world.sql(edges), [expected]);
    let seq = world.sql("select max(seq) as seq from lineage_edges where kind = 'run' and job_id like '%build.run'");
    let seq = seq[0]["seq"].to_string();
    let event = as_(&world, &steward.1, &["lineage", "event", &seq]);
    assert!(event["job"]["facets"]["sql"]["query"].as_str().is_some_and(|sql| sql.contains("age*2")), "{event}");

    let cookie = people::session(&world, &steward.1);
    let page = |query: &str| {
        http::send(Method::GET, &format!("{}/data/lineage{query}", world.url), &[("cookie", &cookie)], "").text()
    };
    let shown = page("?node=dataset%2Floans&column=age");
    for text in ["<svg class=\"graph\"", "db.main.features", "db.main.p.features.build.run", ">age2</a>"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    assert!(page("").contains("dataset:duckdb://dbtp/db.duckdb:db.main.features"));
    assert!(page("?node=dataset%2Fnone").contains("Nothing is known"));
    let run = world.json(&["controls", "run", "AI-DG-04"])["runs"][0].take();
    assert_eq!(run["outcome"], "pass", "{run}");
}

#[test]
fn given_events_that_are_wrong_when_sent_then_each_is_told_why_and_the_rest_of_a_batch_is_taken() {
    let world = World::new();
    let staff = Staff::new(&world);
    let (_, program) = with_loans(&world, &staff);
    let event = |change: &dyn Fn(&mut Value)| {
        let mut event = json!({
            "eventType": "COMPLETE", "eventTime": "2026-11-22T19:50:10.197678901", "run": {"runId": RUN},
            "job": {"namespace": "ml", "name": "j"}, "inputs": [{"namespace": "counterfoil://loans", "name": "1"}],
        });
        change(&mut event);
        event
    };
    let good = event(&|_| {});
    let nameless = event(&|event| event["inputs"][0]["name"] = json!(7));
    let elsewhere = event(&|event| event["inputs"][0]["namespace"] = json!("counterfoil://cars"));
    let one = |body: String, headers: &[(&str, &str)]| {
        let answer = post(&world, &program, "/api/v1/lineage", headers, body);
        (answer.status, answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    for (body, status, word) in [
        (nameless.to_string(), 422, "inputs[0].name"),
        (elsewhere.to_string(), 404, "cars"),
        ("{\"a\":".to_owned(), 400, "JSON"),
        ("[]".to_owned(), 422, "object"),
    ] {
        let (got, message) = one(body, &[]);
        assert!(got == status && message.contains(word), "{got} {message}");
    }
    assert_eq!(one("not gzip".to_owned(), &[("content-encoding", "gzip")]).0, 400);
    assert_eq!(one(good.to_string(), &[("content-encoding", "br")]).0, 415);

    let packed = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).expect("in memory");
        packer.finish().expect("in memory")
    };
    let gzip = [("content-encoding", "gzip")];
    assert_eq!(post(&world, &program, "/api/v1/lineage", &gzip, packed(good.to_string().as_bytes())).status, 200);
    let bomb = packed(&vec![b' '; 256 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(post(&world, &program, "/api/v1/lineage", &gzip, bomb).status, 413);

    let batch = |events: Value| post(&world, &program, "/api/v1/lineage/batch", &[], events.to_string());
    let answer = batch(json!([good, nameless, elsewhere, good]));
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["status"], "partial_success");
    let summary = json!({"received": 4, "successful": 2, "failed": 2, "retriable": 1, "non_retriable": 1});
    assert_eq!(answer["summary"], summary);
    assert_eq!((&answer["failed_events"][0]["index"], &answer["failed_events"][1]["index"]), (&json!(1), &json!(2)));
    assert_eq!(batch(json!([good])).json()["status"], "success");
    assert_eq!(batch(json!([nameless])).status, 422);
    assert_eq!(batch(json!({})).status, 400);
    let outsider = people::somebody(&world);
    assert_eq!(post(&world, &outsider.1, "/api/v1/lineage", &[], good.to_string()).status, 403);
    let taken = world.sql("select count(*) as n from events where type = 'lineage.reported'");
    assert_eq!(taken[0]["n"], 4);
}

#[test]
fn given_a_model_when_it_says_what_it_learned_from_then_impact_leads_to_it_from_the_version_and_by_the_run() {
    let world = World::new();
    let staff = Staff::new(&world);
    let (steward, _) = with_loans(&world, &staff);
    let read = world.path("read.csv").display().to_string();
    let get = ["--purpose", "development", "data", "get", "loans", "1", "-o", &read, "--run", RUN];
    as_(&world, &staff.trainer.1, &get);
    let model = tools::repository("examples/credit-risk/model.onnx");
    let text = format!(
        "[[model]]\nname = \"learned\"\nversion = \"1\"\nfile = \"{0}\"\ntrained_on = [\"loans@1\"]\n\n\
         [[model]]\nname = \"learned\"\nversion = \"2\"\nfile = \"{0}\"\nrun = \"{RUN}\"\n",
        model.display()
    );
    let file = world.file("models.toml", &text);
    as_(&world, &staff.trainer.1, &["apply", "-f", &file, "--yes", "--only", "models"]);
    let down = as_(&world, &steward.1, &["lineage", "impact", "dataset/loans/1", "--counts"]);
    for id in ["model:learned:1", "model:learned:2", &format!("run:{RUN}")] {
        assert!(ids(&down).contains(&id), "{id} in {down}");
    }
    let training = world.sql("select output_node from lineage_edges where kind = 'training'");
    assert_eq!(training, [json!({"output_node": "model:learned:1"})]);
    let object = &world.sql("select object_id from data_objects where kind = 'dataset'")[0]["object_id"];
    let read = world.sql("select distinct input_id from lineage_edges where input_node = 'version:loans:1'");
    assert_eq!(read, [json!({"input_id": object})]);
    let shown = world.cli(&["--token", &steward.1, "lineage", "impact", "dataset/loans@1"]);
    assert!(shown.code == 0 && shown.out.contains("model       model:learned:2"), "{shown:?}");
}

#[test]
fn given_the_stock_client_when_it_reports_then_all_it_sends_is_taken_and_a_wrong_version_is_found() {
    let test = "given_the_stock_client_when_it_reports_then_all_it_sends_is_taken_and_a_wrong_version_is_found";
    let Some(python) = tools::python(test, "openlineage.client") else { return };
    let world = World::new();
    let staff = Staff::new(&world);
    let (_, program) = with_loans(&world, &staff);
    let said = tools::run(
        Command::new(python)
            .arg(tools::client("openlineage_client.py"))
            .env("OPENLINEAGE_URL", &world.url)
            .env("OPENLINEAGE_API_KEY", &program),
    );
    assert!(said.contains("reported"), "{said}");
    assert!(!lies_in(&world.data, "a canary of sql"));
    let read = world.sql("select input_node, checksum_matches from lineage_edges where checksum_matches is not null");
    assert_eq!(read, [json!({"input_node": "dataset:s3://lake:features", "checksum_matches": false})]);
    let people = world.json(&["lineage", "impact", "dataset:s3://lake:people"]);
    assert!(ids(&people).contains(&"dataset:s3://lake:report"), "{people}");
    assert!(ids(&people).contains(&"job:ml:nightly"), "{people}");
    let run = world.json(&["controls", "run", "AI-DG-04"])["runs"][0].take();
    assert_eq!(run["outcome"], "fail", "{run}");
}
