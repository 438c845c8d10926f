use std::sync::Arc;
use std::time::Duration;

use domain::Command;
use domain::infrastructure::PoliciesInstalled;
use domain::serving::InferenceCore;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::rig::{Act, Rig, administrator, assistant, stream_head, whole};
use crate::Limits;

const ASK: &str = r#"{"model":"assistant"}"#;

/// A refusal and its record agree; nothing the client made up is in the core.
#[track_caller]
fn agree(answer: &(http::StatusCode, http::HeaderMap, String), record: &InferenceCore, status: u16, code: &str) {
    let body: Value = serde_json::from_str(&answer.2).expect("JSON");
    assert_eq!((answer.0.as_u16(), body["error"]["code"].as_str()), (status, Some(code)));
    assert_eq!(answer.1["x-counterfoil-inference"], record.inference_id.as_str());
    assert_eq!((record.status.as_str(), record.http_status), ("refused", Some(i64::from(status))));
    assert_eq!(record.error_code.as_deref(), Some(code));
    assert_eq!(record.route, None);
    assert_eq!(record.response_bytes as usize, answer.2.len());
}

#[tokio::test]
async fn strangers_are_refused_and_recorded() {
    let rig = Rig::new().await;
    let big = format!(r#"{{"model":"assistant","x":"{}"}}"#, "y".repeat(9_000));
    let path = "/v1/chat/completions";
    let none = rig.send(Method::POST, path, &[("authorization", "Basic x")], ASK).await;
    let wrong = rig.send(Method::POST, path, &[("authorization", "Bearer cfk_wrong")], big.clone()).await;
    let records = rig.records().await;
    agree(&none, &records[0], 401, "missing_api_key");
    agree(&wrong, &records[1], 401, "invalid_api_key");
    assert_eq!((&records[1].service, &records[1].key), (&None, &None));
    assert_eq!(records[1].request_bytes as usize, big.len());
    assert!(rig.seen().is_empty());
}

#[tokio::test]
async fn keys_may_come_in_any_of_the_usual_headers() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    for (name, value) in [("x-api-key", rig.key.clone()), ("api-key", rig.key.clone())] {
        let headers = [("authorization", "Basic x"), (name, value.as_str())];
        assert_eq!(rig.send(Method::POST, "/v1/chat/completions", &headers, ASK).await.0, 200);
        assert!(!rig.seen().last().expect("a call").0.contains(&rig.key), "keys go no further");
    }
}

