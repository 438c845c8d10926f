//! The JSON API under `/api/v1`, which the command line speaks too. `docs/api.md` describes it.

mod accesses;
pub(crate) mod approvals;
mod archive;
mod assurance;
pub(crate) mod content;
pub(crate) mod contracts;
pub(crate) mod datasets;
mod detectors;
mod directory;
mod documents;
mod emergencies;
mod encryption;
pub(crate) mod fields;
mod groups;
mod infrastructure;
mod keys;
mod lineage;
mod login;
mod notifications;
mod objects;
mod outside;
mod passkeys;
mod people;
pub(crate) mod policies;
pub(crate) mod requests;
mod residency;
mod retention;
mod reviews;
mod serving;
mod sessions;
mod tokens;
mod views;

pub(crate) use assurance::failure as assurance_failure;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::routing::{delete, get, post, put};
use domain::data::lineage::openlineage::MAX_EVENT_BYTES;
use http::StatusCode;
use ingest::outside::reports::MAX_SENT_BYTES;
use serde::de::DeserializeOwned;

use crate::App;
use crate::failure::{ApiError, Failure};

/// The largest JSON body, in bytes: more than any entry of the ledger.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The largest artifact, in bytes. It is in memory while it is checked.
const MAX_ARTIFACT_BYTES: usize = 256 << 20;

