//! What people are called, for those who may know it: everybody else sees pseudonyms. A name is read once a request.

use std::collections::BTreeMap;

use engine::{Principal, Profile};

use crate::App;
use crate::failure::Failure;

/// The most names that one page reads.
const MAX_NAMES: usize = 2_000;

/// Whether somebody may know people by name. What is known of themselves, everybody may know.
pub(crate) fn may_know(app: &App, who: &Principal) -> bool {
    // Whoever is shown pseudonyms was denied nothing: on record is only who saw names.
    app.engine.policies().decide(who, "people.read", "people").is_ok()
        && app.engine.authorize(who, "people.read", "people").is_ok()
}

/// Names of actors, as one visitor may see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Profile>);

impl Names {
    /// The names of some actors.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn of(
        app: &App,
        who: &Principal,
        actors: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Failure> {
        let all = may_know(app, who);
        let mut known = BTreeMap::new();
        for actor in actors.into_iter().take(MAX_NAMES) {
            let actor = actor.as_ref();
            if (all || actor == who.actor)
                && !known.contains_key(actor)
                && let Some(profile) = app.engine.profile(actor).await?
            {
                known.insert(actor.to_owned(), profile);
            }
        }
        Ok(Self(known))
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
