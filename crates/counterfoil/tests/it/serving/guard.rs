//! Guards of routes: what personal data a provider gets, what a client gets back, and what is on record of it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{World, tools};

const MANY: &str = "Write to ann@example.org about card 4111 1111 1111 1111, and ann@example.org again, as she asked.";

/// A world with a route `echo` that says again what it was told, under these rules.
fn guarded(rules: &str) -> World {
    let world = World::new();
    let route =
        format!("[[service.support.route]]\nname = \"echo\"\nprovider = \"stand-in\"\nmodel = \"echo\"\n{rules}\n");
    let org = world.org().replace("[service.credit]", &format!("{route}\n[service.credit]"));
    let file = world.file("guarded.toml", &org);
    world.json(&["apply", "-f", &file, "--yes"]);
    world
}

fn ask(text: &str) -> Value {
    json!({ "model": "echo", "messages": [{ "role": "user", "content": text }], "user": "ann@example.org" })
}

fn last(world: &World) -> Value {
    let query = "SELECT pii_in, pii_out, pii_action, pii_in_action, pii_out_action, guardrail_result, status FROM inferences ORDER BY ts DESC LIMIT 1";
    world.json(&["sql", "--tail", query])[0].clone()
}

#[test]
fn given_tokens_and_masks_when_the_stock_client_chats_then_the_provider_sees_none_and_the_client_its_own() {
    let Some(python) = tools::python("the Python OpenAI client", "openai") else { return };
    let world =
        guarded("guard.requests = { email = \"tokenise\", card = \"mask\" }\nguard.answers = { card = \"mask\" }");
    let said = tools::run(
        Command::new(python)
            .arg(tools::client("guarded_client.py"))
            .env("BASE_URL", format!("{}/v1", world.url))
            .env("API_KEY", &world.key)
            .env("ASK", MANY),
    );
    let want = MANY.replace("4111 1111 1111 1111", "[CARD]");
    assert_eq!(said.lines().collect::<Vec<_>>(), [want.as_str(), want.as_str()], "plain and streamed");
    for call in world.upstream.seen() {
        let sent = call.body.to_string();
        assert!(sent.contains("[EMAIL_1] about card [CARD], and [EMAIL_1] again"), "{sent}");
        assert!(!sent.contains("ann@") && !sent.contains("4111"), "not as `user` either: {sent}");
    }
    let record = last(&world);
    assert_eq!((&record["pii_in"], &record["pii_in_action"]), (&json!(true), &json!("tokenised")), "{record}");
    assert_eq!((&record["pii_out"], &record["guardrail_result"]), (&json!(false), &json!("pass")), "{record}");
}

#[test]
fn given_a_kind_that_is_blocked_when_sent_then_refused_before_the_provider_and_on_record() {
    let world = guarded("guard.requests = { sensitive = \"block\" }");
    let refused = world.post("/v1/chat/completions", &ask(MANY));
    let error: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!((refused.status, error["error"]["code"].as_str()), (400, Some("personal_data_blocked")), "{error}");
    assert!(!error.to_string().contains("4111"), "{error}");
    assert!(world.upstream.seen().is_empty(), "nothing left");
    let record = last(&world);
    assert_eq!((&record["guardrail_result"], &record["status"]), (&json!("blocked"), &json!("refused")), "{record}");
    // The e-mail address is let through by this guard, so the least that was done is nothing.
    assert_eq!(record["pii_action"], "none", "{record}");
}

#[test]
fn given_a_route_without_a_guard_when_called_then_nobody_claims_to_have_looked() {
    let world = guarded("");
    assert_eq!(world.post("/v1/chat/completions", &ask(MANY)).status, 200);
    let record = last(&world);
    assert!(
        record["pii_in"].is_null() && record["pii_action"].is_null() && record["guardrail_result"].is_null(),
        "{record}"
    );
}

#[test]
fn given_a_guard_that_names_nothing_when_applied_then_refused_with_the_words_there_are() {
    let world = World::new();
    let route = "[[service.support.route]]\nname = \"echo\"\nprovider = \"stand-in\"\nmodel = \"echo\"\nguard.requests = { cards = \"mask\" }\n";
    let org = world.org().replace("[service.credit]", &format!("{route}\n[service.credit]"));
    let file = world.file("wrong.toml", &org);
    let refused = world.cli(&["apply", "-f", &file, "--yes", "--json"]);
    assert!(refused.code != 0 && refused.err.contains("`cards`") && refused.err.contains("medicare"), "{refused:?}");
}

const STAFF: &str =
    "\n[detector.staff_number]\nclass = \"personal\"\npattern = 'ST-[0-9]{5}'\nexamples = [\"ST-00001\"]\n";

#[test]
fn given_a_detector_of_ones_own_when_a_guard_names_it_then_its_kind_is_put_back_until_it_is_retired() {
    let world = World::new();
    let file = |name: &str, rules: &str, more: &str| {
        let route = format!(
            "[[service.support.route]]\nname = \"echo\"\nprovider = \"stand-in\"\nmodel = \"echo\"\nguard.requests = {{ {rules} }}\n"
        );
        let org = world.org().replace("[service.credit]", &format!("{route}\n[service.credit]"));
        world.file(name, &(org + more))
    };
    let text = "Is ST-12345 in today, or ST-54321? I am ST-12345.";
    let said = || {
        let answer: Value = serde_json::from_slice(&world.post("/v1/chat/completions", &ask(text)).body).expect("JSON");
        let sent = world.upstream.seen().last().expect("a call").body.to_string();
        (answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(), sent)
    };

    let unknown = file("unknown.toml", "staff_number = \"tokenise\"", "");
    let refused = world.cli(&["apply", "-f", &unknown, "--yes", "--json"]);
    assert!(refused.code != 0 && refused.err.contains("declare a detector of that name first"), "{refused:?}");
    let wanted = file("wanted.toml", "staff_number = \"tokenise\"", STAFF);
    world.json(&["apply", "-f", &wanted, "--yes"]);
    assert_eq!(world.json(&["apply", "-f", &wanted, "--yes"])["plan"], json!([]), "it is as declared");
    let (given, sent) = said();
    assert_eq!(given, text);
    assert!(sent.contains("Is [STAFF_NUMBER_1] in today, or [STAFF_NUMBER_2]? I am [STAFF_NUMBER_1]."), "{sent}");
    // The address in `user` is let through by this guard, so the least that was done is nothing.
    let record = last(&world);
    assert_eq!((&record["pii_in"], &record["pii_in_action"]), (&json!(true), &json!("none")), "{record}");

    let retire = ["--json", "detectors", "retire", "staff_number"];
    assert_eq!(world.cli(&retire).error(), (65, "conflict".into()), "a guard names it");
    let other = STAFF.replace("{5}'", "{6}'").replace("ST-00001", "ST-000001");
    let other = file("other.toml", "staff_number = \"tokenise\"", &other);
    let refused = world.cli(&["apply", "-f", &other, "--yes", "--json"]);
    assert!(refused.code != 0 && refused.err.contains("under another name"), "{refused:?}");
    let wide = file("wide.toml", "\"*\" = \"mask\"", STAFF);
    world.json(&["apply", "-f", &wide, "--yes"]);
    assert!(said().1.contains("Is [STAFF_NUMBER] in today"));
    world.json(&["detectors", "retire", "staff_number"]);
    let (_, sent) = said();
    assert!(sent.contains("Is ST-12345 in today, or ST-54321?"), "{sent}");
    let states = world.sql("select retired_at is null as looks, classification from detectors");
    assert_eq!(states, [json!({ "looks": false, "classification": "personal" })]);
}
