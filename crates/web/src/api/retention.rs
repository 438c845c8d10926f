//! Retention and legal holds: rules, what is due, what went, and what may not go.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use domain::Command;
use domain::keys::retention::{Kind, RetentionScheduled, RetentionUnscheduled};
use engine::Upcoming;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;
use crate::ui::clock;

const DAY_MS: i64 = 86_400_000;

/// How long something is to be kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRule {
    kind: Kind,
    class: String,
    days: u32,
    basis: String,
}

/// How far to look ahead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ahead {
    #[serde(default)]
    days: u32,
}

/// Where something is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    reference: String,
}

/// What is not to be destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    on: String,
    reference: String,
    /// Milliseconds since the epoch.
    review_due: i64,
}

/// `GET /retention`
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "retention")?;
    Ok(Answer(
        app.engine
            .read(|state| json!({ "rules": state.retention_rules, "disposals": state.disposals, "deletions": state.deletions, "size": state.size })),
    ))
}

/// `PUT /retention/rules/{rule}`
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(rule): Path<String>,
    Json(new): Json<NewRule>,
) -> Result<Answer<Value>, ApiError> {
    let NewRule { kind, class, days, basis } = new;
    let scheduled = RetentionScheduled { rule: rule.clone(), kind, class, days, basis };
    app.engine.execute(&who, Command::ScheduleRetention(scheduled)).await?;
    Ok(Answer(json!({ "rule": rule, "days": days })))
}

/// `DELETE /retention/rules/{rule}`
pub(crate) async fn unset(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(rule): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let unscheduled = RetentionUnscheduled { rule: rule.clone() };
    app.engine.execute(&who, Command::UnscheduleRetention(unscheduled)).await?;
    Ok(Answer(json!({ "rule": rule, "ended": true })))
}

/// `GET /retention/due`: what goes within so many days, 0 for what is due now.
pub(crate) async fn due(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(ahead): Query<Ahead>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "retention")?;
    let until = clock().saturating_add(i64::from(ahead.days).saturating_mul(DAY_MS));
    let upcoming = app.engine.upcoming(until).await?;
    Ok(Answer(json!({ "due": upcoming.iter().map(described).collect::<Vec<_>>() })))
}

fn described(one: &Upcoming) -> Value {
    let expiring = &one.expiring;
    json!({
        "kind": expiring.item.kind, "class": expiring.item.class, "day": expiring.item.day, "object": expiring.item.object, "source": one.source,
        "rule": expiring.rule, "expires_at": expiring.expires_at, "rows": one.rows, "bytes": one.bytes,
        "held_by": one.held_by,
    })
}

/// `POST /retention/run`
pub(crate) async fn run(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "retention.run", "retention")?;
    let disposals = app.engine.dispose_due().await?;
    Ok(Answer(json!({ "disposals": disposals })))
}

/// `POST /retention/clock/confirm`
pub(crate) async fn confirm_clock(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(why): Json<Reference>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.confirm_clock(&who, &why.reference).await?;
    Ok(Answer(json!({ "confirmed": true })))
}

/// `POST /retention/disposals/{id}/confirm`
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(why): Json<Reference>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.confirm_disposal(&who, &id, &why.reference).await?;
    Ok(Answer(json!({ "disposal": id, "confirmed": true })))
}

/// `GET /holds`
pub(crate) async fn holds(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "retention")?;
    Ok(Answer(app.engine.read(|state| json!({ "holds": state.holds, "size": state.size }))))
}

/// `POST /holds`
pub(crate) async fn place(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<NewHold>,
) -> Result<Answer<Value>, ApiError> {
    let hold = app.engine.place_hold(&who, &new.on, &new.reference, new.review_due).await?;
    Ok(Answer(json!({ "hold": hold, "on": new.on })))
}

/// `POST /holds/{id}/release`
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(why): Json<Reference>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.release_hold(&who, &id, &why.reference).await?;
    Ok(Answer(json!({ "hold": id, "released": true })))
}
