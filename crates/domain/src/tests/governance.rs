//! Who answers for services, what people work under, and that nobody vouches for themselves.

use super::approvals::{Company, approve, request, service};
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, DocumentAcknowledged, DocumentKind, DocumentPublished, EmergencyDeclared,
    TrainingRecorded,
};
use crate::serving::{RiskTier, ServiceRegistered, ServiceRetired};
use crate::{Command, RefusalCode};

fn register(owner: &str, risk_tier: RiskTier) -> Command {
    Command::RegisterService(ServiceRegistered { service: "support".into(), owner: owner.into(), risk_tier })
}

fn publish(version: u64) -> Command {
    Command::PublishDocument(DocumentPublished {
        document: "ai-use".into(),
        kind: DocumentKind::Policy,
        version,
        sha256: "a".repeat(64),
        review_due: 9_000_000,
        ack_required: true,
    })
}

fn acknowledge(version: u64) -> Command {
    Command::AcknowledgeDocument(DocumentAcknowledged { document: "ai-use".into(), version })
}

fn trained(actor: &str, change: fn(&mut TrainingRecorded)) -> Command {
    let mut body = TrainingRecorded {
        actor: actor.into(),
        course: "ai-basics".into(),
        completed_at: 500,
        expires_at: 9_000_000,
        evidence_sha256: None,
    };
    change(&mut body);
    Command::RecordTraining(body)
}

/// A company with a service of low risk, whose deployer asked for it to be registered.
fn asked() -> Company {
    let mut company = Company::staffed();
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
    company.done("a_deployer", request("p_1", register("a_other", RiskTier::Low)));
    company
}

#[test]
fn given_a_service_when_registered_then_somebody_else_approved_its_owner_and_risk_whatever_the_risk() {
    let mut company = asked();
    assert_eq!(company.rule("a_deployer", register("a_other", RiskTier::Low)), "approval-required");
    assert_eq!(company.rule("a_deployer", approve("p_1")), "request-not-approve");
    company.done("a_approver", approve("p_1"));
    assert_eq!(company.rule("a_deployer", register("a_lead", RiskTier::Low)), "approval-fits", "another owner");
    assert_eq!(company.rule("a_approver", register("a_other", RiskTier::Low)), "approve-not-carry-out");
    // What is served may change meanwhile; what was agreed to is the owner and the risk.
    company.done("a_deployer", Command::DeclareService(redescribed()));
    let registered = company.done("a_deployer", register("a_other", RiskTier::Low));
    assert_eq!(registered, ["service.registered", "approval.consumed"]);
    assert!(company.done("a_deployer", register("a_other", RiskTier::Low)).is_empty(), "it is so already");
    assert_eq!(company.state.registrations["support"].owner, "a_other");
}

/// The service with another purpose.
fn redescribed() -> crate::serving::ServiceDeclared {
    let Command::DeclareService(mut body) = service("support", RiskTier::Low, "1") else { unreachable!() };
    body.spec.purpose = "p2".into();
    body
}

#[test]
fn given_a_registration_when_its_owner_would_approve_it_then_they_are_refused() {
    let mut company = Company::staffed();
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
    company.done("a_deployer", request("p_1", register("a_approver", RiskTier::Low)));
    assert_eq!(company.rule("a_approver", approve("p_1")), "approve-not-own");
}

#[test]
fn given_registrations_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = Company::staffed();
    let code = |company: &mut Company, command| company.code("a_deployer", command);
    assert_eq!(code(&mut company, register("a_other", RiskTier::Low)), RefusalCode::NotFound, "no such service");
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
    assert_eq!(code(&mut company, register("a_other", RiskTier::High)), RefusalCode::Conflict, "not as declared");
    assert_eq!(code(&mut company, register("a_nobody", RiskTier::Low)), RefusalCode::NotFound);
    let (actor, kind) = ("a_bot".to_owned(), ActorKind::Service);
    company.done("a_admin", Command::RegisterActor(ActorRegistered { actor, kind, roles: vec![] }));
    assert_eq!(company.rule("a_deployer", register("a_bot", RiskTier::Low)), "people-answer");
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_other".into() }));
    assert_eq!(code(&mut company, register("a_other", RiskTier::Low)), RefusalCode::Conflict, "they left");
}

