//! Keys: made, replaced, reported as leaked, looked up, and when each was last used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use domain::people::keys::{MAX_USED, RotateKey};
use domain::people::{InferenceScope, KeyCreated, KeyLeaked, KeyRevoked, KeyScope, KeyStatus, KeysUsed};
use domain::{Command, Refusal, RefusalCode};

use crate::identity::{digest, identifier};
use crate::{Engine, ExecuteError, Principal};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Characters of a secret that are kept to tell keys apart.
const SHOWN: usize = 10;

/// A key as its owner receives it, once.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Public identifier.
    pub key: String,
    /// The secret. It is not kept and cannot be shown again.
    pub secret: String,
    /// Milliseconds since the epoch after which it is void.
    pub expires_at: i64,
}

/// A key that took another's place.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key.
    pub new: NewKey,
    /// Milliseconds since the epoch after which the old one is void.
    pub ends_at: i64,
}

/// What a key for inference is to open.
#[derive(Clone, Debug, Default)]
pub struct Opens {
    /// Services.
    pub services: Vec<String>,
    /// Environments; those of the services when empty.
    pub environments: Vec<String>,
    /// Purposes; those of the services when empty.
    pub purposes: Vec<String>,
    /// The service account that it belongs to.
    pub account: Option<String>,
}

/// What is known of a secret by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Public identifier of the key.
    pub key: String,
    /// How it stands.
    pub status: KeyStatus,
}

/// Which keys were shown in which hour, until the ledger has it.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<BTreeMap<i64, BTreeSet<String>>>);

impl Uses {
    fn note(&self, key: &str, now_ms: i64) {
        let hour = now_ms - now_ms.rem_euclid(HOUR_MS);
        let mut hours = self.0.lock().expect("no panic while uses are locked");
        let keys = hours.entry(hour).or_default();
        if !keys.contains(key) {
            keys.insert(key.to_owned());
        }
    }

    fn take(&self) -> BTreeMap<i64, BTreeSet<String>> {
        std::mem::take(&mut *self.0.lock().expect("no panic while uses are locked"))
    }
}

impl Engine {
    /// What a key for inference opens: names sorted, and what was not said taken from the services as declared.
    #[must_use]
    pub fn inference_scope(&self, wish: Opens) -> KeyScope {
        let Opens { services, environments, purposes, account } = wish;
        let services = sorted(services);
        let (of_environments, of_purposes) = self.read(|state| {
            let specs = || services.iter().filter_map(|service| state.services.get(service));
            let environments: Vec<String> = specs().map(|spec| spec.environment.clone()).collect();
            let purposes: Vec<String> = specs().map(|spec| spec.purpose.clone()).collect();
            (environments, purposes)
        });
        let or = |given: Vec<String>, declared| sorted(if given.is_empty() { declared } else { given });
        KeyScope::Inference(InferenceScope {
            services,
            environments: or(environments, of_environments),
            purposes: or(purposes, of_purposes),
            account,
        })
    }

