//! People and groups as a directory keeps them, and what being in a group asks for.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::duties::{Company, approve, request};
use crate::people::directory::DIRECTORY;
use crate::people::roles::{CONFLICTS, ORG, overlap};
use crate::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ActorReturned, EndReason, GrantEnded, GroupMapped, GroupNamed,
    IdentitySource, MappedRole, OwnerReason, Presence, ProvisionGroup, ProvisionPerson,
};
use crate::{Command, RefusalCode};

fn reference(of: &str) -> String {
    let digit = |c: char| char::from_digit(u32::from(c) % 16, 16).unwrap_or('0');
    format!("{:0<32}", of.chars().map(digit).collect::<String>())
}

fn person(actor: &str, name: &str, presence: Option<Presence>) -> Command {
    Command::ProvisionPerson(ProvisionPerson {
        actor: actor.into(),
        kind: ActorKind::Human,
        names: BTreeSet::from([reference(name)]),
        sealed_sha256: Some("f".repeat(64)),
        presence,
    })
}

fn members(group: &str, source: IdentitySource, add: &[&str], remove: &[&str]) -> Command {
    let set = |actors: &[&str]| actors.iter().map(|actor| (*actor).to_owned()).collect();
    let (add, remove) = (set(add), set(remove));
    Command::ProvisionGroup(ProvisionGroup { group: group.into(), described: None, source, add, remove })
}

fn scim(group: &str, add: &[&str], remove: &[&str]) -> Command {
    members(group, IdentitySource::Scim, add, remove)
}

fn group(group: &str) -> Command {
    let described = Some((BTreeSet::from([reference(group)]), "e".repeat(64)));
    let (source, add, remove) = (IdentitySource::Scim, BTreeSet::new(), BTreeSet::new());
    Command::ProvisionGroup(ProvisionGroup { group: group.into(), described, source, add, remove })
}

fn map(group: &str, roles: &[(&str, &str)]) -> Command {
    let role = |(role, scope): &(&str, &str)| MappedRole { role: (*role).into(), scope: (*scope).into() };
    Command::MapGroup(GroupMapped { group: group.into(), roles: roles.iter().map(role).collect(), days: 90 })
}

fn approve_map(group: &str) -> Command {
    Command::ApproveGroupMap(GroupNamed { group: group.into() })
}

fn leave(actor: &str) -> Command {
    Command::Leave(ActorLeft { actor: actor.into() })
}

fn back(actor: &str) -> Command {
    Command::Return(ActorReturned { actor: actor.into() })
}

/// A company with a security lead, a directory `a_dir`, whose owner `a_it` holds nothing, and two groups.
fn company() -> Company {
    let mut company = Company::with_a_lead();
    for (actor, kind) in [("a_it", ActorKind::Human), ("a_dir", ActorKind::Service)] {
        company.done("a_admin", Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles: vec![] }));
    }
    let refused = company.refused("a_admin", request("g_dir", "a_dir", DIRECTORY, ORG));
    assert_eq!(refused.policies, ["provision-not-administer"], "whoever answers for a program can act as it");
    let own = AccountOwned { actor: "a_dir".into(), owner: "a_it".into(), reason: OwnerReason::Named };
    company.done("a_admin", Command::OwnAccount(own));
    company.done("a_admin", request("g_dir", "a_dir", DIRECTORY, ORG));
    company.done("a_lead", approve("g_dir"));
    company.done("a_dir", group("gr_train"));
    company.done("a_dir", group("gr_deploy"));
    company
}

/// A fresh identifier for the next command, as the engine gives one.
fn fresh(company: &mut Company) {
    company.given.fresh = format!("{:032x}", company.state.size);
}

#[test]
fn given_a_directory_when_it_registers_changes_and_removes_somebody_then_each_is_one_step() {
    let mut company = company();
    let new = company.done("a_dir", person("a_9", "zoe", None));
    assert_eq!(new, ["actor.registered", "identity.linked", "profile.set"]);
    assert!(company.done("a_dir", person("a_9", "zoe", Some(Presence::Active))).is_empty(), "nothing changed");
    let renamed = company.done("a_dir", person("a_9", "zoe2", None));
    assert_eq!(renamed, ["identity.unlinked", "identity.linked"]);
    company.done("a_dir", scim("gr_train", &["a_9"], &[]));
    assert_eq!(company.done("a_dir", person("a_9", "zoe2", Some(Presence::Inactive))), ["actor.left"]);
    assert!(company.state.groups["gr_train"].members.contains_key("a_9"), "whoever is away stays in their groups");
    assert_eq!(company.done("a_dir", person("a_9", "zoe2", Some(Presence::Active))), ["actor.returned"]);
    let removed = company.done("a_dir", person("a_9", "zoe2", Some(Presence::Removed)));
    assert_eq!(removed, ["actor.left", "group.member.removed", "actor.removed"]);
    let known_again = company.done("a_dir", person("a_9", "zoe2", Some(Presence::Inactive)));
    assert_eq!(known_again, ["actor.returned", "actor.left"], "and still away");
    assert!(!company.state.removed.contains("a_9") && company.state.left.contains_key("a_9"));
    assert_eq!(company.refused("a_dir", person("a_8", "zoe2", None)).code, RefusalCode::Exists, "the name is theirs");
}

