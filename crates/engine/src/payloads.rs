//! Files of sealed payloads, and rows that leave them.

use vault::SubjectRef;

use crate::{Engine, ExecuteError};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedRows {
    /// Segments that were rewritten.
    pub segments: u64,
    /// Rows that are gone.
    pub rows: u64,
}

impl Engine {
    /// Removes the rows of a subject from the files of payloads.
    ///
    /// # Errors
    /// Always: it is not merged.
    pub async fn drop_payload_rows(&self, _: &SubjectRef) -> Result<DroppedRows, ExecuteError> {
        Err(ExecuteError::Unavailable("rows of payloads cannot be removed: not merged".into()))
    }
}
