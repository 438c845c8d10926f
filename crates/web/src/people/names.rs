//! What people are called, for those who may know it: everybody else sees pseudonyms. A name is read once a request.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Principal, Profile};

use crate::App;
use crate::failure::Failure;
use crate::ui::{Actor, Table};

/// The most names that one page reads.
const MAX_NAMES: usize = 2_000;

/// Whether somebody may know people by name. What is known of themselves, everybody may know.
pub(crate) fn may_know(app: &App, who: &Principal) -> bool {
    app.is_shown(who, "people.read", "people")
}

/// Those of some actors whose names there are, and whose somebody may see. On record is that they read names when there
/// are any but their own.
fn visible(app: &App, who: &Principal, actors: impl IntoIterator<Item = impl AsRef<str>>) -> BTreeSet<String> {
    let mut described: BTreeSet<String> = app.engine.read(|state| {
        let actors = actors.into_iter().take(MAX_NAMES).map(|actor| actor.as_ref().to_owned());
        actors.filter(|actor| state.profiles.contains_key(actor)).collect()
    });
    let all = described.iter().any(|actor| *actor != who.actor) && may_know(app, who);
    described.retain(|actor| all || *actor == who.actor);
    described
}

/// Names of actors, as one visitor may see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Profile>);

impl Names {
    /// The names of some actors, all that there are.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) async fn of(
        app: &App,
        who: &Principal,
        actors: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        for (actor, profile) in app.engine.profiles(visible(app, who, actors)).await? {
            known.extend(profile?.map(|profile| (actor, profile)));
        }
        Ok(Self(known))
    }

    /// The names of those whom a page shows: those given, and those in its tables, where the names are filled in.
    pub(crate) async fn on_page(
        app: &App,
        who: &Principal,
        mut actors: Vec<String>,
        tables: &mut [&mut Table],
    ) -> Self {
        actors.extend(tables.iter_mut().flat_map(|table| table.actors()).map(|actor| actor.id.clone()));
        let mut known = BTreeMap::new();
        let read = app.engine.profiles(visible(app, who, actors)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "what people are called cannot be read");
            vec![]
        });
        for (actor, profile) in read {
            match profile {
                Ok(profile) => known.extend(profile.map(|profile| (actor, profile))),
                // Whoever looks into that needs the pages: they show the pseudonym, as to those who may not know names.
                Err(error) => tracing::error!(actor = actor.as_str(), %error, "what somebody is called cannot be read"),
            }
        }
        let names = Self(known);
        names.fill(tables);
        names
    }

    /// Fills names in.
    pub(crate) fn fill(&self, tables: &mut [&mut Table]) {
        for actor in tables.iter_mut().flat_map(|table| table.actors()) {
            *actor = self.actor(&actor.id);
        }
    }

    /// An actor as a page shows them.
    pub(crate) fn actor(&self, id: &str) -> Actor {
        Actor { id: id.to_owned(), name: self.name(id).map(str::to_owned) }
    }

    /// What is known of an actor.
    pub(crate) fn profile(&self, actor: &str) -> Option<&Profile> {
        self.0.get(actor)
    }

    /// What an actor is called.
    pub(crate) fn name(&self, actor: &str) -> Option<&str> {
        self.0.get(actor).and_then(|profile| profile.name.as_deref().or(profile.user_name.as_deref()))
    }

    /// The display name of an actor: the name with the pseudonym that the ledger knows, or the pseudonym alone.
    pub(crate) fn shown(&self, actor: &str) -> String {
        match self.name(actor) {
            Some(name) => format!("{name} ({actor})"),
            None => actor.to_owned(),
        }
    }

    #[cfg(test)]
    pub(crate) fn sample(of: &[(&str, &str)]) -> Self {
        let profile = |name: &str| Profile { name: Some(name.to_owned()), ..Profile::default() };
        Self(of.iter().map(|(actor, name)| ((*actor).to_owned(), profile(name))).collect())
    }
}
