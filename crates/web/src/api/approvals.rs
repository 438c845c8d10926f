//! Approvals: asking, voting, handing votes on, and carrying out what was approved.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::Command;
use domain::people::{ApprovalsConfigured, Vote};
use engine::Asked as Wish;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;
use crate::people::Asked;
use crate::ui::clock;

/// How long a request stands when nothing else is said, in milliseconds.
pub(crate) const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// What is to be approved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApproval {
    command: Command,
    #[serde(default)]
    evidence: Vec<String>,
    /// Milliseconds since the epoch; by default in a week.
    expires_at: Option<i64>,
    reference: String,
}

/// `POST /approvals`
pub(crate) async fn request(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewApproval>,
) -> Result<Answer<Value>, ApiError> {
    let NewApproval { command, evidence, expires_at, reference } = wish;
    super::contracts::feasible(&command).await?;
    let expires_at = expires_at.unwrap_or_else(|| clock() + WEEK_MS);
    let approval = app.engine.request_approval(&who, Wish { command, evidence, expires_at, reference }).await?;
    Ok(Answer(json!({ "approval": approval, "expires_at": expires_at })))
}

/// `GET /approvals`: those that are open, and whether the caller can vote on them.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    let (now, all) = (clock(), app.may_read(&who, "approvals").is_ok());
    let approvals: Vec<Value> = app.engine.read(|state| {
        let open = state.approvals.iter().filter(|(_, approval)| approval.standing(now).is_open());
        open.filter_map(|(id, approval)| {
            let can_vote = state.can_vote(approval, &who.actor, now);
            let theirs = can_vote || approval.requested_by == who.actor || approval.voted(&who.actor);
            (all || theirs).then(|| {
                json!({
                    "approval": id, "standing": approval.standing(now), "asked": approval.requested,
                    "requested_by": approval.requested_by, "requested_at": approval.requested_at,
                    "votes_for": approval.yes().count(), "can_vote": can_vote,
                    "stale": state.is_stale(approval),
                })
            })
        })
        .collect()
    });
    Ok(Answer(json!({ "approvals": approvals })))
}

/// `GET /approvals/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    Ok(Answer(Asked::read(&app, &who, &id).await?.json()))
}

/// A vote: `approve` or `decline`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVote {
    vote: Vote,
    on_behalf_of: Option<String>,
}

/// `POST /approvals/{id}/vote`
pub(crate) async fn vote(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(new): Json<NewVote>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.vote(&who, &id, new.vote, new.on_behalf_of).await?;
    let standing = app.engine.approval(&id)?.standing(clock());
    Ok(Answer(json!({ "approval": id, "vote": new.vote, "standing": standing })))
}

/// `POST /approvals/{id}/withdraw`
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.withdraw_approval(&who, &id).await?;
    Ok(Answer(json!({ "approval": id, "standing": "withdrawn" })))
}

/// What somebody says about a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewComment {
    text: String,
}

/// `POST /approvals/{id}/comments`
pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(new): Json<NewComment>,
) -> Result<Answer<Value>, ApiError> {
    let comment = app.engine.comment(&who, &id, &new.text).await?;
    Ok(Answer(json!({ "approval": id, "comment": comment })))
}

/// `POST /approvals/{id}/carry-out`: does what was approved, to the letter.
pub(crate) async fn carry_out(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let done = app.engine.carry_out(&who, &id).await?;
    Ok(Answer(json!({ "approval": id, "standing": "used", "events": done.events, "size": done.size })))
}

/// `GET /approvals/rules`: which commands need an approval.
pub(crate) async fn rules(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "state")?;
    Ok(Answer(json!({ "rules": app.engine.read(domain::State::approval_rules) })))
}

/// `POST /approvals/rules`
pub(crate) async fn configure(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(rules): Json<ApprovalsConfigured>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.configure_approvals(&who, rules).await?;
    Ok(Answer(json!({ "rules": app.engine.read(domain::State::approval_rules) })))
}

/// To whom a vote is handed, and until when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDelegation {
    to: String,
    role: String,
    /// Milliseconds since the epoch.
    ends_at: i64,
}

/// `POST /delegations`
pub(crate) async fn delegate(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<NewDelegation>,
) -> Result<Answer<Value>, ApiError> {
    let delegation = app.engine.delegate_vote(&who, &new.to, &new.role, new.ends_at).await?;
    Ok(Answer(json!({ "delegation": delegation, "to": new.to, "role": new.role, "ends_at": new.ends_at })))
}

/// `DELETE /delegations/{id}`
pub(crate) async fn end_delegation(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.end_delegation(&who, &id).await?;
    Ok(Answer(json!({ "delegation": id, "ended": true })))
}
