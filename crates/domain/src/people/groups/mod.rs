//! Groups of people, as a directory or a sign-in says who is in them, and what being in one asks for.
//!
//! A group's name can tell much about its members, so the ledger has a random reference for it and the digest of a
//! sealed note. A group may be mapped to roles ([`mapping`]): joining then asks for them, leaving ends them at once.

pub mod mapping;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::IdentitySource;
use super::actors::is_the_system;
use super::identities::reference_is_valid;
use crate::decide::{digest_is_valid, identifier_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

pub use mapping::{GrantPreapproved, GrantWithheld, GroupMapped, MappedRole, Mapping};

/// The most groups that there can be.
pub const MAX_GROUPS: usize = 2_000;

/// The most members that a group can have.
pub const MAX_MEMBERS: usize = 5_000;

/// A group is there, or was described anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDescribed {
    /// Public identifier, `gr_` and random characters.
    pub group: String,
    /// The vault's references for the names by which it is known, sorted.
    pub names: Vec<String>,
    /// SHA-256 of the sealed note with its name, hexadecimal.
    pub sealed_sha256: String,
}

/// A group is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNamed {
    /// Which group.
    pub group: String,
}

/// Somebody is in a group, or is in it no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupMember {
    /// Which group.
    pub group: String,
    /// Who.
    pub actor: String,
    /// Who says so: the directory that registers people, or the provider that they sign in with.
    pub source: IdentitySource,
}

/// The wish to have a group, to describe it anew, or to change who is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionGroup {
    /// Public identifier, a new one or one that is known.
    pub group: String,
    /// The vault's references for all its names, and SHA-256 of the sealed note with them; without it they stay.
    pub described: Option<(BTreeSet<String>, String)>,
    /// Who says who is in it.
    pub source: IdentitySource,
    /// Who joins.
    pub add: BTreeSet<String>,
    /// Who goes.
    pub remove: BTreeSet<String>,
}

/// A group as the state knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The vault's references for its names, sorted.
    pub names: Vec<String>,
    /// SHA-256 of the sealed note with its name.
    pub sealed_sha256: String,
    /// Who is in it, and who says so.
    pub members: BTreeMap<String, BTreeSet<IdentitySource>>,
    /// The roles that being in it asks for.
    pub mapping: Option<Mapping>,
}

impl State {
    /// The group that is known by the vault's reference for a name.
    #[must_use]
    pub fn group_by_name(&self, subject: &str) -> Option<&str> {
        let known = |group: &Group| group.names.iter().any(|name| name == subject);
        self.groups.iter().find(|(_, group)| known(group)).map(|(id, _)| id.as_str())
    }

    /// The groups that an actor is in.
    pub fn groups_of<'a>(&'a self, actor: &'a str) -> impl Iterator<Item = (&'a str, &'a Group)> {
        let with = move |(_, group): &(&String, &Group)| group.members.contains_key(actor);
        self.groups.iter().filter(with).map(|(id, group)| (id.as_str(), group))
    }

    /// Takes a change of who is in a group in.
    pub(crate) fn change_member(&mut self, change: &GroupMember, joins: bool) {
        let Some(group) = self.groups.get_mut(&change.group) else { return };
        let sources = group.members.entry(change.actor.clone()).or_default();
        if joins {
            sources.insert(change.source);
        } else {
            sources.remove(&change.source);
        }
        if sources.is_empty() {
            group.members.remove(&change.actor);
        }
    }
}

