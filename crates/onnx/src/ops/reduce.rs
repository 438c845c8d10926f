//! Reductions along axes, and the place of the largest or smallest. Sums of floats are kept in 64 bits and rounded
//! once.

use super::arithmetic::{Number, each_number};
use super::gather::indices;
use super::walk::{Axis, Walk, axes};
use super::{Args, Built, axis, expected, kernel};
use crate::attributes::Attributes;
use crate::budget::steps;
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData};

/// How to reduce a group of values. `None`: not defined for this type or for no values.
#[derive(Clone, Copy)]
struct Reduction {
    floats: fn(&[f64]) -> f64,
    integers: fn(&[i64]) -> Option<i64>,
}

struct Options {
    axes: Option<Vec<i64>>,
    keep: bool,
    /// Without axes, copy the input instead of reducing it whole.
    nothing_without_axes: bool,
}

fn reduction(attributes: &mut Attributes<'_>, how: Reduction) -> Built {
    let options = Options {
        axes: attributes.ints("axes")?,
        keep: attributes.flag("keepdims", true)?,
        nothing_without_axes: attributes.flag("noop_with_empty_axes", false)?,
    };
    kernel(move |args| reduce(args, &options, how))
}

fn reduce(args: &Args<'_>, options: &Options, how: Reduction) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    let rank = input.shape().len();
    let given = match (&options.axes, args.maybe(1)) {
        (Some(axes), _) => axes.clone(),
        (None, Some(_)) => indices(args, 1)?,
        (None, None) => Vec::new(),
    };
    let mut reduced: Vec<usize> = given.iter().map(|&at| axis(at, rank)).collect::<Result<_, _>>()?;
    if reduced.is_empty() && !options.nothing_without_axes {
        reduced = (0..rank).collect();
    }
    let (shape, groups) = Groups::new(input.shape(), &reduced, options.keep);
    args.budget.allocate(&shape)?;
    args.budget.spend(steps(input.shape()))?;
    let data = match input.data() {
        TensorData::F32(values) => {
            TensorData::F32(groups.map(values, |v| f64::from(*v), |g| Some((how.floats)(g) as f32))?)
        }
        TensorData::F64(values) => TensorData::F64(groups.map(values, |v| *v, |g| Some((how.floats)(g)))?),
        TensorData::I64(values) => TensorData::I64(groups.map(values, |v| *v, how.integers)?),
        TensorData::I32(values) => {
            TensorData::I32(groups.map(values, |v| i64::from(*v), |g| (how.integers)(g).map(|v| v as i32))?)
        }
        TensorData::Bool(_) | TensorData::Str(_) => return Err(expected("a number", 0, input)),
    };
    Ok(Tensor::new(shape, data)?)
}

/// The groups of input elements that each become one output element.
struct Groups {
    starts: Walk,
    members: Vec<usize>,
}

impl Groups {
    /// The output's shape, and the groups.
    fn new(shape: &[usize], reduced: &[usize], keep: bool) -> (Vec<usize>, Self) {
        let own = axes(shape);
        let (mut kept_axes, mut reduced_axes, mut output) = (Vec::new(), Vec::new(), Vec::new());
        for (at, axis) in own.into_iter().enumerate() {
            if reduced.contains(&at) {
                reduced_axes.push(axis);
                output.extend(keep.then_some(1));
            } else {
                kept_axes.push(axis);
                output.push(axis.size);
            }
        }
        (output, Self { starts: Walk::new(0, kept_axes), members: Walk::new(0, reduced_axes).collect() })
    }

    fn map<T: Element, V, U>(
        &self,
        values: &[T],
        read: impl Fn(&T) -> V,
        reduce: impl Fn(&[V]) -> Option<U>,
    ) -> Result<Vec<U>, Problem> {
        let mut group = Vec::with_capacity(self.members.len());
        let mut reduced = Vec::new();
        for start in self.starts.clone() {
            group.clear();
            group.extend(self.members.iter().filter_map(|offset| values.get(start + offset)).map(&read));
            let Some(value) = reduce(&group) else {
                return Err(Problem::new("this reduction is not defined for integers, or for no values"));
            };
            reduced.push(value);
        }
        Ok(reduced)
    }
}

macro_rules! reductions {
    ($($name:ident = $floats:expr, $integers:expr;)*) => {$(
        pub(super) fn $name(attributes: &mut Attributes<'_>) -> Built {
            reduction(attributes, Reduction { floats: $floats, integers: $integers })
        }
    )*};
}

