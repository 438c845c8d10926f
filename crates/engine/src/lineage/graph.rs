//! The graph of what was made from what, folded from ledger entries, and what can be reached in it.
//!
//! Runs are nodes, so that what one run made is not taken for what another did. A data set here with versions is two nodes
//! around them: what is written to it without a version may be in each of them, and what is read of it without a version
//! may be from each of them, while one version says nothing of another. Outside both are shown as one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use domain::data::lineage::{OWN, Written, named_version};
use domain::data::{LineageReported, Port, Reported, RunStatus};
use domain::serving::Target;
use domain::{Entry, Event};

use super::digraph::Digraph;
pub use super::digraph::Direction;

/// Nodes that an answer has at most.
pub const MAX_NODES: usize = 10_000;

/// Mismatches that are remembered, the newest ones.
const MAX_MISMATCHES: usize = 1_000;

/// What a node of the graph is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A data set, here or elsewhere.
    Dataset {
        /// Where it is.
        namespace: String,
        /// Its name there.
        name: String,
    },
    /// A version of a data set here.
    Version {
        /// Of which data set.
        dataset: String,
        /// Which version.
        version: String,
    },
    /// A job that was reported without a run.
    Job {
        /// Where it is.
        namespace: String,
        /// Its name there.
        name: String,
    },
    /// A run.
    Run {
        /// Its identifier.
        run: String,
        /// Its job, by namespace and name, once that is known.
        job: Option<(String, String)>,
        /// How far it has come.
        status: Option<RunStatus>,
    },
    /// A model version.
    Model {
        /// The model.
        model: String,
        /// Its version.
        version: String,
    },
    /// A deployment of a model version.
    Deployment {
        /// Its identifier.
        deployment: String,
        /// The route that it answers for.
        route: String,
        /// Whether it ended.
        ended: bool,
    },
    /// A service.
    Service {
        /// Its name.
        service: String,
    },
}

impl NodeKind {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dataset { .. } => "dataset",
            Self::Version { .. } => "version",
            Self::Job { .. } => "job",
            Self::Run { .. } => "run",
            Self::Model { .. } => "model",
            Self::Deployment { .. } => "deployment",
            Self::Service { .. } => "service",
        }
    }

    /// What to call it on a page.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Dataset { namespace, name } if namespace == OWN => name.clone(),
            Self::Dataset { name, .. } | Self::Job { name, .. } => name.clone(),
            Self::Version { dataset, version } => format!("{dataset}@{version}"),
            Self::Run { run, job, .. } => job.as_ref().map_or_else(|| run.clone(), |(_, name)| name.clone()),
            Self::Model { model, version } => format!("{model} {version}"),
            Self::Deployment { route, .. } => route.clone(),
            Self::Service { service } => service.clone(),
        }
    }
}

/// A node, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// How it is called in answers and questions.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
}

/// A checksum that was read and is not the one that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The node of the data set.
    pub id: String,
    /// The run that read it, if a run did.
    pub read_by: Option<String>,
    /// The run that wrote it, if a run did.
    pub written_by: Option<String>,
    /// What was read.
    pub read: String,
    /// What was written.
    pub written: String,
    /// The entry that says so.
    pub seq: u64,
}

/// The graph, as of a number of entries.
#[derive(Debug, Default)]
pub struct Graph {
    /// How many entries were taken in.
    pub size: u64,
    digraph: Digraph,
    nodes: Vec<Node>,
    /// Numbers by what nodes are called. Those of what is written to a data set here begin with `into:`.
    ids: HashMap<String, u32>,
    columns: Digraph,
    column_names: Vec<(String, String)>,
    column_ids: HashMap<(String, String), u32>,
    /// Edges that are there, so that what is said again makes none.
    seen: HashSet<(u32, u32)>,
    seen_columns: HashSet<(u32, u32)>,
    /// What is written to data sets here, apart from what is read of them.
    into: HashSet<u32>,
    written: Written,
    mismatches: VecDeque<Mismatch>,
}

