//! Rows of `deletions` that erasures make: one for each reference of a person.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::keys::requests::{ErasureStep, RequestKind, RequestOutcome, RequestReceived};

use crate::fold::Leaf;
use crate::table::{Cell, Origin, Rows, ms};

/// An erasure.
#[derive(Clone)]
struct Erasure {
    origin: Origin,
    received: RequestReceived,
    /// Before it begins nothing is deleted, and none of it is due to be.
    started: bool,
    /// The keys that were destroyed, by name, and how many there were: an entry names only so many.
    keys: Option<(BTreeSet<String>, u64)>,
    completed_at: Option<i64>,
    verified_by: Option<String>,
}

/// Erasures, for the table that has every deletion.
#[derive(Clone, Default)]
pub(super) struct Erasures(BTreeMap<String, Erasure>);

impl Erasure {
    /// How many keys of a reference were destroyed; `None` before, and where the entry could not name them all.
    fn keys_of(&self, subject: &str) -> Option<u64> {
        let (keys, count) = self.keys.as_ref()?;
        match (self.received.subjects.len(), keys.len() as u64 == *count) {
            (1, _) => Some(*count),
            (_, true) => Some(keys.iter().filter(|key| key.ends_with(&format!("/{subject}"))).count() as u64),
            (_, false) => None,
        }
    }
}

impl Erasures {
    /// Takes one more entry in.
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RequestReceived(body) if body.kind == RequestKind::Erasure => {
                let (origin, received) = (leaf.origin(), body.clone());
                let erasure =
                    Erasure { origin, received, started: false, keys: None, completed_at: None, verified_by: None };
                self.0.insert(body.request.clone(), erasure);
            }
            Event::RequestStarted(body) => {
                if let Some(erasure) = self.0.get_mut(&body.request) {
                    (erasure.origin, erasure.started) = (leaf.origin(), true);
                }
            }
            Event::RequestStep(body) if body.step == ErasureStep::KeysDestroyed => {
                if let Some(erasure) = self.0.get_mut(&body.request) {
                    let named = body.keys.len() as u64;
                    let count = body.counts.get("keys").copied().unwrap_or(named).max(named);
                    (erasure.origin, erasure.keys) = (leaf.origin(), Some((body.keys.clone(), count)));
                }
            }
            Event::RequestStep(body) if body.step == ErasureStep::Completed => {
                if let Some(erasure) = self.0.get_mut(&body.request) {
                    (erasure.origin, erasure.completed_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            // What was refused or taken back deletes nothing.
            Event::RequestClosed(body) if body.outcome != RequestOutcome::Done => {
                self.0.remove(&body.request);
            }
            // Whoever closes it says that they looked: somebody else than who asked for it or carried it out.
            Event::RequestClosed(body) => {
                if let Some(erasure) = self.0.get_mut(&body.request).filter(|one| one.completed_at.is_some()) {
                    erasure.verified_by = Some(leaf.entry.actor.clone());
                }
            }
            _ => {}
        }
    }

    /// The rows, in the columns of `deletions`: copies are the keys of the person, which were looked for again.
    pub fn rows(&self, out: &mut Rows) {
        for (request, erasure) in self.0.iter().filter(|(_, erasure)| erasure.started) {
            for subject in &erasure.received.subjects {
                let copies = erasure.keys_of(subject);
                let confirmed = copies.map(|copies| if erasure.completed_at.is_some() { copies } else { 0 });
                let cells = [
                    format!("{request}/{subject}").into(),
                    format!("subject/{subject}").into(),
                    ms(erasure.received.received_at),
                    ms(erasure.received.due_at),
                    erasure.completed_at.map_or(Cell::Null, ms),
                    erasure.completed_at.map(|_| "key_destroyed").into(),
                    copies.into(),
                    confirmed.into(),
                    erasure.verified_by.as_ref().into(),
                    // No rule made it due: the person did.
                    Cell::Null,
                ];
                out.push(erasure.origin, cells);
            }
        }
    }
}
