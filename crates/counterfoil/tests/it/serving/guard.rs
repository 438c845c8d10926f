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
