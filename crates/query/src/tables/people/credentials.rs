//! `credentials`: the keys of applications and operators.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::{KeyCreated, KeyScope};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    created: KeyCreated,
    created_at: i64,
    revoked_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Credentials(BTreeMap<String, Row>);

impl Table for Credentials {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "credentials";
    const DOC: &'static str =
        "API keys. Sessions are in `sessions`; sign-in links live minutes and are in `events` only.";
    const COLUMNS: &'static [Column] = &[
        text("credential_id", "Public identifier of the key"),
        text("principal_id", "The actor that it signs in; NULL for an application's key"),
        text("service_id", "The service whose inference calls it opens; NULL for a key of the management API"),
        text("kind", "`api_key`"),
        boolean("privileged", "Whether it opens the management API, and not only one service's inference calls"),
        boolean("mfa", "NULL: a key is one factor, whoever holds it"),
        time("created_at", "When it was created"),
        time("expires_at", "When it becomes void by itself"),
        time("last_used_at", "NULL: use is in `inferences`, not folded into the key"),
        time("revoked_at", "When it was withdrawn; NULL while it was not"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::KeyCreated(body) => {
                let row =
                    Row { origin: leaf.origin(), created: body.clone(), created_at: leaf.entry.ts, revoked_at: None };
                self.0.insert(body.key.clone(), row);
            }
            Event::KeyRevoked(body) => {
                if let Some(row) = self.0.get_mut(&body.key) {
                    (row.origin, row.revoked_at) = (leaf.origin(), Some(leaf.entry.ts));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (key, row) in &self.0 {
            let (actor, service) = match &row.created.scope {
                KeyScope::Actor(actor) => (Some(actor), None),
                KeyScope::Service(service) => (None, Some(service)),
            };
            let cells = [
                key.into(),
                actor.into(),
                service.into(),
                "api_key".into(),
                actor.is_some().into(),
                Cell::Null,
                ms(row.created_at),
                ms(row.created.expires_at),
                Cell::Null,
                row.revoked_at.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
