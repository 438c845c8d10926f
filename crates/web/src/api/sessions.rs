//! One's own sessions.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;

/// `GET /sessions`: where whoever asks is signed in.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    let this = who.session.as_ref().map(|visit| visit.session.clone());
    let open = app.engine.sessions_of(&who.actor).into_iter().map(|(session, used_at)| {
        json!({
            "session": session.session,
            "proof": session.proof,
            "mfa": session.mfa,
            "authenticated_at": session.authenticated_at,
            "started_at": session.started_at,
            "used_at": used_at,
            "expires_at": session.expires_at,
            "this": this.as_deref() == Some(session.session.as_str()),
        })
    });
    Ok(Answer(json!({ "sessions": open.collect::<Vec<_>>() })))
}

/// `DELETE /sessions/{id}`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(session): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.revoke_session(&who, &session).await?;
    Ok(Answer(json!({ "session": session, "ended": "revoked" })))
}
