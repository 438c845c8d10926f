//! Headers on every answer, and the count of answers.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, map_response};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::App;

/// No script, style, picture or form target but our own; no frame around us.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `no-referrer` would also blank the `Origin` of our own forms; `same-origin` tells others as little.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the headers that every answer carries, and counts the answer.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let mut response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered(route, response.status(), begun.elapsed());
    add(response.headers_mut(), app.secure);
    response
}

/// Adds the same headers to the answers of `router`, which is served beside these doors and on the same address.
pub fn with_headers(router: Router, app: &App) -> Router {
    let secure = app.secure;
    router.layer(map_response(move |mut response: Response| {
        add(response.headers_mut(), secure);
        ready(response)
    }))
}

/// Adds the headers that every answer carries. `secure` says whether clients come by https.
fn add(headers: &mut HeaderMap, secure: bool) {
    for (name, value) in ALWAYS {
        // A page that the provider may frame says so itself.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_answer_when_clients_come_by_https_then_they_are_told_to_stay_and_what_was_said_before_holds() {
        let answered = |secure: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
            add(&mut headers, secure);
            headers
        };
        let (secured, clear) = (answered(true), answered(false));
        assert_eq!(secured[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
        assert!(!clear.contains_key(header::STRICT_TRANSPORT_SECURITY), "https is not promised to whoever has none");
        for headers in [secured, clear] {
            assert!(ALWAYS.iter().all(|(name, value)| headers[name] == *value), "{headers:?}");
            assert_eq!(headers[header::CACHE_CONTROL], "max-age=60");
        }
    }
}
