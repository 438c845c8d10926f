//! Where data may go, from the command line to the wire: what is refused, and the provider saw nothing; what is authorised,
//! and passes until it ends; and what the tables and the report say of it.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::people::{Staff, somebody_with};
use crate::support::{World, data, tools};

/// What an application with the stock client is told.
const CLIENT: &str = r#"
import os, openai
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
try:
    client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hello"}])
    print("answered")
except openai.PermissionDeniedError as error:
    print(error.status_code, error.code, error.body["message"])
"#;

/// The organisation with a provider in the United States, and with regions and rules.
fn org(world: &World) -> String {
    let abroad = world.org().replacen("kind = \"openai\"\n", "kind = \"openai\"\nregion = \"us-east-1\"\n", 1);
    format!(
        r#"{abroad}
[region.au]
[region.au-syd]
within = "au"
[region.us]
[region.us-east-1]
within = "us"

[[residency]]
class = "confidential"
regions = ["au"]
reference = "POL-9"

[[residency]]
class = "personal"
regions = ["au"]
reference = "POL-9"
"#
    )
}

/// A server in Sydney, with these rules in force.
fn ruled() -> World {
    let world = World::with(&[("COUNTERFOIL_NODE_REGION", "au-syd")]);
    let file = world.file("org.toml", &org(&world));
    world.json(&["apply", "-f", &file, "--yes"]);
    world
}

#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("a time")
}

/// A call of the provider is refused by the rule, and nothing reached the provider.
#[track_caller]
fn assert_refused(world: &World, seen: usize) {
    let answer = world.chat("chat");
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (403, &json!("residency")), "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("`confidential@1`") && message.contains("`us-east-1`"), "{message}");
    assert_eq!(world.upstream.seen().len(), seen, "the provider saw something");
}

#[test]
fn given_a_provider_abroad_when_called_then_nothing_leaves_until_it_is_authorised_and_nothing_after_that_ended() {
    let world = ruled();
    assert_refused(&world, 0);
    if let Some(python) = tools::python("what the Python OpenAI client is told", "openai") {
        let mut client = Command::new(python);
        client.args(["-c", CLIENT]).env("BASE_URL", format!("{}/v1", world.url)).env("API_KEY", &world.key);
        let said = tools::run(&mut client);
        assert!(said.starts_with("403 residency ") && said.contains("confidential@1"), "{said}");
        assert_refused(&world, 0);
    }
    let check = ["residency", "check", "--class", "confidential", "--of", "provider/stand-in", "--to"];
    assert_eq!(
        world.cli(&[&["--json"][..], &check[..], &["us-east-1"][..]].concat()).error(),
        (65, "residency".into())
    );
    assert_eq!(world.json(&[&check[..], &["au"][..]].concat())["permitted"], true);

    let staff = Staff::new(&world);
    let (_, officer) = somebody_with(&world, &staff, "privacy_officer");
    let (_, compliance) = somebody_with(&world, &staff, "compliance_lead");
    let ends_at = now_ms() + 25_000;
    let asked = done(
        &world,
        &compliance,
        &[
            "residency",
            "authorise",
            "--class",
            "confidential",
            "--of",
            "provider/stand-in",
            "--from",
            "au",
            "--to",
            "us",
            "--basis",
            "contract_clauses",
            "--reference",
            "DPA-4",
            "--expires",
            "25s",
        ],
    );
    let approval = asked["approval"].as_str().expect("a request");
    let early = world.cli(&["--json", "--token", &compliance, "approvals", "carry-out", approval]);
    assert_eq!(early.error(), (65, "forbidden".into()), "nobody agreed yet");
    done(&world, &officer, &["approvals", "approve", approval]);
    assert_refused(&world, 0);
    done(&world, &compliance, &["approvals", "carry-out", approval]);
    assert_eq!(world.chat("chat").status, 200);
    assert_eq!(world.upstream.seen().len(), 1);
    let places = world.json(&["residency", "report"]);
    let chat = places.as_array().expect("places").iter().find(|place| place["what"] == "route chat: stand-in/chat");
    let chat = chat.expect("the route is in the report");
    assert_eq!((&chat["standing"], &chat["jurisdiction"]), (&json!("authorised"), &json!("us")));
    assert_eq!((&chat["legal_basis"], &chat["reference"]), (&json!("contract_clauses"), &json!("DPA-4")));

    // It ends by itself, with no event that says so.
    let left = (ends_at + 3_000).saturating_sub(now_ms());
    std::thread::sleep(Duration::from_millis(left));
    assert_refused(&world, 1);
    let csv = world.cli(&["residency", "report", "--csv"]);
    assert!(csv.out.starts_with("kind,name,what,class,region,"), "{csv:?}");
    assert!(
        csv.out.contains("service,support,route chat: stand-in/chat,confidential,us-east-1,us,refused,"),
        "{csv:?}"
    );

    world.json(&["records", "seal"]);
    let made = "select decision, policy_id, from_region, to_region, crosses, legal_basis from transfers \
                where decision = 'allow'";
    let passed = json!([{
        "decision": "allow", "policy_id": "confidential@1", "from_region": "au-syd", "to_region": "us-east-1",
        "crosses": true, "legal_basis": "contract_clauses",
    }]);
    assert_eq!(json!(world.sql(made)), passed);
    let refused = "select count(*) as n from transfers where decision = 'deny' and authorisation_id is null";
    assert!(world.sql(refused)[0]["n"].as_u64().is_some_and(|n| n >= 3), "each refusal is on record");
    let runs = world.json(&["controls", "run", "AI-RS-02"]);
    assert_eq!(runs["runs"][0]["outcome"], "pass", "{runs}");
}

#[test]
fn given_a_data_set_under_a_rule_when_read_then_it_goes_to_no_other_region_and_what_was_tried_is_on_record() {
    let world = ruled();
    let staff = Staff::new(&world);
    let person = somebody_with(&world, &staff, "data_steward");
    data::declare_loans(&world, &person, "personal", &["--region", "au", "--subject-country", "au"]);
    let (_, steward) = person;
    let file = world.file("loans.csv", "id\n1\n");
    done(&world, &steward, &["data", "put", "loans", &file, "--version", "1", "--no-subjects"]);
    let read = world.path("read.csv").display().to_string();
    let get = |to: &[&str]| {
        let words =
            ["--json", "--token", &steward, "--purpose", "development", "data", "get", "loans", "1", "-o", &read];
        world.cli(&[&words[..], to].concat())
    };
    let unsaid = get(&[]);
    assert_eq!(unsaid.error(), (65, "forbidden".into()));
    assert!(unsaid.err.contains("--to-region") && unsaid.err.contains("residency:personal@1"), "{unsaid:?}");
    assert_eq!(get(&["--to-region", "us-east-1"]).error(), (65, "forbidden".into()));
    assert!(!world.path("read.csv").exists());
    assert_eq!(get(&["--to-region", "au-syd"]).code, 0);
    assert_eq!(std::fs::read_to_string(&read).expect("it was written"), "id\n1\n");
    let tried = world.sql("select decision, to_region, rule_id from dataset_transfers order by ts, attempt_id");
    let refused = |to: Option<&str>| json!({"decision": "deny", "to_region": to, "rule_id": "personal@1"});
    assert_eq!(tried, [refused(None), refused(Some("us-east-1"))]);
    let stored = world.sql("select region from data_objects where kind = 'dataset'");
    assert_eq!(stored, [json!({"region": "au-syd"})]);
}
