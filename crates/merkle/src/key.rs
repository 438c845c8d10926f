//! Keys of signed notes (C2SP signed-note): the public half as one line of text, a "vkey" that configuration files and
//! policies carry, and the private half that signs checkpoints. Ed25519 only, plain or as a witness cosignature.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::cosignature;
use crate::encoding::{b64, shorten, unb64, unhex};
use crate::note::{Note, NoteError, NoteSignature, is_key_name};

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// Ed25519 over the text of the note: how a log signs (C2SP signed-note, type 0x01).
    Ed25519,
    /// Ed25519 over a time and the text: how a witness cosigns (C2SP tlog-cosignature, type 0x04).
    CosignatureV1,
}

impl KeyAlgorithm {
    fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    fn from_type_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureV1].into_iter().find(|algorithm| algorithm.type_byte() == byte)
    }
}

/// Why a text is not a verifier key, or a name can't be a key's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `name+id+base64`.
    #[error("`{0}` is not a verifier key; write it as `name+8 hex digits+base64`")]
    Malformed(String),
    /// An empty name, or one with spaces or a plus.
    #[error("`{0}` can't name a key; use a name without spaces and plus signs, such as `example.com/log`")]
    BadName(String),
    /// The id does not belong to the name and the key.
    #[error("the id in `{text}` should be `{expected:08x}`; the name or the key was mistyped")]
    WrongId {
        /// The verifier key, shortened.
        text: String,
        /// The id that its name and key have.
        expected: u32,
    },
    /// A signature type other than Ed25519.
    #[error("`{text}` is for signature type 0x{byte:02x}; only 0x01 and 0x04, both with Ed25519, are supported")]
    UnsupportedType {
        /// The verifier key, shortened.
        text: String,
        /// Its type byte.
        byte: u8,
    },
    /// Not a point of the curve, or one that anybody could sign for.
    #[error("`{0}` does not hold a usable Ed25519 public key")]
    BadKey(String),
}

/// The public half of a key, with the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: u32,
    algorithm: KeyAlgorithm,
    key: VerifyingKey,
}

/// What a valid signature tells beyond being valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// When a witness cosigned, in seconds since 1970 by its own clock; the latest, if it did more than once.
    /// None for a log's signature, which carries no time.
    pub timestamp: Option<u64>,
}

impl VerifierKey {
    fn new(name: &str, algorithm: KeyAlgorithm, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), key_id: key_id(name, algorithm.type_byte(), key.as_bytes()), algorithm, key }
    }

    /// The name in signature lines; of a log, also the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id in signature lines.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What the key signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The Ed25519 public key (RFC 8032).
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Checks that this key signed the note. Signatures by other keys are ignored; every one in the name of this key
    /// must be valid.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] or [`NoteError::BadSignature`].
    pub fn verify(&self, note: &Note) -> Result<Verified, NoteError> {
        let mine = |line: &&NoteSignature| line.key_id == self.key_id && line.name == self.name;
        let mut latest = None;
        for line in note.signatures.iter().filter(mine) {
            let verified = self.check(&note.text, &line.signature);
            latest = latest.max(Some(verified.ok_or_else(|| NoteError::BadSignature { key: self.label() })?));
        }
        match latest {
            Some(timestamp) => Ok(Verified { timestamp }),
            None => Err(NoteError::NotSigned { key: self.label() }),
        }
    }

    /// The time of a valid signature, None when the signature is not valid.
    fn check(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        let (message, bytes, timestamp) = match self.algorithm {
            KeyAlgorithm::Ed25519 => (text.as_bytes().to_vec(), signature, None),
            KeyAlgorithm::CosignatureV1 => {
                let (timestamp, bytes) = cosignature::split(signature)?;
                (cosignature::message(text, timestamp), bytes, Some(timestamp))
            }
        };
        // Strict: refuses keys and nonces of small order, with which one signature fits many texts.
        let signature = Signature::from_slice(bytes).ok()?;
        self.key.verify_strict(&message, &signature).ok()?;
        Some(timestamp)
    }

    fn label(&self) -> String {
        format!("{}+{:08x}", self.name, self.key_id)
    }
}

/// The key as `name+id+base64(type || public key)`.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.algorithm.type_byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}", self.label(), b64(&typed))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed(shorten(text));
        let (name, rest) = text.split_once('+').ok_or_else(malformed)?;
        let (id, typed) = rest.split_once('+').ok_or_else(malformed)?;
        if !is_key_name(name) {
            return Err(KeyError::BadName(shorten(name)));
        }
        let typed = unb64(typed).map_err(|_| malformed())?;
        let (&byte, key) = typed.split_first().ok_or_else(malformed)?;
        let id = unhex(id).map_err(|_| malformed())?;
        let id = u32::from_be_bytes(id.try_into().map_err(|_| malformed())?);
        let expected = key_id(name, byte, key);
        if id != expected {
            return Err(KeyError::WrongId { text: shorten(text), expected });
        }
        let algorithm = KeyAlgorithm::from_type_byte(byte)
            .ok_or_else(|| KeyError::UnsupportedType { text: shorten(text), byte })?;
        let key = <&[u8; 32]>::try_from(key).ok();
        let key = key.and_then(|key| VerifyingKey::from_bytes(key).ok());
        match key {
            Some(key) if !key.is_weak() => Ok(Self::new(name, algorithm, key)),
            _ => Err(KeyError::BadKey(shorten(text))),
        }
    }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]` (C2SP signed-note, signatures).
fn key_id(name: &str, type_byte: u8, key: &[u8]) -> u32 {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', type_byte]).chain_update(key).finalize();
    hash.iter().take(4).fold(0, |id, byte| id << 8 | u32::from(*byte))
}

/// The private half of a log's key. Forgotten securely when dropped, and never printed.
#[derive(Clone)]
pub struct SignerKey {
    secret: SigningKey,
    verifier: VerifierKey,
}

impl SignerKey {
    /// The key that this Ed25519 seed makes, under this name.
    ///
    /// # Errors
    /// [`KeyError::BadName`].
    pub fn ed25519(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, KeyAlgorithm::Ed25519, seed)
    }

    pub(crate) fn new(name: &str, algorithm: KeyAlgorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::BadName(shorten(name)));
        }
        let secret = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, algorithm, secret.verifying_key());
        Ok(Self { secret, verifier })
    }

    /// Signs the text of a note, which must end in a newline: see [`Note::new`].
    pub fn sign_note(&self, text: &str) -> NoteSignature {
        self.line(self.sign_bytes(text.as_bytes()).to_vec())
    }

    /// The public half.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }

    pub(crate) fn line(&self, signature: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.verifier.name.clone(), key_id: self.verifier.key_id, signature }
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").field("verifier", &self.verifier.to_string()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
