use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use scan::detect::{Class, Own};
use serde_json::{Value, json};

use super::*;
use crate::dialect::openai::Operation;
use crate::dialect::sse::{self, Frames};

fn guard(rules: Value) -> Guard {
    Guard::new(serde_json::from_value(rules).expect("a guard"), Arc::default())
}

fn careful() -> Guard {
    guard(json!({
        "requests": { "email": "tokenise", "card": "mask", "secret": "block" },
        "answers": { "card": "mask", "secret": "block" },
    }))
}

fn prompt(text: &str) -> Bytes {
    json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }).to_string().into()
}

fn said(body: &Bytes) -> String {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    body["messages"][0]["content"].as_str().expect("text").to_owned()
}

#[test]
fn given_personal_data_when_a_request_is_guarded_then_each_kind_has_what_its_rule_says() {
    let text = "I am ann@example.org, also ann@example.org; bob@example.org pays with card 4111 1111 1111 1111";
    let guarded = request(&careful(), &prompt(text));
    let body = guarded.body.expect("it may pass");
    assert_eq!(said(&body), "I am [EMAIL_1], also [EMAIL_1]; [EMAIL_2] pays with card [CARD]");
    assert_eq!((guarded.tally.found(), guarded.tally.least().as_deref()), (1, Some("tokenised")));
    assert_eq!(guarded.tally.by_kind(), json!({ "email": { "tokenised": 3 }, "card": { "redacted": 1 } }));

    let answer_body = json!({ "choices": [{ "message": { "content": "Dear [EMAIL_2], [EMAIL_9]: 5555 5555 5555 4444 is a card" } }] });
    let (given, tally) = answer(&careful(), &guarded.places, &answer_body.to_string().into());
    let tally = tally.expect("looked through");
    let given: Value = serde_json::from_slice(&given.expect("it may pass")).expect("JSON");
    assert_eq!(given["choices"][0]["message"]["content"], "Dear bob@example.org, [EMAIL_9]: [CARD] is a card");
    assert_eq!((tally.found(), tally.least().as_deref()), (1, Some("redacted")));
}

#[test]
fn given_nothing_to_find_when_guarded_then_the_bytes_are_the_same_and_the_record_says_none() {
    let body = Bytes::from_static(
        b"{ \"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9 at nine\"}] }",
    );
    let guarded = request(&careful(), &body);
    assert_eq!(guarded.body.expect("it may pass"), body);
    assert_eq!((guarded.tally.found(), guarded.tally.least()), (0, None));
}

#[test]
fn given_a_placeholder_that_the_client_wrote_when_tokenised_then_ours_has_another_number() {
    let guarded = request(&careful(), &prompt("[EMAIL_1] is ann@example.org"));
    assert_eq!(said(&guarded.body.expect("it may pass")), "[EMAIL_1] is [EMAIL_2]");
    assert_eq!(guarded.places.restored("[EMAIL_1] [EMAIL_2]", false).as_deref(), Some("[EMAIL_1] ann@example.org"));
}

#[test]
fn given_what_a_route_blocks_when_guarded_then_refused_by_kind_and_without_the_value() {
    let key = format!("sk-proj-{}", "a1B2c3D4e5F6g7H8i9J0".repeat(3));
    let guarded = request(
        &guard(json!({ "requests": { "*": "block" } })),
        &prompt(&format!("use card 4111 1111 1111 1111 {key}")),
    );
    let problem = guarded.body.expect_err("blocked");
    assert_eq!((problem.code(), problem.http().as_u16()), ("personal_data_blocked", 400));
    assert!(problem.to_string().contains("card") && !problem.to_string().contains("4111"), "{problem}");
    assert_eq!(guarded.tally.found(), 1);
}

#[test]
fn given_guarded_answers_when_tokens_are_asked_for_one_by_one_then_refused() {
    for ask in
        [json!({ "logprobs": true }), json!({ "logprobs": 3 }), json!({ "include": ["message.output_text.logprobs"] })]
    {
        let guarded = request(&careful(), &ask.to_string().into());
        assert_eq!(guarded.body.expect_err("refused").code(), "invalid_request", "{ask}");
    }
    for silent in [json!({ "logprobs": false }), json!({ "top_logprobs": 0 }), json!({ "logprobs": null })] {
        assert!(request(&careful(), &silent.to_string().into()).body.is_ok(), "{silent}");
    }
    // Completions give the probability of each token for it.
    let none = request(&careful(), &json!({ "logprobs": 0 }).to_string().into());
    assert_eq!(none.body.expect_err("refused").code(), "invalid_request");
    // Of two, a provider may take the other.
    let twice = request(&careful(), &Bytes::from_static(b"{\"logprobs\":false,\"logprobs\":true}"));
    assert_eq!(twice.body.expect_err("refused").code(), "invalid_request");
    let open = guard(json!({ "requests": { "*": "mask" } }));
    assert!(
        request(&open, &json!({ "logprobs": true }).to_string().into()).body.is_ok(),
        "answers are not changed there"
    );
}

