//! What a browser is asked, as JSON: the options of `navigator.credentials.create` and `.get`, bytes in base64url.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{Algorithm, Site, TIMEOUT_MS};

/// For whom a passkey is made, as their device is told.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// By which the authenticator files the passkey: 1 to 64 bytes that tell nothing about the person.
    pub handle: &'a [u8],
    /// What tells the person's accounts at this site apart.
    pub name: &'a str,
    /// What to call them.
    pub display_name: &'a str,
}

/// Asks for a passkey to be made. `known` are the credential identifiers that the person has, so that no device makes two.
#[must_use]
pub fn ask_to_make(site: &Site, site_name: &str, user: &User<'_>, challenge: &[u8], known: &[Vec<u8>]) -> Value {
    let algorithms = Algorithm::ALL.map(|algorithm| json!({"type": "public-key", "alg": algorithm.cose()}));
    let known: Vec<Value> = known.iter().map(|id| json!({"type": "public-key", "id": encode(id)})).collect();
    json!({
        "rp": {"id": site.id, "name": site_name},
        "user": {"id": encode(user.handle), "name": user.name, "displayName": user.display_name},
        "challenge": encode(challenge),
        "pubKeyCredParams": algorithms,
        "timeout": TIMEOUT_MS,
        "excludeCredentials": known,
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "attestation": "none",
    })
}

/// Asks for a passkey of whoever the browser finds one of. Nobody is named, so nothing is told about who is known.
#[must_use]
pub fn ask_for_any(site: &Site, challenge: &[u8]) -> Value {
    json!({
        "challenge": encode(challenge),
        "timeout": TIMEOUT_MS,
        "rpId": site.id,
        "allowCredentials": [],
        "userVerification": "required",
    })
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