/// What the policies said is remembered, and forgotten with the event that changes what they would say.
#[tokio::test]
async fn a_remembered_verdict_ends_with_the_event_that_changes_it() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    let token = std::fs::read_to_string(rig.engine.data_dir().join("operator.token")).expect("the operator's key");
    let operator = rig.engine.authenticate(token.trim()).expect("the key is good");
    let before = rig.engine.read(|state| state.policies.clone()).expect("policies");
    let install = async |text: &str| {
        let sha256 = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let command = Command::InstallPolicies(PoliciesInstalled { sha256, text: text.to_owned() });
        rig.engine.execute(&operator, command).await.expect("installed");
    };
    assert_eq!(rig.chat(ASK).await.0, 200);
    let stopped = format!("{}\n@id(\"stop\") forbid (principal, action == Action::\"infer\", resource);", before.text);
    install(&stopped).await;
    let (status, _, body) = rig.chat(ASK).await;
    assert!(status == 403 && body.contains("stop"), "{status} {body}");
    // The same of one key and one service; policies about others change nothing.
    for (key, service, status) in
        [(&*rig.key_id, "support", 403), (&*rig.key_id, "other", 200), ("k_other", "support", 200)]
    {
        let (key, service) = (format!("Key::\"{key}\""), format!("Service::\"{service}\""));
        let head = format!("principal == {key}, action == Action::\"infer\", resource == {service}");
        install(&format!("{}\n@id(\"stop-one\") forbid ({head});", before.text)).await;
        assert_eq!(rig.chat(ASK).await.0, status, "{head}");
    }
    install(&before.text).await;
    assert_eq!(rig.chat(ASK).await.0, 200);
    // No event says that a key's time is over, so that is looked at with every call.
    let snapshot = rig.gateway.snapshots.current(&rig.engine).await.expect("a snapshot");
    let ends_at = rig.engine.read(|state| state.keys[&rig.key_id].ends_at());
    assert!(snapshot.access(&rig.key, ends_at - 1).is_ok() && snapshot.access(&rig.key, ends_at).is_err());
    // What changes nothing for a key leaves what is remembered.
    let governance = rig.engine.governance();
    rig.engine.beat().await.expect("a sign of life");
    assert_eq!(rig.engine.governance(), governance);
    // A service that is gone, then a key that is.
    let retired = Command::RetireService(domain::serving::ServiceRetired { service: "support".into() });
    rig.engine.execute(&administrator(), retired).await.expect("retired");
    assert_ne!(rig.chat(ASK).await.0, 200);
    rig.declare(assistant()).await;
    assert_eq!(rig.chat(ASK).await.0, 200);
    rig.engine.revoke_key(&administrator(), &rig.key_id).await.expect("revoked");
    assert_eq!(rig.chat(ASK).await.0, 401);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    assert_eq!(rig.chat(ASK).await.0, 200);
    rig.engine.revoke_key(&administrator(), &rig.key_id).await.expect("revoked");
    assert_eq!(rig.chat(ASK).await.0, 401);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_recorded() {
    let rig = Rig::new().await;
    let malformed = rig.chat("{").await;
    let unknown = rig.chat(r#"{"model":"my-secret-name"}"#).await;
    let nameless = rig.chat("{}").await;
    let records = rig.records().await;
    agree(&malformed, &records[0], 400, "invalid_request");
    agree(&unknown, &records[1], 404, "model_not_found");
    agree(&nameless, &records[2], 400, "invalid_request");
    assert_eq!(records[1].model, None, "a made-up name is sealed, not in the core");
    assert_eq!(records[1].service.as_deref(), Some("support"));
    let body: Value = serde_json::from_str(&nameless.2).expect("JSON");
    assert_eq!(body["error"]["param"], "model");
}

#[tokio::test]
async fn what_is_not_governed_is_refused_and_recorded() {
    let rig = Rig::new().await;
    let files = rig.post("/v1/files", "x").await;
    let list = rig.send(Method::GET, "/v1/chat/completions", &[], "").await;
    let delete = rig.send(Method::DELETE, "/v1/models/assistant", &[], "").await;
    let records = rig.records().await;
    agree(&files, &records[0], 404, "not_governed");
    agree(&list, &records[1], 404, "not_governed");
    agree(&delete, &records[2], 404, "not_governed");
    assert!(files.2.contains("`POST /v1/files` is not governed by this gateway"), "{}", files.2);
    assert_eq!(records[0].door, "openai.other");
}

#[tokio::test]
async fn too_much_is_refused_and_recorded() {
    let rig = Rig::with(Limits { request_bytes: 1_000, ..Limits::default() }, 60_000).await;
    let large = rig.chat(format!(r#"{{"model":"assistant","x":"{}"}}"#, "y".repeat(2_000))).await;
    agree(&large, &rig.record().await, 413, "request_too_large");
    assert!(rig.seen().is_empty());
}

#[tokio::test]
async fn more_at_once_than_there_are_places_is_refused_and_recorded() {
    let rig = Rig::with(Limits { concurrent: 1, ..Limits::default() }, 60_000).await;
    let gate = Arc::new(Notify::new());
    rig.script([vec![Act::Gate(gate.clone())], whole(200, "", "{}")].concat());
    let second = async {
        while rig.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let second = rig.chat(ASK).await;
        gate.notify_one();
        second
    };
    let (first, second) = tokio::join!(rig.chat(ASK), second);
    assert_eq!(first.0, 200);
    assert_eq!(second.1["retry-after"], "1");
    let records = rig.records().await;
    let refused = records.iter().find(|record| record.status == "refused").expect("a record");
    agree(&second, refused, 503, "overloaded");
}

#[tokio::test]
async fn a_missing_credential_is_our_failure_and_says_so() {
    let rig = Rig::new().await;
    let spec =
        json!({"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key_env": "COUNTERFOIL_PROVIDER_UNSET"});
    let spec = serde_json::from_value(spec).expect("a provider");
    let declared = domain::vendors::ProviderDeclared { provider: "acme".into(), spec };
    rig.engine.execute(&administrator(), domain::Command::DeclareProvider(declared)).await.expect("a provider");
    let (status, _, body) = rig.chat(ASK).await;
    assert_eq!(status, 503);
    assert!(body.contains("set `COUNTERFOIL_PROVIDER_UNSET` in its environment"), "{body}");
    assert_eq!(rig.record().await.error_code.as_deref(), Some("provider_credential_missing"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_before_anybody_is_called() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    rig.make_unrecordable();
    let (status, headers, body) = rig.chat(ASK).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status.as_u16(), &body["error"]["code"]), (503, &json!("recording_unavailable")));
    assert_eq!(headers["retry-after"], "10");
    assert!(rig.seen().is_empty(), "nobody was called");
    assert_eq!(rig.records().await, []);
}

#[tokio::test]
async fn nothing_is_taken_while_a_witness_remembers_another_history_of_the_ledger() {
    let rig = Rig::new().await;
    // Nor by a service that may answer unrecorded: that is for a disk that is full for a while.
    rig.declare_as(assistant(), "answer").await;
    rig.script(whole(200, "", "{}"));
    let told = ledger::log::OtherHistory { by: "https://w.example".into(), why: "it has more".into() };
    rig.engine.log().halt(told).expect("kept");
    let (status, _, body) = rig.chat(ASK).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status.as_u16(), &body["error"]["code"]), (503, &json!("recording_unavailable")));
    assert!(rig.seen().is_empty(), "nobody was called");
}

#[tokio::test]
async fn a_service_may_answer_unrecorded_and_says_so() {
    let rig = Rig::new().await;
    rig.declare_as(assistant(), "answer").await;
    rig.script(whole(200, "", "{}"));
    rig.make_unrecordable();
    let (status, headers, body) = rig.chat(ASK).await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "{}"));
    assert_eq!(headers["x-counterfoil-recorded"], "false");
}

