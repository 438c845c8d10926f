//! Who keeps the root key: which settings go together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::CustodyOptions;
use store::{CustodianOptions, Pkcs11Options, SecretSource, TransitOptions};

use super::places::{Secret, server_fits};
use super::{Config, Custodian, Wrong};

const SECTION: &str = "custodian";

/// The longest that keys may be held while the custodian is away: a week, which is a long outage and no custody any more.
const MOST_GRACE_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Most characters of a label: tokens of PKCS#11 have no longer ones.
const MOST_LABEL: usize = 32;

impl Custodian {
    fn passphrase(&self) -> Secret<'_> {
        let file = ("passphrase_file", self.passphrase_file.as_str());
        Secret { section: SECTION, what: "the passphrase", file, env: ("passphrase_env", &self.passphrase_env) }
    }

    fn token(&self) -> Secret<'_> {
        Secret {
            section: SECTION,
            what: "the token",
            file: ("token_file", &self.token_file),
            env: ("token_env", &self.token_env),
        }
    }

    fn pin(&self) -> Secret<'_> {
        Secret {
            section: SECTION,
            what: "the PIN",
            file: ("pin_file", &self.pin_file),
            env: ("pin_env", &self.pin_env),
        }
    }

    /// Where the passphrase of the root key file is.
    pub fn passphrase_source(&self) -> SecretSource {
        self.passphrase().source()
    }

    /// Settings of one kind of custodian that are given, by kind.
    fn given(&self) -> [(&'static str, &'static str, bool); 11] {
        [
            ("file", "passphrase_file", !self.passphrase_file.is_empty()),
            ("file", "passphrase_env", !self.passphrase_env.is_empty()),
            ("transit", "address", !self.address.is_empty()),
            ("transit", "namespace", !self.namespace.is_empty()),
            ("transit", "token_file", !self.token_file.is_empty()),
            ("transit", "token_env", !self.token_env.is_empty()),
            ("transit", "ca_file", !self.ca_file.is_empty()),
            ("pkcs11", "module", !self.module.is_empty()),
            ("pkcs11", "token_label", !self.token_label.is_empty()),
            ("pkcs11", "pin_file", !self.pin_file.is_empty()),
            ("pkcs11", "pin_env", !self.pin_env.is_empty()),
        ]
    }
}

impl Config {
    /// What is wrong with the settings of the custodian by themselves.
    pub(super) fn check_custodian(&self) -> Result<(), Wrong> {
        let custodian = &self.custodian;
        let wrong = |key, why: String| Err((SECTION, key, why));
        let kind = custodian.kind.as_str();
        if !matches!(kind, "file" | "transit" | "pkcs11") {
            return wrong("kind", format!("`{kind}` is none of `file`, `transit` and `pkcs11`"));
        }
        for (of, key, given) in custodian.given() {
            if given && of != kind {
                return wrong(key, format!("this is for a custodian of kind `{of}`, and `custodian.kind` is `{kind}`"));
            }
        }
        if custodian.grace_seconds > MOST_GRACE_SECONDS {
            return wrong(
                "grace_seconds",
                format!("keys are held for a week at most: give up to {MOST_GRACE_SECONDS}"),
            );
        }
        match kind {
            "file" => return custodian.passphrase().check(false),
            "transit" => {
                server_fits(SECTION, "address", &custodian.address, "https://bao.example.com:8200")?;
                let mount = &custodian.mount;
                if mount.is_empty() || !mount.split('/').all(is_name) {
                    return wrong("mount", format!("`{mount}` is not where an engine is mounted, such as `transit`"));
                }
                custodian.token().check(true)?;
            }
            _ => {
                if !Path::new(&custodian.module).is_absolute() {
                    let why =
                        "name the device's library with its whole path, such as `/usr/lib/softhsm/libsofthsm2.so`";
                    return wrong("module", why.into());
                }
                let label = &custodian.token_label;
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
                if label.len() > MOST_LABEL || !label.chars().all(plain) {
                    let why =
                        format!("`{label}` is no label: use up to {MOST_LABEL} letters, digits, spaces and `-_.`");
                    return wrong("token_label", why);
                }
                custodian.pin().check(true)?;
            }
        }
        match is_name(&custodian.key) && custodian.key.len() <= MOST_LABEL {
            true => Ok(()),
            false => {
                let key = &custodian.key;
                wrong("key", format!("`{key}` is no name of a key: use up to {MOST_LABEL} letters, digits and `-_.`"))
            }
        }
    }

    /// What is wrong with the secrets that they name.
    pub(super) fn check_custodian_secrets(&self) -> Result<(), Wrong> {
        match self.custodian.kind.as_str() {
            "transit" => self.custodian.token().check_there(),
            "pkcs11" => self.custodian.pin().check_there(),
            _ => self.custodian.passphrase().check_there(),
        }
    }

    /// The custodian that they name.
    pub fn custody(&self) -> CustodyOptions {
        let custodian = &self.custodian;
        let options = match custodian.kind.as_str() {
            "transit" => CustodianOptions::Transit(TransitOptions {
                address: custodian.address.clone(),
                mount: custodian.mount.clone(),
                key: custodian.key.clone(),
                namespace: custodian.namespace.clone(),
                token: custodian.token().source(),
                ca_file: PathBuf::from(&custodian.ca_file),
            }),
            "pkcs11" => CustodianOptions::Pkcs11(Pkcs11Options {
                module: PathBuf::from(&custodian.module),
                token: custodian.token_label.clone(),
                slot: custodian.slot,
                key: custodian.key.clone(),
                pin: custodian.pin().source(),
            }),
            _ => CustodianOptions::File { passphrase: custodian.passphrase_source() },
        };
        CustodyOptions { custodian: options, grace: Duration::from_secs(custodian.grace_seconds) }
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && !matches!(text, "." | "..") && text.chars().all(plain)
}
