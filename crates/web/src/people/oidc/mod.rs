//! Signing in with the company's OpenID Connect provider. What is sent and what must come back is in the crate `oidc`; here
//! are the provider's documents and keys, fetched when they are needed, and the doors.

mod admission;
pub(crate) mod doors;
pub(crate) mod fetch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::oidc::{Expected, Flow, IdToken, Keys, LogoutToken, Provider, TokenError};
use engine::{Engine, Outbound};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;

use crate::settings::OidcSettings;
use fetch::{Fetch, FetchError};

/// How long the provider's documents are good for.
const KEEP: Duration = Duration::from_secs(60 * 60);

/// How soon keys are fetched again because a token names one that is not known. Strangers can name any.
const ROTATE: Duration = Duration::from_secs(30);

/// How many logout tokens are remembered at once, until they would not be taken any more.
const LOGOUTS: usize = 10_000;

/// The provider as this server knows it.
pub(crate) struct Oidc {
    pub settings: OidcSettings,
    /// Where the provider sends people back to.
    redirect_uri: String,
    fetch: Fetch,
    known: tokio::sync::Mutex<Option<Known>>,
    /// Identifiers of logout tokens that were taken, and until when they would be taken again, in seconds.
    logouts: Mutex<HashMap<String, i64>>,
    /// One first sign-in at a time, so that nobody is registered twice.
    registering: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    provider: Arc<Provider>,
    keys: Arc<Keys>,
    at: Instant,
    /// When the keys were fetched again because a token named one that was not known.
    rotated_at: Option<Instant>,
}

/// Why a sign-in came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The provider could not be asked.
    #[error("the provider could not be asked: {0}")]
    Fetch(#[from] FetchError),
    /// What it says of itself cannot be used.
    #[error("the provider's discovery document cannot be used: {0}")]
    Discovery(#[from] ::oidc::DiscoveryError),
    /// Its keys cannot be used.
    #[error("the provider's keys cannot be used: {0}")]
    Keys(#[from] ::oidc::KeyError),
    /// Its answer to a code is none.
    #[error("the provider's answer to a code cannot be read: {0}")]
    Answer(String),
    /// A token is refused.
    #[error("a token is refused: {0}")]
    Token(#[from] TokenError),
}

impl Trouble {
    /// The word for the count of those turned away.
    fn reason(&self) -> &'static str {
        match self {
            Self::Token(error) => error.as_str(),
            Self::Fetch(FetchError::Status(..)) => "code",
            Self::Fetch(_) => "unreachable",
            Self::Discovery(_) | Self::Keys(_) | Self::Answer(_) => "provider",
        }
    }
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Oidc {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When the certificates in the settings are none.
    pub(crate) fn new(settings: OidcSettings, public_url: &str, outbound: &Outbound) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        match settings.authorities.is_empty() {
            true => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            false => {
                for authority in &settings.authorities {
                    roots.add(CertificateDer::from(authority.clone()))?;
                }
            }
        }
        let own = settings.issuer.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let hosts = settings.hosts.iter().cloned().chain(own).collect();
        Ok(Self {
            redirect_uri: format!("{public_url}/signin/oidc/callback"),
            fetch: Fetch::new(outbound.clone(), hosts, roots)?,
            settings,
            known: tokio::sync::Mutex::default(),
            logouts: Mutex::default(),
            registering: tokio::sync::Mutex::default(),
        })
    }

    /// The provider's documents, fetched again when they are old. While they cannot be, the old ones serve.
    async fn known(&self) -> Result<Known, Trouble> {
        let mut known = self.known.lock().await;
        match &*known {
            Some(known) if known.at.elapsed() < KEEP => return Ok(known.clone()),
            _ => {}
        }
        match (self.discover().await, &mut *known) {
            (Ok(fresh), known) => Ok(known.insert(fresh).clone()),
            (Err(trouble), Some(old)) => {
                tracing::warn!(%trouble, "the provider's documents are old and could not be fetched again");
                // Not at each request.
                old.at += ROTATE;
                Ok(old.clone())
            }
            (Err(trouble), None) => Err(trouble),
        }
    }

    async fn discover(&self) -> Result<Known, Trouble> {
        let document = self.fetch.get(&Provider::address(&self.settings.issuer)).await?;
        let provider = Provider::parse(&self.settings.issuer, &document)?;
        let keys = Keys::parse(&self.fetch.get(&provider.jwks_uri).await?)?;
        Ok(Known { provider: Arc::new(provider), keys: Arc::new(keys), at: Instant::now(), rotated_at: None })
    }

    /// Does something with the provider's keys, and once more with new ones when a token names a key that is not known:
    /// providers change their keys without notice.
    async fn with_keys<T>(&self, check: impl Fn(&Keys) -> Result<T, TokenError>) -> Result<T, Trouble> {
        let known = self.known().await?;
        match check(&known.keys) {
            Err(TokenError::UnknownKey) => {}
            checked => return Ok(checked?),
        }
        let mut slot = self.known.lock().await;
        let due = |current: &&mut Known| current.rotated_at.is_none_or(|at| at.elapsed() >= ROTATE);
        if let Some(current) = slot.as_mut().filter(due) {
            current.rotated_at = Some(Instant::now());
            let keys = Keys::parse(&self.fetch.get(&current.provider.jwks_uri).await?)?;
            current.keys = Arc::new(keys);
        }
        let keys = slot.as_ref().map_or(known.keys, |current| Arc::clone(&current.keys));
        drop(slot);
        Ok(check(&keys)?)
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: &self.settings.issuer,
            audience: &self.settings.client_id,
            now: Engine::now_ms() / 1000,
            skew: i64::try_from(self.settings.clock_skew.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// Exchanges a code for an ID token, and checks that.
    async fn redeem(&self, flow: &Flow, code: &str) -> Result<IdToken, Trouble> {
        let known = self.known().await?;
        let client = (self.settings.client_id.as_str(), self.settings.client_secret.as_deref());
        let (form, authorization) = known.provider.exchange(flow, code, &self.redirect_uri, client);
        let answer = self.fetch.post(&known.provider.token_endpoint, form, authorization).await?;
        // The parser's own words could repeat what it read.
        let tokens: Tokens =
            serde_json::from_slice(&answer).map_err(|_| Trouble::Answer("it has no ID token".to_owned()))?;
        let (expected, nonce) = (self.expected(), flow.nonce());
        self.with_keys(|keys| IdToken::check(keys, &tokens.id_token, &expected, &nonce)).await
    }

    /// Checks a logout token, which is good once.
    async fn signed_out(&self, token: &str) -> Result<LogoutToken, Trouble> {
        let expected = self.expected();
        let token = self.with_keys(|keys| LogoutToken::check(keys, token, &expected)).await?;
        let mut logouts = self.logouts.lock().unwrap_or_else(PoisonError::into_inner);
        if logouts.len() >= LOGOUTS {
            logouts.retain(|_, until| *until > expected.now);
        }
        let seen = logouts.contains_key(&token.id) || logouts.len() >= LOGOUTS;
        if seen {
            return Err(TokenError::Events.into());
        }
        logouts.insert(token.id.clone(), token.until);
        Ok(token)
    }

    /// Where to send somebody who signs out here, so that they sign out there too; `None` when the provider does not
    /// offer it or cannot be asked.
    pub(crate) async fn sign_out_address(&self, back: &str) -> Option<String> {
        let known = self.known().await.ok()?;
        known.provider.sign_out_address(&self.settings.client_id, back)
    }
}
