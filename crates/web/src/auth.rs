//! Who is asking, from a request: a bearer key, or the session in a cookie.
//!
//! A cookie is sent by browsers on their own, so a request that changes something and comes with a cookie must also
//! show that a page of ours sent it (`Sec-Fetch-Site`, or else `Origin` equal to `Host`). With `SameSite=Strict` this
//! is the second of two locks. A bearer key needs no such proof: no browser adds one by itself.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use domain::people::Door;
use engine::{Attempt, AuthError, Principal};
use http::request::Parts;
use http::{HeaderMap, Method, header};

use crate::App;
use crate::failure::{ApiError, Failure, PageError};
use crate::people::gate::Origin;

/// The session's cookie. Browsers accept the prefixed name from this very host only, over https and for all its paths, so
/// that no neighbouring host can plant a session (RFC 6265bis, section 4.1.3).
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-counterfoil_session" } else { "counterfoil_session" }
}

/// Somebody at a page, by session.
pub(crate) struct Visitor(pub Principal);

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        Ok(Self(by_session(parts, app)?))
    }
}

/// Somebody at the API, by key or session.
pub(crate) struct Caller(pub Principal);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
            return Ok(Self(by_session(parts, app)?));
        };
        let secret = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let secret = secret.ok_or_else(Failure::unauthenticated)?;
        let Origin(address) = Origin::of(parts, app);
        let who = app.engine.authenticate(secret.trim()).map_err(|error| {
            let reason = match error {
                AuthError::Unknown => "unknown",
                AuthError::Void => "expired",
            };
            ApiError(app.turn_away(Door::Key, reason, address, error.into()))
        })?;
        app.let_in(address);
        Ok(Self(known(parts, who)))
    }
}

/// Somebody at a page, or nobody: whoever has a session that is still good.
pub(crate) struct Maybe(pub Option<Principal>);

impl FromRequestParts<Arc<App>> for Maybe {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(by_session(parts, app).ok()))
    }
}

/// A form's request that comes from one of our pages.
pub(crate) struct FromOurPage;

impl<S: Sync> FromRequestParts<S> for FromOurPage {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        if same_origin(&parts.headers) { Ok(Self) } else { Err(Failure::cross_origin().into()) }
    }
}

fn by_session(parts: &Parts, app: &App) -> Result<Principal, Failure> {
    let secret = cookie(&parts.headers, cookie_name(app.secure)).ok_or_else(Failure::unauthenticated)?;
    let who = known(parts, app.engine.authenticate_session(secret)?);
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if reads || same_origin(&parts.headers) { Ok(who) } else { Err(Failure::cross_origin()) }
}

/// Somebody who showed who they are, with the attempt that they make.
fn known(parts: &Parts, who: Principal) -> Principal {
    let attempt = parts.extensions.get::<Attempt>().cloned();
    attempt.iter().for_each(|attempt| attempt.by(&who));
    Principal { attempt, ..who }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let host = text("host");
    let origin = text("origin").and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    host.is_some() && origin == host
}

/// The cookie that carries a session's secret for `seconds`; zero takes it away.
pub(crate) fn set_cookie(secret: &str, seconds: i64, secure: bool) -> String {
    cookie_line(cookie_name(secure), secret, seconds, secure)
}

/// A cookie that our own pages send back, and no script reads.
pub(crate) fn cookie_line(name: &str, value: &str, seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_requests_from_our_own_pages_count_as_such() {
        let cases: [(&[(&str, &str)], bool); 7] = [
            (&[("sec-fetch-site", "same-origin"), ("host", "a")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false),
            (&[("sec-fetch-site", "same-site"), ("host", "a")], false),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true),
            (&[("origin", "http://evil.example"), ("host", "127.0.0.1:8080")], false),
            (&[("origin", "null"), ("host", "127.0.0.1:8080")], false),
            (&[("host", "127.0.0.1:8080")], false),
        ];
        for (pairs, expected) in cases {
            assert_eq!(same_origin(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let found = headers(&[("cookie", "theme=dark; counterfoil_session=cfs_1; x=y")]);
        assert_eq!(cookie(&found, cookie_name(false)), Some("cfs_1"));
        assert_eq!(cookie(&found, cookie_name(true)), None, "a plain cookie opens nothing where there is https");
        assert_eq!(cookie(&headers(&[("cookie", "not_counterfoil_session=1")]), cookie_name(false)), None);
    }
}
