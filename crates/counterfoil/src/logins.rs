//! Where `counterfoil login` keeps the keys that it got: one small file of the user's, readable by nobody else.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::secret_file;

use crate::output::Failure;

/// A key that a server gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// Its public identifier.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// Whom it signs in.
    pub actor: String,
    /// Milliseconds since the epoch after which it is void.
    pub expires_at: i64,
}

/// Keys by the address of their server.
pub type Logins = BTreeMap<String, Login>;

/// An address as it is kept.
pub fn name(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn path() -> Option<PathBuf> {
    let absolute = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    home.map(|home| home.join("counterfoil/logins.json"))
}

/// All that are kept.
///
/// # Errors
/// When others can read the file, or it is damaged.
pub fn read() -> Result<Logins, Failure> {
    let Some(path) = path() else { return Ok(Logins::new()) };
    match secret_file::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Failure::io(format!("`{}` is damaged: {e}: remove it and log in again", path.display()))),
        Err(error) if error.is_missing() => Ok(Logins::new()),
        Err(error) => Err(Failure::io(error.to_string())),
    }
}

/// The key for a server, if there is one that is still good.
///
/// # Errors
/// As [`read`].
pub fn find(url: &str) -> Result<Option<Login>, Failure> {
    let now = chrono::Utc::now().timestamp_millis();
    Ok(read()?.remove(&name(url)).filter(|login| login.expires_at > now))
}

/// Keeps these and no others.
///
/// # Errors
/// When there is no home, or the file cannot be written.
pub fn write(logins: &Logins) -> Result<PathBuf, Failure> {
    let path =
        path().ok_or_else(|| Failure::usage("there is no home to keep the key in: set HOME or XDG_CONFIG_HOME"))?;
    let failed = |e: std::io::Error| Failure::io(format!("{}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let text = serde_json::to_vec(logins).map_err(|e| Failure::io(e.to_string()))?;
    // Beside it, then in its place: whoever is interrupted has the old one.
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.map(|()| path.clone()).map_err(failed)
}