#[tokio::test]
async fn the_end_of_a_stream_is_withheld_when_its_record_fails() {
    let rig = Rig::new().await;
    let delta = "data: {\"choices\":[]}\n\n";
    let gate = Arc::new(Notify::new());
    let pause = Act::Gate(gate.clone());
    rig.script(vec![stream_head(), Act::Say(delta.into()), pause, Act::Say("data: [DONE]\n\n".into()), Act::HangUp]);
    let fail = async {
        while rig.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        rig.make_unrecordable();
        gate.notify_one();
    };
    let ((_, _, body), ()) = tokio::join!(rig.chat(r#"{"model":"assistant","stream":true}"#), fail);
    assert!(body.starts_with(delta) && !body.contains("[DONE]"), "{body}");
    assert!(body.contains("\"code\":\"recording_unavailable\""), "{body}");
}

#[tokio::test]
async fn a_provider_whose_name_leads_to_a_private_address_is_not_called() {
    // The name is resolved for the test's own machine: the system's resolver reads odd spellings of numbers.
    for (base_url, reason) in [("http://167772161:9/v1", "10.0.0.1"), ("http://0xa9fea9fe:9/v1", "169.254.169.254")] {
        let rig = Rig::new().await;
        let spec = serde_json::from_value(json!({"kind": "openai", "base_url": base_url})).expect("a provider");
        let declared = domain::vendors::ProviderDeclared { provider: "acme".into(), spec };
        rig.engine.execute(&administrator(), domain::Command::DeclareProvider(declared)).await.expect("not known yet");
        let (status, _, body) = rig.chat(ASK).await;
        assert_eq!(status, 503, "{body}");
        assert!(body.contains(reason), "{body}");
        let record = rig.record().await;
        assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("refused", Some("provider_forbidden")));
    }
}

#[tokio::test]
async fn a_provider_that_the_settings_forbid_cannot_be_declared() {
    let rig = Rig::new().await;
    for (spec, reason) in [
        (json!({"kind": "openai", "base_url": "http://169.254.169.254/v1"}), "169.254.169.254"),
        (
            json!({"kind": "openai", "base_url": "https://host/v1", "api_key_env": "AWS_SECRET_ACCESS_KEY"}),
            "credential_env",
        ),
        (json!({"kind": "openai", "base_url": "http://192.168.0.9/v1"}), "private_hosts"),
    ] {
        let spec = serde_json::from_value(spec).expect("a provider");
        let declared = domain::vendors::ProviderDeclared { provider: "other".into(), spec };
        let refused = rig.engine.execute(&administrator(), domain::Command::DeclareProvider(declared)).await;
        let refused = refused.expect_err("it is forbidden").to_string();
        assert!(refused.contains("provider `other`") && refused.contains(reason), "{refused}");
    }
    assert!(!rig.engine.read(|state| state.providers.contains_key("other")));
}
