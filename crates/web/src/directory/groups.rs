//! Groups. What a group is called lies sealed; who is in it are pseudonyms.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query as Asked, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::people::IdentitySource;
use engine::{GroupNote, GroupWish, Principal};
use http::{HeaderMap, StatusCode};
use scim::Filter;
use scim::schema::{GROUP, GROUP_SCHEMA};
use serde_json::{Map, Value, json};

use super::answer::{Problem, Resource};
use super::request::{Directory, Precondition, Query, TRIES, document, has_it, moved, on_record};
use crate::App;
use crate::ui::Instant;

type Answer = Result<Response, Problem>;

/// The command that a change of a group becomes.
const COMMAND: &str = "group.provision";

/// A group as it was when it was looked at.
pub(super) struct Seen {
    pub resource: Resource,
    note: GroupNote,
    members: BTreeSet<String>,
    stream: (String, u64),
}

impl Seen {
    /// What the client may change, in canonical form.
    fn theirs(&self) -> Map<String, Value> {
        let mut theirs = Map::new();
        theirs.insert("displayName".to_owned(), json!(self.note.display_name));
        theirs.extend(self.note.external_id.iter().map(|id| ("externalId".to_owned(), json!(id))));
        if !self.members.is_empty() {
            let members = self.members.iter().map(|member| json!({"value": member})).collect();
            theirs.insert("members".to_owned(), members);
        }
        theirs
    }
}

fn missing(id: &str) -> Problem {
    Problem::missing(&format!("there is no group `{id}`"))
}

/// A group, with the members that a directory said are in it.
pub(super) async fn look(app: &App, id: &str, with_members: bool) -> Result<Seen, Problem> {
    let found = app.engine.read(|state| {
        let group = state.groups.get(id)?;
        let said = group.members.iter().filter(|(_, sources)| sources.contains(&IdentitySource::Scim));
        let members: BTreeSet<String> = said.map(|(actor, _)| actor.clone()).collect();
        let stream = format!("group/{id}");
        let version = state.version(&stream);
        Some((members, (stream, version)))
    });
    let (members, stream) = found.ok_or_else(|| missing(id))?;
    let note = app.engine.group_note(id).await?.ok_or_else(|| missing(id))?;
    let location = format!("{}/scim/v2/Groups/{id}", app.settings.public_url);
    let version = format!("W/\"{}\"", stream.1);
    let mut body = Map::new();
    body.insert("schemas".to_owned(), json!([GROUP_SCHEMA.id]));
    body.insert("id".to_owned(), json!(id));
    body.insert("displayName".to_owned(), json!(note.display_name));
    body.extend(note.external_id.iter().map(|id| ("externalId".to_owned(), json!(id))));
    if with_members && !members.is_empty() {
        let address = |actor| format!("{}/scim/v2/Users/{actor}", app.settings.public_url);
        let member = |actor| json!({"value": actor, "$ref": address(actor), "type": "User"});
        body.insert("members".to_owned(), members.iter().map(member).collect());
    }
    let meta = json!({
        "resourceType": "Group", "location": location, "version": version,
        "created": Instant(note.created_at).rfc3339(), "lastModified": Instant(note.changed_at).rfc3339(),
    });
    body.insert("meta".to_owned(), meta);
    Ok(Seen { resource: Resource { body, version, location }, note, members, stream })
}

/// What a client wants of a group: its names and who is to be in it.
fn wanted(attributes: &Map<String, Value>) -> (GroupNote, BTreeSet<String>) {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let display_name = text("displayName").unwrap_or_default();
    let note = GroupNote { display_name, external_id: text("externalId"), ..GroupNote::default() };
    let members = attributes.get("members").and_then(Value::as_array).into_iter().flatten();
    (note, members.filter_map(|member| member.get("value")?.as_str().map(str::to_owned)).collect())
}

