//! Comparisons and logic: tensors of truth values, and the choice they make.

use super::arithmetic::{each_number, mixed, pairwise};
use super::walk::{broadcast, broadcast_to};
use super::{Args, Built, expected, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData, each_type};

/// `test(left, right)` for numbers of one type.
macro_rules! comparison {
    ($($name:ident = $test:expr;)*) => {$(
        pub(super) fn $name(_: &mut Attributes<'_>) -> Built {
            kernel(|args| {
                let (left, right) = (args.tensor(0)?, args.tensor(1)?);
                each_number!(left.data(), a => {
                    let b = same_type(a, left, right)?;
                    pairwise(args, (left, a), (right, b), |a, b| Some($test(a, b)))
                }, Err(expected("a number", 0, left)))
            })
        }
    )*};
}

comparison! {
    greater = |a, b| a > b;
    greater_or_equal = |a, b| a >= b;
    less = |a, b| a < b;
    less_or_equal = |a, b| a <= b;
}

/// The values of `right`, if they have the type of `_left_values`.
fn same_type<'a, T: Element>(_left_values: &[T], left: &Tensor, right: &'a Tensor) -> Result<&'a [T], Problem> {
    T::of(right.data()).ok_or_else(|| mixed(left, right))
}

pub(super) fn equal(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let (left, right) = (args.tensor(0)?, args.tensor(1)?);
        each_type!(left.data(), a => {
            let b = same_type(a, left, right)?;
            pairwise(args, (left, a), (right, b), |a, b| Some(a == b))
        })
    })
}

macro_rules! logic {
    ($($name:ident = $test:expr;)*) => {$(
        pub(super) fn $name(_: &mut Attributes<'_>) -> Built {
            kernel(|args| {
                let (a, b) = (args.values::<bool>(0)?, args.values::<bool>(1)?);
                pairwise(args, (args.tensor(0)?, a), (args.tensor(1)?, b), |a: &bool, b: &bool| Some($test(*a, *b)))
            })
        }
    )*};
}

logic! {
    and = |a, b| a && b;
    or = |a, b| a || b;
    xor = |a: bool, b: bool| a != b;
}

pub(super) fn not(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let shape = args.tensor(0)?.shape();
        args.budget.allocate(shape)?;
        Ok(Tensor::of(shape.to_vec(), args.values::<bool>(0)?.iter().map(|v| !v).collect())?)
    })
}

/// `test` for every element of a float tensor.
fn float_test(args: &Args<'_>, test: impl Fn(f64) -> bool) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    args.budget.allocate(input.shape())?;
    let answers: Vec<bool> = match input.data() {
        TensorData::F32(values) => values.iter().map(|&v| test(f64::from(v))).collect(),
        TensorData::F64(values) => values.iter().map(|&v| test(v)).collect(),
        _ => return Err(expected("FP32 or FP64", 0, input)),
    };
    Ok(Tensor::of(input.shape().to_vec(), answers)?)
}

pub(super) fn is_nan(_: &mut Attributes<'_>) -> Built {
    kernel(|args| float_test(args, f64::is_nan))
}

pub(super) fn is_inf(attributes: &mut Attributes<'_>) -> Built {
    let negative = attributes.flag("detect_negative", true)?;
    let positive = attributes.flag("detect_positive", true)?;
    kernel(move |args| float_test(args, |v| v.is_infinite() && if v > 0.0 { positive } else { negative }))
}

pub(super) fn r#where(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let condition = args.values::<bool>(0)?;
        let (yes, no) = (args.tensor(1)?, args.tensor(2)?);
        let shape = broadcast(&[args.tensor(0)?.shape(), yes.shape(), no.shape()])?;
        args.budget.allocate(&shape)?;
        let tests = broadcast_to(args.tensor(0)?.shape(), &shape);
        let sources = broadcast_to(yes.shape(), &shape).zip(broadcast_to(no.shape(), &shape));
        let data = each_type!(yes.data(), yes_values => {
            let no_values = same_type(yes_values, yes, no)?;
            let chosen = tests.zip(sources).map(|(test, (a, b))| {
                if *condition.get(test)? { yes_values.get(a).cloned() } else { no_values.get(b).cloned() }
            });
            Element::wrap(chosen.collect::<Option<Vec<_>>>().unwrap_or_default())
        });
        Ok(Tensor::new(shape, data)?)
    })
}
