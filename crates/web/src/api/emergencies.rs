//! Emergencies: taking a role at once, ending it, reviewing it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::people::Finding;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;
use crate::ui::clock;

/// A role that is needed now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEmergency {
    role: String,
    scope: String,
    /// For how long, 60 at most.
    minutes: u32,
    reference: String,
}

/// `POST /emergencies`
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<NewEmergency>,
) -> Result<Answer<Value>, ApiError> {
    let NewEmergency { role, scope, minutes, reference } = new;
    let ends_at = clock() + i64::from(minutes) * 60_000;
    let emergency = app.engine.declare_emergency(&who, &role, &scope, ends_at, &reference).await?;
    Ok(Answer(json!({ "emergency": emergency, "role": role, "scope": scope, "ends_at": ends_at })))
}

/// `POST /emergencies/{id}/end`
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.end_emergency(&who, &id).await?;
    Ok(Answer(json!({ "emergency": id, "ended": true })))
}

/// What a review found: `justified` or `unjustified`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Review {
    finding: Finding,
    reference: String,
}

/// `POST /emergencies/{id}/review`
pub(crate) async fn review(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(review): Json<Review>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.review_emergency(&who, &id, review.finding, &review.reference).await?;
    Ok(Answer(json!({ "emergency": id, "finding": review.finding })))
}
