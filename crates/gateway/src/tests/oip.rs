use domain::Command;
use engine::Principal;
use http::Method;
use serde_json::{Value, json};

use super::rig::Rig;

const MODEL: &[u8] = include_bytes!("../../../../examples/credit-risk/model.onnx");
const EXPECTED: &str = include_str!("../../../../examples/credit-risk/expected.json");

/// A rig whose service also has a model of its own, under the name `score`.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    let artifact_sha256 = rig.engine.put_artifact(MODEL).expect("stored");
    let register = json!({"command": "model.register",
        "body": {"model": "credit-risk", "version": "1", "artifact_sha256": artifact_sha256}});
    let register: Command = serde_json::from_value(register).expect("a command");
    // Whoever trains does not deploy.
    let roles = vec![("model_trainer".to_owned(), "org".to_owned())];
    let trainer = Principal { actor: "a_trainer".into(), roles, ..Principal::default() };
    rig.engine.execute(&trainer, register).await.expect("registered");
    rig.declare(json!([
        {"name": "assistant", "target": {"provider": {"provider": "acme", "model": "gpt-x"}}},
        {"name": "score", "target": {"model": {"model": "credit-risk", "version": "1"}}},
    ]))
    .await;
    rig
}

/// The first `rows` rows of the example's data as an inference request.
fn request(rows: usize) -> Value {
    let expected: Value = serde_json::from_str(EXPECTED).expect("JSON");
    let inputs = expected["inputs"].as_array().expect("inputs").iter().map(|input| {
        let data = &input["data"].as_array().expect("data")[..rows];
        json!({"name": input["name"], "datatype": input["datatype"], "shape": [rows, 1], "data": data})
    });
    json!({"id": "call-1", "parameters": {"p": 1}, "inputs": inputs.collect::<Vec<_>>()})
}

async fn infer(rig: &Rig, path: &str, body: &Value) -> (u16, Value) {
    let (status, headers, body) = rig.post(path, body.to_string()).await;
    assert_eq!(headers["content-type"], "application/json");
    (status.as_u16(), serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn a_registered_model_answers_and_is_on_record() {
    let rig = rig().await;
    let expected: Value = serde_json::from_str(EXPECTED).expect("JSON");
    let (status, answer) = infer(&rig, "/v2/models/score/infer", &request(3)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("score"), &json!("1")));
    assert_eq!((&answer["id"], &answer["parameters"]), (&json!("call-1"), &json!({"p": 1})));
    let label = &answer["outputs"][0];
    assert_eq!(label["datatype"], "BYTES");
    assert_eq!(label["data"], json!(expected["label"].as_array().expect("labels")[..3]));

    let record = rig.record().await;
    assert_eq!((record.door.as_str(), record.status.as_str()), ("oip.infer", "ok"));
    assert_eq!((record.model.as_deref(), record.version.as_deref()), (Some("credit-risk"), Some("1")));
    assert_eq!((record.route.as_deref(), record.provider.as_deref()), (Some("score"), None));
    assert!(record.deployment.is_some() && record.upstream_us.is_some());
}

#[tokio::test]
async fn only_the_outputs_that_are_wanted_come_back() {
    let rig = rig().await;
    let (_, metadata) = get(&rig, "/v2/models/score").await;
    let name = metadata["outputs"][0]["name"].clone();
    let mut body = request(1);
    body["outputs"] = json!([{"name": name}]);
    let (_, answer) = infer(&rig, "/v2/models/score/versions/1/infer", &body).await;
    assert_eq!(answer["outputs"].as_array().map(Vec::len), Some(1), "{answer}");
    body["outputs"] = json!([{"name": "nonsense"}]);
    let (status, answer) = infer(&rig, "/v2/models/score/infer", &body).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().expect("text").starts_with("output `nonsense` is not one"), "{answer}");
}

