//! What a provider says of itself (OpenID Connect Discovery 1.0).

use serde::Deserialize;

use crate::MAX_BYTES;

/// A provider, as its discovery document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Who it is: exactly the issuer that was asked.
    pub issuer: String,
    /// Where people are sent to sign in.
    pub authorization_endpoint: String,
    /// Where a code is exchanged for tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where people are sent to sign out there too, if it offers that.
    pub end_session_endpoint: Option<String>,
    /// Whether it takes a client's secret in the body only (`client_secret_post`).
    pub secret_in_body: bool,
    /// Whether its answers name the issuer (RFC 9207), so that one without must be refused.
    pub names_issuer: bool,
}

/// Why a discovery document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not a discovery document.
    #[error("it is not a discovery document: {0}")]
    Malformed(String),
    /// It is another provider's.
    #[error("it says that its issuer is `{0}`: name exactly that in the settings, if it is the one that you mean")]
    Issuer(String),
    /// An endpoint is not at an address that is safe to use.
    #[error("its `{0}` is not at https, nor on this machine")]
    Insecure(&'static str),
    /// It cannot do what is needed.
    #[error("it does not support {0}")]
    Unsupported(&'static str),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    response_types_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the keys of an issuer are, by the discovery document that was fetched for it. Issuers that only sign tokens, as
/// CI systems do, say nothing of how people sign in.
///
/// # Errors
/// [`DiscoveryError`]; above all when the document is another issuer's.
pub fn keys_address(issuer: &str, bytes: &[u8]) -> Result<String, DiscoveryError> {
    #[derive(Deserialize)]
    struct Short {
        issuer: String,
        jwks_uri: String,
    }
    if bytes.len() > MAX_BYTES {
        return Err(DiscoveryError::Malformed(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let document: Short = serde_json::from_slice(bytes).map_err(|e| DiscoveryError::Malformed(e.to_string()))?;
    if document.issuer != issuer {
        return Err(DiscoveryError::Issuer(document.issuer));
    }
    if is_secure(&document.jwks_uri) { Ok(document.jwks_uri) } else { Err(DiscoveryError::Insecure("jwks_uri")) }
}

impl Provider {
    /// Where the discovery document of an issuer is.
    #[must_use]
    pub fn address(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Reads the discovery document that was fetched for `issuer`.
    ///
    /// # Errors
    /// [`DiscoveryError`]; above all when the document is another issuer's.
    pub fn parse(issuer: &str, bytes: &[u8]) -> Result<Self, DiscoveryError> {
        if bytes.len() > MAX_BYTES {
            return Err(DiscoveryError::Malformed(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let document: Document = serde_json::from_slice(bytes).map_err(|e| DiscoveryError::Malformed(e.to_string()))?;
        if document.issuer != issuer {
            return Err(DiscoveryError::Issuer(document.issuer));
        }
        let endpoints = [
            ("authorization_endpoint", Some(&document.authorization_endpoint)),
            ("token_endpoint", Some(&document.token_endpoint)),
            ("jwks_uri", Some(&document.jwks_uri)),
            ("end_session_endpoint", document.end_session_endpoint.as_ref()),
        ];
        for (name, endpoint) in endpoints {
            if endpoint.is_some_and(|endpoint| !is_secure(endpoint)) {
                return Err(DiscoveryError::Insecure(name));
            }
        }
        // What a document does not list, the specification gives a default to, or leaves open.
        let lists = |list: &Option<Vec<String>>, word: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|known| known == word))
        };
        if !lists(&document.response_types_supported, "code") {
            return Err(DiscoveryError::Unsupported("the authorisation code flow (response type `code`)"));
        }
        if !lists(&document.code_challenge_methods_supported, "S256") {
            return Err(DiscoveryError::Unsupported("PKCE with `S256`"));
        }
        let methods = document.token_endpoint_auth_methods_supported;
        let secret_in_body = methods.as_ref().is_some_and(|methods| {
            let has = |word: &str| methods.iter().any(|method| method == word);
            has("client_secret_post") && !has("client_secret_basic")
        });
        Ok(Self {
            issuer: document.issuer,
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            jwks_uri: document.jwks_uri,
            end_session_endpoint: document.end_session_endpoint,
            secret_in_body,
            names_issuer: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// Whether an address is at https, or at http on this very machine, and plain: without credentials or fragment.
pub(crate) fn is_secure(address: &str) -> bool {
    let printable = address.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'#'));
    let authority = |rest: &str| rest.split(['/', '?']).next().unwrap_or_default().to_owned();
    let plain = |authority: &str| !authority.is_empty() && !authority.contains('@');
    let safe = match address.split_once("://") {
        Some(("https", rest)) => plain(&authority(rest)),
        Some(("http", rest)) => {
            let authority = authority(rest);
            let host = match authority.strip_prefix('[') {
                Some(rest) => rest.split(']').next().unwrap_or_default(),
                None => authority.split(':').next().unwrap_or_default(),
            };
            plain(&authority) && matches!(host, "localhost" | "127.0.0.1" | "::1")
        }
        _ => false,
    };
    printable && safe && address.len() <= 2048
}
