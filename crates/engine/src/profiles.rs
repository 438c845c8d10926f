//! What is known of people as persons, and by which names they are known elsewhere. The ledger has neither: names are kept
//! by the vault as blind indexes that it can forget, texts are sealed under the person's own key.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Command;
use domain::people::{IdentityLinked, IdentitySource, IdentityUnlinked, ProfileSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use vault::VaultError;

use crate::{Engine, ExecuteError, Principal};

/// The vault's class for what is known of people who act here.
pub(crate) const CLASS: &str = "people";

/// The vault's scope of names known elsewhere.
pub(crate) const NAMES: &str = "identity";

/// What is known of an actor as a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// What to call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where to write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What their directory calls them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Whatever else their directory says, as it says it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// When it was first written down, in milliseconds since the epoch; 0 when that is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub created_at: i64,
    /// When it last changed.
    #[serde(skip_serializing_if = "is_zero")]
    pub changed_at: i64,
}

fn is_zero(at: &i64) -> bool {
    *at == 0
}

impl Engine {
    /// The actor who is known at `source` by `identifier`, in whatever form it has there.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store cannot be read.
    pub async fn find_identity(
        self: &Arc<Self>,
        source: IdentitySource,
        identifier: &str,
    ) -> Result<Option<String>, ExecuteError> {
        let found = self.known_name_reference(source, identifier).await?;
        let actor =
            |subject: String| self.read(|state| state.identities.get(&subject).map(|known| known.actor.clone()));
        Ok(found.and_then(actor))
    }

    /// The vault's reference for a name, if it has one.
    pub(crate) async fn known_name_reference(
        self: &Arc<Self>,
        source: IdentitySource,
        identifier: &str,
    ) -> Result<Option<String>, ExecuteError> {
        let name = blinded(source, identifier);
        let found = self.blocking(move |engine| engine.vault().known_subject(NAMES, &name, now()));
        Ok(found.await?.map_err(|e| unavailable(&e))?.map(|subject| subject.to_string()))
    }

    /// The vault's reference for a name, a new one if it has none yet.
    pub(crate) async fn name_reference(
        self: &Arc<Self>,
        source: IdentitySource,
        identifier: &str,
    ) -> Result<String, ExecuteError> {
        let name = blinded(source, identifier);
        let made = self.blocking(move |engine| engine.vault().subject(NAMES, &name, now()));
        Ok(made.await?.map_err(|e| unavailable(&e))?.to_string())
    }

    /// Notes that `actor` is known at `source` by `identifier`. Returns the vault's reference for it.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal when somebody else is known by it.
    pub async fn link_identity(
        self: &Arc<Self>,
        who: &Principal,
        actor: &str,
        source: IdentitySource,
        identifier: &str,
    ) -> Result<String, ExecuteError> {
        let subject = self.name_reference(source, identifier).await?;
        let linked = IdentityLinked { actor: actor.to_owned(), source, subject: subject.clone() };
        self.execute(who, Command::LinkIdentity(linked)).await?;
        Ok(subject)
    }

