//! The certificate that is shown, in a slot that is filled anew while connections come; and, beside it, what an authority
//! is shown that wants to see who holds a name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::metrics::gauge::Gauge;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::acme;
use super::facts::Facts;

/// What is shown.
#[derive(Debug, Default)]
pub struct Certificates {
    shown: RwLock<Option<Arc<CertifiedKey>>>,
    /// Answers to challenges under way, by the name that each is for.
    answers: RwLock<BTreeMap<String, Arc<CertifiedKey>>>,
    expires: Gauge,
}

impl Certificates {
    /// None yet. `expires` tells when the one that is shown does, in seconds since the epoch.
    pub fn new(expires: &Gauge) -> Self {
        Self { expires: expires.clone(), ..Self::default() }
    }

    /// Shows this one from now on. Connections that are open keep theirs.
    pub fn show(&self, key: CertifiedKey) {
        let facts = key.cert.first().and_then(|certificate| Facts::of(certificate));
        self.expires.set(facts.map_or(0, |facts| facts.not_after / 1000));
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }

    /// SHA-256 of the certificate that is shown, hexadecimal; `None` before the first one is there.
    pub fn fingerprint(&self) -> Option<String> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = shown.as_ref()?.cert.first()?;
        Some(merkle::hex(&Sha256::digest(certificate)))
    }

    /// Answers whoever asks for this name's challenge.
    pub fn answer(&self, name: String, answer: CertifiedKey) {
        self.answers.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(answer));
    }

    /// Answers no challenge any more.
    pub fn forget_answers(&self) {
        self.answers.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority says so, and speaks nothing else (RFC 8737, section 3).
        let protocols = hello.alpn().map(|protocols| protocols.collect::<Vec<_>>());
        if protocols.as_deref() == Some(&[acme::PROTOCOL]) {
            let name = hello.server_name()?.to_ascii_lowercase();
            return self.answers.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        }
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
