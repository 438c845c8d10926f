//! Users: people, with the pseudonym as their id. What the directory says of somebody lies sealed in their profile.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query as Asked, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::people::{ActorKind, Presence};
use engine::{PersonWish, Principal, Profile};
use http::{HeaderMap, StatusCode};
use scim::Filter;
use scim::schema::{ENTERPRISE_SCHEMA, USER, USER_SCHEMA};
use serde_json::{Map, Value, json};

use super::answer::{Problem, Resource};
use super::request::{Directory, Precondition, Query, TRIES, document, has_it, moved, on_record};
use crate::App;
use crate::ui::Instant;

type Answer = Result<Response, Problem>;

/// The command that a change of a user becomes.
const COMMAND: &str = "person.provision";

/// Somebody as they were when they were looked at.
pub(super) struct Seen {
    pub resource: Resource,
    /// What the client may change, in canonical form.
    theirs: Map<String, Value>,
    /// The stream of the actor, and its version.
    stream: (String, u64),
}

fn missing(id: &str) -> Problem {
    Problem::missing(&format!("there is no user `{id}`"))
}

/// Somebody whom a directory registered. Whoever was entered by hand is not there for it.
pub(super) async fn look(app: &App, id: &str) -> Result<Seen, Problem> {
    let found = app.engine.read(|state| {
        let sealed = state.profiles.get(id).filter(|_| state.is_provisioned(id) && !state.removed.contains(id))?;
        let groups: Vec<String> = state.groups_of(id).map(|(group, _)| group.to_owned()).collect();
        let stream = format!("actor/{id}");
        let version = state.version(&stream);
        Some((sealed.clone(), !state.left.contains_key(id), groups, (stream, version)))
    });
    let (sealed, active, groups, stream) = found.ok_or_else(|| missing(id))?;
    let profile = app.engine.profile(id).await?;
    let profile = profile.filter(|profile| profile.user_name.is_some()).ok_or_else(|| missing(id))?;
    let theirs = attributes(&profile, active);
    let location = format!("{}/scim/v2/Users/{id}", app.settings.public_url);
    let version = format!("W/\"{}.{}\"", sealed.get(..16).unwrap_or(&sealed), u8::from(active));
    let mut body = theirs.clone();
    let mut schemas = vec![USER_SCHEMA.id];
    schemas.extend(body.contains_key(ENTERPRISE_SCHEMA.id).then_some(ENTERPRISE_SCHEMA.id));
    body.insert("schemas".to_owned(), json!(schemas));
    body.insert("id".to_owned(), json!(id));
    if !groups.is_empty() {
        let reference =
            |group| json!({"value": group, "$ref": format!("{}/scim/v2/Groups/{group}", app.settings.public_url)});
        body.insert("groups".to_owned(), groups.iter().map(reference).collect());
    }
    let meta = json!({
        "resourceType": "User", "location": location, "version": version,
        "created": Instant(profile.created_at).rfc3339(), "lastModified": Instant(profile.changed_at).rfc3339(),
    });
    body.insert("meta".to_owned(), meta);
    Ok(Seen { resource: Resource { body, version, location }, theirs, stream })
}

/// What a client may change of somebody, in canonical form. What was written down by hand shows where it said nothing.
fn attributes(profile: &Profile, active: bool) -> Map<String, Value> {
    let mut attributes = profile.extra.clone();
    attributes.insert("userName".to_owned(), json!(profile.user_name));
    attributes.insert("active".to_owned(), json!(active));
    if let Some(name) = profile.name.as_ref().filter(|_| !attributes.contains_key("name")) {
        attributes.entry("displayName").or_insert_with(|| json!(name));
    }
    if let Some(email) = &profile.email {
        attributes.entry("emails").or_insert_with(|| json!([{"value": email, "type": "work", "primary": true}]));
    }
    attributes
}

