//! Uploaded artifacts: known by their SHA-256, encrypted under a key of their own, checked before anything is decided
//! about them.
//!
//! Those that were kept before artifacts were encrypted lie in clear, are read as they are, and stand in the inventory as
//! not encrypted.

use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

use domain::data::{DataClass, objects::key_of};
use domain::models::{Enclosed, ModelFacts, Tensor};
use domain::{Refusal, RefusalCode};
use sha2::{Digest, Sha256};
use store::objects::{Object, Objects};
use vault::{ObjectError, ObjectHeader, ObjectId};

use crate::{Engine, ExecuteError};

/// Where documents lie, below the other objects.
pub(crate) const DOCUMENTS: &str = "documents";

impl Engine {
    /// Keeps an artifact, encrypted as `internal`, and returns its SHA-256 in hexadecimal. Keeping the same bytes again
    /// changes nothing.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be written.
    pub fn put_artifact(&self, bytes: &[u8]) -> Result<String, ExecuteError> {
        self.enclose(&*self.places.objects, None, bytes)
    }

    /// The same, encrypted as a class that was named.
    ///
    /// # Errors
    /// A refusal for data about people, and for what lies there as another class; [`ExecuteError::Unavailable`] when it
    /// cannot be written.
    pub fn put_artifact_as(&self, class: DataClass, bytes: &[u8]) -> Result<String, ExecuteError> {
        if class.is_personal() {
            let message = format!(
                "an artifact is not kept as `{}`: it is known by the digest of what it says, which lets a guess at it be \
                 confirmed; keep data about people in a data set",
                class.as_str()
            );
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        self.enclose(&*self.places.objects, Some(class), bytes)
    }

    /// An artifact by its SHA-256; `None` when there is none. Its bytes are checked against the digest.
    ///
    /// # Errors
    /// [`ExecuteError::Internal`] when it cannot be read or was altered.
    pub fn artifact(&self, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        self.disclose(&*self.places.objects, sha256)
    }

    /// The same of a document, which lies apart: who may publish one does not make readable for everybody what else is
    /// kept here.
    pub(crate) fn put_document(&self, bytes: &[u8]) -> Result<String, ExecuteError> {
        self.enclose(&*self.places.documents, None, bytes)
    }

    /// A document by its SHA-256; `None` when it was not uploaded as one.
    pub(crate) fn uploaded_document(&self, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        self.disclose(&*self.places.documents, sha256)
    }

    /// The object that an artifact lies in; `None` for one that lies in clear, or is not there.
    pub(crate) fn enclosure(&self, sha256: &str) -> Option<Enclosed> {
        let (header, _) = file_of(&*self.places.objects, sha256).ok()??;
        let ObjectHeader { class, id, .. } = header?;
        let object = id.to_string();
        Some(Enclosed { key: key_of(&class, &object), object, class })
    }

    /// Whether an artifact lies in an object: the same bytes that were uploaded again lie in another.
    pub(crate) fn lies_in(&self, sha256: &str, object: &str) -> Result<bool, ExecuteError> {
        let failed = |e: ObjectError| ExecuteError::Unavailable(format!("artifact `{sha256}`: {e}"));
        let found = file_of(&*self.places.objects, sha256).map_err(failed)?;
        Ok(found.is_some_and(|(header, _)| header.is_some_and(|header| header.id.to_string() == object)))
    }

    /// Destroys the key of the object that an artifact lies in, then removes its file. Doing it again does nothing more.
    pub(crate) fn scrap_artifact(&self, sha256: &str, class: &str, object: &str) -> Result<(), ExecuteError> {
        let failed = |e: io::Error| ExecuteError::Unavailable(format!("artifact `{sha256}` was not removed: {e}"));
        // Nobody is to be told that it is kept already while it goes.
        let _turn = self.artifacts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.scrap_object(class, object)?;
        match self.lies_in(sha256, object)? {
            true => self.places.objects.remove(sha256).map_err(failed),
            false => Ok(()),
        }
    }

    /// What the artifact is, or why it cannot be served; `None` when it was not uploaded.
    pub(crate) fn inspect_artifact(&self, sha256: &str) -> Option<Result<ModelFacts, String>> {
        let bytes = match self.artifact(sha256) {
            Ok(found) => found?,
            Err(e) => return Some(Err(e.to_string())),
        };
        let facts = |model: onnx::Model| ModelFacts {
            bytes: bytes.len() as u64,
            operators: model.operators().to_vec(),
            inputs: model.inputs().iter().map(tensor).collect(),
            outputs: model.outputs().iter().map(tensor).collect(),
        };
        Some(onnx::Model::parse(&bytes).map(facts).map_err(|refusal| refusal.to_string()))
    }

    fn enclose(&self, place: &dyn Objects, wished: Option<DataClass>, bytes: &[u8]) -> Result<String, ExecuteError> {
        let class = wished.unwrap_or(DataClass::Internal);
        let sha256 = merkle::hex(&Sha256::digest(bytes));
        let unkept =
            |e: &dyn std::error::Error| ExecuteError::Unavailable(format!("artifact `{sha256}` was not kept: {e}"));
        // One at a time: two that are the same must not end in one file under two keys.
        let _turn = self.artifacts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match file_of(place, &sha256).map_err(|e| unkept(&e))? {
            None => {}
            Some((None, _)) => return Ok(sha256),
            Some((Some(header), file)) => {
                let was = header.class.clone();
                match self.vault.open_object(header, file) {
                    Ok(_) if wished.is_some() && was != class.as_str() => {
                        let (message, asked) =
                            (format!("artifact `{sha256}` is kept as `{was}` already"), class.as_str());
                        let message = format!("{message}, not as `{asked}`: name that class, or none");
                        return Err(Refusal::new(RefusalCode::Exists, message).into());
                    }
                    Ok(_) => return Ok(sha256),
                    // What lies there can be opened by nobody: it was to be disposed of, or was never kept whole.
                    Err(ObjectError::Key(error)) if error.is_destroyed() => {
                        place.remove(&sha256).map_err(|e| unkept(&e))?;
                    }
                    Err(error) => return Err(unkept(&error)),
                }
            }
        }
        let id = ObjectId::random().map_err(|e| unkept(&e))?;
        let incoming = place.begin(&sha256).map_err(|e| unkept(&e))?;
        let writer = self.vault.object_writer_as(&id, class.as_str(), incoming, now());
        let mut writer = writer.map_err(|e| unkept(&e))?;
        let kept = writer.write_all(bytes).map_err(ObjectError::from).and_then(|()| {
            let (incoming, _) = writer.finish()?;
            Ok(incoming.keep(&sha256)?)
        });
        if let Err(error) = kept {
            let _ = self.vault.destroy_object(class.as_str(), &id, now());
            return Err(unkept(&error));
        }
        Ok(sha256)
    }

    fn disclose(&self, place: &dyn Objects, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        let failed = |e: &dyn std::error::Error| ExecuteError::Internal(format!("artifact `{sha256}`: {e}"));
        let Some((header, mut file)) = file_of(place, sha256).map_err(|e| failed(&e))? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = match header {
            Some(header) => {
                let mut opened = self.vault.open_object(header, BufReader::new(file)).map_err(|e| failed(&e))?;
                opened.read_to_end(&mut bytes)
            }
            None => file.read_to_end(&mut bytes),
        };
        read.map_err(|e| failed(&e))?;
        match merkle::hex(&Sha256::digest(&bytes)) == sha256 {
            true => Ok(Some(bytes)),
            false => Err(ExecuteError::Internal(format!("artifact `{sha256}` was altered on disk"))),
        }
    }

    pub(crate) fn objects_dir(&self) -> PathBuf {
        self.data_dir().join("objects")
    }
}

/// What an artifact lies in, past its header when it is encrypted.
type Found = (Option<ObjectHeader>, Box<dyn Object>);

fn file_of(place: &dyn Objects, sha256: &str) -> Result<Option<Found>, ObjectError> {
    let Some(mut file) = place.open(sha256)? else { return Ok(None) };
    match ObjectHeader::read(&mut file) {
        Ok(header) => Ok(Some((Some(header), file))),
        // From its beginning again.
        Err(ObjectError::NotAnObject) => Ok(place.open(sha256)?.map(|file| (None, file))),
        Err(error) => Err(error),
    }
}

/// Milliseconds since the epoch, as the vault counts them.
pub(crate) fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}

fn tensor(info: &onnx::TensorInfo) -> Tensor {
    let dimension = |d: &Option<u64>| d.and_then(|d| i64::try_from(d).ok()).unwrap_or(-1);
    Tensor {
        name: info.name.clone(),
        datatype: info.datatype.as_str().to_owned(),
        shape: info.shape.iter().map(dimension).collect(),
    }
}
