//! A provider's keys (RFC 7517), and the tokens that they sign (RFC 7515, compact form).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{MAX_BYTES, TokenError};

/// The most keys that are kept of a set, and tried for a token that names none.
const MAX_KEYS: usize = 64;

/// The largest token, in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// The algorithms that a token may be signed with (RFC 7518, RFC 8037). Never `none`, and never one with a shared secret:
/// whoever knows a provider's public key could sign with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "RS512" => Some(Self::Rs512),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key, by its kind: what it may be used with follows from that, and not from what a token says.
#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of the curve P-256, uncompressed.
    P256(Vec<u8>),
    /// A point of the curve P-384, uncompressed.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Public {
    fn of(jwk: &Jwk) -> Option<Self> {
        let bytes = |text: &Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        // Whole numbers, which some providers write with a zero before them.
        let number = |text: &Option<String>| {
            let bytes = bytes(text)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes.get(zeros..)?.to_vec())
        };
        let point = |width: usize| {
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            (x.len() == width && y.len() == width).then(|| [&[4_u8][..], x.as_slice(), y.as_slice()].concat())
        };
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => Some(Self::Rsa { n: number(&jwk.n)?, e: number(&jwk.e)? }),
            ("EC", Some("P-256")) => point(32).map(Self::P256),
            ("EC", Some("P-384")) => point(48).map(Self::P384),
            ("OKP", Some("Ed25519")) => bytes(&jwk.x).filter(|x| x.len() == 32).map(Self::Ed25519),
            _ => None,
        }
    }

    /// Whether a signature by this algorithm is this key's.
    fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let rsa = |n: &[u8], e: &[u8], parameters: &RsaParameters| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
        };
        let verified = match (self, algorithm) {
            (Self::Rsa { n, e }, Algorithm::Rs256) => rsa(n, e, &RSA_PKCS1_2048_8192_SHA256),
            (Self::Rsa { n, e }, Algorithm::Rs384) => rsa(n, e, &RSA_PKCS1_2048_8192_SHA384),
            (Self::Rsa { n, e }, Algorithm::Rs512) => rsa(n, e, &RSA_PKCS1_2048_8192_SHA512),
            (Self::Rsa { n, e }, Algorithm::Ps256) => rsa(n, e, &RSA_PSS_2048_8192_SHA256),
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Self::Ed25519(key), Algorithm::EdDsa) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            _ => return false,
        };
        verified.is_ok()
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => {
                matches!(algorithm, Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256)
            }
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }
}

/// A key of a set, as far as it matters here.
#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, if it says.
    only: Option<Algorithm>,
    public: Public,
}

/// A provider's public keys.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

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

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Key {
    /// The key, if it is public and signs with an algorithm that is taken here.
    fn of(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let only = match &jwk.alg {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        let public = Public::of(&jwk)?;
        let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        (signs && only.is_none_or(|only| public.fits(only))).then_some(Self { id: jwk.kid, only, public })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11). None is.
    crit: Option<Value>,
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
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::of).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(keys)) }
    }

    /// The claims of a token that one of these keys signed. What the claims say is not judged yet. Keys that a token brings
    /// or points to itself are not looked at.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`] when the token names a key that is not here: the set may have changed since it was
    /// fetched. Otherwise why it is no token of this provider.
    pub fn open(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (head, body) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
        let header: Header = serde_json::from_slice(&decoded(head)?).map_err(|_| TokenError::Malformed)?;
        let algorithm = Algorithm::named(&header.alg).ok_or(TokenError::Algorithm)?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let named = |key: &&Key| header.kid.is_none() || key.id == header.kid;
        let fits = |key: &&Key| key.public.fits(algorithm) && key.only.is_none_or(|only| only == algorithm);
        let mut known = self.0.iter().filter(named).filter(fits).peekable();
        if known.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        let signature = decoded(signature)?;
        if !known.any(|key| key.public.signed(algorithm, message.as_bytes(), &signature)) {
            return Err(TokenError::Signature);
        }
        serde_json::from_slice(&decoded(body)?).map_err(|_| TokenError::Malformed)
    }
}
