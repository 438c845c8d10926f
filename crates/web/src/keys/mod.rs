//! What protects data, and what people can ask for: their requests.

mod request;
mod requests;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
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
pub(crate) use {request::RequestPage, requests::RequestsPage};
