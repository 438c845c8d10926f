//! The root of the keys.

use crate::{Engine, ExecuteError};

impl Engine {
    /// Replaces the root key, and destroys the old one.
    ///
    /// # Errors
    /// Always: it is not merged.
    pub async fn ratchet_root(&self) -> Result<(), ExecuteError> {
        Err(ExecuteError::Unavailable("the root key cannot be replaced: not merged".into()))
    }
}
