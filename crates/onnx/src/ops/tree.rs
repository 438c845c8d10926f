//! Tree ensembles: forests, boosted trees, isolation trees. Building lays every tree out in one flat list; running
//! follows indices.

mod build;
mod outcome;

use super::normalize::rows;
use super::scores::{Transform, chosen_labels, class_labels, table};
use super::{Args, Built, cast, kernel};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use outcome::{Aggregate, Classes};

/// A decision or an end. Children are places in [`Ensemble::nodes`].
enum Node {
    Branch {
        feature: usize,
        threshold: f64,
        test: Test,
        missing_is_true: bool,
        yes: usize,
        no: usize,
    },
    /// The weights it adds: a range of [`Ensemble::weights`].
    Leaf {
        first: usize,
        end: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

impl Test {
    fn passes(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::LessOrEqual => value <= threshold,
            Self::Less => value < threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }
}

/// All trees of one node of the graph.
struct Ensemble {
    nodes: Vec<Node>,
    /// Target (or class) and weight.
    weights: Vec<(usize, f64)>,
    roots: Vec<usize>,
    /// The longest ways from root to leaf, summed over all trees: what one row costs.
    steps_per_row: u64,
    /// One more than the largest feature any branch reads.
    columns: usize,
    targets: usize,
    base: Vec<f64>,
    /// Sums are kept in 64 bits instead of 32: the model's own numbers are.
    wide: bool,
}

impl Ensemble {
    /// The leaf that `row` reaches from `root`. Branches only lead to places deeper in their tree, so this ends.
    fn leaf(&self, root: usize, row: &[f64]) -> &[(usize, f64)] {
        let mut at = root;
        loop {
            match self.nodes.get(at) {
                Some(Node::Branch { feature, threshold, test, missing_is_true, yes, no }) => {
                    let value = row.get(*feature).copied().unwrap_or(f64::NAN);
                    let passes = test.passes(value, *threshold) || (*missing_is_true && value.is_nan());
                    at = if passes { *yes } else { *no };
                }
                Some(Node::Leaf { first, end }) => return self.weights.get(*first..*end).unwrap_or_default(),
                None => return &[],
            }
        }
    }

    /// The totals of one row: for every target, whether any leaf gave it a weight, and the aggregate.
    fn totals(&self, row: &[f64], aggregate: Aggregate, totals: &mut [Option<f64>]) {
        totals.fill(None);
        for &root in &self.roots {
            for &(target, weight) in self.leaf(root, row) {
                if let Some(total) = totals.get_mut(target) {
                    let combined = total.map_or(weight, |held| aggregate.combine(held, weight));
                    *total = Some(self.round(combined));
                }
            }
        }
    }

    /// Rounds to the width sums are kept in. Adding two 32-bit floats in 64 bits and rounding is adding in 32.
    fn round(&self, value: f64) -> f64 {
        if self.wide { value } else { f64::from(value as f32) }
    }

    /// Input 0 as rows wide enough for every branch.
    fn rows(&self, args: &Args<'_>) -> Result<(usize, usize, Vec<f64>), Problem> {
        let (count, width) = rows(args.tensor(0)?.shape())?;
        if width < self.columns {
            return Err(Problem::new(format!("input 0 must have at least {} columns, got {width}", self.columns)));
        }
        args.budget.spend(self.steps_per_row.saturating_mul(count as u64))?;
        args.budget.allocate(&[count, self.targets])?;
        Ok((count, width, cast::to_f64(args, 0)?))
    }
}

/// The rows of `values`; as many as `count` even when they have no columns.
fn each_row(values: &[f64], count: usize, width: usize) -> impl Iterator<Item = &[f64]> {
    (0..count).map(move |row| values.get(row * width..(row + 1) * width).unwrap_or_default())
}

pub(super) fn regressor(attributes: &mut Attributes<'_>) -> Built {
    let targets = required("n_targets", attributes.int("n_targets")?)?;
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 20).contains(targets));
    let targets = targets.ok_or_else(|| Problem::new("attribute `n_targets` is out of range"))?;
    let aggregate = Aggregate::of(attributes)?;
    let transform = Transform::of(attributes)?;
    let ensemble = build::ensemble(attributes, "target", targets)?;
    kernel(move |args| {
        let (count, width, values) = ensemble.rows(args)?;
        let mut totals = vec![None; targets];
        let mut scores = Vec::with_capacity(count * targets);
        for row in each_row(&values, count, width) {
            ensemble.totals(row, aggregate, &mut totals);
            let start = scores.len();
            for (target, total) in totals.iter().enumerate() {
                let base = ensemble.base.get(target).copied().unwrap_or(0.0);
                // As in onnxruntime, a target that no leaf of this row adds to is zero, whatever its base value.
                let score =
                    total.map_or(0.0, |total| ensemble.round(aggregate.finish(total, ensemble.roots.len())) + base);
                scores.push(score as f32);
            }
            transform.apply(scores.get_mut(start..).unwrap_or_default());
        }
        table(count, targets, scores)
    })
}

pub(super) fn classifier(attributes: &mut Attributes<'_>) -> Built {
    let labels = class_labels(attributes, "classlabels_int64s")?;
    if labels.len() < 2 {
        return Err(Problem::new("it has one class label; a classifier needs two"));
    }
    let transform = Transform::of(attributes)?;
    let ensemble = build::ensemble(attributes, "class", labels.len())?;
    let classes = Classes::new(&ensemble.weights, labels.len(), transform);
    Ok(Box::new(move |args| {
        let (count, width, values) = ensemble.rows(args)?;
        let mut totals = vec![None; labels.len()];
        let mut chosen = Vec::with_capacity(count);
        let mut scores = Vec::with_capacity(count * labels.len());
        for row in each_row(&values, count, width) {
            ensemble.totals(row, Aggregate::Sum, &mut totals);
            chosen.push(classes.decide(&totals, &ensemble.base, &mut scores));
        }
        Ok(vec![chosen_labels(&labels, &chosen)?, table(count, labels.len(), scores)?])
    }))
}
