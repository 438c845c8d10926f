//! The key ring: finds, unwraps, caches and makes keys, from the root downwards. It holds no lock
//! while it reads the store or computes; races are settled by the store's conditions.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use zeroize::Zeroizing;

use crate::cache::{CAPACITY, Cache, TTL};
use crate::error::VaultError;
use crate::names::{KeyKind, KeyName, LINK_CLASS};
use crate::ports::{Custodian, DestroyOutcome, KeyStore, Put, Stored, WrappedKey};
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
    pub(crate) root: Arc<dyn Custodian>,
    /// Held to read while the root key is used, and alone while its older versions are given up: a key that was wrapped
    /// before and stored after that could be opened by nobody.
    root_in_use: RwLock<()>,
    cache: Cache<KeyName, Held>,
}

impl KeyRing {
    pub(crate) fn new(log_id: &str, store: Arc<dyn KeyStore>, root: Arc<dyn Custodian>) -> KeyRing {
        let (root_in_use, cache) = (RwLock::new(()), Cache::new(CAPACITY, TTL));
        KeyRing { log_id: log_id.to_owned(), store, root, root_in_use, cache }
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
        let _root = name.parent().is_none().then(|| self.use_root());
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
            let opener = match parent {
                None => None,
                Some(parent) => {
                    let opener = self.opener(&stored, parent)?;
                    if opener.is_none() {
                        // The bucket was replaced or its children moved over meanwhile: read both again.
                        self.evict_parent(name);
                        continue;
                    }
                    opener
                }
            };
            let key = Arc::new(self.unwrap(&stored, opener.as_ref())?);
            let held = Held { key, version: stored.version };
            self.cache.insert(epoch, name.clone(), held.clone(), Instant::now());
            return Ok(Some(held));
        }
        Err(VaultError::Contended(name.clone()))
    }

    /// Makes and stores a new key; `None` when another was quicker and its key must be read.
    fn make(&self, name: &KeyName, now_ms: u64) -> Result<Option<Held>, VaultError> {
        let parent = match name.parent() {
            None => None,
            Some(parent) => Some(self.obtain(&parent, now_ms)?),
        };
        let _root = parent.is_none().then(|| self.use_root());
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

    /// The version of `parent` that wraps a stored key: the one given, or while a rotation is under way the outgoing one;
    /// `None` when the one given is stale.
    pub(crate) fn opener(&self, stored: &WrappedKey, parent: Held) -> Result<Option<Held>, VaultError> {
        if parent.version == stored.parent_version {
            return Ok(Some(parent));
        }
        let Some(bucket) = stored.name.parent().filter(|parent| parent.kind == KeyKind::Bucket) else {
            return Ok(None);
        };
        match self.find(&KeyName::outgoing(&bucket)) {
            Ok(outgoing) => Ok(outgoing.filter(|outgoing| outgoing.version == stored.parent_version)),
            Err(error) if error.is_destroyed() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// To be held from before the root key wraps something until that is stored.
    pub(crate) fn use_root(&self) -> RwLockReadGuard<'_, ()> {
        self.root_in_use.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the root key a new version, wraps by it all that the older ones wrapped, and has those destroyed. A crash at
    /// any step leaves everything openable, and the next time does it all. Returns the new key's id and how many keys it
    /// wraps.
    pub(crate) fn ratchet(&self) -> Result<(String, usize), VaultError> {
        let _alone = self.root_in_use.write().unwrap_or_else(PoisonError::into_inner);
        let advance = || self.root.advance().map_err(|e| self.root_error("make a new version of it", e));
        let key_id = match advance() {
            Ok(key_id) => key_id,
            // Those that were cut short left versions behind, of which a custodian takes only so many: give these up first.
            Err(_) => {
                self.settle_root()?;
                advance()?
            }
        };
        self.settle_root().map(|wrapped| (key_id, wrapped))
    }

    /// Wraps all that the root key wraps by its newest version, and has the older ones destroyed.
    fn settle_root(&self) -> Result<usize, VaultError> {
        for _ in 0..ATTEMPTS {
            let keys = self.store.wrapped_by_root().map_err(VaultError::KeyStore)?;
            let anew = keys
                .iter()
                .map(|key| {
                    let secret = self.unwrap(key, None)?;
                    let wrapped = self.wrap(&key.name, key.version, None, &secret)?;
                    let anew = WrappedKey { wrapped, ..key.clone() };
                    // What opens the wrapping before is destroyed next: so it is not believed that this one opens.
                    match self.unwrap(&anew, None)?.expose() == secret.expose() {
                        true => Ok(anew),
                        false => Err(VaultError::Unwrap(key.name.clone())),
                    }
                })
                .collect::<Result<Vec<_>, VaultError>>()?;
            if self.store.rewrap_roots(&anew).map_err(VaultError::KeyStore)? == DestroyOutcome::Done {
                self.root.forget_older().map_err(|e| self.root_error("destroy its older versions", e))?;
                return Ok(anew.len());
            }
        }
        Err(VaultError::Contended(KeyName::class(LINK_CLASS)))
    }

    fn root_error(&self, action: &'static str, source: crate::BoxError) -> VaultError {
        VaultError::Root { key_id: self.root.key_id(), action, source }
    }

    fn evict_parent(&self, name: &KeyName) {
        if let Some(parent) = name.parent() {
            let outgoing = KeyName::outgoing(&parent);
            self.evict(|cached| *cached == parent || *cached == outgoing);
        }
    }

    fn custodian_error(&self, action: &'static str, name: &KeyName, source: crate::BoxError) -> VaultError {
        VaultError::Custodian { key_id: self.root.key_id(), action, name: name.clone(), source }
    }
}
