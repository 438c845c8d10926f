//! Controls with their results, the criteria that they answer, and evidence.

mod control;
mod controls;
mod criteria;
mod evidence;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/controls", get(controls::show))
        .route("/controls/{id}", get(control::show))
        .route("/criteria", get(criteria::show))
        .route("/evidence", get(evidence::show))
        .route("/evidence/export", post(evidence::export))
}

pub(crate) use evidence::package;

#[cfg(test)]
pub(crate) use {control::ControlPage, controls::ControlsPage, criteria::CriteriaPage, evidence::EvidencePage};
