//! A bounded cache of unwrapped keys and looked-up subjects, in two generations: what is used moves
//! to the young one, and when that is full the old one is dropped. Every entry has a fixed end of
//! life, so that a destruction made by another process is honoured within it. No clock in here: the
//! caller says what time it is.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most entries held at once.
pub(crate) const CAPACITY: usize = 50_000;
/// Longest life of an entry, however often it is used. A signet may outlive the keys it was made of by its own.
pub(crate) const TTL: Duration = Duration::from_secs(270);

/// Concurrent map that forgets. Locks are held for a lookup only.
pub(crate) struct Cache<K, V> {
    inner: Mutex<Generations<K, V>>,
    capacity: usize,
    ttl: Duration,
}

struct Generations<K, V> {
    young: HashMap<K, Entry<V>>,
    old: HashMap<K, Entry<V>>,
    /// Counts evictions, so that a value read from the store before one is not cached after it.
    epoch: Epoch,
}

struct Entry<V> {
    value: V,
    expires: Instant,
}

/// The state of the cache when a value was read from the store.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Cache<K, V> {
        let inner = Generations { young: HashMap::new(), old: HashMap::new(), epoch: Epoch::default() };
        Cache { inner: Mutex::new(inner), capacity, ttl }
    }

    /// The value of `key`, if it is still within its life.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let mut inner = self.lock();
        if let Some(entry) = inner.young.get(key) {
            if now < entry.expires {
                return Some(entry.value.clone());
            }
            inner.young.remove(key);
            return None;
        }
        let entry = inner.old.remove(key).filter(|entry| now < entry.expires)?;
        let value = entry.value.clone();
        inner.insert(key.clone(), entry, self.capacity, now);
        Some(value)
    }

    /// To be taken before reading from the store what is inserted afterwards.
    pub(crate) fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    /// Keeps `value`, unless something was evicted since `epoch`.
    pub(crate) fn insert(&self, epoch: Epoch, key: K, value: V, now: Instant) {
        let mut inner = self.lock();
        if inner.epoch == epoch {
            let entry = Entry { value, expires: now + self.ttl };
            inner.insert(key, entry, self.capacity, now);
        }
    }

    /// Drops every entry for which `doomed` says so, now and for reads that are under way.
    pub(crate) fn evict(&self, doomed: impl Fn(&K, &V) -> bool) {
        let mut inner = self.lock();
        inner.epoch.0 += 1;
        inner.young.retain(|key, entry| !doomed(key, &entry.value));
        inner.old.retain(|key, entry| !doomed(key, &entry.value));
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        // A panic while it was held leaves at worst an entry less: the map is usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn insert(&mut self, key: K, entry: Entry<V>, capacity: usize, now: Instant) {
        if self.young.len() >= capacity / 2 {
            self.old = std::mem::take(&mut self.young);
            self.old.retain(|_, entry| now < entry.expires);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(capacity: usize) -> (Cache<u32, u32>, Instant) {
        (Cache::new(capacity, Duration::from_secs(10)), Instant::now())
    }

    fn put(cache: &Cache<u32, u32>, key: u32, now: Instant) {
        cache.insert(cache.epoch(), key, key * 10, now);
    }

    #[test]
    fn entries_die_at_their_time_even_when_used() {
        let (cache, start) = cache(10);
        put(&cache, 1, start);
        assert_eq!(cache.get(&1, start + Duration::from_secs(9)), Some(10));
        assert_eq!(cache.get(&1, start + Duration::from_secs(10)), None);
        assert_eq!(cache.get(&1, start), None, "gone, not hidden");
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let (cache, now) = cache(10);
        for key in 0..1_000 {
            put(&cache, key, now);
            assert_eq!(cache.get(&0, now), Some(0), "used each time, so kept");
            let inner = cache.lock();
            assert!(inner.young.len() + inner.old.len() <= 10);
        }
        assert_eq!(cache.get(&500, now), None);
        assert_eq!(cache.get(&999, now), Some(9_990));
    }

    #[test]
    fn eviction_reaches_both_generations_and_reads_under_way() {
        let (cache, now) = cache(4);
        let read_before = cache.epoch();
        for key in 1..=3 {
            put(&cache, key, now);
        }
        cache.evict(|key, _| *key != 3);
        cache.insert(read_before, 1, 10, now);
        assert_eq!(cache.get(&1, now), None);
        assert_eq!(cache.get(&2, now), None);
        assert_eq!(cache.get(&3, now), Some(30));
    }
}
