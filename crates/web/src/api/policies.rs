//! Policies: those in force, what others would change, and how others come into force.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use domain::Command;
use domain::infrastructure::PoliciesInstalled;
use engine::Asked as Wish;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Json;
use super::approvals::WEEK_MS;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;
use crate::people::HISTORY;
use crate::ui::clock;

/// The command that puts a text into force.
pub(crate) fn install_command(text: &str) -> Command {
    let sha256 = merkle::hex(&Sha256::digest(text.as_bytes()));
    Command::InstallPolicies(PoliciesInstalled { sha256, text: text.to_owned() })
}

/// `GET /policies`: those in force.
pub(crate) async fn show(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "policies")?;
    Ok(Answer(app.engine.read(|state| json!(state.policies))))
}

/// `GET /policies/history`
pub(crate) async fn history(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "policies")?;
    let found = app.ask(HISTORY).await?;
    Ok(Answer(json!({ "versions": found.rows, "at_size": found.size })))
}

/// Cedar source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    text: String,
}

/// `POST /policies/diff`: who would gain or lose what.
pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(other): Json<Text>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "policies")?;
    let diff = app.engine.policy_diff(&other.text).await?;
    Ok(Answer(serde_json::to_value(diff).unwrap_or_default()))
}

/// Cedar source that is to come into force, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proposal {
    text: String,
    #[serde(default)]
    evidence: Vec<String>,
    /// Milliseconds since the epoch; by default in a week.
    expires_at: Option<i64>,
    reference: String,
}

/// `POST /policies/proposals`
pub(crate) async fn propose(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(proposal): Json<Proposal>,
) -> Result<Answer<Value>, ApiError> {
    let Proposal { text, evidence, expires_at, reference } = proposal;
    let expires_at = expires_at.unwrap_or_else(|| clock() + WEEK_MS);
    let wish = Wish { command: install_command(&text), evidence, expires_at, reference };
    let approval = app.engine.request_approval(&who, wish).await?;
    let diff = app.engine.policy_diff(&text).await?;
    Ok(Answer(json!({ "approval": approval, "expires_at": expires_at, "diff": diff })))
}

/// `POST /policies/install`: the text that was approved, or the first of all before anybody could approve.
pub(crate) async fn install(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(text): Json<Text>,
) -> Result<Answer<Value>, ApiError> {
    let done = app.engine.execute(&who, install_command(&text.text)).await?;
    let sha256 = app.engine.policies().version().to_owned();
    Ok(Answer(json!({ "sha256": sha256, "changed": !done.events.is_empty(), "size": done.size })))
}
