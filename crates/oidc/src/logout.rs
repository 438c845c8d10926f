//! The provider's word that somebody signed out there (OpenID Connect Back-Channel Logout 1.0, section 2.6).

use serde_json::Value;

use crate::Keys;
use crate::token::{Expected, TokenError, is_subject, seconds, text};

/// The event that a logout token must speak of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long ago a logout token may have been issued, in seconds, beside the skew.
const ISSUED_SECONDS: i64 = 120;

/// What a logout token says, after it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Unique to this token: who sees it again, has seen the token before.
    pub id: String,
    /// Until when it would be taken, in seconds since the epoch: so long its identifier must be remembered.
    pub until: i64,
    /// Who signed out, if it says.
    pub subject: Option<String>,
    /// Which of the provider's sessions is over, if it says.
    pub session: Option<String>,
}

impl LogoutToken {
    /// Checks a logout token. Whether it was seen before is the caller's to know.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(keys: &Keys, token: &str, expected: &Expected<'_>) -> Result<Self, TokenError> {
        let claims = keys.open(token)?;
        // An ID token is none, which its nonce or the missing event tells.
        let event = claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object);
        if !event || claims.contains_key("nonce") {
            return Err(TokenError::Events);
        }
        // Not every provider gives a logout token an end; it counts as just issued for a short while in any case.
        let issued = seconds(&claims, "iat").ok_or(TokenError::Time)?;
        let last = issued.saturating_add(ISSUED_SECONDS);
        let mut timed = claims.clone();
        let ends = seconds(&claims, "exp").map_or(last, |ends| ends.min(last));
        timed.insert("exp".into(), ends.into());
        expected.check(&timed)?;
        let short = |name: &str| text(&claims, name).filter(|text| is_subject(text)).map(str::to_owned);
        let (subject, session) = (short("sub"), short("sid"));
        if subject.is_none() && session.is_none() {
            return Err(TokenError::Subject);
        }
        let id = short("jti").ok_or(TokenError::Malformed)?;
        Ok(Self { id, until: ends.saturating_add(expected.skew), subject, session })
    }
}
