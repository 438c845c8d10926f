//! A stand-in for an outside provider on loopback. It speaks enough of the OpenAI API for stock clients, and the model
//! that is asked for says how it behaves: `chat` well, the others badly, each in its own way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::http::RUNTIME;
use super::incoming::Incoming;

/// A running provider.
pub struct Upstream {
    /// Its address, up to and including the version.
    pub base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A call as the provider saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub head: String,
    pub body: Value,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let for_calls = Arc::clone(&seen);
        RUNTIME.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(converse(connection, Arc::clone(&for_calls)));
            }
        });
        Self { base_url, seen }
    }

    /// The calls so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

async fn converse(mut connection: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    // Calls of one connection come one after the other; an error ends it, as with any server.
    while let Some(call) = read(&mut connection).await {
        // What is asked with GET is no call of a model: the server probes whom it calls.
        if call.head.starts_with("POST ") {
            seen.lock().expect("not poisoned").push(call.clone());
        }
        if answer(&mut connection, &call).await.is_none() {
            return;
        }
    }
}

async fn read(connection: &mut TcpStream) -> Option<Seen> {
    let Incoming { head, body } = Incoming::read(connection).await?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Some(Seen { path, head, body })
}

/// Answers a call; `None` when the connection is not to be used any more.
async fn answer(connection: &mut TcpStream, call: &Seen) -> Option<()> {
    match call.body["model"].as_str().unwrap_or_default() {
        "limited" => {
            let headers = "retry-after: 7\r\nretry-after-ms: 7000\r\nx-ratelimit-remaining-requests: 0\r\n";
            whole(connection, "429 Too Many Requests", headers, &provider_error("slow down", "rate_limit_exceeded"))
                .await
        }
        "broken" => {
            // Some providers say what they were asked when they refuse it.
            let mut error = provider_error("it broke", "server_error");
            error["error"]["param"] = call.body["messages"][0]["content"].clone();
            whole(connection, "500 Oops", "", &error).await
        }
        "hang" => std::future::pending().await,
        "reset" => {
            // Closing without reading makes the peer see a reset rather than an end.
            connection.set_zero_linger().ok()?;
            None
        }
        "garbage" => {
            connection.write_all(b"\x16\x03\x01 this is no answer\r\n\r\n").await.ok()?;
            None
        }
        "endless" => endless(connection).await,
        "slow" => slow(connection).await,
        _ => behave(connection, call).await,
    }
}

async fn behave(connection: &mut TcpStream, call: &Seen) -> Option<()> {
    let ask = &call.body;
    let streamed = ask["stream"] == true;
    match call.path.as_str() {
        "/v1/chat/completions" if streamed => stream(connection, &chat_events(ask)).await,
        "/v1/chat/completions" => whole(connection, "200 OK", "x-request-id: req_1\r\n", &chat(ask)).await,
        "/v1/responses" if streamed => stream(connection, &response_events(ask)).await,
        "/v1/responses" => whole(connection, "200 OK", "", &response(ask, "completed")).await,
        "/v1/embeddings" => whole(connection, "200 OK", "", &embeddings(ask)).await,
        _ => whole(connection, "404 Not Found", "", &provider_error("no such path", "not_found")).await,
    }
}

