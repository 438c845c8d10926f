//! The duties that are kept apart: which roles there are, and which of them nobody may hold together.

use std::collections::BTreeSet;

use crate::{Refusal, RefusalCode, State};

/// A duty that a person may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name, also the Cedar role's.
    pub name: &'static str,
    /// What its holder does.
    pub duty: &'static str,
    /// Whether its holder can change what serves, who may act, or what is kept.
    pub privileged: bool,
}

/// Every role that can be granted.
pub const ROLES: [Role; 11] = [
    role("administrator", "manages people and sets the installation up", true),
    role("security_lead", "approves and ends grants, withdraws keys, removes leavers", true),
    role("compliance_lead", "sets controls in scope, tests them, hands out evidence", false),
    role("auditor", "reads everything but payloads, tests controls, changes nothing", false),
    role("data_steward", "answers for data, its sources and its contracts", false),
    role("model_trainer", "trains models and registers their versions", true),
    role("model_approver", "approves model versions", true),
    role("deployer", "puts services and their routes into production", true),
    role("monitor", "watches services in production", false),
    role("privacy_officer", "answers for personal data and its erasure", true),
    role("directory", "registers people and groups, lets nobody do anything; for a program", true),
];

const fn role(name: &'static str, duty: &'static str, privileged: bool) -> Role {
    Role { name, duty, privileged }
}

/// The role of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

/// Whether one of these roles is privileged. [`State::is_privileged`] knows an organisation's own too.
#[must_use]
pub fn is_privileged(name: &str) -> bool {
    find(name).is_some_and(|role| role.privileged)
}

/// Two roles that nobody may hold at once in one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Name of the rule, as refusals give it.
    pub rule: &'static str,
    /// The two.
    pub roles: (&'static str, &'static str),
    /// What their holder could do alone.
    pub why: &'static str,
}

/// All pairs that are kept apart.
pub const CONFLICTS: [Conflict; 21] = [
    conflict("train-not-approve", "model_trainer", "model_approver", "approve a model of their own"),
    conflict("train-not-deploy", "model_trainer", "deployer", "deploy a model that nobody else looked at"),
    conflict("approve-not-deploy", "model_approver", "deployer", "approve and deploy without a second person"),
    conflict("administer-not-train", "administrator", "model_trainer", "train under rights they gave themselves"),
    conflict("administer-not-approve", "administrator", "model_approver", "approve under rights they gave themselves"),
    conflict("administer-not-deploy", "administrator", "deployer", "deploy under rights they gave themselves"),
    conflict("administer-not-secure", "administrator", "security_lead", "ask for a right and approve it"),
    conflict("audit-not-administer", "auditor", "administrator", "audit what they administer"),
    conflict("audit-not-comply", "auditor", "compliance_lead", "audit the controls they answer for"),
    conflict("audit-not-secure", "auditor", "security_lead", "audit the rights they approved"),
    conflict("audit-not-train", "auditor", "model_trainer", "audit the models they trained"),
    conflict("audit-not-approve", "auditor", "model_approver", "audit the approvals they gave"),
    conflict("audit-not-deploy", "auditor", "deployer", "audit what they deployed"),
    conflict("audit-not-erase", "auditor", "privacy_officer", "audit the erasures they carried out"),
    conflict("audit-not-provision", "auditor", "directory", "audit whom they registered"),
    conflict("provision-not-administer", "directory", "administrator", "register people and give them rights"),
    conflict("provision-not-secure", "directory", "security_lead", "register people and approve their rights"),
    conflict("provision-not-train", "directory", "model_trainer", "put themselves into the group that trains"),
    conflict("provision-not-approve", "directory", "model_approver", "put themselves into the group that approves"),
    conflict("provision-not-deploy", "directory", "deployer", "put themselves into the group that deploys"),
    conflict("provision-not-erase", "directory", "privacy_officer", "put themselves into the group that erases"),
];

const fn conflict(rule: &'static str, one: &'static str, other: &'static str, why: &'static str) -> Conflict {
    Conflict { rule, roles: (one, other), why }
}

/// The rule that keeps two roles apart.
#[must_use]
pub fn conflict_between(one: &str, other: &str) -> Option<&'static Conflict> {
    CONFLICTS.iter().find(|rule| rule.roles == (one, other) || rule.roles == (other, one))
}

