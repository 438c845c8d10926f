//! Inferences, their proofs, and sealing.

use std::sync::Arc;

use assurance::AssuranceError;
use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};

use super::assurance::failure;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::serving::record_sql;

/// `GET /inferences/{id}`
pub(crate) async fn inference(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "inferences")?;
    let found = app.ask(&record_sql(&id)).await?;
    let Some(row) = found.rows.into_iter().next() else {
        return Err(match assurance::record_proof(&app.engine, &app.db, &id).await {
            Err(error @ AssuranceError::Gone(_)) => failure(error).into(),
            _ => Failure::not_found("inference", &id).into(),
        });
    };
    Ok(Answer(json!({ "inference": row, "at_size": found.size })))
}

/// `GET /inferences/{id}/proof`: text in the format `counterfoil/record-proof@v1`.
pub(crate) async fn inference_proof(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.may_read(&who, "inferences")?;
    let proof = assurance::record_proof(&app.engine, &app.db, &id).await.map_err(failure)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response())
}

/// `POST /segments/seal`
pub(crate) async fn seal(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "segment.request", "segments")?;
    let segments = app.engine.seal_now().await?;
    Ok(Answer(json!({ "segments": segments })))
}
