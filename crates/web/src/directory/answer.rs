//! Answers as SCIM shapes them: resources with their version, lists, and errors.

use axum::response::{IntoResponse, Response};
use engine::ExecuteError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::failure::{ApiError, Failure};

const MEDIA_TYPE: &str = "application/scim+json";

/// JSON in SCIM's media type.
fn document(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

/// A document that is no resource of somebody's, such as a schema.
pub(super) fn plain(body: &Value) -> Response {
    document(StatusCode::OK, body)
}

/// A resource as a client may see it.
pub(super) struct Resource {
    /// Its attributes.
    pub body: Map<String, Value>,
    /// Its version, an entity tag.
    pub version: String,
    /// Its address.
    pub location: String,
}

impl Resource {
    /// An answer with the resource, `shown` of it.
    pub fn answer(self, status: StatusCode, shown: impl FnOnce(Map<String, Value>) -> Map<String, Value>) -> Response {
        let mut response = document(status, &Value::Object(shown(self.body)));
        let headers = response.headers_mut();
        for (name, text) in [(header::ETAG, &self.version), (header::LOCATION, &self.location)] {
            // Both are made here, of characters that headers can have.
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A page of what was found.
pub(super) fn list(total: usize, start: usize, resources: Vec<Map<String, Value>>) -> Response {
    plain(&json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources,
    }))
}

/// An error as SCIM shapes it.
#[derive(Debug)]
pub(super) struct Problem {
    error: scim::Error,
    /// Seconds after which to try again.
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        scim::Error::new(status, detail).into()
    }

    pub fn missing(detail: &str) -> Self {
        Self::new(404, detail)
    }

    pub fn not_implemented(what: &str) -> Self {
        Self::new(501, format!("`{what}` is not served here; /ServiceProviderConfig says what is"))
    }

    /// Whether there is nothing of that name.
    pub fn is_missing(&self) -> bool {
        self.error.status == 404
    }

    /// Whether something else changed it meanwhile.
    pub fn is_conflict(&self) -> bool {
        self.error.status == 409 && self.error.scim_type.is_none()
    }

    /// Whether too much was sent at once.
    pub fn is_too_large(&self) -> bool {
        self.error.status == 413
    }
}

impl From<scim::Error> for Problem {
    fn from(error: scim::Error) -> Self {
        Self { error, retry_after: None }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let detail = match failure.help {
            Some(help) => format!("{}: {help}", failure.message),
            None => failure.message,
        };
        let error = match failure.code {
            "exists" => scim::Error { status: 409, scim_type: Some("uniqueness"), detail },
            "invalid" => scim::Error::bad("invalidValue", detail),
            _ => scim::Error::new(failure.status.as_u16(), detail),
        };
        let soon = (failure.status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
        Self { error, retry_after: failure.retry_after.or(soon) }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        error.0.into()
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        Failure::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let scim::Error { status, scim_type, detail } = self.error;
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": detail,
        });
        if let Some(keyword) = scim_type {
            body["scimType"] = keyword.into();
        }
        let mut response = document(code, &body);
        let headers = response.headers_mut();
        if code == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
