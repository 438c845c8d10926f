//! What a directory asks: who it is, the document that it sends, the version that it saw, and what it wants of a list.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query as Asked, Request};
use bytes::Bytes;
use domain::RefusalCode;
use engine::Principal;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Problem;
use super::{MAX_BODY_BYTES, MAX_PAGE};
use crate::App;
use crate::auth::Caller;
use crate::failure::Failure;

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A directory, by its key.
pub(super) struct Directory(pub Principal);

impl FromRequestParts<Arc<App>> for Directory {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(Failure::unauthenticated().into());
        }
        let Caller(who) = Caller::from_request_parts(parts, app).await?;
        app.may(&who, "people.read", "people")?;
        // Whom anybody else registers is no directory's, and would not be found here again.
        if !who.roles.iter().any(|(role, _)| role == "directory") {
            let message = "this door is for directories: use the key of a program with the role `directory`";
            return Err(Failure::new(StatusCode::FORBIDDEN, "forbidden", message).into());
        }
        Ok(Self(who))
    }
}

/// The JSON document of a change. One that is too large is refused on the record, as the command that it was to be.
pub(super) async fn document(
    app: &App,
    who: &Principal,
    command: &'static str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Problem> {
    match sent(headers, body) {
        Ok(document) => Ok(document),
        Err(problem) => Err(on_record(app, who, command, problem).await),
    }
}

/// The JSON document of a request.
fn sent(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("a request has at most {MAX_BODY_BYTES} bytes: send less at once");
            return Err(Problem::new(413, detail));
        }
        Err(rejection) => return Err(Problem::new(400, rejection.body_text())),
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !["application/scim+json", "application/json"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return Err(Problem::new(415, "send JSON with `content-type: application/scim+json`"));
    }
    let document = serde_json::from_slice(&body);
    document.map_err(|e| scim::Error::bad("invalidSyntax", format!("the body is not JSON: {e}")).into())
}

/// A refusal that never becomes a command: what is too large leaves a record.
pub(super) async fn on_record(app: &App, who: &Principal, command: &'static str, problem: Problem) -> Problem {
    if problem.is_too_large()
        && let Err(error) = app.engine.note_refusal(who, command, "people", RefusalCode::Invalid).await
    {
        return error.into();
    }
    problem
}

/// Whether a version is one of those that a header names; `*` names any.
fn names(headers: &HeaderMap, header: header::HeaderName, version: &str) -> Option<bool> {
    let value = headers.get(header)?.to_str().ok()?;
    Some(value.split(',').map(str::trim).any(|named| named == "*" || named == version))
}

/// Whether the client has this version already (`If-None-Match`).
pub(super) fn has_it(headers: &HeaderMap, version: &str) -> bool {
    names(headers, header::IF_NONE_MATCH, version) == Some(true)
}

/// What a client knows of the version that it changes.
pub(super) struct Precondition<'a>(pub &'a HeaderMap);

impl Precondition<'_> {
    /// Whether the client named a version.
    pub fn is_given(&self) -> bool {
        self.0.contains_key(header::IF_MATCH)
    }

    /// Refuses when the client saw another version (`If-Match`).
    pub fn holds(&self, version: &str) -> Result<(), Problem> {
        match names(self.0, header::IF_MATCH, version) {
            Some(false) => Err(Self::failed()),
            _ => Ok(()),
        }
    }

    pub fn failed() -> Problem {
        Problem::new(412, "the resource changed since that version: read it again")
    }
}

/// Whether a stream is no longer at the version that was seen.
pub(super) fn moved(app: &App, (stream, version): &(String, u64)) -> bool {
    app.engine.read(|state| state.version(stream)) != *version
}

/// How often a change is tried again when something else changed the same thing meanwhile.
pub(super) const TRIES: usize = 4;

/// What a client wants of a list, or of a resource.
#[derive(Default, Deserialize)]
pub(super) struct Query {
    pub filter: Option<String>,
    #[serde(rename = "startIndex")]
    start: Option<String>,
    count: Option<String>,
    pub attributes: Option<String>,
    #[serde(rename = "excludedAttributes")]
    pub excluded: Option<String>,
}

impl FromRequest<Arc<App>> for Query {
    type Rejection = Problem;

    /// From the document of a `POST`, else from the address.
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if request.method() == Method::POST {
            let headers = request.headers().clone();
            return Self::of(&sent(&headers, Bytes::from_request(request, app).await)?);
        }
        let Asked(query) = Asked::try_from_uri(request.uri()).map_err(|e| Problem::new(400, e.body_text()))?;
        Ok(query)
    }
}

impl Query {
    /// The same, from the document of a search.
    fn of(document: &Value) -> Result<Self, Problem> {
        let Value::Object(given) = document else {
            return Err(scim::Error::bad("invalidSyntax", "a search is a JSON object").into());
        };
        let named = |name: &str| given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        if let Some(schemas) = named("schemas") {
            let mut schemas = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
            if !schemas.any(|schema| schema.eq_ignore_ascii_case(SEARCH_REQUEST)) {
                return Err(scim::Error::bad("invalidSyntax", "the `schemas` of a search name SearchRequest").into());
            }
        }
        let text = |name: &str| match named(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                Ok(Some(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")))
            }
            // Passed over, a condition that was meant would let everything through.
            Some(_) => Err(Problem::from(scim::Error::bad("invalidValue", format!("`{name}` of a search is text")))),
        };
        Ok(Self {
            filter: text("filter")?,
            start: text("startIndex")?,
            count: text("count")?,
            attributes: text("attributes")?,
            excluded: text("excludedAttributes")?,
        })
    }

    /// Where the page begins, counted from 1, and how many resources it has.
    pub fn page(&self) -> Result<(usize, usize), Problem> {
        let number = |name: &str, given: &Option<String>, default: i64| match given.as_deref() {
            None | Some("") => Ok(default),
            Some(text) => {
                let detail = format!("`{name}` is a whole number");
                text.trim().parse::<i64>().map_err(|_| Problem::from(scim::Error::bad("invalidValue", detail)))
            }
        };
        let start = usize::try_from(number("startIndex", &self.start, 1)?.max(1)).unwrap_or(usize::MAX);
        let count = usize::try_from(number("count", &self.count, 100)?.max(0)).unwrap_or(usize::MAX);
        Ok((start, count.min(MAX_PAGE)))
    }

    /// What is shown of a resource.
    pub fn shown(&self, kind: &'static scim::schema::ResourceType, resource: Map<String, Value>) -> Map<String, Value> {
        scim::project(kind, resource, self.attributes.as_deref(), self.excluded.as_deref())
    }

    /// Whether an attribute would be shown at all.
    pub fn shows(&self, kind: &'static scim::schema::ResourceType, attribute: &str) -> bool {
        let probe = Map::from_iter([(attribute.to_owned(), Value::Bool(true))]);
        !self.shown(kind, probe).is_empty()
    }
}
