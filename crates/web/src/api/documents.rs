//! Documents: which are in force, what they say, and uploading one. They are published, acknowledged and trained for by
//! commands.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::MAX_DOCUMENT_BYTES;
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// `GET /documents`: those in force, and when whoever asks acknowledged each.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "documents")?;
    let documents: Vec<Value> = app.engine.read(|state| {
        let shown = |document: &domain::people::Document| {
            json!({
                "published": document.published, "published_at": document.at,
                "acknowledged_at": document.acknowledged.get(&who.actor),
            })
        };
        state.documents.values().map(shown).collect()
    });
    Ok(Answer(json!({ "documents": documents })))
}

/// `PUT /documents`: keeps the bytes of a document that is to be published under their digest.
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answer<Value>, ApiError> {
    let body = body.map_err(|rejection| {
        let message = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => format!("a document has at most {MAX_DOCUMENT_BYTES} bytes"),
            _ => rejection.body_text(),
        };
        Failure::new(rejection.status(), "malformed", message).help("send the bytes of the document, whole")
    })?;
    let sha256 = app.engine.keep_document(&who, body.to_vec()).await?;
    who.attempt.iter().for_each(|attempt| attempt.concerns(&sha256));
    Ok(Answer(json!({ "sha256": sha256 })))
}

/// `GET /documents/{id}/text`: the bytes of the version in force.
pub(crate) async fn text(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.may_read(&who, &format!("document/{id}"))?;
    let document = app.engine.document(&id)?;
    let bytes = app.engine.document_bytes(&document.published.sha256).await?;
    let name = format!("attachment; filename=\"{id}-{}\"", document.published.version);
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}
