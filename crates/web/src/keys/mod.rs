//! Keys and what they protect: scopes of tokens.

mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/tokens", get(tokens::show)).route("/tokens/reveal", post(tokens::reveal))
}

#[cfg(test)]
pub(crate) use tokens::TokensPage;
