//! One sign-in: what is sent with the browser, and what it must bring back.
//!
//! All of it is derived from one random secret that the browser keeps in a cookie: the state, the nonce and the PKCE
//! verifier. So the server need remember nothing of sign-ins under way, and nobody can fill its memory with them; and an
//! answer fits only the browser that asked.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::Provider;

/// A sign-in under way, known by its secret.
#[derive(Clone)]
pub struct Flow {
    secret: String,
}

/// What is asked of the provider.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub client_id: &'a str,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// What is asked for; `openid` is added when it is missing.
    pub scopes: &'a [String],
    /// How old the provider's own session may be, in seconds; 0 asks the person to prove who they are now.
    pub max_age: u64,
}

impl Flow {
    /// A sign-in with this secret, of 256 random bits.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into() }
    }

    /// What comes back with the answer.
    #[must_use]
    pub fn state(&self) -> String {
        self.derived("state")
    }

    /// What must stand in the ID token.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.derived("nonce")
    }

    /// What proves to the provider that whoever exchanges the code is whoever asked for it (RFC 7636).
    #[must_use]
    pub fn verifier(&self) -> String {
        self.derived("verifier")
    }

    /// The challenge to a verifier, by method `S256`.
    #[must_use]
    pub fn challenge(verifier: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
    }

    /// Whether an answer's state is this sign-in's. Takes the same time wherever they differ.
    #[must_use]
    pub fn is_of(&self, state: &str) -> bool {
        let own = self.state();
        let differing = own.bytes().zip(state.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == state.len() && differing == 0
    }

    /// The address to send the browser to.
    #[must_use]
    pub fn address(&self, provider: &Provider, request: &Request<'_>) -> String {
        let mut scopes: Vec<&str> = request.scopes.iter().map(String::as_str).collect();
        if !scopes.contains(&"openid") {
            scopes.insert(0, "openid");
        }
        let (scope, max_age) = (scopes.join(" "), request.max_age.to_string());
        let (state, nonce, challenge) = (self.state(), self.nonce(), Self::challenge(&self.verifier()));
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", request.client_id),
            ("redirect_uri", request.redirect_uri),
            ("scope", scope.as_str()),
            ("state", state.as_str()),
            ("nonce", nonce.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("max_age", max_age.as_str()),
        ];
        if request.max_age == 0 {
            pairs.push(("prompt", "login"));
        }
        with_query(&provider.authorization_endpoint, &pairs)
    }

    fn derived(&self, what: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(b"counterfoil sign-in ");
        hash.update(what.as_bytes());
        hash.update(b"\n");
        hash.update(self.secret.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

/// An address with more parameters.
pub(crate) fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{}", form(pairs))
}

/// Pairs in the form of `application/x-www-form-urlencoded`.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Text with everything but RFC 3986's unreserved characters percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

impl Provider {
    /// Where to send a browser to sign out at the provider too, if it offers that.
    #[must_use]
    pub fn sign_out_address(&self, client_id: &str, back: &str) -> Option<String> {
        let endpoint = self.end_session_endpoint.as_deref()?;
        Some(with_query(endpoint, &[("client_id", client_id), ("post_logout_redirect_uri", back)]))
    }

    /// The body that exchanges a code, and the `Authorization` header that goes with it, if there is a secret.
    #[must_use]
    pub fn exchange(
        &self,
        flow: &Flow,
        code: &str,
        redirect_uri: &str,
        client: (&str, Option<&str>),
    ) -> (String, Option<String>) {
        let (id, secret) = client;
        let verifier = flow.verifier();
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.as_str()),
        ];
        match secret {
            None => pairs.push(("client_id", id)),
            Some(secret) if self.secret_in_body => pairs.extend([("client_id", id), ("client_secret", secret)]),
            Some(secret) => {
                // RFC 6749, section 2.3.1: both are form-encoded first.
                let both = format!("{}:{}", encoded(id), encoded(secret));
                let header = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(both));
                return (form(&pairs), Some(header));
            }
        }
        (form(&pairs), None)
    }
}
