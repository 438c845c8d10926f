//! The Open Inference Protocol, version 2, REST: inference requests to tensors, tensors to answers.
//!
//! Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`. Tensors are JSON only; `data`
//! is nested like the shape or flat in row-major order. The binary tensor extension is not spoken.

use std::fmt;
use std::sync::Arc;

use onnx::{Tensor, TensorData};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Why a request is not an inference request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OipError {
    /// It is not the JSON object it should be.
    #[error("the request body is not an inference request: {0}")]
    Json(String),
    /// A datatype that is not spoken here.
    #[error(
        "input `{input}` has datatype `{datatype}`: use one of BOOL, UINT8 to UINT64, INT8 to INT64, FP32, FP64, BYTES"
    )]
    Datatype {
        /// The input's name.
        input: String,
        /// What it said.
        datatype: String,
    },
    /// A negative or absurd dimension.
    #[error("input `{0}` has a shape that is not a list of sizes: send whole numbers from 0")]
    Shape(String),
    /// Values that do not fit the datatype or the shape.
    #[error("input `{input}`: {why}")]
    Data {
        /// The input's name.
        input: String,
        /// What is wrong.
        why: String,
    },
    /// There are no inputs.
    #[error("the request has no inputs: send `inputs`")]
    NoInputs,
}

/// An inference request.
#[derive(Debug)]
pub struct InferRequest {
    /// The client's own identifier, to be given back.
    pub id: Option<String>,
    /// The client's parameters, a JSON object, to be given back.
    pub parameters: Option<Box<RawValue>>,
    /// Named tensors, in the order sent.
    pub inputs: Vec<(String, Tensor)>,
    /// The outputs that are wanted; `None` for all.
    pub outputs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RequestFields<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(default, borrow)]
    inputs: Vec<InputFields<'a>>,
    #[serde(default)]
    outputs: Option<Vec<OutputFields>>,
}

#[derive(Deserialize)]
struct InputFields<'a> {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct OutputFields {
    name: String,
}

/// Reads an inference request.
///
/// # Errors
/// [`OipError`] that names the input at fault.
pub fn parse_infer(body: &[u8]) -> Result<InferRequest, OipError> {
    let fields: RequestFields<'_> = serde_json::from_slice(body).map_err(|error| OipError::Json(error.to_string()))?;
    if fields.inputs.is_empty() {
        return Err(OipError::NoInputs);
    }
    let parameters = fields.parameters.filter(|given| given.get().starts_with('{')).map(RawValue::to_owned);
    let outputs = fields.outputs.filter(|wanted| !wanted.is_empty());
    Ok(InferRequest {
        id: fields.id,
        parameters,
        inputs: fields.inputs.into_iter().map(tensor).collect::<Result<_, _>>()?,
        outputs: outputs.map(|wanted| wanted.into_iter().map(|output| output.name).collect()),
    })
}

fn tensor(input: InputFields<'_>) -> Result<(String, Tensor), OipError> {
    let InputFields { name, shape, datatype, data } = input;
    let shape: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
    let shape = shape.ok_or_else(|| OipError::Shape(name.clone()))?;
    let values = match datatype.as_str() {
        "BOOL" => values(data, &shape).map(TensorData::Bool),
        "INT8" => narrow::<i8>(data, &shape),
        "INT16" => narrow::<i16>(data, &shape),
        "UINT8" => narrow::<u8>(data, &shape),
        "UINT16" => narrow::<u16>(data, &shape),
        "INT32" => values(data, &shape).map(TensorData::I32),
        "UINT32" => wide::<u32>(data, &shape),
        "INT64" | "UINT64" => values(data, &shape).map(TensorData::I64),
        "FP32" => values(data, &shape).map(TensorData::F32),
        "FP64" => values(data, &shape).map(TensorData::F64),
        "BYTES" => values(data, &shape).map(TensorData::Str),
        _ => return Err(OipError::Datatype { input: name, datatype }),
    };
    let values = values.map_err(|error| OipError::Data { input: name.clone(), why: error.to_string() })?;
    match Tensor::new(shape, values) {
        Ok(tensor) => Ok((name, tensor)),
        Err(error) => Err(OipError::Data { input: name, why: error.to_string() }),
    }
}

/// Integers that are smaller than any a model takes, as 32-bit ones.
fn narrow<T: Value + Into<i32>>(data: &RawValue, shape: &[usize]) -> Result<TensorData, serde_json::Error> {
    Ok(TensorData::I32(values::<T>(data, shape)?.into_iter().map(Into::into).collect()))
}

/// 32-bit unsigned integers, as 64-bit ones.
fn wide<T: Value + Into<i64>>(data: &RawValue, shape: &[usize]) -> Result<TensorData, serde_json::Error> {
    Ok(TensorData::I64(values::<T>(data, shape)?.into_iter().map(Into::into).collect()))
}

