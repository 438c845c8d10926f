//! Support vector machines: each row is compared with the support vectors through a kernel function.

use super::normalize::rows;
use super::scores::{Second, Transform, chosen_labels, class_labels, largest, table};
use super::{Args, Built, cast, kernel};
use crate::attributes::{Attributes, required};
use crate::budget::steps;
use crate::error::Problem;

#[derive(Clone, Copy)]
enum Shape {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// The kernel function and its parameters.
struct Similarity {
    shape: Shape,
    gamma: f64,
    offset: f64,
    degree: f64,
}

impl Similarity {
    fn of(attributes: &mut Attributes<'_>) -> Result<Self, Problem> {
        let shapes = [
            ("LINEAR", Shape::Linear),
            ("POLY", Shape::Polynomial),
            ("RBF", Shape::Radial),
            ("SIGMOID", Shape::Sigmoid),
        ];
        let shape = attributes.choice("kernel_type", "LINEAR", &shapes)?;
        let [gamma, offset, degree] = match attributes.floats("kernel_params")?.as_deref() {
            None | Some([]) => [0.0; 3],
            Some([gamma, offset, degree]) => [*gamma, *offset, *degree].map(f64::from),
            Some(other) => {
                return Err(Problem::new(format!("`kernel_params` must be three numbers, got {}", other.len())));
            }
        };
        Ok(Self { shape, gamma, offset, degree })
    }

    fn of_rows(&self, a: &[f64], b: &[f32]) -> f64 {
        let pairs = a.iter().zip(b).map(|(a, b)| (*a, f64::from(*b)));
        let dot = || pairs.clone().map(|(a, b)| a * b).sum::<f64>();
        match self.shape {
            Shape::Linear => dot(),
            Shape::Polynomial => (self.gamma * dot() + self.offset).powf(self.degree),
            Shape::Radial => (-self.gamma * pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp(),
            Shape::Sigmoid => (self.gamma * dot() + self.offset).tanh(),
        }
    }
}

/// Vectors of one width, and the function that compares a row with each.
struct Vectors {
    similarity: Similarity,
    values: Vec<f32>,
    count: usize,
    width: usize,
}

impl Vectors {
    fn new(similarity: Similarity, values: Vec<f32>, count: usize) -> Result<Self, Problem> {
        let width = values.len().checked_div(count).unwrap_or(0);
        if width == 0 || width * count != values.len() {
            return Err(Problem::new(format!("{} numbers cannot be {count} vectors", values.len())));
        }
        Ok(Self { similarity, values, count, width })
    }

    /// Calls `each` with the similarities of every row of input 0, and answers how many rows there are.
    fn compare(&self, args: &Args<'_>, mut each: impl FnMut(&[f32])) -> Result<usize, Problem> {
        let (count, width) = rows(args.tensor(0)?.shape())?;
        if width != self.width {
            return Err(Problem::new(format!("input 0 must have {} columns, got {width}", self.width)));
        }
        args.budget.spend(steps(&[count, self.count, self.width]))?;
        let values = cast::to_f64(args, 0)?;
        for row in values.chunks_exact(self.width) {
            let vectors = self.values.chunks_exact(self.width);
            let similarities: Vec<f32> = vectors.map(|vector| self.similarity.of_rows(row, vector) as f32).collect();
            each(&similarities);
        }
        Ok(count)
    }
}

fn weighted(weights: &[f32], values: &[f32]) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| f64::from(weight * value)).sum()
}

