//! A provider's keys (RFC 7517), and the tokens that they sign.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{MAX_BYTES, TokenError};

/// The algorithms that a token may be signed with. Never `none`, and never one with a shared secret: whoever knows a
/// provider's public key could sign with it.
const ALGORITHMS: [Algorithm; 7] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The most keys that are kept of a set, and tried for a token that names none.
const MAX_KEYS: usize = 64;

/// The largest token, in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// A provider's public keys.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Jwk>);

/// Why a set of keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no set of keys.
    #[error("it is not a set of keys (RFC 7517): {0}")]
    Malformed(String),
    /// There is no key in it that could sign tokens.
    #[error("there is no public key in it that signs tokens")]
    Empty,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a set of keys. Keys that are of no use here are passed over, as RFC 7517 demands.
    ///
    /// # Errors
    /// [`KeyError`] when it is no set, or has no usable key.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > MAX_BYTES {
            return Err(KeyError::Malformed(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let set: Set = serde_json::from_slice(bytes).map_err(|e| KeyError::Malformed(e.to_string()))?;
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let public = |key: &Jwk| {
            let signs = key.common.public_key_use.as_ref().is_none_or(|what| *what == PublicKeyUse::Signature);
            let shared = matches!(key.algorithm, AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_));
            signs && !shared
        };
        let keys: Vec<Jwk> = keys.filter(public).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(keys)) }
    }

    /// The claims of a token that one of these keys signed. What the claims say is not judged yet.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`] when the token names a key that is not here: the set may have changed since it was
    /// fetched. Otherwise why it is no token of this provider.
    pub fn open(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        // Extensions that must be understood, and none is.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
        let fits =
            |key: &&Jwk| key.common.key_algorithm.is_none_or(|of| of.to_algorithm().is_ok_and(|of| of == header.alg));
        let mut known = self.0.iter().filter(named).filter(fits).peekable();
        if known.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        let mut signature_only = Validation::new(header.alg);
        signature_only.required_spec_claims.clear();
        (signature_only.validate_exp, signature_only.validate_nbf, signature_only.validate_aud) = (false, false, false);
        let keys =
            known.filter_map(|key| DecodingKey::from_jwk(key).ok()).filter(|key| key.family() == header.alg.family());
        let mut opened = keys.filter_map(|key| decode::<Map<String, Value>>(token, &key, &signature_only).ok());
        opened.next().map(|data| data.claims).ok_or(TokenError::Signature)
    }
}
