//! Signing in and out, one's sessions, who may act in which role, and with which keys.

mod access;
mod approval;
mod approvals;
mod asked;
pub(crate) mod cli;
mod emergencies;
pub(crate) mod exchange;
pub(crate) mod gate;
mod keys;
pub(crate) mod login;
pub(crate) mod oidc;
pub(crate) mod onward;
mod policies;
mod sessions;
mod signin;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/signin", get(signin::explain))
        .route("/signin/oidc", get(oidc::doors::begin))
        .route("/signin/oidc/callback", get(oidc::doors::callback))
        .route("/signin/oidc/backchannel-logout", post(oidc::doors::backchannel_logout))
        .route("/signin/oidc/frontchannel-logout", get(oidc::doors::frontchannel_logout))
        .route("/signin/{secret}", get(signin::confirm).post(signin::open))
        .route("/signout", post(signin::close))
        .route("/reauthenticate", get(signin::reauthenticate))
        .route("/login/cli", get(cli::ask).post(cli::allow))
        .route("/device", get(cli::device).post(cli::say))
        .route("/sessions", get(sessions::show))
        .route("/oauth2/token", post(exchange::exchange))
        .route("/sessions/{id}/revoke", post(sessions::revoke))
        .route("/people", get(access::show).post(access::register))
        .route("/people/leave", post(access::leave))
        .route("/keys", get(keys::show).post(keys::create))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/revoke", post(keys::revoke))
        .route("/keys/leaked", post(keys::leaked))
        .route("/accounts/{actor}/owner", post(keys::own))
        .route("/grants", post(access::request))
        .route("/grants/revoke", post(access::revoke))
        .route("/grants/{id}/approve", post(access::approve))
        .route("/grants/{id}/decline", post(access::decline))
        .route("/grants/{id}/withdraw", post(access::withdraw))
        .route("/approvals", get(approvals::show))
        .route("/approvals/delegate", post(approvals::delegate))
        .route("/approvals/{id}", get(approval::show))
        .route("/approvals/{id}/vote", post(approval::vote))
        .route("/approvals/{id}/withdraw", post(approval::withdraw))
        .route("/approvals/{id}/comments", post(approval::comment))
        .route("/approvals/{id}/carry-out", post(approval::carry_out))
        .route("/emergencies", get(emergencies::show).post(emergencies::declare))
        .route("/emergencies/{id}/end", post(emergencies::end))
        .route("/emergencies/{id}/review", post(emergencies::review))
        .route("/policies", get(policies::show).post(policies::propose))
}

pub(crate) use asked::Asked;
pub(crate) use emergencies::Open as OpenEmergency;
pub(crate) use policies::HISTORY;

#[cfg(test)]
pub(crate) use {
    access::AccessPage,
    approval::ApprovalPage,
    approvals::ApprovalsPage,
    cli::CliPage,
    emergencies::EmergenciesPage,
    keys::{KeysPage, NewKeyPage},
    onward::OnwardPage,
    policies::PoliciesPage,
    sessions::SessionsPage,
    signin::SigninPage,
};
