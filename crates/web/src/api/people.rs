//! Keys and sign-in links.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::people::KeyScope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// For whom a key is: exactly one of `service` and `actor`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    service: Option<String>,
    actor: Option<String>,
    /// Milliseconds since the epoch.
    expires_at: i64,
}

/// A key with its secret, which is shown this once.
#[derive(Serialize)]
pub(crate) struct Created {
    key: String,
    secret: String,
    expires_at: i64,
}

/// `POST /keys`
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewKey>,
) -> Result<Answer<Created>, ApiError> {
    let scope = match (wish.service, wish.actor) {
        (Some(service), None) => KeyScope::Service(service),
        (None, Some(actor)) => KeyScope::Actor(actor),
        _ => return Err(Failure::invalid("a key is for one `service` or for one `actor`: give exactly one").into()),
    };
    let engine::NewKey { key, secret, expires_at } = app.engine.create_key(&who, scope, wish.expires_at).await?;
    Ok(Answer(Created { key, secret, expires_at }))
}

/// `DELETE /keys/{id}`
pub(crate) async fn revoke_key(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<serde_json::Value>, ApiError> {
    app.engine.revoke_key(&who, &id).await?;
    Ok(Answer(serde_json::json!({ "key": id, "revoked": true })))
}

/// Whom a link signs in; by default whoever asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLink {
    actor: Option<String>,
}

/// `POST /signin-links`
pub(crate) async fn create_link(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewLink>,
) -> Result<Answer<serde_json::Value>, ApiError> {
    let actor = wish.actor.unwrap_or_else(|| who.actor.clone());
    let secret = app.engine.create_signin_link(&who, &actor).await?;
    let link_sha256 = merkle::hex(&Sha256::digest(secret.as_bytes()));
    let expires_at = app.engine.read(|state| state.links.get(&link_sha256).map(|link| link.expires_at));
    let url = format!("{}/signin/{secret}", app.public_url);
    Ok(Answer(serde_json::json!({ "url": url, "actor": actor, "expires_at": expires_at })))
}