#[test]
fn given_a_directory_when_it_reaches_for_others_then_the_rule_is_named() {
    let mut company = company();
    let reach = |company: &mut Company, actor| company.refused("a_dir", person(actor, "x", Some(Presence::Inactive)));
    assert_eq!(reach(&mut company, "a_admin").policies, ["directory-reaches-its-own"]);
    assert_eq!(reach(&mut company, "a_system").policies, ["nobody-is-the-system"]);
    let program = Command::ProvisionPerson(ProvisionPerson {
        actor: "a_bot".into(),
        kind: ActorKind::Service,
        names: BTreeSet::new(),
        sealed_sha256: None,
        presence: None,
    });
    assert_eq!(company.refused("a_dir", program.clone()).policies, ["directory-keeps-people"]);
    company.done("a_admin", program);
    let human = company.refused("a_admin", request("g_1", "a_1", DIRECTORY, ORG));
    assert_eq!(human.code, RefusalCode::Invalid, "{}", human.message);
    let both = company.refused("a_admin", request("g_2", "a_dir", "deployer", ORG));
    assert_eq!(both.policies, ["provision-not-deploy"]);
}

#[test]
fn given_somebody_with_a_user_name_by_hand_when_a_directory_reaches_for_them_then_it_may_not() {
    let mut company = company();
    company.done("a_admin", person("a_9", "zoe", None));
    company.done("a_admin", person("a_it", "it", None));
    assert!(!company.state.is_provisioned("a_9"));
    for (actor, name) in [("a_9", "zoe"), ("a_it", "it")] {
        for presence in [None, Some(Presence::Inactive), Some(Presence::Removed)] {
            let refused = company.refused("a_dir", person(actor, name, presence));
            assert_eq!(refused.policies, ["directory-reaches-its-own"]);
        }
    }
    assert_eq!(company.refused("a_dir", person("a_8", "zoe", None)).code, RefusalCode::Exists, "the name is theirs");
    assert_eq!(company.done("a_admin", person("a_9", "zoe2", None)), ["identity.unlinked", "identity.linked"]);
    assert!(!company.state.is_provisioned("a_9"));
    // Whom the directory registered stays its own, whoever writes down another name.
    company.done("a_dir", person("a_7", "ada", None));
    company.done("a_admin", person("a_7", "ada2", None));
    assert!(company.state.is_provisioned("a_7"));
    assert_eq!(company.done("a_dir", person("a_7", "ada2", Some(Presence::Inactive))), ["actor.left"]);
}

#[test]
fn given_the_owner_of_a_program_when_their_directory_removes_them_then_whoever_answers_for_the_directory_has_it() {
    let mut company = company();
    company.done("a_dir", person("a_9", "zoe", None));
    let registered = ActorRegistered { actor: "a_job".into(), kind: ActorKind::Service, roles: vec![] };
    company.done("a_admin", Command::RegisterActor(registered));
    let own = AccountOwned { actor: "a_job".into(), owner: "a_9".into(), reason: OwnerReason::Named };
    company.done("a_admin", Command::OwnAccount(own));
    let removed = company.done("a_dir", person("a_9", "zoe", Some(Presence::Removed)));
    assert_eq!(removed, ["actor.left", "account.owned", "actor.removed"]);
    let account = &company.state.accounts["a_job"];
    assert_eq!((account.owner.as_str(), account.reason), ("a_it", OwnerReason::Left));
}

#[test]
fn given_a_mapped_group_when_people_come_and_go_then_roles_are_asked_for_and_end() {
    let mut company = company();
    company.done("a_admin", map("gr_train", &[("model_trainer", ORG)]));
    fresh(&mut company);
    let joined = company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    assert_eq!(joined, ["group.member.added", "grant.requested"], "the directory gives nothing by itself");
    assert!(company.roles("a_1").is_empty());
    let waiting = company.state.grants.values().find(|grant| grant.requested.actor == "a_1").expect("asked for");
    let waiting = waiting.requested.grant.clone();
    company.done("a_lead", approve(&waiting));
    assert_eq!(company.roles("a_1"), [("model_trainer", ORG)]);
    let gone = company.done("a_dir", scim("gr_train", &[], &["a_1"]));
    assert_eq!(gone, ["group.member.removed", "grant.ended"]);
    assert!(company.roles("a_1").is_empty(), "at once");
}

