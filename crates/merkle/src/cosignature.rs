//! Witness cosignatures (C2SP tlog-cosignature, Ed25519): the statement that, at a time, the largest consistent tree
//! the witness had seen of a log was the one in this checkpoint.

use crate::key::{KeyAlgorithm, KeyError, SignerKey, VerifierKey};
use crate::note::NoteSignature;

/// Timestamps above this are not valid (C2SP tlog-cosignature, format).
const MAX_TIMESTAMP: u64 = i64::MAX as u64;

/// The private key of a witness. Forgotten securely when dropped, and never printed.
#[derive(Debug, Clone)]
pub struct CosignerKey(SignerKey);

impl CosignerKey {
    /// The key that this Ed25519 seed makes, under this name. The seed must not be used for anything else: the signed
    /// message does not name the witness.
    ///
    /// # Errors
    /// [`KeyError::BadName`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        SignerKey::new(name, KeyAlgorithm::CosignatureV1, seed).map(Self)
    }

    /// Cosigns the text of a checkpoint, final newline included. `unix_secs` is the time now, in seconds since 1970.
    /// The caller must have checked that the checkpoint continues the last one it cosigned: see [`crate::witness`].
    pub fn sign(&self, checkpoint_text: &str, unix_secs: u64) -> NoteSignature {
        let signature = self.0.sign_bytes(&message(checkpoint_text, unix_secs));
        self.0.line([unix_secs.to_be_bytes().as_slice(), &signature].concat())
    }

    /// The public half, of type 0x04.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.0.verifier_key()
    }
}

/// What is signed: a header that separates domains, the time, and the whole text of the checkpoint.
pub(crate) fn message(checkpoint_text: &str, unix_secs: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_secs}\n{checkpoint_text}").into_bytes()
}

/// The time and the Ed25519 signature of a `timestamped_signature`.
pub(crate) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (timestamp, rest) = signature.split_first_chunk()?;
    let timestamp = u64::from_be_bytes(*timestamp);
    (timestamp <= MAX_TIMESTAMP).then_some((timestamp, rest))
}

#[cfg(test)]
pub(crate) mod tests;
