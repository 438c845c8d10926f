//! Breaking the glass: what an emergency gives, what it does not, and that somebody looks at it afterwards.

use super::approvals::{Company, approve, high, install, request, service};
use crate::people::emergencies::{EMERGENCY_MS, REVIEW_MS};
use crate::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, EmergencyDeclared, EmergencyNamed, EmergencyReviewed,
    EndReason, Finding, GrantEnded, GrantNamed, OwnerReason,
};
use crate::serving::RiskTier;
use crate::{Command, RefusalCode};

fn declare(emergency: &str, role: &str) -> Command {
    Command::DeclareEmergency(EmergencyDeclared {
        emergency: emergency.into(),
        role: role.into(),
        scope: "org".into(),
        ends_at: 61_000,
        reference: "INC-1".into(),
    })
}

fn review(emergency: &str) -> Command {
    let (emergency, reference) = (emergency.into(), "INC-1".into());
    Command::ReviewEmergency(EmergencyReviewed { emergency, finding: Finding::Justified, reference })
}

fn end(emergency: &str) -> Command {
    Command::EndEmergency(EmergencyNamed { emergency: emergency.into() })
}

#[test]
fn given_an_emergency_when_declared_then_the_role_holds_at_once_and_deploys_without_waiting_and_all_of_it_is_told() {
    let mut company = Company::staffed();
    assert_eq!(company.done("a_other", declare("e_1", "deployer")), ["emergency.declared"]);
    let deployed = company.done("a_other", high("1"));
    assert_eq!(deployed, ["service.declared", "emergency.used", "deployment.started"]);
    assert_eq!(company.state.emergencies["e_1"].uses.len(), 1);
    assert_eq!(company.code("a_lead", review("e_1")), RefusalCode::Conflict, "not while it lasts");
    company.given.now = 61_000;
    assert!(company.state.roles_of("a_other", 61_000).next().is_none(), "it ended by itself");
    assert_eq!(company.rule("a_other", review("e_1")), "review-not-own");
    assert_eq!(company.rule("a_deployer", review("e_1")), "review-by-role");
    company.done("a_lead", review("e_1"));
    assert_eq!(company.code("a_lead", review("e_1")), RefusalCode::Conflict, "once");
    assert_eq!(company.state.emergencies["e_1"].review_due_at(), 61_000 + REVIEW_MS);
}

#[test]
fn given_a_program_that_may_review_when_it_belongs_to_whoever_broke_the_glass_then_it_is_no_second_person() {
    let mut company = Company::staffed();
    let (actor, kind) = ("a_bot".to_owned(), ActorKind::Service);
    company.done("a_admin", Command::RegisterActor(ActorRegistered { actor, kind, roles: vec![] }));
    let (actor, owner, reason) = ("a_bot".into(), "a_other".into(), OwnerReason::Named);
    company.done("a_admin", Command::OwnAccount(AccountOwned { actor, owner, reason }));
    company.grant("a_bot", "compliance_lead", "a_lead");
    company.done("a_other", declare("e_1", "monitor"));
    company.given.now = 61_000;
    assert_eq!(company.rule("a_bot", review("e_1")), "review-not-own");
    company.done("a_lead", review("e_1"));
}

#[test]
fn given_an_emergency_when_duties_would_come_together_then_the_rules_hold_all_the_same() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_trainer", declare("e_1", "deployer")), "train-not-deploy");
    assert_eq!(company.rule("a_approver", declare("e_1", "deployer")), "approve-not-deploy");
    for role in ["security_lead", "model_approver", "auditor", "model_trainer", "king"] {
        assert_eq!(company.code("a_other", declare("e_1", role)), RefusalCode::Invalid, "{role}");
    }
    // Whoever trained or approved a version does not deploy it, even when that role is long gone.
    company.done("a_deployer", request("p_1", high("1")));
    company.done("a_approver", approve("p_1"));
    for actor in ["a_trainer", "a_approver"] {
        let grant = company.state.grants.values().find(|grant| grant.requested.actor == actor).expect("granted");
        let grant = grant.requested.grant.clone();
        company.done("a_lead", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
    }
    company.done("a_trainer", declare("e_1", "deployer"));
    company.done("a_approver", declare("e_2", "deployer"));
    assert_eq!(company.rule("a_trainer", high("1")), "train-not-deploy");
    assert_eq!(company.rule("a_approver", high("1")), "approve-not-deploy");
    assert_eq!(company.code("a_trainer", declare("e_3", "monitor")), RefusalCode::Conflict, "one at a time");
}

#[test]
fn given_an_emergency_administrator_when_others_wait_for_approval_then_they_have_no_vote_and_change_no_policies() {
    let mut company = Company::staffed();
    company.done("a_other", declare("e_1", "administrator"));
    company.done("a_admin", super::approvals::request_grant("g_x", "a_deployer", "monitor", "org"));
    assert_eq!(
        company.rule("a_other", Command::ApproveGrant(GrantNamed { grant: "g_x".into() })),
        "emergency-not-approve"
    );
    assert_eq!(company.rule("a_other", install("second")), "approval-required");
    company.done("a_admin", request("p_1", install("second")));
    assert_eq!(company.rule("a_other", approve("p_1")), "vote-by-role");
}

#[test]
fn given_emergencies_that_make_no_sense_when_declared_then_each_is_refused_and_leaving_ends_one() {
    let mut company = Company::staffed();
    let wish = |change: fn(&mut EmergencyDeclared)| {
        let Command::DeclareEmergency(mut wish) = declare("e_1", "deployer") else { unreachable!() };
        change(&mut wish);
        Command::DeclareEmergency(wish)
    };
    for (command, code) in [
        (wish(|wish| wish.ends_at = 1_000), RefusalCode::Invalid),
        (wish(|wish| wish.ends_at = 1_001 + EMERGENCY_MS), RefusalCode::Invalid),
        (wish(|wish| wish.scope = "service/none".into()), RefusalCode::Invalid),
        (wish(|wish| wish.reference = "Anna is ill".into()), RefusalCode::Invalid),
        (wish(|wish| wish.emergency = "Anna".into()), RefusalCode::Invalid),
        (end("e_none"), RefusalCode::NotFound),
        (review("e_none"), RefusalCode::NotFound),
    ] {
        assert_eq!(company.code("a_other", command.clone()), code, "{command:?}");
    }
    company.done("a_other", declare("e_1", "deployer"));
    assert_eq!(company.code("a_other", declare("e_1", "deployer")), RefusalCode::Exists);
    assert_eq!(company.rule("a_deployer", end("e_1")), "review-by-role");
    company.done("a_other", end("e_1"));
    assert!(company.done("a_other", end("e_1")).is_empty());
    company.done("a_other", service("x", RiskTier::Low, "1"));
    company.done("a_other", declare("e_2", "deployer"));
    let left = company.done("a_lead", Command::Leave(ActorLeft { actor: "a_other".into() }));
    assert_eq!(left, ["actor.left", "emergency.ended"]);
}
