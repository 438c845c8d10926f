//! OpenLineage's door, and questions about what was made from what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::RefusalCode;
use domain::data::lineage::openlineage::MAX_EVENT_BYTES;
use engine::Rejected;
use engine::graph::{Direction, Node, NodeKind, Reached};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::data::lineage::{DEPTH, column_impact, look};
use crate::failure::{ApiError, Failure};
use crate::ui::literal;

/// The largest body with one event, and with several, in bytes, as they are sent and when they are unpacked.
pub(super) const MAX_BATCH_BYTES: usize = 32 << 20;

/// The most events of a batch.
const MAX_BATCH: usize = 1_000;

/// The bytes of a body, unpacked when they are packed, at most `most` of them.
async fn unpacked(headers: &HeaderMap, body: Result<Bytes, BytesRejection>, most: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        let message = format!("the body has more than {most} bytes: send less at once");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "malformed", message)
    };
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => Failure::new(status, "malformed", rejection.body_text()),
    })?;
    if body.len() > most {
        return Err(too_large());
    }
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => {
            let unpack = move || {
                let mut out = Vec::new();
                // One byte more than there may be, so that it shows when there are more.
                let read = flate2::read::MultiGzDecoder::new(&body[..]).take(most as u64 + 1).read_to_end(&mut out);
                read.map(|_| out)
            };
            let out = tokio::task::spawn_blocking(unpack).await;
            let out = out.map_err(|panicked| Failure::internal("unpack the body", &panicked))?;
            let out =
                out.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "malformed", "the body is not what gzip makes"))?;
            if out.len() > most { Err(too_large()) } else { Ok(out.into()) }
        }
        Some(_) => {
            let message = "a body is packed with gzip, or not at all";
            Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", message))
        }
    }
}

fn json_of(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not JSON: {error}");
        Failure::new(StatusCode::BAD_REQUEST, "malformed", message).help("send an OpenLineage event as JSON")
    })
}

fn failure(rejected: Rejected) -> Failure {
    domain::Refusal::new(rejected.code, rejected.reason).into()
}

/// `POST /lineage`: one OpenLineage event.
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answer<Value>, ApiError> {
    let event = json_of(&unpacked(&headers, body, MAX_EVENT_BYTES).await?)?;
    let answers = app.engine.report_lineage(&who, vec![event]).await?;
    match answers.into_iter().next() {
        Some(Err(rejected)) => Err(failure(rejected).into()),
        _ => Ok(Answer(json!({ "status": "success" }))),
    }
}

/// `POST /lineage/batch`: several. Those that are right are taken, and of the others it is said what is wrong.
pub(crate) async fn report_batch(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Value::Array(events) = json_of(&unpacked(&headers, body, MAX_BATCH_BYTES).await?)? else {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "malformed", "a batch is a list of events").into());
    };
    let received = events.len();
    if !(1..=MAX_BATCH).contains(&received) {
        let message = format!("a batch has 1 to {MAX_BATCH} events, not {received}");
        return Err(Failure::new(StatusCode::BAD_REQUEST, "malformed", message).into());
    }
    let answers = app.engine.report_lineage(&who, events).await?;
    let failed: Vec<Value> = answers
        .iter()
        .enumerate()
        .filter_map(|(at, answer)| {
            let Rejected { code, reason } = answer.as_ref().err()?;
            // What is not there yet may be, later; what is malformed stays so.
            let retriable = *code == RefusalCode::NotFound;
            Some(json!({ "index": at, "reason": reason, "retriable": retriable }))
        })
        .collect();
    let retriable = failed.iter().filter(|one| one["retriable"] == json!(true)).count();
    let (status, word) = match failed.len() {
        0 => (StatusCode::OK, "success"),
        all if all == received => (StatusCode::UNPROCESSABLE_ENTITY, "failure"),
        _ => (StatusCode::OK, "partial_success"),
    };
    let mut answer = json!({
        "status": word,
        "summary": {
            "received": received, "successful": received - failed.len(), "failed": failed.len(), "retriable": retriable,
            "non_retriable": failed.len() - retriable,
        },
        "failed_events": failed,
    });
    if word == "failure" {
        let message = "none of the events was taken: `failed_events` says why";
        answer["error"] = json!({ "code": "invalid", "message": message });
    }
    Ok((status, Answer(answer)).into_response())
}

