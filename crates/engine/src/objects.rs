//! Encrypted objects: written as a stream, and gone for good once that is decided.
//!
//! Of each that is being written there is a note on the disk, from before it has a key until an event speaks of it. So what
//! a crash left in between is put in order at the next start without looking at all others. Once a day all are looked at, too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use domain::Command;
use domain::data::{Doomed, ObjectNamed, StoredObject, objects::key_of};
use vault::object::Written;
use vault::{ObjectError, ObjectHeader, ObjectId};

use crate::artifacts::now;
use crate::{Engine, ExecuteError};

/// Bytes that are encrypted at once.
const PIECE_BYTES: usize = 64 << 10;

/// Of an object: its key and its file.
const COPIES: u64 = 2;

/// Directory of the notes of what is being written; each is called as its object, and says its class.
const BEGUN: &str = "begun";

impl Engine {
    /// Writes an object of `class` with what `fill` writes to it. It stays unseen, and is removed by the next start, unless
    /// an event speaks of it: then [`Engine::object_is_told`] is called.
    pub(crate) fn write_object<E: From<ObjectError> + From<io::Error>>(
        &self,
        class: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<StoredObject, E> {
        let id = ObjectId::random().map_err(ObjectError::from)?;
        let object = id.to_string();
        self.note_begun(&object, class)?;
        let (file, written) = match self.fill_object(&id, class, fill) {
            Ok(kept) => kept,
            Err(error) => {
                // Nothing can ever open what was written so far. What cannot be removed is by the next start.
                let _ = self.scrap_object(class, &object);
                return Err(error);
            }
        };
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

    fn fill_object<E: From<ObjectError> + From<io::Error>>(
        &self,
        id: &ObjectId,
        class: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(store::objects::Stored, Written), E> {
        let object = id.to_string();
        let incoming = self.places.objects.begin(&object)?;
        let mut writer = self.vault.object_writer_as(id, class, incoming, now())?;
        fill(&mut writer)?;
        let (incoming, written) = writer.finish()?;
        Ok((incoming.keep(&object)?, written))
    }

    /// Destroys an object's key, then removes its file. Doing it again does nothing more.
    pub(crate) fn scrap_object(&self, class: &str, object: &str) -> Result<(), ExecuteError> {
        let failed = |e: &dyn std::error::Error| {
            ExecuteError::Unavailable(format!("object `{object}` could not be destroyed: {e}"))
        };
        let id = ObjectId::from_hex(object)
            .ok_or_else(|| ExecuteError::Internal(format!("`{object}` is no identifier of an object")))?;
        self.check_not_stopped()?;
        self.vault.destroy_object(class, &id, now()).map_err(|e| failed(&e))?;
        self.places.objects.remove(object).map_err(|e| failed(&e))?;
        self.object_is_told(object);
        Ok(())
    }

    /// Looks again for the key and the file of an object, before its end is told.
    fn is_gone(&self, class: &str, object: &str) -> Result<(), ExecuteError> {
        let failed = |e: &dyn std::fmt::Display| ExecuteError::Unavailable(format!("object `{object}`: {e}"));
        let id = ObjectId::from_hex(object).ok_or_else(|| failed(&"it is no identifier"))?;
        // Destroying again names what was there still.
        let left = self.vault.destroy_object(class, &id, now()).map_err(|e| failed(&e))?;
        let file = self.places.objects.open(object).map_err(|e| failed(&e))?;
        match left.keys.is_empty() && file.is_none() {
            true => Ok(()),
            false => Err(failed(&"its key or its file was there after both were destroyed: it is tried again")),
        }
    }

    /// Forgets that an object is being written: an event speaks of it, or it is gone.
    pub(crate) fn object_is_told(&self, object: &str) {
        self.transfers.begun(|begun| begun.remove(object));
        if let Err(error) = fs::remove_file(self.begun_dir().join(object))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(object, %error, "the note of an object stays, and is looked at by the next start");
        }
    }

    pub(crate) fn begun_dir(&self) -> PathBuf {
        self.data_dir().join(BEGUN)
    }

    fn note_begun(&self, object: &str, class: &str) -> io::Result<()> {
        self.transfers.begun(|begun| begun.insert(object.to_owned()));
        let dir = self.begun_dir();
        fs::create_dir_all(&dir)?;
        let mut note = File::create_new(dir.join(object))?;
        note.write_all(format!("{class}\n").as_bytes())?;
        note.sync_all()?;
        File::open(&dir)?.sync_all()
    }

    /// Destroys what is decided to go, and says so of each when it is gone.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when a key or a file cannot be destroyed, or the ledger cannot be written: the first
    /// such, when all others were tried. What is left is done by the next call.
    pub async fn finish_objects(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let doomed = self.read(|state| state.doomed_objects.clone());
        let mut first = Ok(());
        for (object, doomed) in doomed {
            if let Err(error) = self.finish_object(&object, doomed).await {
                tracing::warn!(object, %error, "an object that is to go is there still");
                first = first.and(Err(error));
            }
        }
        first
    }

    async fn finish_object(self: &Arc<Self>, object: &str, doomed: Doomed) -> Result<(), ExecuteError> {
        let (class, named) = (doomed.class.clone(), object.to_owned());
        {
            // A hold is placed by a command: none comes between the look and what is destroyed.
            let _turn = self.turn.lock().await;
            if let Some(hold) = self.read(|state| state.doomed_kept_since(object)) {
                tracing::warn!(object, hold, "a hold keeps an object that a rule of retention was to end: it waits");
                return Ok(());
            }
            let named = named.clone();
            let scrapped = self.blocking(move |engine| {
                engine.forget_ended(&doomed.dataset, &doomed.version)?;
                engine.scrap_object(&doomed.class, &named)
            });
            scrapped.await??;
        }
        self.blocking(move |engine| engine.is_gone(&class, &named)).await??;
        let gone = ObjectNamed { object: object.to_owned(), copies_confirmed: Some(COPIES) };
        self.execute(self.system(), Command::DestroyObject(gone)).await.map(drop)
    }

    /// Removes what was being written when the process ended, unless an event speaks of it or it is kept aside.
    pub(crate) fn finish_begun(&self) -> Result<(), ExecuteError> {
        let dir = self.begun_dir();
        let failed = |e: io::Error| ExecuteError::Unavailable(format!("{}: {e}", dir.display()));
        self.clear_incoming().map_err(failed)?;
        // What notes of before are about is listed with the rest first.
        if self.is_to_list_aside()? {
            return Ok(());
        }
        let notes = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            notes => notes.map_err(failed)?,
        };
        for note in notes {
            let path = note.map_err(failed)?.path();
            let object = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let text = fs::read_to_string(&path).map_err(failed)?;
            match text.strip_suffix('\n') {
                Some(class) if !self.is_spoken_of(&object) => {
                    // A note from before an older copy was accepted may be about what that does not name.
                    if self.not_aside(vec![object.clone()])?.is_empty() {
                        fs::remove_file(&path).map_err(failed)?;
                        continue;
                    }
                    tracing::info!(object, "an object that was being written is removed");
                    self.scrap_object(class, &object)?;
                }
                // A note that was cut off itself: what it was to be about has no key yet.
                _ => fs::remove_file(&path).map_err(failed)?,
            }
        }
        Ok(())
    }

    pub(crate) fn is_spoken_of(&self, object: &str) -> bool {
        self.read(|state| state.spoken_of().any(|named| named == object))
    }

    /// Removes objects that no event speaks of and nobody is writing, whatever left them, and uploads that nobody goes on
    /// with. Looks at the name of every object.
    pub(crate) fn tidy_objects(&self) -> Result<(), ExecuteError> {
        let failed = |e: io::Error| ExecuteError::Unavailable(format!("objects could not be looked through: {e}"));
        let place = &self.places.objects;
        // Those with longer names are artifacts, which are known by their digest.
        let ours: Vec<String> = place.list().map_err(failed)?.into_iter().filter(|name| name.len() == 32).collect();
        // In this order: whatever was being written when they were listed is noted as that, or spoken of by now.
        let begun = self.transfers.begun(|begun| begun.clone());
        let spoken_of: BTreeSet<String> = self.read(|state| state.spoken_of().map(str::to_owned).collect());
        let unnamed =
            ours.into_iter().filter(|object| !begun.contains(object) && !spoken_of.contains(object)).collect();
        for object in &self.not_aside(unnamed)? {
            tracing::info!(object, "an object that nothing speaks of is removed");
            let header = place.open(object).map_err(failed)?.map(|mut found| ObjectHeader::read(&mut found));
            match header {
                Some(Ok(header)) => self.scrap_object(&header.class, object)?,
                _ => place.remove(object).map_err(failed)?,
            }
        }
        self.places.clear_uploads().map_err(failed)
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
