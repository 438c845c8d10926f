//! Signing in by one-time link, proving again who one is, and signing out. Opening a link only shows a button: what
//! previews links, fetches them, and a fetch must not use the link up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use engine::{Engine, NewSession};
use http::header::SET_COOKIE;
use serde::Deserialize;

use super::onward::Local;
use crate::App;
use crate::auth::{FromOurPage, Maybe, Visitor, set_cookie};
use crate::failure::PageError;
use crate::ui::{Page, page};

/// The page that explains how to sign in, or that asks for the one click.
#[derive(Template)]
#[template(path = "people/signin.html")]
pub(crate) struct SigninPage {
    why: Why,
    /// Where to go afterwards.
    back: Local,
}

/// What somebody wants at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// To sign in.
    SignIn,
    /// To use the link that they opened.
    UseLink,
    /// To prove again who they are, before a critical act.
    Reauthenticate,
}

impl SigninPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 3] {
        [Why::SignIn, Why::UseLink, Why::Reauthenticate].map(|why| Self { why, back: Local::or_home(Some("/people")) })
    }
}

/// What a door is told.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Where to go afterwards.
    #[serde(rename = "return")]
    back: Option<String>,
}

impl Asked {
    pub(crate) fn back(&self) -> Local {
        Local::or_home(self.back.as_deref())
    }
}

/// `GET /signin`
pub(crate) async fn explain(Query(asked): Query<Asked>) -> Page {
    page(&SigninPage { why: Why::SignIn, back: asked.back() })
}

/// `GET /reauthenticate`
pub(crate) async fn reauthenticate(Visitor(_): Visitor, Query(asked): Query<Asked>) -> Page {
    page(&SigninPage { why: Why::Reauthenticate, back: asked.back() })
}

/// `GET /signin/{secret}`
pub(crate) async fn confirm() -> Page {
    page(&SigninPage { why: Why::UseLink, back: Local::or_home(None) })
}

/// `POST /signin/{secret}`
pub(crate) async fn open(
    _: FromOurPage,
    State(app): State<Arc<App>>,
    Maybe(previous): Maybe,
    Path(secret): Path<String>,
) -> Result<Response, PageError> {
    let session = app.engine.open_session(&secret, previous.as_ref()).await?;
    Ok((AppendHeaders([(SET_COOKIE, cookie_of(&app, &session))]), Redirect::to("/")).into_response())
}

/// The cookie of a new session.
pub(crate) fn cookie_of(app: &App, session: &NewSession) -> String {
    set_cookie(&session.secret, (session.expires_at - Engine::now_ms()) / 1000, app.secure)
}

/// `POST /signout`
pub(crate) async fn close(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Result<Response, PageError> {
    app.engine.close_session(&who).await?;
    let cookie = set_cookie("", 0, app.secure);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/signin")).into_response())
}
