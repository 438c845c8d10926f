//! Arithmetic of two or more tensors that broadcast. Integers wrap as the specification's reference does; dividing
//! one by zero is an error.

use super::walk::{broadcast, broadcast_to};
use super::{Args, Built, expected, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData};

/// The numbers arithmetic is defined on. `None`: the result does not exist.
pub(super) trait Number: Element + Copy + PartialOrd {
    const ZERO: Self;
    fn add(self, other: Self) -> Option<Self>;
    fn sub(self, other: Self) -> Option<Self>;
    fn mul(self, other: Self) -> Option<Self>;
    fn div(self, other: Self) -> Option<Self>;
    fn power(self, exponent: f64) -> Self;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
}

macro_rules! float {
    ($($type:ty),*) => {$(
        impl Number for $type {
            const ZERO: Self = 0.0;
            fn add(self, other: Self) -> Option<Self> { Some(self + other) }
            fn sub(self, other: Self) -> Option<Self> { Some(self - other) }
            fn mul(self, other: Self) -> Option<Self> { Some(self * other) }
            fn div(self, other: Self) -> Option<Self> { Some(self / other) }
            fn power(self, exponent: f64) -> Self { f64::from(self).powf(exponent) as $type }
            fn to_f64(self) -> f64 { f64::from(self) }
            fn is_nan(self) -> bool { <$type>::is_nan(self) }
        }
    )*};
}
float!(f32, f64);

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Number for $type {
            const ZERO: Self = 0;
            fn add(self, other: Self) -> Option<Self> { Some(self.wrapping_add(other)) }
            fn sub(self, other: Self) -> Option<Self> { Some(self.wrapping_sub(other)) }
            fn mul(self, other: Self) -> Option<Self> { Some(self.wrapping_mul(other)) }
            fn div(self, other: Self) -> Option<Self> { (other != 0).then(|| self.wrapping_div(other)) }
            fn power(self, exponent: f64) -> Self { (self as f64).powf(exponent) as $type }
            fn to_f64(self) -> f64 { self as f64 }
            fn is_nan(self) -> bool { false }
        }
    )*};
}
integer!(i32, i64);

/// Runs one expression for whichever numbers `$data` holds, or answers `$otherwise` for text and truth values.
macro_rules! each_number {
    ($data:expr, $values:ident => $body:expr, $otherwise:expr) => {
        match $data {
            TensorData::F32($values) => $body,
            TensorData::F64($values) => $body,
            TensorData::I64($values) => $body,
            TensorData::I32($values) => $body,
            TensorData::Bool(_) | TensorData::Str(_) => $otherwise,
        }
    };
}
pub(super) use each_number;

/// `combine(left, right)` for every pair of elements of two tensors that broadcast.
pub(super) fn pairwise<T: Element, U: Element>(
    args: &Args<'_>,
    left: (&Tensor, &[T]),
    right: (&Tensor, &[T]),
    combine: impl Fn(&T, &T) -> Option<U>,
) -> Result<Tensor, Problem> {
    let shape = broadcast(&[left.0.shape(), right.0.shape()])?;
    args.budget.allocate(&shape)?;
    let combined: Option<Vec<U>> = if left.0.shape() == right.0.shape() {
        left.1.iter().zip(right.1).map(|(a, b)| combine(a, b)).collect()
    } else if let ([b], true) = (right.1, left.0.shape() == shape) {
        left.1.iter().map(|a| combine(a, b)).collect()
    } else {
        let pairs = broadcast_to(left.0.shape(), &shape).zip(broadcast_to(right.0.shape(), &shape));
        pairs.map(|(a, b)| combine(left.1.get(a)?, right.1.get(b)?)).collect()
    };
    let combined = combined.ok_or_else(|| Problem::new("an integer is divided by zero"))?;
    Ok(Tensor::of(shape, combined)?)
}

/// The problem that two inputs have different types.
pub(super) fn mixed(left: &Tensor, right: &Tensor) -> Problem {
    Problem::new(format!("its inputs must have one type, got {} and {}", left.datatype(), right.datatype()))
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $method:ident) => {
        $(#[$doc])*
        pub(super) fn $name(_: &mut Attributes<'_>) -> Built {
            kernel(|args| fold_two(args, args.tensor(0)?, args.tensor(1)?, Fold::$method))
        }
    };
}

