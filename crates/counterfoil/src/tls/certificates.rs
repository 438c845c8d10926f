//! The certificate that is shown, in a slot that is filled anew while connections come.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

/// What is shown.
#[derive(Debug, Default)]
pub struct Certificates {
    shown: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Shows this one.
    pub fn of(key: CertifiedKey) -> Self {
        Self { shown: RwLock::new(Some(Arc::new(key))) }
    }

    /// Shows this one from now on. Connections that are open keep theirs.
    pub fn show(&self, key: CertifiedKey) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }

    /// SHA-256 of the certificate that is shown, hexadecimal; `None` before the first one is there.
    pub fn fingerprint(&self) -> Option<String> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = shown.as_ref()?.cert.first()?;
        Some(merkle::hex(&Sha256::digest(certificate)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