reductions! {
    l1 = |g| g.iter().map(|v| v.abs()).sum(), |g| Some(g.iter().fold(0, |sum: i64, v| sum.wrapping_add(v.wrapping_abs())));
    l2 = |g| g.iter().map(|v| v * v).sum::<f64>().sqrt(), |_| None;
    log_sum = |g| g.iter().sum::<f64>().ln(), |_| None;
    log_sum_exp = log_sum_exp_of, |_| None;
    max = |g| g.iter().copied().fold(f64::NEG_INFINITY, nan_or(f64::max)), |g| g.iter().copied().max();
    mean = |g| g.iter().sum::<f64>() / g.len() as f64, mean_of_integers;
    min = |g| g.iter().copied().fold(f64::INFINITY, nan_or(f64::min)), |g| g.iter().copied().min();
    prod = |g| g.iter().product(), |g| Some(g.iter().fold(1, |product: i64, v| product.wrapping_mul(*v)));
    sum = |g| g.iter().sum(), sum_of_integers;
    sum_square = |g| g.iter().map(|v| v * v).sum(),
        |g| Some(g.iter().fold(0, |sum: i64, v| sum.wrapping_add(v.wrapping_mul(*v))));
}

/// `f`, but not a number if either argument is not.
fn nan_or(f: fn(f64, f64) -> f64) -> impl Fn(f64, f64) -> f64 {
    move |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { f(a, b) }
}

fn log_sum_exp_of(group: &[f64]) -> f64 {
    let largest = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    group.iter().map(|v| (v - largest).exp()).sum::<f64>().ln() + largest
}

fn sum_of_integers(group: &[i64]) -> Option<i64> {
    Some(group.iter().fold(0, |sum, v| sum.wrapping_add(*v)))
}

fn mean_of_integers(group: &[i64]) -> Option<i64> {
    sum_of_integers(group)?.checked_div(group.len() as i64)
}

pub(super) fn arg_max(attributes: &mut Attributes<'_>) -> Built {
    arg(attributes, |candidate, best| candidate > best)
}

pub(super) fn arg_min(attributes: &mut Attributes<'_>) -> Built {
    arg(attributes, |candidate, best| candidate < best)
}

/// The place of the best value along one axis: the first such place, or the last if the model asks.
fn arg(attributes: &mut Attributes<'_>, better: fn(f64, f64) -> bool) -> Built {
    let along = attributes.int("axis")?.unwrap_or(0);
    let keep = attributes.flag("keepdims", true)?;
    let last = attributes.flag("select_last_index", false)?;
    kernel(move |args| {
        let values = super::cast::to_f64(args, 0)?;
        let shape = args.tensor(0)?.shape();
        let (output, groups) = Groups::new(shape, &[axis(along, shape.len())?], keep);
        args.budget.allocate(&output)?;
        let places = groups.map(
            &values,
            |v| *v,
            |group| {
                let mut best: Option<(usize, f64)> = None;
                for (place, &value) in group.iter().enumerate() {
                    if best.is_none_or(|(_, held)| better(value, held) || (last && value == held)) {
                        best = Some((place, value));
                    }
                }
                best.map(|(place, _)| place as i64)
            },
        )?;
        Ok(Tensor::of(output, places)?)
    })
}

/// Running totals along one axis.
pub(super) fn cumulative_sum(attributes: &mut Attributes<'_>) -> Built {
    let (exclusive, reverse) = (attributes.flag("exclusive", false)?, attributes.flag("reverse", false)?);
    kernel(move |args| {
        let input = args.tensor(0)?;
        let [along] = indices(args, 1)?[..] else { return Err(Problem::new("its axis input must hold one number")) };
        let along = axis(along, input.shape().len())?;
        args.budget.allocate(input.shape())?;
        each_number!(input.data(), values => {
            let mut totals = values.clone();
            let (starts, mut members) = lines(input.shape(), along);
            if reverse {
                members.reverse();
            }
            for start in starts {
                let mut total = Number::ZERO;
                for at in members.iter().map(|offset| start + offset) {
                    let (Some(value), Some(slot)) = (values.get(at).copied(), totals.get_mut(at)) else { continue };
                    let next = Number::add(total, value).unwrap_or(total);
                    *slot = if exclusive { total } else { next };
                    total = next;
                }
            }
            Ok(Tensor::of(input.shape().to_vec(), totals)?)
        }, Err(expected("a number", 0, input)))
    })
}

/// The rows of a matrix walk, for operators that normalise along one axis: starts of groups, and their members.
pub(super) fn lines(shape: &[usize], along: usize) -> (Walk, Vec<usize>) {
    let own = axes(shape);
    let line: Vec<Axis> = own.iter().skip(along).take(1).copied().collect();
    let others = own.into_iter().enumerate().filter(|(at, _)| *at != along).map(|(_, axis)| axis);
    (Walk::new(0, others), Walk::new(0, line).collect())
}
