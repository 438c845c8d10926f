//! One's own sessions: where one is signed in, and ending what should not be open.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::people::{Proof, Session};

use crate::App;
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::ui::{Instant, Page, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "people/sessions.html")]
pub(crate) struct SessionsPage {
    shell: Shell,
    sessions: Vec<Open>,
}

/// An open session.
struct Open {
    session: String,
    proof: &'static str,
    mfa: bool,
    /// When they proved it, if that is known.
    proven: Option<Instant>,
    started_at: Instant,
    used_at: Instant,
    expires_at: Instant,
    /// Whether it is the one that this page is shown to.
    this: bool,
}

/// The proof in words.
fn words(proof: Proof) -> &'static str {
    match proof {
        Proof::Link => "one-time link",
        Proof::Oidc => "the company's provider",
        Proof::Passkey => "passkey",
        Proof::Recovery => "recovery code",
    }
}

impl Open {
    fn of((session, used_at): (Session, i64), this: &str) -> Self {
        Self {
            this: session.session == this,
            session: session.session,
            proof: words(session.proof),
            mfa: session.mfa,
            proven: Some(Instant(session.authenticated_at)).filter(|proven| proven.0 > 0),
            started_at: Instant(session.started_at),
            used_at: Instant(used_at),
            expires_at: Instant(session.expires_at),
        }
    }
}

impl SessionsPage {
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let now = 1_795_380_849_000;
        let open = |session: &str, proof| Session {
            session: session.into(),
            actor: "a_7f3k2m9q".into(),
            proof,
            provider_session_sha256: None,
            passkey: None,
            authenticated_at: now,
            mfa: proof == Proof::Oidc,
            started_at: now,
            expires_at: now + 43_200_000,
        };
        let sessions = [open("s_1", Proof::Link), open("s_2", Proof::Oidc)];
        let sessions = sessions.map(|session| Open::of((session, now), "s_1")).into();
        Self { shell: Shell::sample(Section::People), sessions }
    }
}

/// `GET /sessions`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let this = who.session.as_ref().map_or("", |visit| visit.session.as_str());
    let open = app.engine.sessions_of(&who.actor);
    let sessions = open.into_iter().map(|session| Open::of(session, this)).collect();
    page(&SessionsPage { shell: Shell::new(&app, &who, Section::People).await?, sessions })
}

/// `POST /sessions/{id}/revoke`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(session): Path<String>,
) -> Result<Redirect, PageError> {
    app.engine.revoke_session(&who, &session).await?;
    Ok(Redirect::to("/sessions"))
}
