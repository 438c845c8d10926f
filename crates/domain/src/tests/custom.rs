//! Roles of an organisation's own, and the rules that they inherit.

use super::approvals::{Company, approve, high, register_model, request, request_grant};
use crate::people::{
    ApprovalRule, ApprovalsConfigured, EmergencyDeclared, EndReason, GrantEnded, GrantNamed, RoleDefined, RoleRetired,
};
use crate::{Command, RefusalCode};

fn define(role: &str, actions: &[&str]) -> Command {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    Command::DefineRole(RoleDefined { role: role.into(), actions })
}

fn retire(role: &str) -> Command {
    Command::RetireRole(RoleRetired { role: role.into() })
}

/// Defined with the security lead's approval.
#[track_caller]
fn defined(company: &mut Company, role: &str, actions: &[&str]) {
    let approval = format!("p_{}", company.state.size);
    company.done("a_admin", request(&approval, define(role, actions)));
    company.done("a_lead", approve(&approval));
    company.done("a_admin", define(role, actions));
}

#[track_caller]
fn granted(company: &mut Company, actor: &str, role: &str) {
    let grant = format!("g_{}", company.state.size);
    company.done("a_admin", request_grant(&grant, actor, role, "org"));
    company.done("a_lead", Command::ApproveGrant(GrantNamed { grant }));
}

#[test]
fn given_a_role_of_their_own_when_approved_then_it_is_granted_like_others_and_retired_when_nobody_holds_it() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_admin", define("reader", &["read", "sql"])), "approval-required");
    defined(&mut company, "reader", &["read", "sql"]);
    assert!(company.done("a_admin", define("reader", &["read", "sql"])).is_empty());
    granted(&mut company, "a_other", "reader");
    assert_eq!(company.code("a_admin", retire("reader")), RefusalCode::Conflict, "somebody holds it");
    assert_eq!(company.code("a_admin", retire("writer")), RefusalCode::NotFound);
    defined(&mut company, "writer", &["read"]);
    company.done("a_admin", retire("writer"));
    assert_eq!(company.code("a_admin", request_grant("g_x", "a_other", "writer", "org")), RefusalCode::Invalid);
}

#[test]
fn given_a_role_with_what_is_kept_apart_when_defined_or_held_beside_another_then_the_rule_is_named() {
    let mut company = Company::staffed();
    for (actions, rule) in [
        (&["model.register", "service.declare"][..], "train-not-deploy"),
        (&["approval.vote", "service.retire"], "approve-not-deploy"),
        (&["actor.register", "grant.approve"], "administer-not-secure"),
        (&["policies.install", "service.declare"], "administer-not-deploy"),
    ] {
        assert_eq!(company.rule("a_admin", define("mighty", actions)), rule);
    }
    defined(&mut company, "release_manager", &["read", "service.declare"]);
    assert_eq!(
        company.rule("a_admin", request_grant("g_x", "a_trainer", "release_manager", "org")),
        "train-not-deploy",
        "by what it permits, not by what it is called"
    );
    // A change must not bring together for a holder what was apart.
    defined(&mut company, "helper", &["read"]);
    granted(&mut company, "a_trainer", "helper");
    assert_eq!(company.rule("a_admin", define("helper", &["read", "service.declare"])), "train-not-deploy");
}

/// Ends what somebody holds.
#[track_caller]
fn revoked(company: &mut Company, actor: &str) {
    let now = company.given.now;
    let grant = company.state.grants.values().find(|grant| grant.requested.actor == actor && grant.holds(now));
    let grant = grant.expect("granted").requested.grant.clone();
    company.done("a_admin", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
}

#[test]
fn given_a_duty_by_a_role_of_their_own_when_granted_then_nobody_stands_in_for_it_any_more_nor_acts_without_approval() {
    let mut company = Company::begun();
    company.grant("a_lead", "security_lead", "a_admin");
    company.done("a_admin", register_model("1"));
    defined(&mut company, "releaser", &["service.declare"]);
    assert!(company.state.stand_ins_of("a_admin", 1_000).contains(&"deployer"), "defined is not given");
    granted(&mut company, "a_other", "releaser");
    assert_eq!(company.state.stand_ins_of("a_admin", 1_000), ["model_approver", "model_trainer"]);
    let (emergency, role, scope) = ("e_1".into(), "deployer".into(), "org".into());
    let declared = EmergencyDeclared { emergency, role, scope, ends_at: 61_000, reference: "INC-1".into() };
    company.done("a_other", Command::DeclareEmergency(declared));
    assert_eq!(company.rule("a_other", high("1")), "approval-required", "the duty was theirs without an emergency");
    company.given.now = 61_000;
    revoked(&mut company, "a_other");
    company.done("a_admin", retire("releaser"));
    assert_eq!(company.state.stand_ins_of("a_admin", 61_000), ["model_approver", "model_trainer"], "for good");
}

#[test]
fn given_somebody_who_approves_by_a_role_of_their_own_when_another_asks_then_they_do_not_approve_it_themselves() {
    let mut company = Company::staffed();
    defined(&mut company, "clerk", &["grant.approve"]);
    granted(&mut company, "a_other", "clerk");
    revoked(&mut company, "a_lead");
    company.done("a_admin", request_grant("g_x", "a_lead", "monitor", "org"));
    let approve = || Command::ApproveGrant(GrantNamed { grant: "g_x".into() });
    assert_eq!(company.rule("a_admin", approve()), "request-not-approve");
    company.done("a_other", approve());
}

#[test]
fn given_roles_that_make_no_sense_when_defined_then_each_is_refused() {
    let mut company = Company::staffed();
    for (command, code) in [
        (define("Reader", &["read"]), RefusalCode::Invalid),
        (define("", &["read"]), RefusalCode::Invalid),
        (define("auditor", &["read"]), RefusalCode::Exists),
        (define("system", &["read"]), RefusalCode::Exists),
        (define("reader", &[]), RefusalCode::Invalid),
        (define("reader", &["sql", "read"]), RefusalCode::Invalid),
    ] {
        assert_eq!(company.code("a_admin", command.clone()), code, "{command:?}");
    }
    defined(&mut company, "reader", &["read"]);
    defined(&mut company, "board", &["approval.vote", "read"]);
    let rule = |role: &str| {
        let (command, role) = ("provider.declare".into(), role.into());
        let rules = vec![ApprovalRule { command, quorum: 1, role, risk_tier: None }];
        Command::ConfigureApprovals(ApprovalsConfigured { rules })
    };
    assert_eq!(company.code("a_admin", rule("reader")), RefusalCode::Invalid, "it does not vote");
    company.done("a_admin", request("p_1", rule("board")));
    company.done("a_lead", approve("p_1"));
    company.done("a_admin", rule("board"));
    assert_eq!(company.code("a_admin", retire("board")), RefusalCode::Conflict, "it votes");
}
