//! Roles of an organisation's own: a named set of actions. They inherit the rules that keep duties apart from what they
//! permit: a role with the critical action of a duty counts as that duty, and one with those of two that are kept apart
//! is refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::roles::{self, Conflict};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The most actions of one role.
const MAX_ACTIONS: usize = 100;

/// A role was defined, or what it permits changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDefined {
    /// Its name, also the Cedar role's.
    pub role: String,
    /// What its holders may do, by the names that policies use; sorted, each once.
    pub actions: Vec<String>,
}

/// A role is no longer there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRetired {
    /// Which role.
    pub role: String,
}

/// What makes a duty that duty: whoever may do this has it, whatever their role is called.
pub const CRITICAL: [(&str, &[&str]); 6] = [
    ("administrator", &["actor.register", "approvals.configure", "policies.install", "role.define"]),
    ("deployer", &["service.declare", "service.retire"]),
    ("directory", &["group.provision", "person.provision"]),
    ("model_approver", &["approval.vote"]),
    ("model_trainer", &["model.register"]),
    ("security_lead", &["grant.approve", "group.map.approve"]),
];

/// The duties that a set of actions amounts to.
pub fn duties_of(actions: &[String]) -> impl Iterator<Item = &'static str> {
    let has = move |critical: &[&str]| actions.iter().any(|action| critical.contains(&action.as_str()));
    CRITICAL.into_iter().filter(move |(_, critical)| has(critical)).map(|(duty, _)| duty)
}

/// Whether a set of actions amounts to a duty that is privileged.
#[must_use]
pub fn is_privileged(actions: &[String]) -> bool {
    duties_of(actions).any(roles::is_privileged)
}

impl State {
    /// Whether a role is privileged: one of the program's by its duty, one of the organisation's own by what it permits.
    #[must_use]
    pub fn is_privileged(&self, role: &str) -> bool {
        match self.custom_roles.get(role) {
            Some(defined) => is_privileged(&defined.actions),
            None => roles::is_privileged(role),
        }
    }

    /// Everybody who holds a privileged role at `now`, in whatever way they came by it, and whoever answers for a program
    /// that does: they can act as it.
    #[must_use]
    pub fn privileged_actors(&self, now: i64) -> BTreeSet<&str> {
        let privileged = self.held_roles(now).filter(|(_, role, _)| self.is_privileged(role));
        privileged.flat_map(|(actor, ..)| [actor, self.person_of(actor)]).collect()
    }

    /// Whether there is a role of this name that can be granted.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        roles::find(role).is_some() || self.custom_roles.contains_key(role)
    }

    /// What a role amounts to: what it is called, or what it permits when it is one of an organisation's own.
    fn duties<'a>(&'a self, role: &'a str) -> Vec<&'a str> {
        self.custom_roles.get(role).map_or_else(|| vec![role], |defined| duties_of(&defined.actions).collect())
    }

    /// Whether holding a role is having a duty.
    #[must_use]
    pub fn has_duty(&self, role: &str, duty: &str) -> bool {
        self.duties(role).contains(&duty)
    }

    /// The rule that keeps two roles apart, by what they are called or by what they permit.
    #[must_use]
    pub fn conflict_between(&self, one: &str, other: &str) -> Option<&'static Conflict> {
        let others = self.duties(other);
        self.duties(one).iter().find_map(|one| others.iter().find_map(|other| roles::conflict_between(one, other)))
    }

    /// Whether a role is or ever was a duty, so that whoever was given it may have had that.
    pub(super) fn was_duty(&self, role: &str, duty: &str) -> bool {
        role == duty || self.permitted.get(role).is_some_and(|ever| duties_of(ever).any(|one| one == duty))
    }

    /// Takes in what a role permits. What it permitted before is not forgotten.
    pub(crate) fn role_defined(&mut self, body: &RoleDefined) {
        self.custom_roles.insert(body.role.clone(), body.clone());
        let ever = self.permitted.entry(body.role.clone()).or_default();
        ever.extend(body.actions.iter().cloned());
        ever.sort_unstable();
        ever.dedup();
    }
}

