//! Notes: small texts about a person that are no part of a record, such as a profile or a comment.
//!
//! A note is sealed under the person's key of a class and no day's, so that it lasts until it is replaced or the person
//! is forgotten. The key is
//!
//! ```text
//! HMAC-SHA256(subject_key, "cf/note/v1" ‖ lp(log_id) ‖ lp(class) ‖ lp(topic))
//! ```
//!
//! and the form is that of a wrapped key: `nonce(12) ‖ AES-256-GCM(key, nonce, note)`, with a random nonce. A note moved
//! to another person, class, topic or log does not open.

use zeroize::Zeroizing;

use crate::Vault;
use crate::error::VaultError;
use crate::names::{KeyName, SubjectRef, check_name};
use crate::wrap::{SecretKey, push_prefixed};

/// Most bytes of a note.
pub const MAX_NOTE_BYTES: usize = 64 << 10;

const LABEL: &[u8] = b"cf/note/v1";

impl Vault {
    /// Seals a note about `subject`; `topic` says what it is, and must be given again to open it. Keys are made where
    /// they are missing, at `now_ms`.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`] over [`MAX_NOTE_BYTES`], [`VaultError::KeyDestroyed`] when the subject was forgotten,
    /// or what failed.
    pub fn seal_note(
        &self,
        class: &str,
        subject: &SubjectRef,
        topic: &str,
        note: &[u8],
        now_ms: u64,
    ) -> Result<Vec<u8>, VaultError> {
        check_name("class", class)?;
        if note.len() > MAX_NOTE_BYTES {
            return Err(VaultError::TooLarge { bytes: note.len(), limit: MAX_NOTE_BYTES });
        }
        let key = self.ring.obtain(&KeyName::subject(class, subject), now_ms)?.key;
        self.note_key(&key, class, topic).wrap(note, &[])
    }

    /// Opens a note that [`Self::seal_note`] sealed.
    ///
    /// # Errors
    /// [`VaultError::KeyDestroyed`] when the subject was forgotten, [`VaultError::UnknownKey`],
    /// [`VaultError::Ciphertext`] when it was altered or is another's.
    pub fn open_note(
        &self,
        class: &str,
        subject: &SubjectRef,
        topic: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        check_name("class", class)?;
        let key = self.ring.existing(&KeyName::subject(class, subject))?.key;
        self.note_key(&key, class, topic).unwrap(sealed, &[]).ok_or(VaultError::Ciphertext)
    }

    fn note_key(&self, subject_key: &SecretKey, class: &str, topic: &str) -> SecretKey {
        let mut context = LABEL.to_vec();
        for part in [self.ring.log_id(), class, topic] {
            push_prefixed(&mut context, part);
        }
        SecretKey::from_bytes(&Zeroizing::new(subject_key.hmac(&[&context])))
    }
}
