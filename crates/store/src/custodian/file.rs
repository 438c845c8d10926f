//! The root key in a file: the custodian for a single machine. What stands in it: [`super::key_file`].
//!
//! Whoever has the file (and its passphrase, if it is under one) and the key store can open everything; whoever loses it
//! has lost everything. It is read once, at start.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vault::{BoxError, Custodian, CustodianInfo, SecretKey};
use zeroize::Zeroizing;

use super::key_file::{self, MOST_VERSIONS, Unreadable};
use super::{CustodianError, Passphrase};
use crate::secret_file;

/// Holds the root key in memory, as read from its file, and wiped at the end.
pub struct FileCustodian {
    path: PathBuf,
    held: RwLock<Held>,
}

struct Held {
    /// Oldest first; never empty.
    versions: Vec<SecretKey>,
    passphrase: Option<Passphrase>,
}

impl FileCustodian {
    /// Makes a new root key and writes it to `path`, readable by its owner only and durable.
    ///
    /// # Errors
    /// [`CustodianError::File`]: an existing file is never touched.
    pub fn create(path: &Path) -> Result<FileCustodian, CustodianError> {
        Self::create_under(path, None)
    }

    /// The same under a passphrase, if one is given.
    ///
    /// # Errors
    /// As [`FileCustodian::create`].
    pub fn create_under(path: &Path, passphrase: Option<Passphrase>) -> Result<FileCustodian, CustodianError> {
        let root = SecretKey::random().map_err(CustodianError::Random)?;
        let held = Held { versions: vec![root], passphrase };
        secret_file::create(path, held.text()?.as_bytes())?;
        Ok(FileCustodian { path: path.to_owned(), held: RwLock::new(held) })
    }

    /// Reads the root key from `path`.
    ///
    /// # Errors
    /// When the file is missing, readable by others, under a passphrase, or not what [`FileCustodian::create`] wrote.
    pub fn open(path: &Path) -> Result<FileCustodian, CustodianError> {
        Self::open_under(path, None)
    }

    /// The same from a file under a passphrase, if one is given. A passphrase for a file that is under none is refused:
    /// somebody would believe it to be in force.
    ///
    /// # Errors
    /// As [`FileCustodian::open`].
    pub fn open_under(path: &Path, passphrase: Option<Passphrase>) -> Result<FileCustodian, CustodianError> {
        secret_file::finish_replacing(path)?;
        let bytes = secret_file::read(path)?;
        let versions = key_file::read(&bytes, passphrase.as_ref().map(|text| text.as_str()));
        let versions = versions.map_err(|why| {
            let path = path.to_owned();
            match why {
                Unreadable::Damaged(why) => CustodianError::Damaged { path, why },
                Unreadable::Sealed => CustodianError::Sealed(path),
                Unreadable::Passphrase => CustodianError::Passphrase(path),
                Unreadable::NotSealed => CustodianError::NotSealed(path),
            }
        })?;
        Ok(FileCustodian { path: path.to_owned(), held: RwLock::new(Held { versions, passphrase }) })
    }

    /// Puts the file under another passphrase, or under none.
    ///
    /// # Errors
    /// [`CustodianError::File`]; the file is then as before or as wanted.
    pub fn set_passphrase(&self, passphrase: Option<Passphrase>) -> Result<(), CustodianError> {
        let mut held = self.change();
        let before = std::mem::replace(&mut held.passphrase, passphrase);
        let written = held.text().and_then(|text| Ok(secret_file::replace(&self.path, text.as_bytes())?));
        if written.is_err() {
            held.passphrase = before;
        }
        written
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn newest(&self) -> Result<&SecretKey, BoxError> {
        self.versions.last().ok_or_else(|| "there is no root key".into())
    }

    /// What stands in the file.
    fn text(&self) -> Result<Zeroizing<String>, CustodianError> {
        let passphrase = self.passphrase.as_ref().map(|text| text.as_str());
        key_file::write(&self.versions, passphrase).map_err(CustodianError::Unwritable)
    }
}

impl Custodian for FileCustodian {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.held().newest()?.wrap(plaintext, aad)?)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let plain = self.held().versions.iter().rev().find_map(|root| root.unwrap(wrapped, aad));
        let plain = plain.ok_or("it was wrapped by another root key, for another log, or changed")?;
        Ok(plain.to_vec())
    }

    fn key_id(&self) -> String {
        format!("file:{}", self.held().versions.last().map(SecretKey::fingerprint).unwrap_or_default())
    }

    fn advance(&self) -> Result<String, BoxError> {
        let mut held = self.change();
        if held.versions.len() >= MOST_VERSIONS {
            return Err(
                format!("there are {MOST_VERSIONS} versions of the root key already: forget the older ones").into()
            );
        }
        held.versions.push(SecretKey::random()?);
        let written = held.text().and_then(|text| Ok(secret_file::replace(&self.path, text.as_bytes())?));
        if let Err(error) = written {
            // The file may hold the new version already. Nothing was wrapped by it, so it does no harm there.
            held.versions.pop();
            return Err(error.into());
        }
        drop(held);
        Ok(self.key_id())
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        let mut held = self.change();
        let newest = held.versions.pop().ok_or("there is no root key")?;
        if held.versions.is_empty() {
            held.versions.push(newest);
            return Ok(());
        }
        let passphrase = held.passphrase.as_ref().map(|text| text.as_str());
        let text = key_file::write(std::slice::from_ref(&newest), passphrase).map_err(CustodianError::Unwritable);
        let written = text.and_then(|text| Ok(secret_file::replace(&self.path, text.as_bytes())?));
        if written.is_ok() {
            held.versions.clear();
        }
        held.versions.push(newest);
        Ok(written?)
    }

    fn describe(&self) -> CustodianInfo {
        CustodianInfo { kind: "file", key_id: self.key_id(), forgets: true }
    }
}

#[cfg(test)]
mod tests;
