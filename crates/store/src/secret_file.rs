//! Small files that only their owner may read: keys and tokens.
//!
//! A file is created new, never overwritten, with mode 0600, and is durable when `create` returns. It is refused when
//! others could read it, because then it may have been read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::custodian::sync_directory_of;

/// The longest secret file, in bytes.
pub const MAX_BYTES: usize = 4096;

/// Permissions of group and others.
const FOREIGN_BITS: u32 = 0o077;

/// Why a secret file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Never overwritten.
    #[error("`{0}` exists already; move it away if it is not needed any more")]
    Exists(PathBuf),
    /// There is no such file.
    #[error("`{0}` does not exist; restore it from its backup")]
    Missing(PathBuf),
    /// Others on the machine could read it.
    #[error("`{path}` has mode {mode:04o}, others can read it; run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a directory, a device or the like.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// Reading or writing failed.
    #[error("`{path}` could not be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// "read" or "written".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl SecretFileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// Writes a new secret file and makes it and its name durable.
///
/// # Errors
/// [`SecretFileError::Exists`]: an existing file is never touched; [`SecretFileError::Io`].
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_directory_of(path)
    };
    written().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SecretFileError::Exists(path.to_owned()),
        _ => SecretFileError::Io { path: path.to_owned(), action: "written", source },
    })
}

/// Reads a secret file after checking, on the open file, that it is regular and private. At most [`MAX_BYTES`] are
/// read; a longer file gives one byte more.
///
/// # Errors
/// When it is missing, readable by others, or not a file.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let failed = |source| SecretFileError::Io { path: path.to_owned(), action: "read", source };
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SecretFileError::Missing(path.to_owned()),
        _ => failed(source),
    })?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(SecretFileError::NotAFile(path.to_owned()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & FOREIGN_BITS != 0 {
        return Err(SecretFileError::Exposed { path: path.to_owned(), mode });
    }
    // The capacity avoids stray copies as the buffer grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn given_a_secret_when_created_then_it_is_private_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        assert!(read(&path).expect_err("missing").is_missing());
        create(&path, b"secret\n").expect("created");
        assert_eq!(&read(&path).expect("readable")[..], b"secret\n");
        assert!(matches!(create(&path, b"other"), Err(SecretFileError::Exists(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let refusal = read(&path).expect_err("exposed").to_string();
        assert!(refusal.contains("chmod 600"), "{refusal}");
        assert!(matches!(read(dir.path()), Err(SecretFileError::NotAFile(_))));
    }
}
