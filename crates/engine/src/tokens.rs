//! Tokens that stand for what people told.

use vault::SubjectRef;

use crate::{Engine, ExecuteError};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The token itself.
    pub token: String,
}

impl Engine {
    /// The tokens that stand for something of a subject's.
    ///
    /// # Errors
    /// None here: there are no tokens before that is merged.
    pub fn tokens_of(&self, _: &SubjectRef) -> Result<Vec<TokenInfo>, ExecuteError> {
        Ok(Vec::new())
    }
}
