//! Signing in and out, one's sessions, who may act in which role, and with which keys.

mod access;
pub(crate) mod cli;
pub(crate) mod exchange;
pub(crate) mod gate;
mod keys;
pub(crate) mod login;
pub(crate) mod oidc;
pub(crate) mod onward;
mod passkeys;
mod recover;
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
        .route("/grants", post(access::request))
        .route("/grants/revoke", post(access::revoke))
        .route("/grants/{id}/approve", post(access::approve))
        .route("/grants/{id}/decline", post(access::decline))
        .route("/grants/{id}/withdraw", post(access::withdraw))
}

#[cfg(test)]
pub(crate) use {
    access::AccessPage,
    cli::CliPage,
    keys::{KeysPage, NewKeyPage},
    onward::OnwardPage,
    passkeys::{CodesPage, PasskeysPage},
    recover::RecoverPage,
    sessions::SessionsPage,
    signin::SigninPage,
};
