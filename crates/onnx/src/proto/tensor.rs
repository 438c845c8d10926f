//! From a `TensorProto` to a [`Tensor`]: values come either typed or as raw little-endian bytes, never from another
//! file.

use std::sync::Arc;

use super::TensorProto;
use crate::error::Refusal;
use crate::tensor::{DataType, Tensor, TensorData, TensorError};

/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: i32 = 1;

impl TensorProto {
    pub fn to_tensor(&self) -> Result<Tensor, Refusal> {
        let malformed = |problem: String| Refusal::Value { value: self.name.clone(), problem };
        if self.data_location == EXTERNAL || !self.external_data.is_empty() {
            return Err(Refusal::Feature("values stored outside the file (external data)"));
        }
        let Some(datatype) = DataType::from_proto(self.data_type) else {
            return Err(Refusal::Type { value: self.name.clone(), actual: type_name(self.data_type) });
        };
        let shape = self.dims.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| malformed(format!("shape {:?} has a negative size", self.dims)))?;
        let data = self.values(datatype).map_err(malformed)?;
        Tensor::new(shape, data).map_err(|error: TensorError| malformed(error.to_string()))
    }

    fn values(&self, datatype: DataType) -> Result<TensorData, String> {
        Ok(match datatype {
            DataType::F32 => TensorData::F32(self.typed_or_raw(&self.float_data, f32::from_le_bytes)?),
            DataType::F64 => TensorData::F64(self.typed_or_raw(&self.double_data, f64::from_le_bytes)?),
            DataType::I64 => TensorData::I64(self.typed_or_raw(&self.int64_data, i64::from_le_bytes)?),
            DataType::I32 => TensorData::I32(self.typed_or_raw(&self.int32_data, i32::from_le_bytes)?),
            DataType::Bool if self.raw_data.is_empty() => {
                TensorData::Bool(self.int32_data.iter().map(|&value| value != 0).collect())
            }
            DataType::Bool => TensorData::Bool(self.raw_data.iter().map(|&byte| byte != 0).collect()),
            DataType::Str => {
                TensorData::Str(self.string_data.iter().map(|bytes| text(bytes)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn typed_or_raw<T: Copy, const N: usize>(&self, typed: &[T], read: fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        let (chunks, rest) = self.raw_data.as_chunks::<N>();
        match (typed.is_empty(), rest.is_empty()) {
            (_, false) => Err(format!("{} raw bytes are no multiple of {N}", self.raw_data.len())),
            (false, true) if !chunks.is_empty() => Err("it has both typed and raw values".to_owned()),
            (false, true) => Ok(typed.to_vec()),
            (true, true) => Ok(chunks.iter().map(|&bytes| read(bytes)).collect()),
        }
    }
}

/// A string of the model as text. ONNX strings are bytes; tabular models hold UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<Arc<str>, String> {
    str::from_utf8(bytes).map(Arc::from).map_err(|_| format!("`{}` is not UTF-8 text", String::from_utf8_lossy(bytes)))
}

/// The specification's name of a `TensorProto.DataType`.
pub(crate) fn type_name(number: i32) -> String {
    const NAMES: [&str; 17] = [
        "UNDEFINED",
        "FLOAT",
        "UINT8",
        "INT8",
        "UINT16",
        "INT16",
        "INT32",
        "INT64",
        "STRING",
        "BOOL",
        "FLOAT16",
        "DOUBLE",
        "UINT32",
        "UINT64",
        "COMPLEX64",
        "COMPLEX128",
        "BFLOAT16",
    ];
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number));
    name.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}
