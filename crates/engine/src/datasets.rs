//! Data sets, and rows that leave them.

use vault::SubjectRef;

use crate::{Engine, ExecuteError};

/// A version of a data set that was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewrittenVersion {
    /// The data set.
    pub dataset: String,
    /// Its version.
    pub version: String,
    /// How many rows it has no more.
    pub rows_removed: u64,
}

impl Engine {
    /// Writes the data sets with rows of a subject anew without them.
    ///
    /// # Errors
    /// None here: there are no data sets before that is merged.
    pub async fn drop_dataset_rows(&self, _: &SubjectRef) -> Result<Vec<RewrittenVersion>, ExecuteError> {
        Ok(Vec::new())
    }

    /// Data sets and versions with rows of a subject.
    ///
    /// # Errors
    /// As above.
    pub fn datasets_of(&self, _: &SubjectRef) -> Result<Vec<(String, String)>, ExecuteError> {
        Ok(Vec::new())
    }
}
