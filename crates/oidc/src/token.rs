//! What the claims of a token must say (OpenID Connect Core 1.0, section 3.1.3.7).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::Keys;

/// Claims that were signed by the provider.
pub type Claims = Map<String, Value>;

/// Why a token is refused. The words are for the operator's records: to whoever sent the token, all are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token, or has parts that are not understood.
    #[error("it is not a signed token")]
    Malformed,
    /// It is signed with an algorithm that is not taken, or not signed.
    #[error("it is not signed with an algorithm that is taken here")]
    Algorithm,
    /// It names a key that the provider does not publish.
    #[error("it names a key that the provider does not publish")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// Another issuer made it.
    #[error("another issuer made it")]
    Issuer,
    /// It is for another client.
    #[error("it is for another client")]
    Audience,
    /// Its time is over, has not come, or is not given.
    #[error("its time is over or has not come")]
    Time,
    /// It does not belong to this sign-in.
    #[error("it does not belong to this sign-in")]
    Nonce,
    /// It does not say of whom it speaks.
    #[error("it does not say of whom it speaks")]
    Subject,
    /// It is no logout token.
    #[error("it is not a logout token")]
    Events,
}

impl TokenError {
    /// The word used in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Nonce => "nonce",
            Self::Subject => "subject",
            Self::Events => "events",
        }
    }
}

/// What a token is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who must have made it.
    pub issuer: &'a str,
    /// For whom it must be.
    pub audience: &'a str,
    /// The time, in seconds since the epoch.
    pub now: i64,
    /// Seconds that the two clocks may be apart.
    pub skew: i64,
}

/// The longest time that a token counts as just issued, in seconds, beside the skew.
const ISSUED_SECONDS: i64 = 600;

/// The longest subject, in bytes: OpenID Connect Core allows 255 ASCII characters.
const SUBJECT_BYTES: usize = 255;

impl Expected<'_> {
    /// Checks who made claims, for whom, and when.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, claims: &Claims) -> Result<(), TokenError> {
        // A token of a sign-in that is for several must say which of them it was made for.
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        self.check_but_party(claims)?;
        if several && text(claims, "azp").is_none() { Err(TokenError::Audience) } else { Ok(()) }
    }

    /// The same of a token whose audience may be a list, whoever else is in it (RFC 7519, section 4.1.3).
    fn check_but_party(&self, claims: &Claims) -> Result<(), TokenError> {
        if text(claims, "iss") != Some(self.issuer) {
            return Err(TokenError::Issuer);
        }
        let for_us = match claims.get("aud") {
            Some(Value::String(one)) => one == self.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one == self.audience),
            _ => false,
        };
        // One that says for which of several it was made must mean us.
        if !for_us || text(claims, "azp").is_some_and(|party| party != self.audience) {
            return Err(TokenError::Audience);
        }
        let (ends, issued) = (seconds(claims, "exp"), seconds(claims, "iat"));
        let begins = claims.get("nbf").map(|_| seconds(claims, "nbf").unwrap_or(i64::MAX));
        let over = ends.is_none_or(|ends| ends.saturating_add(self.skew) <= self.now);
        let early = |at: i64| at.saturating_sub(self.skew) > self.now;
        if over || issued.is_none_or(early) || begins.is_some_and(early) {
            return Err(TokenError::Time);
        }
        Ok(())
    }
}

/// What an ID token says, after it was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    /// Of whom it speaks: unique and never used again, within the issuer.
    pub subject: String,
    /// When they proved who they are, in seconds since the epoch, if the provider says so.
    pub authenticated_at: Option<i64>,
    /// Whether it took more than one factor, as far as the provider says (`amr`, RFC 8176).
    pub mfa: bool,
    /// The provider's own session, if it names one.
    pub session: Option<String>,
    /// Everything that it claims.
    pub claims: Claims,
}

