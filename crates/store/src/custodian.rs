//! Custodians of the root key: drivers behind [`vault::Custodian`]. A file is the default; OpenBao or HashiCorp Vault
//! and devices that speak PKCS#11 keep the root key away from whoever has the machine's disk.

mod file;
pub mod key_file;
mod pkcs11;
pub mod transit;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vault::{Custodian, VaultError};
use zeroize::Zeroizing;

pub use file::FileCustodian;
pub use pkcs11::{Pkcs11Custodian, Pkcs11Options};
pub use transit::{TransitCustodian, TransitOptions};

use crate::secret_file::{self, SecretFileError};

/// What a root key file is under; wiped at the end.
pub type Passphrase = Zeroizing<String>;

/// Name of the root key file in a data directory.
pub const ROOT_KEY: &str = "root.key";

/// Why a custodian cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CustodianError {
    /// The file is missing, exposed, there already or cannot be read or written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// Cut short, changed, or something else altogether.
    #[error("root key file `{path}` is damaged: {why}; restore it from its backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file is under a passphrase, and none was given.
    #[error(
        "root key file `{0}` is under a passphrase; name the file or the variable that holds it in \
         `custodian.passphrase_file` or `custodian.passphrase_env`"
    )]
    Sealed(PathBuf),
    /// The passphrase is another one.
    #[error("root key file `{0}` does not open with this passphrase")]
    Passphrase(PathBuf),
    /// A passphrase was given for a file that is under none.
    #[error(
        "root key file `{0}` is under no passphrase, though one is named; set it with `counterfoil encryption passphrase`, \
         or take the setting away"
    )]
    NotSealed(PathBuf),
    /// A file with keys in it could not be composed.
    #[error("root key file could not be written: {0}")]
    Unwritable(&'static str),
    /// No random bytes for a new key.
    #[error("no new root key could be made")]
    Random(#[source] VaultError),
    /// A secret that opens a custodian is not to be had.
    #[error("{what}: {why}")]
    Secret {
        /// What it is: "the passphrase", ...
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A custodian elsewhere could not be set up.
    #[error("custodian {key_id}: {why}")]
    Elsewhere {
        /// Which.
        key_id: String,
        /// What is wrong.
        why: String,
    },
}

/// Which custodian, and how it is found.
#[derive(Clone, Debug)]
pub enum CustodianOptions {
    /// A file in the data directory, made when it is not there, and what its passphrase is.
    File {
        /// Where the passphrase is; [`SecretSource::None`] when the file is under none.
        passphrase: SecretSource,
    },
    /// OpenBao or HashiCorp Vault.
    Transit(TransitOptions),
    /// A device that speaks PKCS#11.
    Pkcs11(Pkcs11Options),
}

impl Default for CustodianOptions {
    fn default() -> Self {
        Self::File { passphrase: SecretSource::None }
    }
}

/// Where a secret is read from; itself nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretSource {
    /// There is none.
    #[default]
    None,
    /// A file that its owner alone may read.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl SecretSource {
    /// Reads it; white space at its end is none of it.
    ///
    /// # Errors
    /// [`CustodianError::Secret`].
    pub fn read(&self, what: &'static str) -> Result<Option<Zeroizing<String>>, CustodianError> {
        let wrong = |why: String| CustodianError::Secret { what, why };
        let text = match self {
            Self::None => return Ok(None),
            Self::File(path) => {
                let bytes = secret_file::read(path).map_err(|e| wrong(e.to_string()))?;
                if bytes.len() > secret_file::MAX_BYTES {
                    return Err(wrong(format!("`{}` is too long", path.display())));
                }
                let text =
                    std::str::from_utf8(&bytes).map_err(|_| wrong(format!("`{}` is not text", path.display())))?;
                Zeroizing::new(text.trim_end().to_owned())
            }
            Self::Env(variable) => {
                let text = std::env::var(variable);
                let text = text.map_err(|_| wrong(format!("the environment variable `{variable}` is not set")))?;
                Zeroizing::new(text.trim_end().to_owned())
            }
        };
        match text.is_empty() {
            true => Err(wrong("it is empty".into())),
            false => Ok(Some(text)),
        }
    }
}

/// Opens the custodian of a data directory.
///
/// # Errors
/// When it cannot be used, or cannot be reached.
pub fn open(options: &CustodianOptions, dir: &Path) -> Result<Arc<dyn Custodian>, CustodianError> {
    Ok(match options {
        CustodianOptions::File { passphrase } => {
            let path = dir.join(ROOT_KEY);
            let passphrase = passphrase.read("the passphrase of the root key file")?;
            let opened = match path.exists() {
                true => FileCustodian::open_under(&path, passphrase),
                false => FileCustodian::create_under(&path, passphrase),
            };
            Arc::new(opened?)
        }
        CustodianOptions::Transit(options) => Arc::new(TransitCustodian::open(options)?),
        CustodianOptions::Pkcs11(options) => Arc::new(Pkcs11Custodian::open(options)?),
    })
}

/// Opens a custodian that keeps a root already.
///
/// # Errors
/// As [`open`]; also when it is a file that is not there.
pub fn open_existing(options: &CustodianOptions, dir: &Path) -> Result<Arc<dyn Custodian>, CustodianError> {
    let CustodianOptions::File { passphrase } = options else { return open(options, dir) };
    let passphrase = passphrase.read("the passphrase of the root key file")?;
    Ok(Arc::new(FileCustodian::open_under(&dir.join(ROOT_KEY), passphrase)?))
}

/// Removes a root key file that keeps nothing any more.
///
/// # Errors
/// When the file system refuses.
pub fn discard_file(dir: &Path) -> std::io::Result<()> {
    std::fs::remove_file(dir.join(ROOT_KEY))?;
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