/// Changes a group to what is wanted of it, or makes it.
async fn provision(
    app: &App,
    who: &Principal,
    seen: Option<(&str, &Seen)>,
    attributes: &Map<String, Value>,
) -> Result<String, Problem> {
    let (note, wanted) = wanted(attributes);
    let nobody = BTreeSet::new();
    let known = seen.map_or(&nobody, |(_, seen)| &seen.members);
    let add: BTreeSet<String> = wanted.difference(known).cloned().collect();
    let remove = known.difference(&wanted).cloned().collect();
    let people = app.engine.directory_people();
    if let Some(stranger) = add.iter().find(|member| !people.contains(*member)) {
        let detail = format!("`{stranger}` is no user whom the directory knows: register them first");
        return Err(scim::Error::bad("invalidValue", detail).into());
    }
    let group = seen.map(|(id, _)| id.to_owned());
    let expect = seen.map(|(_, seen)| seen.stream.clone());
    let wish = GroupWish { group, note: Some(note), source: IdentitySource::Scim, add, remove, expect };
    Ok(app.engine.provision_group(who, wish).await?)
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

/// `GET /Groups/{id}`
pub(super) async fn read(
    State(app): State<Arc<App>>,
    _: Directory,
    Path(id): Path<String>,
    headers: HeaderMap,
    Asked(query): Asked<Query>,
) -> Answer {
    let seen = look(&app, &id, query.shows(&GROUP, "members")).await?;
    if has_it(&headers, &seen.resource.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&GROUP, body)))
}

/// `POST /Groups`
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    let attributes = accepted(&app, &who, scim::accept(&GROUP, &document)).await?;
    let group = provision(&app, &who, None, &attributes).await?;
    let seen = look(&app, &group, true).await?;
    Ok(seen.resource.answer(StatusCode::CREATED, |body| query.shown(&GROUP, body)))
}

/// Changes a group to what `changed` makes of it.
async fn update(
    app: &App,
    who: &Principal,
    id: &str,
    headers: &HeaderMap,
    changed: impl Fn(&Map<String, Value>) -> Result<Map<String, Value>, scim::Error>,
) -> Result<(), Problem> {
    let condition = Precondition(headers);
    for attempt in 1.. {
        let seen = look(app, id, false).await?;
        condition.holds(&seen.resource.version)?;
        let stream = seen.stream.clone();
        let attributes = accepted(app, who, changed(&seen.theirs())).await?;
        match provision(app, who, Some((id, &seen)), &attributes).await {
            Ok(_) => break,
            Err(problem) if !problem.is_conflict() || !moved(app, &stream) => return Err(problem),
            Err(_) if condition.is_given() => return Err(Precondition::failed()),
            Err(problem) if attempt == TRIES => return Err(problem),
            Err(_) => {}
        }
    }
    Ok(())
}

/// `PUT /Groups/{id}`
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    update(&app, &who, &id, &headers, |_| scim::accept(&GROUP, &document)).await?;
    let seen = look(&app, &id, query.shows(&GROUP, "members")).await?;
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&GROUP, body)))
}

/// `PATCH /Groups/{id}`: answers nothing, unless attributes are asked for. A large group would come back whole each time.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    Asked(query): Asked<Query>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let document = document(&app, &who, COMMAND, &headers, body).await?;
    update(&app, &who, &id, &headers, |theirs| scim::patch::patch(&GROUP, theirs, &document)).await?;
    if query.attributes.is_none() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let seen = look(&app, &id, query.shows(&GROUP, "members")).await?;
    Ok(seen.resource.answer(StatusCode::OK, |body| query.shown(&GROUP, body)))
}

/// `DELETE /Groups/{id}`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Directory(who): Directory,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = Precondition(&headers);
    let seen = look(&app, &id, false).await?;
    condition.holds(&seen.resource.version)?;
    let expect = condition.is_given().then_some(seen.stream);
    app.engine.delete_group(&who, &id, expect).await.map_err(Problem::from).map_err(|problem| {
        if problem.is_conflict() && condition.is_given() { Precondition::failed() } else { problem }
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Groups that could meet a condition. Names and keys are found by their blind index.
pub(super) async fn candidates(app: &App, filter: Option<&Filter>) -> Result<Vec<String>, Problem> {
    let wanted = |attribute: &str| filter.and_then(|filter| filter.wanted(attribute));
    if let Some(name) = wanted("displayName").or_else(|| wanted("externalId")) {
        return Ok(app.engine.find_group(name).await?.into_iter().collect());
    }
    if let Some(id) = wanted("id") {
        return Ok(vec![id.to_owned()]);
    }
    Ok(app.engine.read(|state| state.groups.keys().cloned().collect()))
}
