//! Conversion between element types.

use std::sync::Arc;

use super::arithmetic::Number;
use super::{Args, Built, kernel};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use crate::tensor::{DataType, Tensor, TensorData};

pub(super) fn cast(attributes: &mut Attributes<'_>) -> Built {
    let number = required("to", attributes.int("to")?)?;
    // These concern 8-bit floats only.
    attributes.disregard(&["saturate", "round_mode"]);
    let target = i32::try_from(number).ok().and_then(DataType::from_proto);
    let target =
        target.ok_or_else(|| Problem::new(format!("attribute `to` asks for type {number}, which is not supported")))?;
    kernel(move |args| {
        let input = args.tensor(0)?;
        args.budget.allocate(input.shape())?;
        Ok(Tensor::new(input.shape().to_vec(), convert(input.data(), target)?)?)
    })
}

/// `data` as `target`. Floats become integers by dropping the fraction, and saturate; any number but zero is true.
fn convert(data: &TensorData, target: DataType) -> Result<TensorData, Problem> {
    macro_rules! number {
        ($type:ty, $wrap:path) => {
            $wrap(match data {
                TensorData::F32(values) => values.iter().map(|&v| v as $type).collect(),
                TensorData::F64(values) => values.iter().map(|&v| v as $type).collect(),
                TensorData::I64(values) => values.iter().map(|&v| v as $type).collect(),
                TensorData::I32(values) => values.iter().map(|&v| v as $type).collect(),
                TensorData::Bool(values) => values.iter().map(|&v| u8::from(v) as $type).collect(),
                TensorData::Str(values) => {
                    values.iter().map(|v| parse(v).map(|v: f64| v as $type)).collect::<Result<_, _>>()?
                }
            })
        };
    }
    Ok(match target {
        DataType::F32 => number!(f32, TensorData::F32),
        DataType::F64 => number!(f64, TensorData::F64),
        DataType::I64 => match data {
            // Through a float, integers beyond 2^53 would change.
            TensorData::Str(values) => TensorData::I64(values.iter().map(parse).collect::<Result<_, _>>()?),
            _ => number!(i64, TensorData::I64),
        },
        DataType::I32 => number!(i32, TensorData::I32),
        DataType::Bool => TensorData::Bool(match data {
            TensorData::F32(values) => values.iter().map(|&v| v != 0.0).collect(),
            TensorData::F64(values) => values.iter().map(|&v| v != 0.0).collect(),
            TensorData::I64(values) => values.iter().map(|&v| v != 0).collect(),
            TensorData::I32(values) => values.iter().map(|&v| v != 0).collect(),
            TensorData::Bool(values) => values.clone(),
            TensorData::Str(_) => return Err(Problem::new("text does not become BOOL")),
        }),
        DataType::Str => TensorData::Str(match data {
            TensorData::F32(values) => values.iter().map(|&v| general(f64::from(v), 8)).collect(),
            TensorData::F64(values) => values.iter().map(|&v| general(v, 17)).collect(),
            TensorData::I64(values) => values.iter().map(|v| v.to_string().into()).collect(),
            TensorData::I32(values) => values.iter().map(|v| v.to_string().into()).collect(),
            TensorData::Bool(values) => values.iter().map(|&v| if v { "1" } else { "0" }.into()).collect(),
            TensorData::Str(values) => values.clone(),
        }),
    })
}

fn parse<T: std::str::FromStr>(text: &Arc<str>) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::new(format!("`{text}` is not a number")))
}

/// A float as C's `%.{digits}g` writes it, which is what onnxruntime answers.
fn general(value: f64, digits: usize) -> Arc<str> {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.into();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.unsigned_abs()).into();
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    trim(&format!("{value:.decimals$}")).into()
}

/// The values of any numeric tensor as 32-bit floats: what the `ai.onnx.ml` operators compute with.
pub(super) fn to_f32(args: &Args<'_>, at: usize) -> Result<Vec<f32>, Problem> {
    let input = args.tensor(at)?;
    args.budget.allocate(input.shape())?;
    numbers(input, at, |v| v as f32)
}

/// The values of any numeric tensor as 64-bit floats.
pub(super) fn to_f64(args: &Args<'_>, at: usize) -> Result<Vec<f64>, Problem> {
    let input = args.tensor(at)?;
    args.budget.allocate(input.shape())?;
    numbers(input, at, |v| v)
}

fn numbers<T>(input: &Tensor, at: usize, from: impl Fn(f64) -> T) -> Result<Vec<T>, Problem> {
    super::arithmetic::each_number!(input.data(), values => Ok(values.iter().map(|v| from(v.to_f64())).collect()),
        Err(super::expected("a number", at, input)))
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn floats_are_written_as_c_writes_them() {
        for (value, text) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (-0.0001, "-0.0001"),
            (0.00001, "1e-05"),
            (1e8, "1e+08"),
            (12345678.0, "12345678"),
            (2.0 / 3.0, "0.66666667"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-INF"),
        ] {
            assert_eq!(&*general(value, 8), text);
        }
    }
}
