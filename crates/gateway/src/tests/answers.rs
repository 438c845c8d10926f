use http::Method;
use serde_json::{Value, json};

use super::rig::{Rig, stream, whole};

const ASK: &str = r#"{"model": "assistant", "messages": [], "x":1.0}"#;
const STREAM: &str = r#"{"model":"assistant","stream":true}"#;
const DELTA: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hé\"}}],\"usage\":null}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte_and_is_on_record() {
    let rig = Rig::new().await;
    let answer = r#"{"id":"c1", "logprobs":null, "usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    rig.script(whole(200, "x-request-id: req_9\r\nset-cookie: a=b\r\n", answer));
    let (status, headers, body) = rig.chat(ASK).await;

    assert_eq!((status.as_u16(), body.as_str()), (200, answer));
    assert_eq!(headers["x-request-id"], "req_9");
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.contains_key("set-cookie"));

    let (head, sent) = &rig.seen()[0];
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    assert!(!head.contains(&rig.key), "our credential goes no further: {head}");
    assert_eq!(sent, &ASK.replace("assistant", "gpt-x"));

    let record = rig.record().await;
    assert_eq!(headers["x-counterfoil-inference"], record.inference_id.as_str());
    assert_eq!((record.status.as_str(), record.http_status, record.stream), ("ok", Some(200), 0));
    assert_eq!((record.tokens_in, record.tokens_out), (Some(3), Some(5)));
    assert_eq!(record.key.as_deref(), Some(rig.key_id.as_str()));
    assert_eq!(record.service.as_deref(), Some("support"));
    assert_eq!(record.model.as_deref(), Some("acme/gpt-x"));
    assert_eq!(record.version.as_deref(), Some("as-served"));
    assert_eq!(record.region.as_deref(), Some("au"));
    assert_eq!(record.classification, "internal");
    assert_eq!(record.policies.as_deref(), Some("application-infers-for-its-service"));
    assert_eq!(record.request_bytes as usize, ASK.len());
    assert_eq!(record.response_bytes as usize, answer.len());
    assert!(record.deployment.is_some() && record.upstream_us.is_some() && record.first_byte_us.is_some());
    assert_eq!(record.subject_tag, None);
}

#[tokio::test]
async fn subjects_are_linked_within_a_day_and_named_to_nobody() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    rig.chat(r#"{"model":"assistant","user":"anna"}"#).await;
    rig.send(Method::POST, "/v1/chat/completions", &[("x-counterfoil-subject", "anna")], ASK).await;
    rig.chat(r#"{"model":"assistant","safety_identifier":"bob","user":"anna"}"#).await;
    assert!(!rig.seen()[1].0.contains("anna"), "the header stays here");
    let tags: Vec<_> = rig.records().await.into_iter().map(|record| record.subject_tag.expect("a tag")).collect();
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
}

#[tokio::test]
async fn a_stream_tells_us_its_usage_and_the_client_nothing_it_did_not_ask() {
    let rig = Rig::new().await;
    rig.script(stream(&[DELTA, USAGE, DONE]));
    let (status, headers, body) = rig.chat(STREAM).await;

    assert_eq!((status.as_u16(), body), (200, format!("{DELTA}{DONE}")));
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert!(rig.seen()[0].1.contains(r#""stream_options":{"include_usage":true}"#));
    // The last byte is released only when the record is durable.
    let [record] = rig.engine.records().tail().try_into().expect("one record");
    assert_eq!((record.status.as_str(), record.stream), ("ok", 1));
    assert_eq!((record.tokens_in, record.tokens_out), (Some(3), Some(5)));
    assert_eq!(record.response_bytes as usize, DELTA.len() + DONE.len());
}

#[tokio::test]
async fn tool_calls_and_several_choices_pass_unchanged() {
    let rig = Rig::new().await;
    let frames = [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
        ": ping\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        USAGE,
        DONE,
    ];
    rig.script(stream(&frames));
    let ask = r#"{"model":"assistant","n":2,"stream":true,"stream_options":{"include_usage":true}}"#;
    let (_, _, body) = rig.chat(ask).await;
    assert_eq!(body, frames.concat());
    assert_eq!(rig.record().await.tokens_out, Some(5));
}

#[tokio::test]
async fn responses_end_with_their_last_event() {
    let rig = Rig::new().await;
    let frames = [
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":1}}}\n\n",
    ];
    rig.script(stream(&frames));
    let (_, _, body) = rig.post("/v1/responses", STREAM).await;
    assert_eq!(body, frames.concat());
    let record = rig.record().await;
    assert_eq!((record.door.as_str(), record.tokens_in), ("openai.responses", Some(2)));
}

#[tokio::test]
async fn embeddings_and_completions_pass_too() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", r#"{"data":[],"usage":{"prompt_tokens":4,"total_tokens":4}}"#));
    for path in ["/v1/embeddings", "/v1/completions"] {
        assert_eq!(rig.post(path, ASK).await.0, 200);
    }
    let doors: Vec<_> = rig.records().await.into_iter().map(|record| (record.door, record.tokens_in)).collect();
    assert_eq!(doors, [("openai.embeddings".to_owned(), Some(4)), ("openai.completions".to_owned(), Some(4))]);
}

#[tokio::test]
async fn an_error_of_the_provider_is_the_clients_to_see() {
    let rig = Rig::new().await;
    let error = r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    rig.script(whole(
        429,
        "retry-after: 2\r\nretry-after-ms: 2000\r\nx-should-retry: true\r\nx-ratelimit-limit-requests: 1\r\n",
        error,
    ));
    let (status, headers, body) = rig.chat(STREAM).await;
    assert_eq!((status.as_u16(), body.as_str()), (429, error));
    for (name, value) in [
        ("retry-after", "2"),
        ("retry-after-ms", "2000"),
        ("x-should-retry", "true"),
        ("x-ratelimit-limit-requests", "1"),
    ] {
        assert_eq!(headers[name], value);
    }
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.http_status), ("error", Some(429)));
    assert_eq!(record.error_code.as_deref(), Some("provider_error"));
}

