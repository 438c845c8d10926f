//! What teams have of other tools: their files as contracts, and what their checks came to as reports.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use domain::data::ReportChecks;
use ingest::outside::reports::{Files, Report, report_of, tool_of};
use ingest::outside::{Source, contract_of};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// A file that becomes a contract.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    from: String,
    text: String,
    dataset: Option<String>,
    object: Option<String>,
}

/// `POST /contracts/import`: the contract that a file of another tool comes to. Publishes nothing.
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(file): Json<File>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "contracts")?;
    let source = Source::of(&file.from)
        .ok_or_else(|| Failure::invalid("`from` is `great-expectations`, for a suite, or `odcs`"))?;
    let made = contract_of(source, &file.text, file.dataset.as_deref(), file.object.as_deref());
    let made = made.map_err(Failure::invalid)?;
    Ok(Answer(json!({ "text": made.text, "left_out": made.left_out })))
}

/// Results of checks that a tool elsewhere ran.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Results {
    from: String,
    dataset: String,
    version: Option<String>,
    of: Option<String>,
    report: String,
    manifest: Option<String>,
}

/// `POST /checks/reports`: keeps what a tool elsewhere says of its checks.
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(results): Json<Results>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "dataset.checks.report", &format!("dataset/{}", results.dataset))?;
    let tool = tool_of(&results.from).ok_or_else(|| Failure::invalid("`from` is `great-expectations` or `dbt`"))?;
    let Results { dataset, version, of, report, manifest, .. } = results;
    let named = dataset.clone();
    let read = tokio::task::spawn_blocking(move || {
        let files = Files { report: &report, manifest: manifest.as_deref() };
        report_of(tool, files, &named, of.as_deref())
    });
    let read = read.await.map_err(|panicked| Failure::internal("read a report", &panicked))?;
    let Report { tool, tool_version, run, ran_at, results, notes } = read.map_err(Failure::invalid)?;
    let verdict = domain::data::reports::overall(&results);
    let shown = results.clone();
    let wish = ReportChecks { dataset, version, report: String::new(), tool, tool_version, run, ran_at, results };
    let mut answer = json!({
        "dataset": wish.dataset, "version": wish.version, "tool": wish.tool, "tool_version": wish.tool_version, "run": wish.run,
        "ran_at": wish.ran_at, "verdict": verdict, "results": shown, "notes": notes,
    });
    let (report, done) = app.engine.report_checks(&who, wish).await?;
    (answer["report"], answer["size"]) = (json!(report), json!(done.size));
    Ok(Answer(answer))
}
