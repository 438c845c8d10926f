//! Replacing keys on time, without a change to any data.
//!
//! A class key and all its bucket keys are replaced together, in one step. The version of a bucket key before that stays
//! beside the new one, as *outgoing*, until the keys that it wraps have moved over to the new one; they do so in bounded
//! batches, in the order in which they lie in the store, so that others use the store between two of them and pages are
//! written once. Then the outgoing ones are destroyed. Whatever happens in between, each key is wrapped by a version that
//! is there.
//!
//! Index keys are never replaced: a blind index cannot be computed anew without the identifiers. They are wrapped anew by
//! each new version of the root key, as class keys are.

use std::sync::PoisonError;

use crate::error::VaultError;
use crate::keyring::{ATTEMPTS, Held, KeyRing};
use crate::names::{KeyKind, KeyName, check_class_or_link};
use crate::ports::{CustodianInfo, DestroyOutcome, Stored, Turn, TurnedBucket, WrappedKey};
use crate::vault::Vault;
use crate::wrap::SecretKey;

/// How many keys move over in one step of the store: what others wait for at most.
const BATCH: usize = if cfg!(test) { 2 } else { 2_000 };

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// The class.
    pub class: String,
    /// The version of its class key now.
    pub version: u32,
    /// How many bucket keys it wraps, each replaced.
    pub buckets: usize,
    /// How many subject, link and day keys were wrapped anew.
    pub rewrapped: u64,
}

/// What a ratchet of the root did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratcheted {
    /// The new version's name.
    pub key_id: String,
    /// How many class and index keys it wraps.
    pub rewrapped: usize,
    /// Whether the older versions are really gone.
    pub forgets: bool,
}

/// The key of a class, for inventories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassKey {
    /// The class.
    pub class: String,
    /// Its version.
    pub version: u32,
    /// When this version was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// How many outgoing bucket keys there are: more than none while a rotation is under way, or was cut short.
    pub outgoing: u64,
}

impl Vault {
    /// Replaces the key of a class and all its bucket keys. A rotation that was cut short before is only brought to its
    /// end: so repeating one after a crash does no second.
    ///
    /// Others may seal and open meanwhile. Takes about 10 seconds for a million subjects.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] for a class that has no key yet; [`VaultError::Name`] for a bad class; else from the key
    /// store or the custodian: repeat it then.
    pub fn rotate_class(&self, class: &str, now_ms: u64) -> Result<Turned, VaultError> {
        check_class_or_link(class)?;
        let _alone = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        if self.outgoing(class)? == 0 {
            self.ring.turn(class, now_ms)?;
        }
        self.bring_to_end(class, now_ms)
    }

    /// Brings a rotation of a class that was cut short to its end; without one it only says how the class stands.
    ///
    /// # Errors
    /// As [`Vault::rotate_class`].
    pub fn finish_rotation(&self, class: &str, now_ms: u64) -> Result<Turned, VaultError> {
        check_class_or_link(class)?;
        let _alone = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        self.bring_to_end(class, now_ms)
    }

    /// Gives the root key a new version, wraps all class and index keys by it, and has the older versions destroyed:
    /// with a copy of the key store made before, and the root key as it is now, nothing can be opened.
    ///
    /// To be repeated after a crash or an error at any step. Only one process may do it at a time.
    ///
    /// # Errors
    /// From the custodian or the key store.
    pub fn ratchet(&self) -> Result<Ratcheted, VaultError> {
        let (key_id, rewrapped) = self.ring.ratchet()?;
        Ok(Ratcheted { key_id, rewrapped, forgets: self.custodian().forgets })
    }

    /// What holds the root key.
    pub fn custodian(&self) -> CustodianInfo {
        self.ring.root.describe()
    }

    /// The key of each class, the class of link keys (`_link`) included, ordered by class.
    ///
    /// # Errors
    /// From the key store.
    pub fn class_keys(&self) -> Result<Vec<ClassKey>, VaultError> {
        let keys = self.ring.store.wrapped_by_root().map_err(VaultError::KeyStore)?;
        let classes = keys.into_iter().filter(|key| key.name.kind == KeyKind::Class);
        let info = |key: WrappedKey| {
            let outgoing = self.outgoing(&key.name.class)?;
            Ok(ClassKey { class: key.name.class, version: key.version, created_ms: key.created_ms, outgoing })
        };
        classes.map(info).collect()
    }

    /// How many outgoing bucket keys a class has.
    fn outgoing(&self, class: &str) -> Result<u64, VaultError> {
        let below = self.ring.store.children(&KeyName::class(class)).map_err(VaultError::KeyStore)?;
        Ok(below.iter().filter(|key| key.name.kind == KeyKind::Outgoing).count() as u64)
    }

