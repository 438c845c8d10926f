//! Passkeys and recovery codes of whoever asks. Passkeys are made in a browser, not here.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;

/// `GET /passkeys`: one's own.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    let known = app.engine.passkeys(&who.actor).await?;
    let shown = known.into_iter().map(|(passkey, name)| {
        json!({
            "passkey": passkey.registered.passkey,
            "name": name,
            "algorithm": passkey.registered.algorithm,
            "synced": passkey.registered.synced,
            "registered_at": passkey.registered_at,
            "used_at": passkey.used_at,
        })
    });
    Ok(Answer(json!({ "passkeys": shown.collect::<Vec<Value>>() })))
}

/// `DELETE /passkeys/{id}`: one's own; an administrator or security lead may remove anybody's.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(passkey): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.remove_passkey(&who, &passkey).await?;
    Ok(Answer(json!({ "passkey": passkey, "removed": true })))
}

/// `POST /recovery-codes`: new codes for whoever asks; earlier ones are void.
pub(crate) async fn recovery_codes(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
) -> Result<Answer<Value>, ApiError> {
    let codes = app.engine.issue_recovery(&who).await?;
    Ok(Answer(json!({ "actor": who.actor, "codes": codes })))
}
