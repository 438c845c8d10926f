//! Which roles being in a group asks for.
//!
//! Joining asks; it does not give. Each request waits for an approver like any other, unless the mapping itself was
//! approved: then its approver stands for each grant, except for their own and for those that they asked for. What rules
//! keep apart is withheld, and an event says so. Leaving the group ends at once what came by it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{GroupNamed, missing};
use crate::decide::refuse;
use crate::people::directory::DIRECTORY;
use crate::people::grants::{self, EndReason, Grant, GrantEnded, GrantRequested};
use crate::people::roles::{self, Conflict, ORG};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The most roles that one group can be mapped to.
pub const MAX_ROLES: usize = 4;

/// The most days that a grant by a group holds.
pub const MAX_DAYS: u16 = 366;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A role that being in a group asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedRole {
    /// The role.
    pub role: String,
    /// Where it holds: `org`, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub scope: String,
}

/// From here on, being in a group asks for these roles and no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupMapped {
    /// Which group.
    pub group: String,
    /// The roles; none when being in it asks for nothing any more.
    pub roles: Vec<MappedRole>,
    /// For how many days each grant holds.
    pub days: u16,
}

/// A grant was approved together with the mapping that it came by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantPreapproved {
    /// Which grant.
    pub grant: String,
    /// By which group it came.
    pub group: String,
    /// Who approved the mapping, and so the grant.
    pub approved_by: String,
}

/// Being in a group would have brought together what is kept apart, so the role was not asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantWithheld {
    /// By which group it would have come.
    pub group: String,
    /// Who would have held it.
    pub actor: String,
    /// The role.
    pub role: String,
    /// Where it would have held.
    pub scope: String,
    /// The rule that keeps it apart from what they hold or asked for.
    pub rule: String,
}

/// A mapping as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// The roles.
    pub roles: Vec<MappedRole>,
    /// For how many days each grant holds.
    pub days: u16,
    /// Who mapped.
    pub mapped_by: String,
    /// The person behind them then.
    pub mapper: String,
    /// Who approved the mapping, and when in milliseconds since the epoch.
    pub approved: Option<(String, i64)>,
    /// The person behind them then.
    pub approver: Option<String>,
}

/// What a grant's `reference` says when it came by a group.
#[must_use]
pub fn reference(group: &str) -> String {
    format!("group:{group}")
}

/// The grants that somebody has, or asked for, by a group.
fn by_group<'a>(state: &'a State, group: &str, now: i64) -> impl Iterator<Item = &'a Grant> {
    let reference = reference(group);
    state.grants.values().filter(move |grant| grant.stands(now) && grant.requested.reference == reference)
}

/// Requests in the making: what they bring together is judged with what one command asks for and ends.
pub(super) struct Asking<'a> {
    state: &'a State,
    given: &'a Given,
    ended: BTreeSet<&'a str>,
    /// What this command asked for already, by actor.
    asked: BTreeMap<String, Vec<(String, String)>>,
    count: usize,
}

impl<'a> Asking<'a> {
    pub fn new(state: &'a State, given: &'a Given) -> Self {
        Self { state, given, ended: BTreeSet::new(), asked: BTreeMap::new(), count: 0 }
    }

    /// Ends a grant that came by a group.
    fn end(&mut self, grant: &'a Grant) -> Event {
        self.ended.insert(&grant.requested.grant);
        let (grant, reason) = (grant.requested.grant.clone(), EndReason::GroupLeft);
        Event::GrantEnded(GrantEnded { grant, reason })
    }

    /// What somebody holds or asked for, without what this command ends.
    fn standing(&self, actor: &str) -> Vec<(String, String)> {
        let here = self.state.actors.get(actor).filter(|_| !self.state.left.contains_key(actor));
        let first = here.into_iter().flat_map(|known| &known.roles);
        let first = first.map(|role| (role.clone(), ORG.to_owned()));
        let grants = self.state.grants.values().filter(|grant| {
            let wish = &grant.requested;
            wish.actor == actor && grant.stands(self.given.now) && !self.ended.contains(wish.grant.as_str())
        });
        let grants = grants.map(|grant| (grant.requested.role.clone(), grant.requested.scope.clone()));
        let asked = self.asked.get(actor).into_iter().flatten().cloned();
        first.chain(grants).chain(asked).collect()
    }

