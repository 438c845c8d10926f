//! Small files that only their owner may read: keys and tokens.
//!
//! A file is created new, never overwritten, with mode 0600, and is durable when `create` returns. It is refused when
//! others could read it, because then it may have been read. What replaces it lies whole beside it before the name
//! changes hands, and the old bytes are overwritten after that.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

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

/// Replaces a secret file: at every instant there is the old one or the new one, whole. The old bytes are overwritten
/// before it returns, as far as software can do that: a file system or a device that writes elsewhere keeps them.
///
/// # Errors
/// [`SecretFileError::Io`]; the file is then the old one or the new one, and [`finish_replacing`] does the rest.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    finish_replacing(path)?;
    let path = &real(path)?;
    let (new, old) = (beside(path, "new"), beside(path, "old"));
    create(&new, bytes)?;
    let moved = || {
        // A second name keeps hold of the old bytes, so that a crash leaves nothing that cannot be found and overwritten.
        fs::hard_link(path, &old)?;
        sync_directory_of(path)?;
        fs::rename(&new, path)?;
        sync_directory_of(path)?;
        wipe(&old)
    };
    moved().map_err(|source| SecretFileError::Io { path: path.to_owned(), action: "written", source })
}

/// Ends what a crash interrupted in [`replace`]: overwrites and removes what lies beside the file.
///
/// # Errors
/// [`SecretFileError::Io`].
pub fn finish_replacing(path: &Path) -> Result<(), SecretFileError> {
    if !path.exists() {
        return Ok(());
    }
    let path = &real(path)?;
    let finished = || {
        let current = fs::symlink_metadata(path)?;
        for left in [beside(path, "old"), beside(path, "new")] {
            match fs::symlink_metadata(&left) {
                // The crash came before the name changed hands: this is the file itself, by a second name.
                Ok(same) if (same.dev(), same.ino()) == (current.dev(), current.ino()) => fs::remove_file(&left)?,
                Ok(_) => wipe(&left)?,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    };
    finished().map_err(|source| SecretFileError::Io { path: path.to_owned(), action: "written", source })
}

/// The file itself where `path` is a symbolic link to it: a second name of the link would be taken for an old file, and
/// overwritten through the link.
fn real(path: &Path) -> Result<PathBuf, SecretFileError> {
    let failed = |source| SecretFileError::Io { path: path.to_owned(), action: "written", source };
    fs::canonicalize(path).map_err(failed)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

/// Overwrites a file and removes it.
fn wipe(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; len])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_directory_of(path)
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

    #[test]
    fn given_a_secret_when_replaced_then_the_old_bytes_are_overwritten_where_they_lay() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        create(&path, b"old secret").expect("created");
        let mut held = File::open(&path).expect("opened");
        replace(&path, b"new").expect("replaced");
        assert_eq!(&read(&path).expect("readable")[..], b"new");
        let mut left = Vec::new();
        held.read_to_end(&mut left).expect("read");
        assert_eq!(left, [0; 10]);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn given_a_crash_at_each_step_of_replacing_when_finished_then_one_whole_file_is_left() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        let (new, old) = (beside(&path, "new"), beside(&path, "old"));
        let left = || fs::read_dir(dir.path()).expect("listed").count();
        create(&path, b"old").expect("created");
        // The new file lies there, whole or not.
        create(&new, b"ne").expect("created");
        finish_replacing(&path).expect("finished");
        assert_eq!((&read(&path).expect("readable")[..], left()), (&b"old"[..], 1));
        // And the old one has its second name.
        create(&new, b"new").expect("created");
        fs::hard_link(&path, &old).expect("linked");
        finish_replacing(&path).expect("finished");
        assert_eq!((&read(&path).expect("readable")[..], left()), (&b"old"[..], 1));
        // And the name has changed hands.
        create(&new, b"new").expect("created");
        fs::hard_link(&path, &old).expect("linked");
        fs::rename(&new, &path).expect("moved");
        finish_replacing(&path).expect("finished");
        assert_eq!((&read(&path).expect("readable")[..], left()), (&b"new"[..], 1));
    }
}
