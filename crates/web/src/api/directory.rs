//! People by name: registering, describing, finding, leaving and coming back.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use domain::people::ActorKind;
use engine::{Engine, PersonWish, Profile};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::{Names, Person, by_hand, kind_of, may_know, roster};
use crate::ui::Instant;

/// Actors on a page, unless it is said otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// Whom to register.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewActor {
    kind: ActorKind,
    name: Option<String>,
    email: Option<String>,
    user_name: Option<String>,
}

/// `POST /people`: registers a person or a program, without any role; described, when something is known of them.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewActor>,
) -> Result<Answer<Value>, ApiError> {
    let NewActor { kind, name, email, user_name } = wish;
    let described = name.is_some() || email.is_some() || user_name.is_some();
    let actor = match described {
        false => app.engine.register_actor(&who, kind).await?,
        true => {
            let profile = Some(by_hand(None, name, email, user_name));
            let wish = PersonWish { actor: None, kind, profile, presence: None, expect: None };
            app.engine.provision_person(&who, wish).await?
        }
    };
    Ok(Answer(json!({ "actor": actor, "kind": kind })))
}

/// Whom to list.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    q: String,
    /// Only whoever has just this user name.
    user_name: Option<String>,
    skip: usize,
    count: Option<usize>,
}

/// `GET /people`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "people")?;
    if let Some(user_name) = &wanted.user_name {
        app.may(&who, "people.read", "people")?;
        let found = app.engine.find_by_user_name(user_name).await?;
        let mut people = vec![];
        if let Some(actor) = &found {
            people.push(person(&app, &who, actor).await?);
        }
        return Ok(Answer(json!({ "total": people.len(), "people": people })));
    }
    let count = wanted.count.unwrap_or(PAGE).min(MAX_PAGE);
    let found = roster(&app, &who, &wanted.q, wanted.skip, count).await?;
    let people: Vec<Value> = found.people.iter().map(listed).collect();
    Ok(Answer(json!({ "total": found.total, "people": people })))
}

fn listed(person: &Person) -> Value {
    shown(&person.actor, person.kind, person.left_at, person.profile.as_ref(), &person.roles)
}

fn shown(
    actor: &str,
    kind: &str,
    left_at: Option<i64>,
    profile: Option<&Profile>,
    roles: &[(String, String)],
) -> Value {
    let roles: Vec<Value> = roles.iter().map(|(role, scope)| json!({ "role": role, "scope": scope })).collect();
    let text = |of: fn(&Profile) -> &Option<String>| profile.and_then(|profile| of(profile).clone());
    json!({
        "actor": actor, "kind": kind, "status": if left_at.is_some() { "left" } else { "active" },
        "left_at": left_at.map(|at| Instant(at).rfc3339()),
        "name": text(|p| &p.name), "email": text(|p| &p.email), "user_name": text(|p| &p.user_name), "roles": roles,
    })
}

async fn person(app: &App, who: &engine::Principal, actor: &str) -> Result<Value, Failure> {
    let now = Engine::now_ms();
    let known = app.engine.read(|state| {
        let registered = state.actors.get(actor)?;
        let roles: Vec<(String, String)> =
            state.roles_of(actor, now).map(|(role, scope)| (role.to_owned(), scope.to_owned())).collect();
        let groups: Vec<String> = state.groups_of(actor).map(|(id, _)| id.to_owned()).collect();
        Some((registered.kind, state.left.get(actor).copied(), roles, groups))
    });
    let (kind, left_at, roles, groups) = known.ok_or_else(|| Failure::not_found("actor", actor))?;
    let names = Names::of(app, who, [actor]).await?;
    let kind = serde_json::to_value(kind).unwrap_or_default();
    let mut answer = shown(actor, kind.as_str().unwrap_or_default(), left_at, names.profile(actor), &roles);
    answer["groups"] = json!(groups);
    Ok(answer)
}

/// `GET /people/{actor}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    if actor != who.actor {
        app.may_read(&who, "people")?;
    }
    Ok(Answer(person(&app, &who, &actor).await?))
}

/// What to write down of somebody: what is left out stays, `null` takes it away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    #[serde(default, deserialize_with = "said")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    user_name: Option<Option<String>>,
}

/// Tells `null` from nothing said.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

/// `PATCH /people/{actor}`
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
    Json(said): Json<Known>,
) -> Result<Answer<Value>, ApiError> {
    let kind = kind_of(&app, &actor)?;
    let known = app.engine.profile(&actor).await?.unwrap_or_default();
    let name = said.name.unwrap_or_else(|| known.name.clone());
    let email = said.email.unwrap_or_else(|| known.email.clone());
    let user_name = said.user_name.unwrap_or_else(|| known.user_name.clone());
    let profile = Some(by_hand(Some(known), name, email, user_name));
    let wish = PersonWish { actor: Some(actor.clone()), kind, profile, presence: None, expect: None };
    app.engine.provision_person(&who, wish).await?;
    let seen = if may_know(&app, &who) { person(&app, &who, &actor).await? } else { json!({ "actor": actor }) };
    Ok(Answer(seen))
}

/// `POST /people/{actor}/leave`
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.leave(&who, &actor).await?;
    Ok(Answer(json!({ "actor": actor, "left": true })))
}

/// `POST /people/{actor}/return`
pub(crate) async fn come_back(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(actor): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.return_actor(&who, &actor).await?;
    Ok(Answer(json!({ "actor": actor, "left": false })))
}