#[test]
fn given_a_registered_service_when_its_owner_leaves_its_risk_changes_or_it_is_retired_then_the_registration_ends() {
    type Ending = (&'static str, fn() -> Command);
    let ends: [Ending; 3] = [
        ("a_admin", || Command::Leave(ActorLeft { actor: "a_other".into() })),
        ("a_deployer", || service("support", RiskTier::Medium, "1")),
        ("a_deployer", || Command::RetireService(ServiceRetired { service: "support".into() })),
    ];
    for (by, end) in ends {
        let mut company = asked();
        company.done("a_approver", approve("p_1"));
        company.done("a_deployer", register("a_other", RiskTier::Low));
        company.done(by, end());
        assert!(company.state.registrations.is_empty(), "{by}");
    }
}

#[test]
fn given_an_organisation_of_one_when_they_register_a_service_then_the_ledger_says_that_they_stood_in() {
    let mut company = Company::begun();
    company.done("a_admin", super::approvals::register_model("1"));
    company.done("a_admin", service("support", RiskTier::Low, "1"));
    let registered = company.done("a_admin", register("a_admin", RiskTier::Low));
    assert_eq!(registered, ["service.registered", "duty.stood.in", "duty.stood.in"]);
}

#[test]
fn given_a_registration_that_was_stood_in_for_when_somebody_can_agree_then_it_is_asked_for_and_used_once() {
    let mut company = Company::begun();
    company.done("a_admin", super::approvals::register_model("1"));
    company.done("a_admin", service("support", RiskTier::Low, "1"));
    company.done("a_admin", register("a_other", RiskTier::Low));
    company.grant("a_lead", "security_lead", "a_admin");
    company.grant("a_approver", "model_approver", "a_lead");
    company.grant("a_deployer", "deployer", "a_lead");
    assert_eq!(company.rule("a_deployer", register("a_other", RiskTier::Low)), "approval-required");
    company.done("a_deployer", request("p_1", register("a_other", RiskTier::Low)));
    company.done("a_approver", approve("p_1"));
    let registered = company.done("a_deployer", register("a_other", RiskTier::Low));
    assert_eq!(registered, ["service.registered", "approval.consumed"]);
    assert!(company.done("a_deployer", register("a_other", RiskTier::Low)).is_empty(), "it was agreed to");
}

#[test]
fn given_an_emergency_when_a_service_is_registered_then_it_needs_its_approval_all_the_same() {
    let mut company = Company::staffed();
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
    company.done(
        "a_other",
        Command::DeclareEmergency(EmergencyDeclared {
            emergency: "e_1".into(),
            role: "deployer".into(),
            scope: "org".into(),
            ends_at: 61_000,
            reference: "INC-1".into(),
        }),
    );
    assert_eq!(company.rule("a_other", register("a_lead", RiskTier::Low)), "approval-required");
}

#[test]
fn given_a_document_when_published_then_another_person_approved_it_and_each_version_is_acknowledged_anew_by_each() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_other", publish(1)), "approval-required");
    company.done("a_other", request("p_1", publish(1)));
    assert_eq!(company.rule("a_approver", approve("p_1")), "vote-by-role", "the security lead's");
    company.done("a_lead", approve("p_1"));
    assert_eq!(company.done("a_other", publish(1)), ["document.published", "approval.consumed"]);
    company.done("a_other", request("p_2", publish(2)));
    company.done("a_lead", approve("p_2"));

    assert_eq!(company.done("a_trainer", acknowledge(1)), ["document.acknowledged"]);
    assert!(company.done("a_trainer", acknowledge(1)).is_empty(), "once is enough");
    assert_eq!(company.state.to_acknowledge("a_trainer").count(), 0);
    assert_eq!(company.state.to_acknowledge("a_deployer").count(), 1, "nobody did it for them");
    // That somebody acknowledged the one before does not stand in the way of the next.
    company.done("a_other", publish(2));
    assert_eq!(company.state.to_acknowledge("a_trainer").count(), 1, "the new version is to be read");
    assert_eq!(company.code("a_trainer", acknowledge(1)), RefusalCode::Conflict);
    company.done("a_trainer", acknowledge(2));
}

