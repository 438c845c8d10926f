//! Objects by the SHA-256 of their bytes, as read-only files in a directory.
//!
//! A file appears whole or not at all: it is written under a temporary name, synced, then renamed. Read-only files
//! protect from accidents, not from whoever may write to the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Keeps `bytes` under `sha256` (64 hexadecimal digits) in `dir`; does nothing when it is there.
///
/// # Errors
/// When the name is not a digest, or the file system refuses.
pub fn put(dir: &Path, sha256: &str, bytes: &[u8]) -> io::Result<()> {
    let path = path(dir, sha256)?;
    if path.exists() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(parent)?.sync_all()
}

/// The bytes kept under `sha256`; `None` when there are none.
///
/// # Errors
/// When the name is not a digest, or the file system refuses.
pub fn get(dir: &Path, sha256: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path(dir, sha256)?) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes the bytes kept under `sha256`, if there are any.
///
/// # Errors
/// When the name is not a digest, or the file system refuses.
pub fn remove(dir: &Path, sha256: &str) -> io::Result<()> {
    match fs::remove_file(path(dir, sha256)?) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o444).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn path(dir: &Path, sha256: &str) -> io::Result<PathBuf> {
    let digest = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match digest {
        true => Ok(dir.join(&sha256[..2]).join(sha256)),
        false => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{sha256}` is not a SHA-256 in hexadecimal")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_object_when_put_twice_then_it_is_kept_once_and_read_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let name = "a".repeat(64);
        put(dir.path(), &name, b"bytes").expect("kept");
        put(dir.path(), &name, b"bytes").expect("kept already");
        assert_eq!(get(dir.path(), &name).expect("readable"), Some(b"bytes".to_vec()));
        assert_eq!(get(dir.path(), &"b".repeat(64)).expect("readable"), None);
        remove(dir.path(), &name).expect("removed");
        remove(dir.path(), &name).expect("gone already");
        assert_eq!(get(dir.path(), &name).expect("readable"), None);
    }

    #[test]
    fn given_a_name_that_is_a_path_when_used_then_it_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(get(dir.path(), "../../etc/passwd").expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    }
}