/// The same as a profile, and whether they are there.
fn profile(mut attributes: Map<String, Value>) -> (Profile, Option<Presence>) {
    let presence = match attributes.remove("active") {
        Some(Value::Bool(true)) => Some(Presence::Active),
        Some(Value::Bool(false)) => Some(Presence::Inactive),
        _ => None,
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let user_name = text(attributes.remove("userName").as_ref());
    let emails = attributes.get("emails").and_then(Value::as_array);
    let primary = |email: &&Value| email.get("primary") == Some(&Value::Bool(true));
    let email = emails.and_then(|emails| emails.iter().find(primary).or_else(|| emails.first()));
    let email = text(email.and_then(|email| email.get("value")));
    let name = attributes.get("name");
    let part = |part: &str| text(name.and_then(|name| name.get(part)));
    let parts = [part("givenName"), part("familyName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let name = text(attributes.get("displayName")).or_else(|| part("formatted"));
    let name = name.or_else(|| Some(parts).filter(|parts| !parts.is_empty()));
    (Profile { name, email, user_name, extra: attributes, ..Profile::default() }, presence)
}

/// `GET /Users/{id}`
pub(super) async fn read(
    State(app): State<Arc<App>>,
    _: Directory,
    Path(id): Path<String>,
    headers: HeaderMap,
    Asked(query): Asked<Query>,
) -> Answer {
    let seen = look(&app, &id).await?;
    if has_it(&headers, &seen.resource.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&USER, body)))
}

/// `POST /Users`
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    let (profile, presence) = profile(accepted(&app, &who, scim::accept(&USER, &document)).await?);
    let presence = Some(presence.unwrap_or(Presence::Active));
    let wish = PersonWish { actor: None, kind: ActorKind::Human, profile: Some(profile), presence, expect: None };
    let actor = app.engine.provision_person(&who, wish).await?;
    let seen = look(&app, &actor).await?;
    Ok(seen.resource.answer(StatusCode::CREATED, |body| query.shown(&USER, body)))
}

async fn accepted(
    app: &App,
    who: &Principal,
    accepted: Result<Map<String, Value>, scim::Error>,
) -> Result<Map<String, Value>, Problem> {
    match accepted {
        Ok(accepted) => Ok(accepted),
        Err(error) => Err(on_record(app, who, COMMAND, error.into()).await),
    }
}

/// Changes somebody to what `changed` makes of them.
async fn update(
    app: &App,
    who: &Principal,
    id: &str,
    headers: &HeaderMap,
    changed: impl Fn(&Map<String, Value>) -> Result<Map<String, Value>, scim::Error>,
) -> Result<Seen, Problem> {
    let condition = Precondition(headers);
    for attempt in 1.. {
        let seen = look(app, id).await?;
        condition.holds(&seen.resource.version)?;
        let stream = seen.stream.clone();
        let (profile, presence) = profile(accepted(app, who, changed(&seen.theirs)).await?);
        let wish = PersonWish {
            actor: Some(id.to_owned()),
            kind: ActorKind::Human,
            profile: Some(profile),
            presence,
            expect: Some(seen.stream),
        };
        match app.engine.provision_person(who, wish).await.map_err(Problem::from) {
            Ok(_) => break,
            Err(problem) if !problem.is_conflict() || !moved(app, &stream) => return Err(problem),
            Err(_) if condition.is_given() => return Err(Precondition::failed()),
            Err(problem) if attempt == TRIES => return Err(problem),
            Err(_) => {}
        }
    }
    look(app, id).await
}

/// `PUT /Users/{id}`
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    let seen = update(&app, &who, &id, &headers, |_| scim::accept(&USER, &document)).await?;
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&USER, body)))
}

/// `PATCH /Users/{id}`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    let seen = update(&app, &who, &id, &headers, |theirs| scim::patch::patch(&USER, theirs, &document)).await?;
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&USER, body)))
}

/// `DELETE /Users/{id}`: their directory knows them no more. What they did stays on record under the same pseudonym.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = Precondition(&headers);
    let seen = look(&app, &id).await?;
    condition.holds(&seen.resource.version)?;
    let wish = PersonWish {
        actor: Some(id),
        kind: ActorKind::Human,
        profile: None,
        presence: Some(Presence::Removed),
        expect: condition.is_given().then_some(seen.stream),
    };
    app.engine.provision_person(&who, wish).await.map_err(Problem::from).map_err(|problem| {
        if problem.is_conflict() && condition.is_given() { Precondition::failed() } else { problem }
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who could meet a condition. Names and keys are found by their blind index.
pub(super) async fn candidates(app: &App, filter: Option<&Filter>) -> Result<Vec<String>, Problem> {
    let wanted = |attribute: &str| filter.and_then(|filter| filter.wanted(attribute));
    let one = |found: Option<String>| found.into_iter().collect();
    Ok(match (wanted("userName"), wanted("externalId"), wanted("id")) {
        (Some(name), ..) => one(app.engine.find_by_user_name(name).await?),
        (_, Some(id), _) => one(app.engine.find_by_external_id(id).await?),
        (.., Some(id)) => vec![id.to_owned()],
        _ => app.engine.directory_people().into_iter().collect(),
    })
}
