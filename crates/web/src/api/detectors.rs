//! Detectors: those that are built in and the organisation's own, and what they find in a text.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::Command;
use domain::data::detectors::{DetectorDeclared, DetectorRetired, DetectorSpec};
use scan::detect::Kind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// `GET /detectors`: all of them, retired ones too.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "datasets")?;
    let own: Vec<Value> = app.engine.read(|state| {
        let each = state.detectors.known.iter().map(|(name, known)| {
            let mut shown = json!(known);
            shown["detector"] = json!(name);
            shown
        });
        each.collect()
    });
    let built_in = Kind::ALL.map(|kind| json!({ "detector": kind.as_str(), "class": kind.class().as_str() }));
    Ok(Answer(json!({ "own": own, "built_in": built_in })))
}

/// `PUT /detectors/{id}`
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(detector): Path<String>,
    Json(spec): Json<DetectorSpec>,
) -> Result<Answer<Value>, ApiError> {
    let done = app.engine.execute(&who, Command::DeclareDetector(DetectorDeclared { detector, spec })).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}

/// `DELETE /detectors/{id}`
pub(crate) async fn retire(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(detector): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let done = app.engine.execute(&who, Command::RetireDetector(DetectorRetired { detector })).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}

/// A text to try them on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    text: String,
    /// The column that it stands in, if it is a cell.
    column: Option<String>,
}

/// `POST /detectors`: what they find in a text, which is kept nowhere. It reveals nothing that whoever asks did not send.
pub(crate) async fn find(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(Trial { text, column }): Json<Trial>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "datasets")?;
    let detectors = app.engine.detectors().detectors;
    let looked = tokio::task::spawn_blocking(move || {
        let found = match &column {
            Some(column) => detectors.find_in(column, &text),
            None => detectors.find(&text),
        };
        let shown = found.iter().map(|one| {
            json!({
                "kind": detectors.name(one.kind), "class": detectors.class(one.kind).as_str(), "start": one.start,
                "end": one.end, "score_permille": one.score_permille,
            })
        });
        shown.collect::<Vec<_>>()
    });
    let found = looked.await.map_err(|error| Failure::internal("look through the text", &error))?;
    Ok(Answer(json!({ "found": found })))
}
