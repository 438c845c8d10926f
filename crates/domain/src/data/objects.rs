//! Encrypted objects: what was written of each, and which are to be destroyed.
//!
//! An object is decided to go by an event of what it belongs to; its key is destroyed and its file removed afterwards, and
//! then `object.destroyed` says so. Until that is written, it is done again after every start.

use serde::{Deserialize, Serialize};

use crate::decide::digest_is_valid;
use crate::{Event, Refusal, RefusalCode, State};

/// An object as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredObject {
    /// Its identifier: 32 hexadecimal digits, chosen at random.
    pub object: String,
    /// The data class, whose key is above its own.
    pub class: String,
    /// Name of its own key in the vault.
    pub key: String,
    /// SHA-256 of the encrypted file, hexadecimal.
    pub sha256: String,
    /// Bytes of the encrypted file.
    pub stored_bytes: u64,
    /// Bytes of what is in it.
    pub bytes: u64,
    /// Chunks that it is encrypted in.
    pub chunks: u64,
    /// Commitment to the key, hexadecimal; with `sha256`, a commitment to what is in it that only the key can confirm.
    pub commitment: String,
}

/// An object that is decided to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doomed {
    /// Its data class.
    pub class: String,
    /// The data set that it was of.
    pub dataset: String,
    /// And the version of that.
    pub version: String,
}

/// An object is gone: its key was destroyed and its file removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectDestroyed {
    /// Which object.
    pub object: String,
    /// Its data class.
    pub class: String,
    /// Name of the key that was destroyed.
    pub key: String,
    /// How many copies, the key and the file, were looked for again and not found; none where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies_confirmed: Option<u64>,
}

/// The report that an object is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectNamed {
    /// Which object.
    pub object: String,
    /// How many copies, the key and the file, were looked for again and not found; none where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies_confirmed: Option<u64>,
}

/// The name of an object's key in the vault.
#[must_use]
pub fn key_of(class: &str, object: &str) -> String {
    format!("object/{class}/{object}")
}

pub(crate) fn is_well_formed(stored: &StoredObject) -> Result<(), Refusal> {
    digest_is_valid("stored object", &stored.sha256)?;
    digest_is_valid("key's commitment", &stored.commitment)?;
    match stored.key == key_of(&stored.class, &stored.object) {
        true => Ok(()),
        false => Err(Refusal::new(RefusalCode::Invalid, "the key of an object is named by its class and identifier")),
    }
}

/// Reports that an object is gone; again is nothing.
pub(crate) fn destroyed(state: &State, body: &ObjectNamed) -> Result<Vec<Event>, Refusal> {
    let object = &body.object;
    if let Some(doomed) = state.doomed_objects.get(object) {
        let (class, key) = (doomed.class.clone(), key_of(&doomed.class, object));
        let (object, copies_confirmed) = (object.clone(), body.copies_confirmed);
        return Ok(vec![Event::ObjectDestroyed(ObjectDestroyed { object, class, key, copies_confirmed })]);
    }
    if state.version(&format!("object/{object}")) > 0 {
        return Ok(vec![]);
    }
    Err(Refusal::new(RefusalCode::Conflict, format!("nothing decided that object `{object}` is to go")))
}
