//! Accesses: the log, one's own, proofs, and what a storage system saw by itself.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::people::AccessCore;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use super::assurance::failure;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::Filters;
use crate::ui::parse_instant;

/// Rows of an answer.
const ROWS: usize = 1000;

/// Rows of an import.
const MAX_IMPORT: usize = 10_000;

/// `GET /accesses`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(filters): Query<Filters>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "accesses")?;
    found(&app, &filters).await
}

/// `GET /accesses/mine`
pub(crate) async fn mine(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(filters): Query<Filters>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("actor/{}", who.actor))?;
    found(&app, &filters.of(&who.actor)).await
}

async fn found(app: &App, filters: &Filters) -> Result<Answer<Value>, ApiError> {
    let found = app.ask(&filters.sql(ROWS)?).await?;
    Ok(Answer(json!({ "accesses": found.rows, "at_size": found.size })))
}

/// `GET /accesses/{id}/proof`: text in the format `counterfoil/record-proof@v1`.
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.may_read(&who, "accesses")?;
    let proof = assurance::access_proof(&app.engine, &app.db, &id).await.map_err(failure)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response())
}

/// What a storage system's own log says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// The storage system, as a name.
    source: String,
    accesses: Vec<Seen>,
}

/// One access that it saw.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// Identifier of the access there.
    id: String,
    /// When, such as `2026-11-22T20:54:00Z`.
    at: String,
    /// What was done, such as `read`.
    action: String,
    object_kind: String,
    object_id: String,
    /// Pseudonym of whoever it was, when it is known here. Names and addresses stay where they are.
    actor: Option<String>,
}

impl Seen {
    fn core(self, source: &str) -> Result<AccessCore, Failure> {
        let Self { id, at, action, object_kind, object_id, actor } = self;
        for word in [&id, &action, &object_kind, &object_id].into_iter().chain(&actor) {
            identifier(word)?;
        }
        let wrong = || Failure::invalid("an access has a time that is none: write it like 2026-11-22T20:54:00Z");
        let ts = parse_instant(&at).ok_or_else(wrong)?.saturating_mul(1000);
        Ok(AccessCore {
            access_id: engine::accesses::new_id(),
            ts_start: ts,
            ts_end: ts,
            door: "import".to_owned(),
            actor,
            action,
            object_kind,
            object_id: Some(object_id),
            decision: "allow".to_owned(),
            occurrences: 1,
            source: Some(source.to_owned()),
            seen_as: Some(id),
            ..AccessCore::default()
        })
    }
}

/// Words of an import are kept for good, so they must be spelled like identifiers; what is not is not repeated.
fn identifier(word: &str) -> Result<(), Failure> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
    match (1..=128).contains(&word.len()) && word.chars().all(fine) {
        true => Ok(()),
        false => {
            let rule = "use up to 128 letters, digits and `._-/:`, and nothing that names a person";
            Err(Failure::invalid(format!("a word of the import is no identifier: {rule}")))
        }
    }
}

/// `POST /accesses/import`
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(import): Json<Import>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "accesses.import", "accesses")?;
    identifier(&import.source)?;
    if import.accesses.len() > MAX_IMPORT {
        return Err(Failure::invalid(format!("an import has at most {MAX_IMPORT} accesses: send them in parts")).into());
    }
    let cores: Result<Vec<AccessCore>, Failure> =
        import.accesses.into_iter().map(|seen| seen.core(&import.source)).collect();
    let cores = cores?;
    let imported = cores.len();
    let unrecordable = |_| {
        let message = "the accesses cannot be recorded at the moment";
        Failure::new(http::StatusCode::SERVICE_UNAVAILABLE, "unrecordable", message).help("free some space on the disk")
    };
    app.engine.import_accesses(cores).await.map_err(unrecordable)?;
    Ok(Answer(json!({ "source": import.source, "imported": imported })))
}
