//! Telling people: which channels there are, and whether messages arrive.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// `POST /notifications/test`: a test message to whoever asks, by each channel.
pub(crate) async fn test(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "notification.test", "notifications")?;
    let Some(notifier) = &app.settings.notifier else {
        let failure = Failure::new(StatusCode::CONFLICT, "conflict", "no channel for notifications is set up");
        return Err(failure.help("set `notify_webhook.url` or `notify_smtp.host` and start the server again").into());
    };
    let tried = notifier.test(&app.engine, &who).await?;
    Ok(Answer(json!({ "tried": tried })))
}
