//! Documents: their bytes are uploaded first and kept by their digest, so that whoever votes on one can read it.

use std::sync::Arc;

use domain::people::Document;
use domain::{Command, Refusal, RefusalCode};

use crate::{Engine, ExecuteError, Principal};

/// The largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;

impl Engine {
    /// Keeps the bytes of a document that is to be published, [`MAX_DOCUMENT_BYTES`] at most; returns their SHA-256.
    ///
    /// # Errors
    /// A refusal when they may not publish, or there are no bytes.
    pub async fn keep_document(self: &Arc<Self>, who: &Principal, bytes: Vec<u8>) -> Result<String, ExecuteError> {
        self.authorize(who, "document.publish", "documents")?;
        if bytes.is_empty() {
            return Err(Refusal::new(RefusalCode::Invalid, "the document is empty: send its bytes").into());
        }
        self.blocking(move |engine| engine.put_artifact(&bytes)).await?
    }

    /// A document in force.
    ///
    /// # Errors
    /// A refusal when there is none of this name.
    pub fn document(&self, document: &str) -> Result<Document, Refusal> {
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no document `{document}`"));
        self.read(|state| state.documents.get(document).cloned()).ok_or_else(missing)
    }

    /// The bytes of a document, in force or only asked for, by their SHA-256.
    ///
    /// # Errors
    /// When they are not in the object store, cannot be read, or were altered.
    pub async fn document_bytes(self: &Arc<Self>, sha256: &str) -> Result<Vec<u8>, ExecuteError> {
        let digest = sha256.to_owned();
        let found = self.blocking(move |engine| engine.artifact(&digest)).await??;
        let lost = || Refusal::new(RefusalCode::NotFound, format!("no document with SHA-256 `{sha256}` was uploaded"));
        Ok(found.ok_or_else(lost)?)
    }

    /// What is published, or asked for, can be read by whoever is concerned: its bytes are here, and no more than a
    /// document has. The store has models too, whose digests anybody may write down.
    pub(crate) async fn has_bytes(self: &Arc<Self>, command: &Command) -> Result<(), Refusal> {
        let wish = match command {
            Command::RequestApproval(body) => &*body.command,
            other => other,
        };
        let Command::PublishDocument(body) = wish else { return Ok(()) };
        match self.document_bytes(&body.sha256).await {
            Ok(bytes) if bytes.len() > MAX_DOCUMENT_BYTES => {
                let (document, has) = (&body.document, bytes.len());
                let message = format!("document `{document}` has {has} bytes, {MAX_DOCUMENT_BYTES} is the most");
                Err(Refusal::new(RefusalCode::Invalid, message))
            }
            Ok(_) => Ok(()),
            Err(ExecuteError::Refused(refusal)) => Err(refusal),
            Err(error) => {
                tracing::warn!(%error, "the bytes of a document cannot be read");
                let message = format!("the bytes of document `{}` cannot be read: upload them again", body.document);
                Err(Refusal::new(RefusalCode::Conflict, message))
            }
        }
    }
}
