//! What classifiers share: their labels, and the transformation of raw scores into probabilities.

use std::sync::Arc;

use super::normalize::rows;
use super::unary::logistic;
use super::{Built, kernel};
use crate::attributes::Attributes;
use crate::error::Problem;
use crate::tensor::{Element, Tensor, TensorData};

/// The classes a classifier chooses from, in the order of its score columns.
pub(super) fn class_labels(attributes: &mut Attributes<'_>, integers: &str) -> Result<TensorData, Problem> {
    let texts: Option<Vec<Arc<str>>> = attributes.texts("classlabels_strings")?;
    let integers = attributes.ints(integers)?;
    match (texts, integers) {
        (Some(labels), _) if !labels.is_empty() => Ok(TensorData::Str(labels)),
        (_, Some(labels)) if !labels.is_empty() => Ok(TensorData::I64(labels)),
        _ => Err(Problem::new("it has no class labels")),
    }
}

/// A tensor of one label per row.
pub(super) fn chosen_labels(labels: &TensorData, chosen: &[usize]) -> Result<Tensor, Problem> {
    let data = labels.pick(chosen.iter().copied()).ok_or_else(|| Problem::new("it chose a class that has no label"))?;
    Ok(Tensor::new(vec![chosen.len()], data)?)
}

/// The place of the largest score; of equal scores the first.
pub(super) fn largest(scores: &[f32]) -> usize {
    let mut best: Option<(usize, f32)> = None;
    for (place, &score) in scores.iter().enumerate() {
        if best.is_none_or(|(_, held)| score > held) {
            best = Some((place, score));
        }
    }
    best.map_or(0, |(place, _)| place)
}

/// The attribute `post_transform`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Transform {
    pub fn of(attributes: &mut Attributes<'_>) -> Result<Self, Problem> {
        attributes.choice(
            "post_transform",
            "NONE",
            &[
                ("NONE", Self::None),
                ("LOGISTIC", Self::Logistic),
                ("SOFTMAX", Self::Softmax),
                ("SOFTMAX_ZERO", Self::SoftmaxZero),
                ("PROBIT", Self::Probit),
            ],
        )
    }

    /// Transforms the scores of one row.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(f64::from(*score)) as f32),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > 1e-7),
        }
    }

    /// The two scores of a row whose model gives only that of the second class.
    pub fn of_two(self, score: f32, second: Second) -> [f32; 2] {
        match (second, self) {
            (_, Self::Logistic) => [-score, score].map(|score| logistic(f64::from(score)) as f32),
            (Second::Probability, _) => [1.0 - score, score],
            (Second::Margin, _) => [-score, score],
        }
    }
}

/// What a lone score of two classes means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// The probability of the second class.
    Probability,
    /// A signed distance: positive for the second class.
    Margin,
}

/// Softmax over the scores that `counts`; the others only share the divisor.
fn softmax(scores: &mut [f32], counts: impl Fn(f32) -> bool) {
    let largest = f64::from(scores.iter().copied().fold(f32::MIN, f32::max));
    let weigh = |score: f32| match counts(score) {
        true => (f64::from(score) - largest).exp(),
        false => f64::from(score) * (-largest).exp(),
    };
    let total: f64 = scores.iter().filter(|score| counts(**score)).map(|score| weigh(*score)).sum();
    scores.iter_mut().for_each(|score| *score = (weigh(*score) / total) as f32);
}

/// The inverse of the normal distribution, by the approximation onnxruntime uses (Winitzki, 2008).
fn probit(value: f32) -> f32 {
    let x = 2.0 * value - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * log;
    let root = ((v * v - log / 0.147).sqrt() - v).sqrt();
    std::f32::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

/// The maps of class to probability stay one tensor `[rows, classes]`; the classes are in [`crate::TensorInfo`].
pub(super) fn zip_map(attributes: &mut Attributes<'_>) -> Built {
    let labels = class_labels(attributes, "classlabels_int64s")?;
    kernel(move |args| {
        let input = args.tensor(0)?;
        let (count, width) = rows(input.shape())?;
        if width != labels.len() {
            return Err(Problem::new(format!("it has {} classes for {width} columns", labels.len())));
        }
        args.budget.allocate(input.shape())?;
        Ok(Tensor::of(vec![count, width], args.values::<f32>(0)?.to_vec())?)
    })
}

/// A table of scores from its rows.
pub(super) fn table<T: Element>(rows: usize, columns: usize, values: Vec<T>) -> Result<Tensor, Problem> {
    Ok(Tensor::of(vec![rows, columns], values)?)
}
