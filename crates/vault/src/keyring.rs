//! The key ring: finds, unwraps, caches and makes keys, from the root downwards. It holds no lock
//! while it reads the store or computes; races are settled by the store's conditions.

use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::cache::{CAPACITY, Cache, TTL};
use crate::error::VaultError;
use crate::names::KeyName;
use crate::ports::{Custodian, KeyStore, Put, Stored, WrappedKey};
use crate::wrap::{SecretKey, wrap_aad};

/// How often an operation starts again because others changed the same bucket.
pub(crate) const ATTEMPTS: usize = 16;

/// An unwrapped key, and which version of it this is.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) key: Arc<SecretKey>,
    pub(crate) version: u32,
}

/// The keys of one log.
pub(crate) struct KeyRing {
    log_id: String,
    pub(crate) store: Arc<dyn KeyStore>,
    root: Arc<dyn Custodian>,
    cache: Cache<KeyName, Held>,
}

impl KeyRing {
    pub(crate) fn new(log_id: &str, store: Arc<dyn KeyStore>, root: Arc<dyn Custodian>) -> KeyRing {
        KeyRing { log_id: log_id.to_owned(), store, root, cache: Cache::new(CAPACITY, TTL) }
    }

    pub(crate) fn log_id(&self) -> &str {
        &self.log_id
    }

    /// The key of that name, if it is at hand without asking the store.
    pub(crate) fn at_hand(&self, name: &KeyName) -> Option<Held> {
        self.cache.get(name, Instant::now())
    }

    /// The key of that name; [`VaultError::UnknownKey`] when it was never made.
    pub(crate) fn existing(&self, name: &KeyName) -> Result<Held, VaultError> {
        self.find(name)?.ok_or_else(|| VaultError::UnknownKey(name.clone()))
    }

    /// The key of that name, made now if there was none.
    pub(crate) fn obtain(&self, name: &KeyName, now_ms: u64) -> Result<Held, VaultError> {
        for _ in 0..ATTEMPTS {
            if let Some(held) = self.find(name)? {
                return Ok(held);
            }
            if let Some(held) = self.make(name, now_ms)? {
                return Ok(held);
            }
        }
        Err(VaultError::Contended(name.clone()))
    }

    /// Wraps `key` for storing under `name`: by its parent, or by the root key.
    pub(crate) fn wrap(
        &self,
        name: &KeyName,
        version: u32,
        parent: Option<&Held>,
        key: &SecretKey,
    ) -> Result<Vec<u8>, VaultError> {
        let aad = wrap_aad(&self.log_id, name, version);
        match parent {
            Some(parent) => parent.key.wrap(key.expose(), &aad),
            None => self.root.wrap(key.expose(), &aad).map_err(|source| self.custodian_error("wrap", name, source)),
        }
    }

    /// Unwraps a stored key with the parent given; `None` means the root key.
    pub(crate) fn unwrap(&self, stored: &WrappedKey, parent: Option<&Held>) -> Result<SecretKey, VaultError> {
        let name = &stored.name;
        let aad = wrap_aad(&self.log_id, name, stored.version);
        let plain = match parent {
            Some(parent) => parent.key.unwrap(&stored.wrapped, &aad),
            None => {
                let plain = self.root.unwrap(&stored.wrapped, &aad);
                let plain = plain.map_err(|e| self.custodian_error("unwrap", name, e))?;
                Some(Zeroizing::new(plain))
            }
        };
        plain
            .and_then(|plain| plain.first_chunk().filter(|_| plain.len() == 32).map(SecretKey::from_bytes))
            .ok_or_else(|| VaultError::Unwrap(name.clone()))
    }

    /// Forgets unwrapped keys at once.
    pub(crate) fn evict(&self, doomed: impl Fn(&KeyName) -> bool) {
        self.cache.evict(|name, _| doomed(name));
    }

    fn find(&self, name: &KeyName) -> Result<Option<Held>, VaultError> {
        if let Some(held) = self.cache.get(name, Instant::now()) {
            return Ok(Some(held));
        }
        for _ in 0..ATTEMPTS {
            let epoch = self.cache.epoch();
            let stored = match self.store.get(name).map_err(VaultError::KeyStore)? {
                None => return Ok(None),
                Some(Stored::Destroyed { .. }) => {
                    return Err(VaultError::KeyDestroyed(name.clone()));
                }
                Some(Stored::Live(stored)) => stored,
            };
            let parent = match name.parent() {
                None => None,
                Some(parent) => Some(self.existing(&parent)?),
            };
            if parent.as_ref().map_or(0, |p| p.version) == stored.parent_version {
                let key = Arc::new(self.unwrap(&stored, parent.as_ref())?);
                let held = Held { key, version: stored.version };
                self.cache.insert(epoch, name.clone(), held.clone(), Instant::now());
                return Ok(Some(held));
            }
            // Another process re-wrapped the bucket: read both again.
            self.evict_parent(name);
        }
        Err(VaultError::Contended(name.clone()))
    }

    /// Makes and stores a new key; `None` when another was quicker and its key must be read.
    fn make(&self, name: &KeyName, now_ms: u64) -> Result<Option<Held>, VaultError> {
        let parent = match name.parent() {
            None => None,
            Some(parent) => Some(self.obtain(&parent, now_ms)?),
        };
        let key = SecretKey::random()?;
        let version = 1;
        let new = WrappedKey {
            name: name.clone(),
            version,
            parent_version: parent.as_ref().map_or(0, |p| p.version),
            wrapped: self.wrap(name, version, parent.as_ref(), &key)?,
            created_ms: now_ms,
        };
        let epoch = self.cache.epoch();
        match self.store.put(&new).map_err(VaultError::KeyStore)? {
            Put::Stored => {
                let held = Held { key: Arc::new(key), version };
                self.cache.insert(epoch, name.clone(), held.clone(), Instant::now());
                Ok(Some(held))
            }
            Put::SubjectErased => Err(VaultError::KeyDestroyed(name.clone())),
            Put::Exists => Ok(None),
            Put::ParentMoved => {
                self.evict_parent(name);
                Ok(None)
            }
        }
    }

    fn evict_parent(&self, name: &KeyName) {
        let parent = name.parent();
        self.evict(|cached| Some(cached) == parent.as_ref());
    }

    fn custodian_error(&self, action: &'static str, name: &KeyName, source: crate::BoxError) -> VaultError {
        VaultError::Custodian { key_id: self.root.key_id(), action, name: name.clone(), source }
    }
}