#[test]
fn given_an_answer_that_is_no_text_when_guarded_then_it_is_withheld_and_nobody_says_that_nothing_is_in_it() {
    let bytes = Bytes::from_static(b"{\"a\":\"ann@example.org \xff\"}");
    let (given, tally) = answer(&careful(), &Places::default(), &bytes);
    assert!(given.is_err_and(|problem| problem.code() == "answer_blocked") && tally.is_none());
    let open = guard(json!({ "requests": { "card": "mask" } }));
    let (given, tally) = answer(&open, &Places::default(), &bytes);
    assert!(given.is_ok_and(|given| given == bytes) && tally.is_none());
}

/// What a client puts together out of a stream's frames: texts of choices, and arguments of calls.
fn put_together(frames: &[u8]) -> (String, String) {
    let (mut cut, mut text, mut arguments) = (Frames::default(), String::new(), String::new());
    cut.push(Bytes::copy_from_slice(frames));
    while let Some(frame) = cut.next_frame() {
        let Ok(data) = serde_json::from_slice::<Value>(&sse::event(&frame).data) else { continue };
        let choice = &data["choices"][0];
        text += choice["delta"]["content"].as_str().unwrap_or_default();
        arguments += choice["delta"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default();
        text += data["delta"].as_str().unwrap_or_default();
    }
    (text, arguments)
}

fn chunk(delta: Value, finish: Option<&str>) -> Bytes {
    let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    format!("data: {chunk}\n\n").into()
}

fn streamed(guard: &Guard, places: &Places, pieces: &[String]) -> Result<Vec<u8>, Problem> {
    let mut stream = StreamGuard::new(Arc::new(guard.clone()), Operation::ChatCompletions, places.clone());
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(stream.frame(chunk(json!({ "content": piece }), None))?);
    }
    out.extend(stream.frame(chunk(json!({}), Some("stop")))?);
    out.extend(stream.frame(Bytes::from_static(b"data: [DONE]\n\n"))?);
    Ok(out)
}

fn cut_up(text: &str, at: &[usize]) -> Vec<String> {
    let (mut pieces, mut piece, mut sizes) = (Vec::new(), String::new(), at.iter().cycle());
    let mut left = sizes.next().copied().unwrap_or(1);
    for c in text.chars() {
        piece.push(c);
        left -= 1;
        if left == 0 {
            pieces.push(std::mem::take(&mut piece));
            left = sizes.next().copied().unwrap_or(1);
        }
    }
    pieces.push(piece);
    pieces
}

proptest! {
    #[test]
    fn given_a_stream_in_any_pieces_when_guarded_then_the_client_has_what_a_whole_answer_would_give(
        words in proptest::collection::vec(
            prop_oneof![
                "[a-z]{1,9}", Just("[EMAIL_1]".to_owned()), Just("[EMAIL_1".to_owned()), Just("[x]".to_owned()),
                Just("4111 1111 1111 1111".to_owned()), Just("ü".to_owned()), Just("[[".to_owned()),
            ],
            0..60,
        ),
        sizes in proptest::collection::vec(1_usize..14, 1..6),
        looks in any::<bool>(),
    ) {
        let guard = if looks { careful() } else { guard(json!({ "requests": { "*": "tokenise" } })) };
        let places = request(&guard, &prompt("ann@example.org")).places;
        let text = words.join(" ");
        let whole = json!({ "choices": [{ "message": { "content": text } }] }).to_string();
        let (whole, _) = answer(&guard, &places, &whole.into());
        let whole: Value = serde_json::from_slice(&whole.expect("it may pass")).expect("JSON");
        let frames = streamed(&guard, &places, &cut_up(&text, &sizes)).expect("it may pass");
        let (given, _) = put_together(&frames);
        prop_assert_eq!(given.as_str(), whole["choices"][0]["message"]["content"].as_str().expect("text"));
    }
}

