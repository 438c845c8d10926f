//! Policies as changes: what new ones would let whom do, or no longer do.

mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::people::roles::{self, ENVIRONMENT, ORG, ROLES};
use domain::{Command, Refusal, RefusalCode, State};
use serde::Serialize;

pub use self::summary::ChangeGroup;
use self::summary::Power;
use crate::authorize::{ACTIONS, Policies};
use crate::{Engine, ExecuteError, Principal};

/// How many things of one kind are asked about by name; policies seldom name any.
const NAMED_MAX: usize = 50;

/// Somebody, an action, and the things on which they gain or lose it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `role NAME`, the pseudonym of an actor, or `anybody`, with no role at all.
    pub who: String,
    /// What they may do from then on, or may no longer do.
    pub action: String,
    /// On what, as `kind/name`, or as `kind` for all of them.
    pub resources: Vec<String>,
}

/// What differs between the policies in force and others.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyDiff {
    /// SHA-256 of the text in force.
    pub from: String,
    /// SHA-256 of the other text.
    pub to: String,
    /// Identifiers of policies that only the other text has.
    pub added: Vec<String>,
    /// Identifiers of policies that only the text in force has.
    pub removed: Vec<String>,
    /// Identifiers of policies that read otherwise.
    pub changed: Vec<String>,
    /// What becomes possible.
    pub gains: Vec<Change>,
    /// What is no longer possible.
    pub losses: Vec<Change>,
    /// The same to be read: those who gain and lose the same together.
    pub groups: Vec<ChangeGroup>,
    /// What whoever approves should not miss.
    pub warnings: Vec<String>,
}

/// Somebody to ask about, with all who are asked about together because they hold the same roles.
struct Asked {
    names: Vec<String>,
    principal: Principal,
}

impl Engine {
    /// What would change if `text` came into force, for each role and each actor, over all actions and kinds of things.
    ///
    /// # Errors
    /// A refusal when the text cannot be used as policies.
    pub async fn policy_diff(self: &Arc<Self>, text: &str) -> Result<PolicyDiff, ExecuteError> {
        let own = self.read(|state| state.custom_roles.clone());
        let other = Policies::with_roles(text, &own).map_err(|e| Refusal::new(RefusalCode::Invalid, e.to_string()))?;
        let diff = self.blocking(move |engine| {
            let (asked, things) = engine.read(|state| (asked(state, Self::now_ms()), things(state)));
            diff(&engine.policies(), &other, &asked, &things)
        });
        diff.await
    }
}

fn diff(from: &Policies, to: &Policies, asked: &[Asked], things: &BTreeMap<&str, Vec<String>>) -> PolicyDiff {
    let (old, new) = (from.texts(), to.texts());
    let only = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        one.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
    };
    let changed = old.iter().filter(|(id, text)| new.get(*id).is_some_and(|other| other != *text));
    let changed = changed.map(|(id, _)| id.clone()).collect();
    let (mut gains, mut losses) = (Vec::new(), Vec::new());
    let mut powers = vec![(Power::new(), Power::new()); asked.len()];
    for action in Command::NAMES.iter().copied().chain(ACTIONS) {
        for (Asked { names, principal }, (before, after)) in asked.iter().zip(&mut powers) {
            let (mut gained, mut lost) = (Vec::new(), Vec::new());
            for kind in kinds(action) {
                let named = things.get(kind).into_iter().flatten();
                // A thing that nobody thought of stands for all of its kind.
                for resource in std::iter::once((*kind).to_owned()).chain(named.cloned()) {
                    let says = |policies: &Policies| policies.decide(principal, action, &resource);
                    let (was, is) = (says(from), says(to));
                    if resource == *kind {
                        before.note(action, &was);
                        after.note(action, &is);
                    }
                    match (was.is_ok(), is.is_ok()) {
                        (false, true) => gained.push(resource),
                        (true, false) => lost.push(resource),
                        _ => {}
                    }
                }
            }
            for (resources, changes) in [(gained, &mut gains), (lost, &mut losses)] {
                let resources = shortened(resources);
                let change =
                    |who: &String| Change { who: who.clone(), action: action.to_owned(), resources: resources.clone() };
                if !resources.is_empty() {
                    changes.extend(names.iter().map(change));
                }
            }
        }
    }
    let (from, to) = (from.version().to_owned(), to.version().to_owned());
    let (groups, warnings) = (summary::grouped(&gains, &losses), summary::warnings(asked, &powers));
    let (added, removed) = (only(&new, &old), only(&old, &new));
    PolicyDiff { from, to, added, removed, changed, gains, losses, groups, warnings }
}

