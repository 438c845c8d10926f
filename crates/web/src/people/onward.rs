//! Where a person goes after signing in, or after proving again who they are: back to where they were, and never to
//! another site.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, header};

use crate::ui::Link;

/// The longest way back that is remembered, in bytes.
const MAX_BYTES: usize = 1024;

/// A path of this server, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local(String);

impl Local {
    /// The path, if it leads to a page here. Browsers take `//host`, `/\host` and what hides in control characters for
    /// other sites; sending somebody there would lend our name to whoever made the link.
    pub(crate) fn new(path: &str) -> Option<Self> {
        let printable = path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let rooted = path.starts_with('/') && !path.starts_with("//");
        // Nobody is sent back to a door.
        let door = ["/signin", "/signout", "/reauthenticate"].iter().any(|door| path.starts_with(door));
        (printable && rooted && !door && path.len() <= MAX_BYTES).then(|| Self(path.to_owned()))
    }

    /// The path that a form or a query names, or the overview.
    pub(crate) fn or_home(path: Option<&str>) -> Self {
        path.and_then(Self::new).unwrap_or_else(|| Self("/".to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page that leads on by itself. A redirect from another site would come without the session's cookie, which is
/// `SameSite=Strict`; and a form may not be redirected to another site by our own policy for content.
#[derive(Template)]
#[template(path = "people/onward.html")]
pub(crate) struct OnwardPage<'a> {
    pub title: &'static str,
    pub to: &'a str,
    pub place: &'static str,
}

impl OnwardPage<'_> {
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self { title: "You are signed in", to: "/ledger", place: "Continue" }
    }
}

/// What a page asks for instead of answering. [`detours`] turns it into a redirect that knows the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    SignIn,
    Reauthenticate,
}

impl IntoResponse for Detour {
    fn into_response(self) -> Response {
        let mut response = Redirect::to(self.door()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Detour {
    fn door(self) -> &'static str {
        match self {
            Self::SignIn => "/signin",
            Self::Reauthenticate => "/reauthenticate",
        }
    }
}

/// Sends whoever must sign in first to the right door, with the way back to the page that they were at.
pub(crate) async fn detours(request: Request, next: Next) -> Response {
    let back = way_back(request.method(), request.uri(), request.headers());
    let response = next.run(request).await;
    match (response.extensions().get::<Detour>(), back) {
        (Some(detour), Some(back)) => {
            Redirect::to(&Link::to(detour.door()).with("return", back.as_str()).to_string()).into_response()
        }
        _ => response,
    }
}

/// The page that was asked for; for a form, the page that it stands on.
fn way_back(method: &Method, uri: &http::Uri, headers: &HeaderMap) -> Option<Local> {
    if method == Method::GET {
        return Local::new(uri.path_and_query()?.as_str()).filter(|local| local.as_str() != "/");
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (_, rest) = text(header::REFERER)?.split_once("://")?;
    let path = rest.strip_prefix(text(header::HOST)?)?;
    Local::new(path).filter(|local| local.as_str() != "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_lead_back() {
        for path in ["/", "/ledger", "/sql?query=select+1&at=2", "/people#grants"] {
            assert_eq!(Local::new(path).map(|local| local.0), Some(path.to_owned()), "{path}");
        }
        for path in [
            "",
            "ledger",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a b",
            "/\u{2044}evil.example",
            "/signin/oidc",
            "/signout",
            "/reauthenticate",
        ] {
            assert_eq!(Local::new(path), None, "{path:?}");
        }
        assert_eq!(Local::new(&format!("/{}", "a".repeat(MAX_BYTES))), None);
        assert_eq!(Local::or_home(Some("//evil.example")).as_str(), "/");
    }

    #[test]
    fn a_form_leads_back_to_its_own_page_and_not_to_another_sites() {
        let uri: http::Uri = "/grants/g_1/approve".parse().expect("a path");
        let back = |referer: &str| {
            let pairs = [("host", "127.0.0.1:8600"), ("referer", referer)];
            let headers = pairs.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
            way_back(&Method::POST, &uri, &HeaderMap::from_iter(headers)).map(|local| local.0)
        };
        assert_eq!(back("http://127.0.0.1:8600/people?x=1"), Some("/people?x=1".into()));
        assert_eq!(back("http://127.0.0.1:8600.evil.example/people"), None);
        assert_eq!(back("http://evil.example/people"), None);
    }
}
