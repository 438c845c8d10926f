//! The door for the company's directory: SCIM 2.0 (RFC 7643, RFC 7644) under `/scim/v2`.
//!
//! A directory's program comes with a bearer key. What it sends gets canonical form in the crate `scim`; what that means
//! for people and groups is the engine's to say. A session's cookie opens nothing here.

mod answer;
mod discovery;
mod groups;
mod request;
mod search;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{any, get, post};

use crate::App;
use answer::Problem;
use request::{Directory, Query};
use search::{Among, BOTH, GROUPS, USERS};

/// The largest request, in bytes.
const MAX_BODY_BYTES: usize = 256 << 10;

/// The most resources on one page.
const MAX_PAGE: usize = 200;

/// The most resources that are looked through for one filter.
const MAX_SEARCHED: usize = 10_000;

pub(crate) fn routes() -> Router<Arc<App>> {
    let user = get(users::read).put(users::replace).patch(users::change).delete(users::remove);
    let group = get(groups::read).put(groups::replace).patch(groups::change).delete(groups::remove);
    let search = |among: &'static [Among]| {
        move |State(app): State<Arc<App>>, _: Directory, query: Query| search::page(app, among, query)
    };
    Router::new()
        .route("/ServiceProviderConfig", get(discovery::config))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{name}", get(discovery::resource_type))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{urn}", get(discovery::schema))
        .route("/.search", post(search(BOTH)))
        .route("/Users", get(search(USERS)).post(users::create))
        .route("/Users/.search", post(search(USERS)))
        .route("/Users/{id}", user)
        .route("/Groups", get(search(GROUPS)).post(groups::create))
        .route("/Groups/.search", post(search(GROUPS)))
        .route("/Groups/{id}", group)
        .route("/Me", any(async || Problem::not_implemented("/Me")))
        .route("/Bulk", any(async || Problem::not_implemented("/Bulk")))
        .fallback(async || Problem::missing("nothing is at this address"))
        .method_not_allowed_fallback(async || Problem::new(405, "this address does not take that method"))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}