async fn whole(connection: &mut TcpStream, status: &str, headers: &str, body: &Value) -> Option<()> {
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n");
    connection.write_all((head + &body).as_bytes()).await.ok()
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn chunk(connection: &mut TcpStream, text: &str) -> Option<()> {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    connection.write_all(chunk.as_bytes()).await.ok()
}

async fn stream(connection: &mut TcpStream, events: &[String]) -> Option<()> {
    connection.write_all(STREAM_HEAD.as_bytes()).await.ok()?;
    for event in events {
        chunk(connection, event).await?;
    }
    connection.write_all(b"0\r\n\r\n").await.ok()
}

async fn endless(connection: &mut TcpStream) -> Option<()> {
    connection.write_all(STREAM_HEAD.as_bytes()).await.ok()?;
    let delta = delta(0, &json!({"content": "again and ".repeat(1000)}), None);
    loop {
        chunk(connection, &delta).await?;
    }
}

/// A stream that takes seconds, for clients that leave.
async fn slow(connection: &mut TcpStream) -> Option<()> {
    connection.write_all(STREAM_HEAD.as_bytes()).await.ok()?;
    for _ in 0..20 {
        chunk(connection, &delta(0, &json!({"content": "tick "}), None)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    chunk(connection, "data: [DONE]\n\n").await?;
    connection.write_all(b"0\r\n\r\n").await.ok()
}

fn provider_error(message: &str, code: &str) -> Value {
    json!({"error": {"message": message, "type": "provider", "param": null, "code": code}})
}

fn usage() -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
}

fn choices(ask: &Value) -> u64 {
    ask["n"].as_u64().unwrap_or(1)
}

/// What is said to a client: `echo` says the last message again.
fn words(ask: &Value, index: u64) -> String {
    let last = ask["messages"].as_array().and_then(|all| all.last()?["content"].as_str());
    last.filter(|_| ask["model"] == "echo").map_or_else(|| format!("héllo {index}"), str::to_owned)
}

fn chat(ask: &Value) -> Value {
    let choice = |index: u64| match ask["tools"].is_array() {
        true => json!({"index": index, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null,
            "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "weather", "arguments": "{\"city\":\"Perth\"}"}}]}}),
        false => json!({"index": index, "finish_reason": "stop",
            "message": {"role": "assistant", "content": words(ask, index), "refusal": null}}),
    };
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "chat",
        "choices": (0..choices(ask)).map(choice).collect::<Vec<_>>(), "usage": usage()})
}

fn delta(index: u64, delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": index, "delta": delta, "finish_reason": finish});
    let event = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "chat",
        "choices": [choice]});
    format!("data: {event}\n\n")
}

fn chat_events(ask: &Value) -> Vec<String> {
    let mut events = Vec::new();
    for index in 0..choices(ask) {
        events.push(delta(index, &json!({"role": "assistant", "content": ""}), None));
        if ask["tools"].is_array() {
            let begin = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                "function": {"name": "weather", "arguments": ""}}]});
            events.push(delta(index, &begin, None));
            for part in ["{\"city\":", "\"Perth\"}"] {
                let more = json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]});
                events.push(delta(index, &more, None));
            }
            events.push(delta(index, &json!({}), Some("tool_calls")));
        } else {
            let words: Vec<char> = words(ask, index).chars().collect();
            for piece in words.chunks(5) {
                events.push(delta(index, &json!({"content": String::from_iter(piece)}), None));
            }
            events.push(delta(index, &json!({}), Some("stop")));
        }
    }
    if ask["stream_options"]["include_usage"] == true {
        let last = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "chat", "choices": [], "usage": usage()});
        events.push(format!("data: {last}\n\n"));
    }
    events.push("data: [DONE]\n\n".into());
    events
}

fn response(ask: &Value, status: &str) -> Value {
    let text = json!({"type": "output_text", "text": "héllo", "annotations": []});
    let message =
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]});
    let output = if status == "completed" { json!([message]) } else { json!([]) };
    json!({"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "model": ask["model"],
        "output": output, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}})
}

fn response_events(ask: &Value) -> Vec<String> {
    let mut number = 0;
    let mut event = |kind: &str, mut fields: Value| {
        fields["type"] = kind.into();
        fields["sequence_number"] = number.into();
        number += 1;
        format!("event: {kind}\ndata: {fields}\n\n")
    };
    let part = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []});
    let with = |name: &str, text: &str| {
        let mut fields = part.clone();
        fields[name] = text.into();
        fields
    };
    vec![
        event("response.created", json!({"response": response(ask, "in_progress")})),
        event("response.output_text.delta", with("delta", "hé")),
        event("response.output_text.delta", with("delta", "llo")),
        event("response.output_text.done", with("text", "héllo")),
        event("response.completed", json!({"response": response(ask, "completed")})),
    ]
}

fn embeddings(ask: &Value) -> Value {
    let numbers = [0.5f32, -0.25, 1.0];
    let count = ask["input"].as_array().map_or(1, Vec::len);
    let embedding = match ask["encoding_format"].as_str() {
        Some("base64") => json!(BASE64_STANDARD.encode(numbers.map(f32::to_le_bytes).concat())),
        _ => json!(numbers),
    };
    let data = (0..count).map(|index| json!({"object": "embedding", "index": index, "embedding": embedding}));
    json!({"object": "list", "model": ask["model"], "data": data.collect::<Vec<_>>(),
        "usage": {"prompt_tokens": 4, "total_tokens": 4}})
}