/// The operations that take two numbers of one type.
#[derive(Clone, Copy)]
enum Fold {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

impl Fold {
    fn apply<T: Number>(self, a: T, b: T) -> Option<T> {
        match self {
            Self::Add => a.add(b),
            Self::Sub => a.sub(b),
            Self::Mul => a.mul(b),
            Self::Div => a.div(b),
            Self::Max => Some(if a.is_nan() || a > b { a } else { b }),
            Self::Min => Some(if a.is_nan() || a < b { a } else { b }),
        }
    }
}

fn fold_two(args: &Args<'_>, left: &Tensor, right: &Tensor, fold: Fold) -> Result<Tensor, Problem> {
    fn typed<T: Number>(
        args: &Args<'_>,
        left: &Tensor,
        right: &Tensor,
        a: &[T],
        fold: Fold,
    ) -> Result<Tensor, Problem> {
        let b = T::of(right.data()).ok_or_else(|| mixed(left, right))?;
        // One match per tensor, not per element.
        match fold {
            Fold::Add => pairwise(args, (left, a), (right, b), |a, b| a.add(*b)),
            Fold::Sub => pairwise(args, (left, a), (right, b), |a, b| a.sub(*b)),
            Fold::Mul => pairwise(args, (left, a), (right, b), |a, b| a.mul(*b)),
            other => pairwise(args, (left, a), (right, b), |a, b| other.apply(*a, *b)),
        }
    }
    each_number!(left.data(), a => typed(args, left, right, a, fold), Err(expected("a number", 0, left)))
}

operation!(add, Add);
operation!(sub, Sub);
operation!(mul, Mul);
operation!(div, Div);

/// Folds any number of inputs from left to right.
fn fold_all(args: &Args<'_>, fold: Fold) -> Result<Tensor, Problem> {
    let inputs = args.all()?;
    let Some((first, rest)) = inputs.split_first() else { return Err(Problem::new("it has no input")) };
    let copied = || -> Result<Tensor, Problem> {
        args.budget.allocate(first.shape())?;
        Ok((*first).clone())
    };
    let Some((second, rest)) = rest.split_first() else { return copied() };
    let start = fold_two(args, first, second, fold)?;
    rest.iter().try_fold(start, |folded, next| fold_two(args, &folded, next, fold))
}

pub(super) fn sum(_: &mut Attributes<'_>) -> Built {
    kernel(|args| fold_all(args, Fold::Add))
}

pub(super) fn max(_: &mut Attributes<'_>) -> Built {
    kernel(|args| fold_all(args, Fold::Max))
}

pub(super) fn min(_: &mut Attributes<'_>) -> Built {
    kernel(|args| fold_all(args, Fold::Min))
}

pub(super) fn mean(attributes: &mut Attributes<'_>) -> Built {
    let count = attributes.inputs as f64;
    kernel(move |args| {
        let total = fold_all(args, Fold::Add)?;
        let (shape, data) = total.into_parts();
        Ok(match data {
            TensorData::F32(values) => {
                Tensor::of(shape, values.iter().map(|v| (f64::from(*v) / count) as f32).collect())?
            }
            TensorData::F64(values) => Tensor::of(shape, values.iter().map(|v| v / count).collect())?,
            _ => return Err(Problem::new("its inputs must be FP32 or FP64")),
        })
    })
}

/// `base ^ exponent`, in the type of the base; the exponent may have another.
pub(super) fn pow(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let (base, exponent) = (args.tensor(0)?, args.tensor(1)?);
        let exponents: Vec<f64> = each_number!(exponent.data(), values => values.iter().map(|v| v.to_f64()).collect(),
            return Err(expected("a number", 1, exponent)));
        let shape = broadcast(&[base.shape(), exponent.shape()])?;
        args.budget.allocate(&shape)?;
        let pairs = broadcast_to(base.shape(), &shape).zip(broadcast_to(exponent.shape(), &shape));
        let data = each_number!(base.data(), values => {
            let powers = pairs.map(|(a, b)| Some(values.get(a)?.power(*exponents.get(b)?))).collect::<Option<Vec<_>>>();
            Element::wrap(powers.unwrap_or_default())
        }, return Err(expected("a number", 0, base)));
        Ok(Tensor::new(shape, data)?)
    })
}

/// Bounds given as optional inputs (operator set 11 and later).
pub(super) fn clip(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let input = args.tensor(0)?;
        let mut clipped = input.clone();
        args.budget.allocate(input.shape())?;
        for (at, fold) in [(1, Fold::Max), (2, Fold::Min)] {
            if let Some(bound) = args.maybe(at) {
                if bound.data().len() != 1 {
                    return Err(expected("a single number", at, bound));
                }
                clipped = fold_two(args, &clipped, bound, fold)?;
            }
        }
        Ok(clipped)
    })
}