#[test]
fn given_an_approved_mapping_when_somebody_joins_then_its_approver_stands_for_the_grant_but_not_for_their_own() {
    let mut company = company();
    company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    fresh(&mut company);
    company.done("a_admin", map("gr_train", &[("model_trainer", ORG)]));
    assert_eq!(company.refused("a_admin", approve_map("gr_train")).policies, ["request-not-approve"]);
    company.given.now = 1_001;
    let approved = company.done("a_lead", approve_map("gr_train"));
    assert_eq!(approved, ["group.map.approved", "grant.preapproved"], "what waited, holds");
    fresh(&mut company);
    let joined = company.done("a_dir", scim("gr_train", &["a_2", "a_lead"], &[]));
    let expected =
        ["group.member.added", "group.member.added", "grant.requested", "grant.preapproved", "grant.requested"];
    assert_eq!(joined, expected, "the lead's own waits for somebody else");
    assert_eq!((company.roles("a_1").len(), company.roles("a_2").len()), (1, 1));
    let by = |actor: &str| {
        let theirs = company.state.grants.values().find(|grant| grant.requested.actor == actor).expect("a grant");
        (theirs.requested_by.clone(), theirs.approved.clone().expect("approved").0)
    };
    assert_eq!(by("a_2"), ("a_dir".to_owned(), "a_lead".to_owned()));
    fresh(&mut company);
    assert_eq!(company.done("a_admin", map("gr_train", &[("monitor", ORG)])).len(), 7, "other roles, asked for anew");
    assert!(company.roles("a_1").is_empty(), "what is not mapped any more has ended");
}

#[test]
fn given_groups_that_are_kept_apart_when_somebody_is_in_both_then_the_second_role_is_withheld_by_name() {
    let mut company = company();
    company.done("a_admin", map("gr_train", &[("model_trainer", "service/credit")]));
    company.done("a_admin", map("gr_deploy", &[("deployer", ORG)]));
    fresh(&mut company);
    company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    fresh(&mut company);
    assert_eq!(company.done("a_dir", scim("gr_deploy", &["a_1"], &[])), ["group.member.added", "grant.withheld"]);
    let both = map("gr_deploy", &[("deployer", ORG), ("model_approver", "service/support")]);
    assert_eq!(company.refused("a_admin", both).policies, ["approve-not-deploy"]);
    company.refused("a_admin", map("gr_deploy", &[("directory", ORG)]));
}

#[test]
fn given_two_sources_when_one_says_no_more_that_somebody_is_in_a_group_then_the_other_still_does() {
    let mut company = company();
    company.done("a_admin", map("gr_train", &[("model_trainer", ORG)]));
    fresh(&mut company);
    company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    let again = company.done("a_system", members("gr_train", IdentitySource::Oidc, &["a_1"], &[]));
    assert_eq!(again, ["group.member.added"], "asked for already");
    assert_eq!(company.done("a_dir", scim("gr_train", &[], &["a_1"])), ["group.member.removed"]);
    let last = company.done("a_system", members("gr_train", IdentitySource::Oidc, &[], &["a_1"]));
    assert_eq!(last, ["group.member.removed", "grant.ended"]);
}

#[test]
fn given_two_groups_with_one_role_when_somebody_leaves_one_then_the_other_asks_for_it() {
    let mut company = company();
    for of in ["gr_train", "gr_deploy"] {
        company.done("a_admin", map(of, &[("monitor", ORG)]));
        company.done("a_lead", approve_map(of));
        fresh(&mut company);
        company.done("a_dir", scim(of, &["a_1"], &[]));
    }
    fresh(&mut company);
    let moved = company.done("a_dir", scim("gr_train", &[], &["a_1"]));
    assert_eq!(moved, ["group.member.removed", "grant.ended", "grant.requested", "grant.preapproved"]);
    assert_eq!(company.roles("a_1").len(), 1);
    let deleted = company.done("a_admin", Command::DeleteGroup(GroupNamed { group: "gr_deploy".into() }));
    assert_eq!(deleted, ["group.deleted", "grant.ended"]);
    assert!(company.roles("a_1").is_empty());
}

#[test]
fn given_somebody_who_left_when_they_return_then_nothing_is_theirs_until_it_is_approved_anew() {
    let mut company = company();
    company.done("a_admin", map("gr_train", &[("model_trainer", ORG)]));
    company.done("a_lead", approve_map("gr_train"));
    fresh(&mut company);
    company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    company.done("a_admin", request("g_own", "a_1", "monitor", ORG));
    company.done("a_lead", approve("g_own"));
    assert_eq!(company.done("a_lead", leave("a_1")), ["actor.left", "grant.ended", "grant.ended"]);
    fresh(&mut company);
    assert_eq!(company.done("a_lead", back("a_1")), ["actor.returned", "grant.requested"], "and not approved");
    assert!(company.roles("a_1").is_empty() && company.state.roles_of("a_1", 1_001).next().is_none());
    assert!(company.done("a_lead", back("a_1")).is_empty());
    // Whoever began with a role begins with none.
    company.done("a_admin", request("g_admin", "a_2", "administrator", ORG));
    company.done("a_lead", approve("g_admin"));
    company.done("a_2", leave("a_admin"));
    company.done("a_2", back("a_admin"));
    assert!(company.state.roles_of("a_admin", 1_001).next().is_none());
}

