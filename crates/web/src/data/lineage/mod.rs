//! The page of what was made from what: a picture laid out here, a table of the same, and the columns of a chosen one.

mod picture;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use engine::MAX_DEPTH;
use engine::graph::{Direction, Graph, MAX_NODES, Mismatch, Node, NodeKind, Reached};
use serde::Deserialize;

use self::picture::Picture;
use crate::App;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::ui::{Cell, Column, Empty, Link, Mark, Page, Section, Shell, Table, Tone, page};

/// How many steps are shown when nothing else is asked for.
pub(crate) const DEPTH: u32 = 20;

/// The most nodes that a page shows; the API gives more.
const SHOWN: usize = 200;

/// Asks the graph, off the threads that serve requests.
pub(crate) async fn ask<R: Send + 'static>(
    app: &App,
    question: impl FnOnce(&mut Graph) -> R + Send + 'static,
) -> Result<R, Failure> {
    let engine = Arc::clone(&app.engine);
    let asked = tokio::task::spawn_blocking(move || engine.lineage(question)).await;
    Ok(asked.map_err(|panicked| Failure::internal("ask the graph of lineage", &panicked))??)
}

/// What can be reached from a node; `None` when there is none of that name.
pub(crate) async fn look(app: &App, node: &str, direction: Direction, depth: u32) -> Result<Option<Reached>, Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::invalid(format!("`depth` is at most {MAX_DEPTH}")));
    }
    let node = node.to_owned();
    ask(app, move |graph| graph.impact(&node, direction, depth, MAX_NODES)).await
}

/// Columns that were made from a column, or that it was made from.
pub(crate) async fn column_impact(
    app: &App,
    node: &str,
    column: &str,
    direction: Direction,
    depth: u32,
) -> Result<Vec<(String, String, u32)>, Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::invalid(format!("`depth` is at most {MAX_DEPTH}")));
    }
    let (node, column) = (node.to_owned(), column.to_owned());
    ask(app, move |graph| graph.column_impact(&node, &column, direction, depth)).await
}

/// What the address asks for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    node: String,
    #[serde(default)]
    column: String,
}

/// What is around a node, both ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// Every node with its distance: what it was made from counts downwards from 0.
    pub nodes: Vec<(Node, i64)>,
    /// Edges, by places in that list.
    pub edges: Vec<(usize, usize)>,
    /// Whether there is more than the page shows.
    pub truncated: bool,
}

impl Around {
    fn of(up: Option<Reached>, down: Option<Reached>) -> Self {
        let mut around = Self::default();
        let mut places = std::collections::HashMap::new();
        for (reached, sign) in [(down, 1), (up, -1)].into_iter().filter_map(|(one, sign)| Some((one?, sign))) {
            around.truncated |= reached.truncated;
            let at: Vec<usize> = reached
                .nodes
                .into_iter()
                .map(|(node, distance)| {
                    *places.entry(node.id.clone()).or_insert_with(|| {
                        around.nodes.push((node, sign * i64::from(distance)));
                        around.nodes.len() - 1
                    })
                })
                .collect();
            around.edges.extend(reached.edges.iter().map(|(from, to)| (at[*from], at[*to])));
        }
        around.edges.sort_unstable();
        around.edges.dedup();
        around
    }
}

/// The page.
#[derive(Template)]
#[template(path = "data/lineage.html")]
pub(crate) struct LineagePage {
    shell: Shell,
    asked: Asked,
    /// Whether something is called so.
    known: bool,
    truncated: bool,
    picture: Option<Picture>,
    nodes: Table,
    /// Columns of the data set that can be chosen.
    columns: Vec<(String, Link)>,
    column: Option<Table>,
    mismatches: Table,
    start: Table,
}

/// The address of a node on this page.
pub(super) fn link_to(node: &str) -> Link {
    Link::to("/data/lineage").with("node", node)
}

/// What was found for the page.
#[derive(Default)]
pub(super) struct Found {
    around: Option<Around>,
    columns: Vec<String>,
    column: Vec<(String, String, i64)>,
    mismatches: Vec<Mismatch>,
    listed: Vec<(String, String)>,
}

