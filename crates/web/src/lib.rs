//! HTTP, thin: the pages that people read, the JSON API that the command line and other programs use, the door to the
//! log's tiles, and the metrics.
//!
//! Handlers authenticate, ask the engine whether it is allowed, call one function further down and shape its answer.
//! Each room has a module, a page has a file with its context and its handler, and a template of the same name.
//! Nothing here names storage, Cedar or the SQL engine, and no page sends a request to another origin.

mod api;
mod app;
mod assets;
mod assurance;
mod auth;
mod data;
mod directory;
mod failure;
mod headers;
mod infrastructure;
mod keys;
mod metrics;
mod multipart;
mod people;
mod reader;
mod record;
mod rows;
mod serving;
mod settings;
mod ui;

pub use app::App;
pub use headers::with_headers;
pub use settings::{OidcSettings, Settings, WorkloadSettings};

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::failure::{Failure, PageError};

/// Everything that this crate serves.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(people::routes())
        .merge(serving::routes())
        .merge(data::routes())
        .merge(crate::assurance::routes())
        .merge(keys::routes())
        .merge(infrastructure::routes())
        .nest("/api/v1", api::routes())
        .nest("/scim/v2", directory::routes())
        .route("/assets/{digest}/{name}", get(assets::serve))
        .fallback(async || PageError(Failure::no_page()))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), people::roleless::explained))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), record::attempt))
        .layer(axum::middleware::from_fn(people::onward::detours))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), headers::guard))
        .with_state(app)
}

#[cfg(test)]
mod tests;
