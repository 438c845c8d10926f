//! The write-once bucket, and the ordinary one of objects: which settings go together.

use std::path::PathBuf;

use domain::infrastructure::LockMode;
use domain::infrastructure::archive::is_bucket;
use engine::ArchiveOptions;
use store::s3::BucketOptions;

use super::places::{Secret, server_fits};
use super::{Config, Objects, WriteOnce, Wrong};

const WRITE_ONCE: &str = "write_once";
const OBJECTS: &str = "objects";

/// A century: longer is a slip of the keyboard, and no lock in this mode can be taken back.
const MOST_DAYS: u32 = 36_525;

/// Most characters of a region, of an access key and of a prefix.
const MOST_CHARS: usize = 128;

/// What both sections say of their bucket.
struct Named<'a> {
    section: &'static str,
    bucket: &'a str,
    endpoint: &'a str,
    region: &'a str,
    prefix: &'a str,
    access_key: &'a str,
    secret_key_file: &'a str,
    secret_key_env: &'a str,
    ca_file: &'a str,
}

macro_rules! named {
    ($section:expr, $of:expr) => {
        Named {
            section: $section,
            bucket: &$of.bucket,
            endpoint: &$of.endpoint,
            region: &$of.region,
            prefix: &$of.prefix,
            access_key: &$of.access_key,
            secret_key_file: &$of.secret_key_file,
            secret_key_env: &$of.secret_key_env,
            ca_file: &$of.ca_file,
        }
    };
}

impl Named<'_> {
    fn secret_key(&self) -> Secret<'_> {
        Secret {
            section: self.section,
            what: "the bucket's secret key",
            file: ("secret_key_file", self.secret_key_file),
            env: ("secret_key_env", self.secret_key_env),
        }
    }

    /// Settings that mean nothing without a bucket.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("endpoint", self.endpoint),
            ("prefix", self.prefix),
            ("access_key", self.access_key),
            ("secret_key_file", self.secret_key_file),
            ("secret_key_env", self.secret_key_env),
            ("ca_file", self.ca_file),
        ];
        given.into_iter().find(|(_, given)| !given.is_empty()).map(|(key, _)| key)
    }

    fn check(&self) -> Result<(), Wrong> {
        let section = self.section;
        let wrong = |key, why: String| Err((section, key, why));
        if self.bucket.is_empty() {
            return match self.given() {
                Some(key) => wrong(key, format!("no bucket is named: give `{section}.bucket`, or leave this out")),
                None => Ok(()),
            };
        }
        if !is_bucket(self.bucket) {
            let why = format!("`{}` is no bucket: it has 3 to 63 of a-z, 0-9, `.` and `-`", self.bucket);
            return wrong("bucket", why);
        }
        server_fits(section, "endpoint", self.endpoint, "https://s3.eu-central-1.amazonaws.com")?;
        let plain = |text: &str, more: &str| {
            text.len() <= MOST_CHARS && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if self.region.is_empty() || !plain(self.region, "-") {
            return wrong("region", format!("`{}` is no region, such as `eu-central-1`", self.region));
        }
        if self.access_key.is_empty() || !plain(self.access_key, "-_.") {
            return wrong("access_key", "name the key that signs requests; it is not secret".into());
        }
        let prefix = self.prefix;
        let parts = prefix.strip_suffix('/').map(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")));
        if !prefix.is_empty() && (!plain(prefix, "-_./") || parts != Some(true)) {
            return wrong("prefix", format!("`{prefix}` is no beginning of names: write it like `counterfoil/`"));
        }
        self.secret_key().check(true)
    }

    fn options(&self) -> Option<BucketOptions> {
        (!self.bucket.is_empty()).then(|| BucketOptions {
            endpoint: self.endpoint.to_owned(),
            region: self.region.to_owned(),
            bucket: self.bucket.to_owned(),
            prefix: self.prefix.to_owned(),
            access_key: self.access_key.to_owned(),
            secret_key: self.secret_key().source(),
            ca_file: PathBuf::from(self.ca_file),
        })
    }
}

impl WriteOnce {
    fn named(&self) -> Named<'_> {
        named!(WRITE_ONCE, self)
    }

    fn mode(&self) -> Option<LockMode> {
        match self.mode.as_str() {
            "compliance" => Some(LockMode::Compliance),
            "governance" => Some(LockMode::Governance),
            _ => None,
        }
    }
}

impl Objects {
    fn named(&self) -> Named<'_> {
        named!(OBJECTS, self)
    }
}

impl Config {
    /// What is wrong with the settings of the buckets by themselves.
    pub(super) fn check_buckets(&self) -> Result<(), Wrong> {
        self.write_once.named().check()?;
        self.objects.named().check()?;
        let locked = &self.write_once;
        if !locked.bucket.is_empty() {
            let wrong = |key, why: String| Err((WRITE_ONCE, key, why));
            if locked.mode().is_none() {
                return wrong("mode", format!("`{}` is neither `compliance` nor `governance`", locked.mode));
            }
            if locked.lock_days > MOST_DAYS {
                return wrong(
                    "lock_days",
                    format!("nothing is locked for more than a century: give up to {MOST_DAYS}"),
                );
            }
        }
        let server = |endpoint: &str| endpoint.trim_end_matches('/').to_ascii_lowercase();
        let same = locked.bucket == self.objects.bucket && server(&locked.endpoint) == server(&self.objects.endpoint);
        match same && !locked.bucket.is_empty() {
            true => {
                let why = "this is the write-once bucket: what must be erasable needs one without locks";
                Err((OBJECTS, "bucket", why.into()))
            }
            false => Ok(()),
        }
    }

    /// What is wrong with the secrets that they name.
    pub(super) fn check_bucket_secrets(&self) -> Result<(), Wrong> {
        let all = [self.write_once.named(), self.objects.named()];
        all.iter().filter(|named| !named.bucket.is_empty()).try_for_each(|named| named.secret_key().check_there())
    }

    /// The write-once bucket that they name.
    pub fn archive(&self) -> Option<ArchiveOptions> {
        let (bucket, mode) = (self.write_once.named().options()?, self.write_once.mode()?);
        Some(ArchiveOptions { bucket, mode, lock_days: self.write_once.lock_days })
    }

    /// The bucket of objects that they name.
    pub fn objects(&self) -> Option<BucketOptions> {
        self.objects.named().options()
    }
}