#[test]
fn given_calls_of_tools_in_pieces_when_guarded_then_arguments_come_back_whole() {
    let places = request(&careful(), &prompt("ann@example.org")).places;
    let mut stream = StreamGuard::new(Arc::new(careful()), Operation::ChatCompletions, places);
    let call = |arguments: &str| {
        chunk(json!({ "tool_calls": [{ "index": 3, "function": { "arguments": arguments } }] }), None)
    };
    let mut out = Vec::new();
    for piece in ["{\"to\":\"[EMA", "IL_1]\",\"n\"", ":1}"] {
        out.extend(stream.frame(call(piece)).expect("it may pass"));
    }
    out.extend(stream.frame(chunk(json!({}), Some("tool_calls"))).expect("it may pass"));
    assert_eq!(put_together(&out).1, "{\"to\":\"ann@example.org\",\"n\":1}");
    let last = String::from_utf8(out).expect("text");
    assert!(last.contains("\"index\":3"), "the rest names its call: {last}");
}

#[test]
fn given_events_of_responses_when_guarded_then_pieces_and_repeats_agree() {
    let places = request(&careful(), &prompt("ann@example.org")).places;
    let mut stream = StreamGuard::new(Arc::new(careful()), Operation::Responses, places);
    let event =
        |data: Value| Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().expect("a type")));
    let delta = |text: &str| {
        event(
            json!({ "type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": text }),
        )
    };
    let mut out = Vec::new();
    for piece in ["to [EMAIL", "_1] card 4111 1111", " 1111 1111."] {
        out.extend(stream.frame(delta(piece)).expect("it may pass"));
    }
    let done = json!({ "type": "response.output_text.done", "text": "to [EMAIL_1] card 4111 1111 1111 1111." });
    out.extend(stream.frame(event(done)).expect("it may pass"));
    let shown = String::from_utf8(out.clone()).expect("text");
    assert_eq!(put_together(&out).0, "to ann@example.org card [CARD].");
    assert!(shown.ends_with("\"text\":\"to ann@example.org card [CARD].\"}\n\n"), "{shown}");
}

/// What a client has of a stream before it ends, and how it ends.
fn until_the_end(guard: &Guard, pieces: &[String]) -> (String, Result<(), Problem>) {
    let mut stream = StreamGuard::new(Arc::new(guard.clone()), Operation::ChatCompletions, Places::default());
    let mut out = Vec::new();
    for piece in pieces {
        match stream.frame(chunk(json!({ "content": piece }), None)) {
            Ok(frames) => out.extend(frames),
            Err(problem) => return (put_together(&out).0, Err(problem)),
        }
    }
    let last = stream.frame(chunk(json!({}), Some("stop")));
    out.extend(last.as_deref().unwrap_or_default());
    (put_together(&out).0, last.map(drop))
}

/// Whether no eight letters of a secret in a row were given.
fn is_kept(secret: &str, given: &str) -> bool {
    secret.as_bytes().windows(8).all(|part| !given.as_bytes().windows(8).any(|other| other == part))
}

#[test]
fn given_a_secret_in_a_stream_when_blocked_then_no_piece_of_it_was_given() {
    let key = format!("sk-proj-{}", "a1B2c3D4e5F6g7H8i9J0".repeat(3));
    let pieces = cut_up(&format!("{} the key is {key} and so on {}", "word ".repeat(40), "more ".repeat(60)), &[7]);
    let (given, end) = until_the_end(&careful(), &pieces);
    assert_eq!(end.expect_err("blocked").code(), "answer_blocked");
    assert!(given.starts_with("word word") && is_kept(&key, &given), "{given}");
}

#[test]
fn given_a_long_key_or_token_in_a_stream_when_masked_then_no_piece_of_it_was_given() {
    let masks = guard(json!({ "answers": { "secret": "mask" } }));
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let private = format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----", format!("{line}\n").repeat(26));
    let token =
        format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", "eyJzdWIiOiIxMjM0NTY3ODkwIn0".repeat(60), "c2lnbmF0dXJlX29m".repeat(20));
    for secret in [private, token] {
        let text = format!("{} here it is: {secret} and that was it {}", "word ".repeat(40), "more ".repeat(60));
        let (given, end) = until_the_end(&masks, &cut_up(&text, &[11, 5]));
        assert!(is_kept(&secret, &given), "{given}");
        // Either it was masked, or the stream ended at it.
        assert!(end.is_err() || given.contains("[SECRET]"), "{given}");
    }
}

