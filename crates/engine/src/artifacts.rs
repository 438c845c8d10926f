//! Uploaded artifacts: kept by their SHA-256, checked before anything is decided about them.

use std::path::Path;

use domain::models::{ModelFacts, Tensor};
use sha2::{Digest, Sha256};

use crate::{Engine, ExecuteError};

/// Where documents lie, below the other objects.
const DOCUMENTS: &str = "documents";

impl Engine {
    /// Keeps an artifact and returns its SHA-256 in hexadecimal. Keeping the same bytes again changes nothing.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when it cannot be written.
    pub fn put_artifact(&self, bytes: &[u8]) -> Result<String, ExecuteError> {
        let sha256 = merkle::hex(&Sha256::digest(bytes));
        put(&self.objects_dir(), &sha256, bytes)?;
        Ok(sha256)
    }

    /// An artifact by its SHA-256; `None` when there is none. Its bytes are checked against the digest.
    ///
    /// # Errors
    /// [`ExecuteError::Internal`] when it cannot be read or was altered.
    pub fn artifact(&self, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        get(&self.objects_dir(), sha256)
    }

    /// The same of a document, which lies apart: who may publish one does not make readable for everybody what else is
    /// kept here.
    pub(crate) fn put_document(&self, bytes: &[u8]) -> Result<String, ExecuteError> {
        let sha256 = merkle::hex(&Sha256::digest(bytes));
        put(&self.objects_dir().join(DOCUMENTS), &sha256, bytes)?;
        Ok(sha256)
    }

    /// A document by its SHA-256; `None` when it was not uploaded as one.
    pub(crate) fn uploaded_document(&self, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
        get(&self.objects_dir().join(DOCUMENTS), sha256)
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

    fn objects_dir(&self) -> std::path::PathBuf {
        self.data_dir().join("objects")
    }
}

fn put(dir: &Path, sha256: &str, bytes: &[u8]) -> Result<(), ExecuteError> {
    store::objects::put(dir, sha256, bytes)
        .map_err(|e| ExecuteError::Unavailable(format!("artifact `{sha256}` was not kept: {e}")))
}

fn get(dir: &Path, sha256: &str) -> Result<Option<Vec<u8>>, ExecuteError> {
    let found =
        store::objects::get(dir, sha256).map_err(|e| ExecuteError::Internal(format!("artifact `{sha256}`: {e}")))?;
    match found {
        Some(bytes) if merkle::hex(&Sha256::digest(&bytes)) != sha256 => {
            Err(ExecuteError::Internal(format!("artifact `{sha256}` was altered on disk")))
        }
        found => Ok(found),
    }
}

fn tensor(info: &onnx::TensorInfo) -> Tensor {
    let dimension = |d: &Option<u64>| d.and_then(|d| i64::try_from(d).ok()).unwrap_or(-1);
    Tensor {
        name: info.name.clone(),
        datatype: info.datatype.as_str().to_owned(),
        shape: info.shape.iter().map(dimension).collect(),
    }
}
