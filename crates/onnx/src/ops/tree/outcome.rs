//! From the totals of the leaves to a decision. The specification says little about ensembles of two classes; these
//! are onnxruntime's rules, checked against its outputs.

use super::super::scores::{Second, Transform};
use crate::attributes::Attributes;
use crate::error::Problem;

/// How the leaves that one row reaches combine.
#[derive(Clone, Copy)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

impl Aggregate {
    pub fn of(attributes: &mut Attributes<'_>) -> Result<Self, Problem> {
        let table = [("SUM", Self::Sum), ("AVERAGE", Self::Average), ("MIN", Self::Min), ("MAX", Self::Max)];
        attributes.choice("aggregate_function", "SUM", &table)
    }

    pub fn combine(self, held: f64, weight: f64) -> f64 {
        match self {
            Self::Sum | Self::Average => held + weight,
            Self::Min => held.min(weight),
            Self::Max => held.max(weight),
        }
    }

    pub fn finish(self, total: f64, trees: usize) -> f64 {
        if let Self::Average = self { total / trees as f64 } else { total }
    }
}

/// How a classifier decides.
pub(super) struct Classes {
    count: usize,
    transform: Transform,
    /// Two classes, and every leaf adds to the same one: what the lone score means.
    lone: Option<Second>,
}

impl Classes {
    pub fn new(weights: &[(usize, f64)], count: usize, transform: Transform) -> Self {
        let first = weights.first().map(|(class, _)| *class);
        let one_class = first.is_some() && weights.iter().all(|(class, _)| Some(*class) == first);
        let positive = weights.iter().all(|(_, weight)| *weight >= 0.0);
        let lone = (count == 2 && one_class).then_some(if positive { Second::Probability } else { Second::Margin });
        Self { count, transform, lone }
    }

    /// Appends the row's scores and answers the place of its class.
    pub fn decide(&self, totals: &[Option<f64>], base: &[f64], scores: &mut Vec<f32>) -> usize {
        match totals {
            [first, second] if self.count == 2 => self.decide_two(*first, *second, base, scores),
            totals => self.decide_many(totals, base, scores),
        }
    }

    fn decide_many(&self, totals: &[Option<f64>], base: &[f64], scores: &mut Vec<f32>) -> usize {
        let mut best: Option<(usize, f32)> = None;
        let mut row = Vec::with_capacity(totals.len());
        for (place, total) in totals.iter().enumerate() {
            let score = (total.unwrap_or(0.0) + base.get(place).copied().unwrap_or(0.0)) as f32;
            let counts = total.is_some() || !base.is_empty();
            if counts && best.is_none_or(|(_, held)| score > held) {
                best = Some((place, score));
            }
            row.push(score);
        }
        self.transform.apply(&mut row);
        scores.append(&mut row);
        best.map_or(0, |(place, _)| place)
    }

    fn decide_two(&self, first: Option<f64>, second: Option<f64>, base: &[f64], scores: &mut Vec<f32>) -> usize {
        let base_of_first = base.first().copied().unwrap_or(0.0);
        // A class that no leaf of this row adds to scores zero, whatever its base value.
        let own = [first.map_or(0.0, |total| total + base_of_first), second.unwrap_or(0.0)];
        let (pair, both) = match (base, second) {
            // Two base values mean that one margin decides between the classes: it is the first's total, moved by
            // the second's base value.
            ([_, base_of_second], Some(_)) => {
                let margin = base_of_second + first.unwrap_or(0.0);
                ([first.map_or(0.0, |_| -margin), margin], true)
            }
            ([_, _], None) => (own, true),
            _ => (own, second.is_some()),
        };
        let [low, high] = pair;
        let deciding = if second.is_some() { high } else { low };
        let above = match self.lone {
            Some(Second::Probability) => deciding > 0.5,
            Some(Second::Margin) | None => deciding > 0.0,
        };
        if both {
            let mut row = pair.map(|score| score as f32);
            self.transform.apply(&mut row);
            scores.extend(row);
        } else {
            scores.extend(self.transform.of_two(low as f32, self.lone.unwrap_or(Second::Margin)));
        }
        usize::from(above)
    }
}