/// Without the things of a kind that is there as a whole.
fn shortened(resources: Vec<String>) -> Vec<String> {
    let kinds: BTreeSet<String> = resources.iter().filter(|name| !name.contains('/')).cloned().collect();
    let whole = |name: &String| name.split_once('/').is_some_and(|(kind, _)| kinds.contains(kind));
    resources.into_iter().filter(|name| !whole(name)).collect()
}

/// Each role by itself, somebody without any, and each actor with what they hold, those alike together.
fn asked(state: &State, now: i64) -> Vec<Asked> {
    let role = |name: &str| Asked {
        names: vec![format!("role {name}")],
        principal: Principal {
            actor: "a_holder".to_owned(),
            roles: vec![(name.to_owned(), ORG.to_owned())],
            ..Principal::default()
        },
    };
    let names = ROLES.iter().map(|known| known.name).chain(state.custom_roles.keys().map(String::as_str));
    let nobody = Principal { actor: "a_holder".to_owned(), ..Principal::default() };
    let anybody = Asked { names: vec!["anybody".to_owned()], principal: nobody };
    let mut asked: Vec<Asked> = names.map(role).chain([anybody]).collect();
    let mut alike: BTreeMap<_, Asked> = BTreeMap::new();
    for principal in Principal::all(state, now) {
        // Policies may name an actor, so the first of those alike is asked by name and the others are taken to be the same.
        let key = (principal.roles.clone(), principal.stands_in.clone(), principal.owns.clone());
        let entry =
            alike.entry(key).or_insert_with(|| Asked { names: vec![], principal: placed(state, principal.clone()) });
        entry.names.push(principal.actor);
    }
    asked.extend(alike.into_values());
    asked
}

/// With each role in an environment as one in every service that is there: nothing moves while policies are compared.
fn placed(state: &State, mut who: Principal) -> Principal {
    let services: Vec<String> = state.services.keys().map(|service| format!("service/{service}")).collect();
    let wide = who.roles.iter().filter(|(_, scope)| scope.starts_with(ENVIRONMENT));
    let within = wide.flat_map(|(role, scope)| {
        let here = services.iter().filter(move |service| roles::covers(state, scope, service));
        here.map(move |service| (role.clone(), service.clone()))
    });
    let within: Vec<(String, String)> = within.collect();
    who.roles.extend(within);
    who
}

/// Things that there are, by kind.
fn things(state: &State) -> BTreeMap<&'static str, Vec<String>> {
    fn named<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
        names.take(NAMED_MAX).map(|name| format!("{kind}/{name}")).collect()
    }
    BTreeMap::from([
        ("service", named("service", state.services.keys())),
        ("provider", named("provider", state.providers.keys())),
        ("model", named("model", state.models.keys())),
        ("dataset", named("dataset", state.datasets.keys())),
        ("tokens", named("tokens", state.token_scopes.keys())),
    ])
}

