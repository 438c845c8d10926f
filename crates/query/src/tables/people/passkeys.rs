//! Passkeys, as rows of `credentials`.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::people::PasskeyRegistered;

use crate::fold::Leaf;
use crate::table::{Cell, Origin, Rows, ms};

#[derive(Clone)]
struct Row {
    origin: Origin,
    registered: PasskeyRegistered,
    registered_at: i64,
    used_at: Option<i64>,
    removed_at: Option<i64>,
}

/// Every passkey there was, by public identifier.
#[derive(Clone, Default)]
pub(super) struct Passkeys(BTreeMap<String, Row>);

impl Passkeys {
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::PasskeyRegistered(body) => {
                let (registered, registered_at) = (body.clone(), at);
                let row = Row { origin, registered, registered_at, used_at: None, removed_at: None };
                self.0.insert(body.passkey.clone(), row);
            }
            Event::PasskeyUsed(body) => {
                if let Some(row) = self.0.get_mut(&body.passkey) {
                    (row.origin, row.used_at) = (origin, Some(at));
                }
            }
            Event::PasskeyRemoved(body) => {
                if let Some(row) = self.0.get_mut(&body.passkey) {
                    (row.origin, row.removed_at) = (origin, Some(at));
                }
            }
            _ => {}
        }
    }

    /// The rows, in the columns of `credentials`; `privileged` has whoever is privileged now.
    pub fn rows(&self, privileged: &BTreeSet<&str>, out: &mut Rows) {
        for (passkey, row) in &self.0 {
            let actor = &row.registered.actor;
            let status = if row.removed_at.is_some() { "revoked" } else { "live" };
            let cells = [
                passkey.into(),
                actor.into(),
                Cell::Null,
                "human".into(),
                privileged.contains(actor.as_str()).into(),
                true.into(),
                ms(row.registered_at),
                Cell::Null,
                row.used_at.map_or(Cell::Null, ms),
                row.removed_at.map_or(Cell::Null, ms),
                actor.into(),
                Cell::Null,
                Cell::Null,
                actor.into(),
                status.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ];
            out.push(row.origin, cells);
        }
    }
}
