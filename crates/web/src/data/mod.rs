//! Data sets: which there are and who answers for each, the versions of one, and what was checked
//! of them.

mod content;
mod contracts;
mod dataset;
mod datasets;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/data", get(datasets::show))
        .route("/data/{id}", get(dataset::show))
        // contracts and checks
        .route("/data/contracts", get(contracts::show))
        .route("/data/{id}/{version}", get(version::show))
        .route("/data/{id}/versions", post(content::upload))
        .route("/data/{id}/diff", get(content::show))
}

pub(crate) use datasets::readable;

#[cfg(test)]
pub(crate) use {
    content::DiffPage, contracts::ContractsPage, dataset::DatasetPage, datasets::DataPage, version::VersionPage,
};
