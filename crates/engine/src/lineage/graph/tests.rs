//! The graph: what can be reached, against a closure that is computed in the plainest way, and what its nodes stand for.

use std::collections::BTreeSet;

use domain::data::{Checksum, ChecksumOf, ColumnEdge, Named};
use domain::models::{ModelFacts, ModelRegistered};
use domain::serving::{DeploymentEnded, DeploymentStarted};
use proptest::prelude::*;

use super::*;

const RUN: &str = "01a204ce-f484-7f71-af44-93561f30881c";
const OTHER: &str = "01a204ce-f484-7f71-af44-93561f30881d";

fn port(name: &str, here: Option<(&str, Option<&str>)>) -> Port {
    Port {
        namespace: "s3://lake".into(),
        name: name.into(),
        dataset: here.map(|(dataset, _)| dataset.into()),
        version: here.and_then(|(_, version)| version.map(str::to_owned)),
        checksum: None,
    }
}

fn run(run: &str, inputs: Vec<Port>, outputs: Vec<Port>) -> LineageReported {
    LineageReported {
        kind: Reported::Run,
        happened_at: 0,
        run: Some(run.into()),
        parent: None,
        status: Some(RunStatus::Complete),
        job: Some(Named { namespace: "ml".into(), name: "features".into() }),
        inputs,
        outputs,
        columns: vec![],
        columns_left_out: 0,
        sealed: None,
    }
}

fn add(graph: &mut Graph, event: Event) {
    let (stream, id) = (event.stream(), "id".to_owned());
    graph.apply(&Entry { v: 1, id, ts: 0, actor: "a_1".into(), stream, sv: 1, event });
}

fn report(graph: &mut Graph, report: LineageReported) {
    add(graph, Event::LineageReported(report));
}

fn registered(version: &str, trained_on: &[&str], run: Option<&str>) -> Event {
    Event::ModelRegistered(ModelRegistered {
        model: "risk".into(),
        version: version.into(),
        artifact_sha256: "aa".into(),
        facts: ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] },
        enclosed: None,
        trained_on: trained_on.iter().map(|one| (*one).to_owned()).collect(),
        run: run.map(str::to_owned),
    })
}

