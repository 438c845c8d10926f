//! The installation: the overview, the ledger and its events, the door for tiles, SQL over everything, and health.

pub(crate) mod door;
mod event;
mod health;
mod ledger;
mod overview;
pub(crate) mod proof;
mod sql;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::{App, metrics};

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/ledger", get(ledger::show))
        .route("/ledger/{seq}", get(event::show))
        .route("/sql", get(sql::show))
        .route("/log/checkpoint", get(door::checkpoint))
        .route("/log/tile/{*path}", get(door::tile))
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
}

pub(crate) use sql::download;

#[cfg(test)]
pub(crate) use {event::EventPage, ledger::LedgerPage, overview::OverviewPage, sql::SqlPage};
