//! What settings of several sections name: servers, and places where a secret is.

use store::SecretSource;

use super::Wrong;
use crate::notify::{is_loopback, variable_fits};

/// A place where a secret may be: the file and the variable, each with the key of its setting.
pub(super) struct Secret<'a> {
    pub section: &'static str,
    pub what: &'static str,
    pub file: (&'static str, &'a str),
    pub env: (&'static str, &'a str),
}

impl Secret<'_> {
    pub(super) fn source(&self) -> SecretSource {
        match (self.file.1, self.env.1) {
            ("", "") => SecretSource::None,
            ("", variable) => SecretSource::Env(variable.to_owned()),
            (file, _) => SecretSource::File(file.into()),
        }
    }

    pub(super) fn check(&self, needed: bool) -> Result<(), Wrong> {
        variable_fits(self.section, self.env.0, self.env.1)?;
        match (self.file.1, self.env.1) {
            ("", "") if needed => Err((self.section, self.file.0, format!("name a file that holds {}", self.what))),
            (file, variable) if !file.is_empty() && !variable.is_empty() => {
                Err((self.section, self.env.0, format!("{} is in a file already: name one place", self.what)))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is there.
    pub(super) fn check_there(&self) -> Result<(), Wrong> {
        let key = if self.file.1.is_empty() { self.env.0 } else { self.file.0 };
        self.source().read(self.what).map(drop).map_err(|e| (self.section, key, e.to_string()))
    }
}

/// Whether this is a server at https, or on this machine, without path.
pub(super) fn server_fits(section: &'static str, key: &'static str, address: &str, example: &str) -> Result<(), Wrong> {
    let parsed = address.parse::<http::Uri>().ok().filter(|uri| {
        let host = uri.host().unwrap_or_default();
        let secure = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host));
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !address.contains(['@', '#', ' ']);
        secure && bare && !host.is_empty()
    });
    match parsed {
        Some(_) => Ok(()),
        None => {
            let why = format!(
                "`{address}` is not the address of a server at https, such as `{example}`, nor of one on this machine"
            );
            Err((section, key, why))
        }
    }
}