/// What can be reached.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// The nodes, nearest first, each with its distance.
    pub nodes: Vec<(Node, u32)>,
    /// The edges between them, by their places in that list.
    pub edges: Vec<(usize, usize)>,
    /// Whether there are more than an answer holds.
    pub truncated: bool,
}

impl Graph {
    /// Takes one more entry in.
    pub fn apply(&mut self, entry: &Entry) {
        let seq = self.size;
        self.size += 1;
        match &entry.event {
            Event::LineageReported(report) => self.report(report, seq),
            Event::DatasetDeclared(body) => {
                self.own(&body.dataset);
            }
            Event::VersionStored(body) => {
                self.version(&body.dataset, &body.version);
            }
            Event::ModelRegistered(body) => {
                let model = self.model(&body.model, &body.version);
                for (dataset, version) in body.trained_on.iter().filter_map(|one| named_version(one)) {
                    let version = self.version(dataset, version);
                    self.edge(version, model);
                }
                if let Some(run) = &body.run {
                    let run = self.run(run);
                    self.edge(run, model);
                }
            }
            Event::DeploymentStarted(body) => {
                let Target::Model { model, version } = &body.target else { return };
                let model = self.model(model, version);
                let (deployment, route) = (body.deployment.clone(), body.route.clone());
                let id = format!("deployment:{deployment}");
                let deployment = self.node(id, || NodeKind::Deployment { deployment, route, ended: false });
                let name = body.service.clone();
                let service = self.node(format!("service:{name}"), || NodeKind::Service { service: name });
                self.edge(model, deployment);
                self.edge(deployment, service);
            }
            Event::DeploymentEnded(body) => {
                let Some(at) = self.ids.get(&format!("deployment:{}", body.deployment)) else { return };
                if let NodeKind::Deployment { ended, .. } = &mut self.nodes[*at as usize].kind {
                    *ended = true;
                }
            }
            _ => {}
        }
    }

    fn report(&mut self, report: &LineageReported, seq: u64) {
        let step = match (&report.run, &report.job) {
            (Some(run), job) => {
                let at = self.run(run);
                if let NodeKind::Run { job: known, status, .. } = &mut self.nodes[at as usize].kind {
                    if let Some(job) = job {
                        *known = Some((job.namespace.clone(), job.name.clone()));
                    }
                    // Events come in any order: an end is not undone.
                    if !matches!(status, Some(RunStatus::Complete | RunStatus::Abort | RunStatus::Fail)) {
                        *status = report.status.or(*status);
                    }
                }
                Some(at)
            }
            (None, Some(job)) => {
                let (namespace, name) = (job.namespace.clone(), job.name.clone());
                Some(self.node(job.job_id(), || NodeKind::Job { namespace, name }))
            }
            (None, None) => None,
        };
        let inputs: Vec<u32> = report.inputs.iter().map(|port| self.port(port, false)).collect();
        let outputs: Vec<u32> = report.outputs.iter().map(|port| self.port(port, true)).collect();
        match step {
            Some(step) => {
                inputs.iter().for_each(|input| self.edge(*input, step));
                outputs.iter().for_each(|output| self.edge(step, *output));
            }
            None => {
                let pairs = inputs.iter().flat_map(|input| outputs.iter().map(move |output| (*input, *output)));
                pairs.for_each(|(input, output)| self.edge(input, output));
            }
        }
        self.column_edges(report);
        if report.kind == Reported::Read {
            return;
        }
        let Self { written, mismatches, .. } = self;
        written.take(report, seq, |at, wrote, same| {
            let Some(port) = report.inputs.get(at).filter(|_| !same) else { return };
            let read = port.checksum.as_ref().map(|checksum| checksum.reference.clone()).unwrap_or_default();
            let (read_by, written_by) = (report.run.clone(), wrote.run.clone());
            let written = wrote.checksum.reference.clone();
            let mismatch = Mismatch { id: port.id(), read_by, written_by, read, written, seq };
            // A run says what it read at its beginning and at its end.
            let known = mismatches.iter().any(|known| {
                (&known.id, &known.read_by, &known.read, &known.written)
                    == (&mismatch.id, &mismatch.read_by, &mismatch.read, &mismatch.written)
            });
            if !known {
                mismatches.push_back(mismatch);
                if mismatches.len() > MAX_MISMATCHES {
                    mismatches.pop_front();
                }
            }
        });
    }

