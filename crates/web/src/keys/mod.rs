//! Keys that data are encrypted under, what they protect, and how long that is kept.

mod encryption;
mod retention;
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
        .route("/retention", get(retention::show))
        .route("/retention/rules", post(retention::set))
        .route("/retention/holds", post(retention::place))
        .route("/retention/holds/{id}/release", post(retention::release))
        .route("/retention/disposals/{id}/confirm", post(retention::confirm))
        .route("/tokens", get(tokens::show))
        .route("/tokens/reveal", post(tokens::reveal))
}

#[cfg(test)]
pub(crate) use encryption::EncryptionPage;
#[cfg(test)]
pub(crate) use retention::RetentionPage;
#[cfg(test)]
pub(crate) use tokens::TokensPage;
