//! Signing in and out.

mod signin;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/signin", get(signin::explain))
        .route("/signin/{secret}", get(signin::confirm).post(signin::open))
        .route("/signout", post(signin::close))
}

#[cfg(test)]
pub(crate) use signin::SigninPage;
