//! Keys that data are encrypted under, and what they protect.

mod encryption;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/encryption", get(encryption::show))
        .route("/encryption/rotate", post(encryption::rotate))
        .route("/encryption/schedule", post(encryption::configure))
        .route("/tokens", get(tokens::show))
        .route("/tokens/reveal", post(tokens::reveal))
}

#[cfg(test)]
pub(crate) use encryption::EncryptionPage;
#[cfg(test)]
pub(crate) use tokens::TokensPage;
