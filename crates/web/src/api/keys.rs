//! Keys: made, listed, replaced, withdrawn, and reported as leaked.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::State as Ledger;
use domain::people::{Key, KeyScope};
use engine::{Engine, NewKey, Opens, Rotated};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// How many digests one look-up may name.
const MAX_LOOKUPS: usize = 1000;

/// For whom a key is: for inference calls of services, or for the management API as an `actor`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    service: Option<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    purposes: Vec<String>,
    account: Option<String>,
    actor: Option<String>,
    /// Milliseconds since the epoch.
    expires_at: i64,
}

impl Wish {
    fn scope(self, engine: &Engine) -> Result<KeyScope, Failure> {
        let services: Vec<String> = self.services.into_iter().chain(self.service).collect();
        let (environments, purposes, account) = (self.environments, self.purposes, self.account);
        let bound = !environments.is_empty() || !purposes.is_empty() || account.is_some();
        match (services.is_empty(), self.actor) {
            (false, None) => Ok(engine.inference_scope(Opens { services, environments, purposes, account })),
            (true, Some(actor)) if !bound => Ok(KeyScope::Actor(actor)),
            (true, Some(_)) => Err(Failure::invalid(
                "a key of an `actor` opens the management API: environments, purposes and an account go with services",
            )),
            _ => Err(Failure::invalid("a key is for `services` or for one `actor`: give exactly one of them")),
        }
    }
}

/// A key with its secret, which is shown this once.
#[derive(Serialize)]
pub(crate) struct Created {
    key: String,
    secret: String,
    expires_at: i64,
}

/// `POST /keys`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Wish>,
) -> Result<Answer<Created>, ApiError> {
    let expires_at = wish.expires_at;
    let scope = wish.scope(&app.engine)?;
    let NewKey { key, secret, expires_at } = app.engine.create_key(&who, scope, expires_at).await?;
    Ok(Answer(Created { key, secret, expires_at }))
}

/// `GET /keys`: every key without its secret, oldest first.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "keys")?;
    let now = Engine::now_ms();
    let keys: Vec<Value> = app.engine.read(|state| {
        let mut keys: Vec<&Key> = state.keys.values().collect();
        keys.sort_by_key(|key| (key.created_at, &key.created.key));
        keys.into_iter().map(|key| told(state, key, now)).collect()
    });
    Ok(Answer(json!({ "keys": keys, "max_days": app.engine.read(Ledger::key_days) })))
}

fn told(state: &Ledger, key: &Key, now: i64) -> Value {
    let created = &key.created;
    let (environments, purposes) = match &created.scope {
        KeyScope::Inference(scope) => (json!(scope.environments), json!(scope.purposes)),
        KeyScope::Service(_) | KeyScope::Actor(_) => (Value::Null, Value::Null),
    };
    json!({
        "key": created.key, "prefix": created.prefix, "status": key.status(now).as_str(),
        "services": created.scope.services(), "environments": environments, "purposes": purposes,
        "principal": created.scope.principal(), "owner": state.owner_of(key), "created_at": key.created_at,
        "created_by": key.created_by, "expires_at": key.ends_at(), "last_used_at": key.used_at,
        "replaced_by": key.replaced.as_ref().map(|(by, _)| by), "revoked_at": key.revoked_at,
    })
}

/// How long the old key goes on, and until when the new one lives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    overlap_ms: i64,
    /// Milliseconds since the epoch; by default as long as the old key was made for.
    expires_at: Option<i64>,
}

/// `POST /keys/{id}/rotate`
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(wish): Json<Rotation>,
) -> Result<Answer<Value>, ApiError> {
    let Rotated { new, ends_at } = app.engine.rotate_key(&who, &id, wish.overlap_ms, wish.expires_at).await?;
    let NewKey { key, secret, expires_at } = new;
    let answer = json!({ "key": key, "secret": secret, "expires_at": expires_at, "replaces": id, "ends_at": ends_at });
    Ok(Answer(answer))
}

/// `DELETE /keys/{id}`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.revoke_key(&who, &id).await?;
    Ok(Answer(json!({ "key": id, "revoked": true })))
}

/// A secret that somebody found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    secret: String,
}

/// `POST /keys/leaked`: ends the key at once. Open to whoever shows the secret: they could use the key, too.
pub(crate) async fn leaked(State(app): State<Arc<App>>, Json(found): Json<Found>) -> Result<Answer<Value>, ApiError> {
    match app.engine.report_leak(&found.secret).await? {
        Some(key) => Ok(Answer(json!({ "key": key, "revoked": true }))),
        None => Err(Failure::not_found("key", "with this secret").into()),
    }
}

/// Digests of secrets, so that whoever scans files need not send what was found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digests {
    sha256: Vec<String>,
}

/// `POST /keys/lookup`: which of these secrets are keys of ours, and how they stand.
pub(crate) async fn look_up(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(digests): Json<Digests>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "keys")?;
    if digests.sha256.len() > MAX_LOOKUPS {
        return Err(Failure::invalid("one look-up names 1000 digests at most: ask again for the rest").into());
    }
    let known = digests.sha256.iter().filter_map(|sha256| {
        let found = app.engine.look_up_key(sha256)?;
        Some(json!({ "sha256": sha256, "key": found.key, "status": found.status.as_str() }))
    });
    Ok(Answer(json!({ "keys": known.collect::<Vec<_>>() })))
}
