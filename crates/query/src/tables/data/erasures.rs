//! Rows of `deletions` that erasures make: one for each reference of a person.

use std::collections::BTreeMap;

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
    completed_at: Option<i64>,
    verified_by: Option<String>,
}

/// Erasures, for the table that has every deletion.
#[derive(Clone, Default)]
pub(super) struct Erasures(BTreeMap<String, Erasure>);

impl Erasures {
    /// Takes one more entry in.
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RequestReceived(body) if body.kind == RequestKind::Erasure => {
                let (origin, received) = (leaf.origin(), body.clone());
                let erasure = Erasure { origin, received, started: false, completed_at: None, verified_by: None };
                self.0.insert(body.request.clone(), erasure);
            }
            Event::RequestStarted(body) => {
                if let Some(erasure) = self.0.get_mut(&body.request) {
                    (erasure.origin, erasure.started) = (leaf.origin(), true);
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

    /// The rows, in the columns of `deletions`: the one installation that there is counts as one replica.
    pub fn rows(&self, out: &mut Rows) {
        for (request, erasure) in self.0.iter().filter(|(_, erasure)| erasure.started) {
            for subject in &erasure.received.subjects {
                let cells = [
                    format!("{request}/{subject}").into(),
                    format!("subject/{subject}").into(),
                    ms(erasure.received.received_at),
                    ms(erasure.received.due_at),
                    erasure.completed_at.map_or(Cell::Null, ms),
                    erasure.completed_at.map(|_| "key_destroyed").into(),
                    1_u64.into(),
                    u64::from(erasure.completed_at.is_some()).into(),
                    erasure.verified_by.as_ref().into(),
                    // No rule made it due: the person did.
                    Cell::Null,
                ];
                out.push(erasure.origin, cells);
            }
        }
    }
}