pub(crate) fn define(state: &State, given: &Given, body: &RoleDefined) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    if body.role.len() > 40 || !body.role.starts_with(|c: char| c.is_ascii_lowercase()) || !body.role.chars().all(plain)
    {
        return invalid(format!("`{}` is not a name for a role: use up to 40 of a-z and `_`", body.role));
    }
    if roles::find(&body.role).is_some() || ["system", "nobody"].contains(&body.role.as_str()) {
        return Err(Refusal::new(RefusalCode::Exists, format!("`{}` is a role of the program's own", body.role)));
    }
    if body.actions.is_empty() || body.actions.len() > MAX_ACTIONS || !body.actions.is_sorted_by(|a, b| a < b) {
        return invalid(format!("a role permits between 1 and {MAX_ACTIONS} actions, sorted, each once"));
    }
    let duties: Vec<&str> = duties_of(&body.actions).collect();
    for (at, one) in duties.iter().enumerate() {
        if let Some((rule, other)) =
            duties[at + 1..].iter().find_map(|other| Some((roles::conflict_between(one, other)?, other)))
        {
            let message = format!(
                "role `{}` would hold what makes a `{one}` and what makes a `{other}`, and rule `{}` keeps them apart: one \
                 person could {}",
                body.role, rule.rule, rule.why
            );
            return Err(forbidden(rule.rule, message));
        }
    }
    if state.custom_roles.get(&body.role) == Some(body) {
        return Ok(vec![]);
    }
    holders_stay_apart(state, given, body)?;
    Ok(vec![Event::RoleDefined(body.clone())])
}

/// Whoever holds the role already must not come to hold two duties by its change.
fn holders_stay_apart(state: &State, given: &Given, body: &RoleDefined) -> Result<(), Refusal> {
    let held: Vec<(&str, &str, &str)> = state.held_roles(given.now).collect();
    for (holder, _, here) in held.iter().filter(|(_, role, _)| *role == body.role) {
        for (_, other, _) in held.iter().filter(|(actor, role, there)| {
            state.person_of(actor) == state.person_of(holder) && *role != body.role && roles::overlap(here, there)
        }) {
            let rule = duties_of(&body.actions).find_map(|duty| state.conflict_between(duty, other));
            if let Some(rule) = rule {
                let message = format!(
                    "`{holder}` holds `{}` and `{other}`, and rule `{}` keeps apart what they would then permit: end one first",
                    body.role, rule.rule
                );
                return Err(forbidden(rule.rule, message));
            }
        }
    }
    Ok(())
}

pub(crate) fn retire(state: &State, given: &Given, body: &RoleRetired) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    if !state.custom_roles.contains_key(&body.role) {
        return refuse(RefusalCode::NotFound, format!("there is no role `{}` of your own", body.role));
    }
    let named = |grant: &&super::Grant| grant.requested.role == body.role && grant.stands(given.now);
    if let Some(grant) = state.grants.values().find(named) {
        let message = format!("grant `{}` is of role `{}`: end it first", grant.requested.grant, body.role);
        return refuse(RefusalCode::Conflict, message);
    }
    let mapped = |group: &super::Group| {
        group.mapping.as_ref().is_some_and(|mapping| mapping.roles.iter().any(|mapped| mapped.role == body.role))
    };
    if let Some((group, _)) = state.groups.iter().find(|(_, group)| mapped(group)) {
        let message = format!("group `{group}` is mapped to role `{}`: map it to another first", body.role);
        return refuse(RefusalCode::Conflict, message);
    }
    if state.approval_rules().iter().any(|rule| rule.role == body.role) {
        let message = format!("role `{}` votes on approvals: let another vote first", body.role);
        return refuse(RefusalCode::Conflict, message);
    }
    Ok(vec![Event::RoleRetired(body.clone())])
}

fn forbidden(rule: &str, message: String) -> Refusal {
    Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.to_owned()] }
}
