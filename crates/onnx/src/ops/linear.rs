//! Linear models: a weighted sum of the columns for each class or target.

use super::normalize::rows;
use super::scores::{Second, Transform, chosen_labels, class_labels, largest, table};
use super::{Args, Built, cast, kernel};
use crate::attributes::{Attributes, required};
use crate::budget::steps;
use crate::error::Problem;

/// One weight per target and column, and one intercept per target.
struct Weights {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    columns: usize,
}

impl Weights {
    fn new(coefficients: Vec<f32>, intercepts: Vec<f32>) -> Result<Self, Problem> {
        let columns = coefficients.len().checked_div(intercepts.len()).unwrap_or(0);
        if columns == 0 || columns * intercepts.len() != coefficients.len() {
            return Err(Problem::new(format!(
                "{} coefficients cannot be shared by {} targets",
                coefficients.len(),
                intercepts.len()
            )));
        }
        Ok(Self { coefficients, intercepts, columns })
    }

    fn targets(&self) -> usize {
        self.intercepts.len()
    }

    /// The raw scores of every row, row by row; summed in 64 bits, rounded once.
    fn scores(&self, args: &Args<'_>) -> Result<(usize, Vec<f32>), Problem> {
        let (count, width) = rows(args.tensor(0)?.shape())?;
        if width != self.columns {
            return Err(Problem::new(format!("input 0 must have {} columns, got {width}", self.columns)));
        }
        args.budget.spend(steps(&[count, width, self.targets()]))?;
        args.budget.allocate(&[count, self.targets()])?;
        let values = cast::to_f64(args, 0)?;
        let mut scores = Vec::with_capacity(count * self.targets());
        for row in values.chunks_exact(self.columns) {
            for (weights, intercept) in self.coefficients.chunks_exact(self.columns).zip(&self.intercepts) {
                let sum: f64 = row.iter().zip(weights).map(|(value, weight)| value * f64::from(*weight)).sum();
                scores.push((sum + f64::from(*intercept)) as f32);
            }
        }
        Ok((count, scores))
    }
}

pub(super) fn regressor(attributes: &mut Attributes<'_>) -> Built {
    let targets = attributes.int("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 20).contains(targets));
    let targets = targets.ok_or_else(|| Problem::new("attribute `targets` is out of range"))?;
    let coefficients = required("coefficients", attributes.floats("coefficients")?)?;
    let intercepts = attributes.floats("intercepts")?.unwrap_or_else(|| vec![0.0; targets]);
    let transform = Transform::of(attributes)?;
    if intercepts.len() != targets {
        return Err(Problem::new(format!("it has {} intercepts for {targets} targets", intercepts.len())));
    }
    let weights = Weights::new(coefficients, intercepts)?;
    kernel(move |args| {
        let (count, mut scores) = weights.scores(args)?;
        scores.chunks_exact_mut(targets).for_each(|row| transform.apply(row));
        table(count, targets, scores)
    })
}

pub(super) fn classifier(attributes: &mut Attributes<'_>) -> Built {
    let labels = class_labels(attributes, "classlabels_ints")?;
    let coefficients = required("coefficients", attributes.floats("coefficients")?)?;
    let intercepts = attributes.floats("intercepts")?.unwrap_or_else(|| vec![0.0; labels.len()]);
    let transform = Transform::of(attributes)?;
    // How the scores were trained (one against the rest, or together) does not change how they are computed.
    attributes.disregard(&["multi_class"]);
    let weights = Weights::new(coefficients, intercepts)?;
    let lone = weights.targets() == 1 && labels.len() == 2;
    if !lone && weights.targets() != labels.len() {
        return Err(Problem::new(format!("it has {} targets for {} class labels", weights.targets(), labels.len())));
    }
    Ok(Box::new(move |args| {
        let (count, mut scores) = weights.scores(args)?;
        let chosen: Vec<usize> = match lone {
            true => scores.iter().map(|&score| usize::from(score > 0.0)).collect(),
            false => scores.chunks_exact(labels.len()).map(largest).collect(),
        };
        if lone {
            scores = scores.into_iter().flat_map(|score| transform.of_two(score, Second::Probability)).collect();
        } else {
            scores.chunks_exact_mut(labels.len()).for_each(|row| transform.apply(row));
        }
        Ok(vec![chosen_labels(&labels, &chosen)?, table(count, labels.len(), scores)?])
    }))
}