async fn get(rig: &Rig, path: &str) -> (u16, Value) {
    let (status, _, body) = rig.send(Method::GET, path, &[], "").await;
    (status.as_u16(), serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn the_server_and_its_models_describe_themselves() {
    let rig = rig().await;
    assert_eq!(get(&rig, "/v2").await.1["name"], "counterfoil");
    assert_eq!(get(&rig, "/v2/health/live").await.0, 200);
    assert_eq!(get(&rig, "/v2/health/ready").await.0, 200);
    let (status, metadata) = get(&rig, "/v2/models/score").await;
    assert_eq!((status, &metadata["platform"], &metadata["versions"]), (200, &json!("onnx_onnxv1"), &json!(["1"])));
    assert_eq!(metadata["inputs"][1]["datatype"], "INT64");
    assert_eq!(get(&rig, "/v2/models/score/versions/1/ready").await.1, json!({"name": "score", "ready": true}));
    assert_eq!(get(&rig, "/v2/models/score/versions/2/ready").await.0, 404);
    assert_eq!(get(&rig, "/v2/models/nobody").await.0, 404);
    assert_eq!(rig.records().await, [], "none of these is an inference");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_this_protocols_words() {
    let rig = rig().await;
    let good = request(1);
    let mut wrong = good.clone();
    wrong["inputs"][1]["datatype"] = json!("FP32");
    let mut uneven = request(3);
    for (at, rows) in [(2, 2), (4, 1)] {
        uneven["inputs"][at]["shape"] = json!([rows, 1]);
        uneven["inputs"][at]["data"] = json!(request(rows)["inputs"][at]["data"]);
    }
    let odd = uneven["inputs"][2]["name"].as_str().expect("a name");
    let odd = format!("input `{odd}` has 2 rows, but `");
    let cases = [
        ("/v2/models/nobody/infer", &good, 404, "`nobody` is not a model of this service"),
        ("/v2/models/score/versions/9/infer", &good, 404, "has no version `9` here: version `1` answers"),
        ("/v2/models/assistant/infer", &good, 400, "is a model of an outside provider"),
        ("/v2/models/score/infer", &json!({}), 400, "no inputs"),
        ("/v2/models/score/infer", &wrong, 400, "must be INT64, got FP32"),
        ("/v2/models/score/infer", &uneven, 400, odd.as_str()),
        ("/v2/models/score/infer", &uneven, 400, "has 3: give all inputs the same number of rows"),
        ("/v2/models/%ff/infer", &good, 404, "is not an operation of the Open Inference Protocol"),
        ("/v2/repository/index", &json!({}), 404, "is not an operation of the Open Inference Protocol"),
    ];
    for (path, body, status, message) in cases {
        let (answered, answer) = infer(&rig, path, body).await;
        let error = answer["error"].as_str().expect("an error");
        assert!(answered == status && error.contains(message), "{path}: {answered} {error}");
    }
    let headers = [("inference-header-content-length", "10")];
    let (status, _, body) = rig.send(Method::POST, "/v2/models/score/infer", &headers, good.to_string()).await;
    assert!(status == 400 && body.contains("binary tensors"), "{body}");
    let chat = rig.chat(r#"{"model":"score"}"#).await;
    assert!(chat.0 == 400 && chat.2.contains("takes tensors, not text"), "{}", chat.2);
    let records = rig.records().await;
    assert_eq!(records.len(), 11);
    assert!(records.iter().all(|record| record.status == "refused"));
}

/// Publishes the example's contract with `change` made to it, as whoever administers while nobody could approve.
async fn contract(rig: &Rig, version: u64, change: impl Fn(&str) -> String) {
    let founder = |state: &domain::State| {
        let mut actors = state.actors.values();
        let founder = actors.find(|actor| actor.roles.iter().any(|role| role == "administrator"));
        founder.expect("an administrator").actor.clone()
    };
    let actor = rig.engine.read(founder);
    let roles = vec![("data_steward".to_owned(), "org".to_owned())];
    let steward = Principal { actor: actor.clone(), roles, ..Principal::default() };
    for dataset in ["german-credit", "bookings", "purposes"] {
        let spec = json!({"class": "internal", "owner": actor, "source": "uci", "licence": "CC-BY-4.0", "purposes": ["training", "operation"]});
        let declare = json!({"command": "dataset.declare", "body": {"dataset": dataset, "spec": spec}});
        let declare: Command = serde_json::from_value(declare).expect("a command");
        rig.engine.execute(&steward, declare).await.expect("declared");
    }
    let text = change(include_str!("../../../../examples/credit-risk/contract.toml"));
    let body = json!({"contract": "german-credit", "version": version, "dataset": "german-credit", "text": text});
    let publish = json!({"command": "contract.publish", "body": body});
    let publish: Command = serde_json::from_value(publish).expect("a command");
    rig.engine.execute(&steward, publish).await.expect("published");
}

#[tokio::test]
async fn inputs_that_break_a_contract_are_refused_and_those_that_break_a_warning_are_answered_and_noted() {
    let rig = rig().await;
    let old = |years: i64| {
        let mut body = request(2);
        let inputs = body["inputs"].as_array_mut().expect("inputs");
        let input = inputs.iter_mut().find(|input| input["name"] == "age_years").expect("an input");
        input["data"][1] = json!(years);
        body
    };
    contract(&rig, 1, |text| text.replace("models = [\"credit-risk\"]", "models = []")).await;
    assert_eq!(infer(&rig, "/v2/models/score/infer", &old(11)).await.0, 200, "it guards no model");
    contract(&rig, 2, str::to_owned).await;
    assert_eq!(infer(&rig, "/v2/models/score/infer", &request(20)).await.0, 200, "real loans");
    let (status, answer) = infer(&rig, "/v2/models/score/infer", &old(11)).await;
    let error = answer["error"].as_str().expect("an error");
    assert_eq!(status, 422, "{error}");
    assert!(error.contains("german-credit 2: age_years.range (1 rows)"), "{error}");
    contract(&rig, 3, |text| text.replace("unit = \"years\"", "severity = \"warning\"")).await;
    assert_eq!(infer(&rig, "/v2/models/score/infer", &old(11)).await.0, 200, "it is told");
    let records = rig.records().await;
    let said: Vec<(&str, Option<&str>)> =
        records.iter().map(|record| (record.status.as_str(), record.error_code.as_deref())).collect();
    let refused = ("refused", Some("contract_broken"));
    assert_eq!(said, [("ok", None), ("ok", None), refused, ("ok", None)]);
}