impl LineagePage {
    fn new(shell: Shell, asked: Asked, found: Found) -> Self {
        let around = found.around.unwrap_or_default();
        let known = !around.nodes.is_empty();
        let columns = found.columns.into_iter().map(|column| {
            let link = link_to(&asked.node).with("column", &column);
            (column, link)
        });
        let columns = columns.collect();
        let column = (!asked.column.is_empty()).then(|| of_column(&found.column));
        Self {
            known,
            truncated: around.truncated,
            picture: known.then(|| Picture::of(&around)),
            nodes: of_nodes(&around),
            columns,
            column,
            mismatches: of_mismatches(&found.mismatches),
            start: of_listed(&found.listed),
            shell,
            asked,
        }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 3] {
        let node = |id: &str, kind| Node { id: id.to_owned(), kind };
        let dataset = |name: &str| {
            let id = format!("dataset:s3://lake:{name}");
            node(&id, NodeKind::Dataset { namespace: "s3://lake".into(), name: name.into() })
        };
        let run = NodeKind::Run { run: "r".into(), job: Some(("ml".into(), "features".into())), status: None };
        let model = NodeKind::Model { model: "credit-risk".into(), version: "1".into() };
        let nodes = vec![
            (dataset("<features>"), 0),
            (node("model:credit-risk:1", model), 1),
            (node("run:r", run), -1),
            (dataset("raw"), -2),
        ];
        let around = Around { nodes, edges: vec![(3, 2), (2, 0), (0, 1)], truncated: true };
        let mismatch = Mismatch {
            id: "dataset:s3://lake:raw".into(),
            read_by: Some("01a204ce-f484-7f71-af44-93561f30881c".into()),
            written_by: None,
            read: "0a".repeat(16),
            written: "0b".repeat(16),
            seq: 7,
        };
        let shell = || Shell::sample(Section::Data);
        let node = "dataset:s3://lake:<features>".to_owned();
        let found = Found {
            around: Some(around),
            columns: vec!["age2".into()],
            column: vec![("dataset:s3://lake:raw".into(), "age".into(), -1)],
            mismatches: vec![mismatch],
            listed: vec![],
        };
        let listed = vec![("dataset".to_owned(), "dataset:s3://lake:raw".to_owned())];
        [
            Self::new(shell(), Asked { node: node.clone(), column: "age2".into() }, found),
            Self::new(shell(), Asked::default(), Found { listed, ..Found::default() }),
            Self::new(shell(), Asked { node, column: String::new() }, Found::default()),
        ]
    }
}

fn distance(distance: i64) -> String {
    match distance {
        0 => "the chosen one".to_owned(),
        up if up < 0 => format!("{} before", -up),
        down => format!("{down} after"),
    }
}

fn of_nodes(around: &Around) -> Table {
    let columns = ["name", "what", "called", "steps", "made from", "standing"];
    let mut table = Table::new("Nodes", columns.map(Column::text).into(), Empty::new("Nothing is known of it", ""));
    let mut order: Vec<usize> = (0..around.nodes.len()).collect();
    order.sort_by_key(|at| around.nodes[*at].1);
    let row = |at: usize| {
        let (node, steps) = &around.nodes[at];
        let from: Vec<String> = around
            .edges
            .iter()
            .filter(|(_, to)| *to == at)
            .map(|(from, _)| around.nodes[*from].0.kind.label())
            .collect();
        let standing = match &node.kind {
            NodeKind::Deployment { ended: true, .. } => Cell::Mark(Mark::new("ended", Tone::Open)),
            NodeKind::Deployment { .. } => Cell::Mark(Mark::new("answers", Tone::Good)),
            NodeKind::Run { status: Some(status), .. } => Cell::Text(status.as_str().to_owned()),
            _ => Cell::None,
        };
        vec![
            Cell::Stub(node.kind.label(), link_to(&node.id)),
            Cell::Text(node.kind.word().to_owned()),
            Cell::Code(node.id.clone()),
            Cell::Text(distance(*steps)),
            if from.is_empty() { Cell::None } else { Cell::Wide(from.join(", ")) },
            standing,
        ]
    };
    table.rows = order.into_iter().map(row).collect();
    table
}

