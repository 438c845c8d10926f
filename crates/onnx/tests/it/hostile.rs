//! Bytes nobody vouches for: parsing and running must answer or refuse, never panic.

use onnx::{DataType, Model, Tensor, TensorData};
use proptest::prelude::*;

use crate::corpus::models;

/// Small models of different kinds, to be damaged.
const MODELS: [&str; 8] = [
    "dt_bin_nozip",
    "gnb_zipmap",
    "imputer_norm_lr_nozip",
    "linreg",
    "lr_multi_zipmap",
    "mlp_nozip",
    "ada_zipmap",
    "calib_nozip",
];

/// Runs a model on inputs of the declared types and sizes, if it accepts its own declaration.
fn run(model: &Model) {
    let inputs: Option<Vec<(String, Tensor)>> = model
        .inputs()
        .iter()
        .map(|info| {
            let shape: Vec<usize> = info.shape.iter().map(|size| size.unwrap_or(2).min(1 << 12) as usize).collect();
            let count = shape
                .iter()
                .try_fold(1usize, |product, size| product.checked_mul(*size))
                .filter(|count| *count < 1 << 16)?;
            let data = match info.datatype {
                DataType::F32 => TensorData::F32(vec![0.5; count]),
                DataType::F64 => TensorData::F64(vec![f64::NAN; count]),
                DataType::I64 => TensorData::I64(vec![i64::MIN; count]),
                DataType::I32 => TensorData::I32(vec![-1; count]),
                DataType::Bool => TensorData::Bool(vec![true; count]),
                DataType::Str => TensorData::Str(vec!["x".into(); count]),
            };
            Some((info.name.clone(), Tensor::new(shape, data).ok()?))
        })
        .collect();
    if let Some(inputs) = inputs {
        // Whether it answers is not the point.
        let _ = model.run(&inputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_refused_or_parsed(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(model) = Model::parse(&bytes) {
            run(&model);
        }
    }

    #[test]
    fn damaged_models_are_refused_or_run(
        which in 0..MODELS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut bytes = std::fs::read(models().join(format!("{}.onnx", MODELS[which]))).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(model) = Model::parse(&bytes) {
            run(&model);
        }
    }
}

#[test]
fn a_small_file_of_many_empty_messages_is_refused_before_it_is_decoded() {
    // Graph (field 7) of empty nodes (field 1): two bytes each, which would decode to hundreds.
    let nodes = [0x0a, 0x00].repeat(1 << 20);
    let mut bytes = vec![0x3a];
    let mut length = nodes.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(nodes);
    let refusal = Model::parse(&bytes).err().unwrap();
    assert_eq!(
        refusal.to_string(),
        "the model has more than 262144 protobuf messages; only smaller models are served in process"
    );
}

#[test]
fn a_batch_too_large_for_the_bounds_is_an_error() {
    // Naive Bayes compares every row with every class: twice the input's size.
    let model = Model::parse(&std::fs::read(models().join("gnb_nozip.onnx")).unwrap()).unwrap();
    let rows = 500_000;
    let input = Tensor::new(vec![rows, 30], TensorData::F32(vec![0.0; rows * 30])).unwrap();
    let error = model.run(&[("X".to_owned(), input)]).unwrap_err();
    assert!(error.to_string().contains("is too large"), "{error}");
}
