//! One's own passkeys: making, listing and removing them, signing in with one; and recovery codes, shown once.
//!
//! The browser's half of making and using a passkey is `assets/script/passkey.js`.

use std::sync::Arc;

use askama::Template;
use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, post};
use domain::people::roles::ORG;
use domain::people::{Door, Passkey, Proof};
use engine::{NotLetIn, Principal};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use webauthn::{MAX_ANSWER_BYTES, Site};

use super::gate::Origin;
use super::signin::cookie_of;
use crate::App;
use crate::auth::{self, FromOurPage, Maybe, Visitor};
use crate::failure::{ApiError, Failure, PageError};
use crate::ui::{Instant, Page, Section, Shell, clock, page};

/// Room for an answer with its name, in bytes.
const MAX_BODY_BYTES: usize = 2 * MAX_ANSWER_BYTES;

/// How long the browser keeps the secret with which it answers, in seconds.
const DOOR_SECONDS: i64 = 180;

/// The page.
#[derive(Template)]
#[template(path = "people/passkeys.html")]
pub(crate) struct PasskeysPage {
    shell: Shell,
    passkeys: Vec<Shown>,
    /// Whether they came with a recovery code.
    recovering: bool,
    /// Why passkeys cannot be made here, if they cannot.
    unavailable: Option<String>,
    /// Recovery codes, for those who may have some.
    recovery: Option<Codes>,
}

/// A passkey as its owner sees it.
struct Shown {
    id: String,
    name: String,
    registered_at: Instant,
    used_at: Option<Instant>,
    synced: bool,
}

impl From<(Passkey, Option<String>)> for Shown {
    fn from((passkey, name): (Passkey, Option<String>)) -> Self {
        Self {
            name: name.unwrap_or_else(|| "unnamed".into()),
            id: passkey.registered.passkey,
            registered_at: Instant(passkey.registered_at),
            used_at: passkey.used_at.map(Instant),
            synced: passkey.registered.synced,
        }
    }
}

/// How many recovery codes there are.
struct Codes {
    unused: usize,
    issued_at: Option<Instant>,
}

impl PasskeysPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let at = Instant(1_795_380_849_000);
        let shown = |id: &str, name: &str, used_at, synced| Shown {
            id: id.into(),
            name: name.into(),
            registered_at: at,
            used_at,
            synced,
        };
        let shell = || Shell::sample(Section::People);
        [
            Self {
                shell: shell(),
                passkeys: vec![shown("p_1", "laptop", Some(at), true), shown("p_2", "key on the ring", None, false)],
                recovering: false,
                unavailable: None,
                recovery: Some(Codes { unused: 7, issued_at: Some(at) }),
            },
            Self {
                shell: shell(),
                passkeys: vec![],
                recovering: true,
                unavailable: Some("there is no name".into()),
                recovery: Some(Codes { unused: 0, issued_at: None }),
            },
        ]
    }
}

/// `GET /passkeys`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let passkeys = app.engine.passkeys(&who.actor).await?.into_iter().map(Shown::from).collect();
    let (administers, known) = app.engine.read(|state| {
        let mut standing = state.standing_roles_of(&who.actor, clock());
        (standing.any(|held| held == ("administrator", ORG)), state.recovery.get(&who.actor).cloned())
    });
    let codes = || Codes {
        unused: known.as_ref().map_or(0, |known| known.unused.len()),
        issued_at: known.as_ref().map(|known| Instant(known.issued_at)),
    };
    let recovering = who.session.as_ref().is_some_and(|visit| visit.proof == Proof::Recovery);
    page(&PasskeysPage {
        shell: Shell::new(&app, &who, Section::People).await?,
        passkeys,
        recovering,
        unavailable: app.site.as_ref().err().map(ToString::to_string),
        recovery: (administers && !recovering).then(codes),
    })
}

/// `POST /passkeys/options`
pub(crate) async fn ask_to_make(
    State(app): State<Arc<App>>,
    Visiting(who): Visiting,
) -> Result<Answer<Value>, ApiError> {
    Ok(Answer(app.engine.begin_passkey(site(&app)?, &who).await?))
}

