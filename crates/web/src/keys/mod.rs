//! Keys that data are encrypted under, what they protect, how long that is kept, and what people can ask for.

mod encryption;
mod request;
mod requests;
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
        .route("/requests", get(requests::show).post(requests::receive))
        .route("/requests/{id}", get(request::show))
        .route("/requests/{id}/identity", post(request::identity))
        .route("/requests/{id}/search", post(request::search))
        .route("/requests/{id}/assess", post(request::assess))
        .route("/requests/{id}/approval", post(request::ask))
        .route("/requests/{id}/execute", post(request::execute))
        .route("/requests/{id}/close", post(request::close))
        .route("/requests/{id}/export", get(request::export))
        .route("/requests/{id}/certificate", get(request::certificate))
        .route("/requests/{id}/certificate.pdf", get(request::certificate_pdf))
}

#[cfg(test)]
pub(crate) use encryption::EncryptionPage;
#[cfg(test)]
pub(crate) use retention::RetentionPage;
#[cfg(test)]
pub(crate) use tokens::TokensPage;
#[cfg(test)]
pub(crate) use {request::RequestPage, requests::RequestsPage};
