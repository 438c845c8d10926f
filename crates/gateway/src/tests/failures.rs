use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::rig::{Act, Rig, stream, stream_head, whole};
use crate::Limits;

const ASK: &str = r#"{"model":"assistant"}"#;
const STREAM: &str = r#"{"model":"assistant","stream":true}"#;
const DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const END: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

/// A rig with a small limit, and with little patience if the provider is going to hang.
async fn rig(acts: Vec<Act>) -> Rig {
    let hangs = acts.iter().any(|act| matches!(act, Act::Hang));
    let limits = Limits { response_bytes: 10_000, ..Limits::default() };
    let rig = Rig::with(limits, if hangs { 500 } else { 60_000 }).await;
    rig.script(acts);
    rig
}

/// The provider does this: the client gets that, and the record says the same.
#[track_caller]
fn check(acts: Vec<Act>, status: u16, code: &'static str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let rig = rig(acts).await;
        let (answered, _, body) = rig.chat(ASK).await;
        let body: Value = serde_json::from_str(&body).expect("an error is JSON");
        assert_eq!((answered.as_u16(), body["error"]["code"].as_str()), (status, Some(code)));
        assert_eq!(body["error"]["type"], "server_error");
        let record = rig.record().await;
        assert_eq!((record.status.as_str(), record.http_status), ("error", Some(i64::from(status))));
        assert_eq!(record.error_code.as_deref(), Some(code));
    });
}

#[test]
fn a_provider_that_hangs_is_given_up() {
    check(vec![Act::Hang], 504, "provider_timeout");
}

#[test]
fn a_provider_that_says_200_and_nothing_more_is_given_up() {
    check(vec![stream_head(), Act::Hang], 504, "provider_timeout");
}

#[test]
fn a_provider_that_stops_in_the_middle_is_given_up() {
    let acts = vec![
        Act::Say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{".into()),
        Act::Hang,
    ];
    check(acts, 504, "provider_timeout");
}

#[test]
fn a_provider_that_hangs_up_broke_off() {
    check(vec![Act::HangUp], 502, "provider_broke_off");
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{";
    check(vec![Act::Say(half.into()), Act::HangUp], 502, "provider_broke_off");
}

#[test]
fn garbage_is_not_passed_on() {
    check(whole(200, "", "null"), 502, "provider_invalid_answer");
    check(whole(200, "", "<html>"), 502, "provider_invalid_answer");
    check(whole(200, "", ""), 502, "provider_invalid_answer");
    check(whole(200, "content-encoding: gzip\r\n", "{}"), 502, "provider_invalid_answer");
    check(whole(302, "location: http://elsewhere\r\n", "{}"), 502, "provider_invalid_answer");
    check(vec![Act::Say("SSH-2.0-x\r\n\r\n".into()), Act::HangUp], 502, "provider_broke_off");
}

#[test]
fn an_answer_without_end_is_stopped() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    check(vec![Act::Say(head.into()), Act::Forever("[".repeat(999))], 502, "answer_too_large");
}

#[tokio::test]
async fn a_provider_that_is_not_there_cannot_be_reached() {
    let rig = Rig::new().await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let spec = serde_json::json!({"kind": "openai", "base_url": format!("http://{gone}/v1")});
    let declared = domain::vendors::ProviderDeclared {
        provider: "acme".into(),
        spec: serde_json::from_value(spec).expect("a provider"),
    };
    let who = super::rig::administrator();
    rig.engine.execute(&who, domain::Command::DeclareProvider(declared)).await.expect("a provider");
    assert_eq!(rig.chat(ASK).await.0, 502);
    assert_eq!(rig.record().await.error_code.as_deref(), Some("provider_unreachable"));
}

/// A stream that goes wrong ends with an error event instead of its end mark.
async fn broken_stream(acts: Vec<Act>, code: &str) {
    let rig = rig(acts).await;
    let (status, _, body) = rig.chat(STREAM).await;
    assert_eq!(status, 200);
    let (_, last) = body.trim_end().rsplit_once("data: ").expect("events");
    let last: Value = serde_json::from_str(last).expect("an error event");
    assert_eq!(last["error"]["code"], code);
    assert!(body.starts_with(DELTA) && !body.contains("[DONE]"));
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("error", Some(code)));
    assert_eq!(record.response_bytes as usize, body.len());
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends_with_an_error() {
    let acts = vec![stream_head(), Act::Say(DELTA.into()), Act::Hang];
    broken_stream(acts, "provider_timeout").await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{DELTA}\r\n", DELTA.len());
    broken_stream(vec![Act::Say(head.into()), Act::Say(chunk), Act::HangUp], "provider_broke_off").await;
}

#[tokio::test]
async fn a_stream_with_an_event_that_is_no_json_ends_with_an_error() {
    let acts = vec![stream_head(), Act::Say(DELTA.into()), Act::Say("data: {not json\n\n".into()), Act::Hang];
    broken_stream(acts, "provider_invalid_answer").await;
}

#[tokio::test]
async fn a_stream_without_end_is_stopped() {
    broken_stream(vec![stream_head(), Act::Forever(DELTA.into())], "answer_too_large").await;
    broken_stream(vec![stream_head(), Act::Say(DELTA.into()), Act::Forever("data: x".into())], "answer_too_large")
        .await;
}

#[tokio::test]
async fn a_stream_that_ends_without_its_end_mark_ends_with_an_error() {
    broken_stream(stream(&[DELTA]), "provider_ended_early").await;
    // What was cut in the middle is no frame, and must not become one with the error that follows it.
    broken_stream(stream(&[DELTA, "data: {\"cut\":"]), "provider_ended_early").await;
    broken_stream(stream(&[DELTA, "data: {\"choices\":[]}"]), "provider_ended_early").await;
}

#[tokio::test]
async fn responses_that_end_without_their_last_event_end_with_an_error() {
    let rig = Rig::new().await;
    let delta =
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    rig.script(stream(&[delta, "data: [DONE]\n\n"]));
    let (_, _, body) = rig.post("/v1/responses", STREAM).await;
    let (_, last) = body.split_once("event: error\ndata: ").expect("an error event");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&last["type"], &last["code"]), (&"error".into(), &"provider_ended_early".into()));
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("error", Some("provider_ended_early")));
}