impl IdToken {
    /// Checks an ID token of a sign-in with this nonce.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(keys: &Keys, token: &str, expected: &Expected<'_>, nonce: &str) -> Result<Self, TokenError> {
        let claims = keys.open(token)?;
        expected.check(&claims)?;
        let issued = seconds(&claims, "iat").unwrap_or(0);
        if issued.saturating_add(ISSUED_SECONDS + expected.skew) < expected.now {
            return Err(TokenError::Time);
        }
        if text(&claims, "nonce") != Some(nonce) {
            return Err(TokenError::Nonce);
        }
        let subject = text(&claims, "sub").filter(|subject| is_subject(subject)).ok_or(TokenError::Subject)?.to_owned();
        let authenticated_at = match claims.get("auth_time") {
            None | Some(Value::Null) => None,
            // A time to come would count as fresh for long.
            Some(_) => match seconds(&claims, "auth_time") {
                Some(at) if at.saturating_sub(expected.skew) <= expected.now => Some(at.min(expected.now)),
                _ => return Err(TokenError::Time),
            },
        };
        let session =
            text(&claims, "sid").filter(|sid| !sid.is_empty() && sid.len() <= SUBJECT_BYTES).map(str::to_owned);
        Ok(Self { subject, authenticated_at, mfa: has_mfa(&claims), session, claims })
    }

    /// The texts of a claim that is a list, such as `groups`; a single text counts as a list of one. At most `limit`.
    #[must_use]
    pub fn list(&self, claim: &str, limit: usize) -> Vec<&str> {
        match self.claims.get(claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).take(limit).collect(),
            _ => vec![],
        }
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        text(&self.claims, claim)
    }

    /// The domain of the e-mail address, in lower case, if the provider says that it verified the address. A domain with
    /// anything but ASCII in it is none: letters that look like others would pass for them.
    #[must_use]
    pub fn email_domain(&self) -> Option<String> {
        let verified = matches!(self.claims.get("email_verified"), Some(Value::Bool(true)));
        let (name, domain) = self.text("email")?.rsplit_once('@')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let good = verified && !name.is_empty() && !domain.is_empty() && domain.chars().all(plain);
        good.then(|| domain.to_ascii_lowercase())
    }
}

/// Who a token says made it. Nothing of it is checked: it tells only whose keys to check it with.
#[must_use]
pub fn issuer_of(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Issued {
        iss: String,
    }
    let payload = token.split('.').nth(1).filter(|payload| payload.len() <= crate::MAX_BYTES)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Issued>(&bytes).ok().map(|issued| issued.iss)
}

/// A token that a CI job or another program shows to say what it is, signed by its issuer. For whom it must be is known only
/// with the rule that it fits, so audience and times are asked for with [`JobToken::is_good_for`].
#[derive(Clone, Debug, PartialEq)]
pub struct JobToken {
    /// Its identifier, unique within the issuer: who sees it again has seen the token before.
    pub id: String,
    /// Until when it would be taken, in seconds since the epoch: so long its identifier must be remembered.
    pub until: i64,
    claims: Claims,
}

impl JobToken {
    /// Reads a token that one of these keys signed.
    ///
    /// # Errors
    /// Why it is refused; one without an identifier could be shown again and again.
    pub fn open(keys: &Keys, token: &str, skew: i64) -> Result<Self, TokenError> {
        let claims = keys.open(token)?;
        let id = text(&claims, "jti").filter(|id| is_subject(id)).ok_or(TokenError::Subject)?.to_owned();
        let until = seconds(&claims, "exp").ok_or(TokenError::Time)?.saturating_add(skew);
        Ok(Self { id, until, claims })
    }

    /// Whether it is by the issuer, for the audience, alone or among others, and its time has come and is not over.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn is_good_for(&self, expected: &Expected<'_>) -> Result<(), TokenError> {
        expected.check_but_party(&self.claims)
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        text(&self.claims, claim)
    }
}

/// RFC 8176: `mfa` says it outright; else two kinds of factor do. Microsoft and others send `mfa`.
fn has_mfa(claims: &Claims) -> bool {
    let methods: Vec<&str> = match claims.get("amr") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return false,
    };
    let any = |words: &[&str]| methods.iter().any(|method| words.contains(method));
    let kinds = [
        any(&["pwd", "pin", "kba"]),
        any(&["otp", "hwk", "swk", "sc", "sms", "tel", "pop"]),
        any(&["face", "fpt", "iris", "retina", "vbm", "bio"]),
    ];
    any(&["mfa"]) || kinds.into_iter().filter(|kind| *kind).count() >= 2
}

pub(crate) fn is_subject(subject: &str) -> bool {
    !subject.is_empty() && subject.len() <= SUBJECT_BYTES && !subject.chars().any(char::is_control)
}

pub(crate) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// A time: a JSON number of seconds, which may have a fraction.
pub(crate) fn seconds(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    let whole = |f: f64| (f.is_finite() && (0.0..1e12).contains(&f)).then_some(f as i64);
    value.as_i64().filter(|at| (0..1_000_000_000_000).contains(at)).or_else(|| value.as_f64().and_then(whole))
}
