//! 35 scikit-learn models of all common kinds, and small graphs that cover each operator's corners. Labels must be
//! equal; floats may differ by 1e-5, absolutely or relatively, whichever is more.

use std::path::PathBuf;

use onnx::{DataType, Model, Tensor, TensorData};
use serde_json::Value;

pub const TOLERANCE: f64 = 1e-5;

pub fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

pub fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Numbers, nested to any depth, in order; the strings that stand for what JSON cannot say.
fn flatten(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        Value::String(text) => into.push(text.parse().unwrap()),
        Value::Bool(flag) => into.push(f64::from(u8::from(*flag))),
        value => into.push(value.as_f64().unwrap()),
    }
}

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
        value => into.push(value.as_str().unwrap().to_owned()),
    }
}

/// A tensor of `datatype` from JSON.
pub fn tensor(datatype: DataType, shape: Vec<usize>, value: &Value) -> Tensor {
    let (mut numbers, mut strings) = (Vec::new(), Vec::new());
    if datatype == DataType::Str {
        texts(value, &mut strings)
    } else {
        flatten(value, &mut numbers)
    }
    let data = match datatype {
        DataType::F32 => TensorData::F32(numbers.iter().map(|v| *v as f32).collect()),
        DataType::F64 => TensorData::F64(numbers),
        DataType::I64 => TensorData::I64(numbers.iter().map(|v| *v as i64).collect()),
        DataType::I32 => TensorData::I32(numbers.iter().map(|v| *v as i32).collect()),
        DataType::Bool => TensorData::Bool(numbers.iter().map(|v| *v != 0.0).collect()),
        DataType::Str => TensorData::Str(strings.iter().map(|v| v.as_str().into()).collect()),
    };
    Tensor::new(shape, data).unwrap()
}

/// Why `actual` is not the expected answer, if it is not.
pub fn difference(actual: &Tensor, expected: &Value, tolerance: f64) -> Option<String> {
    let numbers: Vec<f64> = match actual.data() {
        TensorData::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        TensorData::F64(values) => values.clone(),
        TensorData::I64(values) => values.iter().map(|v| *v as f64).collect(),
        TensorData::I32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        TensorData::Bool(values) => values.iter().map(|v| f64::from(u8::from(*v))).collect(),
        TensorData::Str(values) => {
            let mut wanted = Vec::new();
            texts(expected, &mut wanted);
            let equal = values.iter().map(|v| v.to_string()).eq(wanted.iter().cloned());
            return (!equal).then(|| format!("expected {wanted:?}, got {values:?}"));
        }
    };
    let mut wanted = Vec::new();
    flatten(expected, &mut wanted);
    let exact = matches!(actual.datatype(), DataType::I64 | DataType::I32 | DataType::Bool);
    let close = |a: &f64, b: &f64| {
        let allowed = if exact { 0.0 } else { tolerance * b.abs().max(1.0) };
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= allowed
    };
    let equal = numbers.len() == wanted.len() && numbers.iter().zip(&wanted).all(|(a, b)| close(a, b));
    (!equal).then(|| format!("expected {wanted:?}, got {numbers:?}"))
}

#[test]
fn exported_models_answer_as_onnxruntime_does() {
    let manifest = json(models().join("manifest.json"));
    let mut failures = Vec::new();
    for (name, case) in manifest.as_object().unwrap() {
        let model = Model::parse(&std::fs::read(models().join(format!("{name}.onnx"))).unwrap()).unwrap();
        let rows = case["in"].as_array().unwrap();
        let shape = vec![rows.len(), rows[0].as_array().unwrap().len()];
        let input = (model.inputs()[0].name.clone(), tensor(DataType::F32, shape, &case["in"]));
        let outputs = model.run(&[input]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outputs.len(), case["out"].as_array().unwrap().len(), "{name}");
        for ((output, tensor), (expected_name, expected)) in
            outputs.iter().zip(case["out_names"].as_array().unwrap().iter().zip(case["out"].as_array().unwrap()))
        {
            assert_eq!(output, expected_name.as_str().unwrap(), "{name}");
            if let Some(difference) = difference(tensor, expected, TOLERANCE) {
                failures.push(format!("{name}, {output}: {difference}"));
            }
        }
    }
    assert_eq!(manifest.as_object().unwrap().len(), 35);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn score_outputs_name_their_classes() {
    for (name, output, classes) in [
        ("lr_bin_zipmap", "output_probability", &["0", "1"][..]),
        ("lr_multi_nozip", "probabilities", &["0", "1", "2"]),
        ("gb_bin_nozip", "probabilities", &["0", "1"]),
        ("rf_reg", "variable", &[]),
    ] {
        let model = Model::parse(&std::fs::read(models().join(format!("{name}.onnx"))).unwrap()).unwrap();
        let info = model.outputs().iter().find(|info| info.name == output).unwrap();
        assert_eq!(info.class_labels, classes, "{name}");
        assert_eq!(info.datatype, DataType::F32);
        assert_eq!(info.shape.first(), Some(&None), "{name}: any number of rows");
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

/// Runs one case of operators.json and answers what differs.
fn run_case(case: &Value) -> Result<(), String> {
    let model = Model::parse(&bytes(case["model"].as_str().unwrap())).map_err(|error| format!("refused: {error}"))?;
    let inputs: Vec<(String, Tensor)> = case["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| {
            let name = input["name"].as_str().unwrap();
            let datatype = model.inputs().iter().find(|info| info.name == name).unwrap().datatype;
            assert_eq!(datatype.as_str(), input["datatype"].as_str().unwrap());
            (name.to_owned(), tensor(datatype, sizes(&input["shape"]), &input["data"]))
        })
        .collect();
    let outputs = model.run(&inputs).map_err(|error| format!("failed: {error}"))?;
    let expected = case["outputs"].as_array().unwrap();
    // The script that wrote the case says why it asks for another.
    let tolerance = case["tolerance"].as_f64().unwrap_or(TOLERANCE);
    assert_eq!(outputs.len(), expected.len());
    for ((name, actual), expected) in outputs.iter().zip(expected) {
        if name != expected["name"].as_str().unwrap() {
            return Err(format!("output {name}, expected {}", expected["name"]));
        }
        // `null`: a list of maps, which has no shape.
        if !expected["shape"].is_null() && actual.shape() != sizes(&expected["shape"]) {
            return Err(format!("{name} has shape {:?}, expected {}", actual.shape(), expected["shape"]));
        }
        if let Some(difference) = difference(actual, &expected["data"], tolerance) {
            return Err(format!("{name}: {difference}"));
        }
    }
    Ok(())
}

#[test]
fn each_operator_answers_as_onnxruntime_does() {
    let cases = json(models().join("operators.json"));
    let failures: Vec<String> = cases
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, case)| run_case(case).err().map(|problem| format!("{name}: {problem}")))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.as_object().unwrap().len(),
        failures.join("\n")
    );
}
