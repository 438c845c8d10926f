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
    /// A refusal when they may not publish, there are no bytes, or too many.
    pub async fn keep_document(self: &Arc<Self>, who: &Principal, bytes: Vec<u8>) -> Result<String, ExecuteError> {
        self.authorize(who, "document.publish", "documents")?;
        if bytes.is_empty() {
            return Err(Refusal::new(RefusalCode::Invalid, "the document is empty: send its bytes").into());
        }
        if bytes.len() > MAX_DOCUMENT_BYTES {
            let message = format!("the document has {} bytes, {MAX_DOCUMENT_BYTES} is the most", bytes.len());
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        self.blocking(move |engine| engine.put_document(&bytes)).await?
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
        // One that is in force since before documents lay apart is with the other objects.
        let in_force = self.read(|state| state.documents.values().any(|document| document.published.sha256 == sha256));
        let found = self.blocking(move |engine| match engine.uploaded_document(&digest)? {
            None if in_force => engine.artifact(&digest),
            found => Ok(found),
        });
        Ok(found.await??.ok_or_else(|| not_uploaded(sha256))?)
    }

    /// What is published, or asked for, was uploaded as a document, and can be read by whoever is concerned. The store has
    /// models too, and what approvals are about, whose digests anybody may write down.
    pub(crate) async fn has_bytes(self: &Arc<Self>, command: &Command) -> Result<(), Refusal> {
        let wish = match command {
            Command::RequestApproval(body) => &*body.command,
            other => other,
        };
        let Command::PublishDocument(body) = wish else { return Ok(()) };
        let digest = body.sha256.clone();
        match self.blocking(move |engine| engine.uploaded_document(&digest)).await {
            Ok(Ok(Some(_))) => Ok(()),
            Ok(Ok(None)) => Err(not_uploaded(&body.sha256)),
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(%error, "the bytes of a document cannot be read");
                let message = format!("the bytes of document `{}` cannot be read: upload them again", body.document);
                Err(Refusal::new(RefusalCode::Conflict, message))
            }
        }
    }
}

fn not_uploaded(sha256: &str) -> Refusal {
    let message =
        format!("no document with SHA-256 `{sha256}` was uploaded: `counterfoil documents publish` does that first");
    Refusal::new(RefusalCode::NotFound, message)
}
