//! Destruction of a subject's keys, a day's key or an object's, and what it takes to make it stick: the bucket
//! key that wrapped the destroyed key is replaced, and the other keys of the bucket are wrapped anew
//! under its successor. So neither a remnant of the old wrapped key nor one of the old bucket key
//! is of use alone.
//!
//! A copy of the whole key store made before can still be opened with the root key, until that is ratcheted: see
//! [`crate::Vault::ratchet`].

use crate::error::VaultError;
use crate::keyring::{ATTEMPTS, Held, KeyRing};
use crate::names::{KeyName, ObjectId, SubjectRef, check_day, check_name};
use crate::ports::{DestroyOutcome, Destruction, Rewrap, Stored, Target, WrappedKey};
use crate::vault::Vault;
use crate::wrap::SecretKey;

/// What a destruction did, for the event that records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// Keys destroyed; empty when there were none left to destroy.
    pub keys: Vec<KeyName>,
    /// Bucket keys replaced, with their new versions.
    pub buckets: Vec<(KeyName, u32)>,
    /// Surviving keys wrapped anew.
    pub rewrapped: usize,
}

impl Vault {
    /// Destroys all keys of a subject, its link key and its blind index rows, for ever: nothing
    /// sealed for it can be opened again, nothing new can be sealed for it, and its identifier, if it
    /// ever comes again, gets a new reference. Doing it again does nothing more.
    ///
    /// A seal that is under way at this moment in another thread may still finish; what it sealed
    /// can never be opened.
    ///
    /// # Errors
    /// From the key store or the custodian; repeat it then.
    pub fn destroy_subject(&self, subject: &SubjectRef, now_ms: u64) -> Result<Destroyed, VaultError> {
        self.destroy(Target::Subject(*subject), now_ms)
    }

    /// Destroys the key of a class and day, for ever: nothing sealed in that class on that day can
    /// be opened again, and nothing more can be sealed there. Doing it again does nothing more.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad class or day; else from the key store or the custodian: repeat
    /// it then.
    pub fn destroy_day(&self, class: &str, day: &str, now_ms: u64) -> Result<Destroyed, VaultError> {
        check_name("class", class)?;
        check_day(day)?;
        self.destroy(Target::Day(KeyName::day(class, day)), now_ms)
    }

    /// Destroys the key of an object, for ever: nobody can open any copy of it. Doing it again does nothing more.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad class; else from the key store or the custodian: repeat it then.
    pub fn destroy_object(&self, class: &str, id: &ObjectId, now_ms: u64) -> Result<Destroyed, VaultError> {
        check_name("class", class)?;
        self.destroy(Target::Object(KeyName::object(class, id)), now_ms)
    }

    /// Names of the keys that a subject has, in every class.
    ///
    /// # Errors
    /// From the key store.
    pub fn keys_of(&self, subject: &SubjectRef) -> Result<Vec<KeyName>, VaultError> {
        self.doomed(&Target::Subject(*subject))
    }

    fn destroy(&self, target: Target, now_ms: u64) -> Result<Destroyed, VaultError> {
        let mut destruction = Destruction { target, rewraps: Vec::new(), at_ms: now_ms };
        let result = self.destroy_in_store(&mut destruction);
        // Also after an error: the store may have done it before it failed.
        self.forget(&destruction);
        result
    }

    fn destroy_in_store(&self, destruction: &mut Destruction) -> Result<Destroyed, VaultError> {
        let ring = &self.ring;
        for _ in 0..ATTEMPTS {
            let doomed = self.doomed(&destruction.target)?;
            destruction.rewraps.clear();
            // A subject has at most one key in a class, so no bucket comes twice.
            for bucket in doomed.iter().filter_map(KeyName::parent) {
                let rewrap = ring.rewrap(&bucket, destruction)?;
                destruction.rewraps.push(rewrap);
            }
            match ring.store.destroy(destruction).map_err(VaultError::KeyStore)? {
                DestroyOutcome::Done => return Ok(summary(doomed, destruction)),
                DestroyOutcome::Conflict => self.forget(destruction),
            }
        }
        let name = match &destruction.target {
            Target::Subject(subject) => KeyName::link(subject),
            Target::Day(key) | Target::Object(key) => key.clone(),
        };
        Err(VaultError::Contended(name))
    }