#[test]
fn given_documents_that_make_no_sense_when_published_or_acknowledged_then_each_is_refused() {
    let mut company = Company::staffed();
    let wish = |change: fn(&mut DocumentPublished)| {
        let Command::PublishDocument(mut wish) = publish(1) else { unreachable!() };
        change(&mut wish);
        Command::PublishDocument(wish)
    };
    let cases = [
        (wish(|wish| wish.document = "Use of AI".into()), RefusalCode::Invalid),
        (wish(|wish| wish.sha256 = "aa".into()), RefusalCode::Invalid),
        (wish(|wish| wish.version = 2), RefusalCode::Conflict),
        (wish(|wish| wish.review_due = 1_000), RefusalCode::Invalid),
        (wish(|wish| wish.review_due = i64::MAX), RefusalCode::Invalid),
        (acknowledge(1), RefusalCode::NotFound),
    ];
    for (command, code) in cases {
        assert_eq!(company.code("a_other", command.clone()), code, "{command:?}");
    }
    company.done("a_other", request("p_1", publish(1)));
    company.done("a_lead", approve("p_1"));
    company.done("a_other", publish(1));
    let (actor, kind) = ("a_bot".to_owned(), ActorKind::Service);
    company.done("a_admin", Command::RegisterActor(ActorRegistered { actor, kind, roles: vec![] }));
    assert_eq!(company.rule("a_bot", acknowledge(1)), "people-answer", "a program read nothing");
}

#[test]
fn given_training_when_recorded_then_by_somebody_else_and_a_later_record_stands() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_other", trained("a_other", |_| {})), "record-not-own");
    assert_eq!(company.done("a_other", trained("a_trainer", |_| {})), ["training.recorded"]);
    assert!(company.done("a_other", trained("a_trainer", |_| {})).is_empty());
    company.done("a_other", trained("a_trainer", |body| body.expires_at = 8_000_000));
    assert_eq!(company.state.training["a_trainer"]["ai-basics"].expires_at, 8_000_000, "it was corrected");
    type Wrong = fn(&mut TrainingRecorded);
    let cases: [(Wrong, RefusalCode); 6] = [
        (|body| body.course = "AI basics".into(), RefusalCode::Invalid),
        (|body| body.completed_at = 2_000, RefusalCode::Invalid),
        (|body| body.expires_at = 500, RefusalCode::Invalid),
        (|body| body.expires_at = i64::MAX, RefusalCode::Invalid),
        (|body| body.evidence_sha256 = Some("zz".into()), RefusalCode::Invalid),
        (|body| body.actor = "a_nobody".into(), RefusalCode::NotFound),
    ];
    for (change, code) in cases {
        assert_eq!(company.code("a_other", trained("a_trainer", change)), code);
    }
}

#[test]
fn given_a_program_of_theirs_when_it_records_its_owners_training_then_that_is_refused_as_well() {
    let mut company = Company::staffed();
    let (actor, kind) = ("a_bot".to_owned(), ActorKind::Service);
    company.done("a_admin", Command::RegisterActor(ActorRegistered { actor, kind, roles: vec![] }));
    assert_eq!(company.rule("a_bot", trained("a_admin", |_| {})), "record-not-own");
}