#[tokio::test]
async fn the_routes_of_the_keys_service_are_its_models() {
    let rig = Rig::new().await;
    let (status, _, body) = rig.send(Method::GET, "/v1/models", &[], "").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(body["data"][0]["id"], "assistant");
    assert_eq!(body["data"][0]["owned_by"], "acme");
    assert_eq!(rig.send(Method::GET, "/v1/models/assistant", &[], "").await.0, 200);
    let (status, _, body) = rig.send(Method::GET, "/v1/models/gpt-0", &[], "").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status.as_u16(), &body["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!(rig.records().await, [], "asking for models is no inference");
}

#[tokio::test]
async fn the_contents_are_sealed_and_can_be_opened() {
    let rig = Rig::new().await;
    rig.script(whole(200, "x-request-id: req_9\r\n", "{}"));
    rig.send(Method::POST, "/v1/chat/completions", &[("user-agent", "test/1"), ("x-counterfoil-subject", "anna")], ASK)
        .await;
    let record = rig.record().await;
    rig.engine.seal_now().await.expect("a sealed segment");
    let (subject, ct) = sealed_payload(&rig);
    let r = record.r.as_slice().try_into().expect("24 bytes");
    let c_root = record.c_root.as_slice().try_into().expect("32 bytes");
    let sealed = vault::SealedRef { r, ct: &ct, c_root };
    let fields =
        rig.engine.vault().open_sealed(&record.classification, &record.day, &subject, &sealed).expect("it opens");
    assert_eq!(fields[0], (1, ASK.as_bytes().to_vec()));
    assert_eq!(fields[1], (2, b"{}".to_vec()));
    let meta: Value = serde_json::from_slice(&fields[2].1).expect("JSON");
    assert_eq!((&meta["model"], &meta["user_agent"]), (&json!("assistant"), &json!("test/1")));
    let meta: Value = serde_json::from_slice(&fields[3].1).expect("JSON");
    assert_eq!(meta, json!({"status": 200, "request_id": "req_9"}));
}

/// Subject and ciphertext of the one sealed record.
fn sealed_payload(rig: &Rig) -> (vault::SubjectRef, Vec<u8>) {
    let mut folders = vec![rig.engine.data_dir().join("records/payloads")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                let rows = ledger::records::segment::read_payloads(&path, |_| true).expect("payloads");
                let [row] = rows.try_into().expect("one payload");
                return (vault::SubjectRef(row.subject_ref), row.ct);
            }
        }
    }
    panic!("no segment was sealed");
}