    /// Names of the live keys to destroy.
    fn doomed(&self, target: &Target) -> Result<Vec<KeyName>, VaultError> {
        let store = &self.ring.store;
        match target {
            Target::Subject(subject) => {
                let keys = store.keys_of(subject).map_err(VaultError::KeyStore)?;
                Ok(keys.into_iter().map(|key| key.name).collect())
            }
            Target::Day(key) | Target::Object(key) => match store.get(key).map_err(VaultError::KeyStore)? {
                Some(Stored::Live(key)) => Ok(vec![key.name]),
                Some(Stored::Destroyed { .. }) | None => Ok(Vec::new()),
            },
        }
    }

    fn forget(&self, destruction: &Destruction) {
        let is_replaced = |name: &KeyName| {
            let replaced = |bucket: &KeyName| bucket == name || KeyName::outgoing(bucket) == *name;
            destruction.rewraps.iter().any(|r| replaced(&r.bucket.name))
        };
        self.ring.evict(|name| destruction.dooms(name) || is_replaced(name));
        self.signets.evict(|_, signet| signet.is_doomed_by(destruction));
        if let Target::Subject(gone) = &destruction.target {
            self.forget_subject(gone);
        }
    }
}

impl KeyRing {
    /// A new version of `bucket`, with all its keys but the doomed wrapped under it.
    fn rewrap(&self, bucket: &KeyName, destruction: &Destruction) -> Result<Rewrap, VaultError> {
        for _ in 0..ATTEMPTS {
            let old = self.existing(bucket)?;
            let children = self.store.children(bucket).map_err(VaultError::KeyStore)?;
            let openers = children.iter().map(|child| self.opener(child, old.clone()));
            let Some(openers) = openers.collect::<Result<Option<Vec<Held>>, VaultError>>()? else {
                // The versions at hand are stale.
                let outgoing = KeyName::outgoing(bucket);
                self.evict(|name| name == bucket || *name == outgoing);
                continue;
            };
            let parent = match bucket.parent() {
                None => None,
                Some(parent) => Some(self.existing(&parent)?),
            };
            let key = SecretKey::random()?;
            let version = old.version.saturating_add(1);
            let new = Held { key: key.into(), version };
            let wrapped = self.wrap(bucket, version, parent.as_ref(), &new.key)?;
            let survivors = children.iter().zip(&openers).filter(|(child, _)| !destruction.dooms(&child.name));
            let children = survivors
                .map(|(child, opener)| {
                    let key = self.unwrap(child, Some(opener))?;
                    let wrapped = self.wrap(&child.name, child.version, Some(&new), &key)?;
                    Ok(WrappedKey { wrapped, parent_version: version, ..child.clone() })
                })
                .collect::<Result<_, VaultError>>()?;
            let bucket = WrappedKey {
                name: bucket.clone(),
                version,
                parent_version: parent.as_ref().map_or(0, |p| p.version),
                wrapped,
                created_ms: destruction.at_ms,
            };
            return Ok(Rewrap { bucket, children });
        }
        Err(VaultError::Contended(bucket.clone()))
    }
}

fn summary(keys: Vec<KeyName>, destruction: &Destruction) -> Destroyed {
    let rewraps = &destruction.rewraps;
    Destroyed {
        keys,
        buckets: rewraps.iter().map(|r| (r.bucket.name.clone(), r.bucket.version)).collect(),
        rewrapped: rewraps.iter().map(|r| r.children.len()).sum(),
    }
}
