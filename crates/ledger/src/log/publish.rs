//! Checkpoints: signing the tree, and keeping the cosignatures of witnesses.
//!
//! The signer is careful with itself: it signs only what extends the last checkpoint it signed, and what it signed is
//! durable in `.state/signer` before anybody sees it. A crash in between leaves a signature nobody saw; the next
//! publication repeats it, to the same bytes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use merkle::{Checkpoint, Note, NoteSignature, Policy, SignerKey};

use super::Shared;
use super::error::LogError;
use super::memory::Memory;
use super::open::{CHECKPOINT, SIGNER, Signed, WITNESSED, check_not_rolled_back};
use super::tree::Tree;
use super::writer::with_causes;
use crate::vfs::write_atomic;

/// What has been signed and what has been given out.
pub(super) struct Publisher {
    key: SignerKey,
    state: Mutex<State>,
}

struct State {
    signed: Option<Signed>,
    published: Option<Signed>,
    /// The newest checkpoint with the cosignatures that came in for it so far.
    gathering: Option<Signed>,
    witnessed: Option<Signed>,
    /// What is remembered outside the log's directory.
    memory: Option<Memory>,
}

impl Publisher {
    pub(super) fn new(
        key: SignerKey,
        signed: Option<Signed>,
        published: Option<Signed>,
        witnessed: Option<Signed>,
        memory: Option<Memory>,
    ) -> Self {
        Self { key, state: Mutex::new(State { signed, published, gathering: None, witnessed, memory }) }
    }

    pub(super) fn key(&self) -> &SignerKey {
        &self.key
    }

    pub(super) fn published(&self) -> Option<Signed> {
        self.lock().published.clone()
    }

    pub(super) fn witnessed(&self) -> Option<Signed> {
        self.lock().witnessed.clone()
    }

    pub(super) fn other_history(&self) -> Option<Signed> {
        self.lock().memory.as_ref().and_then(Memory::kept).cloned()
    }

    pub(super) fn give_up_other_history(&self) {
        if let Some(memory) = &mut self.lock().memory {
            memory.give_up();
        }
    }

    pub(super) fn publish(&self, tree: &Tree) -> Result<String, LogError> {
        let mut state = self.lock();
        let size = tree.size();
        let signed = match &state.signed {
            Some(last) if last.checkpoint.size == size => last.clone(),
            last => {
                if let Some(last) = last {
                    check_not_rolled_back(tree, last)?;
                }
                self.sign(tree, size)?
            }
        };
        if state.signed.as_ref() != Some(&signed) {
            replace(tree, SIGNER, &signed.note)?;
            state.signed = Some(signed.clone());
        }
        let text = signed.note.to_string();
        if state.published.as_ref().map(|published| &published.note) != Some(&signed.note) {
            let path = replace(tree, CHECKPOINT, &signed.note)?;
            state.published = Some(Signed { path, ..signed.clone() });
        }
        if let Some(memory) = &mut state.memory {
            memory.remember(&*tree.files.vfs, &signed);
        }
        Ok(text)
    }

    fn sign(&self, tree: &Tree, size: u64) -> Result<Signed, LogError> {
        let origin = self.key.verifier_key().name().to_owned();
        let checkpoint = Checkpoint { origin, size, root: tree.root_at(size)?, extensions: Vec::new() };
        let mut note = Note::new(checkpoint.to_text())?;
        note.signatures.push(self.key.sign_note(&note.text));
        Ok(Signed { path: tree.files.dir.join(SIGNER), checkpoint, note })
    }

    pub(super) fn add_cosignatures(
        &self,
        tree: &Tree,
        note: &str,
        lines: &[NoteSignature],
        policy: &Policy,
    ) -> Result<bool, LogError> {
        let (checkpoint, note) = Checkpoint::open(note, self.key.verifier_key())?;
        let mut fresh = Signed { path: tree.files.dir.join(WITNESSED), checkpoint, note };
        check_not_rolled_back(tree, &fresh)?;
        for line in lines {
            let alone = Note { text: fresh.note.text.clone(), signatures: vec![line.clone()] };
            if !policy.witnesses().iter().any(|witness| witness.key.verify(&alone).is_ok()) {
                return Err(LogError::Cosignature { name: line.name.clone() });
            }
        }
        let mut state = self.lock();
        let gathered = state.gathering.take().filter(|gathered| gathered.note.text == fresh.note.text);
        let known = gathered.map(|gathered| gathered.note.signatures).unwrap_or_default();
        for line in known.iter().chain(lines) {
            // A witness that answers twice replaces its earlier answer.
            fresh.note.signatures.retain(|old| (&old.name, old.key_id) != (&line.name, line.key_id));
            fresh.note.signatures.push(line.clone());
        }
        let met = policy.evaluate(&fresh.note).quorum_met;
        let newest = state.witnessed.as_ref().is_none_or(|old| old.checkpoint.size <= fresh.checkpoint.size);
        if met && newest {
            replace(tree, WITNESSED, &fresh.note)?;
            state.witnessed = Some(fresh.clone());
        }
        state.gathering = Some(fresh);
        Ok(met)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace(tree: &Tree, name: &str, note: &Note) -> Result<PathBuf, LogError> {
    let path = tree.files.dir.join(name);
    write(tree, &path, note)?;
    Ok(path)
}

fn write(tree: &Tree, path: &Path, note: &Note) -> Result<(), LogError> {
    let text = note.to_string();
    write_atomic(&*tree.files.vfs, path, text.as_bytes()).map_err(|source| LogError::io("replace", path, source))
}

/// Tells the publishing thread to end.
#[derive(Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    signal: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.notify_all();
    }

    /// Waits for the interval; false when told to end.
    fn wait(&self, interval: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .signal
            .wait_timeout_while(stopped, interval, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !*stopped
    }
}

/// Starts the thread that publishes at every interval in which the log grew.
pub(super) fn spawn(shared: Arc<Shared>, interval: Duration) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ledger-publish".into()).spawn(move || {
        while shared.stop.wait(interval) {
            if let Err(error) = shared.publisher.publish(&shared.tree) {
                tracing::warn!(error = %with_causes(&error), "could not publish a checkpoint; will try again");
            }
        }
    })
}
