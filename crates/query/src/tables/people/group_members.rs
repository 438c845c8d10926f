//! `group_members`: who was in which group, from when to when.

use domain::Event;
use domain::people::GroupMember;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    member: GroupMember,
    added: (i64, String),
    removed: Option<(i64, String)>,
}

#[derive(Clone, Default)]
pub(crate) struct GroupMembers(Vec<Row>);

impl Table for GroupMembers {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "group_members";
    const DOC: &'static str =
        "Who is or was in which group: a row for each time. Moving from one to another is two rows.";
    const COLUMNS: &'static [Column] = &[
        text("group_id", "The group"),
        text("principal_id", "Who"),
        text("source", "Who says so: `scim`, a directory or a person, or `oidc`, the provider that they sign in with"),
        time("added_at", "Since when"),
        text("added_by", "Who put them in"),
        time("removed_at", "Until when; NULL while they are in it"),
        text("removed_by", "Who took them out; NULL while they are in it"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let did = || (leaf.entry.ts, leaf.entry.actor.clone());
        match &leaf.entry.event {
            Event::GroupMemberAdded(body) => {
                self.0.push(Row { origin: leaf.origin(), member: body.clone(), added: did(), removed: None });
            }
            Event::GroupMemberRemoved(body) => {
                let open = |row: &&mut Row| row.removed.is_none() && row.member == *body;
                if let Some(row) = self.0.iter_mut().rev().find(open) {
                    (row.origin, row.removed) = (leaf.origin(), Some(did()));
                }
            }
            Event::GroupDeleted(body) => {
                for row in self.0.iter_mut().filter(|row| row.removed.is_none() && row.member.group == body.group) {
                    (row.origin, row.removed) = (leaf.origin(), Some(did()));
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let cells = [
                (&row.member.group).into(),
                (&row.member.actor).into(),
                row.member.source.as_str().into(),
                ms(row.added.0),
                (&row.added.1).into(),
                row.removed.as_ref().map_or(Cell::Null, |(at, _)| ms(*at)),
                row.removed.as_ref().map(|(_, by)| by).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
