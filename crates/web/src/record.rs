//! Each request is an attempt at something, and leaves a record of what became of it: who asked, for what, why, and
//! what the policies said. It is made and written here, around all handlers, so that none can forget it.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::people::Purpose;
use engine::{Answered, Attempt, Principal};
use http::{Method, StatusCode, Uri};

use crate::App;
use crate::failure::{ApiError, Failure, PageError};

/// The header that says why. Pages have a parameter of the address or a field of the form instead.
pub(crate) const PURPOSE: &str = "x-counterfoil-purpose";

/// The header that says to which region what is read goes; or the parameter `to_region` of the address.
const TO_REGION: &str = "x-counterfoil-to-region";

/// Parameters of addresses that name a thing. Others may be secrets.
const NAMES: [&str; 3] = ["id", "seq", "actor"];

/// What a failed answer was, before it became a page or a redirect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub status: StatusCode,
    pub code: &'static str,
}

/// Makes the attempt of a request, hands it on, and records how it ended.
pub(crate) async fn attempt(
    State(app): State<Arc<App>>,
    path: Option<MatchedPath>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    let door = door(route);
    let attempt = Attempt::at(door, format!("{} {route}", method(request.method())));
    let named = params.iter().flatten().find(|(name, _)| NAMES.contains(name));
    if let Some((_, value)) = named {
        attempt.concerns(value);
    }
    match purpose(&request) {
        Ok(purpose) => purpose.into_iter().for_each(|purpose| attempt.purpose(purpose)),
        Err(failure) => return fail(door, failure),
    }
    match destination(&request) {
        Ok(region) => region.iter().for_each(|region| attempt.goes_to(region)),
        Err(failure) => return fail(door, failure),
    }
    let opens = route == "/recover" || route.starts_with("/signin");
    let enters = route == "/signin/oidc/callback" || opens && request.method() == Method::POST;
    request.extensions_mut().insert(attempt.clone());
    let response = next.run(request).await;
    let failed = response.extensions().get::<Failed>().copied();
    let status = failed.map_or(response.status(), |failed| failed.status);
    // Whoever fails to sign in is denied, whatever the reason.
    let denied = enters && status.is_client_error() || [401, 403, 429].contains(&status.as_u16());
    let answered = Answered { status: status.as_u16(), code: failed.map(|failed| failed.code), denied };
    match app.engine.record_access(&attempt, answered).await {
        Ok(()) => response,
        Err(_) => {
            let message = "the access cannot be recorded at the moment, so it was not answered";
            let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unrecordable", message);
            fail(door, failure.help("free some space on the server's disk, then try again"))
        }
    }
}

impl App {
    /// Notes a question in SQL in the attempt that it came with.
    pub(crate) fn asked(who: &Principal, sql: &str, size: Option<u64>) {
        if let Some(attempt) = &who.attempt {
            attempt.asks(sql, query::needed_tables(sql), size);
        }
    }
}

/// The purpose of this name.
pub(crate) fn named_purpose(name: &str) -> Result<Purpose, Failure> {
    Purpose::find(name).ok_or_else(|| {
        let known: Vec<&str> = Purpose::ALL.iter().map(|(purpose, _)| purpose.as_str()).collect();
        // The word itself may be anything, and is not repeated.
        Failure::invalid(format!("this is no declared purpose: use one of {}", known.join(", ")))
    })
}

fn purpose(request: &Request) -> Result<Option<Purpose>, Failure> {
    let header = request.headers().get(PURPOSE).map(|value| value.to_str().unwrap_or("?").to_owned());
    let name = header.or_else(|| parameter(request.uri(), "purpose")).filter(|name| !name.is_empty());
    name.map(|name| named_purpose(&name)).transpose()
}

/// The region that what is read goes to, as it was said.
fn destination(request: &Request) -> Result<Option<String>, Failure> {
    let header = request.headers().get(TO_REGION).map(|value| value.to_str().unwrap_or("?").to_owned());
    let said = header.or_else(|| parameter(request.uri(), "to_region")).filter(|region| !region.is_empty());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    match said {
        // The word itself may be anything, and is not repeated.
        Some(region) if region.len() > 63 || !region.chars().all(plain) => {
            Err(Failure::invalid("this is no code of a region: use one of `counterfoil residency rules`"))
        }
        said => Ok(said),
    }
}

/// A parameter of an address; purposes and regions are spelled without anything that is escaped.
fn parameter(uri: &Uri, named: &str) -> Option<String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == named).map(|(_, value)| value.to_owned()).next_back()
}

fn door(route: &str) -> &'static str {
    match route {
        route if route.starts_with("/api/") => "api",
        route if route.starts_with("/scim/") => "scim",
        route if route.starts_with("/log/") => "log",
        _ => "page",
    }
}

/// Methods that have a meaning here; others are whatever a stranger sends.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

fn fail(door: &str, failure: Failure) -> Response {
    if door == "page" { PageError(failure).into_response() } else { ApiError(failure).into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_one_of_the_vocabulary_from_header_or_address() {
        let request = |uri: &str, header: Option<&str>| {
            let request = http::Request::builder().uri(uri);
            let request = header.into_iter().fold(request, |request, value| request.header(PURPOSE, value));
            request.body(axum::body::Body::empty()).expect("a request")
        };
        assert_eq!(purpose(&request("/x", None)).expect("none"), None);
        assert_eq!(purpose(&request("/x?a=1&purpose=audit", None)).expect("known"), Some(Purpose::Audit));
        assert_eq!(purpose(&request("/x?purpose=", None)).expect("none"), None);
        assert_eq!(purpose(&request("/x?purpose=audit", Some("legal"))).expect("known"), Some(Purpose::Legal));
        let unknown = purpose(&request("/x", Some("curiosity about Ann"))).expect_err("unknown");
        assert!(!unknown.message.contains("Ann") && unknown.message.contains("incident"), "{}", unknown.message);
    }

    #[test]
    fn a_destination_is_spelled_like_a_region_from_header_or_address() {
        let request = |uri: &str, header: Option<&str>| {
            let request = http::Request::builder().uri(uri);
            let request = header.into_iter().fold(request, |request, value| request.header(TO_REGION, value));
            request.body(axum::body::Body::empty()).expect("a request")
        };
        assert_eq!(destination(&request("/x", None)).expect("none"), None);
        assert_eq!(destination(&request("/x?to_region=au", None)).expect("said").as_deref(), Some("au"));
        assert_eq!(destination(&request("/x?to_region=au", Some("us"))).expect("said").as_deref(), Some("us"));
        let odd = destination(&request("/x", Some("Ann's laptop"))).expect_err("no code");
        assert!(!odd.message.contains("Ann"), "{}", odd.message);
    }
}
