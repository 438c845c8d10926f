//! OpenID Connect, the part that is pure: what a provider says of itself, its keys, the tokens that it signs, and what a
//! sign-in sends and must get back. Bytes and the time come in, verdicts go out; nothing here asks the network.
//!
//! Specifications: OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0; RFC 7515, 7517 and 7519 for tokens and
//! keys, RFC 7636 for PKCE, RFC 9207 for the issuer in an answer.

mod discovery;
mod flow;
mod keys;
mod logout;
mod token;

pub use discovery::{DiscoveryError, Provider, keys_address};
pub use flow::{Flow, Request};
pub use keys::{KeyError, Keys};
pub use logout::LogoutToken;
pub use token::{Claims, Expected, IdToken, JobToken, TokenError, issuer_of};

/// The largest document or token that is read, in bytes.
pub const MAX_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests;