/// The kinds of things that an action concerns.
fn kinds(action: &str) -> &'static [&'static str] {
    const READ: &[&str] = &[
        "accesses",
        "approvals",
        "controls",
        "control",
        "contract",
        "contracts",
        "dataset",
        "datasets",
        "document",
        "documents",
        "encryption",
        "evidence",
        "inferences",
        "keys",
        "ledger",
        "log",
        "org",
        "people",
        "policies",
        "requests",
        "residency",
        "reviews",
        "segments",
        "state",
        "tokens",
    ];
    match action {
        "key.create" => &["service", "actor"],
        "keys.use" => &["node"],
        "accesses.import" => &["accesses"],
        "artifact.put" => &["model"],
        "segment.request" => &["segments", "log"],
        "read" => READ,
        "sql" | "state.digest" => &["ledger"],
        _ => match action.split('.').next().unwrap_or_default() {
            "account" | "actor" | "identity" | "passkey" | "person" | "profile" | "recovery" | "session" => &["actor"],
            "signin" => &["actor", "people"],
            "approval" => &["approval", "delegation"],
            "approvals" => &["approvals"],
            "emergency" => &["emergency"],
            "encryption" => &["encryption"],
            "control" => &["control", "controls"],
            "contract" => &["contract"],
            "dataset" => &["dataset"],
            "detector" => &["detector"],
            "object" => &["object"],
            "lineage" => &["lineage"],
            "document" => &["document", "documents"],
            "controls" => &["controls"],
            "evidence" => &["evidence"],
            "accesses" | "certificate" | "endpoints" | "gateway" | "node" | "segment" => &["node"],
            "grant" => &["grant"],
            "group" => &["group"],
            "key" => &["key", "service", "actor"],
            "keys" => &["keys"],
            "ledger" => &["ledger"],
            "model" => &["model"],
            "notification" => &["notifications"],
            "org" => &["org"],
            "people" => &["people"],
            "policies" => &["policies"],
            "provider" => &["provider"],
            "request" => &["request", "requests"],
            "hold" => &["hold"],
            "payload" => &["node"],
            "regions" | "store" => &["regions"],
            "residency" => &["residency"],
            "retention" => &["retention", "payloads", "disposal"],
            "transfer" => &["transfer"],
            "review" => &["review"],
            "role" => &["role"],
            "service" => &["service"],
            "token" => &["tokens"],
            "finding" => &["dataset"],
            "training" => &["actor"],
            "workload" => &["workload"],
            _ => EVERY,
        },
    }
}

/// Whether a resource is one that policies can speak of: its kind alone, or `kind/name`.
pub(crate) fn is_thing(resource: &str) -> bool {
    let (kind, name) = resource.split_once('/').unwrap_or((resource, "all"));
    !name.is_empty() && (kind == "role" || EVERY.contains(&kind))
}

/// The kinds of things that there are, for whoever named another.
pub(crate) fn all_kinds() -> String {
    EVERY.join(", ") + ", role"
}

