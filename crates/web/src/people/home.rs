//! Where somebody begins who may not look at the whole: the roles that they hold, where and until when, and where these
//! lead.

use askama::Template;
use engine::{Engine, Principal};

use crate::App;
use crate::failure::Failure;
use crate::ui::{Instant, Section, Shell};

/// The page.
#[derive(Template)]
#[template(path = "people/home.html")]
pub(crate) struct HomePage {
    shell: Shell,
    held: Vec<Held>,
}

/// A role that the visitor holds.
#[derive(Clone, Debug)]
struct Held {
    role: String,
    scope: String,
    /// When it ends; a role that somebody began with has no end.
    until: Option<Instant>,
}

impl HomePage {
    /// The page for `who`; `None` when they hold no role.
    pub(crate) async fn of(app: &App, who: &Principal) -> Result<Option<Self>, Failure> {
        let now = Engine::now_ms();
        let held: Vec<Held> = app.engine.read(|state| {
            let until = |role: &str, scope: &str| {
                let granted = state.grants.values().filter(|grant| grant.holds(now)).map(|grant| &grant.requested);
                let granted = granted.map(|wish| (&wish.actor, &wish.role, &wish.scope, wish.ends_at));
                let taken = state.emergencies_of(&who.actor, now).map(|one| (&one.actor, &one.declared));
                let taken = taken.map(|(actor, wish)| (actor, &wish.role, &wish.scope, wish.ends_at));
                let fits = granted.chain(taken).filter(|(actor, held, place, _)| {
                    **actor == who.actor && held.as_str() == role && place.as_str() == scope
                });
                fits.map(|(.., ends_at)| ends_at).max().map(Instant)
            };
            let roles = state.roles_of(&who.actor, now);
            let held = |(role, scope): (&str, &str)| Held {
                role: role.to_owned(),
                scope: scope.to_owned(),
                until: until(role, scope),
            };
            roles.map(held).collect()
        });
        if held.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { shell: Shell::new(app, who, Section::Overview).await?, held }))
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let held = |role: &str, until| Held { role: role.into(), scope: "service/credit-risk".into(), until };
        let held = vec![held("deployer", Some(Instant(1_795_380_849_000))), held("monitor", None)];
        Self { shell: Shell::sample(Section::Overview), held }
    }
}
