//! What a witness must not forget: for each log the last checkpoint it cosigned. Deciding and storing are one step under
//! one lock, and the cosignature is given out only after the new state is durable, so no crash and no two requests at
//! once can make it vouch for two histories.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use merkle::witness::decide;
use merkle::{
    AddCheckpoint, Checkpoint, CheckpointError, CosignerKey, NoteSignature, VerifierKey, WitnessDecision, hex,
};
use sha2::{Digest, Sha256};

use crate::vfs::{LockGuard, Vfs, read_file, write_atomic};

/// A checkpoint with its cosignatures is far below this.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// Why a witness could not answer.
#[derive(Debug, thiserror::Error)]
pub enum WitnessStoreError {
    /// Another process has it open.
    #[error("the witness state is in use: `{path}` names the process that holds it; stop that one first")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file operation failed. Nothing was cosigned.
    #[error("could not {action} `{path}`; nothing was cosigned")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The stored checkpoint is not one.
    #[error("witness state `{path}` is damaged; restore it from a copy, or ask the log's other witnesses for its size")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
}

/// What to answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The checkpoint is stored; this is its cosignature.
    Cosigned(NoteSignature),
    /// Nothing is stored; the decision says why and which status to answer.
    Refused(WitnessDecision),
}

/// The state of a witness: a file for each log, `<SHA-256 of the origin in hex>`, with its cosigned checkpoint.
pub struct WitnessStore {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    one_at_a_time: Mutex<()>,
    _lock: Box<dyn LockGuard>,
}

impl WitnessStore {
    /// Opens or creates the state in `dir`.
    ///
    /// # Errors
    /// `Locked` when another process has it.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self, WitnessStoreError> {
        vfs.create_dir_all(dir).map_err(io_error("create", dir))?;
        let path = dir.join("LOCK");
        let lock = vfs.lock(&path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => WitnessStoreError::Locked { path },
            _ => WitnessStoreError::Io { action: "lock", path, source },
        })?;
        Ok(Self { vfs, dir: dir.to_owned(), one_at_a_time: Mutex::new(()), _lock: lock })
    }

    /// The last checkpoint cosigned for a log, as a note with this witness's cosignature: what its monitoring endpoint
    /// serves.
    pub fn latest(&self, origin: &str) -> Result<Option<String>, WitnessStoreError> {
        let path = self.path(origin);
        let bytes = read_file(&*self.vfs, &path, MAX_STATE_BYTES).map_err(io_error("read", &path))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Answers an `add-checkpoint` request for the log with key `log`. `unix_secs` is the time now.
    ///
    /// # Errors
    /// When the state could not be read or stored; then nothing was cosigned.
    pub fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
        log: &VerifierKey,
        cosigner: &CosignerKey,
        unix_secs: u64,
    ) -> Result<Answer, WitnessStoreError> {
        let _one_at_a_time = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(log.name());
        let stored = self.latest(log.name())?.map(|note| Checkpoint::open(note, log)).transpose();
        let stored = stored.map_err(|source| WitnessStoreError::Corrupt { path: path.clone(), source })?;
        let stored = stored.map(|(checkpoint, _)| (checkpoint.size, checkpoint.root));
        let checkpoint = match decide(stored, request, log) {
            WitnessDecision::Cosign { checkpoint } => checkpoint,
            WitnessDecision::BadProof => {
                // Signed by the log and not consistent: the proof of its misbehaviour is this request itself.
                let path = path.with_extension("refused");
                let evidence = request.to_string();
                write_atomic(&*self.vfs, &path, evidence.as_bytes()).map_err(io_error("write", &path))?;
                return Ok(Answer::Refused(WitnessDecision::BadProof));
            }
            refused => return Ok(Answer::Refused(refused)),
        };
        let cosignature = cosigner.sign(&checkpoint.to_text(), unix_secs);
        let note = log_signed_note(request, log, &checkpoint, &cosignature);
        write_atomic(&*self.vfs, &path, note.as_bytes()).map_err(io_error("replace", &path))?;
        Ok(Answer::Cosigned(cosignature))
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.dir.join(hex(&Sha256::digest(origin.as_bytes())))
    }
}

/// The checkpoint with the log's signature and ours, without signatures nobody checked.
fn log_signed_note(
    request: &AddCheckpoint,
    log: &VerifierKey,
    checkpoint: &Checkpoint,
    cosignature: &NoteSignature,
) -> String {
    let is_log = |line: &NoteSignature| line.name == log.name() && line.key_id == log.key_id();
    let signatures = merkle::Note::parse(&request.checkpoint).map(|note| note.signatures).unwrap_or_default();
    let kept = signatures.into_iter().filter(is_log).chain([cosignature.clone()]).collect();
    merkle::Note { text: checkpoint.to_text(), signatures: kept }.to_string()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WitnessStoreError {
    move |source| WitnessStoreError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