    /// The rule that keeps a role apart from what the same person holds or asked for, by themselves or by a program.
    fn apart(&self, actor: &str, wish: &MappedRole) -> Option<&'static Conflict> {
        let mut held = Vec::new();
        for hand in self.state.hands_of(actor) {
            held.extend(self.standing(hand));
            let taken = self.state.emergencies_of(hand, self.given.now).map(|emergency| &emergency.declared);
            held.extend(taken.map(|taken| (taken.role.clone(), taken.scope.clone())));
        }
        held.iter().find_map(|(role, scope)| {
            self.state.conflict_between(role, &wish.role).filter(|_| roles::overlap(scope, &wish.scope))
        })
    }

    /// Asks for what being in a group gives somebody and they do not have. `beforehand`: whether an approval of the
    /// mapping counts for it.
    pub fn ask(&mut self, group: &str, mapping: &Mapping, actor: &str, beforehand: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for mapped in &mapping.roles {
            let standing = self.standing(actor);
            let same = |(role, scope): &(String, String)| (role, scope) == (&mapped.role, &mapped.scope);
            if standing.iter().any(same) {
                continue;
            }
            let apart = self.apart(actor, mapped);
            let MappedRole { role, scope } = mapped.clone();
            if let Some(rule) = apart {
                let (group, actor, rule) = (group.to_owned(), actor.to_owned(), rule.rule.to_owned());
                events.push(Event::GrantWithheld(GrantWithheld { group, actor, role, scope, rule }));
                continue;
            }
            let grant = format!("g_{}_{}", self.given.fresh, self.count);
            self.count += 1;
            self.asked.entry(actor.to_owned()).or_default().push((role.clone(), scope.clone()));
            events.push(Event::GrantRequested(GrantRequested {
                grant: grant.clone(),
                actor: actor.to_owned(),
                role,
                scope,
                ends_at: self.given.now.saturating_add(i64::from(mapping.days) * DAY_MS),
                reference: reference(group),
            }));
            let approved = mapping.approved.as_ref().zip(mapping.approver.as_ref()).filter(|_| beforehand);
            let concerned =
                |person: &str| [actor, self.given.by.as_str()].iter().any(|one| self.state.is_one_person(one, person));
            if let Some(((by, _), _)) = approved.filter(|(_, person)| !concerned(person)) {
                let (group, approved_by) = (group.to_owned(), by.clone());
                events.push(Event::GrantPreapproved(GrantPreapproved { grant, group, approved_by }));
            }
        }
        events
    }
}

/// What follows from some going from a group for good, some being said again to be in it, and others joining it.
pub(super) fn changed<'a>(
    state: &'a State,
    given: &'a Given,
    group: &str,
    gone: impl Iterator<Item = &'a String>,
    again: impl Iterator<Item = &'a String>,
    new: impl Iterator<Item = &'a String>,
) -> Vec<Event> {
    let Some(mapping) = state.groups.get(group).and_then(|known| known.mapping.as_ref()) else { return vec![] };
    let (mut asking, mut events) = (Asking::new(state, given), Vec::new());
    let gone: BTreeSet<&str> = gone.map(String::as_str).collect();
    for grant in by_group(state, group, given.now).filter(|grant| gone.contains(grant.requested.actor.as_str())) {
        events.push(asking.end(grant));
    }
    let here = |actor: &&str| !state.left.contains_key(*actor);
    // Another group may give the same.
    for actor in gone.into_iter().filter(here) {
        let others = state.groups_of(actor).filter(|(id, _)| *id != group);
        for (id, mapping) in others.filter_map(|(id, other)| Some((id, other.mapping.as_ref()?))) {
            events.extend(asking.ask(id, mapping, actor, true));
        }
    }
    // A grant that ended by itself is asked for anew as long as its holder is in the group. One that was taken away is not.
    for actor in again.map(String::as_str).filter(here) {
        let lapsed = |role: &&MappedRole| has_lapsed(state, group, actor, role, given.now);
        let roles = mapping.roles.iter().filter(lapsed).cloned().collect();
        events.extend(asking.ask(group, &Mapping { roles, ..mapping.clone() }, actor, true));
    }
    for actor in new.map(String::as_str).filter(here) {
        events.extend(asking.ask(group, mapping, actor, true));
    }
    events
}

/// Whether the last grant of a role that came by a group ended by itself.
fn has_lapsed(state: &State, group: &str, actor: &str, role: &MappedRole, now: i64) -> bool {
    let reference = reference(group);
    let theirs = state.grants.values().filter(|grant| {
        let wish = &grant.requested;
        wish.actor == actor && wish.reference == reference && (&wish.role, &wish.scope) == (&role.role, &role.scope)
    });
    let last = theirs.max_by_key(|grant| grant.requested.ends_at);
    last.is_some_and(|grant| grant.ended_at.is_none() && grant.requested.ends_at <= now)
}

