//! `role_grants`: which roles an actor has, had, or asks for.

use std::collections::BTreeMap;

use domain::people::{EndReason, custom, roles};
use domain::{Event, State};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    actor: String,
    role: String,
    scope: String,
    reference: Option<String>,
    requested_by: String,
    requested_at: i64,
    approved: Option<(String, i64)>,
    expires_at: Option<i64>,
    ended: Option<(i64, EndReason)>,
    privileged: Option<bool>,
    /// The person behind whoever asked, then.
    asker: String,
    /// The persons behind whoever approved and behind who was given the role, then.
    persons: Option<(String, String)>,
}

#[derive(Clone, Default)]
pub(crate) struct RoleGrants {
    rows: BTreeMap<String, Row>,
    /// Whether a role of the organisation's own amounts to a duty that is privileged.
    own: BTreeMap<String, bool>,
    /// The person behind whoever approved a group's mapping, then.
    mapping_approvers: BTreeMap<String, String>,
    /// Who answers for which program, by the domain's own fold.
    people: State,
}

impl Table for RoleGrants {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "role_grants";
    const DOC: &'static str = "Roles: those that actors began with, and those asked for, approved and ended.";
    const COLUMNS: &'static [Column] = &[
        text("grant_id", "Public identifier; `<actor>/<role>` for a role that an actor began with"),
        text("principal_id", "Who has the role, or is to have it"),
        text("role", "The role, as the policies name it"),
        text(
            "scope",
            "Where it holds: `org`, which is everywhere, `service/NAME`, `environment/NAME`, or `dataset/NAME`",
        ),
        text("env", "`prod`: an installation is one environment"),
        boolean(
            "privileged",
            "Whether the role can change what serves, who may act, or what is kept; one of the organisation's own, whether it \
             could at any time while this stood",
        ),
        text("requested_by", "Who asked for it, or registered the actor with it"),
        text(
            "approved_by",
            "Who approved it, or the group's mapping; NULL while nobody has, and for a role that an actor began with",
        ),
        time("granted_at", "When it was approved, so that it held from then on; NULL while it waits"),
        time("expires_at", "When it ends by itself; NULL for a role that an actor began with"),
        time("revoked_at", "When it ended before that; NULL while it did not"),
        time("requested_at", "When it was asked for"),
        text(
            "ended_because",
            "`declined`, `withdrawn`, `revoked`, `left`, `group_left` or `reviewed`; NULL while it did not end before its time",
        ),
        text(
            "reference",
            "Where the reason is written down, such as a ticket's number; `group:` and a group when it came by that",
        ),
        text(
            "requested_by_person",
            "The person behind whoever asked, then: who answered for the program, or else themselves",
        ),
        text("approved_by_person", "The person behind whoever approved it, then; NULL while nobody has"),
        text(
            "principal_person",
            "The person behind who was given the role, when it was approved; NULL while it was not",
        ),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (by, at) = (&leaf.entry.actor, leaf.entry.ts);
        match &leaf.entry.event {
            Event::AccountOwned(_) => self.people.apply(leaf.entry),
            Event::GroupMapApproved(body) => {
                self.mapping_approvers.insert(body.group.clone(), self.people.person_of(by).to_owned());
            }
            Event::ActorRegistered(body) => {
                self.rows.extend(body.roles.iter().map(|role| {
                    let row = Row {
                        origin: leaf.origin(),
                        actor: body.actor.clone(),
                        role: role.clone(),
                        scope: roles::ORG.to_owned(),
                        reference: None,
                        requested_by: by.clone(),
                        requested_at: at,
                        approved: None,
                        expires_at: None,
                        ended: None,
                        privileged: is_privileged(&self.own, role),
                        asker: self.people.person_of(by).to_owned(),
                        persons: None,
                    };
                    (format!("{}/{role}", body.actor), row)
                }));
            }
            Event::ActorLeft(body) => {
                let began_with = format!("{}/", body.actor);
                let theirs =
                    self.rows.range_mut(began_with.clone()..).take_while(|(id, _)| id.starts_with(&began_with));
                theirs.for_each(|(_, row)| (row.origin, row.ended) = (leaf.origin(), Some((at, EndReason::Left))));
            }
            Event::RoleDefined(body) => {
                let privileged = custom::is_privileged(&body.actions);
                self.own.insert(body.role.clone(), privileged);
                // A role that is narrowed later was what it was for whoever held it.
                let widened = |row: &&mut Row| {
                    let stands = row.ended.is_none() && row.expires_at.is_none_or(|ends_at| at < ends_at);
                    row.role == body.role && stands && privileged && row.privileged != Some(true)
                };
                let theirs = self.rows.values_mut().filter(widened);
                theirs.for_each(|row| (row.origin, row.privileged) = (leaf.origin(), Some(true)));
            }
            Event::GrantRequested(body) => {
                let row = Row {
                    origin: leaf.origin(),
                    actor: body.actor.clone(),
                    role: body.role.clone(),
                    scope: body.scope.clone(),
                    reference: Some(body.reference.clone()),
                    requested_by: by.clone(),
                    requested_at: at,
                    approved: None,
                    expires_at: Some(body.ends_at),
                    ended: None,
                    privileged: is_privileged(&self.own, &body.role),
                    asker: self.people.person_of(by).to_owned(),
                    persons: None,
                };
                self.rows.insert(body.grant.clone(), row);
            }
            Event::GrantApproved(body) => {
                if let Some(row) = self.rows.get_mut(&body.grant) {
                    (row.origin, row.approved) = (leaf.origin(), Some((by.clone(), at)));
                    let (approver, gains) = (self.people.person_of(by), self.people.person_of(&row.actor));
                    row.persons = Some((approver.to_owned(), gains.to_owned()));
                }
            }
            Event::GrantPreapproved(body) => {
                if let Some(row) = self.rows.get_mut(&body.grant) {
                    (row.origin, row.approved) = (leaf.origin(), Some((body.approved_by.clone(), at)));
                    let approver = self.mapping_approvers.get(&body.group).unwrap_or(&body.approved_by);
                    row.persons = Some((approver.clone(), self.people.person_of(&row.actor).to_owned()));
                }
            }
            Event::GrantEnded(body) => {
                if let Some(row) = self.rows.get_mut(&body.grant) {
                    (row.origin, row.ended) = (leaf.origin(), Some((at, body.reason)));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (grant, row) in &self.rows {
            let began_with = row.reference.is_none();
            let granted_at = row.approved.as_ref().map(|(_, at)| *at).or(began_with.then_some(row.requested_at));
            let cells = [
                grant.into(),
                (&row.actor).into(),
                (&row.role).into(),
                (&row.scope).into(),
                "prod".into(),
                row.privileged.into(),
                (&row.requested_by).into(),
                row.approved.as_ref().map(|(by, _)| by).into(),
                granted_at.map_or(Cell::Null, ms),
                row.expires_at.map_or(Cell::Null, ms),
                row.ended.map_or(Cell::Null, |(at, _)| ms(at)),
                ms(row.requested_at),
                row.ended.map_or(Cell::Null, |(_, reason)| reason.as_str().into()),
                row.reference.as_ref().into(),
                (&row.asker).into(),
                row.persons.as_ref().map(|(approver, _)| approver).into(),
                row.persons.as_ref().map(|(_, gains)| gains).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}

/// Whether a role is privileged as it is defined now; `own` are the organisation's.
fn is_privileged(own: &BTreeMap<String, bool>, role: &str) -> Option<bool> {
    roles::find(role).map(|known| known.privileged).or(own.get(role).copied())
}
