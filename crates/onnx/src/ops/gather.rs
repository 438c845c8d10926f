//! Rearranging: each output element is a copy of one input element, and only the position is computed.

use super::walk::{Axis, Walk, axes, broadcast, broadcast_to};
use super::{Args, Built, axis, expected, kernel};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData, each_type};

/// A tensor of `shape` with the elements of `source` at `positions`.
pub(super) fn picked(
    source: &Tensor,
    shape: Vec<usize>,
    positions: impl Iterator<Item = usize>,
) -> Result<Tensor, Problem> {
    let data = source.data().pick(positions).ok_or_else(|| Problem::new("a position lies outside its input"))?;
    Ok(Tensor::new(shape, data)?)
}

/// The integers of a small index input: INT64 or INT32.
pub(super) fn indices(args: &Args<'_>, at: usize) -> Result<Vec<i64>, Problem> {
    let tensor = args.tensor(at)?;
    match tensor.data() {
        TensorData::I64(values) => Ok(values.clone()),
        TensorData::I32(values) => Ok(values.iter().map(|&v| i64::from(v)).collect()),
        _ => Err(expected("INT64", at, tensor)),
    }
}

pub(super) fn transpose(attributes: &mut Attributes<'_>) -> Built {
    let order = attributes.ints("perm")?;
    kernel(move |args| {
        let input = args.tensor(0)?;
        let rank = input.shape().len();
        let order: Vec<i64> = order.clone().unwrap_or_else(|| (0..rank as i64).rev().collect());
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank as i64) {
            return Err(Problem::new(format!("perm {order:?} does not reorder {rank} dimensions")));
        }
        let own = axes(input.shape());
        let moved: Vec<Axis> = order.iter().filter_map(|&from| own.get(from as usize).copied()).collect();
        let shape: Vec<usize> = moved.iter().map(|axis| axis.size).collect();
        args.budget.allocate(&shape)?;
        picked(input, shape, Walk::new(0, moved))
    })
}

pub(super) fn expand(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let input = args.tensor(0)?;
        let wanted = indices(args, 1)?.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
        let wanted = wanted.map_err(|_| Problem::new("its shape input has a negative size"))?;
        let shape = broadcast(&[input.shape(), &wanted])?;
        args.budget.allocate(&shape)?;
        let walk = broadcast_to(input.shape(), &shape);
        picked(input, shape, walk)
    })
}

/// How many elements lie before, along and after `axis`.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    let before = shape.iter().take(axis).product();
    let after = shape.iter().skip(axis + 1).product();
    (before, shape.get(axis).copied().unwrap_or(1), after)
}

pub(super) fn gather(attributes: &mut Attributes<'_>) -> Built {
    let along = attributes.int("axis")?.unwrap_or(0);
    kernel(move |args| {
        let (input, index) = (args.tensor(0)?, args.tensor(1)?);
        let along = axis(along, input.shape().len())?;
        let (before, size, after) = around(input.shape(), along);
        let rows = indices(args, 1)?.iter().map(|&at| axis(at, size)).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|_| Problem::new(format!("an index lies outside {size} entries")))?;
        let head = input.shape().iter().take(along);
        let tail = input.shape().iter().skip(along + 1);
        let shape: Vec<usize> = head.chain(index.shape()).chain(tail).copied().collect();
        args.budget.allocate(&shape)?;
        let positions = (0..before).flat_map(|block| {
            rows.iter().flat_map(move |row| (0..after).map(move |offset| (block * size + row) * after + offset))
        });
        picked(input, shape, positions)
    })
}

/// For each place of the index tensor, the element at that place, but moved along one axis to the index.
pub(super) fn gather_elements(attributes: &mut Attributes<'_>) -> Built {
    let along = attributes.int("axis")?.unwrap_or(0);
    kernel(move |args| {
        let (input, shape) = (args.tensor(0)?, args.tensor(1)?.shape());
        let along = axis(along, input.shape().len())?;
        let size = input.shape().get(along).copied().unwrap_or(0);
        let fits = shape.len() == input.shape().len()
            && shape.iter().zip(input.shape()).enumerate().all(|(at, (index, own))| at == along || index <= own);
        let rows = indices(args, 1)?.iter().map(|&at| axis(at, size)).collect::<Result<Vec<_>, _>>();
        let (true, Ok(rows)) = (fits, rows) else {
            return Err(Problem::new(format!(
                "indices of shape {shape:?} do not fit shape {:?} along axis {along}",
                input.shape()
            )));
        };
        args.budget.allocate(shape)?;
        let own = axes(input.shape());
        let stride = own.get(along).map_or(0, |axis| axis.stride.unsigned_abs());
        let elsewhere = own
            .iter()
            .zip(shape)
            .enumerate()
            .map(|(at, (own, &size))| Axis { size, stride: if at == along { 0 } else { own.stride } });
        let positions = Walk::new(0, elsewhere).zip(rows).map(|(base, row)| base + row * stride);
        picked(input, shape.to_vec(), positions)
    })
}

