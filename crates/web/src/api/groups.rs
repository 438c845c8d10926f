//! Groups of people, and the roles that being in one asks for. A group is named by its identifier or by its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use domain::people::{Group, MappedRole};
use engine::{GroupNote, GroupWish};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::{Names, group_wish, may_know};

/// The identifier of a group that is named by it, or by its name. Whoever may not know names is told so, and not that
/// there is no such group.
async fn named(app: &App, who: &engine::Principal, group: &str) -> Result<String, Failure> {
    if app.engine.read(|state| state.groups.contains_key(group)) {
        return Ok(group.to_owned());
    }
    app.may(who, "people.read", "people")?;
    app.engine.find_group(group).await?.ok_or_else(|| Failure::not_found("group", "of that name"))
}

async fn shown(app: &App, who: &engine::Principal, id: &str, group: &Group) -> Result<Value, Failure> {
    let note = if may_know(app, who) { app.engine.group_note(id).await? } else { None };
    let mapping = group.mapping.as_ref().map(|mapping| {
        json!({
            "roles": mapping.roles, "days": mapping.days, "mapped_by": mapping.mapped_by,
            "approved_by": mapping.approved.as_ref().map(|(by, _)| by),
        })
    });
    Ok(json!({
        "group": id, "name": note.as_ref().map(|note| &note.display_name),
        "external_id": note.as_ref().and_then(|note| note.external_id.as_ref()),
        "members": group.members.len(), "mapping": mapping,
    }))
}

/// `GET /groups`
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "people")?;
    let groups = app.engine.read(|state| state.groups.clone());
    let mut answer = Vec::with_capacity(groups.len());
    for (id, group) in &groups {
        answer.push(shown(&app, &who, id, group).await?);
    }
    Ok(Answer(json!({ "groups": answer })))
}

/// A group to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: String,
    external_id: Option<String>,
}

/// `POST /groups`
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<New>,
) -> Result<Answer<Value>, ApiError> {
    let note = GroupNote { display_name: new.name, external_id: new.external_id, ..GroupNote::default() };
    let wish = GroupWish { note: Some(note), ..group_wish(None) };
    let group = app.engine.provision_group(&who, wish).await?;
    Ok(Answer(json!({ "group": group })))
}

/// `GET /groups/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "people")?;
    let id = named(&app, &who, &id).await?;
    let group = app.engine.read(|state| state.groups.get(&id).cloned());
    let group = group.ok_or_else(|| Failure::not_found("group", "of that name"))?;
    let mut answer = shown(&app, &who, &id, &group).await?;
    let members: Vec<&String> = group.members.keys().collect();
    let names = Names::of(&app, &who, members).await?;
    let members = group.members.iter();
    let members =
        members.map(|(actor, sources)| json!({ "actor": actor, "name": names.name(actor), "sources": sources }));
    answer["members"] = members.collect();
    Ok(Answer(answer))
}

/// What to call a group from now on. A key at the directory that is not given stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    name: String,
    external_id: Option<String>,
}

/// `PATCH /groups/{id}`
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(Name { name, external_id }): Json<Name>,
) -> Result<Answer<Value>, ApiError> {
    let id = named(&app, &who, &id).await?;
    let known = app.engine.group_note(&id).await?.unwrap_or_default();
    let external_id = external_id.or_else(|| known.external_id.clone());
    let note = GroupNote { display_name: name, external_id, ..known };
    let wish = GroupWish { note: Some(note), ..group_wish(Some(id.clone())) };
    app.engine.provision_group(&who, wish).await?;
    Ok(Answer(json!({ "group": id })))
}

/// `DELETE /groups/{id}`
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let id = named(&app, &who, &id).await?;
    app.engine.delete_group(&who, &id, None).await?;
    Ok(Answer(json!({ "group": id, "deleted": true })))
}

/// Who joins a group and who goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(default)]
    add: BTreeSet<String>,
    #[serde(default)]
    remove: BTreeSet<String>,
}

/// `POST /groups/{id}/members`
pub(crate) async fn members(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(Change { add, remove }): Json<Change>,
) -> Result<Answer<Value>, ApiError> {
    let id = named(&app, &who, &id).await?;
    app.engine.provision_group(&who, GroupWish { add, remove, ..group_wish(Some(id.clone())) }).await?;
    let members = app.engine.read(|state| state.groups.get(&id).map_or(0, |group| group.members.len()));
    Ok(Answer(json!({ "group": id, "members": members })))
}

/// Which roles being in a group asks for; none ends the mapping.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapped {
    roles: Vec<MappedRole>,
    days: u16,
}

/// `PUT /groups/{id}/roles`
pub(crate) async fn map(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(Mapped { roles, days }): Json<Mapped>,
) -> Result<Answer<Value>, ApiError> {
    let id = named(&app, &who, &id).await?;
    app.engine.map_group(&who, &id, roles, days).await?;
    Ok(Answer(json!({ "group": id, "mapped": true })))
}

/// `POST /groups/{id}/roles/approve`
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let id = named(&app, &who, &id).await?;
    app.engine.approve_group_map(&who, &id).await?;
    Ok(Answer(json!({ "group": id, "approved": true })))
}
