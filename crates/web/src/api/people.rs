//! People, programs and their roles, and why something is permitted or not.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use domain::people::{EndReason, IdentitySource};
use engine::Wish;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::Able;

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
) -> Result<Answer<Value>, ApiError> {
    let actor = wish.actor.unwrap_or_else(|| who.actor.clone());
    let secret = app.engine.create_signin_link(&who, &actor).await?;
    let link_sha256 = merkle::hex(&Sha256::digest(secret.as_bytes()));
    let expires_at = app.engine.read(|state| state.links.get(&link_sha256).map(|link| link.expires_at));
    let url = format!("{}/signin/{secret}", app.settings.public_url);
    Ok(Answer(json!({ "url": url, "actor": actor, "expires_at": expires_at })))
}

/// Who is to answer for a program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    owner: String,
}

/// `POST /people/{actor}/owner`
pub(crate) async fn own(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
    Json(wish): Json<Owner>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.own_account(&who, &actor, &wish.owner).await?;
    Ok(Answer(json!({ "actor": actor, "owner": wish.owner })))
}

/// How somebody is known at the provider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// The subject there, which is no e-mail address.
    subject: String,
}

/// `POST /people/{actor}/identity`: somebody signs in with the provider from here on.
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
    Json(known): Json<Known>,
) -> Result<Answer<Value>, ApiError> {
    let oidc =
        app.oidc.as_ref().ok_or_else(|| Failure::invalid("no provider is set: see the setting `oidc.issuer`"))?;
    if known.subject.is_empty() || known.subject.len() > 255 || known.subject.contains(char::is_control) {
        return Err(
            Failure::invalid("a subject has up to 255 characters: it is the claim `sub` of the ID token").into()
        );
    }
    let identifier = oidc.identifier(&known.subject);
    app.engine.link_identity(&who, &actor, IdentitySource::Oidc, &identifier).await?;
    Ok(Answer(json!({ "actor": actor, "issuer": oidc.settings.issuer, "linked": true })))
}

/// A role that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    actor: String,
    role: String,
    scope: String,
    /// Milliseconds since the epoch.
    ends_at: i64,
    reference: String,
}

/// `POST /grants`
pub(crate) async fn request_grant(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewGrant>,
) -> Result<Answer<Value>, ApiError> {
    let NewGrant { actor, role, scope, ends_at, reference } = wish;
    let grant = app.engine.request_grant(&who, Wish { actor, role, scope, ends_at, reference }).await?;
    Ok(Answer(json!({ "grant": grant })))
}

/// `POST /grants/{id}/approve`
pub(crate) async fn approve_grant(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(grant): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.approve_grant(&who, &grant).await?;
    Ok(Answer(json!({ "grant": grant, "approved": true })))
}

/// Why a grant is to end: `declined`, `withdrawn` or `revoked`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    reason: EndReason,
}

/// `POST /grants/{id}/end`
pub(crate) async fn end_grant(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(grant): Path<String>,
    Json(end): Json<End>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.end_grant(&who, &grant, end.reason).await?;
    Ok(Answer(json!({ "grant": grant, "ended": end.reason })))
}

/// A question of permission.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    who: String,
    action: String,
    resource: String,
}

/// `GET /authz/explain`: whether somebody may do something, which policies decided, and which roles would be needed.
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(question): Query<Question>,
) -> Result<Answer<Value>, ApiError> {
    // Whoever is refused something is told to ask this: of themselves everybody may.
    if question.who != who.actor {
        app.may_read(&who, "state")?;
    }
    let answer = app.engine.explain(&question.who, &question.action, &question.resource)?;
    Ok(Answer(serde_json::to_value(answer).unwrap_or_default()))
}

/// Whoever may do something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whoever {
    action: String,
    resource: String,
}

/// `GET /authz/who-can`
pub(crate) async fn who_can(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(question): Query<Whoever>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "state")?;
    let able = Able::ask(&app, &who, &question.action, &question.resource).await?;
    let actors: Vec<&str> = able.holders.iter().map(|holder| holder.actor.as_str()).collect();
    let Able { action, resource, approval, holders } = &able;
    Ok(Answer(json!({
        "action": action, "resource": resource, "actors": actors, "holders": holders, "approval": approval,
    })))
}
