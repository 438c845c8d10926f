//! Functions of one number, element by element. Floats are computed in 64 bits and rounded once, which leaves less
//! room for one platform's mathematics library to differ from another's.

use super::{Args, Built, expected, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

/// Applies `f` to every element of a float tensor.
fn floats(args: &Args<'_>, f: impl Fn(f64) -> f64) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    args.budget.allocate(input.shape())?;
    let data = match input.data() {
        TensorData::F32(values) => TensorData::F32(values.iter().map(|&v| f(f64::from(v)) as f32).collect()),
        TensorData::F64(values) => TensorData::F64(values.iter().map(|&v| f(v)).collect()),
        _ => return Err(expected("FP32 or FP64", 0, input)),
    };
    Ok(Tensor::new(input.shape().to_vec(), data)?)
}

/// Applies `f` to every element of a float tensor, `g` to those of an integer one.
fn numbers(args: &Args<'_>, f: impl Fn(f64) -> f64, g: impl Fn(i64) -> i64) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    let data = match input.data() {
        TensorData::I64(values) => TensorData::I64(values.iter().map(|&v| g(v)).collect()),
        TensorData::I32(values) => TensorData::I32(values.iter().map(|&v| g(i64::from(v)) as i32).collect()),
        _ => return floats(args, f),
    };
    args.budget.allocate(input.shape())?;
    Ok(Tensor::new(input.shape().to_vec(), data)?)
}

macro_rules! float_functions {
    ($($name:ident = $f:expr;)*) => {$(
        pub(super) fn $name(_: &mut Attributes<'_>) -> Built {
            kernel(|args| floats(args, $f))
        }
    )*};
}

float_functions! {
    ceil = f64::ceil;
    exp = f64::exp;
    floor = f64::floor;
    log = f64::ln;
    reciprocal = f64::recip;
    round = f64::round_ties_even;
    sigmoid = logistic;
    softplus = |v| v.max(0.0) + (-v.abs()).exp().ln_1p();
    sqrt = f64::sqrt;
    tanh = f64::tanh;
}

macro_rules! number_functions {
    ($($name:ident = $f:expr, $g:expr;)*) => {$(
        pub(super) fn $name(_: &mut Attributes<'_>) -> Built {
            kernel(|args| numbers(args, $f, $g))
        }
    )*};
}

number_functions! {
    abs = f64::abs, i64::wrapping_abs;
    neg = |v| -v, i64::wrapping_neg;
    relu = |v| if v < 0.0 { 0.0 } else { v }, |v| v.max(0);
    sign = |v| if v == 0.0 || v.is_nan() { v } else { v.signum() }, i64::signum;
}

pub(super) fn leaky_relu(attributes: &mut Attributes<'_>) -> Built {
    let alpha = f64::from(attributes.float("alpha", 0.01)?);
    kernel(move |args| floats(args, |v| if v < 0.0 { alpha * v } else { v }))
}

/// The logistic function, without overflow at either end.
pub(super) fn logistic(v: f64) -> f64 {
    let positive = 1.0 / (1.0 + (-v.abs()).exp());
    if v < 0.0 { 1.0 - positive } else { positive }
}
