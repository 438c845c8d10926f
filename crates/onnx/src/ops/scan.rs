//! `Scan`: a graph run once per entry of its scanned inputs, carrying state from one entry to the next. Nearest
//! neighbour models export their distances this way.

use super::gather::picked;
use super::walk::{Walk, axes};
use super::{Args, Built, axis};
use crate::attributes::{Attributes, required};
use crate::error::Problem;
use crate::plan::Plan;
use crate::tensor::{Element, Tensor, TensorData, each_type};

struct Scan {
    body: Plan,
    /// Leading inputs and outputs that carry state; the rest are scanned.
    states: usize,
    input_axes: Vec<i64>,
    input_backwards: Vec<bool>,
    output_backwards: Vec<bool>,
}

pub(super) fn scan(attributes: &mut Attributes<'_>) -> Built {
    let body = attributes.plan("body")?;
    let scanned = required("num_scan_inputs", attributes.int("num_scan_inputs")?)?;
    let scanned = usize::try_from(scanned).ok().filter(|&count| (1..=attributes.inputs).contains(&count));
    let scanned = scanned.ok_or_else(|| Problem::new("attribute `num_scan_inputs` is out of range"))?;
    let states = attributes.inputs - scanned;
    if body.inputs() != attributes.inputs || body.outputs() < states || body.outputs() < attributes.outputs {
        return Err(Problem::new(format!(
            "its body takes {} values and gives {}, which does not fit the node",
            body.inputs(),
            body.outputs()
        )));
    }
    let collected = body.outputs() - states;
    let per_value = |given: Option<Vec<i64>>, count: usize| match given {
        Some(values) if values.len() != count => Err(Problem::new("axes or directions do not fit the scanned values")),
        given => Ok(given.unwrap_or_else(|| vec![0; count])),
    };
    let flags = |values: Vec<i64>| values.into_iter().map(|value| value != 0).collect();
    let output_axes = per_value(attributes.ints("scan_output_axes")?, collected)?;
    if output_axes.iter().any(|&axis| axis != 0) {
        return Err(Problem::new("outputs collected along another axis than the first are not supported"));
    }
    let scan = Scan {
        body,
        states,
        input_axes: per_value(attributes.ints("scan_input_axes")?, scanned)?,
        input_backwards: flags(per_value(attributes.ints("scan_input_directions")?, scanned)?),
        output_backwards: flags(per_value(attributes.ints("scan_output_directions")?, collected)?),
    };
    Ok(Box::new(move |args| scan.run(args)))
}

impl Scan {
    fn run(&self, args: &Args<'_>) -> Result<Vec<Tensor>, Problem> {
        let inputs = args.all()?;
        let (states, scanned) = inputs.split_at_checked(self.states).unwrap_or((&inputs, &[]));
        let lengths = scanned.iter().zip(&self.input_axes).map(|(input, &along)| {
            let along = axis(along, input.shape().len())?;
            Ok(input.shape().get(along).copied().unwrap_or(0))
        });
        let lengths: Vec<usize> = lengths.collect::<Result<_, Problem>>()?;
        let length = lengths.first().copied().unwrap_or(0);
        if lengths.iter().any(|&other| other != length) || length == 0 {
            return Err(Problem::new(format!(
                "its scanned inputs must have one length of at least 1, got {lengths:?}"
            )));
        }
        let mut carried: Vec<Tensor> = states.iter().map(|&state| state.clone()).collect();
        let mut collected: Vec<Collected> = Vec::new();
        for turn in 0..length {
            // What the body allocates is dropped again when its turn ends, but for its outputs.
            let mark = args.budget.mark();
            let mut outputs = self.turn(args, &carried, scanned, turn, length)?;
            args.budget.release(mark);
            let entries = outputs.split_off(self.states.min(outputs.len()));
            carried = outputs;
            if turn == 0 {
                collected = entries.iter().map(Collected::new).collect();
            }
            for (column, entry) in collected.iter_mut().zip(entries) {
                args.budget.allocate(entry.shape())?;
                column.push(entry)?;
            }
        }
        let columns = collected
            .into_iter()
            .zip(&self.output_backwards)
            .map(|(column, &backwards)| column.finish(length, backwards));
        carried.into_iter().map(Ok).chain(columns).collect()
    }

    /// Runs the body on one entry of each scanned input.
    fn turn(
        &self,
        args: &Args<'_>,
        carried: &[Tensor],
        scanned: &[&Tensor],
        turn: usize,
        length: usize,
    ) -> Result<Vec<Tensor>, Problem> {
        let mut entries = Vec::with_capacity(scanned.len());
        for ((input, &along), &backwards) in scanned.iter().zip(&self.input_axes).zip(&self.input_backwards) {
            let along = axis(along, input.shape().len())?;
            let mut kept = axes(input.shape());
            let removed = kept.remove(along.min(kept.len().saturating_sub(1)));
            let at = if backwards { length - 1 - turn } else { turn };
            let shape: Vec<usize> = kept.iter().map(|axis| axis.size).collect();
            args.budget.allocate(&shape)?;
            let start = (at as isize).wrapping_mul(removed.stride);
            entries.push(picked(input, shape, Walk::new(start, kept))?);
        }
        let given: Vec<&Tensor> = carried.iter().chain(&entries).collect();
        self.body.run(&given, args.budget).map_err(|error| Problem::new(error.to_string()))
    }
}

/// The entries of one collected output so far.
struct Collected {
    shape: Vec<usize>,
    entries: Vec<TensorData>,
}

impl Collected {
    fn new(first: &Tensor) -> Self {
        Self { shape: first.shape().to_vec(), entries: Vec::new() }
    }

    fn push(&mut self, entry: Tensor) -> Result<(), Problem> {
        if entry.shape() != self.shape {
            return Err(Problem::new(format!("its body gave shape {:?}, then {:?}", self.shape, entry.shape())));
        }
        self.entries.push(entry.into_parts().1);
        Ok(())
    }

    fn finish(mut self, length: usize, backwards: bool) -> Result<Tensor, Problem> {
        if backwards {
            self.entries.reverse();
        }
        let Some(first) = self.entries.first() else { return Err(Problem::new("its body gave nothing")) };
        let data = each_type!(first, values => stacked(values, &self.entries));
        let mut shape = vec![length];
        shape.extend(&self.shape);
        Ok(Tensor::new(shape, data)?)
    }
}

/// All entries one after another. The first argument only names the type.
fn stacked<T: Element>(_: &[T], entries: &[TensorData]) -> TensorData {
    T::wrap(entries.iter().filter_map(T::of).flatten().cloned().collect())
}
