//! Whose data lies where: many subjects found at once, and notes of which holder (a version of a data set) has data of
//! whom. The notes lie in the key store, and go when the subject is destroyed, as its blind index rows do.

use std::time::Instant;

use crate::error::VaultError;
use crate::names::{SubjectRef, check_name};
use crate::vault::Vault;
use crate::wrap::random_bytes;

const HOLDER_MAX_BYTES: usize = 200;

impl Vault {
    /// As [`Vault::subject`] for each identifier, in their order, with one visit to the key store for all that are new to
    /// the cache; `None` for those that are blank.
    ///
    /// # Errors
    /// As [`Vault::subject`].
    pub fn subjects(
        &self,
        scope: &str,
        identifiers: &[impl AsRef<str>],
        now_ms: u64,
    ) -> Result<Vec<Option<SubjectRef>>, VaultError> {
        check_name("scope", scope)?;
        let epoch = self.subjects.epoch();
        let mut found = vec![None; identifiers.len()];
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for (place, identifier) in identifiers.iter().enumerate() {
            let identifier: &str = identifier.as_ref();
            if identifier.trim().is_empty() {
                continue;
            }
            let idx = self.blind_index(scope, identifier, now_ms)?;
            match self.subjects.get(&idx, Instant::now()) {
                Some(subject) => found[place] = Some(subject),
                None => {
                    places.push(place);
                    rows.push((idx, SubjectRef(random_bytes()?)));
                }
            }
        }
        if rows.is_empty() {
            return Ok(found);
        }
        let bound = self.ring.store.bind_subjects(scope, &rows).map_err(VaultError::KeyStore)?;
        for ((place, (idx, _)), subject) in places.into_iter().zip(rows).zip(bound) {
            self.subjects.insert(epoch, idx, subject, Instant::now());
            found[place] = Some(subject);
        }
        Ok(found)
    }

    /// Notes that `holder` has data of these subjects.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad holder; else from the key store.
    pub fn hold(&self, holder: &str, subjects: &[SubjectRef]) -> Result<(), VaultError> {
        if !(1..=HOLDER_MAX_BYTES).contains(&holder.len()) || holder.chars().any(char::is_control) {
            let given = holder.chars().take(80).collect();
            return Err(VaultError::Name {
                what: "holder",
                given,
                why: "use 1 to 200 bytes without control characters",
            });
        }
        self.ring.store.hold(holder, subjects).map_err(VaultError::KeyStore)
    }

    /// Who has data of `subject`, each once, in order.
    ///
    /// # Errors
    /// From the key store.
    pub fn holders(&self, subject: &SubjectRef) -> Result<Vec<String>, VaultError> {
        self.ring.store.holders(subject).map_err(VaultError::KeyStore)
    }

    /// Forgets that `holder` has data of `subject`, or of anybody when none is named.
    ///
    /// # Errors
    /// From the key store.
    pub fn release(&self, holder: &str, subject: Option<&SubjectRef>) -> Result<(), VaultError> {
        self.ring.store.release(holder, subject).map_err(VaultError::KeyStore)
    }
}
