//! Passkeys in the ledger's form and in that of the checks.

use domain::people::{Algorithm, Passkey};
use sha2::{Digest, Sha256};
use webauthn::PublicKey;

/// By which an authenticator files a passkey under its owner. It is on the device of a person, so it is not the pseudonym.
pub(super) fn handle(log_origin: &str, actor: &str) -> Vec<u8> {
    let begun = Sha256::new().chain_update("cf/passkey/v1\n").chain_update(log_origin).chain_update("\n");
    begun.chain_update(actor).finalize().to_vec()
}

/// The algorithm as the ledger names it.
pub(super) fn algorithm(of: webauthn::Algorithm) -> Algorithm {
    match of {
        webauthn::Algorithm::Ed25519 => Algorithm::Ed25519,
        webauthn::Algorithm::Es256 => Algorithm::Es256,
        webauthn::Algorithm::Es384 => Algorithm::Es384,
        webauthn::Algorithm::Rs256 => Algorithm::Rs256,
    }
}

/// The public key of a passkey of the ledger.
pub(super) fn public_key(passkey: &Passkey) -> Option<PublicKey> {
    let algorithm = match passkey.registered.algorithm {
        Algorithm::Ed25519 => webauthn::Algorithm::Ed25519,
        Algorithm::Es256 => webauthn::Algorithm::Es256,
        Algorithm::Es384 => webauthn::Algorithm::Es384,
        Algorithm::Rs256 => webauthn::Algorithm::Rs256,
    };
    let bytes = merkle::unhex(&passkey.registered.public_key).ok()?;
    Some(PublicKey { algorithm, bytes })
}
