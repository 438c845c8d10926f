//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::App;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: the ledger is there, the state is folded up to it, and inferences can be recorded.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    let size = app.engine.log().size();
    let folded = app.engine.read(|state| state.size);
    if size == 0 || folded < size {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: the state is behind the ledger\n");
    }
    match app.engine.records().is_full() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the disk is full, so inferences cannot be recorded\n"),
        false => (StatusCode::OK, "ready\n"),
    }
}