fn values<T: Value>(data: &RawValue, shape: &[usize]) -> Result<Vec<T>, serde_json::Error> {
    let mut out = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(data.get());
    List { shape, depth: 0, at_depth: &mut None, out: &mut out }.deserialize(&mut reader)?;
    Ok(out)
}

/// A value of a tensor, from the JSON scalars that can stand for it.
trait Value: Sized {
    /// What is expected, for messages.
    const WHAT: &'static str;
    fn from_int(_: i128) -> Option<Self> {
        None
    }
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    fn from_text(_: &str) -> Option<Self> {
        None
    }
}

macro_rules! int_values {
    ($($int:ty),*) => { $(impl Value for $int {
        const WHAT: &'static str = concat!("a whole number in the range of ", stringify!($int));
        fn from_int(value: i128) -> Option<Self> {
            value.try_into().ok()
        }
    })* };
}
int_values!(i8, i16, i32, i64, u8, u16, u32);

impl Value for f64 {
    const WHAT: &'static str = "a number";
    fn from_int(value: i128) -> Option<Self> {
        Some(value as f64)
    }
    fn from_float(value: f64) -> Option<Self> {
        Some(value)
    }
}

impl Value for f32 {
    const WHAT: &'static str = "a number in the range of FP32";
    fn from_int(value: i128) -> Option<Self> {
        Some(value as f32)
    }
    fn from_float(value: f64) -> Option<Self> {
        Some(value as f32).filter(|value| value.is_finite())
    }
}

impl Value for bool {
    const WHAT: &'static str = "true or false";
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Value for Arc<str> {
    const WHAT: &'static str = "a string";
    fn from_text(value: &str) -> Option<Self> {
        Some(value.into())
    }
}

/// A list at some depth of `data`: its elements are lists one deeper, or values.
struct List<'a, T> {
    shape: &'a [usize],
    depth: usize,
    /// How many lists enclose each value; the same for all, and either one (flat) or the rank (nested).
    at_depth: &'a mut Option<usize>,
    out: &'a mut Vec<T>,
}

impl<'de, T: Value> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<T: Value> List<'_, T> {
    fn put<E: serde::de::Error>(self, value: Option<T>) -> Result<(), E> {
        let expected = *self.at_depth.get_or_insert(self.depth);
        let nested_right = self.depth == 1 || self.depth == self.shape.len();
        if self.depth == 0 || expected != self.depth || !nested_right {
            return Err(E::custom("`data` must be a flat list or be nested exactly like `shape`"));
        }
        self.out.push(value.ok_or_else(|| E::custom(format!("`data` must hold {}", T::WHAT)))?);
        Ok(())
    }
}

impl<'de, T: Value> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.put(T::from_bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.put(T::from_int(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.put(T::from_int(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.put(T::from_float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.put(T::from_text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { shape, depth, at_depth, out } = self;
        if depth >= shape.len().max(1) {
            return Err(A::Error::custom("`data` is nested deeper than `shape` says"));
        }
        let before = out.len();
        let mut elements = 0;
        loop {
            let element = List { shape, depth: depth + 1, at_depth: &mut *at_depth, out: &mut *out };
            if list.next_element_seed(element)?.is_none() {
                break;
            }
            elements += 1;
        }
        // A flat list of a tensor of more dimensions is counted as a whole, by the tensor.
        let flat = depth == 0 && (shape.len() != 1) && out.len() - before == elements && *at_depth == Some(1);
        match shape.get(depth) {
            Some(size) if !flat && *size != elements && !(depth == 0 && elements == 0) => {
                Err(A::Error::custom(format!("a list of `data` has {elements} elements where `shape` says {size}")))
            }
            _ => Ok(()),
        }
    }
}

/// An answer to an inference request.
#[derive(Serialize)]
pub struct InferResponse<'a> {
    /// The name by which the model was asked for.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// The request's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The request's parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<&'a RawValue>,
    /// Named tensors.
    pub outputs: Vec<Output<'a>>,
}

/// A tensor of an answer; `data` is flat.
#[derive(Serialize)]
pub struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    #[serde(serialize_with = "write_data")]
    data: &'a TensorData,
}

impl<'a> Output<'a> {
    /// The tensor under its name.
    #[must_use]
    pub fn new(name: &'a str, tensor: &'a Tensor) -> Self {
        Self { name, datatype: tensor.datatype().as_str(), shape: tensor.shape(), data: tensor.data() }
    }
}

fn write_data<S: Serializer>(data: &&TensorData, to: S) -> Result<S::Ok, S::Error> {
    match data {
        TensorData::F32(values) => to.collect_seq(values),
        TensorData::F64(values) => to.collect_seq(values),
        TensorData::I64(values) => to.collect_seq(values),
        TensorData::I32(values) => to.collect_seq(values),
        TensorData::Bool(values) => to.collect_seq(values),
        TensorData::Str(values) => {
            let mut list = to.serialize_seq(Some(values.len()))?;
            for text in values {
                list.serialize_element(&**text)?;
            }
            list.end()
        }
    }
}

#[cfg(test)]
mod tests;