pub(super) fn regressor(attributes: &mut Attributes<'_>) -> Built {
    let coefficients = required("coefficients", attributes.floats("coefficients")?)?;
    let support = attributes.floats("support_vectors")?.unwrap_or_default();
    let count = attributes.int("n_supports")?.unwrap_or(0);
    let rho = required("rho", attributes.floats("rho")?.and_then(|rho| rho.first().copied()))?;
    let one_class = attributes.flag("one_class", false)?;
    let transform = Transform::of(attributes)?;
    let similarity = Similarity::of(attributes)?;
    // Without support vectors the coefficients themselves are the one vector of a linear model.
    let (vectors, coefficients) = match usize::try_from(count).unwrap_or(0) {
        0 => (Vectors::new(Similarity { shape: Shape::Linear, ..similarity }, coefficients, 1)?, vec![1.0]),
        count => (Vectors::new(similarity, support, count)?, coefficients),
    };
    if coefficients.len() != vectors.count {
        return Err(Problem::new(format!("it has {} coefficients for {} vectors", coefficients.len(), vectors.count)));
    }
    kernel(move |args| {
        let mut answers = Vec::new();
        let count = vectors.compare(args, |similarities| {
            let mut score = [(weighted(&coefficients, similarities) + f64::from(rho)) as f32];
            transform.apply(&mut score);
            let [score] = score;
            answers.push(if !one_class {
                score
            } else if score > 0.0 {
                1.0
            } else {
                -1.0
            });
        })?;
        table(count, 1, answers)
    })
}

pub(super) fn classifier(attributes: &mut Attributes<'_>) -> Built {
    let labels = class_labels(attributes, "classlabels_ints")?;
    let classes = labels.len();
    let coefficients = required("coefficients", attributes.floats("coefficients")?)?;
    let rho = required("rho", attributes.floats("rho")?)?;
    let transform = Transform::of(attributes)?;
    let similarity = Similarity::of(attributes)?;
    let per_class = attributes.ints("vectors_per_class")?.unwrap_or_default();
    let support = attributes.floats("support_vectors")?.unwrap_or_default();
    let (prob_a, prob_b) =
        (attributes.floats("prob_a")?.unwrap_or_default(), attributes.floats("prob_b")?.unwrap_or_default());
    if per_class.is_empty() || support.is_empty() {
        return Err(Problem::new("it has no support vectors; export the linear model as `LinearClassifier`"));
    }
    let per_class = per_class.iter().map(|&count| usize::try_from(count)).collect::<Result<Vec<_>, _>>();
    let per_class = per_class.map_err(|_| Problem::new("`vectors_per_class` is out of range"))?;
    let count = per_class.iter().try_fold(0usize, |sum, &count| sum.checked_add(count)).unwrap_or(0);
    let machine = Machine {
        vectors: Vectors::new(similarity, support, count)?,
        per_class,
        coefficients,
        rho,
        probabilities: prob_a.into_iter().zip(prob_b).collect(),
        transform,
    };
    machine.check(classes)?;
    Ok(Box::new(move |args| {
        let (mut chosen, mut scores) = (Vec::new(), Vec::new());
        let count =
            machine.vectors.compare(args, |similarities| chosen.push(machine.decide(similarities, &mut scores)))?;
        let columns = scores.len().checked_div(count).unwrap_or(classes);
        Ok(vec![chosen_labels(&labels, &chosen)?, table(count, columns, scores)?])
    }))
}

/// One decision between every pair of classes, in the layout of libsvm: row `k` of the coefficients of class `i`
/// belongs to its decision against the `k`th other class.
struct Machine {
    vectors: Vectors,
    per_class: Vec<usize>,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// For every pair, the slope and offset that make its score a probability (Platt); empty without probabilities.
    probabilities: Vec<(f32, f32)>,
    transform: Transform,
}

impl Machine {
    fn check(&self, classes: usize) -> Result<(), Problem> {
        // Coupling probabilities takes the cube of the classes for every row.
        if !(2..=256).contains(&classes) || self.per_class.len() != classes {
            return Err(Problem::new(format!(
                "it has {classes} class labels and vectors for {} classes",
                self.per_class.len()
            )));
        }
        let pairs = classes * (classes - 1) / 2;
        let fits = self.rho.len() == pairs
            && self.coefficients.len() == (classes - 1) * self.vectors.count
            && (self.probabilities.is_empty() || self.probabilities.len() == pairs);
        if fits { Ok(()) } else { Err(Problem::new(format!("its lists do not fit {pairs} pairs of classes"))) }
    }