/// Which node, and how far.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(rename = "nodeId")]
    node_id: String,
    depth: Option<u32>,
}

/// `GET /lineage`: what is around a node both ways, in the shape that Marquez gives it.
pub(crate) async fn around(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "datasets")?;
    let Query(Asked { node_id, depth }) = asked.map_err(|e| Failure::invalid(e.body_text()))?;
    let depth = depth.unwrap_or(DEPTH);
    let up = look(&app, &node_id, Direction::Up, depth).await?;
    let down = look(&app, &node_id, Direction::Down, depth).await?;
    let missing = || Failure::not_found("node of lineage", &node_id);
    if up.is_none() && down.is_none() {
        return Err(missing().into());
    }
    Ok(Answer(marquez([up, down].into_iter().flatten())))
}

/// What Marquez calls a node: a run is its job.
fn called(node: &Node) -> (String, &'static str, Value) {
    let named = |of: &str, namespace: &str, name: &str| json!({ "id": {"namespace": namespace, "name": name}, "type": of, "namespace": namespace, "name": name });
    match &node.kind {
        NodeKind::Run { job: Some((namespace, name)), .. } | NodeKind::Job { namespace, name } => {
            (format!("job:{namespace}:{name}"), "JOB", named("BATCH", namespace, name))
        }
        NodeKind::Dataset { namespace, name } => (node.id.clone(), "DATASET", named("DB_TABLE", namespace, name)),
        NodeKind::Version { dataset, version } => {
            (node.id.clone(), "DATASET_VERSION", json!({ "name": dataset, "version": version }))
        }
        NodeKind::Run { run, .. } => (node.id.clone(), "RUN", json!({ "id": run })),
        NodeKind::Model { model, version } => (node.id.clone(), "MODEL", json!({ "name": model, "version": version })),
        NodeKind::Deployment { deployment, route, ended } => {
            (node.id.clone(), "DEPLOYMENT", json!({ "id": deployment, "route": route, "ended": ended }))
        }
        NodeKind::Service { service } => (node.id.clone(), "SERVICE", json!({ "name": service })),
    }
}

fn marquez(all: impl Iterator<Item = Reached>) -> Value {
    let mut nodes: BTreeMap<String, (&'static str, Value)> = BTreeMap::new();
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for reached in all {
        let ids: Vec<String> = reached
            .nodes
            .iter()
            .map(|(node, _)| {
                let (id, of, data) = called(node);
                nodes.insert(id.clone(), (of, data));
                id
            })
            .collect();
        let named = reached.edges.iter().map(|(from, to)| (ids[*from].clone(), ids[*to].clone()));
        edges.extend(named.filter(|(from, to)| from != to));
    }
    let mut inward: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut outward = inward.clone();
    for (origin, destination) in &edges {
        let edge = json!({ "origin": origin, "destination": destination });
        outward.entry(origin).or_default().push(edge.clone());
        inward.entry(destination).or_default().push(edge);
    }
    let graph: Vec<Value> = nodes
        .iter()
        .map(|(id, (of, data))| {
            let edges = |of: &BTreeMap<&str, Vec<Value>>| of.get(id.as_str()).cloned().unwrap_or_default();
            json!({ "id": id, "type": of, "data": data, "inEdges": edges(&inward), "outEdges": edges(&outward) })
        })
        .collect();
    json!({ "graph": graph })
}

/// Which node, which way, how far, and whether inferences are counted.
#[derive(Deserialize)]
pub(crate) struct Impact {
    node: String,
    direction: Option<String>,
    depth: Option<u32>,
    column: Option<String>,
    #[serde(default)]
    counts: bool,
}

/// `GET /lineage/impact`: what was made from a thing, or what it was made from.
pub(crate) async fn impact(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    asked: Result<Query<Impact>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "datasets")?;
    let Query(asked) = asked.map_err(|e| Failure::invalid(e.body_text()))?;
    let direction = match asked.direction.as_deref() {
        None | Some("down") => Direction::Down,
        Some("up") => Direction::Up,
        Some(_) => return Err(Failure::invalid("`direction` is `down` or `up`").into()),
    };
    let depth = asked.depth.unwrap_or(engine::MAX_DEPTH);
    if let Some(column) = &asked.column {
        let found = column_impact(&app, &asked.node, column, direction, depth).await?;
        let shown = |(dataset, column, distance): &(String, String, u32)| json!({ "dataset": dataset, "column": column, "distance": distance });
        return Ok(Answer(json!({
            "node": asked.node, "column": column, "columns": found.iter().map(shown).collect::<Vec<_>>(),
        })));
    }
    let reached = look(&app, &asked.node, direction, depth).await?;
    let reached = reached.ok_or_else(|| Failure::not_found("node of lineage", &asked.node))?;
    let counted = if asked.counts { Some(inferences(&app, &reached).await?) } else { None };
    Ok(Answer(shown(&asked.node, direction, &reached, counted.as_ref())))
}