/// A passkey that a browser made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made<'a> {
    name: String,
    #[serde(borrow)]
    answer: &'a RawValue,
}

/// `POST /passkeys`
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Visiting(who): Visiting,
    body: Bytes,
) -> Result<Answer<Value>, ApiError> {
    let made: Made<'_> = serde_json::from_slice(&body)
        .map_err(|e| Failure::invalid(format!("this is not a passkey with its name: {e}")))?;
    let answer = made.answer.get().as_bytes();
    let passkey = app.engine.register_passkey(site(&app)?, &who, &made.name, answer).await?;
    Ok(Answer(json!({ "passkey": passkey })))
}

/// `POST /passkeys/{id}/remove`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(passkey): Path<String>,
) -> Result<Redirect, PageError> {
    app.engine.remove_passkey(&who, &passkey).await?;
    Ok(Redirect::to("/passkeys"))
}

/// The page that shows new recovery codes.
#[derive(Template)]
#[template(path = "people/codes.html")]
pub(crate) struct CodesPage {
    shell: Shell,
    codes: Vec<String>,
}

impl CodesPage {
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let codes = vec!["07ZZ-2M4K-9XQ1-C8V0-T5RE-6WYJ-3HDN".into(); 8];
        Self { shell: Shell::sample(Section::People), codes }
    }
}

/// `POST /passkeys/recovery`: answers with the codes, which no other page could show.
pub(crate) async fn issue_codes(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let codes = app.engine.issue_recovery(&who).await?;
    page(&CodesPage { shell: Shell::new(&app, &who, Section::People).await?, codes })
}

/// `POST /signin/passkey/options`
pub(crate) async fn ask_to_show(_: FromOurPage, State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let (secret, options) = app.engine.begin_passkey_signin(site(&app)?)?;
    let cookie = auth::cookie_line(door(app.secure), &secret, DOOR_SECONDS, app.secure);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Answer(options)).into_response())
}

/// `POST /signin/passkey`
pub(crate) async fn sign_in(
    _: FromOurPage,
    State(app): State<Arc<App>>,
    Maybe(previous): Maybe,
    Origin(address): Origin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let browser = auth::cookie(&headers, door(app.secure)).unwrap_or_default();
    let entered = app.engine.sign_in_by_passkey(site(&app)?, browser, &body, previous.as_ref()).await;
    let session = match entered {
        Ok(session) => session,
        Err(NotLetIn::Unproven(why)) => return Err(app.turn_away(Door::Passkey, why, address, not_accepted()).into()),
        Err(NotLetIn::Failed(error)) => return Err(error.into()),
    };
    app.let_in(address);
    let used = auth::cookie_line(door(app.secure), "", 0, app.secure);
    let cookies = AppendHeaders([(SET_COOKIE, cookie_of(&app, &session)), (SET_COOKIE, used)]);
    Ok((cookies, Answer(json!({ "expires_at": session.expires_at }))).into_response())
}

/// One answer to all that is wrong with a proof, so that nobody learns whether somebody is known.
fn not_accepted() -> Failure {
    let message = "this passkey was not accepted: try again, or sign in another way";
    Failure::new(StatusCode::FORBIDDEN, "forbidden", message)
}

/// A step of a ceremony, whose body is bounded.
pub(crate) fn step<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: axum::handler::Handler<T, Arc<App>>,
    T: 'static,
{
    post(handler).layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// The cookie with which a browser that is not signed in yet answers what it was asked.
fn door(secure: bool) -> &'static str {
    if secure { "__Host-counterfoil_door" } else { "counterfoil_door" }
}

fn site(app: &App) -> Result<&Site, Failure> {
    app.site.as_ref().map_err(|why| Failure::invalid(why.to_string()))
}

/// Somebody at a page whose script asks, and is answered in JSON.
pub(crate) struct Visiting(Principal);

impl FromRequestParts<Arc<App>> for Visiting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut http::request::Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let visitor = Visitor::from_request_parts(parts, app).await;
        visitor.map(|Visitor(who)| Self(who)).map_err(|PageError(failure)| ApiError(failure))
    }
}
