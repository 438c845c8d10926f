//! Preparing columns: scaling, imputing, thresholds, and putting columns together or taking them apart.

use super::arithmetic::Number;
use super::cast::to_f32;
use super::gather::{indices, picked};
use super::normalize::rows;
use super::{Args, Built, axis, expected, kernel};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

/// The value for each column, cycling: `values` has one for all or one for each.
fn per_column<'a, T>(
    values: &'a [T],
    shape: &[usize],
    what: &str,
) -> Result<std::iter::Cycle<std::slice::Iter<'a, T>>, Problem> {
    let width = shape.last().copied().unwrap_or(1);
    if values.len() != 1 && values.len() != width {
        return Err(Problem::new(format!("it has {} {what} for shape {shape:?}", values.len())));
    }
    Ok(values.iter().cycle())
}

/// `(x - offset) * scale`
pub(super) fn scaler(attributes: &mut Attributes<'_>) -> Built {
    let offset = attributes.floats("offset")?.unwrap_or_else(|| vec![0.0]);
    let scale = attributes.floats("scale")?.unwrap_or_else(|| vec![1.0]);
    kernel(move |args| {
        let shape = args.tensor(0)?.shape();
        let values = to_f32(args, 0)?;
        let offsets = per_column(&offset, shape, "offsets")?;
        let scales = per_column(&scale, shape, "scales")?;
        let scaled = values.iter().zip(offsets.zip(scales)).map(|(x, (offset, scale))| (x - offset) * scale);
        Ok(Tensor::of(shape.to_vec(), scaled.collect())?)
    })
}

/// Replaces one value, usually "not a number", by another for each column.
pub(super) fn imputer(attributes: &mut Attributes<'_>) -> Built {
    let floats = attributes.floats("imputed_value_floats")?;
    let missing_float = attributes.float("replaced_value_float", 0.0)?;
    let integers = attributes.ints("imputed_value_int64s")?;
    let missing_integer = attributes.int("replaced_value_int64")?.unwrap_or(0);
    kernel(move |args| {
        let input = args.tensor(0)?;
        args.budget.allocate(input.shape())?;
        let floats = floats.as_deref().ok_or_else(|| expected("an integer", 0, input));
        let integers = integers.as_deref().ok_or_else(|| expected("a float", 0, input));
        match input.data() {
            TensorData::F32(values) => impute(input, values, missing_float, floats?, |v| *v),
            TensorData::F64(values) => impute(input, values, f64::from(missing_float), floats?, |v| f64::from(*v)),
            TensorData::I64(values) => impute(input, values, missing_integer, integers?, |v| *v),
            TensorData::I32(values) => impute(input, values, missing_integer as i32, integers?, |v| *v as i32),
            TensorData::Bool(_) | TensorData::Str(_) => Err(expected("a number", 0, input)),
        }
    })
}

fn impute<T: Number, U>(
    input: &Tensor,
    values: &[T],
    missing: T,
    imputed: &[U],
    read: impl Fn(&U) -> T,
) -> Result<Tensor, Problem> {
    let replacements = per_column(imputed, input.shape(), "imputed values")?;
    let is_missing = |value: T| if missing.is_nan() { value.is_nan() } else { value == missing };
    let filled =
        values.iter().zip(replacements).map(|(&value, other)| if is_missing(value) { read(other) } else { value });
    Ok(Tensor::of(input.shape().to_vec(), filled.collect())?)
}

/// One where a value is above the threshold, else zero.
pub(super) fn binarizer(attributes: &mut Attributes<'_>) -> Built {
    let threshold = attributes.float("threshold", 0.0)?;
    kernel(move |args| {
        let input = args.tensor(0)?;
        let flags = to_f32(args, 0)?.into_iter().map(|value| f32::from(u8::from(value > threshold)));
        Ok(Tensor::of(input.shape().to_vec(), flags.collect())?)
    })
}

/// Columns of several inputs side by side, as floats.
pub(super) fn feature_vectorizer(attributes: &mut Attributes<'_>) -> Built {
    let widths = required("inputdimensions", attributes.ints("inputdimensions")?)?;
    if widths.len() != attributes.inputs {
        return Err(Problem::new(format!(
            "`inputdimensions` names {} inputs, the node lists {}",
            widths.len(),
            attributes.inputs
        )));
    }
    kernel(move |args| {
        let mut columns = Vec::with_capacity(widths.len());
        let mut height = None;
        for (at, &expected_width) in widths.iter().enumerate() {
            let (count, width) = rows(args.tensor(at)?.shape())?;
            let same_height = *height.get_or_insert(count) == count;
            if !same_height || width as i64 != expected_width {
                return Err(Problem::new(format!(
                    "input {at} must have {expected_width} columns and as many rows as the first, got {count} rows and {width} columns"
                )));
            }
            columns.push((to_f32(args, at)?, width));
        }
        let height = height.unwrap_or(0);
        let shape = vec![height, columns.iter().map(|(_, width)| width).sum()];
        args.budget.allocate(&shape)?;
        let mut values = Vec::new();
        for row in 0..height {
            for (column, width) in &columns {
                values.extend_from_slice(column.get(row * width..(row + 1) * width).unwrap_or_default());
            }
        }
        Ok(Tensor::of(shape, values)?)
    })
}

/// The columns at the given places. A vector is one row, and the answer then has shape `[1, places]`.
pub(super) fn array_feature_extractor(_: &mut Attributes<'_>) -> Built {
    kernel(|args: &Args<'_>| {
        let input = args.tensor(0)?;
        let Some((&width, leading)) = input.shape().split_last() else {
            return Err(Problem::new("its input must have columns, got a single value"));
        };
        let places = indices(args, 1)?.iter().map(|&at| axis(at, width)).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(|_| Problem::new(format!("a place lies outside {width} columns")))?;
        let mut shape = if leading.is_empty() { vec![1] } else { leading.to_vec() };
        let height: usize = shape.iter().product();
        shape.push(places.len());
        args.budget.allocate(&shape)?;
        let positions = (0..height).flat_map(|row| places.iter().map(move |place| row * width + place));
        picked(input, shape, positions)
    })
}
