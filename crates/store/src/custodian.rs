//! The root key in a file: the custodian for a single machine.
//!
//! The file is one line, made to be copied to paper or into a password manager:
//! `counterfoil-root-key-1 <64 hexadecimal digits> <16 digits of its fingerprint>`. Whoever has it and
//! the key store can open everything; whoever loses it has lost everything. It is read once, at start.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use vault::{BoxError, Custodian, CustodianInfo, SecretKey, VaultError};
use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};

const MAGIC: &str = "counterfoil-root-key-1";
const FILE_BYTES: usize = MAGIC.len() + 1 + 64 + 1 + 16 + 1;

/// Why a root key file cannot be used.
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
    /// No random bytes for a new key.
    #[error("no new root key could be made")]
    Random(#[source] VaultError),
}

/// Holds the root key in memory, as read from its file, and wiped at the end.
pub struct FileCustodian {
    root: SecretKey,
}

impl FileCustodian {
    /// Makes a new root key and writes it to `path`, readable by its owner only and durable.
    ///
    /// # Errors
    /// [`CustodianError::File`]: an existing file is never touched.
    pub fn create(path: &Path) -> Result<FileCustodian, CustodianError> {
        let root = SecretKey::random().map_err(CustodianError::Random)?;
        let mut line = Zeroizing::new(String::with_capacity(FILE_BYTES));
        for part in [MAGIC, " ", root.to_hex().as_str(), " ", &root.fingerprint(), "\n"] {
            line.push_str(part);
        }
        secret_file::create(path, line.as_bytes())?;
        Ok(FileCustodian { root })
    }

    /// Reads the root key from `path`.
    ///
    /// # Errors
    /// When the file is missing, readable by others, or not what [`FileCustodian::create`] wrote.
    pub fn open(path: &Path) -> Result<FileCustodian, CustodianError> {
        let line = secret_file::read(path)?;
        let damaged = |why| CustodianError::Damaged { path: path.to_owned(), why };
        if line.len() < FILE_BYTES {
            return Err(damaged("it is cut short"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| damaged("it is not text"))?;
        let mut parts = text.strip_suffix('\n').unwrap_or(text).split(' ');
        if parts.next() != Some(MAGIC) {
            return Err(damaged("it does not begin like a root key file"));
        }
        let root = parts.next().and_then(SecretKey::from_hex);
        let root = root.ok_or_else(|| damaged("the key is not 64 hexadecimal digits"))?;
        if parts.next() != Some(&root.fingerprint()) {
            return Err(damaged("key and fingerprint do not match"));
        }
        if parts.next().is_some() || line.len() > FILE_BYTES {
            return Err(damaged("there is more in it than a key"));
        }
        Ok(FileCustodian { root })
    }
}

impl Custodian for FileCustodian {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.root.wrap(plaintext, aad)?)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let plain = self.root.unwrap(wrapped, aad);
        let plain = plain.ok_or("it was wrapped by another root key, for another log, or changed")?;
        Ok(plain.to_vec())
    }

    fn key_id(&self) -> String {
        format!("file:{}", self.root.fingerprint())
    }

    fn advance(&self) -> Result<String, BoxError> {
        Err("versions of a root key in a file are not merged yet".into())
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        Ok(())
    }

    fn describe(&self) -> CustodianInfo {
        CustodianInfo { kind: "file", key_id: self.key_id(), forgets: false }
    }
}

/// Makes the names in the directory that holds `path` durable.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn write(path: &Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        FileCustodian::open(path).err().expect("must be refused").to_string()
    }

    #[test]
    fn a_created_key_opens_what_it_wrapped_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        let created = FileCustodian::create(&path).unwrap();
        let wrapped = created.wrap(b"class key", b"aad").unwrap();
        let opened = FileCustodian::open(&path).unwrap();
        assert_eq!(opened.key_id(), created.key_id());
        assert_eq!(opened.unwrap(&wrapped, b"aad").unwrap(), b"class key");
        assert!(opened.unwrap(&wrapped, b"other").is_err());
        assert!(opened.unwrap(&wrapped[1..], b"aad").is_err());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        write(&path, b"precious");
        assert!(matches!(FileCustodian::create(&path), Err(CustodianError::File(SecretFileError::Exists(_)))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        FileCustodian::create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let message = refusal(&path);
            assert!(message.ends_with(&format!("run `chmod 600 {}`", path.display())), "{message}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(FileCustodian::open(&path).is_ok());
    }

    #[test]
    fn missing_damaged_and_strange_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        assert!(refusal(&path).contains("does not exist"));
        assert!(refusal(dir.path()).contains("not a regular file"));
        FileCustodian::create(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            write(&path, &whole[..len]);
            assert!(refusal(&path).contains("cut short"), "{len} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            write(&path, &changed);
            assert!(refusal(&path).contains("damaged"), "byte {at}");
        }
        write(&path, &[whole.as_slice(), b"x"].concat());
        assert!(refusal(&path).contains("damaged"));
        write(&path, &vec![0xff; 1 << 20]);
        assert!(refusal(&path).contains("not text"));
    }
}
