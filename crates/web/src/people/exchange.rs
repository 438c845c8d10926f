//! Exchanging a token of a CI job for a key that lives minutes (RFC 8693): the token's issuer is asked for its keys, the
//! token is checked, and a rule of the ledger says what it opens. To whoever sent it, every refusal is the same; why it was
//! is counted in the ledger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::oidc::{Expected, JobToken, Keys, TokenError, issuer_of, keys_address};
use axum::Form;
use axum::Json as Answer;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use domain::people::Door;
use engine::{Engine, ExecuteError, NewKey, Outbound, ShownToken};
use http::StatusCode;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::json;

use super::gate::{Origin, Whom};
use super::oidc::fetch::{Fetch, FetchError};
use crate::App;
use crate::settings::WorkloadSettings;

/// How long an issuer's keys are good for.
const KEEP: Duration = Duration::from_secs(60 * 60);

/// How long an issuer is left alone that could not be asked.
const PAUSE: Duration = Duration::from_secs(5);

/// How soon keys are fetched again because a token names one that is not known.
const ROTATE: Duration = Duration::from_secs(10);

/// Seconds that an issuer's clock and ours may be apart.
const SKEW: i64 = 60;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPES: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];

/// The issuers of tokens, with their keys as far as they were needed.
pub(crate) struct Issuers {
    fetch: Fetch,
    /// By issuer. There are as many as rules of the ledger name.
    known: tokio::sync::Mutex<HashMap<String, Known>>,
    /// When an issuer could not be asked last: strangers must not have it asked again and again.
    failed: Mutex<HashMap<String, Instant>>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<Keys>,
    at: Instant,
}

/// Why a token came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no rule believes its issuer")]
    Issuer,
    #[error("the issuer could not be asked: {0}")]
    Fetch(#[from] FetchError),
    #[error("the issuer could not be asked a moment ago")]
    Paused,
    #[error("what the issuer says of itself cannot be used: {0}")]
    Discovery(#[from] ::oidc::DiscoveryError),
    #[error("the issuer's keys cannot be used: {0}")]
    Keys(#[from] ::oidc::KeyError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("its claims fit no rule")]
    Claims,
    #[error(transparent)]
    Refused(#[from] ExecuteError),
}

impl Trouble {
    /// The word for the count of those turned away.
    fn reason(&self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Fetch(_) | Self::Paused => "unreachable",
            Self::Discovery(_) | Self::Keys(_) => "provider",
            Self::Token(error) => error.as_str(),
            Self::Claims => "claims",
            Self::Refused(_) => "replayed",
        }
    }

    /// Whether it is not the token's fault, so that it can be shown again.
    fn passes(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Paused | Self::Discovery(_) | Self::Keys(_) => true,
            Self::Refused(error) => !matches!(error, ExecuteError::Refused(_)),
            Self::Issuer | Self::Token(_) | Self::Claims => false,
        }
    }
}

impl Issuers {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// When the certificates in the settings are none.
    pub(crate) fn new(settings: &WorkloadSettings, outbound: &Outbound) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        match settings.authorities.is_empty() {
            true => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            false => {
                for authority in &settings.authorities {
                    roots.add(CertificateDer::from(authority.clone()))?;
                }
            }
        }
        let fetch = Fetch::new(outbound.clone(), settings.hosts.clone(), roots)?;
        Ok(Self { fetch, known: tokio::sync::Mutex::default(), failed: Mutex::default() })
    }

    /// Opens a token with its issuer's keys, fetched when they are needed, are old, or lack the one that it names.
    async fn open(&self, issuer: &str, token: &str) -> Result<JobToken, Trouble> {
        let mut known = self.known.lock().await;
        let old = known.get(issuer).cloned();
        let found = match old {
            Some(found) if found.at.elapsed() < KEEP => found,
            _ => self.renew(&mut known, issuer).await?,
        };
        match JobToken::open(&found.keys, token, SKEW) {
            Err(TokenError::UnknownKey) if found.at.elapsed() >= ROTATE => {
                let found = self.renew(&mut known, issuer).await?;
                Ok(JobToken::open(&found.keys, token, SKEW)?)
            }
            opened => Ok(opened?),
        }
    }

    async fn renew(&self, known: &mut HashMap<String, Known>, issuer: &str) -> Result<Known, Trouble> {
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed().get(issuer).is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Trouble::Paused);
        }
        match self.ask(issuer).await {
            Ok(keys) => {
                let found = Known { keys: Arc::new(keys), at: Instant::now() };
                known.insert(issuer.to_owned(), found.clone());
                Ok(found)
            }
            Err(trouble) => {
                failed().insert(issuer.to_owned(), Instant::now());
                Err(trouble)
            }
        }
    }

    async fn ask(&self, issuer: &str) -> Result<Keys, Trouble> {
        let document = self.fetch.get(&::oidc::Provider::address(issuer)).await?;
        Ok(Keys::parse(&self.fetch.get(&keys_address(issuer, &document)?).await?)?)
    }
}