    fn column_edges(&mut self, report: &LineageReported) {
        for edge in &report.columns {
            let (Some(input), Some(output)) =
                (report.inputs.get(edge.input as usize), report.outputs.get(edge.output as usize))
            else {
                continue;
            };
            let from = self.column(input.id(), &edge.input_column);
            let to = self.column(output.id(), &edge.output_column);
            if self.seen_columns.insert((from, to)) {
                self.columns.edge(from, to);
            }
        }
    }

    fn node(&mut self, id: String, kind: impl FnOnce() -> NodeKind) -> u32 {
        if let Some(at) = self.ids.get(&id) {
            return *at;
        }
        let at = self.digraph.node();
        let shown = id.strip_prefix("into:").map_or_else(|| id.clone(), |name| format!("dataset:{OWN}:{name}"));
        self.nodes.push(Node { id: shown, kind: kind() });
        self.ids.insert(id, at);
        at
    }

    fn edge(&mut self, from: u32, to: u32) {
        if from != to && self.seen.insert((from, to)) {
            self.digraph.edge(from, to);
        }
    }

    fn run(&mut self, run: &str) -> u32 {
        self.node(format!("run:{run}"), || NodeKind::Run { run: run.to_owned(), job: None, status: None })
    }

    fn model(&mut self, model: &str, version: &str) -> u32 {
        let kind = || NodeKind::Model { model: model.to_owned(), version: version.to_owned() };
        self.node(format!("model:{model}:{version}"), kind)
    }

    /// A data set here: what is written to it, and what is read of it.
    fn own(&mut self, dataset: &str) -> (u32, u32) {
        let kind = || NodeKind::Dataset { namespace: OWN.to_owned(), name: dataset.to_owned() };
        let into = self.node(format!("into:{dataset}"), kind);
        let from = self.node(format!("dataset:{OWN}:{dataset}"), kind);
        self.into.insert(into);
        self.edge(into, from);
        (into, from)
    }

    fn version(&mut self, dataset: &str, version: &str) -> u32 {
        let (into, from) = self.own(dataset);
        let kind = || NodeKind::Version { dataset: dataset.to_owned(), version: version.to_owned() };
        let at = self.node(format!("version:{dataset}:{version}"), kind);
        self.edge(into, at);
        self.edge(at, from);
        at
    }

    fn port(&mut self, port: &Port, writes: bool) -> u32 {
        match (&port.dataset, &port.version) {
            (Some(dataset), Some(version)) => self.version(dataset, version),
            (Some(dataset), None) => {
                let (into, from) = self.own(dataset);
                if writes { into } else { from }
            }
            (None, _) => {
                let (namespace, name) = (port.namespace.clone(), port.name.clone());
                self.node(port.id(), || NodeKind::Dataset { namespace, name })
            }
        }
    }

    fn column(&mut self, dataset: String, column: &str) -> u32 {
        let key = (dataset, column.to_owned());
        if let Some(at) = self.column_ids.get(&key) {
            return *at;
        }
        let at = self.columns.node();
        self.column_names.push(key.clone());
        self.column_ids.insert(key, at);
        at
    }

