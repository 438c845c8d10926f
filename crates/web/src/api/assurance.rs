//! Controls and evidence.

use std::sync::Arc;

use assurance::{AssuranceError, Finished, RunRequest};
use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use domain::assurance::RunParams;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::assurance::package;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::rows;
use crate::ui::{clock, parse_instant};

/// The window of a run that names none, in milliseconds.
const WINDOW_MS: i64 = 90 * 24 * 3_600_000;

/// Violations, and items of the population, that an answer carries beside their counts and roots.
const SHOWN: usize = 100;

/// `GET /controls`: the catalogue with the newest result of each control.
pub(crate) async fn controls(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "controls")?;
    let (scope, runs, size) = app.engine.read(|state| (state.controls.clone(), state.runs.clone(), state.size));
    let control = |control: &assurance::Control| {
        let run = runs.get(&control.id);
        let mut value = json!(control);
        value["in_scope"] = scope.contains_key(&control.id).into();
        value["outcome"] = run.map_or(Value::Null, |run| json!(run.outcome));
        value["run"] = json!(run);
        value
    };
    let controls: Vec<Value> = assurance::catalogue().controls.iter().map(control).collect();
    Ok(Answer(json!({ "controls": controls, "at_size": size })))
}

/// What to test and over what.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Run {
    /// By default all in scope.
    controls: Option<Vec<String>>,
    /// Milliseconds since the epoch; by default 90 days before `end`.
    start: Option<i64>,
    /// By default now.
    end: Option<i64>,
    /// By default `end`.
    now: Option<i64>,
    /// A past ledger size, or a time; by default now.
    at: Option<Value>,
}

/// `POST /controls/run`
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Run>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "control.request", "controls")?;
    let end = wish.end.unwrap_or_else(clock);
    let start = wish.start.unwrap_or(end.saturating_sub(WINDOW_MS));
    let params = RunParams { start, end, now: wish.now.unwrap_or(end) };
    let request = RunRequest { controls: wish.controls, params, at: at(wish.at.as_ref())? };
    let report = assurance::run_controls(&app.engine, &app.db, &who, &request).await.map_err(failure)?;
    let runs: Vec<Value> = report.finished.iter().map(run_value).collect();
    Ok(Answer(json!({ "runs": runs, "at_size": report.at_size, "at_root": merkle::hex(&report.at_root) })))
}

fn run_value(finished: &Finished) -> Value {
    let mut value = json!(finished.run);
    let name = assurance::catalogue().control(&finished.run.control).map(|control| control.name.as_str());
    value["name"] = json!(name);
    value["violating"] = json!(finished.violating(SHOWN));
    value["population_sample"] = json!(finished.population.iter().take(SHOWN).collect::<Vec<_>>());
    value
}

/// Reads where in the ledger's past to ask: a number is a size, text is a time.
pub(crate) fn at(value: Option<&Value>) -> Result<query::At, Failure> {
    let wrong = |value: &Value| {
        Failure::invalid(format!("`at` is {value}: give a ledger size or a time such as `2026-11-22T20:54:00Z`"))
    };
    match value {
        None | Some(Value::Null) => Ok(query::At::Latest { tail: false }),
        Some(Value::String(text)) => parse_instant(text).map(query::At::Time).ok_or_else(|| wrong(&json!(text))),
        Some(value) => value.as_u64().map(query::At::Size).ok_or_else(|| wrong(value)),
    }
}

/// Why a control was not run, a package not made or a proof not found.
pub(crate) fn failure(error: AssuranceError) -> Failure {
    match error {
        AssuranceError::Database(error) => rows::failure(error),
        AssuranceError::Record(error) => error.into(),
        AssuranceError::NotFound(message) => Failure::new(StatusCode::NOT_FOUND, "no_proof", message),
        AssuranceError::Gone(message) => Failure::new(StatusCode::GONE, "disposed", message),
        AssuranceError::NoControl(_) | AssuranceError::Window => Failure::invalid(error.to_string()),
        AssuranceError::Query { .. } | AssuranceError::Logic { .. } | AssuranceError::Io(_) => {
            Failure::internal("compute the result", &error)
        }
    }
}

/// The window of a package, in milliseconds since the epoch, the end exclusive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    from: i64,
    to: i64,
    #[serde(default)]
    payloads: bool,
}

/// `POST /evidence`
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Export>,
) -> Result<Response, ApiError> {
    app.may(&who, "evidence.request", "evidence")?;
    Ok(package(&app, &who, wish.from, wish.to, wish.payloads).await?)
}

/// `GET /evidence`: packages that were handed out.
pub(crate) async fn packages(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "evidence")?;
    let found = app.ask("SELECT * FROM evidence_packages ORDER BY seq DESC LIMIT 1000").await?;
    Ok(Answer(json!({ "packages": found.rows, "at_size": found.size })))
}
