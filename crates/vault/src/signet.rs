//! A signet: all that sealing for one subject takes, found once and then at hand. To find it takes a handful of lookups
//! and two keyed hashes, which is as much as sealing a short text.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::VaultError;
use crate::names::{KeyName, SubjectRef};
use crate::ports::Destruction;
use crate::record::{self, RecordKeys, Sealed};
use crate::vault::{Vault, normalise};
use crate::wrap::{SecretKey, random_bytes};

/// Longest life of a signet in the cache. It is made of keys that may have been in theirs for the whole of their life.
pub(crate) const TTL: Duration = Duration::from_secs(30);

/// What sealing for one subject, class and day takes.
///
/// Whoever holds one can go on sealing with it after its keys were destroyed, which nobody can then open: a call that is
/// under way when its subject is erased still gets its record. Hold it no longer than that.
pub struct Signet {
    class: String,
    day: String,
    subject: SubjectRef,
    tag: [u8; 16],
    subject_key: Arc<SecretKey>,
    day_key: Arc<SecretKey>,
    context: Vec<u8>,
}

impl Signet {
    /// Whom it seals for.
    #[must_use]
    pub fn subject(&self) -> SubjectRef {
        self.subject
    }

    /// As [`Vault::subject_tag`], of its day.
    #[must_use]
    pub fn tag(&self) -> [u8; 16] {
        self.tag
    }

    /// As [`Vault::seal`], under the keys it was made of.
    ///
    /// # Errors
    /// [`VaultError::FieldOrder`] or [`VaultError::TooLarge`] for bad input; [`VaultError::Random`].
    pub fn seal(&self, fields: &[(u16, &[u8])]) -> Result<Sealed, VaultError> {
        let r = random_bytes()?;
        let keys = RecordKeys::derive(&self.context, &r, &self.subject_key, &self.day_key);
        record::seal(&keys, &self.context, r, fields)
    }

    pub(crate) fn is_doomed_by(&self, destruction: &Destruction) -> bool {
        let made_of = [
            KeyName::subject(&self.class, &self.subject),
            KeyName::link(&self.subject),
            KeyName::day(&self.class, &self.day),
        ];
        made_of.iter().any(|name| destruction.dooms(name))
    }
}

impl fmt::Debug for Signet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signet({} of {} for {})", self.class, self.day, self.subject)
    }
}

impl Vault {
    /// The signet for the subject that `identifier` names in `scope`. Subject and keys are made at their first use.
    ///
    /// # Errors
    /// As [`Vault::subject`], [`Vault::subject_tag`] and [`Vault::seal`].
    pub fn signet(
        &self,
        scope: &str,
        identifier: &str,
        class: &str,
        day: &str,
        now_ms: u64,
    ) -> Result<Arc<Signet>, VaultError> {
        let epoch = self.signets.epoch();
        let subject = self.subject(scope, identifier, now_ms)?;
        let tag = self.subject_tag(&subject, day, now_ms)?;
        let (subject_key, day_key) = self.keys(class, day, &subject, now_ms)?;
        let context = record::context(self.ring.log_id(), class);
        let (class, day) = (class.to_owned(), day.to_owned());
        let signet = Arc::new(Signet { class, day, subject, tag, subject_key, day_key, context });
        if let Some(index) = self.index_at_hand(scope, identifier) {
            self.signets.insert(epoch, index, Arc::clone(&signet), Instant::now());
        }
        Ok(signet)
    }

    /// As [`Vault::signet`], if it is at hand without asking the key store. `None` says only that it might not be.
    #[must_use]
    pub fn signet_at_hand(&self, scope: &str, identifier: &str, class: &str, day: &str) -> Option<Arc<Signet>> {
        let signet = self.signets.get(&self.index_at_hand(scope, identifier)?, Instant::now())?;
        (signet.class == class && signet.day == day).then_some(signet)
    }

    /// The blind index value of an identifier, if the scope's key is at hand.
    fn index_at_hand(&self, scope: &str, identifier: &str) -> Option<[u8; 32]> {
        let normalised = normalise(identifier).ok()?;
        Some(self.ring.at_hand(&KeyName::index(scope))?.key.hmac(&[normalised.as_bytes()]))
    }
}