    /// The numbers of the nodes that a name stands for, to begin from in a direction. Names are those of answers;
    /// `dataset/NAME`, `dataset/NAME/VERSION`, `model/NAME/VERSION` and `service/NAME` for what is here; and a job's, which
    /// stands for all its runs.
    fn starts(&self, name: &str, direction: Direction) -> Vec<u32> {
        let id = canonical(name);
        if let Some(dataset) = id.strip_prefix(&format!("dataset:{OWN}:")) {
            let end = if direction == Direction::Down { format!("into:{dataset}") } else { id.clone() };
            return self.ids.get(&end).copied().into_iter().collect();
        }
        if let Some(at) = self.ids.get(&id) {
            return vec![*at];
        }
        let Some(job) = id.strip_prefix("job:") else { return vec![] };
        let runs = self.nodes.iter().enumerate().filter(|(_, node)| match &node.kind {
            NodeKind::Run { job: Some((namespace, name)), .. } => {
                job.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix(':')) == Some(name.as_str())
            }
            _ => false,
        });
        runs.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    }

    /// What can be reached from a name within `depth` steps, itself included; `None` when nothing is called so.
    pub fn impact(&mut self, name: &str, direction: Direction, depth: u32, most: usize) -> Option<Reached> {
        let starts = self.starts(name, direction);
        if starts.is_empty() {
            return None;
        }
        let Self { digraph, nodes, into, .. } = self;
        let own = |at: u32| matches!(&nodes[at as usize].kind, NodeKind::Dataset { namespace, .. } if namespace == OWN);
        // The far end of a data set here is no step from its near end, nor from its versions.
        let far = |at: u32| own(at) && into.contains(&at) == (direction == Direction::Up);
        let (found, truncated) = digraph.reach(&starts, direction, (depth, most), far);
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        let mut reached = Reached { truncated, ..Reached::default() };
        for (at, distance) in &found {
            let node = &nodes[*at as usize];
            let place = *by_id.entry(&node.id).or_insert_with(|| {
                reached.nodes.push((node.clone(), *distance));
                reached.nodes.len() - 1
            });
            places.insert(*at, place);
        }
        let mut edges = BTreeSet::new();
        for (at, _) in &found {
            for to in digraph.next(*at, Direction::Down) {
                if let Some(place) = places.get(to).filter(|place| **place != places[at]) {
                    edges.insert((places[at], *place));
                }
            }
        }
        reached.edges = edges.into_iter().collect();
        Some(reached)
    }

    /// Whether it was reported of a run what it read.
    pub fn has_inputs(&mut self, run: &str) -> bool {
        let Some(at) = self.ids.get(&format!("run:{run}")).copied() else { return false };
        !self.digraph.next(at, Direction::Up).is_empty()
    }

    /// Columns that a column was made from, or that were made from it, within `depth` steps, as (data set's node, column,
    /// distance); itself included, and nothing when nobody spoke of it.
    pub fn column_impact(
        &mut self,
        name: &str,
        column: &str,
        direction: Direction,
        depth: u32,
    ) -> Vec<(String, String, u32)> {
        let Some(start) = self.column_ids.get(&(canonical(name), column.to_owned())).copied() else { return vec![] };
        let (found, _) = self.columns.reach(&[start], direction, (depth, MAX_NODES), |_| false);
        let named = found.into_iter().map(|(at, distance)| {
            let (dataset, column) = self.column_names[at as usize].clone();
            (dataset, column, distance)
        });
        named.collect()
    }

    /// The columns of a data set that edges speak of.
    #[must_use]
    pub fn columns_of(&self, name: &str) -> BTreeSet<String> {
        let id = canonical(name);
        let of = self.column_names.iter().filter(|(dataset, _)| *dataset == id);
        of.map(|(_, column)| column.clone()).collect()
    }

    /// Checksums that were read and were not those that were written, newest first.
    pub fn mismatches(&self) -> impl Iterator<Item = &Mismatch> {
        self.mismatches.iter().rev()
    }

    /// Nodes of every kind, by kind and how they are called; runs are left out, of which there are too many to look through.
    #[must_use]
    pub fn listed(&self) -> BTreeMap<&'static str, BTreeSet<&str>> {
        let mut all: BTreeMap<&'static str, BTreeSet<&str>> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| !matches!(node.kind, NodeKind::Run { .. })) {
            all.entry(node.kind.word()).or_default().insert(&node.id);
        }
        all
    }

    /// How many edges there are.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.digraph.edges()
    }
}

/// A name as nodes are called.
fn canonical(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["dataset", dataset] => match named_version(dataset) {
            Some((dataset, version)) => format!("version:{dataset}:{version}"),
            None => format!("dataset:{OWN}:{dataset}"),
        },
        ["dataset", dataset, version] => format!("version:{dataset}:{version}"),
        ["model", model, version] => format!("model:{model}:{version}"),
        [kind @ ("service" | "deployment" | "run"), name] => format!("{kind}:{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