    /// Creates a key. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn create_key(
        self: &Arc<Self>,
        who: &Principal,
        scope: KeyScope,
        expires_at: i64,
    ) -> Result<NewKey, ExecuteError> {
        let (created, new) = fresh(scope, expires_at)?;
        self.execute(who, Command::CreateKey(created)).await?;
        Ok(new)
    }

    /// Creates a key for a command line, as whoever let it in with their session: when the provider says that they signed
    /// out, it ends with that.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn create_login_key(self: &Arc<Self>, who: &Principal, expires_at: i64) -> Result<NewKey, ExecuteError> {
        let (mut created, new) = fresh(KeyScope::Actor(who.actor.clone()), expires_at)?;
        created.session = who.session.as_ref().map(|visit| visit.session.clone());
        self.execute(who, Command::CreateKey(created)).await?;
        Ok(new)
    }

    /// Makes a key with the scope of another, which goes on for `overlap_ms` and ends then. The new one lives until
    /// `expires_at`, by default as long as the old one was made for.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn rotate_key(
        self: &Arc<Self>,
        who: &Principal,
        key: &str,
        overlap_ms: i64,
        expires_at: Option<i64>,
    ) -> Result<Rotated, ExecuteError> {
        let now = Self::now_ms();
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no key `{key}`"));
        let (scope, lifetime, days) = self.read(|state| {
            let known = state.keys.get(key).ok_or_else(missing)?;
            let lifetime = known.created.expires_at.saturating_sub(known.created_at);
            Ok::<_, Refusal>((known.created.scope.clone(), lifetime, state.key_days()))
        })?;
        let longest = i64::from(days).saturating_mul(24 * HOUR_MS);
        let expires_at = expires_at.unwrap_or_else(|| now.saturating_add(lifetime.min(longest)));
        let (by, new) = fresh(scope, expires_at)?;
        let ends_at = now.saturating_add(overlap_ms);
        self.execute(who, Command::RotateKey(RotateKey { key: key.to_owned(), by, ends_at })).await?;
        Ok(Rotated { new, ends_at })
    }

    /// Withdraws a key.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn revoke_key(self: &Arc<Self>, who: &Principal, key: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::RevokeKey(KeyRevoked { key: key.to_owned() })).await.map(drop)
    }

    /// Gives up a key of one's own.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn give_up_key(self: &Arc<Self>, who: &Principal, key: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::GiveUpKey(KeyRevoked { key: key.to_owned() })).await.map(drop)
    }

    /// Ends the key whose secret somebody found and shows: whoever has it could use it, and needs no other right to end
    /// it. Returns the key; `None` when there is none with this secret.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn report_leak(self: &Arc<Self>, secret: &str) -> Result<Option<String>, ExecuteError> {
        let digest = digest(secret.trim());
        let Some(key) = self.read(|state| state.key_for_secret(&digest).map(|key| key.created.key.clone())) else {
            return Ok(None);
        };
        self.execute(self.system(), Command::LeakKey(KeyLeaked { key: key.clone() })).await?;
        Ok(Some(key))
    }

    /// What is known of a secret by its SHA-256 (hexadecimal).
    #[must_use]
    pub fn look_up_key(&self, secret_sha256: &str) -> Option<Lookup> {
        let now = Self::now_ms();
        self.read(|state| {
            let key = state.key_for_secret(secret_sha256)?;
            Some(Lookup { key: key.created.key.clone(), status: key.status(now) })
        })
    }

    /// Notes that a key was shown and is good. Cheap: nothing is written until the next report.
    pub fn note_use(&self, key: &str, now_ms: i64) {
        self.uses.note(key, now_ms);
    }

    /// Reports which keys were used since the last report; each is in the ledger once an hour.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub(crate) async fn report_use(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let (node, incarnation) = (self.node().to_owned(), self.incarnation());
        for (hour, keys) in self.uses.take() {
            let news = |id: &String| {
                self.read(|state| state.keys.get(id).is_some_and(|key| key.used_at.is_none_or(|at| at < hour)))
            };
            let keys: Vec<String> = keys.into_iter().filter(news).collect();
            for keys in keys.chunks(MAX_USED) {
                let used = KeysUsed { node: node.clone(), incarnation, hour, keys: keys.to_vec() };
                self.execute(self.system(), Command::UseKeys(used)).await?;
            }
        }
        Ok(())
    }
}

/// A key that does not exist yet: what the ledger gets of it, and what its owner gets.
pub(crate) fn fresh(scope: KeyScope, expires_at: i64) -> Result<(KeyCreated, NewKey), ExecuteError> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|e| ExecuteError::Internal(format!("the system gave no randomness: {e}")))?;
    let (key, secret) = (identifier("k_"), scan::keys::secret(&random));
    let created = KeyCreated {
        key: key.clone(),
        scope,
        prefix: secret.chars().take(SHOWN).collect(),
        secret_sha256: digest(&secret),
        expires_at,
        session: None,
    };
    Ok((created, NewKey { key, secret, expires_at }))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_keys_that_are_shown_when_noted_then_each_hour_has_each_key_once() {
        let uses = Uses::default();
        for (key, now) in [("k_1", 5), ("k_1", 6), ("k_2", 7), ("k_1", HOUR_MS + 1)] {
            uses.note(key, now);
        }
        let taken = uses.take();
        assert_eq!(taken[&0].len(), 2);
        assert_eq!(taken[&HOUR_MS].iter().collect::<Vec<_>>(), ["k_1"]);
        assert!(uses.take().is_empty());
    }
}
