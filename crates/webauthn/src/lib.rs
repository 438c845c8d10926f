//! WebAuthn, the relying party's half and the part that is pure: what a browser is asked, and whether its answer proves
//! anything. Bytes come in, verdicts go out; nothing here remembers a challenge or knows whose a passkey is.
//!
//! Of the specification (WebAuthn level 3, sections 7.1 and 7.2) it has what passkeys need: discoverable credentials, a
//! user that the authenticator verified, no extensions that matter, and no attestation. An attestation that comes unasked
//! is not looked at, since nothing would follow from it.

mod answer;
mod cbor;
mod client;
mod data;
mod key;
mod options;
mod site;
#[cfg(test)]
mod tests;

pub use answer::{Assertion, Creation, Made};
pub use key::{Algorithm, PublicKey};
pub use options::{User, ask_for_any, ask_to_make};
pub use site::{NoPasskeys, Site};

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The longest credential identifier, in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 1023;

/// How long a person may take to answer, in milliseconds, as browsers are told.
pub const TIMEOUT_MS: u32 = 180_000;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not what a browser or an authenticator sends, or not an answer to what was asked.
    Form,
    /// It answers another challenge.
    Challenge,
    /// A page of another origin asked for it.
    Origin,
    /// It is for another site.
    Site,
    /// The authenticator did not verify its user.
    UserNotVerified,
    /// The signature does not hold.
    Signature,
}

impl Flaw {
    /// The flaw in a word, of small letters and underscores.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Challenge => "challenge",
            Self::Origin => "origin",
            Self::Site => "site",
            Self::UserNotVerified => "user_not_verified",
            Self::Signature => "signature",
        }
    }
}