/// What is asked (RFC 8693, section 2.1).
#[derive(Deserialize)]
pub(crate) struct Ask {
    grant_type: String,
    subject_token: Option<String>,
    subject_token_type: Option<String>,
    /// The rule to exchange by, when a token fits several.
    scope: Option<String>,
}

/// `POST /oauth2/token`
pub(crate) async fn exchange(
    State(app): State<Arc<App>>,
    Origin(address): Origin,
    form: Result<Form<Ask>, FormRejection>,
) -> Response {
    let Ok(Form(ask)) = form else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_request", "send the fields of RFC 8693 as a form");
    };
    if ask.grant_type != GRANT {
        let why = "the only grant here is urn:ietf:params:oauth:grant-type:token-exchange";
        return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", why);
    }
    let kind = ask.subject_token_type.as_deref();
    let (Some(token), true) = (&ask.subject_token, kind.is_some_and(|kind| TOKEN_TYPES.contains(&kind))) else {
        let why = "give `subject_token`, and `subject_token_type` urn:ietf:params:oauth:token-type:jwt";
        return refusal(StatusCode::BAD_REQUEST, "invalid_request", why);
    };
    // A good token passes, as a good key does, however often others failed at the same address. Issuers are asked seldom.
    let wait = app.gate.wait(&Whom::from(address), Instant::now());
    match redeem(&app, token, ask.scope.as_deref(), !wait.is_zero()).await {
        Ok(new) => {
            app.let_in(address);
            granted(&new)
        }
        Err(_) if !wait.is_zero() => {
            app.engine.turned_away(Door::Exchange, "too_many");
            late(wait)
        }
        Err(trouble) => {
            tracing::warn!(%trouble, "a token was not exchanged");
            app.engine.turned_away(Door::Exchange, trouble.reason());
            if trouble.passes() {
                let why = "the token cannot be checked at the moment; the server's log says why";
                return refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", why);
            }
            app.gate.failed(Whom::from(address), Instant::now());
            refusal(StatusCode::BAD_REQUEST, "invalid_grant", "the token is not taken here")
        }
    }
}

async fn redeem(app: &App, token: &str, named: Option<&str>, waits: bool) -> Result<NewKey, Trouble> {
    let issuer =
        issuer_of(token).filter(|issuer| app.engine.token_issuers().contains(issuer)).ok_or(Trouble::Issuer)?;
    let shown = app.issuers.open(&issuer, token).await?;
    // The ledger's own refusal is an entry, and whoever must wait writes none by showing a token again and again.
    if waits && app.engine.token_is_spent(&issuer, &shown.id) {
        return Err(Trouble::Claims);
    }
    let now = Engine::now_ms() / 1000;
    let good = |audience: &str| shown.is_good_for(&Expected { issuer: &issuer, audience, now, skew: SKEW });
    let asked = ShownToken {
        issuer: &issuer,
        id: &shown.id,
        until: shown.until.saturating_mul(1000),
        claim: &|name| shown.text(name),
        is_for: &|audience| good(audience).is_ok(),
    };
    match app.engine.exchange_token(asked, named).await? {
        Some(new) => Ok(new),
        // Why none fits: its claims when it is good for some audience, else what is wrong with it.
        None => Err(unfit(&app.engine.token_audiences(&issuer), good)),
    }
}

fn unfit(audiences: &[String], good: impl Fn(&str) -> Result<(), TokenError>) -> Trouble {
    let mut wrong = None;
    for audience in audiences {
        match good(audience) {
            Ok(()) => return Trouble::Claims,
            Err(error) => wrong = Some(error),
        }
    }
    wrong.map_or(Trouble::Issuer, Trouble::Token)
}

fn granted(new: &NewKey) -> Response {
    let seconds = (new.expires_at - Engine::now_ms()).max(0) / 1000;
    Answer(json!({
        "access_token": new.secret,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": seconds,
        "key": new.key,
    }))
    .into_response()
}

/// An error as OAuth words it (RFC 6749, section 5.2).
fn refusal(status: StatusCode, code: &str, why: &str) -> Response {
    (status, Answer(json!({ "error": code, "error_description": why }))).into_response()
}

fn late(wait: Duration) -> Response {
    let mut response =
        refusal(StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many tokens were refused: wait, then try again");
    response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from(wait.as_secs().max(1)));
    response
}
