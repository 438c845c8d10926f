//! People and groups as a directory keeps them: found by their names, written down sealed, changed in one step each.

mod groups;
mod names;

pub use groups::{GroupNote, GroupWish};
pub(crate) use names::alike;
pub use names::{MAX_NAME_BYTES, email as email_is_valid, label as label_is_valid};

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::people::{ActorKind, ActorReturned, IdentitySource, Presence, ProvisionPerson};
use domain::{Command, Refusal};
use serde_json::Value;

use crate::execute::Ask;
use crate::{Engine, ExecuteError, Principal, Profile, identity};

/// Somebody as a directory wants them known.
#[derive(Clone, Debug)]
pub struct PersonWish {
    /// Who; nobody for somebody new.
    pub actor: Option<String>,
    /// A person, or a program.
    pub kind: ActorKind,
    /// What is known of them; without it that stays as it is.
    pub profile: Option<Profile>,
    /// Whether they are there; without it that stays as it is.
    pub presence: Option<Presence>,
    /// A stream and the version that the asker saw: if it moved on, nothing changes.
    pub expect: Option<(String, u64)>,
}

/// The identifier of a user name at the directory, in the form that is blinded.
fn by_user_name(name: &str) -> Result<String, Refusal> {
    names::user_name(name).map(|folded| format!("user\n{folded}"))
}

/// Every form in which a directory may know somebody by this.
pub(crate) fn forms_of(name: &str) -> impl Iterator<Item = String> {
    by_user_name(name).ok().into_iter().chain([by_external_id(name)])
}

/// The identifier of a directory's own key for somebody, in the form that is blinded.
fn by_external_id(id: &str) -> String {
    format!("external\n{id}")
}

impl Engine {
    /// Who has this user name. Upper and lower case are one.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store cannot be read.
    pub async fn find_by_user_name(self: &Arc<Self>, name: &str) -> Result<Option<String>, ExecuteError> {
        match by_user_name(name) {
            Ok(identifier) => self.find_identity(IdentitySource::Scim, &identifier).await,
            // Nobody has a name that nobody may have.
            Err(_) => Ok(None),
        }
    }

    /// Whom the directory knows by this key of its own.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store cannot be read.
    pub async fn find_by_external_id(self: &Arc<Self>, id: &str) -> Result<Option<String>, ExecuteError> {
        self.find_identity(IdentitySource::Scim, &by_external_id(id)).await
    }

    /// The people whom a directory registered and has not removed, by pseudonym in order.
    #[must_use]
    pub fn directory_people(&self) -> BTreeSet<String> {
        self.read(|state| {
            let listed = state.identities.values().filter(|known| known.source == IdentitySource::Scim);
            let human = |actor: &&String| state.actors.get(*actor).is_some_and(|known| known.kind == ActorKind::Human);
            let known = listed.map(|known| &known.actor).filter(|actor| !state.removed.contains(*actor)).filter(human);
            known.cloned().collect()
        })
    }

