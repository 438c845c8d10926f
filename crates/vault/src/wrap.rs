//! Secret keys and how one wraps another; the one place where random bytes come from.
//!
//! A wrapped key is `nonce(12) ‖ AES-256-GCM(parent, nonce, key(32), aad)`, 60 bytes, with a random
//! nonce and
//!
//! ```text
//! aad = "cf/wrap/v1" ‖ lp(log_id) ‖ lp(kind) ‖ lp(class) ‖ lp(unit) ‖ u32 LE version
//! ```
//!
//! where `lp(x)` is `u32 LE length in bytes ‖ x`. A wrapped key moved to another row, class or log does not
//! unwrap. Class keys and index keys are wrapped by the [`crate::Custodian`], with the same `aad`;
//! what their bytes look like is the custodian's affair.

use aes_gcm::aead::{AeadInOut, Buffer, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;
use crate::names::{KeyName, decode_hex, encode_hex};

const LABEL: &[u8] = b"cf/wrap/v1";
const NONCE_BYTES: usize = 12;

/// 32 secret bytes, wiped when dropped. They lie on the heap, so that moving a key leaves no copy of it behind.
pub struct SecretKey(Box<[u8; 32]>);

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SecretKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<SecretKey, VaultError> {
        let mut key = SecretKey(Box::new([0; 32]));
        getrandom::fill(&mut key.0[..]).map_err(VaultError::Random)?;
        Ok(key)
    }

    /// A key from bytes that came from somewhere safe; wipe the source afterwards.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> SecretKey {
        let mut key = SecretKey(Box::new([0; 32]));
        key.0.copy_from_slice(bytes);
        key
    }

    /// The key itself.
    #[must_use]
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as 64 lower-case hexadecimal digits, for a custodian that must write it down.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(encode_hex(&self.0[..]))
    }

    /// Reads what [`SecretKey::to_hex`] writes, and nothing else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<SecretKey> {
        decode_hex::<32>(text).map(|bytes| SecretKey::from_bytes(&Zeroizing::new(bytes)))
    }

    /// A public name of this key: the first 8 bytes, in hexadecimal, of
    /// `SHA-256("cf/key-id/v1" ‖ key)`. It reveals nothing of a random key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest: [u8; 32] = Sha256::new().chain_update(b"cf/key-id/v1").chain_update(&self.0[..]).finalize().into();
        encode_hex(&digest[..8])
    }

    /// Encrypts `plaintext` under this key with a random nonce, bound to `aad`: `nonce ‖ ct ‖ tag`.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = random_bytes()?;
        let mut out = Vec::with_capacity(NONCE_BYTES + plaintext.len() + 16);
        out.extend_from_slice(plaintext);
        encrypt_in_place(&self.0, &nonce, aad, &mut out);
        out.splice(..0, nonce);
        Ok(out)
    }

    /// Undoes [`SecretKey::wrap`]; `None` when anything differs from what was wrapped.
    #[must_use]
    pub fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
        let mut plain = Zeroizing::new(body.to_vec());
        decrypt_in_place(&self.0, nonce, aad, &mut *plain)?;
        Some(plain)
    }

    /// HMAC-SHA-256 of the parts, one after the other.
    pub(crate) fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mac = hmac_sha256(&self.0, parts);
        scrub_stack();
        mac
    }
}

/// The `aad` of a wrapped key; see the module's text.
pub(crate) fn wrap_aad(log_id: &str, name: &KeyName, version: u32) -> Vec<u8> {
    let mut aad = Vec::with_capacity(128);
    aad.extend_from_slice(LABEL);
    for part in [log_id, name.kind.as_str(), &name.class, &name.unit] {
        push_prefixed(&mut aad, part);
    }
    aad.extend_from_slice(&version.to_le_bytes());
    aad
}

/// Appends `u32 LE length ‖ text`. Names are far shorter than the 4 GiB where this would saturate.
pub(crate) fn push_prefixed(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// `N` bytes from the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VaultError::Random)?;
    Ok(bytes)
}

/// The cipher, made of the key where it lies.
fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key).expect("the key has 32 bytes")
}

/// Writes over what calls before this one left on the stack: hashes buffer what they are fed, keys too, and leave it there.
#[inline(never)]
pub(crate) fn scrub_stack() {
    let mut below = [0_u8; 4096];
    std::hint::black_box(&mut below);
}

/// AES-256-GCM; the 16-byte tag is appended.
pub(crate) fn encrypt_in_place(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], buffer: &mut Vec<u8>) {
    cipher(key)
        .encrypt_in_place(&Nonce::from(*nonce), aad, buffer)
        .expect("buffers are far below the 64 GiB limit of GCM");
}

/// AES-256-GCM; `None`, and an unusable buffer, when it does not authenticate.
pub(crate) fn decrypt_in_place(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], buffer: &mut dyn Buffer) -> Option<()> {
    cipher(key).decrypt_in_place(&Nonce::from(*nonce), aad, buffer).ok()
}

/// HMAC-SHA-256 of the parts, one after the other.
#[inline(never)]
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::SubjectRef;

    #[test]
    fn a_wrapped_key_opens_only_in_its_own_place() {
        let (parent, child) = (SecretKey::from_bytes(&[7; 32]), [9; 32]);
        let name = KeyName::subject("pii", &SubjectRef([1; 16]));
        let aad = wrap_aad("log", &name, 1);
        let wrapped = parent.wrap(&child, &aad).expect("random bytes");
        assert_eq!(wrapped.len(), 60);
        assert_eq!(parent.unwrap(&wrapped, &aad).as_deref().map(Vec::as_slice), Some(&child[..]));

        assert!(SecretKey::from_bytes(&[8; 32]).unwrap(&wrapped, &aad).is_none());
        for other in [
            wrap_aad("log2", &name, 1),
            wrap_aad("log", &name, 2),
            wrap_aad("log", &KeyName::subject("pii", &SubjectRef([2; 16])), 1),
            wrap_aad("log", &KeyName::subject("public", &SubjectRef([1; 16])), 1),
        ] {
            assert!(parent.unwrap(&wrapped, &other).is_none());
        }
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(parent.unwrap(&changed, &aad).is_none(), "byte {at}");
            assert!(parent.unwrap(&wrapped[..at], &aad).is_none(), "first {at} bytes");
        }
    }

    #[test]
    fn wrapping_twice_differs() {
        let key = SecretKey::from_bytes(&[7; 32]);
        assert_ne!(key.wrap(&[1; 32], b"").unwrap(), key.wrap(&[1; 32], b"").unwrap());
    }

    #[test]
    fn a_key_can_be_written_down_and_named() {
        let key = SecretKey::from_bytes(&[7; 32]);
        let read = SecretKey::from_hex(&key.to_hex()).expect("is what was written");
        assert_eq!(read.expose(), key.expose());
        assert!(SecretKey::from_hex("07").is_none());
        assert_eq!(key.fingerprint().len(), 16);
        assert_ne!(key.fingerprint(), SecretKey::from_bytes(&[8; 32]).fingerprint());
    }
}
