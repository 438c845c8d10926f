//! Copies in the write-once bucket: how they stand, and making those that are due now.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use engine::ArchiveStanding;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// `GET /archive`
pub(crate) async fn show(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "ledger")?;
    Ok(Answer(told(app.engine.archive_standing().as_ref())))
}

/// `POST /archive/run`: answers when all was copied that was due, or the bucket did not go along.
pub(crate) async fn run(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "segment.request", "log")?;
    if app.engine.archive_standing().is_none() {
        let why = "the settings name no write-once bucket: give `write_once.bucket` and what belongs to it";
        return Err(Failure::invalid(why).into());
    }
    app.engine.archive_now().await?;
    Ok(Answer(told(app.engine.archive_standing().as_ref())))
}

fn told(standing: Option<&ArchiveStanding>) -> Value {
    let Some(standing) = standing else { return json!({ "configured": false }) };
    let probed = standing.probed.map(|(at, outcome)| json!({ "at": at, "outcome": outcome }));
    json!({
        "configured": true, "bucket": standing.bucket, "mode": standing.mode, "through": standing.through,
        "lag": standing.lag, "copied": standing.copied, "locked_until": standing.locked_until,
        "trouble": standing.trouble, "stopped": standing.stopped, "probed": probed,
    })
}
