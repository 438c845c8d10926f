//! What is kept of an authority in the data directory: the account, and the certificate with its key.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::secret_file;

use crate::tls::facts::Facts;
use crate::tls::{Files, Unusable};

/// An order whose names are proven, on its way to its certificate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finalizing {
    /// Where the authority has it.
    pub url: String,
    /// The key that the certificate will be of, in PEM form.
    pub key_pem: String,
    /// The names that it is for.
    pub names: BTreeSet<String>,
}

/// The files of one authority. Another one has others, so that whoever tries one out does not go on with its certificate.
pub struct Kept {
    dir: PathBuf,
}

impl Kept {
    /// Those of the authority with this directory.
    pub fn new(data: &Path, directory: &str) -> Self {
        let name: String = merkle::hex(&Sha256::digest(directory)).chars().take(16).collect();
        Self { dir: data.join("acme").join(name) }
    }

    /// The certificate and its key, when there are some.
    ///
    /// # Errors
    /// When others can read the file, or it is damaged.
    pub fn certificate(&self) -> Result<Option<(CertifiedKey, Facts)>, String> {
        let path = self.path("certificate.pem");
        // The file may be longer than a secret; whether others can read it is looked at all the same.
        match secret_file::read(&path) {
            Ok(_) => load(path).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Keeps a certificate with its key, both in PEM form, in place of the last one, when it is of use and for these names.
    ///
    /// # Errors
    /// When it is not, or cannot be written; then the last one is still there.
    pub fn keep_certificate(&self, pem: &str, names: &BTreeSet<String>) -> Result<(CertifiedKey, Facts), String> {
        let (path, beside) = (self.path("certificate.pem"), self.path("certificate.pem.new"));
        self.make()?;
        // Left by a process that was interrupted.
        let _ = std::fs::remove_file(&beside);
        secret_file::create(&beside, pem.as_bytes()).map_err(|e| e.to_string())?;
        let (key, facts) = load(beside.clone())?;
        if facts.names != *names {
            return Err("the authority gave a certificate for other names than were asked for".to_owned());
        }
        let moved = std::fs::rename(&beside, &path).and_then(|()| File::open(&self.dir)?.sync_all());
        moved.map_err(|e| format!("`{}` could not be written: {e}", path.display()))?;
        self.forget_order();
        Ok((key, facts))
    }

    /// The account, when there is one.
    ///
    /// # Errors
    /// When others can read the file, or it is damaged.
    pub fn account(&self) -> Result<Option<AccountCredentials>, String> {
        let path = self.path("account.json");
        let damaged = |e| format!("`{}` is damaged: {e}: remove it, and another account is asked for", path.display());
        match secret_file::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(damaged),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Keeps an account.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_account(&self, credentials: &AccountCredentials) -> Result<(), String> {
        self.make()?;
        let text = serde_json::to_vec(credentials).map_err(|e| e.to_string())?;
        secret_file::create(&self.path("account.json"), &text).map_err(|e| e.to_string())
    }

    /// The order that was begun for these names, when there is one that can be read.
    pub fn order(&self, names: &BTreeSet<String>) -> Option<Finalizing> {
        let bytes = secret_file::read(&self.path("order.json")).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|order: &Finalizing| order.names == *names)
    }

    /// Keeps an order, in place of another one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_order(&self, order: &Finalizing) -> Result<(), String> {
        let text = serde_json::to_vec(order).map_err(|e| e.to_string())?;
        self.replace("order.json", &text)
    }

    /// Forgets the order: it came to its end.
    pub fn forget_order(&self) {
        let _ = std::fs::remove_file(self.path("order.json"));
    }

    /// Whom the authority was told to write to; `None` when that was not kept.
    pub fn contact(&self) -> Option<String> {
        String::from_utf8(secret_file::read(&self.path("contact")).ok()?.to_vec()).ok()
    }

    /// Keeps whom the authority was told to write to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_contact(&self, contact: &str) -> Result<(), String> {
        self.replace("contact", contact.as_bytes())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        self.make()?;
        let (path, beside) = (self.path(name), self.path(&format!("{name}.new")));
        // Left by a process that was interrupted.
        let _ = std::fs::remove_file(&beside);
        secret_file::create(&beside, bytes).map_err(|e| e.to_string())?;
        let moved = std::fs::rename(&beside, &path).and_then(|()| File::open(&self.dir)?.sync_all());
        moved.map_err(|e| format!("`{}` could not be written: {e}", path.display()))
    }

    fn make(&self) -> Result<(), String> {
        let made: io::Result<()> = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|e| format!("`{}` could not be made: {e}", self.dir.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn load(path: PathBuf) -> Result<(CertifiedKey, Facts), String> {
    let key = Files::one(path).load().map_err(|Unusable(_, why)| why)?;
    let facts = key.cert.first().and_then(Facts::of).ok_or("the certificate cannot be read")?;
    Ok((key, facts))
}
