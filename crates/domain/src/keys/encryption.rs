//! The key hierarchy: the key of each data class and the root key above them, when they are replaced, and that they were.
//!
//! Somebody asks for a replacement, or it is due; a reconciler carries it out and reports it. What it did cannot be
//! undone, so a replacement that was cut short is brought to its end and reported then. No key and nothing derived from
//! one is in here: a class key is known by its class and version, the root key by the name that its custodian gives it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::{name_is_valid, refuse};
use crate::{Event, Refusal, RefusalCode, State};

/// After how many days the key of a class is replaced, while nobody set anything else.
pub const CLASS_DAYS: u32 = 90;
/// The longest time that can be set, in days.
pub const MAX_CLASS_DAYS: u32 = 366;
/// After how many hours the root key is ratcheted, while nobody set anything else.
pub const RATCHET_HOURS: u32 = 24;
/// The longest time that can be set, in hours. What was erased can be opened by a copy of the key store until then, and
/// people may expect that it is gone within a month.
pub const MAX_RATCHET_HOURS: u32 = 30 * 24;
/// The class of the keys that link a subject's records within a day. It is the vault's own.
pub const LINK_CLASS: &str = "_link";
/// What the root key is called in a request.
pub const ROOT: &str = "root";

const HOUR_MS: i64 = 60 * 60 * 1000;
const MAX_KEY_ID_CHARS: usize = 160;
/// What holds a root key.
const CUSTODIANS: [&str; 4] = ["file", "memory", "pkcs11", "transit"];

/// When keys are replaced, from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfigured {
    /// After how many days the key of a class is replaced.
    pub class_days: u32,
    /// After how many hours the root key is ratcheted.
    pub ratchet_hours: u32,
}

impl Default for EncryptionConfigured {
    fn default() -> Self {
        Self { class_days: CLASS_DAYS, ratchet_hours: RATCHET_HOURS }
    }
}

/// Somebody wants a key replaced before it is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationRequested {
    /// Which: a class, or `root`. A class of that name is replaced when it is due only.
    pub key: String,
}

/// The key of a class was replaced, or is there for the first time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassKeyRotated {
    /// The class.
    pub class: String,
    /// The version that is in use now, from 1. Versions before it are destroyed.
    pub version: u32,
    /// When it was made, in milliseconds since the epoch.
    pub made_at: i64,
    /// How many bucket keys it wraps, each replaced with it.
    pub buckets: u64,
    /// How many keys of subjects, links and days were wrapped anew by those. What a rotation did before it was cut short
    /// is not counted.
    pub rewrapped: u64,
    /// What holds the root key that wraps it: `file`, `transit`, `pkcs11` or `memory`.
    pub custodian: String,
}

/// The root key has a new version, which wraps all class and index keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRatcheted {
    /// The custodian's name for the new version.
    pub key_id: String,
    /// What holds it: `file`, `transit`, `pkcs11` or `memory`.
    pub custodian: String,
    /// How many keys it wraps.
    pub rewrapped: u64,
    /// Whether the versions before it are destroyed, so that a copy of the key store made before opens nothing.
    pub forgets: bool,
}

/// A class key as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassKey {
    /// The version in use.
    pub version: u32,
    /// When it was made, in milliseconds since the epoch.
    pub made_at: i64,
}

/// The key hierarchy as the state knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Encryption {
    /// When keys are replaced; `None` while nobody said.
    pub configured: Option<EncryptionConfigured>,
    /// Class keys by class.
    pub classes: BTreeMap<String, ClassKey>,
    /// The newest ratchet of the root, and when it was reported, in milliseconds since the epoch.
    pub ratcheted: Option<(RootRatcheted, i64)>,
    /// Keys to be replaced, by the name in the request, and since when, in milliseconds since the epoch.
    pub requested: BTreeMap<String, i64>,
}

impl Encryption {
    /// When keys are replaced.
    #[must_use]
    pub fn schedule(&self) -> EncryptionConfigured {
        self.configured.clone().unwrap_or_default()
    }

    /// When the key of a class is to be replaced, in milliseconds since the epoch; `None` for a class without one.
    #[must_use]
    pub fn rotation_due_at(&self, class: &str) -> Option<i64> {
        let known = self.classes.get(class)?;
        let due = known.made_at.saturating_add(i64::from(self.schedule().class_days) * 24 * HOUR_MS);
        Some(self.wanted_since(class).map_or(due, |since| due.min(since)))
    }

