//! The ordinary bucket that encrypted objects are kept in: that it lets go of what is deleted.

use serde::{Deserialize, Serialize};

use super::archive::bucket_is_valid;
use crate::decide::refuse;
use crate::{Event, Refusal, RefusalCode, State};

/// Whether a bucket keeps what is replaced or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Versioning {
    /// It never did.
    Never,
    /// It does: every version is deleted.
    Enabled,
    /// It did.
    Suspended,
}

/// What came of putting a bucket to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceOutcome {
    /// What was stored was read back, and was gone in every version once it was deleted.
    Erasable,
    /// It was not so, or the bucket has object lock, or is another ledger's.
    Unfit,
}

/// The bucket of encrypted objects was put to the test, and it came out otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsProbed {
    /// Where the bucket is: `HOST/BUCKET`, with `/PREFIX` when its objects have one.
    pub bucket: String,
    /// What came of it.
    pub outcome: PlaceOutcome,
    /// Whether it keeps versions; left out where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
}

/// Only what is news is an event.
pub(crate) fn probed(state: &State, body: &ObjectsProbed) -> Result<Vec<Event>, Refusal> {
    bucket_is_valid(&body.bucket)?;
    if (body.outcome == PlaceOutcome::Erasable) != body.versioning.is_some() {
        let message = "a bucket that was found fit says whether it keeps versions, and no other does";
        return Err(refuse(RefusalCode::Invalid, message));
    }
    match state.objects_in.as_ref() == Some(body) {
        true => Ok(vec![]),
        false => Ok(vec![Event::ObjectsProbed(body.clone())]),
    }
}
