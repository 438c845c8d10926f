//! How a command line gets a key by a person's word, and gives it up.

use std::sync::Arc;
use std::time::Instant;

use axum::Json as Answer;
use axum::extract::State;
use domain::people::Door;
use engine::{Engine, Principal, random_secret};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::cli::{crowded, device_address};
use crate::people::gate::{Origin, Whom, too_many};
use crate::people::login::{DEVICE_TIME, POLL_TIME, Poll};

/// A key for a command line, as whoever let it in.
async fn key(app: &App, who: &Principal) -> Result<Answer<Value>, ApiError> {
    let open =
        who.session.as_ref().is_some_and(|visit| app.engine.read(|state| state.session(&visit.session).is_some()));
    if !open {
        return Err(Failure::new(StatusCode::GONE, "expired", "whoever let it in has signed out since").into());
    }
    let life = i64::try_from(app.settings.login_time.as_millis()).unwrap_or(i64::MAX);
    let expires_at = Engine::now_ms().saturating_add(life);
    let engine::NewKey { key, secret, expires_at } = app.engine.create_login_key(who, expires_at).await?;
    Ok(Answer(json!({ "key": key, "secret": secret, "actor": who.actor, "expires_at": expires_at })))
}

/// A code that a browser brought, and what proves that whoever shows it asked for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    code: String,
    verifier: String,
}

/// `POST /login/exchange`
pub(crate) async fn exchange(
    State(app): State<Arc<App>>,
    Origin(address): Origin,
    Json(shown): Json<Exchange>,
) -> Result<Answer<Value>, ApiError> {
    match app.logins.redeem(&shown.code, &shown.verifier, Instant::now()) {
        Some(who) => key(&app, &who).await,
        None => {
            let message = "this code is not good (any more): run `counterfoil login` again";
            let failure = Failure::new(StatusCode::BAD_REQUEST, "invalid_grant", message);
            Err(app.turn_away(Door::Login, "unknown", address, failure).into())
        }
    }
}

/// `POST /login/device`: a command line begins to wait (RFC 8628, section 3.2).
pub(crate) async fn begin(State(app): State<Arc<App>>, Origin(address): Origin) -> Result<Answer<Value>, ApiError> {
    // Each beginning counts against the address until somebody says yes: what waits takes room.
    let (whom, now) = (Whom::claims(&format!("devices at {:?}", Whom::from(address))), Instant::now());
    let wait = app.gate.wait(&whom, now);
    if !wait.is_zero() {
        app.engine.turned_away(Door::Login, "too_many");
        return Err(too_many(wait).into());
    }
    app.gate.failed(whom, now);
    let device_code = random_secret("cfd_")?;
    let random = Sha256::digest(random_secret("")?);
    let code = app.logins.wait(&device_code, &random, now).ok_or_else(crowded)?;
    let (first, last) = code.split_at(4);
    let shown = format!("{first}-{last}");
    Ok(Answer(json!({
        "device_code": device_code,
        "user_code": shown,
        "verification_uri": device_address(&app, None),
        "verification_uri_complete": device_address(&app, Some(&shown)),
        "expires_in": DEVICE_TIME.as_secs(),
        "interval": POLL_TIME.as_secs(),
    })))
}

/// Which device asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    device_code: String,
}

/// `POST /login/device/token`: how it stands (RFC 8628, section 3.5).
pub(crate) async fn poll(
    State(app): State<Arc<App>>,
    Origin(address): Origin,
    Json(device): Json<Device>,
) -> Result<Answer<Value>, ApiError> {
    let refused = |code, message: &str| Failure::new(StatusCode::BAD_REQUEST, code, message);
    match app.logins.poll(&device.device_code, Instant::now()) {
        Poll::Granted(who) => {
            app.gate.succeeded(&Whom::claims(&format!("devices at {:?}", Whom::from(address))));
            key(&app, &who).await
        }
        Poll::Pending => Err(refused("authorization_pending", "nobody has typed the code yet").into()),
        Poll::TooFast => Err(refused("slow_down", "ask every five seconds").into()),
        Poll::Denied => Err(refused("access_denied", "somebody said no").into()),
        Poll::Unknown => {
            let failure = refused("expired_token", "the code is older than ten minutes, or never was: begin again");
            Err(app.turn_away(Door::Login, "unknown", address, failure).into())
        }
    }
}

/// `DELETE /login`: whoever asks gives up the key that they came with.
pub(crate) async fn end(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    let key = who
        .key
        .clone()
        .ok_or_else(|| Failure::invalid("this ends a key: a session ends at the pages, or by DELETE /sessions/{id}"))?;
    app.engine.give_up_key(&who, &key).await?;
    Ok(Answer(json!({ "key": key, "revoked": true })))
}
