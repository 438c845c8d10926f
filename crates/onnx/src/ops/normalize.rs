//! Rows brought to a common scale: `Normalizer` and `Softmax`.

use super::reduce::lines;
use super::{Args, Built, axis, cast, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

/// Divides each row by its maximum, the sum of its magnitudes or its length; a row whose divisor is zero stays.
pub(super) fn normalizer(attributes: &mut Attributes<'_>) -> Built {
    let divisor: fn(&[f32]) -> f32 = attributes.choice(
        "norm",
        "MAX",
        &[("MAX", largest as fn(&[f32]) -> f32), ("L1", magnitudes), ("L2", length)],
    )?;
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        let mut values = cast::to_f32(args, 0)?;
        let (_, width) = rows(shape)?;
        for row in values.chunks_mut(width.max(1)) {
            let divisor = divisor(row);
            if divisor != 0.0 {
                row.iter_mut().for_each(|value| *value /= divisor);
            }
        }
        Ok(Tensor::of(shape.to_vec(), values)?)
    })
}

fn largest(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::MIN, f32::max)
}

fn magnitudes(row: &[f32]) -> f32 {
    row.iter().map(|value| f64::from(value.abs())).sum::<f64>() as f32
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt() as f32
}

/// The rows and columns of a table; a vector is one row.
pub(super) fn rows(shape: &[usize]) -> Result<(usize, usize), Problem> {
    match *shape {
        [width] => Ok((1, width)),
        [rows, width] => Ok((rows, width)),
        _ => Err(Problem::new(format!("its input must have rows and columns, got shape {shape:?}"))),
    }
}

pub(super) fn softmax(attributes: &mut Attributes<'_>) -> Built {
    let along = attributes.int("axis")?.unwrap_or(-1);
    kernel(move |args| {
        along_axis(args, along, |line| {
            let total = exponentials(line);
            line.iter_mut().for_each(|value| *value /= total);
        })
    })
}

pub(super) fn log_softmax(attributes: &mut Attributes<'_>) -> Built {
    let along = attributes.int("axis")?.unwrap_or(-1);
    kernel(move |args| {
        along_axis(args, along, |line| {
            let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = line.iter().map(|value| (value - largest).exp()).sum();
            line.iter_mut().for_each(|value| *value -= largest + total.ln());
        })
    })
}

/// Replaces values by their exponentials, scaled so that none overflows, and answers their sum.
fn exponentials(line: &mut [f64]) -> f64 {
    let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    line.iter_mut().for_each(|value| *value = (*value - largest).exp());
    line.iter().sum()
}

/// Changes every line of values along one axis in place.
fn along_axis(args: &Args<'_>, along: i64, change: impl Fn(&mut [f64])) -> Result<Tensor, Problem> {
    let input = args.tensor(0)?;
    let mut values = cast::to_f64(args, 0)?;
    let (starts, members) = lines(input.shape(), axis(along, input.shape().len())?);
    let mut line = Vec::with_capacity(members.len());
    for start in starts {
        line.clear();
        line.extend(members.iter().filter_map(|offset| values.get(start + offset).copied()));
        change(&mut line);
        for (offset, changed) in members.iter().zip(&line) {
            if let Some(value) = values.get_mut(start + offset) {
                *value = *changed;
            }
        }
    }
    let data = match input.data() {
        TensorData::F64(_) => TensorData::F64(values),
        _ => TensorData::F32(values.into_iter().map(|value| value as f32).collect()),
    };
    Ok(Tensor::new(input.shape().to_vec(), data)?)
}
