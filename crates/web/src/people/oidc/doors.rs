//! The doors: to the provider, back from it, and the provider's word that somebody signed out there.
//!
//! A sign-in belongs to the browser that began it: the secret that state, nonce and PKCE verifier follow from is in a cookie
//! of ten minutes, which is `SameSite=Lax`, because it must come back with a visit from the provider's site.

use std::sync::Arc;
use std::time::Instant;

use ::oidc::{Flow, Request};
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::people::Door;
use engine::random_secret;
use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::admission::{self, NotAdmitted};
use super::{Oidc, Trouble};
use crate::App;
use crate::auth::{Maybe, cookie};
use crate::failure::{Failure, PageError};
use crate::people::gate::{Origin, Whom, too_many};
use crate::people::onward::{Local, OnwardPage};
use crate::people::signin::cookie_of;
use crate::record::Failed;
use crate::ui::page;

/// How long somebody may take at the provider, in seconds.
const TIME: u64 = 600;

/// How old the provider's own session may be when nobody asks for a fresh proof, in seconds.
const MAX_AGE: u64 = 12 * 60 * 60;

fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-counterfoil_oidc" } else { "counterfoil_oidc" }
}

fn set_cookie(value: &str, seconds: u64, secure: bool) -> String {
    let (name, secure) = (cookie_name(secure), if secure { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

impl App {
    fn provider(&self) -> Result<&Oidc, Failure> {
        self.oidc.as_ref().ok_or_else(Failure::no_page)
    }
}

/// What somebody wants who goes to the provider.
#[derive(Deserialize)]
pub(crate) struct Wish {
    /// Where to go afterwards.
    #[serde(rename = "return")]
    back: Option<String>,
    /// Whether the provider is to ask them again who they are.
    #[serde(default)]
    fresh: u8,
}

/// `GET /signin/oidc`
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    Maybe(previous): Maybe,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let oidc = app.provider()?;
    let known = oidc.known().await.map_err(|trouble| unavailable(&trouble))?;
    let secret = random_secret("").map_err(Failure::from)?;
    let back = Local::or_home(wish.back.as_deref());
    let request = Request {
        client_id: &oidc.settings.client_id,
        redirect_uri: &oidc.redirect_uri,
        scopes: &oidc.settings.scopes,
        max_age: if wish.fresh == 1 { 0 } else { MAX_AGE },
    };
    let address = Flow::new(&*secret).address(&known.provider, &request);
    let previous = previous.and_then(|who| who.session).map(|visit| visit.session).unwrap_or_default();
    let value = format!("{secret}.{}.{previous}", BASE64_URL_SAFE_NO_PAD.encode(back.as_str()));
    let cookie = set_cookie(&value, TIME, app.secure);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(&address)).into_response())
}

/// A sign-in that a browser began.
struct Begun {
    flow: Flow,
    /// Where its owner goes afterwards.
    back: Local,
    /// The session that they had then. Its own cookie does not come with a visit from the provider's site.
    previous: Option<String>,
}

impl Begun {
    fn read(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let mut parts = cookie(headers, cookie_name(secure))?.splitn(3, '.');
        let (secret, back, previous) = (parts.next()?, parts.next()?, parts.next()?);
        let back = BASE64_URL_SAFE_NO_PAD.decode(back).ok().and_then(|back| String::from_utf8(back).ok());
        let previous = Some(previous).filter(|session| !session.is_empty()).map(str::to_owned);
        Some(Self { flow: Flow::new(secret), back: Local::or_home(back.as_deref()), previous })
    }
}

/// The provider's answer.
#[derive(Deserialize)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `GET /signin/oidc/callback`
pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    Origin(address): Origin,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, PageError> {
    let oidc = app.provider()?;
    let (whom, now) = (Whom::from(address), Instant::now());
    let wait = app.gate.wait(&whom, now);
    if !wait.is_zero() {
        app.engine.turned_away(Door::Oidc, "too_many");
        return Err(too_many(wait).into());
    }
    let refuse = |reason: &'static str, failure: Failure| {
        app.engine.turned_away(Door::Oidc, reason);
        app.gate.failed(whom.clone(), now);
        Err(PageError(failure))
    };
    let own = Begun::read(&headers, app.secure);
    let fits = |own: &Begun| answer.state.as_deref().is_some_and(|state| own.flow.is_of(state));
    let Some(Begun { flow, back, previous }) = own.filter(fits) else {
        return refuse("state", again());
    };
    let known = oidc.known().await.map_err(|trouble| unavailable(&trouble))?;
    // An answer that names another issuer, or names none where ours always does, was mixed up (RFC 9207).
    let mixed_up = match &answer.iss {
        Some(issuer) => *issuer != oidc.settings.issuer,
        None => known.provider.names_issuer,
    };
    if mixed_up {
        return refuse("issuer", again());
    }
    let Some(code) = answer.code.filter(|_| answer.error.is_none()) else {
        return refuse("declined", again());
    };
    let token = match oidc.redeem(&flow, &code).await {
        Ok(token) => token,
        Err(trouble) => {
            tracing::warn!(%trouble, "a sign-in by the provider came to nothing");
            return refuse(trouble.reason(), again());
        }
    };
    let claim = Whom::claims(&oidc.identifier(&token.subject));
    let wait = app.gate.wait(&claim, now);
    if !wait.is_zero() {
        app.engine.turned_away(Door::Oidc, "too_many");
        return Err(too_many(wait).into());
    }
    let admitted = match oidc.admit(&app, &token).await {
        Ok(proven) => app.engine.admit(proven, previous.as_deref()).await.map_err(NotAdmitted::from),
        Err(not) => Err(not),
    };
    let session = match admitted {
        Ok(session) => session,
        Err(NotAdmitted::Refused(error)) if !matches!(error, engine::ExecuteError::Refused(_)) => {
            return Err(error.into());
        }
        Err(not) => {
            tracing::info!(why = %not, "somebody whom the provider knows was not let in");
            app.gate.failed(claim, now);
            let reason = match not {
                NotAdmitted::Domain => "domain",
                NotAdmitted::Unknown => "unknown",
                NotAdmitted::Refused(_) => "not_admitted",
            };
            app.engine.turned_away(Door::Oidc, reason);
            app.gate.failed(whom, now);
            return Ok(stranger());
        }
    };
    app.gate.succeeded(&whom);
    app.gate.succeeded(&claim);
    let cookies = [(SET_COOKIE, set_cookie("", 0, app.secure)), (SET_COOKIE, cookie_of(&app, &session))];
    let onward = OnwardPage { title: "You are signed in", to: back.as_str(), place: "Continue" };
    Ok((AppendHeaders(cookies), page(&onward)?).into_response())
}