fn reached(graph: &mut Graph, name: &str, direction: Direction) -> BTreeSet<String> {
    let reached = graph.impact(name, direction, 100, MAX_NODES).expect("known");
    reached.nodes.into_iter().map(|(node, _)| node.id).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn given_a_source_when_its_impact_is_asked_for_then_models_deployments_and_services_are_in_it_and_other_runs_are_not() {
    let mut graph = Graph::default();
    report(&mut graph, run(RUN, vec![port("raw", None)], vec![port("x", Some(("loans", Some("1"))))]));
    report(&mut graph, run(OTHER, vec![port("others", None)], vec![port("x", Some(("loans", Some("2"))))]));
    add(&mut graph, registered("1", &["loans@1"], None));
    add(&mut graph, registered("2", &["loans@2"], None));
    let target = Target::Model { model: "risk".into(), version: "1".into() };
    let (deployment, service, route) = ("d_1".to_owned(), "credit".to_owned(), "score".to_owned());
    let started = DeploymentStarted {
        deployment: deployment.clone(),
        service: service.clone(),
        route,
        target,
        artifact_sha256: Some("aa".into()),
    };
    add(&mut graph, Event::DeploymentStarted(started));
    add(&mut graph, Event::DeploymentEnded(DeploymentEnded { deployment, service }));
    let raw = "dataset:s3://lake:raw";
    let run_id = format!("run:{RUN}");
    let all = [
        raw,
        &run_id,
        "version:loans:1",
        "dataset:counterfoil:loans",
        "model:risk:1",
        "deployment:d_1",
        "service:credit",
    ];
    assert_eq!(reached(&mut graph, raw, Direction::Down), set(&all));
    assert_eq!(reached(&mut graph, "service/credit", Direction::Up), set(&all));
    let reached = graph.impact(raw, Direction::Down, 100, MAX_NODES).expect("known");
    let ended = |node: &Node| matches!(node.kind, NodeKind::Deployment { ended: true, .. });
    assert!(reached.nodes.iter().any(|(node, _)| ended(node)));
    assert!(graph.impact(raw, Direction::Down, 1, MAX_NODES).expect("known").nodes.len() == 2);
    assert!(graph.impact(raw, Direction::Down, 100, 3).expect("known").truncated);
    assert!(graph.impact("dataset:s3://lake:none", Direction::Down, 1, 1).is_none());
    // A job stands for all its runs.
    let of_job = graph.impact("job:ml:features", Direction::Down, 100, MAX_NODES).expect("known");
    assert!(of_job.nodes.iter().any(|(node, _)| node.id == "model:risk:2"));
}

#[test]
fn given_what_is_written_without_a_version_when_asked_then_it_may_be_in_each_and_versions_say_nothing_of_each_other() {
    let mut graph = Graph::default();
    add(&mut graph, registered("1", &["loans@1"], None));
    add(&mut graph, registered("2", &["loans@2"], None));
    report(&mut graph, run(RUN, vec![port("raw", None)], vec![port("x", Some(("loans", None)))]));
    report(&mut graph, run(OTHER, vec![port("x", Some(("loans", None)))], vec![port("report", None)]));
    let down = reached(&mut graph, "dataset:s3://lake:raw", Direction::Down);
    assert!(set(&["model:risk:1", "model:risk:2", "dataset:s3://lake:report"]).is_subset(&down), "{down:?}");
    let of_one = reached(&mut graph, "dataset/loans/1", Direction::Down);
    assert!(of_one.contains("model:risk:1") && of_one.contains("dataset:s3://lake:report"), "{of_one:?}");
    assert!(!of_one.contains("model:risk:2"), "{of_one:?}");
    let whole = reached(&mut graph, "dataset/loans", Direction::Down);
    assert!(set(&["model:risk:1", "model:risk:2"]).is_subset(&whole), "{whole:?}");
    let up = reached(&mut graph, "dataset:s3://lake:report", Direction::Up);
    assert!(up.contains("dataset:s3://lake:raw") && up.contains("version:loans:2"), "{up:?}");
    let up = reached(&mut graph, "model/risk/1", Direction::Up);
    assert!(up.contains("dataset:s3://lake:raw") && !up.contains("version:loans:2"), "{up:?}");
}

#[test]
fn given_a_run_when_it_says_what_it_did_in_pieces_then_it_is_one_and_its_end_is_not_undone() {
    let mut graph = Graph::default();
    report(&mut graph, run(RUN, vec![], vec![port("out", None)]));
    let late = LineageReported { status: Some(RunStatus::Start), ..run(RUN, vec![port("in", None)], vec![]) };
    report(&mut graph, late);
    add(&mut graph, registered("1", &[], Some(RUN)));
    let reached = graph.impact("dataset:s3://lake:in", Direction::Down, 9, MAX_NODES).expect("known");
    let run = reached.nodes.iter().find_map(|(node, _)| match &node.kind {
        NodeKind::Run { job, status, .. } => Some((job.clone(), *status)),
        _ => None,
    });
    assert_eq!(run, Some((Some(("ml".into(), "features".into())), Some(RunStatus::Complete))));
    let ids: Vec<&str> = reached.nodes.iter().map(|(node, _)| node.id.as_str()).collect();
    assert!(ids.contains(&"dataset:s3://lake:out") && ids.contains(&"model:risk:1"), "{ids:?}");
}

#[test]
fn given_columns_and_checksums_when_asked_then_both_ways_are_there_and_a_difference_is_told_once() {
    let mut graph = Graph::default();
    let columns = |from: &str, to: &str| {
        vec![ColumnEdge { input: 0, input_column: from.into(), output: 0, output_column: to.into() }]
    };
    let checksum = |digit: &str| Some(Checksum { of: ChecksumOf::Content, reference: digit.repeat(32) });
    let wrote = Port { checksum: checksum("1"), ..port("mid", None) };
    let first = run(RUN, vec![port("raw", None)], vec![wrote]);
    report(&mut graph, LineageReported { columns: columns("age", "age2"), ..first });
    let read = Port { checksum: checksum("2"), ..port("mid", None) };
    let second = run(OTHER, vec![read], vec![port("out", None)]);
    let second = LineageReported { columns: columns("age2", "score"), ..second };
    report(&mut graph, second.clone());
    report(&mut graph, second);
    let (raw, out) = ("dataset:s3://lake:raw", "dataset:s3://lake:out");
    let down = graph.column_impact(raw, "age", Direction::Down, 9);
    assert_eq!(down.last(), Some(&(out.to_owned(), "score".to_owned(), 2)));
    let up = graph.column_impact(out, "score", Direction::Up, 9);
    assert_eq!(up.last(), Some(&(raw.to_owned(), "age".to_owned(), 2)));
    assert_eq!(graph.columns_of("dataset:s3://lake:mid"), set(&["age2"]));
    let told: Vec<&Mismatch> = graph.mismatches().collect();
    let [one] = told[..] else { panic!("{told:?}") };
    assert_eq!((one.read_by.as_deref(), one.written_by.as_deref(), one.seq), (Some(OTHER), Some(RUN), 1));
}

/// What can be reached by edges, computed by adding what one more edge leads to until nothing comes anew.
fn closure(edges: &[(u32, u32)], start: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([start]);
    loop {
        let next: BTreeSet<u32> = edges.iter().filter(|(from, _)| found.contains(from)).map(|(_, to)| *to).collect();
        let before = found.len();
        found.extend(next);
        if found.len() == before {
            return found;
        }
    }
}

proptest! {
    #[test]
    fn given_any_graph_when_reached_then_it_is_the_naive_closure_both_ways(
        edges in prop::collection::vec((0_u32..40, 0_u32..40), 0..120),
        start in 0_u32..40,
        free in prop::collection::btree_set(0_u32..40, 0..10),
        depth in 0_u32..6,
    ) {
        let mut graph = Digraph::default();
        for _ in 0..40 {
            graph.node();
        }
        edges.iter().for_each(|(from, to)| graph.edge(*from, *to));
        let back: Vec<(u32, u32)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
        for (direction, edges) in [(Direction::Down, &edges), (Direction::Up, &back)] {
            let (found, cut) = graph.reach(&[start], direction, (u32::MAX - 1, usize::MAX), |at| free.contains(&at));
            prop_assert!(!cut);
            let all: BTreeSet<u32> = found.iter().map(|(at, _)| *at).collect();
            prop_assert_eq!(all.len(), found.len(), "each once");
            prop_assert_eq!(all, closure(edges, start));
            prop_assert!(found.is_sorted_by_key(|(_, distance)| *distance), "nearest first");
            let (near, _) = graph.reach(&[start], direction, (depth, usize::MAX), |at| free.contains(&at));
            let expected: Vec<(u32, u32)> = found.into_iter().filter(|(_, distance)| *distance <= depth).collect();
            prop_assert_eq!(near, expected);
        }
    }
}
