//! Bad input and bad providers: a clear error of bounded size in bounded time, and a record of it.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::world::ask;
use crate::support::{Response, World, eventually, http};

/// The error is of the shape that OpenAI's clients read, and the same code is on record.
#[track_caller]
fn assert_error(world: &World, answer: &Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
    let last = world.records().pop().expect("a record");
    assert_eq!(last["error_code"], code, "{last}");
}

#[test]
fn given_a_provider_that_fails_when_called_then_each_way_has_its_own_error() {
    let world = World::new();
    for (route, status, code) in [
        ("hang", 504, "provider_timeout"),
        ("reset", 502, "provider_broke_off"),
        ("garbage", 502, "provider_broke_off"),
        ("no-such-route", 404, "model_not_found"),
    ] {
        let answer = world.chat(route);
        assert_error(&world, &answer, status, code);
        assert!(answer.header("x-counterfoil-inference").is_some(), "{route}");
    }
}

#[test]
fn given_an_endless_stream_when_passed_on_then_it_is_stopped_in_bounded_memory() {
    let world = World::with(&[("COUNTERFOIL_LIMITS_RESPONSE_BYTES", "2000000")]);
    let mut ask = ask("endless");
    ask["stream"] = true.into();
    let answer = world.post("/v1/chat/completions", &ask);
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < 2_100_000, "{} bytes", answer.body.len());
    let text = answer.text();
    let last = text.trim_end().rsplit("data: ").next().expect("events");
    let error: Value = serde_json::from_str(last).expect("the last event is the error");
    assert_eq!(error["error"]["code"], "answer_too_large");
    let record = world.records().pop().expect("a record");
    assert_eq!((&record["status"], &record["error_code"]), (&json!("error"), &json!("answer_too_large")));
    assert_eq!(world.chat("chat").status, 200, "the next call is answered");
}

#[test]
fn given_requests_that_make_no_sense_when_sent_then_each_is_refused_and_on_record() {
    let world = World::with(&[("COUNTERFOIL_LIMITS_REQUEST_BYTES", "100000")]);
    let bearer = format!("Bearer {}", world.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let url = format!("{}/v1/chat/completions", world.url);
    let send = |body: String| http::send(::http::Method::POST, &url, &headers, body);
    for (body, status, code) in [
        ("{\"model\": \"chat\", ".into(), 400, "invalid_request"),
        (String::new(), 400, "invalid_request"),
        ("[1, 2]".into(), 400, "invalid_request"),
        ("{\"messages\": []}".into(), 400, "invalid_request"),
        ("{\"model\": 7}".into(), 400, "invalid_request"),
        ("[".repeat(50_000), 400, "invalid_request"),
        (format!("{{\"model\": \"chat\", \"x\": \"{}\"}}", "y".repeat(100_001)), 413, "request_too_large"),
    ] {
        assert_error(&world, &send(body), status, code);
    }
    let none = http::send(::http::Method::POST, &url, &[], ask("chat").to_string());
    assert_error(&world, &none, 401, "missing_api_key");
    assert_eq!(world.chat("chat").status, 200);
}

#[test]
fn given_a_client_that_stops_in_the_middle_of_its_request_when_it_hangs_up_then_that_is_on_record() {
    let world = World::new();
    let mut connection = http::connect(&world.url);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{\"model\"",
        world.key
    );
    connection.write_all(head.as_bytes()).expect("sent");
    connection.shutdown(std::net::Shutdown::Write).expect("half closed");
    // What the server says to somebody who left is of no interest.
    let _ = connection.read_to_end(&mut Vec::new());
    let record = eventually("the broken request is on record", || world.records().pop());
    assert_eq!((&record["status"], &record["error_code"]), (&json!("cancelled"), &json!("request_incomplete")));
}