    /// Notes that `actor` is no longer known by the name that the vault knows as `subject`.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn unlink_identity(
        self: &Arc<Self>,
        who: &Principal,
        actor: &str,
        subject: &str,
    ) -> Result<(), ExecuteError> {
        let unlinked = IdentityUnlinked { actor: actor.to_owned(), subject: subject.to_owned() };
        self.execute(who, Command::UnlinkIdentity(unlinked)).await.map(drop)
    }

    /// Writes down what is known of `actor` as a person; what was known before is removed. Nothing is written when
    /// nothing changed.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn set_profile(
        self: &Arc<Self>,
        who: &Principal,
        actor: &str,
        profile: &Profile,
    ) -> Result<(), ExecuteError> {
        if self.profile(actor).await?.as_ref() == Some(profile) {
            return Ok(());
        }
        let before = self.read(|state| state.profiles.get(actor).cloned());
        let text = serde_json::to_vec(profile).map_err(|e| ExecuteError::Internal(e.to_string()))?;
        let sealed_sha256 = self.keep_note(actor, "profile", text).await?;
        let set = ProfileSet { actor: actor.to_owned(), sealed_sha256: sealed_sha256.clone() };
        let done = self.execute(who, Command::SetProfile(set)).await;
        // What no event names is not kept.
        let useless = if done.is_ok() { before } else { Some(sealed_sha256) };
        if let Some(sha256) = useless {
            self.drop_note(sha256).await;
        }
        done.map(drop)
    }

    /// What is known of `actor` as a person; `None` when nothing is, or not any more.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be read, [`ExecuteError::Internal`] when it was altered.
    pub async fn profile(self: &Arc<Self>, actor: &str) -> Result<Option<Profile>, ExecuteError> {
        let actor = actor.to_owned();
        self.blocking(move |engine| engine.read_profile(&actor)).await?
    }

    /// The same of several at once, each with what came of it.
    ///
    /// # Errors
    /// When none can be read.
    pub async fn profiles(
        self: &Arc<Self>,
        actors: BTreeSet<String>,
    ) -> Result<Vec<(String, Result<Option<Profile>, ExecuteError>)>, ExecuteError> {
        let read = move |engine: &Self| {
            let each = actors.into_iter().map(|actor| {
                let profile = engine.read_profile(&actor);
                (actor, profile)
            });
            each.collect()
        };
        self.blocking(read).await
    }

    /// As [`Self::profile`]. Blocks.
    pub(crate) fn read_profile(&self, actor: &str) -> Result<Option<Profile>, ExecuteError> {
        let Some(sha256) = self.read(|state| state.profiles.get(actor).cloned()) else { return Ok(None) };
        let Some(text) = self.read_note(actor, "profile", &sha256)? else { return Ok(None) };
        let profile = serde_json::from_slice(&text);
        profile.map(Some).map_err(|e| ExecuteError::Internal(format!("the profile of `{actor}` cannot be read: {e}")))
    }

    /// Seals a text under the key of the person it is about, and keeps it. Returns the SHA-256 of the sealed bytes, which
    /// an event may name.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be kept.
    pub async fn keep_note(
        self: &Arc<Self>,
        about: &str,
        topic: &'static str,
        text: Vec<u8>,
    ) -> Result<String, ExecuteError> {
        let about = about.to_owned();
        let kept = self.blocking(move |engine| {
            let vault = engine.vault();
            let subject = vault.subject(CLASS, &about, now()).map_err(|e| unavailable(&e))?;
            let sealed = vault.seal_note(CLASS, &subject, topic, &text, now()).map_err(|e| unavailable(&e))?;
            let sha256 = merkle::hex(&Sha256::digest(&sealed));
            let kept = store::objects::put(&engine.notes_dir(), &sha256, &sealed);
            kept.map(|()| sha256).map_err(|e| ExecuteError::Unavailable(format!("a sealed {topic} was not kept: {e}")))
        });
        kept.await?
    }

    /// A text that [`Self::keep_note`] kept; `None` when the person it is about was forgotten, or it was dropped.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be read, [`ExecuteError::Internal`] when it was altered.
    pub async fn note(
        self: &Arc<Self>,
        about: &str,
        topic: &'static str,
        sha256: String,
    ) -> Result<Option<Vec<u8>>, ExecuteError> {
        let about = about.to_owned();
        self.blocking(move |engine| engine.read_note(&about, topic, &sha256)).await?
    }

    fn read_note(&self, about: &str, topic: &'static str, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        let Some(sealed) = self.sealed_note(topic, sha256)? else { return Ok(None) };
        let vault = self.vault();
        let Some(subject) = vault.known_subject(CLASS, about, now()).map_err(|e| unavailable(&e))? else {
            return Ok(None);
        };
        match vault.open_note(CLASS, &subject, topic, &sealed) {
            Ok(text) => Ok(Some(text.to_vec())),
            Err(error) if error.is_destroyed() => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The sealed bytes of a text; `None` when they were removed. Blocks.
    pub(crate) fn sealed_note(&self, topic: &str, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        let found = store::objects::get(&self.notes_dir(), sha256);
        let found = found.map_err(|e| ExecuteError::Unavailable(format!("a sealed {topic} cannot be read: {e}")))?;
        let Some(sealed) = found else { return Ok(None) };
        if merkle::hex(&Sha256::digest(&sealed)) != sha256 {
            return Err(ExecuteError::Internal(format!("the sealed {topic} `{sha256}` was altered on disk")));
        }
        Ok(Some(sealed))
    }

    /// Removes a text that nothing names any more.
    pub async fn drop_note(self: &Arc<Self>, sha256: String) {
        if let Err(error) = self.remove_note(sha256).await {
            tracing::warn!(%error, "a sealed note that nothing names stays on disk");
        }
    }

    /// Removes a text.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it is there still.
    pub(crate) async fn remove_note(self: &Arc<Self>, sha256: String) -> Result<(), ExecuteError> {
        let removed = self.blocking(move |engine| store::objects::remove(&engine.notes_dir(), &sha256)).await?;
        removed.map_err(|e| ExecuteError::Unavailable(format!("a sealed note cannot be removed: {e}")))
    }

    pub(crate) fn notes_dir(&self) -> PathBuf {
        self.data_dir().join("notes")
    }
}

/// The form in which the vault is asked for a name. It folds the case of what looks like an address, and names that
/// differ in case alone may be two people's; a digest has neither case nor `@`.
fn blinded(source: IdentitySource, identifier: &str) -> String {
    let digest = Sha256::new().chain_update(source.as_str()).chain_update([0]).chain_update(identifier).finalize();
    merkle::hex(&digest)
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}

pub(crate) fn unavailable(error: &VaultError) -> ExecuteError {
    ExecuteError::Unavailable(format!("the vault: {error}"))
}

#[cfg(test)]
mod tests {
    use domain::people::ActorKind;
    use domain::{RefusalCode, State};

    use super::*;
    use crate::tests::{events, open, operator};

    #[tokio::test(flavor = "multi_thread")]
    async fn given_a_profile_when_set_then_it_is_sealed_on_disk_and_the_older_one_is_gone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        let operator = operator(&engine);
        let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
        assert_eq!(engine.profile(&actor).await.expect("readable"), None);
        for name in ["Zoë Nguyễn", "Zoë Nguyễn-Meyer", "Zoë Nguyễn-Meyer"] {
            let profile = Profile { name: Some(name.into()), ..Profile::default() };
            engine.set_profile(&operator, &actor, &profile).await.expect("set");
            assert_eq!(engine.profile(&actor).await.expect("readable"), Some(profile));
        }
        let set = events(&engine).into_iter().filter(|entry| entry.event.name() == "profile.set").count();
        assert_eq!(set, 2, "nothing is written when nothing changed");
        let mut files = vec![];
        for parent in std::fs::read_dir(engine.notes_dir()).expect("a directory") {
            files.extend(std::fs::read_dir(parent.expect("an entry").path()).expect("a directory"));
        }
        let [Ok(file)] = &files[..] else { panic!("one note is kept: {files:?}") };
        let sealed = std::fs::read(file.path()).expect("readable");
        assert!(!sealed.windows(3).any(|part| part == b"Zo\xc3"));
        std::fs::remove_file(file.path()).expect("removed");
        assert_eq!(engine.profile(&actor).await.expect("readable"), None, "what is gone is unknown");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn given_names_that_differ_in_case_alone_when_linked_then_they_are_two_peoples() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        let operator = operator(&engine);
        let (one, other) = (
            engine.register_actor(&operator, ActorKind::Human).await.expect("registered"),
            engine.register_actor(&operator, ActorKind::Human).await.expect("registered"),
        );
        let source = IdentitySource::Scim;
        let subject = engine.link_identity(&operator, &one, source, "Zoe@example.com").await.expect("linked");
        engine.link_identity(&operator, &other, source, "zoe@example.com").await.expect("linked");
        let found = |name: &'static str| {
            let engine = engine.clone();
            async move { engine.find_identity(source, name).await.expect("readable") }
        };
        assert_eq!(found("Zoe@example.com").await.as_ref(), Some(&one));
        assert_eq!(found("zoe@example.com").await.as_ref(), Some(&other));
        assert_eq!(found("ZOE@example.com").await, None);
        assert_eq!(engine.find_identity(IdentitySource::Oidc, "zoe@example.com").await.expect("readable"), None);
        let taken = engine.link_identity(&operator, &other, source, "Zoe@example.com").await;
        assert!(matches!(taken, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Exists));
        engine.unlink_identity(&operator, &one, &subject).await.expect("unlinked");
        assert_eq!(found("Zoe@example.com").await, None);
        let entries = events(&engine);
        assert!(entries.iter().all(|entry| !entry.encode().expect("fits").windows(4).any(|part| part == b"zoe@")));
        let mut state = State::default();
        entries.iter().for_each(|entry| state.apply(entry));
        assert_eq!(engine.read(State::clone), state);
    }
}
