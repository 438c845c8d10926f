//! The write-once bucket: which settings go together.

use std::path::PathBuf;

use domain::infrastructure::LockMode;
use domain::infrastructure::archive::is_bucket;
use engine::ArchiveOptions;
use store::s3::BucketOptions;

use super::places::{Secret, server_fits};
use super::{Config, WriteOnce, Wrong};

const SECTION: &str = "write_once";

/// A century: longer is a slip of the keyboard, and no lock in this mode can be taken back.
const MOST_DAYS: u32 = 36_525;

/// Most characters of a region, of an access key and of a prefix.
const MOST_CHARS: usize = 128;

impl WriteOnce {
    fn secret_key(&self) -> Secret<'_> {
        Secret {
            section: SECTION,
            what: "the bucket's secret key",
            file: ("secret_key_file", &self.secret_key_file),
            env: ("secret_key_env", &self.secret_key_env),
        }
    }

    fn mode(&self) -> Option<LockMode> {
        match self.mode.as_str() {
            "compliance" => Some(LockMode::Compliance),
            "governance" => Some(LockMode::Governance),
            _ => None,
        }
    }

    /// Settings that mean nothing without a bucket.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("endpoint", !self.endpoint.is_empty()),
            ("prefix", !self.prefix.is_empty()),
            ("access_key", !self.access_key.is_empty()),
            ("secret_key_file", !self.secret_key_file.is_empty()),
            ("secret_key_env", !self.secret_key_env.is_empty()),
            ("ca_file", !self.ca_file.is_empty()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }
}

impl Config {
    /// What is wrong with the settings of the write-once bucket by themselves.
    pub(super) fn check_write_once(&self) -> Result<(), Wrong> {
        let bucket = &self.write_once;
        let wrong = |key, why: String| Err((SECTION, key, why));
        if bucket.bucket.is_empty() {
            return match bucket.given() {
                Some(key) => wrong(key, "no bucket is named: give `write_once.bucket`, or leave this out".into()),
                None => Ok(()),
            };
        }
        if !is_bucket(&bucket.bucket) {
            let why = format!("`{}` is no bucket: it has 3 to 63 of a-z, 0-9, `.` and `-`", bucket.bucket);
            return wrong("bucket", why);
        }
        server_fits(SECTION, "endpoint", &bucket.endpoint, "https://s3.eu-central-1.amazonaws.com")?;
        let plain = |text: &str, more: &str| {
            text.len() <= MOST_CHARS && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if bucket.region.is_empty() || !plain(&bucket.region, "-") {
            return wrong("region", format!("`{}` is no region, such as `eu-central-1`", bucket.region));
        }
        if bucket.access_key.is_empty() || !plain(&bucket.access_key, "-_.") {
            return wrong("access_key", "name the key that signs requests; it is not secret".into());
        }
        let prefix = &bucket.prefix;
        let parts = prefix.strip_suffix('/').map(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")));
        if !prefix.is_empty() && (!plain(prefix, "-_./") || parts != Some(true)) {
            return wrong("prefix", format!("`{prefix}` is no beginning of names: write it like `counterfoil/`"));
        }
        if bucket.mode().is_none() {
            return wrong("mode", format!("`{}` is neither `compliance` nor `governance`", bucket.mode));
        }
        if bucket.lock_days > MOST_DAYS {
            return wrong("lock_days", format!("nothing is locked for more than a century: give up to {MOST_DAYS}"));
        }
        bucket.secret_key().check(true)
    }

    /// What is wrong with the secret that they name.
    pub(super) fn check_write_once_secret(&self) -> Result<(), Wrong> {
        match self.write_once.bucket.is_empty() {
            true => Ok(()),
            false => self.write_once.secret_key().check_there(),
        }
    }

    /// The bucket that they name.
    pub fn archive(&self) -> Option<ArchiveOptions> {
        let write_once = &self.write_once;
        if write_once.bucket.is_empty() {
            return None;
        }
        let bucket = BucketOptions {
            endpoint: write_once.endpoint.clone(),
            region: write_once.region.clone(),
            bucket: write_once.bucket.clone(),
            prefix: write_once.prefix.clone(),
            access_key: write_once.access_key.clone(),
            secret_key: write_once.secret_key().source(),
            ca_file: PathBuf::from(&write_once.ca_file),
        };
        Some(ArchiveOptions { bucket, mode: write_once.mode()?, lock_days: write_once.lock_days })
    }
}
