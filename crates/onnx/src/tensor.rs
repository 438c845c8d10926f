//! A tensor: a shape and its values in row-major order, always as many as the shape says.

use std::fmt;
use std::sync::Arc;

use crate::limits::{RANK, TENSOR_ELEMENTS};

/// The element types of tabular models, displayed in the words of the Open Inference Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `FP32`
    F32,
    /// `FP64`
    F64,
    /// `INT64`
    I64,
    /// `INT32`
    I32,
    /// `BOOL`
    Bool,
    /// `BYTES`: UTF-8 text
    Str,
}

impl DataType {
    /// The Open Inference Protocol v2 name: `FP32`, `FP64`, `INT64`, `INT32`, `BOOL`, `BYTES`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "FP32",
            Self::F64 => "FP64",
            Self::I64 => "INT64",
            Self::I32 => "INT32",
            Self::Bool => "BOOL",
            Self::Str => "BYTES",
        }
    }

    /// From the `TensorProto.DataType` number of `onnx.proto3`.
    pub(crate) fn from_proto(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::F32),
            6 => Some(Self::I32),
            7 => Some(Self::I64),
            8 => Some(Self::Str),
            9 => Some(Self::Bool),
            11 => Some(Self::F64),
            _ => None,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The values of a tensor. Text is shared, not copied, when rows are rearranged.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// 32-bit floats
    F32(Vec<f32>),
    /// 64-bit floats
    F64(Vec<f64>),
    /// 64-bit integers
    I64(Vec<i64>),
    /// 32-bit integers
    I32(Vec<i32>),
    /// truth values
    Bool(Vec<bool>),
    /// text
    Str(Vec<Arc<str>>),
}

/// Runs one expression for whichever vector `$data` holds.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::tensor::TensorData::F32($values) => $body,
            $crate::tensor::TensorData::F64($values) => $body,
            $crate::tensor::TensorData::I64($values) => $body,
            $crate::tensor::TensorData::I32($values) => $body,
            $crate::tensor::TensorData::Bool($values) => $body,
            $crate::tensor::TensorData::Str($values) => $body,
        }
    };
}
pub(crate) use each_type;

/// A Rust type that tensors hold.
pub(crate) trait Element: Clone + Sized {
    const TYPE: DataType;
    fn of(data: &TensorData) -> Option<&[Self]>;
    fn wrap(values: Vec<Self>) -> TensorData;
}

macro_rules! element {
    ($rust:ty, $variant:ident) => {
        impl Element for $rust {
            const TYPE: DataType = DataType::$variant;
            fn of(data: &TensorData) -> Option<&[Self]> {
                if let TensorData::$variant(values) = data { Some(values) } else { None }
            }
            fn wrap(values: Vec<Self>) -> TensorData {
                TensorData::$variant(values)
            }
        }
    };
}
element!(f32, F32);
element!(f64, F64);
element!(i64, I64);
element!(i32, I32);
element!(bool, Bool);
element!(Arc<str>, Str);

impl TensorData {
    /// How many values there are.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn datatype(&self) -> DataType {
        match self {
            Self::F32(_) => DataType::F32,
            Self::F64(_) => DataType::F64,
            Self::I64(_) => DataType::I64,
            Self::I32(_) => DataType::I32,
            Self::Bool(_) => DataType::Bool,
            Self::Str(_) => DataType::Str,
        }
    }

    /// The values at `positions`, in that order; `None` when one lies outside.
    pub(crate) fn pick(&self, positions: impl Iterator<Item = usize>) -> Option<TensorData> {
        fn pick<T: Element>(values: &[T], positions: impl Iterator<Item = usize>) -> Option<TensorData> {
            positions.map(|at| values.get(at).cloned()).collect::<Option<Vec<T>>>().map(T::wrap)
        }
        each_type!(self, values => pick(values, positions))
    }
}

/// Why a shape and values make no tensor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The shape asks for another number of values.
    #[error("shape {shape:?} holds {expected} values, got {actual}")]
    Count {
        /// The shape.
        shape: Vec<usize>,
        /// The product of its dimensions.
        expected: usize,
        /// The values given.
        actual: usize,
    },
    /// More elements or dimensions than [`crate::limits`] allows.
    #[error("shape {0:?} is too large; a tensor may have {TENSOR_ELEMENTS} elements and {RANK} dimensions")]
    TooLarge(Vec<usize>),
}

/// A shape and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

impl Tensor {
    /// Checks that `data` has as many values as `shape` asks for, and that both are within [`crate::limits`].
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Self, TensorError> {
        let expected = volume(&shape)?;
        if expected != data.len() {
            return Err(TensorError::Count { shape, expected, actual: data.len() });
        }
        Ok(Self { shape, data })
    }

    /// The sizes of the dimensions; empty for a single value.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, in row-major order.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The type of the values.
    pub fn datatype(&self) -> DataType {
        self.data.datatype()
    }

    /// The shape and the values, given up.
    pub fn into_parts(self) -> (Vec<usize>, TensorData) {
        (self.shape, self.data)
    }

    /// From values of one Rust type.
    pub(crate) fn of<T: Element>(shape: Vec<usize>, values: Vec<T>) -> Result<Self, TensorError> {
        Self::new(shape, T::wrap(values))
    }
}

/// How many elements a tensor of `shape` has, if that is within [`crate::limits`]. Dimensions of zero count as one
/// in the bound, so that strides computed from an accepted shape cannot overflow.
pub(crate) fn volume(shape: &[usize]) -> Result<usize, TensorError> {
    let bounded = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)));
    match bounded {
        Some(product) if product <= TENSOR_ELEMENTS && shape.len() <= RANK => {
            Ok(if shape.contains(&0) { 0 } else { product })
        }
        _ => Err(TensorError::TooLarge(shape.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_and_its_values_agree() {
        assert!(Tensor::new(vec![2, 1], TensorData::I64(vec![1, 2])).is_ok());
        assert!(Tensor::new(vec![], TensorData::Bool(vec![true])).is_ok());
        assert!(Tensor::new(vec![0, 3], TensorData::F32(vec![])).is_ok());
        let error = Tensor::new(vec![2, 2], TensorData::F32(vec![1.0])).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 2] holds 4 values, got 1");
    }

    #[test]
    fn a_shape_that_overflows_or_hides_behind_zero_is_too_large() {
        for shape in [vec![usize::MAX, 2], vec![0, usize::MAX], vec![1; RANK + 1], vec![TENSOR_ELEMENTS + 1]] {
            assert_eq!(volume(&shape), Err(TensorError::TooLarge(shape)));
        }
    }
}
