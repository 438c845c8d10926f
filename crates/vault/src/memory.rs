//! Drivers that keep everything in memory: the smallest true implementations of the two ports, for
//! tests and benchmarks. What they hold is gone with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::BoxError;
use crate::names::{KeyKind, KeyName, SubjectRef};
use crate::ports::{
    Custodian, CustodianInfo, DestroyOutcome, Destruction, KeyCount, KeyInfo, KeyState, KeyStore, Put, Stored, Target,
    Turn, WrappedKey, same_versions,
};
use crate::tokens::{KeptToken, PutToken, TokenCount, TokenInfo, TokenRow, TokenStore};
use crate::wrap::SecretKey;

/// A key store in memory.
#[derive(Default)]
pub struct MemoryKeys(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    keys: BTreeMap<KeyName, Row>,
    blind_index: BTreeMap<(String, [u8; 32]), SubjectRef>,
    erased: BTreeSet<SubjectRef>,
    held: BTreeSet<(String, SubjectRef)>,
    tokens: BTreeMap<String, KeptToken>,
}

/// A key as last stored, and since when it is destroyed.
#[derive(Clone)]
struct Row {
    key: WrappedKey,
    destroyed_ms: Option<u64>,
}

impl MemoryKeys {
    /// What a backup made now would hold.
    #[must_use]
    pub fn copy(&self) -> MemoryKeys {
        MemoryKeys(Mutex::new(self.state().clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn live(&self) -> impl Iterator<Item = &WrappedKey> {
        self.keys.values().filter(|row| row.destroyed_ms.is_none()).map(|row| &row.key)
    }

    fn live_version(&self, name: &KeyName) -> Option<u32> {
        self.keys.get(name).filter(|row| row.destroyed_ms.is_none()).map(|row| row.key.version)
    }

    fn set(&mut self, key: &WrappedKey) {
        self.keys.insert(key.name.clone(), Row { key: key.clone(), destroyed_ms: None });
    }

    /// Live keys of a class that an outgoing bucket key wraps.
    fn lagging(&self, class: &str) -> impl Iterator<Item = &WrappedKey> {
        self.live().filter(move |key| {
            let outgoing = key.name.parent().map(|bucket| KeyName::outgoing(&bucket));
            let version = outgoing.and_then(|outgoing| self.live_version(&outgoing));
            key.name.class == class && version == Some(key.parent_version)
        })
    }

    fn children(&self, bucket: &KeyName) -> impl Iterator<Item = &WrappedKey> {
        self.live().filter(move |key| key.name.parent().as_ref() == Some(bucket))
    }

    fn bury(&mut self, name: &KeyName, at_ms: u64) {
        let row = self.keys.entry(name.clone()).or_insert_with(|| Row {
            key: WrappedKey {
                name: name.clone(),
                version: 1,
                parent_version: 0,
                wrapped: Vec::new(),
                created_ms: at_ms,
            },
            destroyed_ms: None,
        });
        row.key.wrapped.clear();
        row.destroyed_ms.get_or_insert(at_ms);
    }
}

impl KeyStore for MemoryKeys {
    fn get(&self, name: &KeyName) -> Result<Option<Stored>, BoxError> {
        Ok(self.state().keys.get(name).map(|row| match row.destroyed_ms {
            Some(at_ms) => Stored::Destroyed { at_ms },
            None => Stored::Live(row.key.clone()),
        }))
    }

    fn put(&self, key: &WrappedKey) -> Result<Put, BoxError> {
        let mut state = self.state();
        if state.keys.contains_key(&key.name) {
            return Ok(Put::Exists);
        }
        if key.name.owner().is_some_and(|subject| state.erased.contains(&subject)) {
            return Ok(Put::SubjectErased);
        }
        if let Some(parent) = key.name.parent()
            && state.live_version(&parent) != Some(key.parent_version)
        {
            return Ok(Put::ParentMoved);
        }
        state.keys.insert(key.name.clone(), Row { key: key.clone(), destroyed_ms: None });
        Ok(Put::Stored)
    }

    fn children(&self, parent: &KeyName) -> Result<Vec<WrappedKey>, BoxError> {
        Ok(self.state().children(parent).cloned().collect())
    }

    fn wrapped_by_root(&self) -> Result<Vec<WrappedKey>, BoxError> {
        Ok(self.state().live().filter(|key| key.name.parent().is_none()).cloned().collect())
    }

    fn rewrap_roots(&self, keys: &[WrappedKey]) -> Result<DestroyOutcome, BoxError> {
        let mut state = self.state();
        let stored: Vec<WrappedKey> = state.live().filter(|key| key.name.parent().is_none()).cloned().collect();
        if !same_versions(&stored, keys) {
            return Ok(DestroyOutcome::Conflict);
        }
        keys.iter().for_each(|key| state.set(key));
        Ok(DestroyOutcome::Done)
    }

    fn turn(&self, turn: &Turn) -> Result<DestroyOutcome, BoxError> {
        let mut state = self.state();
        let below: Vec<WrappedKey> = state.children(&turn.class.name).cloned().collect();
        if !turn.fits(state.live_version(&turn.class.name), &below) {
            return Ok(DestroyOutcome::Conflict);
        }
        state.set(&turn.class);
        for bucket in &turn.buckets {
            state.set(&bucket.outgoing);
            state.set(&bucket.incoming);
        }
        Ok(DestroyOutcome::Done)
    }

    fn lagging(&self, class: &str, after: u64, limit: usize) -> Result<Vec<(u64, WrappedKey)>, BoxError> {
        // Those before the mark have moved over, and are none of these any more.
        let marks = after.saturating_add(1)..;
        Ok(marks.zip(self.state().lagging(class).take(limit).cloned()).collect())
    }

    fn rewrap(&self, keys: &[WrappedKey]) -> Result<u64, BoxError> {
        let mut state = self.state();
        let mut replaced = 0;
        for key in keys {
            let bucket = key.name.parent().and_then(|bucket| state.live_version(&bucket));
            if state.live_version(&key.name) == Some(key.version) && bucket == Some(key.parent_version) {
                state.set(key);
                replaced += 1;
            }
        }
        Ok(replaced)
    }

    fn forget_outgoing(&self, class: &str, at_ms: u64) -> Result<bool, BoxError> {
        let mut state = self.state();
        if state.lagging(class).next().is_some() {
            return Ok(false);
        }
        let outgoing = |key: &&WrappedKey| key.name.kind == KeyKind::Outgoing && key.name.class == class;
        let gone: Vec<KeyName> = state.live().filter(outgoing).map(|key| key.name.clone()).collect();
        gone.iter().for_each(|name| state.bury(name, at_ms));
        Ok(true)
    }

    fn keys_of(&self, subject: &SubjectRef) -> Result<Vec<WrappedKey>, BoxError> {
        let state = self.state();
        Ok(state.live().filter(|key| key.name.owner() == Some(*subject)).cloned().collect())
    }

    fn find_subject(&self, scope: &str, idx: &[u8; 32]) -> Result<Option<SubjectRef>, BoxError> {
        Ok(self.state().blind_index.get(&(scope.to_owned(), *idx)).copied())
    }

    fn bind_subject(&self, scope: &str, idx: &[u8; 32], subject: &SubjectRef) -> Result<SubjectRef, BoxError> {
        let mut state = self.state();
        Ok(*state.blind_index.entry((scope.to_owned(), *idx)).or_insert(*subject))
    }

    fn hold(&self, holder: &str, subjects: &[SubjectRef]) -> Result<(), BoxError> {
        self.state().held.extend(subjects.iter().map(|subject| (holder.to_owned(), *subject)));
        Ok(())
    }

    fn holders(&self, subject: &SubjectRef) -> Result<Vec<String>, BoxError> {
        let state = self.state();
        Ok(state.held.iter().filter(|(_, held)| held == subject).map(|(holder, _)| holder.clone()).collect())
    }

    fn release(&self, holder: &str, subject: Option<&SubjectRef>) -> Result<(), BoxError> {
        self.state().held.retain(|(by, held)| by != holder || subject.is_some_and(|one| one != held));
        Ok(())
    }

    fn destroy(&self, destruction: &Destruction) -> Result<DestroyOutcome, BoxError> {
        let mut state = self.state();
        let doomed: Vec<KeyName> = state.live().map(|key| key.name.clone()).filter(|n| destruction.dooms(n)).collect();
        let fits = destruction.rewraps.iter().all(|rewrap| {
            let bucket = &rewrap.bucket.name;
            let children: Vec<_> = state.children(bucket).map(|key| key.name.clone()).collect();
            destruction.fits(rewrap, state.live_version(bucket), &children)
        });
        if !fits || !destruction.covers(&doomed) {
            return Ok(DestroyOutcome::Conflict);
        }

        doomed.iter().for_each(|name| state.bury(name, destruction.at_ms));
        match &destruction.target {
            Target::Subject(subject) => {
                state.erased.insert(*subject);
                state.blind_index.retain(|_, bound| bound != subject);
                state.held.retain(|(_, held)| held != subject);
                for kept in state.tokens.values_mut() {
                    if let KeptToken::Live(row) = kept
                        && row.subject == *subject
                    {
                        *kept = KeptToken::Erased { scope: std::mem::take(&mut row.scope) };
                    }
                }
            }
            Target::Day(key) | Target::Object(key) => state.bury(key, destruction.at_ms),
        }
        for rewrap in &destruction.rewraps {
            rewrap.children.iter().chain([&rewrap.bucket]).for_each(|key| state.set(key));
            let outgoing = KeyName::outgoing(&rewrap.bucket.name);
            if state.live_version(&outgoing).is_some() {
                state.bury(&outgoing, destruction.at_ms);
            }
        }
        Ok(DestroyOutcome::Done)
    }

    fn list(&self) -> Result<Vec<KeyInfo>, BoxError> {
        let info = |row: &Row| KeyInfo {
            kind: row.key.name.kind,
            class: row.key.name.class.clone(),
            id: row.key.name.unit.clone(),
            version: row.key.version,
            state: match row.destroyed_ms {
                Some(at_ms) => KeyState::Destroyed { at_ms },
                None => KeyState::Live,
            },
            created_ms: row.key.created_ms,
        };
        Ok(self.state().keys.values().map(info).collect())
    }

    fn count(&self) -> Result<Vec<KeyCount>, BoxError> {
        let mut counts: BTreeMap<(KeyKind, String), (u64, u64)> = BTreeMap::new();
        for row in self.state().keys.values() {
            let name = &row.key.name;
            let (live, destroyed) = counts.entry((name.kind, name.class.clone())).or_default();
            *(if row.destroyed_ms.is_none() { live } else { destroyed }) += 1;
        }
        let count = |((kind, class), (live, destroyed))| KeyCount { kind, class, live, destroyed };
        Ok(counts.into_iter().map(count).collect())
    }
}

impl State {
    fn live_tokens(&self) -> impl Iterator<Item = &TokenRow> {
        self.tokens.values().filter_map(|kept| match kept {
            KeptToken::Live(row) => Some(row),
            KeptToken::Erased { .. } => None,
        })
    }

    fn token_for(&self, scope: &str, idx: &[u8; 32]) -> Option<String> {
        let mut live = self.live_tokens();
        live.find(|row| row.scope == scope && row.idx == *idx).map(|row| row.token.clone())
    }
}

impl TokenStore for MemoryKeys {
    fn put_tokens(&self, rows: &[TokenRow]) -> Result<Vec<PutToken>, BoxError> {
        let mut state = self.state();
        let put = rows.iter().map(|row| {
            if state.erased.contains(&row.subject) {
                return PutToken::SubjectErased;
            }
            if let Some(known) = state.token_for(&row.scope, &row.idx) {
                return PutToken::Exists(known);
            }
            state.tokens.insert(row.token.clone(), KeptToken::Live(row.clone()));
            PutToken::Stored
        });
        Ok(put.collect())
    }

    fn find_tokens(&self, scope: &str, idx: &[[u8; 32]]) -> Result<Vec<Option<String>>, BoxError> {
        let state = self.state();
        Ok(idx.iter().map(|idx| state.token_for(scope, idx)).collect())
    }

    fn get_tokens(&self, tokens: &[String]) -> Result<Vec<Option<KeptToken>>, BoxError> {
        let state = self.state();
        Ok(tokens.iter().map(|token| state.tokens.get(token).cloned()).collect())
    }

    fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, BoxError> {
        let state = self.state();
        let theirs = state.live_tokens().filter(|row| row.subject == *subject);
        let info = |row: &TokenRow| TokenInfo {
            token: row.token.clone(),
            scope: row.scope.clone(),
            created_ms: row.created_ms,
        };
        Ok(theirs.map(info).collect())
    }

    fn count_tokens(&self, scope: &str) -> Result<TokenCount, BoxError> {
        let mut count = TokenCount::default();
        for kept in self.state().tokens.values() {
            match kept {
                KeptToken::Live(row) if row.scope == scope => count.live += 1,
                KeptToken::Erased { scope: of } if of == scope => count.erased += 1,
                KeptToken::Live(_) | KeptToken::Erased { .. } => {}
            }
        }
        Ok(count)
    }
}

/// A custodian whose root key is in memory only.
pub struct MemoryCustodian(Mutex<Vec<SecretKey>>);

impl MemoryCustodian {
    /// Holds `root`.
    #[must_use]
    pub fn new(root: SecretKey) -> MemoryCustodian {
        MemoryCustodian(Mutex::new(vec![root]))
    }

    fn versions(&self) -> MutexGuard<'_, Vec<SecretKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest of the versions, of which there is always one.
fn newest(versions: &[SecretKey]) -> &SecretKey {
    versions.last().expect("a custodian begins with a key and keeps the newest")
}

impl Custodian for MemoryCustodian {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(newest(&self.versions()).wrap(plaintext, aad)?)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let plain = self.versions().iter().rev().find_map(|version| version.unwrap(wrapped, aad));
        plain.map(|plain| plain.to_vec()).ok_or_else(|| "not wrapped by this root key".into())
    }

    fn key_id(&self) -> String {
        format!("memory:{}", newest(&self.versions()).fingerprint())
    }

    fn advance(&self) -> Result<String, BoxError> {
        let fresh = SecretKey::random()?;
        self.versions().push(fresh);
        Ok(self.key_id())
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        let mut versions = self.versions();
        let older = versions.len().saturating_sub(1);
        versions.drain(..older);
        Ok(())
    }

    fn describe(&self) -> CustodianInfo {
        CustodianInfo { kind: "memory", key_id: self.key_id(), forgets: true }
    }
}

#[cfg(test)]
mod tests {
    crate::key_store_conformance!(|| ((), crate::memory::MemoryKeys::default()));

    #[test]
    fn the_memory_custodian_keeps_the_contract() {
        let root = crate::SecretKey::from_bytes(&[7; 32]);
        crate::custodian_conformance::check(&super::MemoryCustodian::new(root));
    }
}
