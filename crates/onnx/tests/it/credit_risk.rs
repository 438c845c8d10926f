//! The credit-risk example: one input tensor per column, text and numbers mixed, answered as onnxruntime does.

use std::path::PathBuf;

use onnx::{DataType, Model, Tensor};

use crate::corpus::{TOLERANCE, difference, json, tensor};

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit-risk")
}

fn model() -> Model {
    Model::parse(&std::fs::read(example().join("model.onnx")).unwrap()).unwrap()
}

/// The rows of expected.json as inputs.
fn inputs(model: &Model) -> Vec<(String, Tensor)> {
    let expected = json(example().join("expected.json"));
    let rows = expected["rows"].as_u64().unwrap() as usize;
    let columns = expected["inputs"].as_array().unwrap();
    columns
        .iter()
        .map(|column| {
            let name = column["name"].as_str().unwrap();
            let info = model.inputs().iter().find(|info| info.name == name).unwrap();
            assert_eq!(info.datatype.as_str(), column["datatype"].as_str().unwrap());
            (name.to_owned(), tensor(info.datatype, vec![rows, 1], &column["data"]))
        })
        .collect()
}

#[test]
fn it_takes_a_tensor_per_column_and_gives_label_and_probabilities() {
    let model = model();
    assert_eq!(model.inputs().len(), 18);
    for (name, datatype) in
        [("checking_status", DataType::Str), ("duration_months", DataType::I64), ("credit_amount", DataType::F32)]
    {
        let info = model.inputs().iter().find(|info| info.name == name).unwrap();
        assert_eq!((info.datatype, &info.shape[..]), (datatype, &[None, Some(1)][..]), "{name}");
    }
    let [label, probabilities] = model.outputs() else { panic!("two outputs") };
    assert_eq!((label.name.as_str(), label.datatype), ("label", DataType::Str));
    assert_eq!((probabilities.name.as_str(), probabilities.datatype), ("probabilities", DataType::F32));
    assert_eq!(probabilities.class_labels, ["bad", "good"]);
}

#[test]
fn it_answers_as_onnxruntime_does() {
    let expected = json(example().join("expected.json"));
    let model = model();
    let outputs = model.run(&inputs(&model)).unwrap();
    for (name, tensor) in &outputs {
        let difference = difference(tensor, &expected[name], TOLERANCE);
        assert_eq!(difference, None, "{name}");
    }
    assert_eq!(outputs.len(), 2);
}

#[test]
fn the_same_inputs_give_the_same_bits() {
    let model = model();
    let inputs = inputs(&model);
    assert_eq!(model.run(&inputs).unwrap(), model.run(&inputs).unwrap());
    assert_eq!(model.run(&inputs).unwrap(), self::model().run(&inputs).unwrap());
}

#[test]
fn a_wrong_input_is_named_with_what_was_expected() {
    let model = model();
    let good = inputs(&model);
    let said = |inputs: &[(String, Tensor)]| model.run(inputs).unwrap_err().to_string();
    let with = |at: usize, replaced: (String, Tensor)| {
        let mut inputs = good.clone();
        inputs[at] = replaced;
        inputs
    };
    let number = onnx::TensorData::I64(vec![1; 50]);
    let wrong_type = ("credit_amount".to_owned(), Tensor::new(vec![50, 1], number.clone()).unwrap());
    let wrong_shape = ("duration_months".to_owned(), Tensor::new(vec![50], number.clone()).unwrap());
    let unknown = ("shoe_size".to_owned(), Tensor::new(vec![50, 1], number).unwrap());
    let at = |name: &str| good.iter().position(|(other, _)| other == name).unwrap();

    assert_eq!(said(&with(at("credit_amount"), wrong_type)), "input `credit_amount` must be FP32, got INT64");
    assert_eq!(
        said(&with(at("duration_months"), wrong_shape)),
        "input `duration_months` must have shape [-1, 1] (-1: any size), got [50]"
    );
    assert!(
        said(&with(0, unknown))
            .starts_with("input `shoe_size` is not one of the model's; it takes `checking_status`, ")
    );
    assert!(said(&good[1..]).starts_with("input `checking_status` is missing; the model takes `checking_status`, "));
    assert_eq!(said(&with(1, good[0].clone())), "input `checking_status` is given twice");
}

#[test]
fn a_category_never_seen_in_training_is_answered_not_refused() {
    let model = model();
    let mut inputs = inputs(&model);
    for (name, tensor) in &mut inputs {
        if name == "purpose" {
            *tensor = Tensor::new(vec![50, 1], onnx::TensorData::Str(vec!["A499".into(); 50])).unwrap();
        }
    }
    assert!(model.run(&inputs).is_ok());
}
