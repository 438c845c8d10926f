//! The vault as the rest of Counterfoil uses it: subjects in, sealed payloads out, and back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::cache::{CAPACITY, Cache, TTL};
use crate::error::VaultError;
use crate::keyring::KeyRing;
use crate::names::{KeyName, LINK_CLASS, SubjectRef, check_day, check_log_id, check_name};
use crate::ports::{Custodian, KeyCount, KeyInfo, KeyStore};
use crate::record::{self, Opened, RecordKeys, Sealed, SealedRef};
use crate::signet::{self, Signet};
use crate::wrap::{SecretKey, random_bytes};

const IDENTIFIER_MAX_BYTES: usize = 1_024;

/// Seals, opens, discloses and destroys the personal data of one log.
///
/// Cheap to share behind an `Arc`; every method may be called from many threads. Sealing and opening
/// take no lock while they compute. The first use of a subject, class or day writes to the key store
/// and takes as long as that takes.
pub struct Vault {
    pub(crate) ring: KeyRing,
    /// Blind index values already looked up. They are keyed hashes, unique over scopes.
    pub(crate) subjects: Cache<[u8; 32], SubjectRef>,
    /// By the same values.
    pub(crate) signets: Cache<[u8; 32], Arc<Signet>>,
    /// One rotation at a time.
    pub(crate) rotation: Mutex<()>,
    /// The day, and the subject that stands for everyone unknown on it.
    anonymous: Mutex<Option<(String, SubjectRef)>>,
}

/// Fields of a record opened to an auditor, without any key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The fields asked for, in the order asked.
    pub fields: Vec<Disclosed>,
    /// Commitments to all fields of the record, in order; they reveal nothing of the others.
    pub commitments: Vec<[u8; 32]>,
}

/// One disclosed field: check it with [`crate::verify_commitment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// The field's id.
    pub field: u16,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// What the record holds in it.
    pub value: Vec<u8>,
}

impl Vault {
    /// Opens the vault of the log `log_id`, to which everything sealed is bound.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad log id; [`VaultError::Custodian`] when the key store was made
    /// with another root key or for another log; [`VaultError::KeyStore`].
    pub fn open(
        log_id: &str,
        keys: Arc<dyn KeyStore>,
        root: Arc<dyn Custodian>,
        now_ms: u64,
    ) -> Result<Vault, VaultError> {
        check_log_id(log_id)?;
        let ring = KeyRing::new(log_id, keys, root);
        // A wrong root key or log id is to show here and not at the first request: so the first
        // opening makes one key, and every later one unwraps it.
        ring.obtain(&KeyName::class(LINK_CLASS), now_ms)?;
        let (subjects, signets) = (Cache::new(CAPACITY, TTL), Cache::new(CAPACITY, signet::TTL));
        Ok(Vault { ring, subjects, signets, rotation: Mutex::new(()), anonymous: Mutex::new(None) })
    }

    /// The reference of the subject that `identifier` names in `scope` (a kind of identifier, or a
    /// tenant and kind: `user`, `acme.email`), made at random at its first use.
    ///
    /// Identifiers are trimmed, and those with an `@` are lower-cased; others are left as they are,
    /// because two opaque ids may differ by case alone. The key store keeps
    /// `HMAC-SHA-256(index key of the scope, identifier)`, never the identifier.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad scope, or an identifier that is empty or above 1,024 bytes; else
    /// from the key store or the custodian.
    pub fn subject(&self, scope: &str, identifier: &str, now_ms: u64) -> Result<SubjectRef, VaultError> {
        let idx = self.blind_index(scope, identifier, now_ms)?;
        if let Some(subject) = self.subjects.get(&idx, Instant::now()) {
            return Ok(subject);
        }
        let epoch = self.subjects.epoch();
        let store = &self.ring.store;
        let subject = match store.find_subject(scope, &idx).map_err(VaultError::KeyStore)? {
            Some(subject) => subject,
            None => {
                let fresh = SubjectRef(random_bytes()?);
                store.bind_subject(scope, &idx, &fresh).map_err(VaultError::KeyStore)?
            }
        };
        self.subjects.insert(epoch, idx, subject, Instant::now());
        Ok(subject)
    }