/// Kinds to ask about when an action is not known to concern fewer.
const EVERY: &[&str] = &[
    "accesses",
    "actor",
    "approval",
    "approvals",
    "contract",
    "contracts",
    "control",
    "controls",
    "dataset",
    "datasets",
    "delegation",
    "detector",
    "disposal",
    "document",
    "documents",
    "emergency",
    "encryption",
    "evidence",
    "grant",
    "group",
    "hold",
    "inferences",
    "key",
    "keys",
    "ledger",
    "lineage",
    "log",
    "model",
    "node",
    "notifications",
    "object",
    "org",
    "payloads",
    "people",
    "policies",
    "provider",
    "regions",
    "request",
    "requests",
    "residency",
    "retention",
    "review",
    "reviews",
    "segments",
    "service",
    "state",
    "tokens",
    "transfer",
    "workload",
];

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../policies/counterfoil.cedar");

    #[test]
    fn given_other_policies_when_compared_then_the_diff_says_who_gains_and_loses_what() {
        let from = Policies::parse(SHIPPED).expect("the shipped policies");
        let more = r#"
@id("monitors-stop-services")
permit (principal in Role::"monitor", action == Action::"service.retire", resource);
@id("one-service")
permit (principal in Role::"privacy_officer", action == Action::"service.declare", resource == Service::"credit");
"#;
        let text = SHIPPED
            .replace("Action::\"control.request\", Action::\"evidence.request\"\n", "Action::\"control.request\"\n")
            + more;
        assert_ne!(text, SHIPPED.to_owned() + more, "the auditor loses something");
        let to = Policies::parse(&text).expect("policies");
        let role = |name: &str| (name.to_owned(), ORG.to_owned());
        let asked_of = |names: &[&str], roles: Vec<(String, String)>| Asked {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            principal: Principal { actor: names[0].to_owned(), roles, ..Principal::default() },
        };
        let things = BTreeMap::from([("service", vec!["service/credit".to_owned(), "service/chat".to_owned()])]);
        let asked = [
            asked_of(&["a_1", "a_2"], vec![role("monitor")]),
            asked_of(&["a_3"], vec![role("privacy_officer")]),
            asked_of(&["a_4"], vec![role("auditor")]),
        ];
        let found = diff(&from, &to, &asked, &things);
        let change = |who: &str, action: &str, resource: &str| Change {
            who: who.into(),
            action: action.into(),
            resources: vec![resource.into()],
        };
        let gains = [
            change("a_3", "service.declare", "service/credit"),
            change("a_1", "service.retire", "service"),
            change("a_2", "service.retire", "service"),
        ];
        assert_eq!(found.gains, gains);
        assert_eq!(found.losses, [change("a_4", "evidence.request", "evidence")]);
        assert_eq!(found.added, ["monitors-stop-services", "one-service"]);
        assert_eq!(
            (found.removed.as_slice(), found.changed.as_slice()),
            (&[][..], &["auditor-reads-and-tests".to_owned()][..])
        );
    }

    #[test]
    fn given_policies_that_permit_everything_when_compared_then_it_is_told_in_few_lines_and_with_a_warning() {
        let from = Policies::parse(SHIPPED).expect("the shipped policies");
        let asked = asked(&State::default(), 0);
        let compared = |more: &str| {
            let to = Policies::parse(&format!("{SHIPPED}\n{more}")).expect("policies");
            diff(&from, &to, &asked, &BTreeMap::new())
        };
        let found = compared("@id(\"all\") permit (principal, action, resource);");
        assert!(found.gains.len() > 500, "{}", found.gains.len());
        let lines: usize = found.groups.iter().map(|group| group.gains.len() + group.losses.len()).sum();
        assert!(lines < 40, "{lines}");
        let who = "role administrator, role security_lead, role compliance_lead, role auditor, role data_steward";
        assert_eq!(found.warnings[0], format!("{who} and 7 more could do everything that no policy forbids"));
        assert!(found.warnings.iter().any(|told| told.contains("void for") && told.contains("`train-not-deploy`")));

        let found = compared(
            "@id(\"monitors\") permit (principal in Role::\"monitor\", action in [Action::\"model.register\", \
             Action::\"service.declare\"], resource);",
        );
        let told = "separation of duties would be void for role monitor: alone they could do what is kept apart by \
                    `train-not-deploy`";
        assert_eq!(found.warnings, [told]);
        let group = ChangeGroup {
            who: vec!["role monitor".into()],
            gains: vec!["model.register on model".into(), "service.declare on service".into()],
            losses: vec![],
        };
        assert_eq!(found.groups, [group]);

        let found = compared(
            "@id(\"stop\") permit (principal in Role::\"monitor\", action == Action::\"service.retire\", resource);",
        );
        assert_eq!(found.warnings, [""; 0], "to gain one duty is what roles are for");
    }

    #[test]
    fn given_every_action_when_its_kinds_are_asked_for_then_the_schema_knows_them() {
        let words: BTreeSet<&str> = crate::authorize::SCHEMA.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for action in Command::NAMES.iter().chain(&ACTIONS) {
            for kind in kinds(action).iter().chain(EVERY) {
                let (first, rest) = kind.split_at(1);
                let entity = first.to_ascii_uppercase() + rest;
                assert!(words.contains(entity.as_str()), "{action} {kind}");
            }
        }
    }
}
