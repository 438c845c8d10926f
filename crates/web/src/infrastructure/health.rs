//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::App;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: the ledger is there, the state is folded up to it, no witness remembers another history of it, and
/// inferences can be recorded. Anybody may ask, so which witness it is and why a custodian is away stays in the log.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let size = app.engine.log().size();
    let folded = app.engine.read(|state| state.size);
    if size == 0 || folded < size {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: the state is behind the ledger\n".to_owned());
    }
    if app.engine.log().halted().is_some() {
        let why =
            "not ready: a witness remembers another history of this ledger, so nothing is written to it any more\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
    }
    if app.engine.records().is_full() {
        let why = "not ready: the disk is full, so inferences cannot be recorded\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
    }
    let Some(away) = app.engine.custodian().away else { return (StatusCode::OK, "ready\n".to_owned()) };
    let (lasts, left) = (away.lasts.as_secs(), away.left.as_secs());
    match away.left.is_zero() {
        true => {
            let why = format!(
                "not ready: the custodian of the root key cannot be reached for {lasts} s, so nothing is sealed\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
        false => {
            let but = format!(
                "ready, but the custodian of the root key cannot be reached for {lasts} s: sealing ends in {left} s\n"
            );
            (StatusCode::OK, but)
        }
    }
}