pub(crate) fn provision(state: &State, given: &Given, body: &ProvisionGroup) -> Result<Vec<Event>, Refusal> {
    let mut events = Vec::new();
    let known = state.groups.get(&body.group);
    match (known, &body.described) {
        (None, None) => return Err(missing(&body.group)),
        (_, Some((names, sealed_sha256))) => events.extend(describe(state, body, names, sealed_sha256)?),
        (Some(_), None) => {}
    }
    let nobody = Group::default();
    let group = known.unwrap_or(&nobody);
    let says = |actor: &str| group.members.get(actor).is_some_and(|sources| sources.contains(&body.source));
    let member = |actor: &String| GroupMember { group: body.group.clone(), actor: actor.clone(), source: body.source };
    for actor in &body.add {
        if !state.actors.contains_key(actor) || is_the_system(state, actor) {
            return Err(refuse(RefusalCode::NotFound, format!("there is no actor `{actor}` to be in a group")));
        }
    }
    let goes = body.remove.iter().filter(|actor| !body.add.contains(*actor) && says(actor));
    let joins = body.add.iter().filter(|actor| !says(actor));
    let (goes, joins): (Vec<&String>, Vec<&String>) = (goes.collect(), joins.collect());
    let new = joins.iter().filter(|actor| !group.members.contains_key(**actor)).count();
    if group.members.len().saturating_add(new) > MAX_MEMBERS {
        let message = format!("a group has {MAX_MEMBERS} members at most: make several of it");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    events.extend(goes.iter().map(|actor| Event::GroupMemberRemoved(member(actor))));
    events.extend(joins.iter().map(|actor| Event::GroupMemberAdded(member(actor))));
    let again = body.add.iter().filter(|actor| group.members.contains_key(*actor));
    let gone = goes.into_iter().filter(|actor| group.members.get(*actor).is_some_and(|sources| sources.len() == 1));
    let new = joins.into_iter().filter(|actor| !group.members.contains_key(*actor));
    events.extend(mapping::changed(state, given, &body.group, gone, again, new));
    Ok(events)
}

fn describe(
    state: &State,
    body: &ProvisionGroup,
    names: &BTreeSet<String>,
    sealed_sha256: &str,
) -> Result<Option<Event>, Refusal> {
    identifier_is_valid("group", &body.group)?;
    digest_is_valid("sealed name of a group", sealed_sha256)?;
    if names.is_empty() {
        return Err(refuse(RefusalCode::Invalid, "a group has a name"));
    }
    for name in names {
        reference_is_valid(name)?;
        if state.group_by_name(name).is_some_and(|known| known != body.group) {
            return Err(refuse(RefusalCode::Exists, "another group is known by that name"));
        }
    }
    let (group, names) = (body.group.clone(), names.iter().cloned().collect::<Vec<_>>());
    let described = GroupDescribed { group, names, sealed_sha256: sealed_sha256.to_owned() };
    Ok(match state.groups.get(&body.group) {
        None if state.groups.len() >= MAX_GROUPS => {
            let message = format!("there are {MAX_GROUPS} groups at most: delete one first");
            return Err(refuse(RefusalCode::Invalid, message));
        }
        None => Some(Event::GroupCreated(described)),
        Some(known) if known.names == described.names && known.sealed_sha256 == sealed_sha256 => None,
        Some(_) => Some(Event::GroupDescribed(described)),
    })
}

/// A group goes, and with it what its members hold by it.
pub(crate) fn delete(state: &State, given: &Given, body: &GroupNamed) -> Result<Vec<Event>, Refusal> {
    let group = state.groups.get(&body.group).ok_or_else(|| missing(&body.group))?;
    let mut events = vec![Event::GroupDeleted(body.clone())];
    let (gone, none) = (group.members.keys(), std::iter::empty);
    events.extend(mapping::changed(state, given, &body.group, gone, none(), none()));
    Ok(events)
}

/// A directory knows somebody no more: its groups do not either. The roles end by their leaving.
pub(super) fn forgotten(state: &State, actor: &str) -> Vec<Event> {
    let source = IdentitySource::Scim;
    let said = state.groups_of(actor).filter(|(_, group)| group.members[actor].contains(&source));
    let removed = |(id, _): (&str, &Group)| {
        Event::GroupMemberRemoved(GroupMember { group: id.to_owned(), actor: actor.to_owned(), source })
    };
    said.map(removed).collect()
}

/// Somebody is back: their groups ask for their roles, and nothing is approved beforehand.
pub(super) fn returned(state: &State, given: &Given, actor: &str) -> Vec<Event> {
    let mut asking = mapping::Asking::new(state, given);
    let mapped = state.groups_of(actor).filter_map(|(id, group)| Some((id, group.mapping.as_ref()?)));
    mapped.flat_map(|(id, mapping)| asking.ask(id, mapping, actor, false)).collect()
}

pub(super) fn missing(group: &str) -> Refusal {
    refuse(RefusalCode::NotFound, format!("there is no group `{group}`"))
}
