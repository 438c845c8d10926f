//! Copies in a write-once bucket: what lies there, until when the bucket says that it is locked, and what came of trying
//! whether that is true.

use serde::{Deserialize, Serialize};

use crate::decide::refuse;
use crate::{Event, Refusal, RefusalCode, State};

/// Most objects that one report lists: it must fit in an entry.
pub const MAX_OBJECTS: usize = 64;

/// Most characters of an object's name.
const MAX_NAME: usize = 300;

/// Most characters of a version's name.
const MAX_VERSION: usize = 200;

/// Who could lift a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Nobody, before its time.
    Compliance,
    /// Whoever holds a right of their own.
    Governance,
}

impl LockMode {
    /// The word of S3.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        }
    }
}

/// An object as the bucket told of it after it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedObject {
    /// Its name below the prefix: the path of a file below the data directory, or `checkpoints/SIZE`.
    pub object: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// How many they are.
    pub bytes: u64,
    /// The version that is locked, as the bucket calls it.
    pub version: String,
    /// Until when, in milliseconds since the epoch.
    pub until: i64,
}

/// Objects were stored in a write-once bucket, and it says that they are locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveLocked {
    /// Where the bucket is: `HOST/BUCKET`, with `/PREFIX` when its objects have one.
    pub bucket: String,
    /// The mode of all locks in it.
    pub mode: LockMode,
    /// All files that entries below this number speak of are stored there.
    pub through: u64,
    /// The objects.
    pub objects: Vec<LockedObject>,
}

/// What came of a look at an object, or of trying to delete one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// Its deletion was refused, and it is there.
    Held,
    /// It could be deleted.
    Deletable,
    /// It is there without the lock that it was given, or with a shorter one.
    Unlocked,
    /// A newer version, or a mark of deletion, hides it.
    Hidden,
    /// The version is gone.
    Missing,
    /// Under its name lie other bytes than were to be stored.
    Differs,
}

/// A write-once bucket was put to the test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveProbed {
    /// Where the bucket is: `HOST/BUCKET`, with `/PREFIX` when its objects have one.
    pub bucket: String,
    /// The object.
    pub object: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// Copies are reported in order: who reports what is behind the ledger's own knowledge has fallen behind.
pub(crate) fn locked(state: &State, body: &ArchiveLocked) -> Result<Vec<Event>, Refusal> {
    bucket_is_valid(&body.bucket)?;
    if body.objects.is_empty() || body.objects.len() > MAX_OBJECTS {
        return Err(invalid(format!("a report lists 1 to {MAX_OBJECTS} objects")));
    }
    for object in &body.objects {
        name_is_valid(&object.object)?;
        let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if object.sha256.len() != 64 || !object.sha256.chars().all(hex) {
            return Err(invalid(format!("`{}` is no SHA-256 in hexadecimal", object.sha256)));
        }
        let plain = |c: char| c.is_ascii_graphic();
        if object.version.is_empty() || object.version.len() > MAX_VERSION || !object.version.chars().all(plain) {
            return Err(invalid(format!("the version of `{}` is no name of one", object.object)));
        }
        if object.until < 0 {
            return Err(invalid("no lock ended before 1970"));
        }
    }
    let known = state.archives.get(&body.bucket).copied().unwrap_or_default();
    match body.through < known || body.through > state.size {
        true => {
            let message = format!(
                "copies through entry {} cannot follow those through {known} in a ledger of {}",
                body.through, state.size
            );
            Err(refuse(RefusalCode::Conflict, message))
        }
        false => Ok(vec![Event::ArchiveLocked(body.clone())]),
    }
}

/// Each test is an event: when it was made last is what counts.
pub(crate) fn probed(body: &ArchiveProbed) -> Result<Vec<Event>, Refusal> {
    bucket_is_valid(&body.bucket)?;
    name_is_valid(&body.object)?;
    Ok(vec![Event::ArchiveProbed(body.clone())])
}

/// Whether this is the name of an S3 bucket.
#[must_use]
pub fn is_bucket(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    (3..=63).contains(&name.len()) && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A bucket alone is one that was named before servers were.
pub(super) fn bucket_is_valid(place: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:[]".contains(c);
    let (host, rest) = place.split_once('/').unwrap_or(("host", place));
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, "prefix"));
    let host_fits = !host.is_empty() && host.len() <= MAX_NAME && host.chars().all(plain);
    match host_fits && is_bucket(bucket) && name_is_valid(prefix).is_ok() {
        true => Ok(()),
        false => Err(invalid(format!("`{place}` is no bucket: it is `HOST/BUCKET` or `HOST/BUCKET/PREFIX`"))),
    }
}

fn name_is_valid(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=/".contains(c);
    match !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain) {
        true => Ok(()),
        false => Err(invalid(format!("`{name}` is no object's name: up to {MAX_NAME} letters, digits and `-_.=/`"))),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    refuse(RefusalCode::Invalid, message)
}
