//! Certificates from files: read, checked, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::{Certificates, Unusable};
use crate::config::Tls as Settings;

/// How often it is looked whether the files changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The largest file of certificates or keys, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The files that hold the certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// One file that holds both.
    pub fn one(path: PathBuf) -> Self {
        Self { certificate: path.clone(), key: path }
    }

    /// Those that the settings name.
    pub fn new(settings: &Settings) -> Self {
        Self { certificate: settings.certificate.clone().into(), key: settings.key.clone().into() }
    }

    /// Reads both and sees whether they belong together.
    ///
    /// # Errors
    /// What is wrong, with the setting that names the file.
    pub fn load(&self) -> Result<CertifiedKey, Unusable> {
        let chain = certificates(&self.certificate).map_err(|why| Unusable("certificate", why))?;
        let named = |why: String| Unusable("key", format!("`{}` {why}", self.key.display()));
        let pem = contents(&self.key).map_err(|why| Unusable("key", why))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| named(format!("holds no private key: {e}")))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let signing = provider.key_provider.load_private_key(key);
        let certified = CertifiedKey::new(chain, signing.map_err(|e| named(format!("holds a key of no use: {e}")))?);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
            Err(_) => Err(named("is not the key of the certificate".to_owned())),
        }
    }

    /// What both hold now; `None` when one cannot be read.
    fn look(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((contents(&self.certificate).ok()?, contents(&self.key).ok()?))
    }

    /// Shows what the files hold whenever that changes, until `stop` is true. Files that cannot be used change nothing:
    /// they may be half written. `changed` is called after each change.
    pub async fn follow(self, certificates: Arc<Certificates>, mut stop: watch::Receiver<bool>, changed: impl Fn()) {
        let mut last = self.look();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let now = self.look();
            if now == last {
                continue;
            }
            last = now;
            match self.load() {
                Ok(key) => {
                    certificates.show(key);
                    tracing::info!(file = %self.certificate.display(), "the certificate changed and is shown from now on");
                    changed();
                }
                Err(Unusable(_, why)) => {
                    tracing::error!(why, "the changed certificate cannot be used: the old one is shown still");
                }
            }
        }
    }
}

/// The certificates in a PEM file, in order.
///
/// # Errors
/// Why there are none.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = contents(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = read.map_err(|e| format!("`{}` is not PEM: {e}", path.display()))?;
    if chain.is_empty() { Err(format!("`{}` holds no certificate in PEM form", path.display())) } else { Ok(chain) }
}

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("`{}` cannot be read: {e}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(format!("`{}` is larger than {MAX_BYTES} bytes", path.display()));
    }
    std::fs::read(path).map_err(failed)
}
