//! `lineage_edges`: what was made from what. A run says what it read and wrote in several reports, in any order; it is one
//! step, and each of its inputs is an edge to each of its outputs.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::lineage::{Written, named_version};
use domain::data::{LineageReported, Port, Reported};
use domain::serving::Target;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

/// One end of an edge.
#[derive(Clone)]
struct End {
    origin: Origin,
    at: i64,
    /// The checksum, once there is one.
    checksum: Option<String>,
    /// What was written before, and whether that is what was read.
    written: Option<(String, bool)>,
    /// The version here that it is.
    version: Option<(String, String)>,
}

/// A run, a job or another step, by how it is called.
#[derive(Clone, Default)]
struct Step {
    kind: &'static str,
    run: Option<String>,
    job: Option<String>,
    inputs: BTreeMap<String, End>,
    outputs: BTreeMap<String, End>,
}

#[derive(Clone, Default)]
pub(crate) struct LineageEdges {
    steps: BTreeMap<String, Step>,
    written: Written,
    /// The objects that versions lie in.
    objects: BTreeMap<(String, String), String>,
}

impl Table for LineageEdges {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "lineage_edges";
    const DOC: &'static str = "What was made from what: an edge from each input of a step to each of its outputs, as reported to OpenLineage's door, \
         as registered with models, and as deployed. What a step only read, or only wrote, has an edge with the other end NULL.";
    const COLUMNS: &'static [Column] = &[
        text("edge_id", "Unique in the table"),
        text("run_id", "The run, when there was one"),
        text(
            "input_id",
            "What was read: the object of a version kept here, as in `data_objects`, else the node's name",
        ),
        text(
            "input_checksum",
            "Reference of the vault for the checksum that was read, equal for equal ones; NULL when none was reported",
        ),
        text("output_id", "What was written, as `input_id`"),
        text("output_checksum", "Reference for the checksum that was written"),
        time("ts", "When it was reported last"),
        text(
            "kind",
            "`run`, `job`, `dataset` (reported without either), `read` (a version read here for a run), `training` or `deployment`",
        ),
        text("job_id", "The job, as the node `job:NAMESPACE:NAME`"),
        text("input_node", "The node that was read, as the API and pages call it"),
        text("output_node", "The node that was written"),
        text(
            "written_checksum",
            "Reference for the checksum that was written to the input before, by another run, of the same kind as `input_checksum`",
        ),
        boolean("checksum_matches", "Whether that is what was read; NULL when there is nothing to compare"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        let end = || End { origin, at, checksum: None, written: None, version: None };
        let version = |dataset: &str, version: &str| {
            let known = (dataset.to_owned(), version.to_owned());
            (format!("version:{dataset}:{version}"), End { version: Some(known), ..end() })
        };
        match &leaf.entry.event {
            Event::LineageReported(report) => self.report(report, origin, at),
            Event::VersionStored(body) => {
                let named = (body.dataset.clone(), body.version.clone());
                self.objects.insert(named, body.stored.object.clone());
            }
            Event::VersionRewritten(body) => {
                let named = (body.dataset.clone(), body.version.clone());
                self.objects.insert(named, body.stored.object.clone());
            }
            Event::ModelRegistered(body) if !body.trained_on.is_empty() || body.run.is_some() => {
                let model = format!("model:{}:{}", body.model, body.version);
                if !body.trained_on.is_empty() {
                    let step = self.steps.entry(format!("training:{model}")).or_default();
                    (step.kind, step.run) = ("training", body.run.clone());
                    let named = body.trained_on.iter().filter_map(|one| named_version(one));
                    step.inputs.extend(named.map(|(dataset, name)| version(dataset, name)));
                    step.outputs.insert(model.clone(), end());
                }
                if let Some(run) = &body.run {
                    let step = self.steps.entry(format!("run:{run}")).or_default();
                    step.run = Some(run.clone());
                    if step.kind.is_empty() {
                        step.kind = "run";
                    }
                    step.outputs.insert(model, end());
                }
            }
            Event::DeploymentStarted(body) => {
                let Target::Model { model, version } = &body.target else { return };
                let deployment = format!("deployment:{}", body.deployment);
                let step = self.steps.entry(deployment.clone()).or_default();
                step.kind = "deployment";
                step.inputs.insert(format!("model:{model}:{version}"), end());
                step.outputs.insert(deployment, end());
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (name, step) in &self.steps {
            let none = || BTreeMap::from([(String::new(), None)]);
            let ends = |all: &BTreeMap<String, End>| match all.is_empty() {
                true => none(),
                false => all.iter().map(|(node, end)| (node.clone(), Some(end.clone()))).collect(),
            };
            let (inputs, outputs) = (ends(&step.inputs), ends(&step.outputs));
            for (input, read) in &inputs {
                for (output, wrote) in &outputs {
                    self.edge(name, step, (input, read.as_ref()), (output, wrote.as_ref()), out);
                }
            }
        }
    }
}

impl LineageEdges {
    fn report(&mut self, report: &LineageReported, origin: Origin, at: i64) {
        let name = match (&report.run, &report.job) {
            (Some(run), _) => format!("run:{run}"),
            (None, Some(job)) => job.job_id(),
            (None, None) => report.outputs.first().map_or_else(String::new, |port| format!("described:{}", port.id())),
        };
        let mut written: BTreeMap<usize, (String, bool)> = BTreeMap::new();
        self.written.take(report, origin.seq, |at, wrote, same| {
            written.insert(at, (wrote.checksum.reference.clone(), same));
        });
        let step = self.steps.entry(name).or_default();
        // What was read here for a run is one with what the run says of itself.
        if step.kind.is_empty() || report.kind != Reported::Read {
            step.kind = report.kind.as_str();
        }
        step.run.clone_from(&report.run);
        step.job = report.job.as_ref().map(domain::data::Named::job_id).or(step.job.take());
        for (number, port) in report.inputs.iter().enumerate() {
            note(&mut step.inputs, port, written.remove(&number), origin, at);
        }
        for port in &report.outputs {
            note(&mut step.outputs, port, None, origin, at);
        }
    }

    /// The object of a version here, else the node's name.
    fn id(&self, node: &str, end: Option<&End>) -> Cell {
        let Some(end) = end else { return Cell::Null };
        let object = end.version.as_ref().and_then(|version| self.objects.get(version));
        object.map_or_else(|| node.into(), Into::into)
    }

    fn edge(
        &self,
        name: &str,
        step: &Step,
        (input, read): (&str, Option<&End>),
        (output, wrote): (&str, Option<&End>),
        out: &mut Rows,
    ) {
        let newest = read.into_iter().chain(wrote).max_by_key(|end| end.origin.seq);
        let Some(newest) = newest else { return };
        let node = |node: &str, end: Option<&End>| end.map_or(Cell::Null, |_| node.into());
        let cells = [
            format!("{name} {input} {output}").trim_end().into(),
            step.run.as_ref().into(),
            self.id(input, read),
            read.and_then(|end| end.checksum.as_ref()).into(),
            self.id(output, wrote),
            wrote.and_then(|end| end.checksum.as_ref()).into(),
            ms(newest.at),
            step.kind.into(),
            step.job.as_ref().into(),
            node(input, read),
            node(output, wrote),
            read.and_then(|end| end.written.as_ref().map(|(written, _)| written)).into(),
            read.and_then(|end| end.written.as_ref().map(|(_, same)| *same)).map_or(Cell::Null, Cell::Bool),
        ];
        out.push(newest.origin, cells);
    }
}

/// Takes in what a report says of a data set; what an earlier one of the same step said, stays where this says nothing.
fn note(ends: &mut BTreeMap<String, End>, port: &Port, written: Option<(String, bool)>, origin: Origin, at: i64) {
    let version = port.dataset.clone().zip(port.version.clone());
    let fresh = End { origin, at, checksum: None, written: None, version };
    let end = ends.entry(port.id()).or_insert(fresh);
    (end.origin, end.at) = (origin, at);
    // What once did not match stays as it was found: a later report of the same run does not make it good.
    if matches!(end.written, Some((_, false))) {
        return;
    }
    if let Some(checksum) = &port.checksum {
        end.checksum = Some(checksum.reference.clone());
    }
    if written.is_some() {
        end.written = written;
    }
}