#[tokio::test]
async fn an_end_mark_without_its_blank_line_is_an_end() {
    let rig = Rig::new().await;
    rig.script(stream(&[DELTA, "data: [DONE]\n"]));
    let (_, _, body) = rig.chat(STREAM).await;
    assert_eq!(body, format!("{DELTA}data: [DONE]\n"));
    assert_eq!(rig.record().await.status, "ok");
}

#[tokio::test]
async fn an_error_that_the_provider_reports_in_its_stream_is_recorded() {
    let rig = Rig::new().await;
    let error = "data: {\"id\":\"c1\",\"error\":{\"message\":\"overloaded\"}}\n\n";
    rig.script(stream(&[DELTA, error]));
    let (_, _, body) = rig.chat(STREAM).await;
    assert_eq!(body, format!("{DELTA}{error}"), "the provider's own error says enough");
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("error", Some("provider_error")));
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_leaves_a_complete_record() {
    let rig = Rig::new().await;
    let gate = Arc::new(Notify::new());
    let pause = Act::Gate(gate.clone());
    rig.script(vec![stream_head(), Act::Say(DELTA.into()), pause, Act::Say(END.into()), Act::HangUp]);
    let mut answer = rig.open(Method::POST, "/v1/chat/completions", &[], STREAM).await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(first.into_data().ok(), Some(Bytes::from_static(DELTA.as_bytes())));
    drop(answer);
    // The gateway needs a moment to see that the connection is closed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.notify_one();
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("cancelled", Some("client_gone")));
    assert_eq!((record.tokens_in, record.tokens_out), (Some(3), Some(5)));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_a_complete_record() {
    let rig = Rig::new().await;
    let answer = r#"{"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let gate = Arc::new(Notify::new());
    rig.script([vec![Act::Gate(gate.clone())], whole(200, "", answer)].concat());
    let mut connection = rig.connect().await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{ASK}",
        rig.key,
        ASK.len()
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    while rig.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(connection);
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.notify_one();
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.tokens_out, record.http_status), ("cancelled", Some(5), None));
}

#[tokio::test]
async fn a_request_that_never_arrives_whole_is_on_record() {
    let rig = Rig::new().await;
    let mut connection = rig.connect().await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 99\r\n\r\n{{",
        rig.key
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    connection.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("cancelled", Some("request_incomplete")));
}