pub(super) fn concat(attributes: &mut Attributes<'_>) -> Built {
    let along = required("axis", attributes.int("axis")?)?;
    kernel(move |args| {
        let inputs = args.all()?;
        let Some(first) = inputs.first() else { return Err(Problem::new("it has no input")) };
        let along = axis(along, first.shape().len())?;
        let mut total = 0usize;
        for input in &inputs {
            let fits = input.shape().len() == first.shape().len()
                && input.shape().iter().zip(first.shape()).enumerate().all(|(at, (a, b))| at == along || a == b);
            if !fits || input.datatype() != first.datatype() {
                let got: Vec<String> = inputs.iter().map(|t| format!("{} {:?}", t.datatype(), t.shape())).collect();
                return Err(Problem::new(format!("inputs do not fit together along axis {along}: {}", got.join(", "))));
            }
            total = total.saturating_add(input.shape().get(along).copied().unwrap_or(0));
        }
        let mut shape = first.shape().to_vec();
        if let Some(size) = shape.get_mut(along) {
            *size = total;
        }
        args.budget.allocate(&shape)?;
        let data = each_type!(first.data(), values => joined(values, &inputs, along));
        Ok(Tensor::new(shape, data)?)
    })
}

/// The blocks of all `inputs` along one axis, in turn. The first argument only names the type.
fn joined<T: Element>(_: &[T], inputs: &[&Tensor], along: usize) -> TensorData {
    let (blocks, ..) = inputs.first().map_or((0, 0, 0), |first| around(first.shape(), along));
    let sources: Vec<(&[T], usize)> = inputs
        .iter()
        .filter_map(|input| {
            let (_, size, after) = around(input.shape(), along);
            Some((T::of(input.data())?, size * after))
        })
        .collect();
    let mut values = Vec::new();
    for block in 0..blocks {
        for (source, width) in &sources {
            values.extend_from_slice(source.get(block * width..(block + 1) * width).unwrap_or_default());
        }
    }
    T::wrap(values)
}

/// One dimension of a slice: where it starts, how it steps, how many it takes. Bounds are clamped as in numpy.
fn slice_axis(size: usize, start: i64, end: i64, step: i64) -> Result<(usize, Axis), Problem> {
    let length = i64::try_from(size).unwrap_or(i64::MAX);
    let (low, high) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let clamp = |at: i64| if at < 0 { at.saturating_add(length) } else { at }.clamp(low, high);
    let (start, end) = (clamp(start), clamp(end));
    let span = if step < 0 { start - end } else { end - start };
    let count = match step.unsigned_abs() {
        0 => return Err(Problem::new("a slice steps by zero")),
        stride => span.max(0).unsigned_abs().div_ceil(stride),
    };
    let stride = isize::try_from(step).unwrap_or(isize::MAX);
    Ok((usize::try_from(start).unwrap_or(0), Axis { size: count as usize, stride }))
}

pub(super) fn slice(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let input = args.tensor(0)?;
        let rank = input.shape().len();
        let (starts, ends) = (indices(args, 1)?, indices(args, 2)?);
        let along = match args.maybe(3) {
            Some(_) => indices(args, 3)?,
            None => (0..starts.len() as i64).collect(),
        };
        let steps = match args.maybe(4) {
            Some(_) => indices(args, 4)?,
            None => vec![1; starts.len()],
        };
        if [ends.len(), along.len(), steps.len()] != [starts.len(); 3] {
            return Err(Problem::new("starts, ends, axes and steps differ in length"));
        }
        let mut walked = axes(input.shape());
        let mut origin = 0isize;
        for (((start, end), at), step) in starts.into_iter().zip(ends).zip(along).zip(steps) {
            let Some(own) = walked.get_mut(axis(at, rank)?) else { continue };
            let (first, cut) = slice_axis(own.size, start, end, step)?;
            origin = origin.wrapping_add((first as isize).wrapping_mul(own.stride));
            *own = Axis { size: cut.size, stride: cut.stride.wrapping_mul(own.stride) };
        }
        let shape: Vec<usize> = walked.iter().map(|axis| axis.size).collect();
        args.budget.allocate(&shape)?;
        picked(input, shape, Walk::new(origin, walked))
    })
}
