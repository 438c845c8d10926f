//! Data sets: which there are and who answers for each, and the versions of one.

mod content;
mod dataset;
mod datasets;
mod findings;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/data", get(datasets::show))
        .route("/data/findings", get(findings::show).post(findings::settle))
        .route("/data/{id}", get(dataset::show))
        .route("/data/{id}/versions", post(content::upload))
        .route("/data/{id}/diff", get(content::show))
}

pub(crate) use datasets::readable;

#[cfg(test)]
pub(crate) use {content::DiffPage, dataset::DatasetPage, datasets::DataPage, findings::FindingsPage};
