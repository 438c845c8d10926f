//! `role_grants`: which roles an actor has.

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    actor: String,
    role: String,
    by: String,
    at: i64,
}

#[derive(Clone, Default)]
pub(crate) struct RoleGrants(Vec<Row>);

impl Table for RoleGrants {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "role_grants";
    const DOC: &'static str = "Roles, granted when an actor is registered and for as long as it exists.";
    const COLUMNS: &'static [Column] = &[
        text("grant_id", "`<actor>/<role>`"),
        text("principal_id", "Who has the role"),
        text("role", "The role, as the policies name it"),
        text("scope", "`org`: a role holds everywhere"),
        text("env", "`prod`: an installation is one environment"),
        boolean("privileged", "NULL: which roles are privileged is not recorded yet"),
        text("requested_by", "Who registered the actor with the role"),
        text("approved_by", "Who approved it; NULL: there is no approval of roles yet"),
        time("granted_at", "When"),
        time("expires_at", "NULL: a role does not expire"),
        time("revoked_at", "NULL: a role cannot be withdrawn yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::ActorRegistered(body) = &leaf.entry.event {
            self.0.extend(body.roles.iter().map(|role| Row {
                origin: leaf.origin(),
                actor: body.actor.clone(),
                role: role.clone(),
                by: leaf.entry.actor.clone(),
                at: leaf.entry.ts,
            }));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let cells = [
                format!("{}/{}", row.actor, row.role).into(),
                (&row.actor).into(),
                (&row.role).into(),
                "org".into(),
                "prod".into(),
                Cell::Null,
                (&row.by).into(),
                Cell::Null,
                ms(row.at),
                Cell::Null,
                Cell::Null,
            ];
            out.push(row.origin, cells);
        }
    }
}