fn of_column(found: &[(String, String, i64)]) -> Table {
    let columns = ["column", "of", "steps"];
    let empty = Empty::new("No report says what this column was made from, or what was made from it", "");
    let mut table = Table::new("Columns", columns.map(Column::text).into(), empty);
    let row = |(dataset, column, steps): &(String, String, i64)| {
        vec![
            Cell::Stub(column.clone(), link_to(dataset).with("column", column)),
            Cell::Code(dataset.clone()),
            Cell::Text(distance(*steps)),
        ]
    };
    table.rows = found.iter().map(row).collect();
    table
}

fn of_mismatches(found: &[Mismatch]) -> Table {
    let columns = ["data set", "read by run", "written by run", "checksum read", "checksum written", "entry"];
    let empty = Empty::new("None", "Checksums are compared where both runs report one.");
    let mut table = Table::new("Checksums that differ", columns.map(Column::text).into(), empty);
    let short = |text: &str| Cell::Code(text.get(..12).unwrap_or(text).to_owned());
    let row = |one: &Mismatch| {
        vec![
            Cell::Stub(one.id.clone(), link_to(&one.id)),
            one.read_by.as_deref().map_or(Cell::None, |run| Cell::Code(run.to_owned())),
            one.written_by.as_deref().map_or(Cell::None, |run| Cell::Code(run.to_owned())),
            short(&one.read),
            short(&one.written),
            Cell::Link(one.seq.to_string(), Link::into("/ledger", &one.seq.to_string())),
        ]
    };
    table.rows = found.iter().map(row).collect();
    table
}

fn of_listed(found: &[(String, String)]) -> Table {
    let columns = ["called", "what"];
    let empty = Empty::new("No lineage is known yet", "Point an OpenLineage client here:")
        .command("OPENLINEAGE_URL=https://… OPENLINEAGE_API_KEY=cfk_… dbt-ol build");
    let mut table = Table::new("What there is", columns.map(Column::text).into(), empty);
    let row = |(kind, id): &(String, String)| vec![Cell::Stub(id.clone(), link_to(id)), Cell::Text(kind.clone())];
    table.rows = found.iter().map(row).collect();
    table
}

/// `GET /data/lineage`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Query(asked): Query<Asked>) -> Page {
    app.may_read(&who, "datasets")?;
    let wish = asked.clone();
    let found = ask(&app, move |graph| find(graph, &wish)).await?;
    page(&LineagePage::new(Shell::new(&app, &who, Section::Data).await?, asked, found))
}

fn find(graph: &mut Graph, asked: &Asked) -> Found {
    let mut found = Found { mismatches: graph.mismatches().take(SHOWN).cloned().collect(), ..Found::default() };
    if asked.node.is_empty() {
        let listed = graph.listed();
        let each =
            listed.iter().flat_map(|(kind, ids)| ids.iter().map(move |id| ((*kind).to_owned(), (*id).to_owned())));
        found.listed = each.take(SHOWN).collect();
        return found;
    }
    let mut reach = |direction| graph.impact(&asked.node, direction, DEPTH, SHOWN);
    let (up, down) = (reach(Direction::Up), reach(Direction::Down));
    if up.is_some() || down.is_some() {
        found.around = Some(Around::of(up, down));
    }
    found.columns = graph.columns_of(&asked.node).into_iter().collect();
    if !asked.column.is_empty() {
        let mut columns = |direction| graph.column_impact(&asked.node, &asked.column, direction, DEPTH);
        let (up, down) = (columns(Direction::Up), columns(Direction::Down));
        let up = up.into_iter().skip(1).map(|(dataset, column, steps)| (dataset, column, -i64::from(steps)));
        let down = down.into_iter().map(|(dataset, column, steps)| (dataset, column, i64::from(steps)));
        found.column = up.rev().chain(down).take(SHOWN).collect();
    }
    found
}
