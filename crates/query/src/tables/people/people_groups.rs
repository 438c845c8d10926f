//! `people_groups`: groups of people, and the roles that being in one asks for.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::MappedRole;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    created_at: i64,
    created_by: String,
    deleted_at: Option<i64>,
    mapping: Option<Mapping>,
}

#[derive(Clone)]
struct Mapping {
    roles: Vec<MappedRole>,
    days: u16,
    by: String,
    at: i64,
    approved: Option<(String, i64)>,
}

#[derive(Clone, Default)]
pub(crate) struct PeopleGroups(BTreeMap<String, Row>);

impl Table for PeopleGroups {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "people_groups";
    const DOC: &'static str = "Groups of people. What a group is called is sealed: it can say much about its members.";
    const COLUMNS: &'static [Column] = &[
        text("group_id", "Public identifier of the group"),
        time("created_at", "When it was made"),
        text("created_by", "Who made it: a directory, or a person"),
        time("deleted_at", "When it was deleted; NULL while it was not"),
        text("roles", "The roles that being in it asks for, such as `deployer in org`; NULL when it is not mapped"),
        int("days", "For how many days each grant holds; NULL when it is not mapped"),
        text("mapped_by", "Who mapped it to those roles; NULL when it is not mapped"),
        time("mapped_at", "When; NULL when it is not mapped"),
        text("approved_by", "Who approved the mapping; NULL while nobody did: then each grant waits for an approver"),
        time("approved_at", "When; NULL while nobody did"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (by, at) = (&leaf.entry.actor, leaf.entry.ts);
        match &leaf.entry.event {
            Event::GroupCreated(body) => {
                let (origin, created_by) = (leaf.origin(), by.clone());
                let row = Row { origin, created_at: at, created_by, deleted_at: None, mapping: None };
                self.0.insert(body.group.clone(), row);
            }
            Event::GroupDescribed(body) => {
                if let Some(row) = self.0.get_mut(&body.group) {
                    row.origin = leaf.origin();
                }
            }
            Event::GroupDeleted(body) => {
                if let Some(row) = self.0.get_mut(&body.group) {
                    (row.origin, row.deleted_at) = (leaf.origin(), Some(at));
                }
            }
            Event::GroupMapped(body) => {
                if let Some(row) = self.0.get_mut(&body.group) {
                    let (roles, days, by) = (body.roles.clone(), body.days, by.clone());
                    let mapping = Mapping { roles, days, by, at, approved: None };
                    row.mapping = Some(mapping).filter(|mapping| !mapping.roles.is_empty());
                    row.origin = leaf.origin();
                }
            }
            Event::GroupMapApproved(body) => {
                if let Some(row) = self.0.get_mut(&body.group) {
                    row.origin = leaf.origin();
                    if let Some(mapping) = &mut row.mapping {
                        mapping.approved = Some((by.clone(), at));
                    }
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (group, row) in &self.0 {
            let mapping = row.mapping.as_ref();
            let approved = mapping.and_then(|mapping| mapping.approved.as_ref());
            let cells = [
                group.into(),
                ms(row.created_at),
                (&row.created_by).into(),
                row.deleted_at.map_or(Cell::Null, ms),
                mapping.map(|mapping| written(&mapping.roles)).into(),
                mapping.map(|mapping| u64::from(mapping.days)).into(),
                mapping.map(|mapping| &mapping.by).into(),
                mapping.map_or(Cell::Null, |mapping| ms(mapping.at)),
                approved.map(|(by, _)| by).into(),
                approved.map_or(Cell::Null, |(_, at)| ms(*at)),
            ];
            out.push(row.origin, cells);
        }
    }
}

fn written(roles: &[MappedRole]) -> String {
    let roles: Vec<String> = roles.iter().map(|mapped| format!("{} in {}", mapped.role, mapped.scope)).collect();
    roles.join(", ")
}
