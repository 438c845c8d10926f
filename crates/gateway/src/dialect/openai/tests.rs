use proptest::prelude::*;

use super::*;

const CHAT: Operation = Operation::ChatCompletions;

#[track_caller]
fn rewritten(body: &'static str, model: &str) -> String {
    let body = Bytes::from_static(body.as_bytes());
    let peek = peek_request(CHAT, &body).expect("the request is good");
    String::from_utf8(peek.rewrite(&body, model).to_vec()).expect("still text")
}

#[test]
fn an_unchanged_request_is_the_same_bytes() {
    let body = Bytes::from_static(br#" {"logprobs":null, "model" : "gpt-x","stream":false,"future":[1,2]} "#);
    let peek = peek_request(CHAT, &body).expect("good");
    assert_eq!((peek.model.as_str(), peek.stream), ("gpt-x", false));
    assert_eq!(peek.rewrite(&body, "gpt-x").as_ptr(), body.as_ptr());
}

#[test]
fn only_the_name_of_the_model_is_edited() {
    let body = r#"{"a": "model", "model" : "assistant", "x":1.0}"#;
    assert_eq!(rewritten(body, "gpt-\"5\""), r#"{"a": "model", "model" : "gpt-\"5\"", "x":1.0}"#);
    assert_eq!(rewritten(r#"{"model":"a\u0062"}"#, "ab"), r#"{"model":"a\u0062"}"#, "an escaped name is the same name");
}

#[test]
fn streams_are_made_to_tell_their_usage() {
    let cases = [
        (r#"{"model":"m","stream":true}"#, r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#),
        (
            r#"{"stream_options":null,"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream_options":{ },"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true },"model":"m","stream":true}"#,
        ),
        (
            r#"{"model":"m","stream_options":{"x":1},"stream":true}"#,
            r#"{"model":"m","stream_options":{"include_usage":true,"x":1},"stream":true}"#,
        ),
        (
            r#"{"model":"m","stream_options":{"include_usage":false},"stream":true}"#,
            r#"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#,
        ),
    ];
    for (body, want) in cases {
        assert_eq!(rewritten(body, "m"), want);
        assert!(peek_request(CHAT, body.as_bytes()).expect("good").usage_is_ours());
    }
}

#[test]
fn who_asked_for_usage_or_does_not_stream_is_left_alone() {
    for body in [
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"m","stream":true,"stream_options":"yes"}"#,
        r#"{"model":"m","stream":false}"#,
        r#"{"model":"m"}"#,
    ] {
        assert_eq!(rewritten(body, "m"), body);
    }
    let peek = peek_request(Operation::Responses, br#"{"model":"m","stream":true}"#).expect("good");
    assert!(!peek.usage_is_ours(), "responses tell their usage unasked");
}

#[test]
fn the_subject_is_the_safety_identifier_else_the_user() {
    let subject = |body: &str| peek_request(CHAT, body.as_bytes()).map(|peek| peek.subject);
    assert_eq!(subject(r#"{"model":"m","user":"u","safety_identifier":"s"}"#), Ok(Some("s".into())));
    assert_eq!(subject(r#"{"model":"m","user":"u","safety_identifier":null}"#), Ok(Some("u".into())));
    assert_eq!(subject(r#"{"model":"m","user":""}"#), Ok(None));
    assert_eq!(subject(r#"{"model":"m","user":7}"#), Err(PeekError::NotText("user")));
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let error = |body: &[u8]| peek_request(CHAT, body).expect_err("bad").to_string();
    assert_eq!(error(b"\xff"), "the request body is not UTF-8 at byte 0: send JSON");
    assert!(error(b"[1]").contains("expected an object"));
    assert!(error(b"").contains("expected an object"));
    assert!(error(br#"{"model":"m""#).contains("EOF"));
    assert!(error(br#"{"model":"m","stream":"yes"}"#).contains("expected a boolean"));
    assert!(error(br#"{"model":"a","model":"b"}"#).contains("duplicate field `model`"));
    assert_eq!(error(b"{}"), "the request names no model: set `model` to the name of a route");
    assert_eq!(error(br#"{"model":5}"#), "`model` must be a string");
}

#[test]
fn answers_tell_their_tokens() {
    let tokens = |input, output| Some(Tokens { input, output });
    assert_eq!(read_answer(br#"{"usage":{"prompt_tokens":3,"completion_tokens":5}}"#), tokens(Some(3), Some(5)));
    assert_eq!(read_answer(br#"{"usage":{"input_tokens":3,"output_tokens":5}}"#), tokens(Some(3), Some(5)));
    assert_eq!(read_answer(br#"{"usage":{"prompt_tokens":3,"total_tokens":3}}"#), tokens(Some(3), None));
    assert_eq!(read_answer(br#"{"usage":"many"}"#), tokens(None, None));
    assert_eq!(read_answer(b"{}"), tokens(None, None));
    for garbage in [&b"null"[..], b"[]", b"<html>", b"", b"{\"a\":", b"\xff"] {
        assert_eq!(read_answer(garbage), None);
    }
}

#[test]
fn the_usage_chunk_is_stripped_only_if_it_is_ours() {
    let usage = br#"data: {"choices":[ ],"usage":{"prompt_tokens":3,"completion_tokens":5}}

"#;
    for (ours, verdict) in [(true, Verdict::Strip), (false, Verdict::Forward)] {
        let mut watch = Watch::new(CHAT, ours);
        assert_eq!(
            watch.look(b"data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":1\"}}],\"usage\":null}\n\n"),
            Verdict::Forward
        );
        assert_eq!(watch.look(usage), verdict);
        assert_eq!(watch.look(b"data: [DONE]\n\n"), Verdict::Last);
        assert_eq!(watch.tokens, Tokens { input: Some(3), output: Some(5) });
        assert!(!watch.failed);
    }
}

#[test]
fn usage_beside_a_choice_is_read_and_kept() {
    let mut watch = Watch::new(CHAT, true);
    let chunk = br#"data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    assert_eq!(watch.look(chunk), Verdict::Forward);
    assert_eq!(watch.tokens.output, Some(2));
}

#[test]
fn responses_end_with_their_own_events() {
    let mut watch = Watch::new(Operation::Responses, false);
    let delta = br#"data: {"type":"response.output_text.delta","delta":"\"response.completed\""}"#;
    assert_eq!(watch.look(delta), Verdict::Forward);
    let end = br#"event: response.completed
data: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":4}}}"#;
    assert_eq!(watch.look(end), Verdict::Last);
    assert_eq!(watch.tokens, Tokens { input: Some(9), output: Some(4) });
    let failed = br#"data: {"type":"response.failed","response":{"usage":null}}"#;
    assert_eq!(watch.look(failed), Verdict::Last);
    assert!(watch.failed);
}

#[test]
fn errors_in_a_stream_are_fields_and_not_text() {
    let failed = |operation, frame: &str| {
        let mut watch = Watch::new(operation, false);
        assert_eq!(watch.look(frame.as_bytes()), Verdict::Forward);
        watch.failed
    };
    for error in [
        r#"data: {"error":{"message":"overloaded"}}"#,
        r#"data: {"id":"c1", "error" : {"message":"overloaded"}, "choices":[]}"#,
        "data: {\ndata: \"error\":\"overloaded\"}",
        "event: error\ndata: {\"message\":\"overloaded\"}",
    ] {
        assert!(failed(CHAT, error), "{error}");
    }
    for fine in [
        r#"data: {"error":null,"choices":[]}"#,
        r#"data: {"choices":[{"delta":{"content":"{\"error\":1}"}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"error":1}]}}]}"#,
        r#"data: {"error":"cut"#,
        r#"data: "error""#,
    ] {
        assert!(!failed(CHAT, fine), "{fine}");
    }
    assert!(failed(Operation::Responses, r#"data: {"code":"x","type":"error"}"#));
    assert!(!failed(Operation::Responses, r#"data: {"type":"response.created","response":{"error":null}}"#));
}

#[test]
fn each_operation_has_its_own_end() {
    let ended = |operation, data: &str| {
        let mut watch = Watch::new(operation, false);
        watch.look(format!("data: {data}\n\n").as_bytes());
        watch.ended
    };
    assert!(ended(CHAT, "[DONE]") && ended(Operation::Completions, "[DONE]"));
    assert!(!ended(Operation::Responses, "[DONE]"));
    for kind in ["completed", "failed", "incomplete"] {
        let event = format!(r#"{{"type":"response.{kind}"}}"#);
        assert!(ended(Operation::Responses, &event) && !ended(CHAT, &event), "{event}");
    }
}

proptest! {
    #[test]
    fn peeking_never_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = peek_request(CHAT, &body);
        let _ = read_answer(&body);
        Watch::new(CHAT, true).look(&body);
        Watch::new(Operation::Responses, false).look(&body);
    }

    #[test]
    fn a_rewritten_request_says_the_same_but_for_the_model(
        text in "[ -~é]{0,20}", stream in any::<bool>(), model in "[ -~é]{1,12}", asked in "[ -~]{1,12}",
    ) {
        let before = serde_json::json!({"input": text, "model": asked, "stream": stream, "nested": {"model": text}});
        let body = Bytes::from(serde_json::to_vec_pretty(&before).expect("JSON"));
        let peek = peek_request(CHAT, &body).expect("good");
        let mut after: serde_json::Value = serde_json::from_slice(&peek.rewrite(&body, &model)).expect("still JSON");
        prop_assert_eq!(&after["model"], &serde_json::Value::from(model));
        after["model"] = before["model"].clone();
        if stream {
            prop_assert_eq!(after.as_object_mut().expect("object").remove("stream_options").is_some(), true);
        }
        prop_assert_eq!(after, before);
    }
}