/// Refuses what is no scope: it is `org`, `service/NAME` of a declared service, `environment/NAME` that one is in, or
/// `dataset/NAME` of a declared data set.
pub(crate) fn scope_is_valid(state: &State, scope: &str) -> Result<(), Refusal> {
    let service = scope.strip_prefix("service/");
    let dataset = scope.strip_prefix(DATASET);
    let declared = service.is_some_and(|service| state.services.contains_key(service))
        || dataset.is_some_and(|dataset| state.datasets.contains_key(dataset));
    if scope == ORG || declared {
        return Ok(());
    }
    let environments = environments(state);
    let message = match scope.strip_prefix(ENVIRONMENT) {
        Some(name) if environments.contains(name) => return Ok(()),
        Some(name) if environments.is_empty() => {
            format!("no service is in environment `{name}`, nor in any other: declare one first")
        }
        Some(name) => {
            let known: Vec<&str> = environments.into_iter().collect();
            format!("no service is in environment `{name}`; there are: {}", known.join(", "))
        }
        None => format!(
            "`{scope}` is no scope: give `org`, `service/NAME` of a declared service, `environment/NAME` of services, or \
             `dataset/NAME` of a declared data set"
        ),
    };
    Err(Refusal::new(RefusalCode::Invalid, message))
}

/// The environments that services are in.
fn environments(state: &State) -> BTreeSet<&str> {
    state.services.values().map(|spec| spec.environment.as_str()).collect()
}

/// Every scope but that of everything: environments, then services, then data sets.
#[must_use]
pub fn narrow_scopes(state: &State) -> Vec<String> {
    let environments = environments(state).into_iter().map(|name| format!("{ENVIRONMENT}{name}"));
    let services = state.services.keys().map(|service| format!("service/{service}"));
    let datasets = state.datasets.keys().map(|dataset| format!("{DATASET}{dataset}"));
    environments.chain(services).chain(datasets).collect()
}

/// Whether two scopes can share anything. An environment always overlaps a service, also one that is elsewhere now: a
/// service can move, and then nobody would be asked again. Refusing too much is the safe side. A data set is in no
/// environment and belongs to no service.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let whole = [one, other].contains(&ORG);
    let of_data = [one, other].iter().any(|scope| scope.starts_with(DATASET));
    one == other || whole || !of_data && one.starts_with(ENVIRONMENT) != other.starts_with(ENVIRONMENT)
}

/// Whether a scope covers a thing (`kind/name`) as things are now: an environment covers the services that are in it.
#[must_use]
pub fn covers(state: &State, scope: &str, resource: &str) -> bool {
    let here = |name: &str| scope.strip_prefix(ENVIRONMENT) == Some(name);
    scope == ORG || scope == resource || environment_of(state, resource).is_some_and(here)
}

/// The environment that a service (`service/NAME`) is in; nothing else is in one.
#[must_use]
pub fn environment_of<'a>(state: &'a State, resource: &str) -> Option<&'a str> {
    let spec = state.services.get(resource.strip_prefix("service/")?)?;
    Some(&spec.environment)
}

/// The scope that is everything.
pub const ORG: &str = "org";

/// How the scope begins that is all services in an environment.
pub const ENVIRONMENT: &str = "environment/";

/// How the scope begins that is one data set.
pub const DATASET: &str = "dataset/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_two_roles_that_exist_and_no_pair_twice() {
        for (at, rule) in CONFLICTS.iter().enumerate() {
            let (one, other) = rule.roles;
            assert!(find(one).is_some() && find(other).is_some() && one != other, "{}", rule.rule);
            let first = CONFLICTS.iter().position(|known| conflict_between(one, other) == Some(known));
            assert_eq!(first, Some(at), "{}", rule.rule);
        }
    }

    #[test]
    fn an_auditor_holds_no_role_that_changes_what_is_audited() {
        for role in ROLES.iter().filter(|role| role.privileged || role.name == "compliance_lead") {
            assert!(conflict_between("auditor", role.name).is_some(), "{}", role.name);
        }
    }

    #[test]
    fn scopes_overlap_when_one_holds_the_other() {
        assert!(overlap("org", "service/a") && overlap("service/a", "org") && overlap("service/a", "service/a"));
        assert!(!overlap("service/a", "service/b"));
        assert!(overlap("environment/a", "org") && overlap("environment/a", "environment/a"));
        assert!(overlap("environment/a", "service/b") && overlap("service/b", "environment/a"), "a service can move");
        assert!(!overlap("environment/a", "environment/b"));
        assert!(overlap("dataset/a", "org") && overlap("org", "dataset/a") && overlap("dataset/a", "dataset/a"));
        for apart in ["dataset/b", "service/a", "environment/a"] {
            assert!(!overlap("dataset/a", apart) && !overlap(apart, "dataset/a"), "{apart}");
        }
    }
}
