//! What an impact question costs over a million edges: `cargo bench -p counterfoil -p engine --bench lineage`.
//!
//! Sixteen layers of data sets, each made by runs that read some of the layer before; the question starts at one source
//! and reaches most of what there is. Measured apart: taking the reports in, the first question after that, which puts the
//! edges in order, and a question after that.

use std::hint::black_box;
use std::time::Instant;

use domain::data::{LineageReported, Named, Port, Reported, RunStatus};
use domain::{Entry, Event};
use engine::graph::{Direction, Graph};

const LAYERS: usize = 16;
const RUNS: usize = 6_250;
const PORTS: usize = 5;

fn port(layer: usize, at: usize) -> Port {
    let name = format!("layer{layer}/d{}", at % RUNS);
    Port { namespace: "s3://lake".into(), name, dataset: None, version: None, checksum: None }
}

fn report(layer: usize, at: usize) -> Entry {
    let report = LineageReported {
        kind: Reported::Run,
        happened_at: 0,
        run: Some(format!("{layer:08x}-0000-7000-8000-{at:012x}")),
        parent: None,
        status: Some(RunStatus::Complete),
        job: Some(Named { namespace: "ml".into(), name: format!("job{layer}") }),
        inputs: (0..PORTS).map(|i| port(layer, at * 7 + i * 131)).collect(),
        outputs: (0..PORTS).map(|i| port(layer + 1, at * 3 + i * 17)).collect(),
        columns: vec![],
        columns_left_out: 0,
        sealed: None,
    };
    let event = Event::LineageReported(report);
    Entry { v: 1, id: String::new(), ts: 0, actor: "a_1".into(), stream: event.stream(), sv: 1, event }
}

fn main() {
    let entries: Vec<Entry> = (0..LAYERS).flat_map(|layer| (0..RUNS).map(move |at| report(layer, at))).collect();
    let mut graph = Graph::default();
    let began = Instant::now();
    entries.iter().for_each(|entry| graph.apply(entry));
    println!("{} edges taken in: {:.1?}", graph.edges(), began.elapsed());
    assert!(graph.edges() >= 900_000, "about a million");
    for what in ["first question", "question", "question", "question"] {
        let began = Instant::now();
        let reached = graph.impact("dataset:s3://lake:layer0/d0", Direction::Down, u32::MAX - 1, 10_000);
        let reached = black_box(reached.expect("known"));
        println!("{what}, {} nodes in the answer: {:.1?}", reached.nodes.len(), began.elapsed());
    }
    let began = Instant::now();
    let reached = graph.impact("dataset:s3://lake:layer0/d0", Direction::Down, u32::MAX - 1, usize::MAX);
    let reached = black_box(reached.expect("known"));
    println!("all {} nodes and {} edges: {:.1?}", reached.nodes.len(), reached.edges.len(), began.elapsed());
}
