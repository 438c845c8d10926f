//! The doors by which people and programs come in, and the count of those who were turned away.
//!
//! Strangers can knock as often as they like. If each knock were an event, they could fill the ledger; so those turned away
//! are counted, by door and reason, and the counts are events. Nothing that a stranger sent is in them.

use serde::{Deserialize, Serialize};

use crate::{Event, Refusal, RefusalCode};

/// A door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// One-time links.
    Link,
    /// Coming back from the OpenID Connect provider.
    Oidc,
    /// The provider's word that somebody signed out there.
    Logout,
    /// Keys of the management API.
    Key,
    /// Codes that let a command line in.
    Login,
    /// Passkeys.
    Passkey,
    /// Recovery codes.
    Recovery,
    /// Exchanging what a program shows for a key.
    Exchange,
}

impl Door {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Oidc => "oidc",
            Self::Logout => "logout",
            Self::Key => "key",
            Self::Login => "login",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
            Self::Exchange => "exchange",
        }
    }
}

/// Some were turned away at a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigninRefused {
    /// Where.
    pub door: Door,
    /// Why, in a word.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When the first was, in milliseconds since the epoch.
    pub first_at: i64,
    /// When the last was.
    pub last_at: i64,
}

pub(crate) fn count(body: &SigninRefused) -> Result<Vec<Event>, Refusal> {
    let word =
        body.reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && (1..=40).contains(&body.reason.len());
    match word && body.count > 0 && body.first_at <= body.last_at {
        true => Ok(vec![Event::SigninRefused(body.clone())]),
        false => {
            Err(Refusal::new(RefusalCode::Invalid, "a count of refusals has a reason, a number and an order of times"))
        }
    }
}