#[test]
fn given_a_grant_by_a_group_when_it_ended_by_itself_then_being_said_to_be_in_it_asks_anew_but_not_when_it_was_taken_away()
 {
    let mut company = company();
    company.done("a_admin", map("gr_train", &[("model_trainer", ORG)]));
    company.done("a_lead", approve_map("gr_train"));
    fresh(&mut company);
    company.done("a_dir", scim("gr_train", &["a_1"], &[]));
    fresh(&mut company);
    assert!(company.done("a_dir", scim("gr_train", &["a_1"], &[])).is_empty(), "it still holds");
    company.given.now += 91 * 24 * 60 * 60 * 1000;
    company.state.grants.retain(|_, grant| grant.requested.reference.starts_with("group:"));
    assert!(company.roles("a_1").is_empty());
    fresh(&mut company);
    let again = company.done("a_system", members("gr_train", IdentitySource::Scim, &["a_1"], &[]));
    assert_eq!(again, ["grant.requested", "grant.preapproved"]);
    let held = company.state.grants.values().find(|grant| grant.holds(company.given.now)).expect("it holds");
    let held = held.requested.grant.clone();
    company.done("a_admin", Command::EndGrant(GrantEnded { grant: held, reason: EndReason::Revoked }));
    fresh(&mut company);
    assert!(company.done("a_system", members("gr_train", IdentitySource::Scim, &["a_1"], &[])).is_empty());
}

#[test]
fn given_a_grant_asked_for_by_hand_when_it_says_that_it_came_by_a_group_then_it_is_refused() {
    let mut company = company();
    let mut wish = request("g_1", "a_1", "monitor", ORG);
    if let Command::RequestGrant(body) = &mut wish {
        body.reference = "group:gr_train".into();
    }
    assert_eq!(company.refused("a_admin", wish).code, RefusalCode::Invalid);
    let ended = Command::EndGrant(GrantEnded { grant: "g_dir".into(), reason: EndReason::GroupLeft });
    assert_eq!(company.refused("a_admin", ended).code, RefusalCode::Conflict);
}

proptest! {
    /// Whatever a directory, a provider and administrators do with groups: nobody ever holds two roles of a pair, and
    /// nobody's grant was approved by its holder or by whoever asked for it.
    #[test]
    fn no_sequence_of_changes_to_groups_brings_together_what_is_kept_apart(
        steps in proptest::collection::vec((0_u8..7, 0_usize..3, 0_usize..4, 0_usize..5), 1..60)
    ) {
        let mut company = company();
        company.done("a_dir", group("gr_more"));
        let (groups, people) = (["gr_train", "gr_deploy", "gr_more"], ["a_1", "a_2", "a_3", "a_lead"]);
        let roles = [("model_trainer", ORG), ("deployer", "service/credit"), ("model_approver", ORG),
            ("auditor", ORG), ("security_lead", ORG)];
        for (kind, of, who, role) in steps {
            let (of, who, role) = (groups[of], people[who], roles[role]);
            fresh(&mut company);
            let _ = match kind {
                0 | 1 => company.ask("a_dir", scim(of, &[who], &[])),
                2 => company.ask("a_system", members(of, IdentitySource::Oidc, &[who], &[])),
                3 => company.ask("a_dir", scim(of, &[], &[who])),
                4 => company.ask("a_admin", map(of, &[role])),
                5 => company.ask("a_lead", approve_map(of)),
                _ if company.state.left.contains_key(who) => company.ask("a_lead", back(who)),
                _ => company.ask("a_admin", leave(who)),
            };
            for actor in company.state.actors.keys() {
                let held: Vec<(&str, &str)> = company.state.roles_of(actor, company.given.now).collect();
                for rule in &CONFLICTS {
                    let has = |wanted: &str| held.iter().find(|(role, _)| *role == wanted).map(|(_, scope)| *scope);
                    if let (Some(one), Some(other)) = (has(rule.roles.0), has(rule.roles.1)) {
                        prop_assert!(!overlap(one, other), "{actor} broke {}", rule.rule);
                    }
                }
            }
            for grant in company.state.grants.values().filter(|grant| grant.requested.reference.starts_with("group:")) {
                if let Some((approver, _)) = &grant.approved {
                    prop_assert!(approver != &grant.requested.actor && approver != &grant.requested_by);
                }
            }
        }
    }
}