pub(crate) fn routes() -> Router<Arc<App>> {
    let events = DefaultBodyLimit::max(MAX_EVENT_BYTES);
    let lineage = post(lineage::report).get(lineage::around).layer(events);
    let batch = post(lineage::report_batch).layer(DefaultBodyLimit::max(lineage::MAX_BATCH_BYTES));
    let reports = post(outside::report).layer(DefaultBodyLimit::max(MAX_SENT_BYTES));
    let upload = put(infrastructure::put_artifact).layer(DefaultBodyLimit::max(MAX_ARTIFACT_BYTES));
    Router::new()
        .route("/commands", post(infrastructure::command))
        .route("/org", get(infrastructure::org))
        .route("/ledger", get(infrastructure::ledger))
        .route("/checkpoint", post(infrastructure::checkpoint))
        .route("/events/{seq}", get(infrastructure::event))
        .route("/events/{seq}/proof", get(infrastructure::event_proof))
        .route("/sql", post(infrastructure::sql))
        .route("/tables", get(infrastructure::tables))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/leaked", post(keys::leaked))
        .route("/keys/lookup", post(keys::look_up))
        .route("/keys/{id}", delete(keys::revoke))
        .route("/keys/{id}/rotate", post(keys::rotate))
        .route("/people/{actor}/owner", post(people::own))
        .route("/people/{actor}/identity", post(people::link))
        .route("/people", get(directory::list).post(directory::register))
        .route("/people/{actor}", get(directory::show).patch(directory::set))
        .route("/people/{actor}/leave", post(directory::leave))
        .route("/people/{actor}/return", post(directory::come_back))
        .route("/groups", get(groups::list).post(groups::add))
        .route("/groups/{id}", get(groups::show).patch(groups::rename).delete(groups::delete))
        .route("/groups/{id}/members", post(groups::members))
        .route("/groups/{id}/roles", put(groups::map))
        .route("/groups/{id}/roles/approve", post(groups::approve))
        .route("/grants", post(people::request_grant))
        .route("/grants/{id}/approve", post(people::approve_grant))
        .route("/grants/{id}/end", post(people::end_grant))
        .route("/reviews", get(reviews::list).post(reviews::start))
        .route("/reviews/due", get(reviews::due))
        .route("/reviews/{id}", get(reviews::show))
        .route("/reviews/{id}/assign", post(reviews::assign))
        .route("/reviews/{id}/decide", post(reviews::decide))
        .route("/reviews/{id}/complete", post(reviews::complete))
        .route("/reviews/{id}/list", get(reviews::signed))
        .route("/accesses", get(accesses::list))
        .route("/accesses/mine", get(accesses::mine))
        .route("/accesses/import", post(accesses::import))
        .route("/accesses/{id}/proof", get(accesses::proof))
        .route("/approvals", get(approvals::list).post(approvals::request))
        .route("/approvals/rules", get(approvals::rules).post(approvals::configure))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/vote", post(approvals::vote))
        .route("/approvals/{id}/withdraw", post(approvals::withdraw))
        .route("/approvals/{id}/comments", post(approvals::comment))
        .route("/approvals/{id}/carry-out", post(approvals::carry_out))
        .route("/documents", get(documents::list).put(documents::upload))
        .route("/documents/{id}/text", get(documents::text))
        .route("/delegations", post(approvals::delegate))
        .route("/delegations/{id}", delete(approvals::end_delegation))
        .route("/emergencies", post(emergencies::declare))
        .route("/emergencies/{id}/end", post(emergencies::end))
        .route("/emergencies/{id}/review", post(emergencies::review))
        .route("/archive", get(archive::show))
        .route("/archive/run", post(archive::run))
        .route("/objects", get(objects::show))
        .route("/objects/check", post(objects::check))
        .route("/encryption", get(encryption::show))
        .route("/encryption/schedule", put(encryption::configure))
        .route("/encryption/rotate", post(encryption::rotate))
        .route("/residency", get(residency::show))
        .route("/residency/report", get(residency::reported))
        .route("/residency/regions", put(residency::declare))
        .route("/residency/rules/{id}", put(residency::rule).delete(residency::lift))
        .route("/residency/check", post(residency::check))
        .route("/transfers", get(residency::transfers).post(residency::authorise))
        .route("/transfers/{id}/revoke", post(residency::revoke))
        .route("/retention", get(retention::list))
        .route("/retention/rules/{rule}", put(retention::set).delete(retention::unset))
        .route("/retention/due", get(retention::due))
        .route("/retention/run", post(retention::run))
        .route("/retention/disposals/{id}/confirm", post(retention::confirm))
        .route("/retention/clock/confirm", post(retention::confirm_clock))
        .route("/holds", get(retention::holds).post(retention::place))
        .route("/holds/{id}/release", post(retention::release))
        .route("/requests", get(requests::list).post(requests::receive))
        .route("/requests/{id}", get(requests::show))
        .route("/requests/{id}/text", get(requests::text))
        .route("/requests/{id}/identity", post(requests::identity))
        .route("/requests/{id}/search", post(requests::search))
        .route("/requests/{id}/assess", post(requests::assess))
        .route("/requests/{id}/approval", post(requests::ask))
        .route("/requests/{id}/execute", post(requests::execute))
        .route("/requests/{id}/close", post(requests::close))
        .route("/requests/{id}/export", get(requests::export))
        .route("/requests/{id}/certificate", get(requests::certificate))
        .route("/requests/{id}/certificate.pdf", get(requests::certificate_pdf))
        .route("/notifications/test", post(notifications::test))
        .route("/policies", get(policies::show))
        .route("/policies/diff", post(policies::diff))
        .route("/policies/history", get(policies::history))
        .route("/policies/install", post(policies::install))
        .route("/policies/proposals", post(policies::propose))
        .route("/authz/explain", get(people::explain))
        .route("/authz/who-can", get(people::who_can))
        .route("/signin-links", post(people::create_link))
        .route("/login", delete(login::end))
        .route("/login/exchange", post(login::exchange))
        .route("/login/device", post(login::begin))
        .route("/login/device/token", post(login::poll))
        .route("/passkeys", get(passkeys::list))
        .route("/passkeys/{id}", delete(passkeys::remove))
        .route("/recovery-codes", post(passkeys::recovery_codes))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", delete(sessions::revoke))
        .route("/lineage/impact", get(lineage::impact))
        .route("/lineage/nodes", get(lineage::nodes))
        .route("/lineage/events/{seq}", get(lineage::event))
        .route("/datasets", get(datasets::list))
        .route("/objects/aside", get(datasets::aside))
        .route("/datasets/{id}", get(datasets::show))
        .route("/datasets/{id}/diff", get(content::diff))
        .route("/datasets/{id}/versions/{version}/destroy", post(datasets::destroy))
        .route("/datasets/{id}/versions/{version}/verify", get(datasets::verify))
        .route("/contracts", get(contracts::list).post(contracts::publish))
        .route("/contracts/try", post(contracts::attempt))
        .route("/contracts/{id}", get(contracts::show))
        .route("/contracts/{id}/retire", post(contracts::retire))
        .route("/checks", post(contracts::check))
        .route("/datasets/{id}/profile", get(contracts::profile))
        .route("/contracts/import", post(outside::import))
        .route("/datasets/{id}/versions/{version}/quarantine", get(contracts::quarantined))
        .route("/datasets/{id}/versions/{version}/release", post(contracts::release))
        .route("/datasets/{id}/fields", get(fields::list).post(fields::declare))
        .route("/datasets/{id}/versions/{version}/scan", post(fields::scan))
        .route("/datasets/{id}/views", get(views::list))
        .route("/datasets/{id}/views/{for}", put(views::declare).delete(views::retire))
        .route("/datasets/{id}/versions/{version}/view/{for}", get(views::read))
        .route("/datasets/{id}/versions/{version}/view/{for}/links", post(views::link))
        .route("/view-links/{secret}", get(views::follow))
        .route("/findings", get(fields::findings))
        .route("/findings/{id}/resolve", post(fields::resolve))
        .route("/detectors", get(detectors::list).post(detectors::find))
        .route("/detectors/{id}", put(detectors::declare).delete(detectors::retire))
        .route("/tokens", get(tokens::list))
        .route("/tokens/placeholders", post(tokens::place))
        .route("/tokens/placeholders/restore", post(tokens::restore))
        .route("/tokens/{scope}/tokenize", post(tokens::tokenize))
        .route("/tokens/{scope}/detokenize", post(tokens::detokenize))
        .route("/inferences/{id}", get(serving::inference))
        .route("/inferences/{id}/proof", get(serving::inference_proof))
        .route("/segments/seal", post(serving::seal))
        .route("/controls", get(assurance::controls))
        .route("/controls/run", post(assurance::run))
        .route("/evidence", get(assurance::packages).post(assurance::export))
        .fallback(async || ApiError(Failure::not_found("endpoint", "at this address")))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .route("/artifacts", upload)
        .route("/lineage", lineage)
        .route("/lineage/batch", batch)
        .route("/checks/reports", reports)
        .route("/datasets/{id}/versions/{version}", put(datasets::put).get(datasets::get))
}

/// A JSON body. What is wrong with one is answered in the API's own form.
pub(crate) struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError(malformed(&rejection))),
        }
    }
}

fn malformed(rejection: &JsonRejection) -> Failure {
    let status = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let message = rejection.body_text().replace('\n', " ");
    Failure::new(status, "malformed", message).help("send JSON with `content-type: application/json`")
}
