//! Signing in by one-time link, proving again who one is, and signing out. Opening a link only shows a button: what
//! previews links, fetches them, and a fetch must not use the link up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use domain::people::{Door, Proof};
use engine::{Engine, ExecuteError, NewSession};
use http::header::SET_COOKIE;
use serde::Deserialize;

use super::gate::Origin;
use super::onward::{Local, OnwardPage};
use crate::App;
use crate::auth::{FromOurPage, Maybe, Visitor, set_cookie};
use crate::failure::PageError;
use crate::ui::{Link, Page, page};

/// The page that explains how to sign in, or that asks for the one click.
#[derive(Template)]
#[template(path = "people/signin.html")]
pub(crate) struct SigninPage {
    why: Why,
    /// What people call the provider that they can sign in with, if there is one.
    provider: Option<String>,
    /// Where to go afterwards.
    back: Local,
    /// Whether the provider's account that they came with is not let in.
    refused: bool,
    /// Whether passkeys work at this address.
    passkeys: bool,
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
    fn new(app: &App, why: Why, back: Local) -> Self {
        let provider = app.oidc.as_ref().map(|oidc| oidc.settings.label.clone());
        Self { why, provider, refused: false, passkeys: app.site.is_ok(), back }
    }

    /// The way to the provider.
    fn door(&self) -> Link {
        let door = Link::to("/signin/oidc").with("return", &self.back);
        // The provider would show the same account again, unless it is told to ask.
        if self.why == Why::Reauthenticate || self.refused { door.with("fresh", 1) } else { door }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 4] {
        let provider = Some("Example Bank's account".to_owned());
        let page = |(why, refused)| Self {
            why,
            provider: provider.clone(),
            refused,
            passkeys: true,
            back: Local::or_home(Some("/people")),
        };
        [(Why::SignIn, false), (Why::UseLink, false), (Why::Reauthenticate, false), (Why::SignIn, true)].map(page)
    }
}

/// What a door is told.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Where to go afterwards.
    #[serde(rename = "return")]
    back: Option<String>,
    /// Whether the provider's account was not let in.
    #[serde(default)]
    refused: u8,
}

impl Asked {
    pub(crate) fn back(&self) -> Local {
        Local::or_home(self.back.as_deref())
    }
}

/// `GET /signin`
pub(crate) async fn explain(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Page {
    let refused = asked.refused == 1 && app.oidc.is_some();
    page(&SigninPage { refused, ..SigninPage::new(&app, Why::SignIn, asked.back()) })
}

/// `GET /reauthenticate`
pub(crate) async fn reauthenticate(
    State(app): State<Arc<App>>,
    Visitor(_): Visitor,
    Query(asked): Query<Asked>,
) -> Page {
    page(&SigninPage::new(&app, Why::Reauthenticate, asked.back()))
}

/// `GET /signin/{secret}`
pub(crate) async fn confirm(State(app): State<Arc<App>>) -> Page {
    page(&SigninPage::new(&app, Why::UseLink, Local::or_home(None)))
}

/// `POST /signin/{secret}`
pub(crate) async fn open(
    _: FromOurPage,
    State(app): State<Arc<App>>,
    Maybe(previous): Maybe,
    Origin(address): Origin,
    Path(secret): Path<String>,
) -> Result<Response, PageError> {
    let opened = app.engine.open_session(&secret, previous.as_ref()).await;
    let session = match opened {
        Ok(session) => session,
        Err(ExecuteError::Refused(refusal)) => {
            return Err(app.turn_away(Door::Link, refusal.code.as_str(), address, refusal.into()).into());
        }
        Err(error) => return Err(error.into()),
    };
    app.let_in(address);
    Ok((AppendHeaders([(SET_COOKIE, cookie_of(&app, &session))]), Redirect::to("/")).into_response())
}

/// The cookie of a new session.
pub(crate) fn cookie_of(app: &App, session: &NewSession) -> String {
    set_cookie(&session.secret, (session.expires_at - Engine::now_ms()) / 1000, app.secure)
}

/// `POST /signout`
pub(crate) async fn close(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Result<Response, PageError> {
    app.engine.close_session(&who).await?;
    let cookie = [(SET_COOKIE, set_cookie("", 0, app.secure))];
    let by_provider = who.session.is_some_and(|visit| visit.proof == Proof::Oidc);
    let there = match app.oidc.as_ref().filter(|_| by_provider) {
        Some(oidc) => oidc.sign_out_address(&format!("{}/signin", app.settings.public_url)).await,
        None => None,
    };
    match there {
        // Whoever signs out here and stays signed in there would be back with one click.
        Some(there) => {
            let onward = OnwardPage { title: "You are signed out here", to: &there, place: "Sign out there too" };
            Ok((AppendHeaders(cookie), page(&onward)?).into_response())
        }
        None => Ok((AppendHeaders(cookie), Redirect::to("/signin")).into_response()),
    }
}
