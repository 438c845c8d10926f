//! The largest or smallest values along an axis, with their places.

use super::arithmetic::{Number, each_number};
use super::gather::indices;
use super::reduce::lines;
use super::{Args, Built, axis, expected};
use crate::attributes::Attributes;
use crate::budget::steps;
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

pub(super) fn top_k(attributes: &mut Attributes<'_>) -> Built {
    let along = attributes.int("axis")?.unwrap_or(-1);
    let largest = attributes.flag("largest", true)?;
    // Unsorted answers may come in any order; sorted is one of them.
    attributes.disregard(&["sorted"]);
    Ok(Box::new(move |args| {
        let input = args.tensor(0)?;
        each_number!(input.data(), values => top(args, input, values, along, largest), Err(expected("a number", 0, input)))
    }))
}

fn top<T: Number>(
    args: &Args<'_>,
    input: &Tensor,
    values: &[T],
    along: i64,
    largest: bool,
) -> Result<Vec<Tensor>, Problem> {
    let along = axis(along, input.shape().len())?;
    let length = input.shape().get(along).copied().unwrap_or(0);
    let count = match indices(args, 1)?[..] {
        [count] => usize::try_from(count).ok().filter(|&count| count <= length),
        _ => None,
    };
    let count = count.ok_or_else(|| Problem::new(format!("it cannot take that many of {length} values")))?;
    let mut shape = input.shape().to_vec();
    if let Some(size) = shape.get_mut(along) {
        *size = count;
    }
    // Values and places.
    let size = args.budget.allocate(&shape)?;
    args.budget.allocate(&shape)?;
    // Sorting takes about 24 comparisons per element at the largest sizes allowed.
    args.budget.spend(steps(input.shape()).saturating_mul(24))?;
    let (starts, members) = lines(input.shape(), along);
    let (outputs, ranks) = lines(&shape, along);
    let mut picked: Vec<Option<(T, i64)>> = vec![None; size];
    let mut order: Vec<(usize, T)> = Vec::with_capacity(length);
    for (start, output) in starts.zip(outputs) {
        order.clear();
        order.extend(members.iter().filter_map(|offset| values.get(start + offset).copied()).enumerate());
        // A stable sort: of equal values the first comes first.
        order.sort_by(|(_, a), (_, b)| {
            let ascending = a.to_f64().total_cmp(&b.to_f64());
            if largest { ascending.reverse() } else { ascending }
        });
        for ((place, value), rank) in order.iter().zip(&ranks) {
            if let Some(slot) = picked.get_mut(output + rank) {
                *slot = Some((*value, *place as i64));
            }
        }
    }
    let (tops, places): (Vec<T>, Vec<i64>) = picked.into_iter().flatten().unzip();
    Ok(vec![Tensor::of(shape.clone(), tops)?, Tensor::new(shape, TensorData::I64(places))?])
}
