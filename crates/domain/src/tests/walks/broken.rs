//! That the oracle can say no: ledgers that no engine of ours would write, each with one rule broken.

use std::collections::BTreeSet;

use super::super::approvals::{Company, high, service};
use super::oracle::Oracle;
use crate::people::emergencies::EmergencyUsed;
use crate::people::{
    AccountOwned, ActorKind, ActorRegistered, ApprovalNamed, ApprovalRequested, ApprovalVoted, DutyStoodIn,
    EmergencyDeclared, GrantNamed, GrantPreapproved, GrantRequested, GroupMapped, GroupNamed, KeyCreated, KeyRevoked,
    KeyScope, OwnerReason, RoleDefined, Vote,
};
use crate::serving::{DeploymentStarted, RiskTier, Target};
use crate::{Command, Event};

const NOW: i64 = 2_000;

/// What the oracle has to say of an organisation where everybody has their duty, and of what is written after that.
/// Who did something, and the events of it.
type Done = (&'static str, Vec<Event>);

fn told(commands: &[(&str, Vec<Event>)]) -> Vec<String> {
    let mut oracle = Oracle::default();
    for (now, by, events) in &Company::staffed().done {
        oracle.take(*now, by, events);
    }
    assert_eq!(oracle.broken, Vec::<String>::new(), "until then all is well");
    for (by, events) in commands {
        oracle.take(NOW, by, events);
    }
    oracle.broken
}

/// That a version of the model answers for a service from here on, with what stands beside it.
fn deploys(command: Command, beside: Vec<Event>) -> Vec<Event> {
    let Command::DeclareService(body) = command else { unreachable!() };
    let started = DeploymentStarted {
        deployment: "d_1".into(),
        service: body.service.clone(),
        route: "r".into(),
        target: Target::Model { model: "m".into(), version: "1".into() },
        artifact_sha256: None,
    };
    let (first, last) = (Event::ServiceDeclared(body), Event::DeploymentStarted(started));
    std::iter::once(first).chain(beside).chain([last]).collect()
}

fn low() -> Command {
    service("support", RiskTier::Low, "1")
}

fn asks(approval: &str) -> Vec<Event> {
    vec![Event::ApprovalRequested(ApprovalRequested {
        approval: approval.into(),
        command: "service.declare".into(),
        resource: "service/credit".into(),
        digest: "d".into(),
        base: 0,
        quorum: 1,
        role: "model_approver".into(),
        deploys: BTreeSet::from(["m/1".to_owned()]),
        trained_by: BTreeSet::new(),
        beneficiary: None,
        evidence: vec![],
        expires_at: 9_000,
        reference: "CHG-1".into(),
    })]
}

fn votes(approval: &str, on_behalf_of: Option<&str>) -> Vec<Event> {
    let (approval, on_behalf_of) = (approval.into(), on_behalf_of.map(str::to_owned));
    vec![Event::ApprovalVoted(ApprovalVoted { approval, vote: Vote::Approve, on_behalf_of })]
}

fn consumes(approval: &str) -> Event {
    Event::ApprovalConsumed(ApprovalNamed { approval: approval.into() })
}

fn stands_in(duty: &str) -> Event {
    let (duty, command, resource) = (duty.into(), "service.declare".into(), "service/credit".into());
    Event::DutyStoodIn(DutyStoodIn { duty, command, resource })
}

fn wants(actor: &str, role: &str) -> Vec<Event> {
    let (grant, actor, role, scope) = ("g_x".into(), actor.into(), role.into(), "org".into());
    vec![Event::GrantRequested(GrantRequested { grant, actor, role, scope, ends_at: 9_000, reference: "CHG-1".into() })]
}

fn gets() -> Vec<Event> {
    vec![Event::GrantApproved(GrantNamed { grant: "g_x".into() })]
}

fn breaks_the_glass(role: &str) -> Vec<Event> {
    let (emergency, role, scope, reference) = ("e_1".into(), role.into(), "org".into(), "INC-1".into());
    vec![Event::EmergencyDeclared(EmergencyDeclared { emergency, role, scope, ends_at: 9_000, reference })]
}

fn uses_it() -> Event {
    let (emergency, command, resource) = ("e_1".into(), "service.declare".into(), "service/credit".into());
    Event::EmergencyUsed(EmergencyUsed { emergency, command, resource })
}

fn maps(roles: &[&str]) -> Vec<Event> {
    let role = |role: &&str| crate::people::MappedRole { role: (*role).to_owned(), scope: "org".into() };
    let roles = roles.iter().map(role).collect();
    vec![Event::GroupMapped(GroupMapped { group: "gr_a".into(), roles, days: 9 })]
}

fn gives(approved_by: &str) -> Vec<Event> {
    let (grant, group, approved_by) = ("g_x".into(), "gr_a".into(), approved_by.into());
    vec![Event::GrantPreapproved(GrantPreapproved { grant, group, approved_by })]
}

/// A program, and who answers for it.
fn program(owner: &str) -> Vec<Event> {
    let (actor, kind, owner) = ("a_bot".to_owned(), ActorKind::Service, owner.to_owned());
    let registered = ActorRegistered { actor: actor.clone(), kind, roles: vec![] };
    let owned = AccountOwned { actor, owner, reason: OwnerReason::Named };
    vec![Event::ActorRegistered(registered), Event::AccountOwned(owned)]
}

fn approves_mapping() -> Vec<Event> {
    vec![Event::GroupMapApproved(GroupNamed { group: "gr_a".into() })]
}

#[test]
fn given_a_deployment_by_the_wrong_hands_when_held_against_the_rules_then_each_is_told() {
    let staffed = || ("a_deployer", asks("p_1"));
    let cases: Vec<(Vec<Done>, &str)> = vec![
        (vec![("a_trainer", deploys(low(), vec![]))], "a_trainer trained and deployed m/1"),
        (
            vec![staffed(), ("a_trainer", votes("p_1", None)), ("a_trainer", deploys(low(), vec![]))],
            "a_trainer trained, approved and deployed m/1",
        ),
        (vec![("a_deployer", deploys(high("1"), vec![]))], "needed an approval and had none"),
        (vec![staffed(), ("a_deployer", deploys(high("1"), vec![consumes("p_1")]))], "had 0 votes of 1"),
        (
            vec![
                staffed(),
                ("a_approver", votes("p_1", None)),
                ("a_approver", deploys(high("1"), vec![consumes("p_1")])),
            ],
            "a_approver approved and carried out",
        ),
        (
            vec![
                staffed(),
                ("a_approver", votes("p_1", None)),
                ("a_approver", breaks_the_glass("deployer")),
                ("a_approver", deploys(high("1"), vec![uses_it()])),
            ],
            "a_approver approved and deployed m/1 in an emergency",
        ),
        (vec![("a_admin", deploys(low(), vec![stands_in("deployer")]))], "a_admin stood in for deployer"),
        // By the hand of a program all the same.
        (
            vec![("a_admin", program("a_trainer")), ("a_bot", deploys(low(), vec![]))],
            "a_trainer trained and deployed m/1",
        ),
    ];
    for (commands, expected) in cases {
        let broken = told(&commands);
        assert!(broken.iter().any(|what| what.contains(expected)), "{expected}: {broken:?}");
    }
}

#[test]
fn given_votes_by_those_who_have_none_when_held_against_the_rules_then_each_is_told() {
    let handed = votes("p_1", Some("a_approver"));
    let cases: Vec<(Vec<Done>, &str)> = vec![
        (vec![("a_deployer", asks("p_1")), ("a_deployer", votes("p_1", None))], "a_deployer asked and voted"),
        (vec![("a_deployer", asks("p_1")), ("a_trainer", votes("p_1", None))], "a_trainer trained what they voted on"),
        (
            vec![("a_deployer", asks("p_1")), ("a_approver", votes("p_1", None)), ("a_other", handed.clone())],
            "a_approver voted twice",
        ),
        (vec![("a_other", asks("p_1")), ("a_deployer", handed)], "a_deployer was handed a vote"),
        (
            vec![("a_admin", program("a_other")), ("a_deployer", asks("p_1")), ("a_bot", votes("p_1", None))],
            "a_bot voted and is no person",
        ),
        // Who asked by a program's hand asked, whoever answers for it today.
        (
            vec![
                ("a_admin", program("a_approver")),
                ("a_bot", asks("p_1")),
                ("a_admin", program("a_other")),
                ("a_approver", votes("p_1", None)),
            ],
            "a_approver asked and voted",
        ),
        (
            vec![("a_admin", vec![Event::RoleDefined(RoleDefined { role: "x".into(), actions: vec!["read".into()] })])],
            "needed an approval and had none",
        ),
    ];
    for (commands, expected) in cases {
        let broken = told(&commands);
        assert!(broken.iter().any(|what| what.contains(expected)), "{expected}: {broken:?}");
    }
}

#[test]
fn given_a_secret_of_a_program_that_somebody_else_came_to_answer_for_when_held_against_the_rules_then_it_is_told() {
    let made = || {
        let (key, scope) = ("k_1".to_owned(), KeyScope::Actor("a_bot".into()));
        let (prefix, secret_sha256) = ("cfk_".into(), key.clone());
        vec![Event::KeyCreated(KeyCreated { key, scope, prefix, secret_sha256, expires_at: 9_000, session: None })]
    };
    let own = |owner: &str| program(owner).split_off(1);
    let kept = vec![("a_admin", program("a_other")), ("a_other", made()), ("a_admin", own("a_lead"))];
    let expected = "a_other holds k_1 of a_bot, for which they do not answer";
    let broken = told(&kept);
    assert!(broken.iter().any(|what| what.contains(expected)), "{broken:?}");
    let mut ends = own("a_lead");
    ends.push(Event::KeyRevoked(KeyRevoked { key: "k_1".into() }));
    let ended = vec![("a_admin", program("a_other")), ("a_other", made()), ("a_admin", ends)];
    assert!(told(&ended).iter().all(|what| !what.contains("holds k_1")));
}

#[test]
fn given_roles_that_one_person_gave_when_held_against_the_rules_then_each_is_told() {
    let define = |actions: &[&str]| {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        vec![Event::RoleDefined(RoleDefined { role: "x".into(), actions })]
    };
    let cases: Vec<(Vec<Done>, &str)> = vec![
        (vec![("a_admin", wants("a_lead", "monitor")), ("a_lead", gets())], "a_lead approved a role of their own"),
        (vec![("a_admin", wants("a_other", "monitor")), ("a_admin", gets())], "a_admin asked for a role and approved"),
        (
            vec![
                ("a_admin", wants("a_other", "monitor")),
                ("a_deployer", breaks_the_glass("administrator")),
                ("a_deployer", gets()),
            ],
            "a_deployer approved a role in an emergency",
        ),
        (
            vec![("a_admin", wants("a_trainer", "deployer")), ("a_lead", gets())],
            "a_trainer has model_trainer in org and deployer in org",
        ),
        (
            vec![("a_admin", program("a_trainer")), ("a_admin", wants("a_bot", "deployer")), ("a_lead", gets())],
            "a_trainer has deployer in org and model_trainer in org",
        ),
        (
            vec![("a_admin", define(&["service.declare"])), ("a_admin", wants("a_trainer", "x")), ("a_lead", gets())],
            "a_trainer has model_trainer in org and x in org",
        ),
        (
            vec![
                ("a_admin", maps(&["monitor"])),
                ("a_admin", wants("a_other", "monitor")),
                ("a_admin", gives("a_lead")),
            ],
            "gr_a gave a role that nobody approved",
        ),
        (
            vec![
                ("a_admin", maps(&["monitor"])),
                ("a_lead", approves_mapping()),
                ("a_admin", wants("a_lead", "monitor")),
                ("a_admin", gives("a_lead")),
            ],
            "a_lead approved gr_a, by which they asked for a role or got it",
        ),
        (vec![("a_admin", maps(&["monitor"])), ("a_admin", approves_mapping())], "a_admin mapped and approved gr_a"),
    ];
    for (commands, expected) in cases {
        let broken = told(&commands);
        assert!(broken.iter().any(|what| what.contains(expected)), "{expected}: {broken:?}");
    }
}
