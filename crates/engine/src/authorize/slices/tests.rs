//! Slices answer as the whole set does, and leave out what they can.

use std::str::FromStr;

use domain::people::RoleDefined;
use domain::people::roles::ORG;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::Principal;
use crate::authorize::{question, role_policy};

/// Who a head can be about; roles `r_1` and `r_2` are given in scopes, `own` is one of an organisation's own.
const PRINCIPALS: [&str; 11] = [
    "principal",
    "principal",
    "principal is Key",
    "principal is Actor",
    r#"principal == Key::"k_1""#,
    r#"principal == Actor::"a_1""#,
    r#"principal in Role::"r_1""#,
    r#"principal in Role::"r_2""#,
    r#"principal in Actor::"a_1""#,
    r#"principal is Actor in Role::"own""#,
    r#"principal == Role::"r_1""#,
];

const ACTIONS: [&str; 7] = [
    "action",
    r#"action == Action::"infer""#,
    r#"action == Action::"read""#,
    r#"action in Action::"read""#,
    r#"action in [Action::"infer", Action::"sql"]"#,
    r#"action in [Action::"read", Action::"infer", Action::"read"]"#,
    r#"action == Action::"nobody.asks""#,
];

/// The principal can be the resource too, and is then in its roles.
const RESOURCES: [&str; 10] = [
    "resource",
    "resource",
    "resource is Service",
    "resource is Actor",
    r#"resource == Service::"s-1""#,
    r#"resource in Service::"s-2""#,
    r#"resource is Service in Service::"s-1""#,
    r#"resource in Role::"r_1""#,
    r#"resource is Actor in Role::"r_2""#,
    r#"resource == Actor::"a_1""#,
];

/// Some are errors for some who ask; Cedar passes over those policies.
const CONDITIONS: [&str; 8] = [
    "",
    "",
    "",
    "when { principal.services.contains(resource) }",
    r#"when { principal.service == Service::"s-1" }"#,
    "when { principal has owns && principal.owns.contains(resource) }",
    r#"unless { principal in Role::"r_2" }"#,
    "when { resource == principal }",
];

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn key(actor: &str, services: &[&str]) -> Principal {
    Principal { actor: actor.into(), services: names(services), ..Principal::default() }
}

fn person(actor: &str, roles: &[(&str, &str)], owns: &[&str]) -> Principal {
    let roles = roles.iter().map(|(role, scope)| ((*role).to_owned(), (*scope).to_owned())).collect();
    Principal { actor: actor.into(), roles, owns: names(owns), ..Principal::default() }
}

fn asking() -> Vec<Principal> {
    vec![
        key("k_1", &["s-1"]),
        key("k_2", &["s-1", "s-2"]),
        person("a_1", &[("r_1", ORG), ("r_2", "service/s-1"), ("own", "environment/prod")], &["a_2"]),
        person("a_2", &[("r_2", ORG), ("own", ORG)], &[]),
        person("a_3", &[], &[]),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let head = (select(PRINCIPALS.to_vec()), select(ACTIONS.to_vec()), select(RESOURCES.to_vec()));
    (select(vec!["permit", "permit", "forbid"]), head, select(CONDITIONS.to_vec())).prop_map(
        |(effect, (principal, action, resource), condition)| {
            format!("{effect} ({principal}, {action}, {resource}) {condition};\n")
        },
    )
}

type Question = (Principal, &'static str, &'static str, Option<&'static str>);

fn asked() -> impl Strategy<Value = Question> {
    let resources = ["service/s-1", "service/s-2", "service/s-3", "actor/a_1", "actor/a_2", "role/r_1", "ledger"];
    let resource = select(resources.to_vec());
    (select(asking()), select(vec!["infer", "read", "sql"]), resource, select(vec![None, Some("prod"), Some("test")]))
}

/// What Cedar says of the whole set.
fn whole(set: &PolicySet, request: &Request, entities: &Entities) -> Answer {
    let answer = Authorizer::new().is_authorized(request, set, entities);
    let mut policies: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
    policies.sort_unstable();
    Answer { decision: answer.decision(), policies }
}

proptest! {
    #[test]
    fn given_any_policies_when_anything_is_asked_then_slices_answer_as_the_whole_set_for_the_same_reasons(
        policies in proptest::collection::vec(policy(), 0..40),
        may in proptest::collection::btree_set(select(vec!["read", "sql"]), 1..3),
        questions in proptest::collection::vec(asked(), 1..20),
    ) {
        let own = RoleDefined { role: "own".into(), actions: may.into_iter().map(str::to_owned).collect() };
        let set = PolicySet::from_str(&(policies.concat() + &role_policy(&own))).expect("policies");
        let slices = Slices::of(&set).expect("slices");
        for (who, action, resource, environment) in questions {
            let (request, entities) = question(&who, action, resource, environment).expect("a question");
            let answer = slices.answer(&request, &entities);
            prop_assert_eq!(answer, whole(&set, &request, &entities), "{:?} {} {}", who, action, resource);
        }
    }
}

#[test]
fn given_policies_about_others_when_somebody_asks_then_cedar_evaluates_those_that_could_match_alone() {
    let mut text = r#"permit (principal is Key, action == Action::"infer", resource is Service);"#.to_owned();
    text += r#"forbid (principal, action, resource) when { resource == Service::"s-2" };"#;
    for i in 0..100 {
        text += &format!(r#"forbid (principal, action == Action::"infer", resource == Service::"s-{i}");"#);
        text += &format!(r#"forbid (principal == Key::"k_{i}", action == Action::"infer", resource);"#);
        text += &format!(r#"permit (principal in Role::"r_{i}", action == Action::"read", resource);"#);
        text += &format!(r#"permit (principal, action in [Action::"sql"], resource == Service::"s-{i}");"#);
    }
    let slices = Slices::of(&PolicySet::from_str(&text).expect("policies")).expect("slices");
    let evaluated = |who: &Principal, action: &str, resource: &str| -> usize {
        let (request, entities) = question(who, action, resource, None).expect("a question");
        slices.that_could_match(&request, &entities).iter().map(|slice| slice.num_of_policies()).sum()
    };
    // The two general ones, and those about this very key and service.
    assert_eq!(evaluated(&key("k_1", &["s-1"]), "infer", "service/s-1"), 4);
    assert_eq!(evaluated(&key("k_one", &["other"]), "infer", "service/other"), 2);
    assert_eq!(evaluated(&person("a_1", &[("r_1", ORG), ("r_2", ORG)], &[]), "read", "ledger"), 3);
    assert_eq!(evaluated(&person("a_1", &[("r_1", ORG)], &[]), "sql", "service/s-7"), 2);
}