/// The sign-in does not fit together: it took too long, or it is not this browser's, or somebody made it up.
fn again() -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "signin_failed", "the sign-in did not come to an end that can be trusted")
        .help("begin again at the sign-in page, in this browser, within ten minutes")
}

/// One answer for all who are not let in: it tells nobody who is known here. It leads to the sign-in page, which offers
/// another account, and leaves neither code nor state in the address.
fn stranger() -> Response {
    let failed = Failed { status: StatusCode::FORBIDDEN, code: "not_admitted" };
    (Extension(failed), Redirect::to("/signin?refused=1")).into_response()
}

fn unavailable(trouble: &Trouble) -> Failure {
    tracing::error!(%trouble, "nobody can sign in by the provider");
    Failure::new(StatusCode::BAD_GATEWAY, "provider_unavailable", "the company's sign-in cannot be reached")
        .help("try again in a minute; the server's log says why")
}

/// The provider's word that somebody signed out there.
#[derive(Deserialize)]
pub(crate) struct SignedOut {
    logout_token: String,
}

/// `POST /signin/oidc/backchannel-logout`, called by the provider itself.
pub(crate) async fn backchannel_logout(
    State(app): State<Arc<App>>,
    Origin(address): Origin,
    form: Result<Form<SignedOut>, FormRejection>,
) -> Result<Response, PageError> {
    let oidc = app.provider()?;
    // As for any other word that is not taken (OpenID Connect Back-Channel Logout 1.0, section 2.8).
    let invalid = || (StatusCode::BAD_REQUEST, axum::Json(json!({"error": "invalid_request"}))).into_response();
    let (whom, now) = (Whom::from(address), Instant::now());
    let wait = app.gate.wait(&whom, now);
    if !wait.is_zero() {
        app.engine.turned_away(Door::Logout, "too_many");
        return Err(too_many(wait).into());
    }
    let Ok(Form(word)) = form else {
        app.engine.turned_away(Door::Logout, "malformed");
        app.gate.failed(whom, now);
        return Ok(invalid());
    };
    let token = match oidc.signed_out(&word.logout_token).await {
        Ok(token) => token,
        Err(trouble) => {
            tracing::warn!(%trouble, "a word of the provider that somebody signed out was refused");
            app.engine.turned_away(Door::Logout, trouble.reason());
            app.gate.failed(whom, now);
            return Ok(invalid());
        }
    };
    let session = token.session.as_deref().map(|session| oidc.session_digest(session));
    let actor = match &token.subject {
        Some(subject) => admission::known(oidc, &app.engine, subject).await.map_err(Failure::from)?,
        None => None,
    };
    // Nobody here is who signed out, so there is nothing to end; and that nobody is, is nobody's business.
    if token.subject.is_none() || actor.is_some() {
        app.engine.provider_signed_out(session.as_deref(), actor.as_deref()).await.map_err(Failure::from)?;
    }
    Ok(StatusCode::OK.into_response())
}

/// Which of the provider's sessions is over.
#[derive(Deserialize)]
pub(crate) struct Over {
    iss: Option<String>,
    sid: Option<String>,
}

/// `GET /signin/oidc/frontchannel-logout`, shown by the provider in a frame while somebody signs out there. The session's
/// cookie does not come with it; the provider's name for its own session does, and nobody else knows that.
pub(crate) async fn frontchannel_logout(
    State(app): State<Arc<App>>,
    Query(over): Query<Over>,
) -> Result<Response, PageError> {
    let oidc = app.provider()?;
    if let (Some(issuer), Some(session)) = (&over.iss, &over.sid)
        && *issuer == oidc.settings.issuer
    {
        let session = oidc.session_digest(session);
        app.engine.provider_signed_out(Some(&session), None).await.map_err(Failure::from)?;
    }
    let mut response = StatusCode::OK.into_response();
    let frame = origin_of(&oidc.settings.issuer);
    let policy = HeaderValue::from_str(&format!("default-src 'none'; frame-ancestors {frame}"));
    if let Ok(policy) = policy {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// The origin of an address.
fn origin_of(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}
