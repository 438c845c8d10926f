//! What somebody sees who is signed in and holds no role: who they are here, whom to ask, and the way out. Without it they
//! would be told of one permission after another that they lack.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, Response};
use axum::{Extension, response::IntoResponse};
use engine::{Attempt, Engine, Principal};
use http::{Method, header};

use super::names::Names;
use crate::App;
use crate::failure::{InsidePage, Told};
use crate::record::Failed;
use crate::ui::{Section, Shell};

/// Marks the page that says that no policy permits something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotPermitted;

/// The page.
#[derive(Template)]
#[template(path = "people/roleless.html")]
pub(crate) struct RolelessPage {
    org: String,
    actor: String,
    /// What they are called, when that is known.
    name: Option<String>,
    /// Roles that were asked for and wait for approval: the role, and where it would hold.
    asked: Vec<(String, String)>,
    /// Whether they may read the documents that people here work under.
    documents: bool,
}

impl RolelessPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let page = |name: Option<&str>, asked, documents| Self {
            org: "Example Bank".into(),
            actor: "a_7f3k2m9q".into(),
            name: name.map(str::to_owned),
            asked,
            documents,
        };
        let asked = vec![("monitor".into(), "service/credit-risk".into())];
        [page(None, vec![], false), page(Some("Ann Example"), asked, true)]
    }
}

/// Shows that page in place of one that says what may not be looked at, and any other failure inside the usual frame. The
/// status, and what is recorded, stay as they were. Whoever tried to do something reads what kept them from it: it may be a rule, and none of roles.
pub(crate) async fn explained(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let attempt = request.extensions().get::<Attempt>().cloned();
    let response = next.run(request).await;
    let Some(told) = response.extensions().get::<Told>().cloned() else { return response };
    let failed = response.extensions().get::<Failed>().copied();
    let (Some(actor), Some(failed)) = (attempt.and_then(|attempt| attempt.actor()), failed) else { return response };
    let denied = looks && response.extensions().get::<NotPermitted>().is_some();
    let roleless = if denied { roleless(&app, actor.clone()).await } else { None };
    let page = match roleless {
        Some(page) => page.render().ok(),
        None => inside(&app, &actor, &told).await,
    };
    let Some(html) = page else { return response };
    let mut page = (response.status(), Extension(failed), Html(html)).into_response();
    if let Some(wait) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    page
}

/// What went wrong, in the frame that leads on to where somebody may go.
async fn inside(app: &App, actor: &str, told: &Told) -> Option<String> {
    let who = app.engine.read(|state| Principal::of(state, actor, Engine::now_ms()));
    let shell = Shell::new(app, &who, Section::Overview).await.ok()?;
    InsidePage { shell, told }.render().ok()
}

/// The page for somebody; `None` when they hold a role.
async fn roleless(app: &App, actor: String) -> Option<RolelessPage> {
    let now = Engine::now_ms();
    let asked = app.engine.read(|state| {
        if state.roles_of(&actor, now).next().is_some() {
            return None;
        }
        let waits = |grant: &&domain::people::Grant| {
            let wish = &grant.requested;
            wish.actor == actor && grant.approved.is_none() && grant.ended_at.is_none() && wish.ends_at > now
        };
        let asked = state.grants.values().filter(waits).map(|grant| &grant.requested);
        Some(asked.map(|wish| (wish.role.clone(), wish.scope.clone())).collect())
    })?;
    let who = Principal { actor, ..Principal::default() };
    // A name that cannot be read is no reason to say less of the rest.
    let names = Names::of(app, &who, [&who.actor]).await.unwrap_or_default();
    let name = names.name(&who.actor).map(str::to_owned);
    let documents = app.engine.policies().decide(&who, "read", "documents").is_ok();
    Some(RolelessPage { org: app.engine.org().name, actor: who.actor, name, asked, documents })
}
