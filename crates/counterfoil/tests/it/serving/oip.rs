//! A model served in process, asked with the stock Triton client and plain HTTP.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::tools::{self, repository};
use crate::support::{World, http};

#[test]
fn given_the_stock_triton_client_when_it_infers_then_it_gets_the_answers_of_the_trained_model() {
    let Some(python) = tools::python("the Triton client", "tritonclient.http") else { return };
    let world = World::new();
    tools::run(
        Command::new(python)
            .arg(tools::client("oip_client.py"))
            .env("HOST", world.url.trim_start_matches("http://"))
            .env("API_KEY", world.create_key("credit"))
            .env("EXPECTED", repository("examples/credit-risk/expected.json")),
    );
    let records = world.records();
    assert_eq!((&records[0]["status"], &records[0]["model"]), (&json!("ok"), &json!("credit-risk")), "{records:?}");
    assert_eq!(records.len(), 2, "metadata is no inference; the unknown model is one that was refused");
}

#[test]
fn given_tensors_that_do_not_fit_when_inferred_then_the_error_says_why_and_is_on_record() {
    let mut world = World::new();
    world.key = world.create_key("credit");
    for (body, word) in [
        (json!({}), "inputs"),
        (json!({"inputs": []}), "inputs"),
        (json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}]}), "x"),
        (
            json!({"inputs": [{"name": "checking_status", "datatype": "COMPLEX", "shape": [1, 1], "data": ["A11"]}]}),
            "COMPLEX",
        ),
        (
            json!({"inputs": [{"name": "checking_status", "datatype": "BYTES", "shape": [9, 9], "data": ["A11"]}]}),
            "checking_status",
        ),
    ] {
        let answer = world.post("/v2/models/credit-risk/infer", &body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        let error = answer.json()["error"].as_str().expect("the protocol's error shape").to_owned();
        assert!(error.contains(word), "{body}: {error}");
    }
    let refused: Vec<Value> = world.records().iter().map(|record| record["status"].clone()).collect();
    assert_eq!(refused, ["refused"; 5]);
}

#[test]
fn given_an_unknown_operator_when_the_model_is_registered_then_it_is_refused_by_name_and_never_served() {
    let world = World::new();
    // The graph's one node asks for an operator that does not exist: see onnx.proto, ModelProto and NodeProto.
    let model = onnx_with_operator("NoSuchOperator");
    std::fs::write(world.path("odd.onnx"), model).expect("written");
    let file = world.file("odd.toml", "[[model]]\nname = \"odd\"\nversion = \"1\"\nfile = \"odd.onnx\"\n");
    let run = world.cli(&["--json", "apply", "-f", &file, "--yes"]);
    assert_eq!(run.code, 65, "{run:?}");
    assert!(run.err.contains("NoSuchOperator"), "{run:?}");
    assert_eq!(world.sql("select * from model_versions where model_id = 'odd'"), [] as [Value; 0]);
    assert_eq!(http::get(&format!("{}/v2/health/ready", world.url)).status, 200);
}

/// One node from input `x` to output `y`, opset 17, as protocol buffers.
fn onnx_with_operator(operator: &str) -> Vec<u8> {
    let bytes = |field: u8, value: &[u8]| [&[field << 3 | 2, value.len() as u8], value].concat();
    let number = |field: u8, value: u8| vec![field << 3, value];
    let node = [bytes(1, b"x"), bytes(2, b"y"), bytes(4, operator.as_bytes())].concat();
    let shape = bytes(2, &bytes(1, &number(1, 1)));
    let tensor = bytes(1, &[number(1, 1), shape].concat());
    let value = |name: &[u8]| [bytes(1, name), bytes(2, &tensor)].concat();
    let graph = [bytes(1, &node), bytes(2, b"g"), bytes(11, &value(b"x")), bytes(12, &value(b"y"))].concat();
    [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 17))].concat()
}
