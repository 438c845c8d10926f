//! Access reviews.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use domain::people::reviews::{ReviewDecided, ReviewReason};
use engine::Campaign;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use super::assurance::failure;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::people::{Names, may_see, review_value};

/// A campaign to start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    scope: String,
    reviewer: String,
    alternate: Option<String>,
    /// Whether keys and passkeys are reviewed too.
    #[serde(default)]
    credentials: bool,
    /// Milliseconds since the epoch.
    due_at: i64,
}

/// `POST /reviews`
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Start>,
) -> Result<Answer<Value>, ApiError> {
    let Start { scope, reviewer, alternate, credentials, due_at } = wish;
    let wish = Campaign { scope, reviewer, alternate, credentials, due_at };
    let review = app.engine.start_review(&who, wish).await?;
    let started = app.engine.review(&review)?.started;
    Ok(Answer(json!({ "review": review, "started": started })))
}

/// `GET /reviews`
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "reviews")?;
    let found = app.ask("SELECT * FROM access_reviews ORDER BY due_at DESC LIMIT 1000").await?;
    Ok(Answer(json!({ "reviews": found.rows, "at_size": found.size })))
}

/// `GET /reviews/due`: whom to remind.
pub(crate) async fn due(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "reviews")?;
    Ok(Answer(json!({ "due": app.engine.reviews_due() })))
}

/// `GET /reviews/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    let review = may_see(&app, &who, &id)?;
    let concerned = review.items.values().map(|item| &item.actor).chain([&review.reviewer]).chain(&review.alternate);
    let known: BTreeSet<&String> = concerned.collect();
    let names = Names::of(&app, &who, &known).await?;
    let named = known.into_iter().filter_map(|actor| Some((actor.clone(), names.name(actor)?.to_owned())));
    let named: BTreeMap<String, String> = named.collect();
    let mut value = review_value(&app, &review);
    value["names"] = json!(named);
    Ok(Answer(value))
}

/// Who is to review from here on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assign {
    reviewer: String,
    alternate: Option<String>,
}

/// `POST /reviews/{id}/assign`
pub(crate) async fn assign(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(wish): Json<Assign>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.assign_review(&who, &id, wish.reviewer, wish.alternate).await?;
    Ok(Answer(json!({ "review": id, "assigned": true })))
}

/// What is decided of one item. `needed` keeps it, every other reason takes it away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    item: String,
    reason: ReviewReason,
    reference: Option<String>,
}

/// `POST /reviews/{id}/decide`
pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(review): Path<String>,
    Json(wish): Json<Decide>,
) -> Result<Answer<Value>, ApiError> {
    let Decide { item, reason, reference } = wish;
    let verdict = reason.verdict();
    let decided = ReviewDecided { review: review.clone(), item: item.clone(), verdict, reason, reference };
    app.engine.decide_review(&who, decided).await?;
    Ok(Answer(json!({ "review": review, "item": item, "verdict": verdict })))
}

/// `POST /reviews/{id}/complete`
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(review): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.complete_review(&who, &review).await?;
    Ok(Answer(json!({ "review": review, "completed": true })))
}

/// `GET /reviews/{id}/list`: the list with the proof that the ledger commits to it, as text in the format
/// `counterfoil/review-list@v1`.
pub(crate) async fn signed(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    may_see(&app, &who, &id)?;
    let engine = Arc::clone(&app.engine);
    let made = tokio::task::spawn_blocking(move || ::assurance::review_list(&engine, &id)).await;
    let list = made.map_err(|panicked| Failure::internal("prove the list", &panicked))?.map_err(failure)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], list.to_string()).into_response())
}