/// Says which roles being in a group asks for.
pub(crate) fn map(state: &State, given: &Given, body: &GroupMapped) -> Result<Vec<Event>, Refusal> {
    let group = state.groups.get(&body.group).ok_or_else(|| missing(&body.group))?;
    roles_fit(state, body)?;
    let old = group.mapping.as_ref();
    let same = old.map_or(body.roles.is_empty(), |old| old.roles == body.roles && old.days == body.days);
    if same {
        return Ok(vec![]);
    }
    let mapped = |grant: &Grant| {
        body.roles.iter().any(|role| (&role.role, &role.scope) == (&grant.requested.role, &grant.requested.scope))
    };
    let (mut asking, mut events) = (Asking::new(state, given), vec![Event::GroupMapped(body.clone())]);
    for grant in by_group(state, &body.group, given.now).filter(|grant| !mapped(grant)) {
        events.push(asking.end(grant));
    }
    // What was mapped before was asked for before, and may have been taken away since.
    let known = |role: &MappedRole| old.is_some_and(|old| old.roles.contains(role));
    let roles = body.roles.iter().filter(|role| !known(role)).cloned().collect();
    let (mapped_by, mapper) = (given.by.clone(), state.person_of(&given.by).to_owned());
    let fresh = Mapping { roles, days: body.days, mapped_by, mapper, approved: None, approver: None };
    for actor in group.members.keys().filter(|actor| !state.left.contains_key(*actor)) {
        events.extend(asking.ask(&body.group, &fresh, actor, false));
    }
    Ok(events)
}

fn roles_fit(state: &State, body: &GroupMapped) -> Result<(), Refusal> {
    let invalid = |why: String| Err(refuse(RefusalCode::Invalid, why));
    if body.roles.len() > MAX_ROLES || !(1..=MAX_DAYS).contains(&body.days) {
        return invalid(format!("a group is mapped to {MAX_ROLES} roles at most, for 1 to {MAX_DAYS} days"));
    }
    for (at, mapped) in body.roles.iter().enumerate() {
        grants::role_and_scope_fit(state, &mapped.role, &mapped.scope)?;
        if mapped.role == DIRECTORY {
            return invalid(format!("`{DIRECTORY}` is a program's role: no group of people is mapped to it"));
        }
        for other in body.roles.iter().take(at) {
            if other == mapped {
                return invalid(format!("`{}` in `{}` is named twice", mapped.role, mapped.scope));
            }
            let apart = state.conflict_between(&other.role, &mapped.role);
            if let Some(rule) = apart.filter(|_| roles::overlap(&other.scope, &mapped.scope)) {
                let message = format!(
                    "rule `{}` keeps `{}` apart from `{}`: no group can be mapped to both",
                    rule.rule, other.role, mapped.role
                );
                let policies = vec![rule.rule.to_owned()];
                return Err(Refusal { code: RefusalCode::Forbidden, message, policies });
            }
        }
    }
    Ok(())
}

/// Approves a mapping, and what waits by it.
pub(crate) fn approve(state: &State, given: &Given, body: &GroupNamed) -> Result<Vec<Event>, Refusal> {
    let group = state.groups.get(&body.group).ok_or_else(|| missing(&body.group))?;
    let Some(mapping) = group.mapping.as_ref().filter(|mapping| mapping.approved.is_none()) else {
        let message = format!("group `{}` has no mapping that waits for approval", body.group);
        return Err(refuse(RefusalCode::Conflict, message));
    };
    let person = state.person_of(&given.by);
    if person == state.person_of(&mapping.mapper) && grants::somebody_approves(state, given.now, &[person]) {
        let message = format!("you mapped group `{}`: somebody else must approve it", body.group);
        let policies = vec!["request-not-approve".to_owned()];
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies });
    }
    let what = format!("the mapping of group `{}`", body.group);
    grants::in_turn(state, given, &[state.person_of(&mapping.mapper)], &what)?;
    grants::no_vote_by_emergency(state, given, &what)?;
    let counts = |grant: &&Grant| {
        let concerned = [&grant.asker, &grant.requested.actor].iter().any(|one| person == state.person_of(one));
        grant.is_pending(given.now) && !concerned && grants::kept_apart(state, given.now, &grant.requested).is_ok()
    };
    let waiting = by_group(state, &body.group, given.now).filter(counts).map(|grant| {
        let (grant, group) = (grant.requested.grant.clone(), body.group.clone());
        Event::GrantPreapproved(GrantPreapproved { grant, group, approved_by: given.by.clone() })
    });
    Ok(std::iter::once(Event::GroupMapApproved(body.clone())).chain(waiting).collect())
}