    /// Has every key of the class move over to the new versions, and then the outgoing ones destroyed.
    fn bring_to_end(&self, class: &str, now_ms: u64) -> Result<Turned, VaultError> {
        let store = &self.ring.store;
        let mut rewrapped = 0;
        for _ in 0..ATTEMPTS {
            rewrapped += self.ring.move_over(class)?;
            if store.forget_outgoing(class, now_ms).map_err(VaultError::KeyStore)? {
                self.ring.evict(|name| name.kind == KeyKind::Outgoing && name.class == class);
                let version = self.ring.existing(&KeyName::class(class))?.version;
                let buckets = store.children(&KeyName::class(class)).map_err(VaultError::KeyStore)?.len();
                return Ok(Turned { class: class.to_owned(), version, buckets, rewrapped });
            }
            // Another process changed a bucket meanwhile: those keys come in the next pass.
            self.ring.evict(|name| wraps_in(name, class));
        }
        Err(VaultError::Contended(KeyName::class(class)))
    }
}

impl KeyRing {
    /// Replaces the class key and makes new versions of all its bucket keys.
    fn turn(&self, class: &str, now_ms: u64) -> Result<(), VaultError> {
        let name = KeyName::class(class);
        for _ in 0..ATTEMPTS {
            let old = self.existing(&name)?;
            let below = self.store.children(&name).map_err(VaultError::KeyStore)?;
            if below.iter().all(|bucket| bucket.parent_version == old.version) {
                let _root = self.use_root();
                let turn = self.prepare_turn(&old, &name, &below, now_ms)?;
                let outcome = self.store.turn(&turn);
                // Also after an error: the store may have done it before it failed.
                self.evict(|held| wraps_in(held, class));
                if outcome.map_err(VaultError::KeyStore)? == DestroyOutcome::Done {
                    return Ok(());
                }
            }
            self.evict(|held| wraps_in(held, class));
        }
        Err(VaultError::Contended(name))
    }

    fn prepare_turn(
        &self,
        old: &Held,
        name: &KeyName,
        buckets: &[WrappedKey],
        now_ms: u64,
    ) -> Result<Turn, VaultError> {
        let version = old.version.saturating_add(1);
        let new = Held { key: SecretKey::random()?.into(), version };
        let wrapped_under =
            |name: KeyName, of: u32, key: &SecretKey, created_ms: u64| -> Result<WrappedKey, VaultError> {
                let wrapped = self.wrap(&name, of, Some(&new), key)?;
                Ok(WrappedKey { name, version: of, parent_version: version, wrapped, created_ms })
            };
        let turned = buckets.iter().map(|bucket| {
            let key = self.unwrap(bucket, Some(old))?;
            let outgoing = KeyName::outgoing(&bucket.name);
            let next = bucket.version.saturating_add(1);
            Ok(TurnedBucket {
                outgoing: wrapped_under(outgoing, bucket.version, &key, bucket.created_ms)?,
                incoming: wrapped_under(bucket.name.clone(), next, &SecretKey::random()?, now_ms)?,
            })
        });
        let buckets = turned.collect::<Result<_, VaultError>>()?;
        let wrapped = self.wrap(name, version, None, &new.key)?;
        let class = WrappedKey { name: name.clone(), version, parent_version: 0, wrapped, created_ms: now_ms };
        Ok(Turn { class, buckets })
    }

    /// One pass over the keys of a class that outgoing bucket keys wrap; gives how many moved over.
    fn move_over(&self, class: &str) -> Result<u64, VaultError> {
        let (mut after, mut moved) = (0, 0);
        loop {
            let batch = self.store.lagging(class, after, BATCH).map_err(VaultError::KeyStore)?;
            let Some((last, _)) = batch.last() else { return Ok(moved) };
            after = *last;
            let anew = batch.iter().filter_map(|(_, child)| self.moved(child).transpose());
            let anew = anew.collect::<Result<Vec<_>, VaultError>>()?;
            let replaced = self.store.rewrap(&anew).map_err(VaultError::KeyStore)?;
            if replaced < batch.len() as u64 {
                self.evict(|name| wraps_in(name, class));
            }
            moved += replaced;
        }
    }

    /// A key wrapped by the present version of its bucket; `None` when it was destroyed or changed meanwhile.
    fn moved(&self, child: &WrappedKey) -> Result<Option<WrappedKey>, VaultError> {
        let Some(bucket) = child.name.parent() else { return Ok(None) };
        let present = self.existing(&bucket)?;
        let Some(opener) = self.opener(child, present.clone())? else { return Ok(None) };
        let key = match self.unwrap(child, Some(&opener)) {
            Ok(key) => key,
            Err(VaultError::Unwrap(_)) if self.changed(child)? => return Ok(None),
            Err(error) => return Err(error),
        };
        let wrapped = self.wrap(&child.name, child.version, Some(&present), &key)?;
        Ok(Some(WrappedKey { wrapped, parent_version: present.version, ..child.clone() }))
    }

    /// Whether the store holds something else by now than what was read from it.
    fn changed(&self, read: &WrappedKey) -> Result<bool, VaultError> {
        let stored = self.store.get(&read.name).map_err(VaultError::KeyStore)?;
        Ok(stored != Some(Stored::Live(read.clone())))
    }
}

/// Whether a key wraps others of the class.
fn wraps_in(name: &KeyName, class: &str) -> bool {
    name.class == class && matches!(name.kind, KeyKind::Class | KeyKind::Bucket | KeyKind::Outgoing)
}

#[cfg(test)]
mod tests;