    /// Registers somebody, or changes what is known of them and whether they are there, in one step. Returns the
    /// pseudonym. Whom a directory had removed and registers again is the same actor as before.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal with code `exists` when somebody else has the name.
    pub async fn provision_person(self: &Arc<Self>, who: &Principal, wish: PersonWish) -> Result<String, ExecuteError> {
        if let Some(profile) = &wish.profile {
            let known = match &wish.actor {
                Some(actor) => self.profile(actor).await?.unwrap_or_default(),
                None => Profile::default(),
            };
            let said = Profile { created_at: known.created_at, changed_at: known.changed_at, ..profile.clone() };
            // What was written down before it was looked at keeps nobody from noting that they left.
            if said != known
                && let Err(refusal) = is_sound(profile)
            {
                let resource = wish.actor.map_or_else(|| "people".to_owned(), |actor| format!("actor/{actor}"));
                return Err(self.record_refusal(who, "person.provision", resource, refusal).await);
            }
        }
        let actor = match wish.actor {
            Some(actor) => actor,
            None => self.newcomer(wish.profile.as_ref()).await?,
        };
        let before = self.read(|state| state.profiles.get(&actor).cloned());
        let mut sealed_sha256 = None;
        let mut names = self.read(|state| state.user_names_of(&actor).map(str::to_owned).collect::<BTreeSet<_>>());
        if let Some(profile) = &wish.profile {
            names = self.references(&identifiers(profile)?).await?;
            let known = self.profile(&actor).await?.unwrap_or_default();
            let mut profile = Profile { created_at: known.created_at, changed_at: known.changed_at, ..profile.clone() };
            if profile != known {
                profile.changed_at = Self::now_ms();
                profile.created_at = if known.created_at == 0 { profile.changed_at } else { known.created_at };
                let text = serde_json::to_vec(&profile).map_err(|e| ExecuteError::Internal(e.to_string()))?;
                sealed_sha256 = Some(self.keep_note(&actor, "profile", text).await?);
            }
        }
        let body = ProvisionPerson {
            actor: actor.clone(),
            kind: wish.kind,
            names,
            sealed_sha256: sealed_sha256.clone(),
            presence: wish.presence,
        };
        let ask = Ask { command: Command::ProvisionPerson(body), idempotency: None, expect: wish.expect };
        let done = self.execute(who, ask).await;
        self.tidy(sealed_sha256, before, done.is_ok()).await;
        done.map(|_| actor)
    }

    /// The pseudonym for somebody whom a directory registers: a new one, or the one that they had before it removed them.
    async fn newcomer(self: &Arc<Self>, profile: Option<&Profile>) -> Result<String, ExecuteError> {
        let mut known = None;
        for identifier in profile.map(identifiers).transpose()?.unwrap_or_default() {
            known = known.or(self.find_identity(IdentitySource::Scim, &identifier).await?);
        }
        let removed = known.filter(|actor| self.read(|state| state.removed.contains(actor)));
        Ok(removed.unwrap_or_else(|| identity::identifier("a_")))
    }

    /// Removes the sealed text that nothing names: the older one when the change was made, else the newer one.
    async fn tidy(self: &Arc<Self>, kept: Option<String>, before: Option<String>, done: bool) {
        let useless = match (kept, done) {
            (Some(_), true) => before,
            (kept, _) => kept,
        };
        if let Some(sha256) = useless {
            self.drop_note(sha256).await;
        }
    }

    /// The vault's references for names at the directory.
    async fn references(self: &Arc<Self>, identifiers: &[String]) -> Result<BTreeSet<String>, ExecuteError> {
        let mut references = BTreeSet::new();
        for identifier in identifiers {
            references.insert(self.name_reference(IdentitySource::Scim, identifier).await?);
        }
        Ok(references)
    }

    /// Lets somebody back in who had left. What they held does not come back.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn return_actor(self: &Arc<Self>, who: &Principal, actor: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::Return(ActorReturned { actor: actor.to_owned() })).await.map(drop)
    }
}

/// Whether nothing in a profile is made to deceive: neither names and addresses by what they look like, nor what is shown by
/// turning the text around it.
fn is_sound(profile: &Profile) -> Result<(), Refusal> {
    identifiers(profile)?;
    let of = |list: &Value, member: &str| list.get(member).and_then(Value::as_str).map(str::to_owned);
    let listed = profile.extra.get("emails").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|email| of(email, "value"));
    profile.email.clone().into_iter().chain(listed).try_for_each(|email| names::email(&email))?;
    let shown = ["displayName", "nickName", "title"].iter().filter_map(|name| profile.extra.get(*name)?.as_str());
    let parts = profile.extra.get("name").and_then(Value::as_object).into_iter().flat_map(|name| name.values());
    let mut shown = shown.chain(parts.filter_map(Value::as_str)).chain(profile.name.as_deref());
    shown.try_for_each(names::label)
}

/// The names by which a profile says that somebody is known.
fn identifiers(profile: &Profile) -> Result<Vec<String>, Refusal> {
    let user = profile.user_name.as_deref().map(by_user_name).transpose()?;
    let external = profile.extra.get("externalId").and_then(Value::as_str).map(by_external_id);
    Ok(user.into_iter().chain(external).collect())
}

#[cfg(test)]
mod tests;
