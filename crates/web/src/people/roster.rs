//! Everybody who may act: searched by name, address or pseudonym, a page at a time.

use domain::people::ActorKind;
use engine::{Engine, Principal, Profile};

use super::names::{Names, may_know};
use crate::App;
use crate::failure::Failure;

/// Up to so many actors are in order of their names; reading all names for each page would take too long beyond.
const SORTED: usize = 500;

/// The most actors that are looked through for a search.
const SEARCHED: usize = 10_000;

/// Somebody on the list.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Pseudonym.
    pub actor: String,
    /// `human`, `service` or `system`.
    pub kind: &'static str,
    /// When they left, in milliseconds since the epoch.
    pub left_at: Option<i64>,
    /// What is known of them, for those who may know it.
    pub profile: Option<Profile>,
    /// The roles that they hold, each with its scope.
    pub roles: Vec<(String, String)>,
}

impl Person {
    /// What to call them.
    pub(crate) fn name(&self) -> Option<&str> {
        let profile = self.profile.as_ref()?;
        profile.name.as_deref().or(profile.user_name.as_deref())
    }

    fn is_meant(&self, wanted: &str) -> bool {
        let profile = self.profile.as_ref();
        let texts = profile.map(|p| [p.name.as_ref(), p.email.as_ref(), p.user_name.as_ref()]).unwrap_or_default();
        let known = texts.into_iter().flatten().any(|text| text.to_lowercase().contains(wanted));
        known || self.actor.contains(wanted)
    }
}

/// A page of the list.
pub(crate) struct Roster {
    /// Those on the page.
    pub people: Vec<Person>,
    /// How many there are on all pages.
    pub total: usize,
}

/// The word for a kind of actor.
pub(crate) fn kind(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Human => "human",
        ActorKind::Service => "service",
        ActorKind::System => "system",
    }
}

/// Those who are meant by `search`, everybody when it is empty, from the `skip`th on.
///
/// # Errors
/// When names cannot be read, or there are too many to search.
pub(crate) async fn roster(
    app: &App,
    who: &Principal,
    search: &str,
    skip: usize,
    count: usize,
) -> Result<Roster, Failure> {
    let now = Engine::now_ms();
    let mut all: Vec<Person> = app.engine.read(|state| {
        let person = |actor: &domain::people::ActorRegistered| Person {
            actor: actor.actor.clone(),
            kind: kind(actor.kind),
            left_at: state.left.get(&actor.actor).copied(),
            profile: None,
            roles: state.roles_of(&actor.actor, now).map(|(role, scope)| (role.into(), scope.into())).collect(),
        };
        state.actors.values().map(person).collect()
    });
    let wanted = search.trim().to_lowercase();
    let whole = may_know(app, who) && (!wanted.is_empty() || all.len() <= SORTED);
    if whole && all.len() > SEARCHED {
        let message = format!("there are more than {SEARCHED} actors to search: ask by pseudonym");
        return Err(Failure::invalid(message));
    }
    if whole {
        learn(app, who, &mut all).await?;
        all.sort_by_cached_key(|person| {
            (person.left_at.is_some(), person.name().map_or("~".to_owned(), str::to_lowercase), person.actor.clone())
        });
    }
    all.retain(|person| person.is_meant(&wanted));
    let total = all.len();
    let mut people: Vec<Person> = all.into_iter().skip(skip).take(count).collect();
    if !whole {
        learn(app, who, &mut people).await?;
    }
    Ok(Roster { people, total })
}

async fn learn(app: &App, who: &Principal, people: &mut [Person]) -> Result<(), Failure> {
    for group in people.chunks_mut(SORTED) {
        let actors: Vec<String> = group.iter().map(|person| person.actor.clone()).collect();
        let names = Names::of(app, who, actors).await?;
        for person in group {
            person.profile = names.profile(&person.actor).cloned();
        }
    }
    Ok(())
}
