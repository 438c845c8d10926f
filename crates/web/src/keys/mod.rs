//! What protects data and how long it is kept.

mod retention;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/retention", get(retention::show))
        .route("/retention/rules", post(retention::set))
        .route("/retention/holds", post(retention::place))
        .route("/retention/holds/{id}/release", post(retention::release))
        .route("/retention/disposals/{id}/confirm", post(retention::confirm))
}

#[cfg(test)]
pub(crate) use retention::RetentionPage;
