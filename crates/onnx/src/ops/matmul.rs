//! Products of matrices. Each element is summed in 64 bits, in order, and rounded once.

use super::walk::{broadcast, broadcast_to};
use super::{Args, Built, expected, kernel};
use crate::attributes::Attributes;
use crate::budget::steps;
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

/// A matrix in row-major order.
pub(super) struct Matrix<'a> {
    pub values: &'a [f64],
    pub rows: usize,
    pub columns: usize,
}

impl Matrix<'_> {
    /// Appends `self · other` to `product`.
    fn multiply(&self, other: &Matrix<'_>, product: &mut Vec<f64>) {
        for row in 0..self.rows {
            let left = self.values.get(row * self.columns..(row + 1) * self.columns).unwrap_or_default();
            let mut sums = vec![0.0; other.columns];
            for (at, factor) in left.iter().enumerate() {
                let right = other.values.get(at * other.columns..(at + 1) * other.columns).unwrap_or_default();
                for (sum, value) in sums.iter_mut().zip(right) {
                    *sum += factor * value;
                }
            }
            product.append(&mut sums);
        }
    }

    fn transposed(&self) -> Vec<f64> {
        let columns = 0..self.columns;
        columns.flat_map(|column| self.values.iter().skip(column).step_by(self.columns).copied()).collect()
    }
}

/// The float type two inputs share, and their values widened.
fn widened(args: &Args<'_>) -> Result<(Vec<f64>, Vec<f64>, bool), Problem> {
    let (left, right) = (args.tensor(0)?, args.tensor(1)?);
    match (left.data(), right.data()) {
        (TensorData::F32(_), TensorData::F32(_)) => {
            Ok((super::cast::to_f64(args, 0)?, super::cast::to_f64(args, 1)?, false))
        }
        (TensorData::F64(_), TensorData::F64(_)) => {
            Ok((super::cast::to_f64(args, 0)?, super::cast::to_f64(args, 1)?, true))
        }
        (TensorData::F32(_) | TensorData::F64(_), _) => Err(super::arithmetic::mixed(left, right)),
        _ => Err(expected("FP32 or FP64", 0, left)),
    }
}

fn rounded(shape: Vec<usize>, values: Vec<f64>, wide: bool) -> Result<Tensor, Problem> {
    let data = match wide {
        true => TensorData::F64(values),
        false => TensorData::F32(values.into_iter().map(|v| v as f32).collect()),
    };
    Ok(Tensor::new(shape, data)?)
}

/// As numpy's `matmul`: vectors become matrices, leading dimensions broadcast.
pub(super) fn matmul(_: &mut Attributes<'_>) -> Built {
    kernel(|args| {
        let (left, right) = (args.tensor(0)?, args.tensor(1)?);
        let (a, b, wide) = widened(args)?;
        let wrong = || Problem::new(format!("shapes {:?} and {:?} cannot be multiplied", left.shape(), right.shape()));
        let (left_batch, rows, inner) = match left.shape() {
            [] => return Err(wrong()),
            [inner] => (&[][..], 1, *inner),
            [batch @ .., rows, inner] => (batch, *rows, *inner),
        };
        let (right_batch, depth, columns) = match right.shape() {
            [] => return Err(wrong()),
            [depth] => (&[][..], *depth, 1),
            [batch @ .., depth, columns] => (batch, *depth, *columns),
        };
        if inner != depth {
            return Err(wrong());
        }
        let batch = broadcast(&[left_batch, right_batch])?;
        let mut shape = batch.clone();
        shape.extend((left.shape().len() > 1).then_some(rows));
        shape.extend((right.shape().len() > 1).then_some(columns));
        args.budget.allocate(&shape)?;
        args.budget.spend(steps(&shape).saturating_mul(inner as u64))?;
        let mut product = Vec::new();
        let (left_size, right_size) = (rows * inner, inner * columns);
        for (l, r) in broadcast_to(left_batch, &batch).zip(broadcast_to(right_batch, &batch)) {
            let left = Matrix { values: a.get(l * left_size..).unwrap_or_default(), rows, columns: inner };
            let right = Matrix { values: b.get(r * right_size..).unwrap_or_default(), rows: inner, columns };
            left.multiply(&right, &mut product);
        }
        rounded(shape, product, wide)
    })
}

/// `alpha · A · B + beta · C`, either factor transposed first if asked.
pub(super) fn gemm(attributes: &mut Attributes<'_>) -> Built {
    let alpha = f64::from(attributes.float("alpha", 1.0)?);
    let beta = f64::from(attributes.float("beta", 1.0)?);
    let (flip_a, flip_b) = (attributes.flag("transA", false)?, attributes.flag("transB", false)?);
    kernel(move |args| {
        let (left, right) = (args.tensor(0)?, args.tensor(1)?);
        let (a, b, wide) = widened(args)?;
        let ([a_rows, a_columns], [b_rows, b_columns]) = (left.shape(), right.shape()) else {
            return Err(Problem::new(format!(
                "its inputs must be matrices, got {:?} and {:?}",
                left.shape(),
                right.shape()
            )));
        };
        let a = Matrix { values: &a, rows: *a_rows, columns: *a_columns };
        let b = Matrix { values: &b, rows: *b_rows, columns: *b_columns };
        let (a_flipped, b_flipped) = (flip_a.then(|| a.transposed()), flip_b.then(|| b.transposed()));
        let a = a_flipped.as_ref().map_or(a, |values| Matrix { values, rows: *a_columns, columns: *a_rows });
        let b = b_flipped.as_ref().map_or(b, |values| Matrix { values, rows: *b_columns, columns: *b_rows });
        if a.columns != b.rows {
            return Err(Problem::new(format!(
                "shapes {:?} and {:?} cannot be multiplied",
                left.shape(),
                right.shape()
            )));
        }
        let shape = vec![a.rows, b.columns];
        args.budget.allocate(&shape)?;
        args.budget.spend(steps(&shape).saturating_mul(a.columns as u64))?;
        let mut product = Vec::new();
        a.multiply(&b, &mut product);
        if let Some(added) = args.maybe(2) {
            if broadcast(&[added.shape(), &shape])? != shape {
                return Err(Problem::new(format!("shape {:?} does not broadcast to {shape:?}", added.shape())));
            }
            let values = super::cast::to_f64(args, 2)?;
            for (element, at) in product.iter_mut().zip(broadcast_to(added.shape(), &shape)) {
                *element = alpha * *element + beta * values.get(at).copied().unwrap_or(0.0);
            }
        } else {
            product.iter_mut().for_each(|element| *element *= alpha);
        }
        rounded(shape, product, wide)
    })
}
