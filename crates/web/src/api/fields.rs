//! Fields of data sets: what a steward says of them, what detectors found, and the findings that came of it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use domain::Command;
use domain::data::{FieldDecision, FieldsDeclared, Finding, FindingResolved, Resolution};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::app::DATASETS;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::ui::literal;

/// What is known of the fields of a data set's versions.
pub(crate) fn fields_of(dataset: &str) -> String {
    format!(
        "SELECT version, field, declared_class, proposed_class, found, found_permille, score_permille, purpose_id, \
         justification_ref, declared_by, use_state, used_by, seq FROM dataset_fields WHERE dataset_id = {} \
         ORDER BY version DESC, field, purpose_id",
        literal(dataset)
    )
}

/// `GET /datasets/{id}/fields`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let known = app.engine.read(|state| {
        let declared: Vec<Value> =
            state.fields.get(&id).into_iter().flat_map(|all| all.values()).map(|one| json!(one)).collect();
        let scans: Vec<Value> =
            state.scans.get(&id).into_iter().flat_map(|all| all.values()).map(|one| json!(one)).collect();
        state.datasets.contains_key(&id).then_some((declared, scans))
    });
    let (declared, scans) = known.ok_or_else(|| Failure::not_found("data set", &id))?;
    let found = app.ask(&fields_of(&id)).await?;
    Ok(Answer(json!({ "dataset": id, "declared": declared, "scans": scans, "fields": found.rows, "size": found.size })))
}

/// What fields are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decisions {
    fields: Vec<FieldDecision>,
}

/// `POST /datasets/{id}/fields`
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(body): Json<Decisions>,
) -> Result<Answer<Value>, ApiError> {
    let command = Command::DeclareFields(FieldsDeclared { dataset: id, fields: body.fields });
    let done = app.engine.execute(&who, command).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}

/// `POST /datasets/{id}/versions/{version}/scan`: detectors look again.
pub(crate) async fn scan(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "dataset.scan", &format!("dataset/{id}"))?;
    let done = ingest::rescan::scan(&app.engine, &id, &version).await.map_err(scan_failure)?;
    let scanned = app.engine.read(|state| state.scans.get(&id).and_then(|all| all.get(&version)).map(|one| json!(one)));
    let opened = done.events.iter().filter(|entry| entry.event.name() == "finding.opened");
    let opened: Vec<Value> = opened.map(|entry| json!(entry.event)["body"].clone()).collect();
    Ok(Answer(json!({ "scan": scanned, "opened": opened, "size": done.size })))
}

fn scan_failure(error: ingest::rescan::ScanError) -> Failure {
    use ingest::rescan::ScanError;
    match error {
        ScanError::Execute(error) => error.into(),
        ScanError::Rows(error) => rows_failure(error),
        ScanError::Ended(_) => Failure::internal("scan the version", &error),
    }
}

/// Why rows cannot be read, as an answer.
pub(crate) fn rows_failure(error: query::rows::RowsError) -> Failure {
    use query::rows::RowsError;
    match error {
        RowsError::Malformed(why) => Failure::new(http::StatusCode::CONFLICT, "malformed_rows", why),
        RowsError::Query(error) => crate::rows::failure(error),
        RowsError::Io(_) => Failure::internal("read the version", &error),
    }
}

/// Which findings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Settled ones too.
    #[serde(default)]
    all: bool,
    dataset: Option<String>,
    /// It is for the record of the access.
    #[serde(rename = "purpose")]
    _purpose: Option<String>,
}

/// A finding as it is shown.
pub(crate) fn shown(finding: &Finding) -> Value {
    let resolved = finding.resolved.as_ref().map(|(body, by, at)| {
        json!({ "resolution": body.resolution, "reference": body.reference, "until": body.until, "by": by, "at": at })
    });
    let mut shown = json!(finding.opened);
    shown["at"] = json!(finding.at);
    shown["resolved"] = json!(resolved);
    shown
}

/// `GET /findings`: those of the data sets that somebody may read, the first due first.
pub(crate) async fn findings(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(which): Query<Which>,
) -> Result<Answer<Value>, ApiError> {
    let own = app.may_read_some(&who, "datasets", &DATASETS)?;
    let fits = |finding: &&Finding| {
        let dataset = &finding.opened.dataset;
        let readable = own.as_ref().is_none_or(|own| own.contains(&format!("dataset/{dataset}")));
        let asked = which.dataset.as_ref().is_none_or(|asked| asked == dataset);
        readable && asked && (which.all || finding.resolved.is_none())
    };
    let mut found: Vec<Finding> = app.engine.read(|state| state.findings.values().filter(fits).cloned().collect());
    found.sort_by(|one, other| (one.opened.due, &one.opened.finding).cmp(&(other.opened.due, &other.opened.finding)));
    Ok(Answer(json!({ "findings": found.iter().map(shown).collect::<Vec<_>>() })))
}

/// How a finding is settled.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settle {
    resolution: Resolution,
    reference: Option<String>,
    until: Option<i64>,
}

/// `POST /findings/{id}/resolve`
pub(crate) async fn resolve(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(body): Json<Settle>,
) -> Result<Answer<Value>, ApiError> {
    let dataset = app.engine.read(|state| state.findings.get(&id).map(|known| known.opened.dataset.clone()));
    let dataset = dataset.ok_or_else(|| Failure::not_found("finding", &id))?;
    let Settle { resolution, reference, until } = body;
    let command = Command::ResolveFinding(FindingResolved { finding: id, dataset, resolution, reference, until });
    let done = app.engine.execute(&who, command).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}