    /// Appends the row's scores and answers the place of its class.
    fn decide(&self, similarities: &[f32], scores: &mut Vec<f32>) -> usize {
        let classes = self.per_class.len();
        let mut votes = vec![0f32; classes];
        let margins = self.margins(similarities);
        for ((i, j), margin) in pairs(classes).zip(&margins) {
            if let Some(vote) = votes.get_mut(if *margin > 0.0 { i } else { j }) {
                *vote += 1.0;
            }
        }
        let mut row = match (self.probabilities.is_empty(), &margins[..]) {
            (false, margins) => self.couple(margins),
            (true, [margin]) => {
                let second = if self.transform == Transform::None { Second::Margin } else { Second::Probability };
                self.transform.of_two(*margin, second).to_vec()
            }
            (true, _) => margins,
        };
        if row.len() > 2 || !self.probabilities.is_empty() {
            self.transform.apply(&mut row);
        }
        scores.append(&mut row);
        largest(&votes)
    }

    /// The signed distance of every pair's decision, positive for its first class.
    fn margins(&self, similarities: &[f32]) -> Vec<f32> {
        let starts: Vec<usize> = self
            .per_class
            .iter()
            .scan(0, |next, count| {
                let start = *next;
                *next += count;
                Some(start)
            })
            .collect();
        let part = |row: usize, class: usize| {
            let start = starts.get(class).copied().unwrap_or(0);
            let end = start + self.per_class.get(class).copied().unwrap_or(0);
            let offset = row * self.vectors.count;
            let weights = self.coefficients.get(offset + start..offset + end).unwrap_or_default();
            weighted(weights, similarities.get(start..end).unwrap_or_default())
        };
        let sums = pairs(self.per_class.len()).zip(&self.rho);
        sums.map(|((i, j), rho)| (part(j - 1, i) + part(i, j) + f64::from(*rho)) as f32).collect()
    }

    /// The class probabilities that agree best with the pairwise ones: Wu, Lin and Weng, "Probability estimates for
    /// multi-class classification by pairwise coupling" (2004), method 2, as in libsvm.
    fn couple(&self, margins: &[f32]) -> Vec<f32> {
        let n = self.per_class.len();
        let mut pairwise = vec![0f64; n * n];
        let mut set = |i: usize, j: usize, value: f64| {
            if let Some(cell) = pairwise.get_mut(i * n + j) {
                *cell = value;
            }
        };
        for (((i, j), margin), (a, b)) in pairs(n).zip(margins).zip(&self.probabilities) {
            let first = 1.0 - super::unary::logistic(f64::from(margin * a + b));
            let first = first.clamp(1e-7, 1.0 - 1e-7);
            set(i, j, first);
            set(j, i, 1.0 - first);
        }
        coupled(n, &pairwise).into_iter().map(|value| value as f32).collect()
    }
}

/// Minimises the coupling objective by cyclic updates, at most 100 rounds.
fn coupled(n: usize, pairwise: &[f64]) -> Vec<f64> {
    let r = |i: usize, j: usize| pairwise.get(i * n + j).copied().unwrap_or(0.0);
    let q: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let diagonal = (0..n).filter(|&j| j != i).map(|j| r(j, i) * r(j, i)).sum::<f64>();
            (0..n).map(|j| if i == j { diagonal } else { -r(j, i) * r(i, j) }).collect()
        })
        .collect();
    let mut p = vec![1.0 / n as f64; n];
    for _ in 0..100 {
        let mut qp: Vec<f64> = q.iter().map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        let error = qp.iter().map(|qp| (qp - pqp).abs()).fold(0.0, f64::max);
        if error < 0.005 / n as f64 {
            break;
        }
        for (i, row) in q.iter().enumerate() {
            let (diagonal, own) = (row.get(i).copied().unwrap_or(1.0), qp.get(i).copied().unwrap_or(0.0));
            let step = (pqp - own) / diagonal;
            pqp = (pqp + step * (step * diagonal + 2.0 * own)) / (1.0 + step) / (1.0 + step);
            if let Some(p) = p.get_mut(i) {
                *p += step;
            }
            for ((qp, p), q) in qp.iter_mut().zip(&mut p).zip(row) {
                *qp = (*qp + step * q) / (1.0 + step);
                *p /= 1.0 + step;
            }
        }
    }
    p
}

/// Every pair of classes, the lower first.
fn pairs(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |i| (i + 1..classes).map(move |j| (i, j)))
}
