//! What goes wrong, and how it is answered: one type for both doors, turned into JSON or into a page at the edge.
//!
//! The message is for the caller. What only the operator should see is logged where the failure is made.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use domain::{Refusal, RefusalCode};
use engine::{AuthError, ExecuteError};
use http::{HeaderValue, StatusCode, header};

use crate::people::onward::Detour;
use crate::people::roleless::NotPermitted;
use crate::record::Failed;
use crate::ui::Shell;

/// The code of what needs a fresh proof of identity.
const REAUTHENTICATE: &str = "reauthentication_required";

/// A failure with its HTTP status, a stable code, what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub help: Option<&'static str>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// Policies or rules by whose name a command was refused.
    pub policies: Vec<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), help: None, retry_after: None, policies: Vec::new() }
    }

    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} `{name}`"))
    }

    pub(crate) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no page at this address")
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// Which witness it is, and what it remembers, is in the log: anybody may be answered this.
    pub(crate) fn rolled_back() -> Self {
        let message = "a witness remembers another history of this ledger: it was rolled back, or its key is used elsewhere \
                       too. Nothing is written to it any more, so nothing was changed";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "rolled_back", message)
            .help("whoever operates the server must act; its log says which witness, and what to do")
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "this needs a key or a session")
            .help("send `Authorization: Bearer <key>`, or sign in with the link that `counterfoil signin` prints")
    }

    pub(crate) fn cross_origin() -> Self {
        let message = "the request does not come from a page of this server, so the session in its cookie was not used";
        Self::new(StatusCode::FORBIDDEN, "cross_origin", message).help("send the form from the page it stands on")
    }

    /// Something that should not happen. The cause is logged here and not shown.
    pub(crate) fn internal(doing: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(doing, cause = %Chain(cause), "a request failed");
        Self::unexplained(doing)
    }

    fn unexplained(doing: &str) -> Self {
        let message = format!("the server could not {doing}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).help("the server's log says why")
    }
}

/// An error with everything that caused it, on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::Forbidden => StatusCode::FORBIDDEN,
            RefusalCode::NotFound => StatusCode::NOT_FOUND,
            RefusalCode::Exists | RefusalCode::Conflict => StatusCode::CONFLICT,
            RefusalCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalCode::Expired => StatusCode::GONE,
            RefusalCode::ReauthenticationRequired => StatusCode::UNAUTHORIZED,
        };
        Self { policies: refusal.policies, ..Self::new(status, refusal.code.as_str(), refusal.message) }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", error.to_string())
    }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::Unavailable(_) => {
                tracing::error!(cause = %error, "a command was not carried out");
                let message = "the ledger cannot be written at the moment, so nothing was changed";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).help("try again; check the disk")
            }
            ExecuteError::RolledBack(_) => {
                tracing::error!(cause = %error, "a command was not carried out");
                Self::rolled_back()
            }
            ExecuteError::Internal(_) => Self::internal("carry the command out", &error),
        }
    }
}

/// A failure answered as JSON: `{"error":{"code","message","help"?}}`.
pub(crate) struct ApiError(pub Failure);

impl<E: Into<Failure>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Failure { status, code, message, help, retry_after, policies } = self.0;
        let mut error = serde_json::json!({ "code": code, "message": message });
        if let Some(help) = help {
            error["help"] = help.into();
        }
        if !policies.is_empty() {
            error["policies"] = policies.into();
        }
        let mut response = (status, Json(serde_json::json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9470: which of the two it is, and how old the proof may be.
            let challenge = match code {
                REAUTHENTICATE => "Bearer error=\"insufficient_user_authentication\", max_age=600",
                _ => "Bearer",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(5)) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Failed { status, code });
        response
    }
}

/// A failure answered as a page. Who is not signed in, or did so long ago, is sent to where that is explained.
pub(crate) struct PageError(pub Failure);

impl<E: Into<Failure>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What a page says of a failure. It goes with the answer, so that whoever is signed in is told inside the usual frame.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub status: u16,
    pub title: &'static str,
    pub message: String,
    pub help: Option<&'static str>,
}

impl Told {
    /// What happened, in pieces: whether each is code, and its text.
    fn said(&self) -> Vec<(bool, &str)> {
        pieces(&self.message)
    }

    fn helped(&self) -> Vec<(bool, &str)> {
        pieces(self.help.unwrap_or_default())
    }
}

/// Text cut at its backticks, with what stands between two of them marked as code.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let last = text.matches('`').count();
    text.split('`').enumerate().map(|(i, piece)| (i % 2 == 1 && i < last, piece)).collect()
}

/// The page for somebody who is not signed in.
#[derive(Template)]
#[template(path = "failure.html")]
pub(crate) struct FailurePage<'a> {
    pub told: &'a Told,
}

/// The page for somebody who is.
#[derive(Template)]
#[template(path = "failure_inside.html")]
pub(crate) struct InsidePage<'a> {
    pub shell: Shell,
    pub told: &'a Told,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Failure { status, code, message, help, retry_after, .. } = self.0;
        let failed = Failed { status, code };
        if status == StatusCode::UNAUTHORIZED {
            let detour = if code == REAUTHENTICATE { Detour::Reauthenticate } else { Detour::SignIn };
            return (Extension(failed), detour).into_response();
        }
        let title = match status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::FORBIDDEN => "Not permitted",
            StatusCode::GONE => "Too late",
            StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
            status if status.is_client_error() => "This cannot be done as asked",
            _ => "Something failed",
        };
        let told = Told { status: status.as_u16(), title, message, help };
        let mut response = match (FailurePage { told: &told }).render() {
            Ok(html) => (status, Extension(failed), Html(html)).into_response(),
            Err(_) => (status, Extension(failed), told.message.clone()).into_response(),
        };
        response.extensions_mut().insert(told);
        if code == RefusalCode::Forbidden.as_str() {
            response.extensions_mut().insert(NotPermitted);
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_a_lone_one_is_not() {
        assert_eq!(pieces("no `a<b` here"), [(false, "no "), (true, "a<b"), (false, " here")]);
        assert_eq!(pieces("no `a` and `b"), [(false, "no "), (true, "a"), (false, " and "), (false, "b")]);
        assert_eq!(pieces("plain"), [(false, "plain")]);
    }
}
