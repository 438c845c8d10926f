//! A version between its last byte and its event: it lies encrypted, nobody sees it, and whoever brings it in looks at what
//! is in it.

use std::io::{self, Write};
use std::sync::Arc;

use domain::data::{Content, StoreVersion, StoredObject};
use domain::{Command, Refusal};
use store::objects::Object;
use tokio::sync::{OwnedRwLockReadGuard, OwnedSemaphorePermit};
use vault::{Fingerprint, Fingerprints, ObjectPieces};

use super::unreadable;
use crate::{Done, Engine, ExecuteError, Principal};

/// What the fingerprint of all bytes is labelled.
pub(super) const BYTES: &str = "bytes";

/// A version whose bytes are here. Without [`Engine::settle_version`] or [`Engine::refuse_version`] the next start removes
/// them.
pub struct Arrived {
    pub(super) wish: StoreVersion,
    pub(super) stored: StoredObject,
    pub(super) digest: String,
    pub(super) fingerprints: Fingerprints,
    pub(super) _coming: OwnedRwLockReadGuard<()>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Arrived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrived").field("wish", &self.wish).finish_non_exhaustive()
    }
}

impl Arrived {
    /// Which version it is to be.
    #[must_use]
    pub fn wish(&self) -> &StoreVersion {
        &self.wish
    }

    /// The fingerprint of its bytes in its data set, hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Begins a fingerprint of a part of it.
    #[must_use]
    pub fn fingerprint(&self, label: &str) -> Fingerprint {
        self.fingerprints.begin(label)
    }
}

impl Engine {
    /// Any part of a version that is not stored yet.
    ///
    /// # Errors
    /// A refusal when its object cannot be opened; its name says why.
    pub async fn arrived_reader(
        self: &Arc<Self>,
        arrived: &Arrived,
    ) -> Result<Arc<ObjectPieces<Box<dyn Object>>>, ExecuteError> {
        let StoreVersion { dataset, version, .. } = &arrived.wish;
        let stored = arrived.stored.clone();
        let opened = self.blocking(move |engine| engine.stored_pieces(&stored)).await?;
        Ok(Arc::new(
            opened.map_err(|error| unreadable((dataset.as_str(), version.as_str()), &arrived.stored.object, &error))?,
        ))
    }

    /// Stores a version that was taken in, with what is in it, if somebody looked.
    ///
    /// # Errors
    /// As [`Engine::execute`]. When it is refused, nothing of it is left.
    pub async fn settle_version(
        self: &Arc<Self>,
        who: &Principal,
        arrived: Arrived,
        content: Option<Content>,
    ) -> Result<Done, ExecuteError> {
        self.transfers.waits(&arrived.stored, content);
        let done = self.execute(who, Command::StoreVersion(arrived.wish.clone())).await;
        self.transfers.settled(&arrived.stored);
        self.unless_decided(&done, &arrived.stored).await;
        done
    }

    /// Removes a version that was taken in, since it is there already.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be removed; then the next start does.
    pub async fn drop_arrived(self: &Arc<Self>, arrived: Arrived) -> Result<(), ExecuteError> {
        self.blocking(move |engine| engine.scrap_object(&arrived.stored.class, &arrived.stored.object)).await?
    }

    /// Removes a version that was taken in and is refused for what is in it, and records the refusal.
    pub async fn refuse_version(self: &Arc<Self>, who: &Principal, arrived: Arrived, refusal: Refusal) -> ExecuteError {
        let resource = format!("dataset/{}", arrived.wish.dataset);
        if let Err(error) = self.drop_arrived(arrived).await {
            tracing::warn!(%error, "what was refused is removed by the next start");
        }
        self.record_refusal(who, "dataset.version.store", resource, refusal).await
    }
}

/// Writes to both.
pub(super) struct Both<'a>(pub(super) &'a mut dyn Write, pub(super) &'a mut Fingerprint);

impl Write for Both<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let written = self.0.write(from)?;
        self.1.write_all(&from[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
