//! Clients that do not read: none of them holds a place, a provider or memory for ever.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Act, Rig, stream, stream_head};
use crate::Limits;
use crate::detached::Departed;
use crate::dialect::openai::Operation;
use crate::pipeline::{Door, serve};

const STREAM: &str = r#"{"model":"assistant","stream":true}"#;
const DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const END: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

/// An answer of which the first frame was read, by a client that asks for more only when the test does.
async fn begun(rig: &Rig, acts: Vec<Act>) -> Response {
    rig.script(acts);
    let request = Request::post("/v1/chat/completions").header("authorization", format!("Bearer {}", rig.key));
    let request = request.body(Body::from(STREAM)).expect("a request");
    let door = Door::OpenAi(Operation::ChatCompletions);
    let mut answer = serve(rig.gateway.clone(), door, request, Departed::default()).await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(first.into_data().expect("data"), DELTA);
    answer
}

/// How the record says it ended, without anybody asking for more.
async fn ended(rig: &Rig) -> (String, Option<String>, Option<i64>) {
    let record = tokio::time::timeout(Duration::from_secs(30), rig.record());
    let record = record.await.expect("the stream came to its end by itself");
    (record.status, record.error_code, record.tokens_out)
}

fn outcome(status: &str, code: &str, tokens: Option<i64>) -> (String, Option<String>, Option<i64>) {
    (status.to_owned(), Some(code.to_owned()), tokens)
}

#[tokio::test]
async fn a_client_that_stops_reading_is_given_up_and_its_record_is_complete() {
    let limits = Limits { client_stall: Duration::from_millis(100), ..Limits::default() };
    let rig = Rig::with(limits, 60_000).await;
    let mut answer = begun(&rig, stream(&[DELTA, DELTA, END])).await;
    assert_eq!(ended(&rig).await, outcome("cancelled", "client_stalled", Some(5)));
    assert!(answer.body_mut().frame().await.expect("not an end").is_err(), "half a stream must not end well");
}

#[tokio::test]
async fn a_connection_that_is_not_read_is_given_up() {
    let (client_stall, drain_time) = (Duration::from_millis(300), Duration::from_millis(100));
    let limits = Limits { client_stall, drain_time, response_bytes: 1 << 30, ..Limits::default() };
    let rig = Rig::with(limits, 60_000).await;
    rig.script(vec![stream_head(), Act::Forever(DELTA.repeat(500))]);
    let mut connection = rig.connect().await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{STREAM}",
        rig.key,
        STREAM.len()
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    while rig.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ended(&rig).await, outcome("cancelled", "client_stalled", None));
}

#[tokio::test]
async fn a_stranger_that_trickles_its_body_is_refused_without_it() {
    let limits = Limits { stranger_time: Duration::from_millis(200), ..Limits::default() };
    let rig = Rig::with(limits, 60_000).await;
    let mut connection = rig.connect().await;
    let request =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer cfk_no\r\ncontent-length: 99\r\n\r\n{";
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), connection.read_to_end(&mut answer)).await;
    read.expect("the connection was ended").expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_api_key"), "{answer}");
    assert_eq!(ended(&rig).await, outcome("refused", "invalid_api_key", None));
}

#[tokio::test]
async fn a_silent_provider_is_given_up_although_the_client_does_not_ask() {
    let rig = Rig::with(Limits::default(), 300).await;
    let answer = begun(&rig, vec![stream_head(), Act::Say(DELTA.into()), Act::Hang]).await;
    assert_eq!(ended(&rig).await, outcome("error", "provider_timeout", None));
    let rest = answer.into_body().collect().await.expect("the end").to_bytes();
    assert!(String::from_utf8_lossy(&rest).contains(r#""code":"provider_timeout""#), "{rest:?}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_stopped_although_the_client_does_not_ask() {
    let limits = Limits { answer_time: Duration::from_millis(300), response_bytes: 1 << 30, ..Limits::default() };
    let rig = Rig::with(limits, 60_000).await;
    let answer = begun(&rig, vec![stream_head(), Act::Forever(DELTA.into())]).await;
    assert_eq!(ended(&rig).await, outcome("error", "answer_too_long", None));
    let rest = answer.into_body().collect().await.expect("the end").to_bytes();
    assert!(String::from_utf8_lossy(&rest).contains(r#""code":"answer_too_long""#));
}

#[tokio::test]
async fn what_comes_while_a_slow_client_does_not_ask_waits_for_it() {
    let rig = Rig::with(Limits::default(), 100).await;
    let answer = begun(&rig, stream(&[DELTA, DELTA, DELTA, END])).await;
    assert_eq!(ended(&rig).await, ("ok".into(), None, Some(5)));
    let rest = answer.into_body().collect().await.expect("the end").to_bytes();
    assert_eq!(rest, format!("{DELTA}{DELTA}data: [DONE]\n\n"));
}
