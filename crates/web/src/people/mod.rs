//! Signing in and out, one's sessions, who may act in which role, and with which keys.

mod access;
mod accesses;
mod approval;
mod approvals;
mod asked;
pub(crate) mod cli;
mod documents;
mod emergencies;
pub(crate) mod exchange;
pub(crate) mod gate;
mod groups;
mod home;
mod keys;
pub(crate) mod login;
mod names;
pub(crate) mod oidc;
pub(crate) mod onward;
mod passkeys;
mod person;
mod policies;
mod recover;
mod reviews;
pub(crate) mod roleless;
mod roster;
mod sessions;
mod signin;
mod why;

pub(crate) use groups::wish as group_wish;
pub(crate) use home::HomePage;
pub(crate) use names::{Names, may_know};
pub(crate) use person::{by_hand, kind_of};
pub(crate) use roster::{Person, roster};

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
        .route("/signin/passkey", passkeys::step(passkeys::sign_in))
        .route("/signin/passkey/options", passkeys::step(passkeys::ask_to_show))
        .route("/recover", get(recover::ask).post(recover::enter))
        .route("/passkeys", get(passkeys::show).merge(passkeys::step(passkeys::register)))
        .route("/passkeys/options", passkeys::step(passkeys::ask_to_make))
        .route("/passkeys/recovery", post(passkeys::issue_codes))
        .route("/passkeys/{id}/remove", post(passkeys::remove))
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
        .route("/people/{actor}", get(person::show).post(person::set))
        .route("/people/{actor}/leave", post(person::leave))
        .route("/people/{actor}/return", post(person::come_back))
        .route("/groups", get(groups::list).post(groups::add))
        .route("/groups/{id}", get(groups::show))
        .route("/groups/{id}/members", post(groups::member))
        .route("/groups/{id}/roles", post(groups::map))
        .route("/groups/{id}/roles/approve", post(groups::approve))
        .route("/groups/{id}/delete", post(groups::delete))
        .route("/reviews", get(reviews::show).post(reviews::start))
        .route("/reviews/{id}", get(reviews::one))
        .route("/reviews/{id}/assign", post(reviews::assign))
        .route("/reviews/{id}/decide", post(reviews::decide))
        .route("/reviews/{id}/complete", post(reviews::complete))
        .route("/reviews/{id}/list", get(reviews::list))
        .route("/accesses", get(accesses::show))
        .route("/accesses/mine", get(accesses::mine))
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
        .route("/documents", get(documents::show))
        .route("/documents/{id}", get(documents::one))
        .route("/documents/{id}/acknowledge", post(documents::acknowledge))
        .route("/training", post(documents::record))
        .route("/emergencies", get(emergencies::show).post(emergencies::declare))
        .route("/emergencies/{id}/end", post(emergencies::end))
        .route("/emergencies/{id}/review", post(emergencies::review))
        .route("/authz", get(why::show))
        .route("/policies", get(policies::show).post(policies::propose))
}

pub(crate) use accesses::Filters;
pub(crate) use asked::Asked;
pub(crate) use emergencies::Open as OpenEmergency;
pub(crate) use policies::HISTORY;
pub(crate) use reviews::{may_see, review_value};
pub(crate) use why::Able;
#[cfg(test)]
pub(crate) use {
    access::AccessPage,
    accesses::AccessesPage,
    approval::ApprovalPage,
    approvals::ApprovalsPage,
    cli::CliPage,
    documents::{DocumentPage, DocumentsPage},
    emergencies::EmergenciesPage,
    groups::{GroupPage, GroupsPage},
    keys::{KeysPage, NewKeyPage},
    onward::OnwardPage,
    passkeys::{CodesPage, PasskeysPage},
    person::PersonPage,
    policies::PoliciesPage,
    recover::RecoverPage,
    reviews::{ReviewPage, ReviewsPage},
    roleless::RolelessPage,
    sessions::SessionsPage,
    signin::SigninPage,
    why::WhyPage,
};