#[test]
fn given_half_a_character_or_no_text_when_guarded_then_it_is_refused_where_it_matters() {
    let half = Bytes::from_static(b"{\"choices\":[{\"text\":\"\\ud800 ann@example.org\"}]}");
    let refused = request(&careful(), &half);
    assert_eq!(refused.body.expect_err("refused").code(), "invalid_request");
    assert_eq!(refused.tally.found(), 0);
    let (given, _) = answer(&careful(), &Places::default(), &half);
    assert_eq!(given.expect_err("withheld").code(), "answer_blocked");
    let open = guard(json!({ "requests": { "card": "mask" } }));
    let (given, _) = answer(&open, &Places::default(), &half);
    assert_eq!(given.expect("answers are not changed there"), half);
    // It was read as JSON before, so that there is nothing to say to the client.
    assert!(request(&careful(), &Bytes::from_static(b"{\"a\":\"\xff\"}")).body.is_err());
}

#[test]
fn given_a_word_without_end_in_a_stream_when_secrets_are_looked_for_then_the_stream_ends() {
    let long = "a".repeat(20_000);
    let (given, end) = until_the_end(&guard(json!({ "answers": { "secret": "mask" } })), &cut_up(&long, &[1_000]));
    let problem = end.expect_err("ended");
    assert_eq!((problem.code(), given.as_str()), ("answer_blocked", ""));
    assert!(problem.to_string().contains("more than 16 KiB"), "{problem}");
    let (given, end) = until_the_end(&guard(json!({ "answers": { "card": "mask" } })), &cut_up(&long, &[1_000]));
    assert!(end.is_ok() && given == long, "it could be no card");
}

#[test]
fn given_very_many_values_when_a_request_is_guarded_then_refused_beyond_the_bound() {
    let many = |count: usize| prompt(&(0..count).map(|n| format!("a{n}@example.org ")).collect::<String>());
    let just = request(&careful(), &many(10_000));
    assert!(just.body.is_ok() && just.places.values.len() == 10_000);
    let beyond = request(&careful(), &many(10_001)).body.expect_err("refused");
    assert!(beyond.code() == "invalid_request" && beyond.to_string().contains("more than 10000 times"), "{beyond}");
}

/// A guard with detectors of somebody's own beside.
fn with_own(rules: Value, own: &[Own]) -> Guard {
    let standard = scan::Detectors::standard();
    let detectors = own.iter().try_fold(standard, scan::Detectors::with).expect("detectors");
    Guard::new(serde_json::from_value(rules).expect("a guard"), Arc::new(detectors))
}

#[test]
fn given_a_kind_of_ones_own_when_guarded_then_its_name_is_in_placeholders_tallies_and_refusals() {
    let staff = Own::pattern("staff_number", Class::Personal, r"\bST-\d{5}\b");
    let rules = json!({ "requests": { "staff_number": "tokenise" }, "answers": { "personal": "mask" } });
    let guard = with_own(rules, std::slice::from_ref(&staff));
    let guarded = request(&guard, &prompt("Is ST-12345 in? Or ST-54321, or ST-12345 again?"));
    let sent = said(&guarded.body.expect("it may pass"));
    assert_eq!(sent, "Is [STAFF_NUMBER_1] in? Or [STAFF_NUMBER_2], or [STAFF_NUMBER_1] again?");
    assert_eq!(guarded.tally.by_kind(), json!({ "staff_number": { "tokenised": 3 } }));
    let told = json!({ "choices": [{ "message": { "content": "[STAFF_NUMBER_2] and ST-99999" } }] });
    let (given, tally) = answer(&guard, &guarded.places, &told.to_string().into());
    let given: Value = serde_json::from_slice(&given.expect("it may pass")).expect("JSON");
    assert_eq!(given["choices"][0]["message"]["content"], "ST-54321 and [STAFF_NUMBER]");
    assert_eq!(tally.expect("looked through").by_kind(), json!({ "staff_number": { "redacted": 1 } }));

    let blocks = with_own(json!({ "requests": { "staff_number": "block" } }), &[staff]);
    let problem = request(&blocks, &prompt("ST-12345")).body.expect_err("blocked");
    assert!(problem.code() == "personal_data_blocked" && problem.to_string().contains("staff_number"), "{problem}");
}

