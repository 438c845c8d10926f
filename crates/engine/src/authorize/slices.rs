//! Policies sorted by what their heads name, so that Cedar evaluates those that could match and no others.
//!
//! Cedar evaluates every policy of a set, at more than a microsecond each. A head that names another principal, action or
//! resource is false whatever the conditions say, so leaving its policy out changes no answer. What stands in a condition is
//! not looked at: a policy whose head names nothing is evaluated for every question.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Entities, EntityUid, Policy, PolicySet, PrincipalConstraint, Request,
    ResourceConstraint,
};

use super::PolicyError;

/// What a head names. `in` and `==` are not told apart, and `is` is not looked at: a policy too many is only slower.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Head {
    principal: Option<EntityUid>,
    action: Option<EntityUid>,
    resource: Option<EntityUid>,
}

/// All policies of a set: each under its head, and under one for each action that it lists.
#[derive(Debug)]
pub(super) struct Slices(HashMap<Head, PolicySet>);

/// What the policies say, with those that determined it, by their identifiers, sorted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) policies: Vec<String>,
}

impl Slices {
    pub(super) fn of(set: &PolicySet) -> Result<Self, PolicyError> {
        let mut slices: HashMap<Head, PolicySet> = HashMap::new();
        for policy in set.policies() {
            for action in actions(policy) {
                let head = Head { principal: principal(policy), action, resource: resource(policy) };
                let slice = slices.entry(head).or_default();
                slice.add(policy.clone()).map_err(|e| PolicyError::Invalid(e.to_string()))?;
            }
        }
        Ok(Self(slices))
    }

    /// What Cedar would answer from the whole set: one policy that forbids decides, and else one that permits. Each slice says
    /// which of its own did either, and no policy is in two slices of one question.
    pub(super) fn answer(&self, request: &Request, entities: &Entities) -> Answer {
        let (mut permit, mut forbid) = (Vec::new(), Vec::new());
        for slice in self.that_could_match(request, entities) {
            let answer = Authorizer::new().is_authorized(request, slice, entities);
            let satisfied = answer.diagnostics().reason().map(ToString::to_string);
            match answer.decision() {
                Decision::Allow => permit.extend(satisfied),
                Decision::Deny => forbid.extend(satisfied),
            }
        }
        let allowed = forbid.is_empty() && !permit.is_empty();
        let (decision, mut policies) = if allowed { (Decision::Allow, permit) } else { (Decision::Deny, forbid) };
        policies.sort_unstable();
        Answer { decision, policies }
    }

    fn that_could_match(&self, request: &Request, entities: &Entities) -> Vec<&PolicySet> {
        let principals = within(request.principal(), entities);
        let actions = within(request.action(), entities);
        let resources = within(request.resource(), entities);
        let mut found = Vec::new();
        for principal in &principals {
            for action in &actions {
                for resource in &resources {
                    let (principal, action, resource) = (principal.clone(), action.clone(), resource.clone());
                    found.extend(self.0.get(&Head { principal, action, resource }));
                }
            }
        }
        found
    }
}

/// What a head can name and be about this: nothing, the thing itself, or what it is in.
fn within(uid: Option<&EntityUid>, entities: &Entities) -> Vec<Option<EntityUid>> {
    let around = uid.and_then(|uid| entities.ancestors(uid)).into_iter().flatten();
    let named = uid.into_iter().chain(around).cloned().map(Some);
    std::iter::once(None).chain(named).collect()
}

fn principal(policy: &Policy) -> Option<EntityUid> {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
    }
}

/// Each action that the head lists, once.
fn actions(policy: &Policy) -> HashSet<Option<EntityUid>> {
    match policy.action_constraint() {
        ActionConstraint::Any => HashSet::from([None]),
        ActionConstraint::Eq(uid) => HashSet::from([Some(uid)]),
        ActionConstraint::In(uids) => uids.into_iter().map(Some).collect(),
    }
}

fn resource(policy: &Policy) -> Option<EntityUid> {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => Some(uid),
    }
}