    /// The subject known by an identifier within a scope; `None` when nobody asked for it with [`Self::subject`] yet.
    ///
    /// # Errors
    /// As [`Self::subject`].
    pub fn known_subject(&self, scope: &str, identifier: &str, now_ms: u64) -> Result<Option<SubjectRef>, VaultError> {
        let idx = self.blind_index(scope, identifier, now_ms)?;
        if let Some(subject) = self.subjects.get(&idx, Instant::now()) {
            return Ok(Some(subject));
        }
        self.ring.store.find_subject(scope, &idx).map_err(VaultError::KeyStore)
    }

    /// The subject for requests whose subject is unknown: a fresh random reference for each day and
    /// each opened vault (so a new one after a restart), in no blind index.
    ///
    /// It is a subject like any other. What was sealed for it can be erased by destroying it, a whole
    /// session of unknown people at a time, or ends with its day.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a bad day; [`VaultError::Random`].
    pub fn anonymous_subject(&self, day: &str) -> Result<SubjectRef, VaultError> {
        check_day(day)?;
        let mut session = self.anonymous.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session_day, subject)) = session.as_ref()
            && session_day == day
        {
            return Ok(*subject);
        }
        let fresh = SubjectRef(random_bytes()?);
        *session = Some((day.to_owned(), fresh));
        Ok(fresh)
    }

    /// Encrypts `fields` (ids strictly ascending) under the keys of `subject` and of `class` and
    /// `day` (`yyyy-mm-dd`), and commits to them. Missing keys are made. Formats: [`record`].
    ///
    /// # Errors
    /// [`VaultError::KeyDestroyed`] when subject or day were destroyed; [`VaultError::Name`],
    /// [`VaultError::FieldOrder`], [`VaultError::TooLarge`] for bad input; else from below.
    pub fn seal(
        &self,
        class: &str,
        day: &str,
        subject: &SubjectRef,
        fields: &[(u16, &[u8])],
        now_ms: u64,
    ) -> Result<Sealed, VaultError> {
        let (subject_key, day_key) = self.keys(class, day, subject, now_ms)?;
        let context = record::context(self.ring.log_id(), class);
        let r = random_bytes()?;
        let keys = RecordKeys::derive(&context, &r, &subject_key, &day_key);
        record::seal(&keys, &context, r, fields)
    }

    /// The two keys that payloads are sealed under, made when they are missing.
    pub(crate) fn keys(
        &self,
        class: &str,
        day: &str,
        subject: &SubjectRef,
        now_ms: u64,
    ) -> Result<(Arc<SecretKey>, Arc<SecretKey>), VaultError> {
        check_name("class", class)?;
        check_day(day)?;
        let subject_key = self.ring.obtain(&KeyName::subject(class, subject), now_ms)?.key;
        let day_key = self.ring.obtain(&KeyName::day(class, day), now_ms)?.key;
        Ok((subject_key, day_key))
    }

    /// Decrypts a sealed payload and checks it against its commitment.
    ///
    /// # Errors
    /// [`VaultError::KeyDestroyed`] when it can never be opened again; [`VaultError::UnknownKey`]
    /// when there never was such a key here; [`VaultError::Ciphertext`],
    /// [`VaultError::CommitmentMismatch`], [`VaultError::Malformed`] when it is not what was sealed
    /// for this class, day and subject; else from below.
    pub fn open_sealed(
        &self,
        class: &str,
        day: &str,
        subject: &SubjectRef,
        sealed: &SealedRef<'_>,
    ) -> Result<Vec<(u16, Vec<u8>)>, VaultError> {
        self.open_record(class, day, subject, sealed).map(|opened| opened.fields)
    }

    /// Opens a sealed payload and gives the fields asked for with the salts that prove them.
    ///
    /// # Errors
    /// As [`Vault::open_sealed`]; [`VaultError::UnknownField`] for a field that is not in it.
    pub fn disclose(
        &self,
        class: &str,
        day: &str,
        subject: &SubjectRef,
        sealed: &SealedRef<'_>,
        fields: &[u16],
    ) -> Result<Disclosure, VaultError> {
        let opened = self.open_record(class, day, subject, sealed)?;
        let disclosed = fields.iter().map(|&field| {
            let found = opened.fields.iter().find(|(id, _)| *id == field);
            let (_, value) = found.ok_or(VaultError::UnknownField(field))?;
            Ok(Disclosed { field, salt: opened.keys.salt(field), value: value.clone() })
        });
        let fields = disclosed.collect::<Result<_, VaultError>>()?;
        Ok(Disclosure { fields, commitments: opened.commitments })
    }

    /// A tag that is equal for the records of one subject on one day, and tells nothing else: the
    /// first 16 bytes of `HMAC-SHA-256(link key of the subject, day)`. After the subject is destroyed
    /// its tags of different days can no longer be linked.
    ///
    /// # Errors
    /// [`VaultError::KeyDestroyed`] when the subject was destroyed; [`VaultError::Name`] for a bad
    /// day; else from below.
    pub fn subject_tag(&self, subject: &SubjectRef, day: &str, now_ms: u64) -> Result<[u8; 16], VaultError> {
        check_day(day)?;
        let link = self.ring.obtain(&KeyName::link(subject), now_ms)?;
        let mac = link.key.hmac(&[day.as_bytes()]);
        let (tag, _) = mac.split_first_chunk().expect("32 bytes begin with 16");
        Ok(*tag)
    }

    /// Every key of this log, destroyed ones included, without key material.
    ///
    /// # Errors
    /// From the key store.
    pub fn inventory(&self) -> Result<Vec<KeyInfo>, VaultError> {
        self.ring.store.list().map_err(VaultError::KeyStore)
    }

    /// How many keys there are of each kind and class.
    ///
    /// # Errors
    /// From the key store.
    pub fn count(&self) -> Result<Vec<KeyCount>, VaultError> {
        self.ring.store.count().map_err(VaultError::KeyStore)
    }

    pub(crate) fn forget_subject(&self, gone: &SubjectRef) {
        self.subjects.evict(|_, subject| subject == gone);
        let mut session = self.anonymous.lock().unwrap_or_else(PoisonError::into_inner);
        session.take_if(|(_, subject)| subject == gone);
    }

    pub(crate) fn blind_index(&self, scope: &str, identifier: &str, now_ms: u64) -> Result<[u8; 32], VaultError> {
        check_name("scope", scope)?;
        let normalised = normalise(identifier)?;
        Ok(self.ring.obtain(&KeyName::index(scope), now_ms)?.key.hmac(&[normalised.as_bytes()]))
    }

    fn open_record(
        &self,
        class: &str,
        day: &str,
        subject: &SubjectRef,
        sealed: &SealedRef<'_>,
    ) -> Result<Opened, VaultError> {
        check_name("class", class)?;
        check_day(day)?;
        let subject_key = self.ring.existing(&KeyName::subject(class, subject))?;
        let day_key = self.ring.existing(&KeyName::day(class, day))?;
        let context = record::context(self.ring.log_id(), class);
        let keys = RecordKeys::derive(&context, sealed.r, &subject_key.key, &day_key.key);
        record::open(keys, &context, sealed)
    }
}

pub(crate) fn normalise(identifier: &str) -> Result<String, VaultError> {
    let trimmed = identifier.trim();
    if !(1..=IDENTIFIER_MAX_BYTES).contains(&trimmed.len()) {
        // The identifier itself is personal data and stays out of messages.
        return Err(VaultError::Name {
            what: "identifier",
            given: format!("of {} bytes", trimmed.len()),
            why: "use 1 to 1,024 bytes",
        });
    }
    Ok(if trimmed.contains('@') { trimmed.to_lowercase() } else { trimmed.to_owned() })
}

#[cfg(test)]
mod tests;