#[test]
fn given_a_long_kind_of_ones_own_in_a_stream_when_masked_then_no_piece_of_it_was_given() {
    let own = Own::pattern("note", Class::Confidential, "NOTE( [a-z]{5}){100} END");
    let guard = with_own(json!({ "answers": { "note": "mask" } }), &[own]);
    let note = format!("NOTE{} END", " secre".repeat(100));
    let text = format!("{} {note} {}", "word ".repeat(40), "more ".repeat(300));
    let (given, end) = until_the_end(&guard, &cut_up(&text, &[9, 4]));
    assert!(end.is_ok() && given == text.replace(&note, "[NOTE]"), "{given}");
}

#[test]
fn given_a_text_that_is_json_itself_when_a_value_comes_back_then_it_ends_no_string_there() {
    let own = Own::pattern("nick", Class::Personal, r#"\bn:[a-z"\\]{1,9}"#);
    let guard = with_own(json!({ "requests": { "nick": "tokenise" }, "answers": { "card": "mask" } }), &[own]);
    let places = request(&guard, &prompt(r#"it is n:x"y\z"#)).places;
    let told = json!({ "choices": [{ "message": { "content": "[NICK_1]", "tool_calls": [{
        "function": { "name": "find", "arguments": "{\"who\":\"[NICK_1]\"}" },
    }] } }] });
    let (given, _) = answer(&guard, &places, &told.to_string().into());
    let given: Value = serde_json::from_slice(&given.expect("it may pass")).expect("JSON");
    let message = &given["choices"][0]["message"];
    assert_eq!(message["content"], r#"n:x"y\z"#);
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().expect("a text");
    let arguments: Value = serde_json::from_str(arguments).expect("JSON still");
    assert_eq!(arguments["who"], r#"n:x"y\z"#);
}

#[test]
fn given_frames_that_are_no_json_when_guarded_then_what_was_held_back_comes_before_the_end_and_comments_pass() {
    let mut stream = StreamGuard::new(Arc::new(careful()), Operation::ChatCompletions, Places::default());
    let first = stream.frame(chunk(json!({ "content": "a card 4111 1111 1111 1111" }), None)).expect("it may pass");
    assert_eq!(put_together(&first).0, "", "it waits for what comes");
    let comment = Bytes::from_static(b": still there\n\n");
    assert_eq!(stream.frame(comment.clone()).expect("it may pass"), comment, "and is held back still");
    let end = stream.frame(Bytes::from_static(b"data: [DONE]\n\n")).expect("it may pass");
    assert_eq!(put_together(&end).0, "a card [CARD]");
    assert!(end.ends_with(b"data: [DONE]\n\n"));
}

#[test]
fn given_half_a_character_in_a_frame_when_answers_are_looked_through_then_the_stream_ends() {
    let frame =
        || Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"\\ud800 4111 1111 1111 1111\"}}]}\n\n");
    let mut stream = StreamGuard::new(Arc::new(careful()), Operation::ChatCompletions, Places::default());
    assert_eq!(stream.frame(frame()).expect_err("withheld").code(), "answer_blocked");
    let open = Arc::new(guard(json!({ "requests": { "card": "mask" } })));
    let mut stream = StreamGuard::new(open, Operation::ChatCompletions, Places::default());
    assert_eq!(stream.frame(frame()).expect("answers are not changed there"), frame());
}

#[test]
fn given_events_of_responses_when_texts_are_repeated_then_each_finding_counts_once() {
    let mut stream = StreamGuard::new(Arc::new(careful()), Operation::Responses, Places::default());
    let mut give = |data: Value| {
        let kind = data["type"].as_str().expect("a type").to_owned();
        stream.frame(format!("event: {kind}\ndata: {data}\n\n").into()).expect("it may pass")
    };
    let text = "card 4111 1111 1111 1111, card 5555 5555 5555 4444";
    for delta in cut_up(text, &[7]) {
        let _ = give(json!({ "type": "response.output_text.delta", "item_id": "i", "delta": delta }));
    }
    let _ = give(json!({ "type": "response.output_text.done", "item_id": "i", "text": text }));
    let _ = give(json!({ "type": "response.content_part.done", "item_id": "i", "part": { "text": text } }));
    let _ =
        give(json!({ "type": "response.completed", "response": { "output": [{ "content": [{ "text": text }] }] } }));
    assert_eq!(stream.tally().by_kind(), json!({ "card": { "redacted": 2 } }));
    assert_eq!((stream.tally().found(), stream.tally().least().as_deref()), (1, Some("redacted")));
}
