//! Signing in by one-time link, and signing out. Opening the link only shows a button: what previews links, fetches
//! them, and a fetch must not use the link up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use engine::Engine;
use http::header::SET_COOKIE;

use crate::App;
use crate::auth::{FromOurPage, Visitor, set_cookie};
use crate::failure::PageError;
use crate::ui::{Page, page};

/// The page that explains how to sign in, or that asks for the one click.
#[derive(Template)]
#[template(path = "people/signin.html")]
pub(crate) struct SigninPage {
    /// Whether the page was opened by a link.
    by_link: bool,
}

impl SigninPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        [Self { by_link: false }, Self { by_link: true }]
    }
}

/// `GET /signin`
pub(crate) async fn explain() -> Page {
    page(&SigninPage { by_link: false })
}

/// `GET /signin/{secret}`
pub(crate) async fn confirm() -> Page {
    page(&SigninPage { by_link: true })
}

/// `POST /signin/{secret}`
pub(crate) async fn open(
    _: FromOurPage,
    State(app): State<Arc<App>>,
    Path(secret): Path<String>,
) -> Result<Response, PageError> {
    let (session, expires_at) = app.engine.open_session(&secret).await?;
    let seconds = (expires_at - Engine::now_ms()) / 1000;
    let cookie = set_cookie(&session, seconds, app.secure);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/")).into_response())
}

/// `POST /signout`
pub(crate) async fn close(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Result<Response, PageError> {
    app.engine.close_session(&who).await?;
    let cookie = set_cookie("", 0, app.secure);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/signin")).into_response())
}
