//! Moving the root from one custodian to another, without a change to any data: what the old one wraps is wrapped anew by the
//! new one, all of it in one step of the store. Only then, and by another call, is the old one made useless.
//!
//! Whatever happens in between, one of the two opens everything. Nobody else may use the store meanwhile.

use std::sync::Arc;

use crate::error::{BoxError, VaultError};
use crate::keyring::{ATTEMPTS, KeyRing};
use crate::names::{KeyName, LINK_CLASS, check_log_id};
use crate::ports::{Custodian, DestroyOutcome, KeyStore, WrappedKey};

/// The two custodians of a move.
pub struct Handover {
    store: Arc<dyn KeyStore>,
    old: KeyRing,
    new: KeyRing,
}

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// How many class and index keys the new custodian wraps.
    pub keys: usize,
    /// Whether that was so before.
    pub before: bool,
}

impl Handover {
    /// Of the keys of the log `log_id`, from `old` to `new`.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad log id.
    pub fn new(
        log_id: &str,
        store: &Arc<dyn KeyStore>,
        old: &Arc<dyn Custodian>,
        new: &Arc<dyn Custodian>,
    ) -> Result<Handover, VaultError> {
        check_log_id(log_id)?;
        let ring = |root: &Arc<dyn Custodian>| KeyRing::new(log_id, Arc::clone(store), Arc::clone(root));
        Ok(Handover { store: Arc::clone(store), old: ring(old), new: ring(new) })
    }

    /// Wraps everything by the new custodian. The old one opens it no more, and is as it was. Doing it again does nothing.
    ///
    /// # Errors
    /// From the custodians or the key store; nothing has changed then, or all of it: repeat it.
    pub fn hand_over(&self) -> Result<HandedOver, VaultError> {
        for _ in 0..ATTEMPTS {
            let keys = self.store.wrapped_by_root().map_err(VaultError::KeyStore)?;
            // All or none: that is one step.
            if let Some(first) = keys.first()
                && self.new.unwrap(first, None).is_ok()
            {
                self.opened_by_new(&keys)?;
                return Ok(HandedOver { keys: keys.len(), before: true });
            }
            let anew = keys.iter().map(|key| self.anew(key)).collect::<Result<Vec<_>, VaultError>>()?;
            if self.store.rewrap_roots(&anew).map_err(VaultError::KeyStore)? == DestroyOutcome::Done {
                return Ok(HandedOver { keys: anew.len(), before: false });
            }
        }
        Err(VaultError::Contended(KeyName::class(LINK_CLASS)))
    }

    /// Gives the old custodian's key a new version, which wraps nothing, and has the older ones destroyed: it opens no copy
    /// of the key store any more. Returns whether they are really gone.
    ///
    /// # Errors
    /// [`VaultError::Root`] when the new custodian does not open everything, or the old one still opens something; else from
    /// the custodians or the key store.
    pub fn retire_old(&self) -> Result<bool, VaultError> {
        let keys = self.store.wrapped_by_root().map_err(VaultError::KeyStore)?;
        self.opened_by_new(&keys)?;
        let refuse = |why: &str| {
            let action = "be retired";
            Err(VaultError::Root { key_id: self.old.root.key_id(), action, source: why.into() })
        };
        if keys.is_empty() {
            return refuse("there is no key in the store that shows who keeps the root");
        }
        if keys.iter().any(|key| self.old.unwrap(key, None).is_ok()) {
            return refuse("it opens what is in the store: it is the custodian in use");
        }
        let failed = |action, source: BoxError| VaultError::Root { key_id: self.old.root.key_id(), action, source };
        self.old.root.advance().map_err(|e| failed("make a new version of it", e))?;
        self.old.root.forget_older().map_err(|e| failed("destroy its older versions", e))?;
        Ok(self.old.root.describe().forgets)
    }

    fn opened_by_new(&self, keys: &[WrappedKey]) -> Result<(), VaultError> {
        keys.iter().try_for_each(|key| self.new.unwrap(key, None).map(drop))
    }

    fn anew(&self, key: &WrappedKey) -> Result<WrappedKey, VaultError> {
        let secret = self.old.unwrap(key, None)?;
        let wrapped = self.new.wrap(&key.name, key.version, None, &secret)?;
        let anew = WrappedKey { wrapped, ..key.clone() };
        // The old one will be retired: so it is not believed that this opens.
        match self.new.unwrap(&anew, None)?.expose() == secret.expose() {
            true => Ok(anew),
            false => Err(VaultError::Unwrap(key.name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryCustodian, MemoryKeys};
    use crate::{SecretKey, Vault};

    const LOG: &str = "counterfoil.example/bank";
    const DAY: &str = "2026-11-22";

    fn custodian(byte: u8) -> Arc<dyn Custodian> {
        Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[byte; 32])))
    }

    #[test]
    fn given_two_custodians_when_the_root_is_moved_then_the_new_one_opens_everything_and_the_old_one_nothing() {
        let store: Arc<dyn KeyStore> = Arc::new(MemoryKeys::default());
        let (old, new) = (custodian(1), custodian(2));
        let vault = Vault::open(LOG, Arc::clone(&store), Arc::clone(&old), 1).expect("opens");
        let subject = vault.subject("email", "ann@example.com", 1).expect("a reference");
        let sealed = vault.seal("personal", DAY, &subject, &[(1, b"hello".as_slice())], 1).expect("sealed");
        let copy = store.wrapped_by_root().expect("read");
        let handover = Handover::new(LOG, &store, &old, &new).expect("two custodians");
        assert!(handover.retire_old().is_err(), "the old one is in use");
        let keys = copy.len();
        assert_eq!(handover.hand_over().expect("moved"), HandedOver { keys, before: false });
        assert_eq!(handover.hand_over().expect("again"), HandedOver { keys, before: true });
        assert!(Vault::open(LOG, Arc::clone(&store), Arc::clone(&old), 1).is_err());
        let vault = Vault::open(LOG, Arc::clone(&store), Arc::clone(&new), 1).expect("opens");
        let open = |vault: &Vault| vault.open_sealed("personal", DAY, &subject, &sealed.as_ref()).expect("opens");
        assert_eq!(open(&vault), [(1, b"hello".to_vec())]);
        assert_eq!(vault.known_subject("email", "ann@example.com", 1).expect("asked"), Some(subject));

        // An older copy of the store opens with the old one until that is retired.
        let before = KeyRing::new(LOG, Arc::clone(&store), Arc::clone(&old));
        assert!(copy.iter().all(|key| before.unwrap(key, None).is_ok()));
        assert!(handover.retire_old().expect("retired"));
        assert!(copy.iter().all(|key| before.unwrap(key, None).is_err()));
        assert!(handover.retire_old().expect("again"));
        let back = Handover::new(LOG, &store, &new, &new).expect("one custodian");
        assert!(back.retire_old().is_err(), "the custodian in use is never retired");
        assert_eq!(open(&vault), [(1, b"hello".to_vec())]);
    }

    #[test]
    fn given_a_custodian_that_is_neither_when_moved_from_then_nothing_changes() {
        let store: Arc<dyn KeyStore> = Arc::new(MemoryKeys::default());
        let (old, new) = (custodian(1), custodian(2));
        Vault::open(LOG, Arc::clone(&store), Arc::clone(&old), 1).expect("opens");
        let before = store.wrapped_by_root().expect("read");
        assert!(Handover::new(LOG, &store, &custodian(3), &new).expect("two").hand_over().is_err());
        assert_eq!(store.wrapped_by_root().expect("read"), before);
        Vault::open(LOG, store, old, 1).expect("opens");
    }
}