    /// When the root key is to be ratcheted, in milliseconds since the epoch: at once while it never was.
    #[must_use]
    pub fn ratchet_due_at(&self) -> i64 {
        let after = i64::from(self.schedule().ratchet_hours) * HOUR_MS;
        let due = self.ratcheted.as_ref().map_or(0, |(_, at)| at.saturating_add(after));
        self.requested.get(ROOT).map_or(due, |since| due.min(*since))
    }

    /// Since when somebody wants the key of a class replaced.
    #[must_use]
    pub fn wanted_since(&self, class: &str) -> Option<i64> {
        self.requested.get(class).filter(|_| class != ROOT).copied()
    }

    pub(crate) fn apply_rotated(&mut self, body: &ClassKeyRotated) {
        let ClassKeyRotated { class, version, made_at, .. } = body;
        self.classes.insert(class.clone(), ClassKey { version: *version, made_at: *made_at });
        // A version that was there when somebody asked is not the one that they asked for.
        if self.wanted_since(class).is_some_and(|since| *made_at >= since) {
            self.requested.remove(class);
        }
    }

    pub(crate) fn apply_ratcheted(&mut self, body: &RootRatcheted, at: i64) {
        self.ratcheted = Some((body.clone(), at));
        self.requested.remove(ROOT);
    }
}

pub(crate) fn configure(state: &State, body: &EncryptionConfigured) -> Result<Vec<Event>, Refusal> {
    let within = |value, most| (1..=most).contains(&value);
    if !within(body.class_days, MAX_CLASS_DAYS) {
        let message = format!("the key of a class is replaced after 1 to {MAX_CLASS_DAYS} days");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    if !within(body.ratchet_hours, MAX_RATCHET_HOURS) {
        let message = format!("the root key is ratcheted after 1 to {MAX_RATCHET_HOURS} hours");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    let same = state.encryption.configured.as_ref() == Some(body);
    Ok(if same { vec![] } else { vec![Event::EncryptionConfigured(body.clone())] })
}

pub(crate) fn request(state: &State, body: &RotationRequested) -> Result<Vec<Event>, Refusal> {
    let class = &body.key;
    if class != ROOT {
        class_is_valid(class)?;
        if !state.encryption.classes.contains_key(class) {
            let message = format!(
                "class `{class}` has no key to rotate: one is made when the first thing of the class is encrypted; \
                 `counterfoil encryption keys` lists the classes that have one"
            );
            return Err(refuse(RefusalCode::NotFound, message));
        }
    }
    let waits = state.encryption.requested.contains_key(&body.key);
    Ok(if waits { vec![] } else { vec![Event::EncryptionRotationRequested(body.clone())] })
}

pub(crate) fn rotated(state: &State, body: &ClassKeyRotated) -> Result<Vec<Event>, Refusal> {
    class_is_valid(&body.class)?;
    custodian_is_valid(&body.custodian)?;
    let known = state.encryption.classes.get(&body.class).map_or(0, |known| known.version);
    if body.version < known {
        let message = format!(
            "the key of class `{}` was at version {known} before, and is at {} now: the key store is an older copy",
            body.class, body.version
        );
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(if body.version == known { vec![] } else { vec![Event::EncryptionKeyRotated(body.clone())] })
}

pub(crate) fn ratcheted(body: &RootRatcheted) -> Result<Vec<Event>, Refusal> {
    custodian_is_valid(&body.custodian)?;
    let length = (1..=MAX_KEY_ID_CHARS).contains(&body.key_id.len());
    if !length || !body.key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("a root key's name has 1 to {MAX_KEY_ID_CHARS} printable ASCII characters, no spaces");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    Ok(vec![Event::EncryptionRootRatcheted(body.clone())])
}

fn class_is_valid(class: &str) -> Result<(), Refusal> {
    if class == LINK_CLASS { Ok(()) } else { name_is_valid("data class", class) }
}

fn custodian_is_valid(custodian: &str) -> Result<(), Refusal> {
    match CUSTODIANS.contains(&custodian) {
        true => Ok(()),
        false => Err(refuse(RefusalCode::Invalid, format!("a custodian is one of {}", CUSTODIANS.join(", ")))),
    }
}
