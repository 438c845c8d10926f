//! The way back with a recovery code. It works without scripts, as the way to a passkey begins here.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use domain::people::Door;
use engine::{MISTYPED, NotLetIn};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;

use super::gate::Origin;
use super::signin::cookie_of;
use crate::App;
use crate::auth::{FromOurPage, Maybe};
use crate::failure::{Failure, PageError};
use crate::record::Failed;
use crate::ui::{Page, page};

/// The page that asks for a code.
#[derive(Template)]
#[template(path = "people/recover.html")]
pub(crate) struct RecoverPage {
    wrong: Option<String>,
}

impl RecoverPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        [Self { wrong: None }, Self { wrong: Some("this recovery code is not good".into()) }]
    }
}

/// `GET /recover`
pub(crate) async fn ask() -> Page {
    page(&RecoverPage { wrong: None })
}

/// A code as somebody typed it.
#[derive(Deserialize)]
pub(crate) struct Typed {
    code: String,
}

/// `POST /recover`
pub(crate) async fn enter(
    _: FromOurPage,
    State(app): State<Arc<App>>,
    Maybe(previous): Maybe,
    Origin(address): Origin,
    Form(typed): Form<Typed>,
) -> Result<Response, PageError> {
    let why = match app.engine.sign_in_by_recovery_code(&typed.code, previous.as_ref()).await {
        Ok(session) => {
            app.let_in(address);
            let cookie = cookie_of(&app, &session);
            return Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/passkeys")).into_response());
        }
        Err(NotLetIn::Unproven(why)) => why,
        Err(NotLetIn::Failed(error)) => return Err(error.into()),
    };
    let message = match why {
        MISTYPED => "this is not a recovery code as it was printed: compare it symbol by symbol",
        _ => "this recovery code is not good (any more): use another one",
    };
    let failure =
        app.turn_away(Door::Recovery, why, address, Failure::new(StatusCode::FORBIDDEN, "forbidden", message));
    if failure.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(failure.into());
    }
    let Failure { status, code, message, .. } = failure;
    let html = RecoverPage { wrong: Some(message) }.render();
    let html = html.map_err(|error| Failure::internal("render a page", &error))?;
    Ok((status, Extension(Failed { status, code }), Html(html)).into_response())
}
