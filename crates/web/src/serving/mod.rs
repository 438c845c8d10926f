//! What answers: the register of services, the log of inferences, and each one's story.

mod inference;
mod inferences;
mod services;
mod story;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/services", get(services::show))
        .route("/services/register", post(services::register))
        .route("/inferences", get(inferences::show))
        .route("/inferences/{id}", get(inference::show))
}

pub(crate) use inference::record_sql;
pub(crate) use inferences::Latest;

#[cfg(test)]
pub(crate) use {inference::InferencePage, inferences::InferencesPage, services::ServicesPage};
