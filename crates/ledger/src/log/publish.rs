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

use merkle::{Checkpoint, Note, NoteSignature, Policy, SignerKey, statement};

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
    /// Held while files are written: one signer at a time.
    signing: Mutex<Signing>,
    /// Held only to look or to replace, so that whoever asks for a checkpoint never waits for the disk.
    shown: Mutex<Shown>,
}

/// What is durable and what readers are given.
struct Shown {
    published: Option<Signed>,
    witnessed: Option<Signed>,
}

struct Signing {
    signed: Option<Signed>,
    /// The newest checkpoint with the cosignatures that came in for it so far.
    gathering: Option<Signed>,
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
        let signing = Mutex::new(Signing { signed, gathering: None, memory });
        Self { key, signing, shown: Mutex::new(Shown { published, witnessed }) }
    }

    pub(super) fn key(&self) -> &SignerKey {
        &self.key
    }

    pub(super) fn published(&self) -> Option<Signed> {
        lock(&self.shown).published.clone()
    }

    pub(super) fn witnessed(&self) -> Option<Signed> {
        lock(&self.shown).witnessed.clone()
    }

    pub(super) fn other_history(&self) -> Option<Signed> {
        lock(&self.signing).memory.as_ref().and_then(Memory::kept).cloned()
    }

    pub(super) fn give_up_other_history(&self) {
        if let Some(memory) = &mut lock(&self.signing).memory {
            memory.give_up();
        }
    }

    pub(super) fn publish(&self, tree: &Tree) -> Result<String, LogError> {
        let mut signing = lock(&self.signing);
        let size = tree.size();
        let signed = match &signing.signed {
            Some(last) if last.checkpoint.size == size => last.clone(),
            last => {
                if let Some(last) = last {
                    check_not_rolled_back(tree, last)?;
                }
                self.sign(tree, size)?
            }
        };
        if signing.signed.as_ref() != Some(&signed) {
            replace(tree, SIGNER, &signed.note)?;
            signing.signed = Some(signed.clone());
        }
        let text = signed.note.to_string();
        if self.published().map(|published| published.note).as_ref() != Some(&signed.note) {
            let path = replace(tree, CHECKPOINT, &signed.note)?;
            lock(&self.shown).published = Some(Signed { path, ..signed.clone() });
        }
        if let Some(memory) = &mut signing.memory {
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

    pub(super) fn state(&self, kind: &str, members: &[(&str, String)]) -> Result<String, LogError> {
        let mut note = Note::new(statement(kind, self.key.verifier_key().name(), members))?;
        note.signatures.push(self.key.sign_note(&note.text));
        Ok(note.to_string())
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
        let mut signing = lock(&self.signing);
        let gathered = signing.gathering.take().filter(|gathered| gathered.note.text == fresh.note.text);
        let known = gathered.map(|gathered| gathered.note.signatures).unwrap_or_default();
        for line in known.iter().chain(lines) {
            // A witness that answers twice replaces its earlier answer.
            fresh.note.signatures.retain(|old| (&old.name, old.key_id) != (&line.name, line.key_id));
            fresh.note.signatures.push(line.clone());
        }
        let met = policy.evaluate(&fresh.note).quorum_met;
        let newest = self.witnessed().as_ref().is_none_or(|old| old.checkpoint.size <= fresh.checkpoint.size);
        if met && newest {
            replace(tree, WITNESSED, &fresh.note)?;
            lock(&self.shown).witnessed = Some(fresh.clone());
        }
        signing.gathering = Some(fresh);
        Ok(met)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            if shared.halt.check().is_err() {
                continue;
            }
            if let Err(error) = shared.publisher.publish(&shared.tree) {
                tracing::warn!(error = %with_causes(&error), "could not publish a checkpoint; will try again");
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_checkpoint_that_is_being_written_when_another_asks_then_the_last_one_is_there_at_once() {
        let key = SignerKey::ed25519("example.com/log", &[3; 32]).expect("a good name");
        let checkpoint = Checkpoint { origin: "example.com/log".into(), size: 0, root: [0; 32], extensions: vec![] };
        let note = Note::new(checkpoint.to_text()).expect("a note");
        let signed = Signed { path: CHECKPOINT.into(), checkpoint, note };
        let publisher = Publisher::new(key, None, Some(signed.clone()), Some(signed.clone()), None);
        // As whoever publishes holds it while the disk is slow.
        let writing = lock(&publisher.signing);
        assert_eq!((publisher.published(), publisher.witnessed()), (Some(signed.clone()), Some(signed)));
        drop(writing);
    }
}
