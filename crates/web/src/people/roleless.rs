//! What somebody sees who is signed in and holds no role: who they are here, whom to ask, and the way out. Without it they
//! would be told of one permission after another that they lack.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, Response};
use axum::{Extension, response::IntoResponse};
use engine::{Attempt, Engine, Principal};
use http::Method;

use super::names::Names;
use crate::App;
use crate::record::Failed;

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

/// Shows that page in place of one that says what may not be looked at. The status, and what is recorded, stay as they
/// were. Whoever tried to do something reads what kept them from it: it may be a rule, and none of roles.
pub(crate) async fn explained(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let attempt = request.extensions().get::<Attempt>().cloned();
    let response = next.run(request).await;
    let Some(_) = response.extensions().get::<NotPermitted>() else { return response };
    let failed = response.extensions().get::<Failed>().copied();
    let (Some(actor), Some(failed)) = (attempt.and_then(|attempt| attempt.actor()), failed) else { return response };
    let Some(page) = roleless(&app, actor).await else { return response };
    match page.render() {
        Ok(html) => (response.status(), Extension(failed), Html(html)).into_response(),
        Err(_) => response,
    }
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
