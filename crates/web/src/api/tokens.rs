//! Tokens: scopes, making tokens of values, and turning tokens back. Values are in bodies and never in addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::people::Purpose;
use engine::{Subjects, Untokenized};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;

/// `GET /tokens`: every scope, and how many tokens the vault keeps of it.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "tokens")?;
    let scopes: Vec<Value> = app
        .engine
        .token_counts()
        .await?
        .into_iter()
        .map(|(scope, known, count)| {
            json!({
                "scope": scope, "spec": known.spec, "retired": known.retired,
                "tokens": { "live": count.live, "erased": count.erased },
            })
        })
        .collect();
    Ok(Answer(json!({ "scopes": scopes })))
}

/// Values that are to have tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokenize {
    values: Vec<String>,
    /// Whose each value is, for a scope that tells subjects apart.
    subjects: Option<Vec<String>>,
    /// The service that knows them by these identifiers.
    service: Option<String>,
    #[serde(default)]
    column: String,
}

/// `POST /tokens/{scope}/tokenize`
pub(crate) async fn tokenize(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(scope): Path<String>,
    Json(body): Json<Tokenize>,
) -> Result<Answer<Value>, ApiError> {
    let subjects = body.subjects.map(|ids| Subjects { service: body.service.unwrap_or_default(), ids });
    let wanted = Untokenized { values: body.values, subjects, column: body.column };
    let tokens = app.engine.tokenize(&who, &scope, wanted).await?;
    Ok(Answer(json!({ "tokens": tokens })))
}

/// Tokens that are to be turned back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detokenize {
    tokens: Vec<String>,
    /// Why; the header says it too.
    purpose: Option<Purpose>,
    #[serde(default)]
    column: String,
}

/// `POST /tokens/{scope}/detokenize`
pub(crate) async fn detokenize(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(scope): Path<String>,
    Json(body): Json<Detokenize>,
) -> Result<Answer<Value>, ApiError> {
    if let (Some(attempt), Some(purpose)) = (&who.attempt, body.purpose) {
        attempt.purpose(purpose);
    }
    let values = app.engine.detokenize(&who, &scope, body.tokens, body.column).await?;
    let erased = values.iter().filter(|value| value.is_none()).count();
    Ok(Answer(json!({ "values": values, "erased": erased })))
}

/// A text that is to go without some values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    text: String,
    #[serde(default)]
    values: Vec<PlacedValue>,
    #[serde(default)]
    detect: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlacedValue {
    kind: String,
    value: String,
}

/// `POST /tokens/placeholders`: the text with placeholders, and the map back, which is kept nowhere. It reveals nothing that
/// whoever asks did not send.
pub(crate) async fn place(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(body): Json<Place>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "token.make", "tokens")?;
    let kinds = body.detect.iter().map(|name| {
        let known = || scan::personal::Kind::ALL.map(scan::personal::Kind::as_str).join(", ");
        scan::personal::Kind::find(name)
            .ok_or_else(|| crate::failure::Failure::invalid(format!("nothing detects this: name some of {}", known())))
    });
    let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    let values: Vec<(String, String)> = body.values.into_iter().map(|one| (one.kind, one.value)).collect();
    let placed = scan::placeholders::place(&body.text, &values, &kinds).map_err(crate::failure::Failure::invalid)?;
    Ok(Answer(json!({ "text": placed.text, "map": placed.map })))
}

/// A text with placeholders, and the map of its call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    text: String,
    map: BTreeMap<String, String>,
}

/// `POST /tokens/placeholders/restore`
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(body): Json<Restore>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "token.make", "tokens")?;
    Ok(Answer(json!({ "text": scan::placeholders::restore(&body.text, &body.map) })))
}
