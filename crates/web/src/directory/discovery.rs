//! What this door can do, and the schemas that it follows.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use scim::schema::{RESOURCE_TYPES, ResourceType, SCHEMAS, Schema};
use serde_json::{Value, json};

use super::answer::{Problem, list, plain};
use super::request::Directory;
use super::{MAX_BODY_BYTES, MAX_PAGE};
use crate::App;

type Answer = Result<Response, Problem>;

fn with_meta(app: &App, mut shown: Value, kind: &str, path: &str) -> Value {
    shown["meta"] = json!({ "resourceType": kind, "location": format!("{}/scim/v2{path}", app.settings.public_url) });
    shown
}

/// `GET /ServiceProviderConfig`
pub(super) async fn config(State(app): State<Arc<App>>, _: Directory) -> Answer {
    let not = json!({ "supported": false });
    let shown = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": MAX_BODY_BYTES },
        "filter": { "supported": true, "maxResults": MAX_PAGE },
        "changePassword": not, "sort": not,
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer key", "primary": true,
            "description": "A key of a service account with the role `directory`, in the header Authorization",
        }],
    });
    Ok(plain(&with_meta(&app, shown, "ServiceProviderConfig", "/ServiceProviderConfig")))
}

fn type_shown(app: &App, kind: &ResourceType) -> Value {
    with_meta(app, kind.json(), "ResourceType", &format!("/ResourceTypes/{}", kind.name))
}

fn schema_shown(app: &App, schema: &Schema) -> Value {
    with_meta(app, schema.json(), "Schema", &format!("/Schemas/{}", schema.id))
}

fn all(shown: impl Iterator<Item = Value>) -> Response {
    let resources: Vec<_> = shown.filter_map(|one| one.as_object().cloned()).collect();
    list(resources.len(), 1, resources)
}

/// `GET /ResourceTypes`
pub(super) async fn resource_types(State(app): State<Arc<App>>, _: Directory) -> Response {
    all(RESOURCE_TYPES.iter().map(|kind| type_shown(&app, kind)))
}

/// `GET /ResourceTypes/{name}`
pub(super) async fn resource_type(State(app): State<Arc<App>>, _: Directory, Path(name): Path<String>) -> Answer {
    let found = RESOURCE_TYPES.iter().find(|kind| kind.name.eq_ignore_ascii_case(&name));
    let found = found.ok_or_else(|| Problem::missing("there is no resource type of that name"))?;
    Ok(plain(&type_shown(&app, found)))
}

/// `GET /Schemas`
pub(super) async fn schemas(State(app): State<Arc<App>>, _: Directory) -> Response {
    all(SCHEMAS.iter().map(|schema| schema_shown(&app, schema)))
}

/// `GET /Schemas/{urn}`
pub(super) async fn schema(State(app): State<Arc<App>>, _: Directory, Path(urn): Path<String>) -> Answer {
    let found = SCHEMAS.iter().find(|schema| schema.id.eq_ignore_ascii_case(&urn));
    let found = found.ok_or_else(|| Problem::missing("there is no schema of that name"))?;
    Ok(plain(&schema_shown(&app, found)))
}
