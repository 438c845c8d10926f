//! The stand-in for an outside provider: speaks the OpenAI protocol on loopback, answers with canned sentences, and
//! fails now and then as providers do. It is no model.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::output::Failure;

/// Every so many calls one is refused for its rate, and one fails.
const RATE_LIMITED: u64 = 41;
const FAILING: u64 = 67;

/// A running stand-in. It ends with the process.
pub struct StandIn {
    /// Its base address, as a provider's `base_url`.
    pub url: String,
}

impl StandIn {
    /// Starts one on a free port of loopback.
    pub async fn start() -> Result<Self, Failure> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let calls = Arc::new(AtomicU64::new(0));
        let router = Router::new().route("/v1/chat/completions", post(chat)).with_state(calls);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url })
    }
}

async fn chat(State(calls): State<Arc<AtomicU64>>, body: Bytes) -> Response {
    let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
    let error = |status: StatusCode, kind: &str, message: &str| {
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
        (status, [("content-type", "application/json"), ("retry-after", "1")], body.to_string()).into_response()
    };
    if call.is_multiple_of(RATE_LIMITED) {
        return error(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "the stand-in takes a breath");
    }
    if call.is_multiple_of(FAILING) {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the stand-in fails on purpose");
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", "the body is not JSON");
    };
    let id = format!("chatcmpl-stand-in-{call}");
    let words = ["Thank", " you", " for", " writing.", " A", " person", " will", " look", " into", " it", " today."];
    let prompt = request["messages"].to_string().len() as u64 / 4;
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": 11, "total_tokens": prompt + 11});
    match request["stream"].as_bool() {
        Some(true) => streamed(&id, &words, &request, &usage),
        _ => {
            let message = json!({"role": "assistant", "content": words.concat(), "refusal": null});
            let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
            let answer = json!({"id": id, "object": "chat.completion", "created": 0, "model": "stand-in-chat-1",
                "choices": [choice], "usage": usage});
            ([("content-type", "application/json"), ("x-request-id", id.as_str())], answer.to_string()).into_response()
        }
    }
}

fn streamed(id: &str, words: &[&str], request: &Value, usage: &Value) -> Response {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": id, "object": "chat.completion.chunk", "created": 0, "model": "stand-in-chat-1",
            "choices": choices, "usage": usage});
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let mut frames = vec![chunk(delta(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    frames.extend(words.iter().map(|word| chunk(delta(json!({"content": word}), Value::Null), Value::Null)));
    frames.push(chunk(delta(json!({}), json!("stop")), Value::Null));
    if request["stream_options"]["include_usage"].as_bool() == Some(true) {
        frames.push(chunk(json!([]), usage.clone()));
    }
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    let stream = futures_util::stream::iter(frames.into_iter().map(Ok::<_, Infallible>));
    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
}
