//! The bucket that encrypted objects are kept in: how it stands, and putting it to the test now.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use engine::ObjectsStanding;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// `GET /objects`
pub(crate) async fn show(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "ledger")?;
    Ok(Answer(told(app.engine.objects_standing().as_ref())))
}

/// `POST /objects/check`: answers when the bucket passed its test, or did not.
pub(crate) async fn check(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "segment.request", "log")?;
    if app.engine.objects_standing().is_none() {
        let why = "the settings name no bucket of objects: give `objects.bucket` and what belongs to it";
        return Err(Failure::invalid(why).into());
    }
    app.engine.try_objects().await?;
    Ok(Answer(told(app.engine.objects_standing().as_ref())))
}

fn told(standing: Option<&ObjectsStanding>) -> Value {
    let Some(standing) = standing else { return json!({ "configured": false }) };
    json!({
        "configured": true, "bucket": standing.bucket, "versioning": standing.versioning, "tried_at": standing.tried_at,
        "trouble": standing.trouble,
    })
}