/// How many inferences each deployment answered, of those that were reached.
async fn inferences(app: &App, reached: &Reached) -> Result<BTreeMap<String, u64>, Failure> {
    let deployments = reached.nodes.iter().filter_map(|(node, _)| match &node.kind {
        NodeKind::Deployment { deployment, .. } => Some(literal(deployment)),
        _ => None,
    });
    let deployments: Vec<String> = deployments.collect();
    if deployments.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!(
        "SELECT deployment_id, count(*) AS n FROM inferences WHERE deployment_id IN ({}) GROUP BY 1",
        deployments.join(", ")
    );
    let found = app.ask(&sql).await?;
    Ok(found.rows.iter().map(|row| (crate::rows::text(row, "deployment_id"), crate::rows::count(row, "n"))).collect())
}

fn shown(node: &str, direction: Direction, reached: &Reached, counted: Option<&BTreeMap<String, u64>>) -> Value {
    let nodes: Vec<Value> = reached
        .nodes
        .iter()
        .map(|(node, distance)| {
            let (_, _, data) = called(node);
            let mut shown = json!({
                "id": node.id, "kind": node.kind.word(), "label": node.kind.label(), "distance": distance, "data": data,
            });
            if let NodeKind::Run { run, status, .. } = &node.kind {
                shown["run"] = json!(run);
                shown["status"] = json!(status.map(|status| status.as_str()));
            }
            if let (NodeKind::Deployment { deployment, .. }, Some(counted)) = (&node.kind, counted) {
                shown["inferences"] = json!(counted.get(deployment).copied().unwrap_or(0));
            }
            shown
        })
        .collect();
    let edges: Vec<Value> =
        reached.edges.iter().map(|(from, to)| json!([reached.nodes[*from].0.id, reached.nodes[*to].0.id])).collect();
    json!({
        "node": node, "direction": if direction == Direction::Down { "down" } else { "up" }, "nodes": nodes,
        "edges": edges, "truncated": reached.truncated,
    })
}

/// `GET /lineage/nodes`: what there is to ask about, runs left out, and checksums that do not match.
pub(crate) async fn nodes(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "datasets")?;
    let listed = crate::data::lineage::ask(&app, |graph| {
        let mismatches: Vec<Value> = graph
            .mismatches()
            .map(|one| {
                json!({
                    "node": one.id, "read_by": one.read_by, "written_by": one.written_by, "read": one.read,
                    "written": one.written, "seq": one.seq,
                })
            })
            .collect();
        json!({ "nodes": graph.listed(), "edges": graph.edges(), "mismatches": mismatches })
    });
    Ok(Answer(listed.await?))
}

/// `GET /lineage/events/{seq}`: what was sent with the report of an entry.
pub(crate) async fn event(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(seq): Path<u64>,
) -> Result<Response, ApiError> {
    let raw = app.engine.lineage_event(&who, seq).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], raw).into_response())
}
