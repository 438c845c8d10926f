use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn parse(datatype: &str, shape: &Json, data: &Json) -> Result<TensorData, String> {
    let body = json!({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]});
    let parsed = parse_infer(&serde_json::to_vec(&body).expect("JSON")).map_err(|error| error.to_string())?;
    let [(_, tensor)] = parsed.inputs.try_into().expect("one input");
    Ok(tensor.into_parts().1)
}

#[test]
fn data_may_be_flat_or_nested() {
    let want = Ok(TensorData::F32(vec![1.0, 2.5, 3.0, 4.0]));
    assert_eq!(parse("FP32", &json!([2, 2]), &json!([1, 2.5, 3, 4])), want);
    assert_eq!(parse("FP32", &json!([2, 2]), &json!([[1, 2.5], [3, 4]])), want);
    assert_eq!(parse("FP32", &json!([4]), &json!([1, 2.5, 3, 4])), want);
    assert_eq!(parse("INT64", &json!([0, 3]), &json!([])), Ok(TensorData::I64(vec![])));
    assert_eq!(parse("INT64", &json!([]), &json!([7])), Ok(TensorData::I64(vec![7])));
}

#[test]
fn each_datatype_takes_its_values() {
    let one = json!([1]);
    assert_eq!(parse("BOOL", &one, &json!([true])), Ok(TensorData::Bool(vec![true])));
    assert_eq!(parse("UINT8", &one, &json!([255])), Ok(TensorData::I32(vec![255])));
    assert_eq!(parse("INT32", &one, &json!([-5])), Ok(TensorData::I32(vec![-5])));
    assert_eq!(parse("UINT32", &one, &json!([4_294_967_295_u32])), Ok(TensorData::I64(vec![4_294_967_295])));
    assert_eq!(parse("FP64", &one, &json!([0.1])), Ok(TensorData::F64(vec![0.1])));
    assert_eq!(parse("BYTES", &one, &json!(["é"])), Ok(TensorData::Str(vec!["é".into()])));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let error = |datatype, shape, data| parse(datatype, &shape, &data).expect_err("refused");
    assert!(error("INT8", json!([1]), json!([128])).starts_with("input `x`: `data` must hold a whole number"));
    assert!(error("INT64", json!([1]), json!([1.5])).contains("a whole number"));
    assert!(error("FP32", json!([1]), json!([1e300])).contains("in the range of FP32"));
    assert!(error("FP32", json!([1]), json!(["1"])).contains("a number"));
    assert!(error("FP32", json!([1]), json!([null])).contains("invalid type"));
    assert!(error("FP32", json!([2, 2]), json!([1, 2, 3])).contains("holds 4 values, got 3"));
    assert!(error("FP32", json!([2, 2]), json!([[1, 2, 3], [4]])).contains("3 elements where `shape` says 2"));
    assert!(error("FP32", json!([2, 2]), json!([[1, 2], 3, 4])).contains("nested exactly like `shape`"));
    assert!(error("FP32", json!([4]), json!([[1, 2], [3, 4]])).contains("nested deeper"));
    assert!(error("FP32", json!([1, 1, 2]), json!([[1, 2]])).contains("nested exactly"));
    assert!(error("FP32", json!([-1]), json!([1])).contains("whole numbers from 0"));
    assert!(error("FP16", json!([1]), json!([1])).contains("`FP16`: use one of BOOL"));
    assert!(error("FP32", json!([1]), json!(1)).contains("flat list"));
    assert_eq!(parse_infer(b"{}").expect_err("refused"), OipError::NoInputs);
    assert!(matches!(parse_infer(b"nonsense"), Err(OipError::Json(_))));
}

#[test]
fn identifiers_parameters_and_wanted_outputs_are_read() {
    let body = br#"{"id":"7","parameters":{"a":1},"outputs":[{"name":"label","parameters":{}}],
        "inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[1]}]}"#;
    let parsed = parse_infer(body).expect("good");
    assert_eq!(parsed.id.as_deref(), Some("7"));
    assert_eq!(parsed.parameters.map(|p| p.get().to_owned()).as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(parsed.outputs, Some(vec!["label".to_owned()]));
}

#[test]
fn answers_are_flat() {
    let label = Tensor::new(vec![2, 1], TensorData::Str(vec!["good".into(), "bad".into()])).expect("a tensor");
    let answer = InferResponse {
        model_name: "credit",
        model_version: "1",
        id: Some("7"),
        parameters: None,
        outputs: vec![Output::new("label", &label)],
    };
    let want = json!({"model_name": "credit", "model_version": "1", "id": "7",
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [2, 1], "data": ["good", "bad"]}]});
    assert_eq!(serde_json::to_value(&answer).expect("JSON"), want);
}

proptest! {
    #[test]
    fn parsing_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), data in "[\\[\\]0-9,.\"]{0,40}") {
        let _ = parse_infer(&body);
        let framed = format!(r#"{{"inputs":[{{"name":"x","datatype":"FP32","shape":[2,2],"data":{data}}}]}}"#);
        let _ = parse_infer(framed.as_bytes());
    }
}
