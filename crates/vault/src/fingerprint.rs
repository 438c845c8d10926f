//! Fingerprints: keyed digests by which the same content is known again. Without the key, which stays here, nobody can tell
//! from one what the content is, or whether a guess is right.
//!
//! ```text
//! fingerprint = HMAC-SHA-256(index key `content/<unit>`, lp(log id) ‖ lp(label) ‖ content)
//! ```

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::VaultError;
use crate::names::{KeyName, check_name};
use crate::vault::Vault;
use crate::wrap::push_prefixed;

/// Makes the fingerprints of one unit, such as a data set.
#[derive(Clone)]
pub struct Fingerprints {
    keyed: Hmac<Sha256>,
    log_id: String,
}

impl Fingerprints {
    /// Begins one; those of different labels never are the same.
    #[must_use]
    pub fn begin(&self, label: &str) -> Fingerprint {
        let mut mac = self.keyed.clone();
        let mut head = Vec::new();
        push_prefixed(&mut head, &self.log_id);
        push_prefixed(&mut head, label);
        mac.update(&head);
        Fingerprint(mac)
    }
}

/// A fingerprint of what is written to it.
pub struct Fingerprint(Hmac<Sha256>);

impl Fingerprint {
    /// The fingerprint.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl io::Write for Fingerprint {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.update(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Vault {
    /// What makes the fingerprints of `unit`; its key is made at the first use.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad unit; else from the key store or the custodian.
    pub fn fingerprints(&self, unit: &str, now_ms: u64) -> Result<Fingerprints, VaultError> {
        check_name("unit", unit)?;
        let key = self.ring.obtain(&KeyName::content_index(unit), now_ms)?.key;
        let keyed = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
        Ok(Fingerprints { keyed, log_id: self.ring.log_id().to_owned() })
    }
}
