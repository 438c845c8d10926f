//! Encrypted objects on disk: written as a stream, and gone for good once that is decided. What a crash left in between is
//! put in order at the next start.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use domain::Command;
use domain::data::{ObjectNamed, StoredObject, objects::key_of};
use store::objects::{self, Incoming};
use vault::{ObjectError, ObjectHeader, ObjectId};

use crate::artifacts::{DOCUMENTS, now};
use crate::{Engine, ExecuteError};

/// Bytes that are encrypted at once.
const PIECE_BYTES: usize = 64 << 10;

impl Engine {
    /// Writes an object of `class` with what `fill` writes to it. It stays unseen, and is removed by the next start, unless
    /// an event speaks of it.
    pub(crate) fn write_object<E: From<ObjectError> + From<io::Error>>(
        &self,
        class: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<StoredObject, E> {
        let dir = self.objects_dir();
        let (id, mut writer) = self.vault.object_writer(class, Incoming::new(&dir)?, now())?;
        let kept = fill(&mut writer).and_then(|()| {
            let (incoming, written) = writer.finish()?;
            Ok((incoming.keep(&id.to_string())?, written))
        });
        let (file, written) = match kept {
            Ok(kept) => kept,
            Err(error) => {
                // Nothing can ever open what was written so far.
                let _ = self.vault.destroy_object(class, &id, now());
                return Err(error);
            }
        };
        let object = id.to_string();
        Ok(StoredObject {
            key: key_of(class, &object),
            object,
            class: class.to_owned(),
            sha256: merkle::hex(&file.sha256),
            stored_bytes: file.bytes,
            bytes: written.bytes,
            chunks: written.chunks,
            commitment: written.commitment_hex(),
        })
    }

    /// Destroys an object's key, then removes its file. Doing it again does nothing more.
    pub(crate) fn scrap_object(&self, class: &str, object: &str) -> Result<(), ExecuteError> {
        let failed = |e: &dyn std::error::Error| {
            ExecuteError::Unavailable(format!("object `{object}` could not be destroyed: {e}"))
        };
        let id = ObjectId::from_hex(object)
            .ok_or_else(|| ExecuteError::Internal(format!("`{object}` is no identifier of an object")))?;
        self.vault.destroy_object(class, &id, now()).map_err(|e| failed(&e))?;
        objects::remove(&self.objects_dir(), object).map_err(|e| failed(&e))
    }

    /// Destroys what is decided to go, and says so of each when it is gone.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when a key or a file cannot be destroyed, or the ledger cannot be written; what is
    /// left is done by the next call.
    pub async fn finish_objects(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let doomed = self.read(|state| state.doomed_objects.clone());
        for (object, doomed) in doomed {
            let named = object.clone();
            self.blocking(move |engine| {
                engine.forget_ended(&doomed.dataset, &doomed.version)?;
                engine.scrap_object(&doomed.class, &named)
            })
            .await??;
            self.execute(self.system(), Command::DestroyObject(ObjectNamed { object })).await?;
        }
        Ok(())
    }

    /// Removes what was being written when the process ended, and objects that no event speaks of.
    pub(crate) fn tidy_objects(&self) -> Result<(), ExecuteError> {
        let dir = self.objects_dir();
        let failed = |e: io::Error| ExecuteError::Unavailable(format!("{}: {e}", dir.display()));
        objects::clear_incoming(&dir).map_err(failed)?;
        objects::clear_incoming(&dir.join(DOCUMENTS)).map_err(failed)?;
        let spoken_of: BTreeSet<String> = self.read(|state| {
            let versions = state.datasets.values().flat_map(|dataset| dataset.versions.values());
            let stored = versions.map(|version| version.stored.object.clone());
            let beside = state.quarantined_objects().map(|stored| stored.object.clone());
            stored.chain(beside).chain(state.doomed_objects.keys().cloned()).collect()
        });
        // Those with longer names are artifacts, which are known by their digest.
        let ours = objects::list(&dir).map_err(failed)?.into_iter().filter(|name| name.len() == 32);
        for object in ours.filter(|object| !spoken_of.contains(object)) {
            tracing::info!(object, "an object that nothing speaks of is removed");
            let header = objects::open(&dir, &object).map_err(failed)?.map(|mut file| ObjectHeader::read(&mut file));
            match header {
                Some(Ok(header)) => self.scrap_object(&header.class, &object)?,
                _ => objects::remove(&dir, &object).map_err(failed)?,
            }
        }
        Ok(())
    }
}

/// Copies all of `from`, at most `most` bytes; `None` when there is more.
pub(crate) fn copy(from: &mut dyn Read, to: &mut dyn Write, most: u64) -> io::Result<Option<u64>> {
    let (mut piece, mut copied) = (vec![0; PIECE_BYTES], 0_u64);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(Some(copied)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        copied += read as u64;
        if copied > most {
            return Ok(None);
        }
        to.write_all(&piece[..read])?;
    }
}
