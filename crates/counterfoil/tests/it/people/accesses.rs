//! Records of accesses and reviews of access, through the command line, the pages and the verifiers.

use serde_json::Value;

use super::{run, somebody};
use crate::support::{World, tools};

/// A grant that holds: asked for by the administrator, approved with `lead`'s key if there is one.
fn hold(world: &World, actor: &str, role: &str, lead: Option<&str>) -> String {
    let asked = world.json(&super::ask(actor, role, "org"))["grant"].as_str().expect("a grant").to_owned();
    let key: Vec<&str> = lead.map(|key| vec!["--token", key]).unwrap_or_default();
    world.json(&[&key[..], &["grants", "approve", &asked]].concat());
    asked
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn given_accesses_when_sealed_and_exported_then_they_are_on_record_proven_and_in_the_package() {
    let world = World::new();
    world.json(&["--purpose", "audit", "sql", "select count(*) as n from inferences"]);
    let wrong = world.cli(&["--json", "--purpose", "curiosity", "sql", "select 1"]);
    assert_ne!(wrong.code, 0);
    let found = world.json(&["accesses", "mine", "--object", "inference_log"]);
    let access = &found["accesses"][0];
    assert_eq!(
        (text(access, "action"), text(access, "purpose_id"), text(access, "decision")),
        ("sql", "audit", "allow")
    );
    assert_eq!(text(access, "tables"), "inferences");
    world.json(&["records", "seal"]);
    let proof = world.dir.path().join("access.proof");
    let proof = proof.to_str().expect("a path");
    world.json(&["accesses", "proof", text(access, "event_id"), "-o", proof]);
    let key = world.log_vkey();
    let verified = world.cli(&["verify", proof, "--key", &key]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("sql of inference_log"), "{verified:?}");

    let package = world.dir.path().join("evidence.zip");
    let package = package.to_str().expect("a path");
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", package]);
    let verified = world.cli(&["verify", package, "--key", &key]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let offline = world.json(&[
        "sql",
        "--package",
        package,
        "select count(*) as n from access_events where purpose_id = 'audit'",
    ]);
    assert_eq!(offline[0]["n"], 1, "{offline}");
    second_verifier(package, &key);
}

/// The verifier that was written from the description of the formats alone passes it too.
#[track_caller]
fn second_verifier(file: &str, key: &str) {
    if let Some((code, said)) = tools::second_verifier(file, key) {
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn given_a_review_when_carried_out_then_removals_are_done_and_its_list_verifies_offline() {
    let world = World::new();
    let ((lead, lead_key), (deployer, _), (monitor, monitor_key)) =
        (somebody(&world), somebody(&world), somebody(&world));
    hold(&world, &lead, "security_lead", None);
    let deploys = hold(&world, &deployer, "deployer", Some(&lead_key));
    let monitors = hold(&world, &monitor, "monitor", Some(&lead_key));
    let alone = run(&world, &["reviews", "start", "--reviewer", &lead]);
    assert_eq!(alone.error(), (65, "forbidden".into()));
    let review = world.json(&["reviews", "start", "--reviewer", &lead, "--alternate", &monitor, "--due", "14d"]);
    let review = text(&review, "review").to_owned();
    let due = world.json(&["reviews", "due"]);
    let open = |actor: &str| {
        let due = due["due"].as_array().expect("a list");
        due.iter().find(|one| one["reviewer"] == actor).map_or(0, |one| one["open"].as_i64().unwrap_or(0))
    };
    assert_eq!((open(&lead), open(&monitor)), (3, 1), "{due}");

    let shown = world.json(&["reviews", "show", &review]);
    let items: Vec<&Value> = shown["items"].as_array().expect("items").iter().collect();
    let item = |role: &str| text(items.iter().find(|item| item["role"] == role).expect("held"), "item").to_owned();
    let decide = |key: &str, item: &str, more: &[&str]| {
        run(&world, &[&["--token", key, "reviews", "decide", &review, item, "--reason"], more].concat())
    };
    assert_eq!(decide(&lead_key, &item("security_lead"), &["needed"]).error().1, "forbidden", "their own");
    assert_eq!(decide(&lead_key, &deploys, &["moved"]).error().1, "invalid", "a removal needs a reference");
    assert_eq!(decide(&lead_key, &deploys, &["moved", "--reference", "CHG-9"]).code, 0);
    assert_eq!(decide(&lead_key, &item("administrator"), &["needed"]).code, 0);
    assert_eq!(run(&world, &["--token", &lead_key, "reviews", "complete", &review]).error().1, "conflict");
    assert_eq!(decide(&monitor_key, &item("security_lead"), &["needed"]).code, 0);
    world.json(&["--token", &lead_key, "people", "leave", &monitor]);
    world.json(&["--token", &lead_key, "reviews", "complete", &review]);

    let ended = world.sql(&format!("select ended_because from role_grants where grant_id = '{deploys}'"));
    assert_eq!(ended[0]["ended_because"], "reviewed");
    let row = world.sql("select kept, removals_requested, removals_done, gone, open_items from access_reviews");
    assert_eq!(
        row[0],
        serde_json::json!({"kept": 2, "removals_requested": 1, "removals_done": 1, "gone": 1, "open_items": 0})
    );
    let outcome = world.sql(&format!("select outcome from access_review_items where grant_id = '{monitors}'"));
    assert_eq!(outcome[0]["outcome"], "gone");
    // The population can be made again at the size that the review names.
    let size = world.sql("select at_size from access_reviews")[0]["at_size"].to_string();
    let held = world.json(&["sql", "--at", &size, "select count(*) as n from role_grants where granted_at is not null and revoked_at is null and role <> 'system'"]);
    assert_eq!(held[0]["n"], shown["population"], "{held}");

    let list = world.dir.path().join("review.list");
    let list = list.to_str().expect("a path");
    world.json(&["reviews", "export", &review, "-o", list]);
    let key = world.log_vkey();
    let verified = world.cli(&["verify", list, "--key", &key]);
    assert_eq!(verified.code, 0, "{verified:?}");
    second_verifier(list, &key);
    let changed = std::fs::read_to_string(list).expect("written").replacen("list eyJ", "list eyK", 1);
    std::fs::write(list, changed).expect("written");
    assert_eq!(world.cli(&["verify", list, "--key", &key]).code, 1);
    let package = world.dir.path().join("evidence.zip");
    let package = package.to_str().expect("a path");
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", package]);
    let verified = world.cli(&["verify", package, "--key", &key]);
    assert!(verified.code == 0 && verified.out.contains("1 lists of access reviews"), "{verified:?}");
    second_verifier(package, &key);
}

#[test]
fn given_a_review_of_credentials_when_a_key_is_taken_away_then_the_next_call_is_refused_and_the_list_has_it() {
    let world = World::new();
    let (lead, lead_key) = somebody(&world);
    hold(&world, &lead, "security_lead", None);
    let keys = world.sql("select credential_id, created_by from credentials where kind = 'api_key'");
    let (app, operator) = (text(&keys[0], "credential_id").to_owned(), text(&keys[0], "created_by").to_owned());
    let start = ["reviews", "start", "--reviewer", &lead, "--alternate", &operator, "--credentials"];
    let review = text(&world.json(&start), "review").to_owned();
    let shown = world.json(&["reviews", "show", &review]);
    let items = shown["items"].as_array().expect("items");
    // Two roles; the operator's first key, the application's, and the lead's.
    assert_eq!(items.iter().filter(|item| item["kind"] == "key").count(), 3, "{shown}");
    assert_eq!(items.iter().filter(|item| item["role"].is_string()).count(), 2, "{shown}");

    assert_eq!(world.chat("chat").status, 200);
    for item in items {
        let (id, own) = (text(item, "item"), item["actor"] == lead.as_str());
        let by: &[&str] = if own { &[] } else { &["--token", &lead_key] };
        let removes: &[&str] = &["not_needed", "--reference", "CHG-9"];
        let reason: &[&str] = if id == app { removes } else { &["needed"] };
        world.json(&[by, &["reviews", "decide", &review, id, "--reason"], reason].concat());
    }
    assert_eq!(world.chat("chat").status, 401);
    world.json(&["--token", &lead_key, "reviews", "complete", &review]);
    let row =
        world.sql("select credentials, population_count, kept, removals_requested, removals_done from access_reviews");
    let expected = serde_json::json!({
        "credentials": true, "population_count": 5, "kept": 4, "removals_requested": 1, "removals_done": 1,
    });
    assert_eq!(row[0], expected);

    let list = world.path("review.list").display().to_string();
    world.json(&["reviews", "export", &review, "-o", &list]);
    let key = world.log_vkey();
    assert_eq!(world.cli(&["verify", &list, "--key", &key]).code, 0);
    second_verifier(&list, &key);
    let package = world.path("evidence.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &package]);
    assert_eq!(world.cli(&["verify", &package, "--key", &key]).code, 0);
    second_verifier(&package, &key);
}
