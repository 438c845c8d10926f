//! What a second person must agree to: asking, voting, carrying out, and what stays apart whatever happens.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::command::RegisterModel;
use crate::infrastructure::PoliciesInstalled;
use crate::models::ModelFacts;
use crate::people::{
    AccountOwned, ActorKind, ActorRegistered, ApprovalCommented, ApprovalNamed, ApprovalRule, ApprovalVoted,
    ApprovalsConfigured, DelegationEnded, EndReason, GrantEnded, GrantNamed, GrantRequested, GroupMapped, GroupNamed,
    IdentitySource, MappedRole, OwnerReason, ProvisionGroup, RequestApproval, Vote, VoteDelegated,
};
use crate::serving::{RiskTier, Route, ServiceDeclared, ServiceRetired, ServiceSpec, Target, WhenUnrecordable};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

const ORG: &str = "org";

/// An organisation with an administrator and people without roles.
pub(super) struct Company {
    pub state: State,
    pub given: Given,
    /// What each command did: when, by whom, and its events.
    pub done: Vec<(i64, String, Vec<Event>)>,
}

pub(super) const PEOPLE: [&str; 6] = ["a_admin", "a_lead", "a_trainer", "a_approver", "a_deployer", "a_other"];

impl Company {
    /// Nobody but the administrator has a duty.
    pub fn begun() -> Self {
        let facts = ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] };
        let given = Given { now: 1_000, fresh: "f".into(), model: Some(Ok(facts)), ..Given::default() };
        let mut company = Self { state: State::default(), given, done: Vec::new() };
        let register = |actor: &str, kind, roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles })
        };
        company.done("a_system", install("first"));
        company.done("a_system", register("a_system", ActorKind::System, &["system"]));
        company.done("a_system", register("a_admin", ActorKind::Human, &["administrator"]));
        for actor in &PEOPLE[1..] {
            company.done("a_admin", register(actor, ActorKind::Human, &[]));
        }
        company
    }

    /// Everybody has their duty.
    pub fn staffed() -> Self {
        let mut company = Self::begun();
        company.grant("a_lead", "security_lead", "a_admin");
        for (actor, role) in
            [("a_trainer", "model_trainer"), ("a_approver", "model_approver"), ("a_deployer", "deployer")]
        {
            company.grant(actor, role, "a_lead");
        }
        company.done("a_trainer", register_model("1"));
        company
    }

    #[track_caller]
    pub fn grant(&mut self, actor: &str, role: &str, approver: &str) {
        let grant = format!("g_{}", self.state.size);
        self.done("a_admin", request_grant(&grant, actor, role, ORG));
        self.done(approver, Command::ApproveGrant(GrantNamed { grant }));
    }

    pub fn ask(&mut self, by: &str, command: Command) -> Result<Vec<&'static str>, Refusal> {
        self.given.by = by.to_owned();
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            let (stream, id) = (event.stream(), self.state.size.to_string());
            let sv = self.state.version(&stream) + 1;
            let entry = Entry { v: 1, id, ts: self.given.now, actor: by.into(), stream, sv, event: event.clone() };
            self.state.apply(&entry);
        }
        let names = events.iter().map(Event::name).collect();
        self.done.push((self.given.now, by.to_owned(), events));
        Ok(names)
    }

    #[track_caller]
    pub fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).expect("carried out")
    }

    /// Carries it out, unless it is refused.
    pub fn tried(&mut self, by: &str, command: Command) {
        drop(self.ask(by, command));
    }

    /// The rule by whose name it is refused.
    #[track_caller]
    pub fn rule(&mut self, by: &str, command: Command) -> String {
        let refusal = self.ask(by, command).expect_err("refused");
        assert_eq!(refusal.code, RefusalCode::Forbidden, "{refusal}");
        refusal.policies.join(",")
    }

    #[track_caller]
    pub fn code(&mut self, by: &str, command: Command) -> RefusalCode {
        self.ask(by, command).expect_err("refused").code
    }

    fn standing(&self, approval: &str) -> &'static str {
        self.state.approvals[approval].standing(self.given.now).as_str()
    }
}

pub(super) fn request_grant(grant: &str, actor: &str, role: &str, scope: &str) -> Command {
    let (grant, actor, role, scope) = (grant.into(), actor.into(), role.into(), scope.into());
    Command::RequestGrant(GrantRequested { grant, actor, role, scope, ends_at: 9_000_000, reference: "CHG-1".into() })
}

pub(super) fn install(text: &str) -> Command {
    let sha256 = merkle::hex(&Sha256::digest(text.as_bytes()));
    Command::InstallPolicies(PoliciesInstalled { sha256, text: text.into() })
}

pub(super) fn register_model(version: &str) -> Command {
    let (model, artifact_sha256) = ("m".into(), format!("sha-{version}"));
    let version = version.into();
    Command::RegisterModel(RegisterModel { model, version, artifact_sha256, trained_on: vec![], run: None })
}

/// A service of low risk in `prod`, without a route.
pub(super) fn spec() -> ServiceSpec {
    ServiceSpec {
        owner: "o".into(),
        purpose: "p".into(),
        risk_tier: RiskTier::Low,
        environment: "prod".into(),
        classification: "internal".into(),
        region: None,
        uses_personal_info: false,
        guardrails_required: false,
        explain_required: false,
        oversight: None,
        subject_country: None,
        significant_effect: false,
        when_unrecordable: WhenUnrecordable::Refuse,
        routes: vec![],
    }
}

pub(super) fn service(name: &str, risk_tier: RiskTier, version: &str) -> Command {
    let target = Target::Model { model: "m".into(), version: version.into() };
    let spec = ServiceSpec { risk_tier, routes: vec![Route { name: "r".into(), target, guard: None }], ..spec() };
    Command::DeclareService(ServiceDeclared { service: name.into(), spec })
}

pub(super) fn high(version: &str) -> Command {
    service("credit", RiskTier::High, version)
}

pub(super) fn request(approval: &str, command: Command) -> Command {
    Command::RequestApproval(RequestApproval {
        approval: approval.into(),
        command: Box::new(command),
        evidence: vec!["event/3".into()],
        expires_at: 500_000,
        reference: "CHG-1".into(),
    })
}

pub(super) fn vote(approval: &str, vote: Vote) -> Command {
    Command::VoteOnApproval(ApprovalVoted { approval: approval.into(), vote, on_behalf_of: None })
}

pub(super) fn approve(approval: &str) -> Command {
    vote(approval, Vote::Approve)
}

fn withdraw(approval: &str) -> Command {
    Command::WithdrawApproval(ApprovalNamed { approval: approval.into() })
}

fn delegate(delegation: &str, to: &str, role: &str) -> Command {
    let (delegation, to, role) = (delegation.into(), to.into(), role.into());
    Command::DelegateVote(VoteDelegated { delegation, to, role, ends_at: 400_000 })
}

fn configure(rules: &[(&str, u64, &str)]) -> Command {
    let rule = |(command, quorum, role): &(&str, u64, &str)| ApprovalRule {
        command: (*command).into(),
        quorum: *quorum,
        role: (*role).into(),
        risk_tier: None,
    };
    Command::ConfigureApprovals(ApprovalsConfigured { rules: rules.iter().map(rule).collect() })
}

#[test]
fn given_an_approver_of_one_environment_when_a_service_would_move_to_another_then_their_vote_does_not_count_there() {
    let mut company = Company::staffed();
    let at = |environment: &str, version: &str| {
        let Command::DeclareService(mut body) = high(version) else { unreachable!() };
        body.spec.environment = environment.into();
        Command::DeclareService(body)
    };
    company.done("a_deployer", request("p_1", at("staging", "1")));
    company.done("a_approver", approve("p_1"));
    company.done("a_deployer", at("staging", "1"));
    company.done("a_admin", request_grant("g_staging", "a_other", "model_approver", "environment/staging"));
    company.done("a_lead", Command::ApproveGrant(GrantNamed { grant: "g_staging".into() }));
    company.done("a_trainer", register_model("2"));
    company.done("a_deployer", request("p_2", at("prod", "2")));
    company.done("a_other", approve("p_2"));
    assert_eq!(company.rule("a_deployer", at("prod", "2")), "vote-where-it-moves");
    company.done("a_deployer", withdraw("p_2"));
    company.done("a_deployer", request("p_3", at("staging", "2")));
    company.done("a_other", approve("p_3"));
    company.done("a_deployer", at("staging", "2"));
    company.done("a_deployer", request("p_4", at("prod", "2")));
    company.done("a_approver", approve("p_4"));
    company.done("a_deployer", at("prod", "2"));
}

#[test]
fn given_a_service_of_high_risk_when_approved_by_another_then_its_deployer_puts_it_into_production_once() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_deployer", high("1")), "approval-required");
    company.done("a_deployer", request("p_1", high("1")));
    assert_eq!(company.rule("a_deployer", high("1")), "approval-required", "asked for is not approved");
    company.done("a_approver", approve("p_1"));
    assert_eq!(company.standing("p_1"), "approved");
    assert_eq!(company.done("a_deployer", high("1")), ["service.declared", "approval.consumed", "deployment.started"]);
    assert_eq!(company.standing("p_1"), "used");
    assert!(company.done("a_deployer", high("1")).is_empty(), "nothing has to change");
    company.done("a_trainer", register_model("2"));
    assert_eq!(company.rule("a_deployer", high("2")), "approval-required", "an approval is good once");
    // A lower risk needs none, but lowering it does, also by way of retiring the service.
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
    assert_eq!(company.rule("a_deployer", service("credit", RiskTier::Low, "1")), "approval-required");
    company.done("a_deployer", Command::RetireService(ServiceRetired { service: "credit".into() }));
    assert_eq!(company.rule("a_deployer", service("credit", RiskTier::Low, "1")), "approval-required");
}

#[test]
fn given_an_approved_thing_when_it_or_what_it_replaces_changes_then_the_approval_no_longer_fits() {
    let mut company = Company::staffed();
    company.done("a_admin", request("p_1", install("second")));
    company.done("a_admin", request("p_2", install("third")));
    company.done("a_lead", approve("p_1"));
    company.done("a_lead", approve("p_2"));
    assert_eq!(company.rule("a_admin", install("second, and more")), "approval-fits");
    company.done("a_admin", install("second"));
    assert_eq!(company.rule("a_admin", install("third")), "approval-fits", "it was looked at beside other policies");
    // It can be asked anew beside the one that no longer fits, and that can be voted on no more.
    assert!(company.state.is_stale(&company.state.approvals["p_2"]));
    company.done("a_admin", request("p_3", install("third")));
    company.done("a_admin", request("p_4", install("fourth")));
    assert_eq!(company.rule("a_admin", install("third")), "approval-required", "the one that fits waits for votes");
    company.done("a_lead", approve("p_3"));
    company.done("a_admin", install("third"));
    assert_eq!((company.standing("p_2"), company.standing("p_3")), ("approved", "used"));
    assert_eq!(company.code("a_lead", approve("p_4")), RefusalCode::Conflict, "it can lead to nothing");
    let wrong = Command::InstallPolicies(PoliciesInstalled { sha256: "00".into(), text: "x".into() });
    assert_eq!(company.code("a_admin", wrong), RefusalCode::Invalid);
}

#[test]
fn given_a_request_when_those_who_must_not_vote_do_then_each_is_refused_by_the_rules_name() {
    let mut company = Company::staffed();
    company.done("a_deployer", request("p_1", high("1")));
    assert_eq!(company.rule("a_other", approve("p_1")), "vote-by-role");
    assert_eq!(company.rule("a_deployer", approve("p_1")), "request-not-approve");
    assert_eq!(company.rule("a_trainer", approve("p_1")), "train-not-approve");
    company.done("a_approver", approve("p_1"));
    assert_eq!(company.code("a_approver", approve("p_1")), RefusalCode::Conflict, "it is decided");

    // Who trained is kept from it in every later role.
    let state = &company.state;
    let grant = state.grants.values().find(|grant| grant.requested.actor == "a_trainer").expect("granted");
    let grant = grant.requested.grant.clone();
    company.done("a_lead", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
    company.grant("a_trainer", "deployer", "a_lead");
    assert_eq!(company.rule("a_trainer", high("1")), "train-not-deploy");
    assert_eq!(company.rule("a_trainer", service("support", RiskTier::Low, "1")), "train-not-deploy");

    // Whoever approved does not deploy.
    let grant = company.state.grants.values().find(|grant| grant.requested.actor == "a_approver").expect("granted");
    let grant = grant.requested.grant.clone();
    company.done("a_lead", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
    company.grant("a_approver", "deployer", "a_lead");
    let refusal = company.ask("a_approver", high("1")).expect_err("refused");
    assert_eq!(refusal.policies, ["approve-not-deploy"]);
    assert!(refusal.message.contains("a_approver") && refusal.message.contains("p_1"), "{refusal}");
}

#[test]
fn given_a_quorum_when_too_few_voted_then_it_waits_and_one_no_ends_it() {
    let mut company = Company::staffed();
    company.grant("a_other", "model_approver", "a_lead");
    company.done("a_admin", request("p_0", configure(&[("service.declare", 2, "model_approver")])));
    company.done("a_lead", approve("p_0"));
    company.done("a_admin", configure(&[("service.declare", 2, "model_approver")]));
    company.done("a_deployer", request("p_1", high("1")));
    company.done("a_approver", approve("p_1"));
    assert_eq!(company.rule("a_approver", approve("p_1")), "one-person-one-vote");
    assert_eq!(
        (company.standing("p_1"), company.rule("a_deployer", high("1"))),
        ("waiting", "approval-required".into())
    );
    company.done("a_other", approve("p_1"));
    company.done("a_deployer", high("1"));

    let next = service("support", RiskTier::Low, "1");
    assert_eq!(company.rule("a_deployer", next.clone()), "approval-required", "whatever the risk, now");
    company.done("a_deployer", request("p_2", next.clone()));
    assert_eq!(company.code("a_deployer", request("p_3", next.clone())), RefusalCode::Exists);
    company.done("a_approver", approve("p_2"));
    company.done("a_other", vote("p_2", Vote::Decline));
    assert_eq!((company.standing("p_2"), company.rule("a_deployer", next)), ("declined", "approval-required".into()));
}

#[test]
fn given_a_request_when_withdrawn_or_late_then_nothing_can_be_done_with_it() {
    let mut company = Company::staffed();
    company.done("a_deployer", request("p_1", high("1")));
    assert_eq!(company.code("a_approver", withdraw("p_1")), RefusalCode::Forbidden);
    company.done("a_deployer", withdraw("p_1"));
    assert_eq!(company.code("a_approver", approve("p_1")), RefusalCode::Conflict);
    company.done("a_deployer", request("p_2", high("1")));
    company.done("a_approver", approve("p_2"));
    company.given.now = 500_000;
    assert_eq!(company.standing("p_2"), "expired");
    assert_eq!(company.rule("a_deployer", high("1")), "approval-required");
    assert_eq!(company.code("a_approver", approve("p_2")), RefusalCode::Expired);
}

#[test]
fn given_a_vote_handed_on_when_used_then_it_counts_once_for_both_and_only_to_whom_it_could_be_given() {
    let mut company = Company::staffed();
    assert_eq!(company.rule("a_approver", delegate("v_0", "a_deployer", "model_approver")), "approve-not-deploy");
    assert_eq!(company.code("a_other", delegate("v_0", "a_lead", "model_approver")), RefusalCode::Forbidden);
    assert_eq!(company.code("a_approver", delegate("v_0", "a_approver", "model_approver")), RefusalCode::Invalid);
    company.done("a_approver", delegate("v_1", "a_other", "model_approver"));
    company.done("a_deployer", request("p_1", high("1")));
    company.done("a_other", approve("p_1"));
    let cast = &company.state.approvals["p_1"].votes[0];
    assert_eq!((cast.by.as_str(), cast.on_behalf_of.as_deref()), ("a_other", Some("a_approver")));
    company.done("a_approver", Command::EndDelegation(DelegationEnded { delegation: "v_1".into() }));
    // A vote that was cast stands, as that of somebody does who lost the role since.
    company.done("a_deployer", high("1"));

    company.done("a_trainer", register_model("2"));
    company.done("a_deployer", request("p_2", high("2")));
    assert_eq!(company.rule("a_other", approve("p_2")), "vote-by-role", "it was taken back");
    company.done("a_approver", delegate("v_2", "a_other", "model_approver"));
    // Whoever is given a role that is kept from the votes has them no more.
    company.grant("a_other", "deployer", "a_lead");
    assert_eq!(company.rule("a_other", approve("p_2")), "vote-by-role", "it could not be handed to them now");
    let grant = company.state.grants.values().find(|grant| grant.requested.actor == "a_other").expect("granted");
    let grant = grant.requested.grant.clone();
    company.done("a_lead", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
    assert!(company.state.can_vote(&company.state.approvals["p_2"], "a_other", 1_000));
    company.given.now = 400_000;
    assert_eq!(company.rule("a_other", approve("p_2")), "vote-by-role", "it came to its end");
}

#[test]
fn given_a_program_that_asked_when_it_is_handed_on_then_whoever_it_belonged_to_is_no_second_person() {
    let mut company = Company::staffed();
    let roles = vec![];
    company.done(
        "a_admin",
        Command::RegisterActor(ActorRegistered { actor: "a_bot".into(), kind: ActorKind::Service, roles }),
    );
    let own = |owner: &str| {
        let (actor, owner) = ("a_bot".into(), owner.into());
        Command::OwnAccount(AccountOwned { actor, owner, reason: OwnerReason::Named })
    };
    company.done("a_admin", own("a_approver"));
    company.done("a_bot", request("p_1", high("1")));
    company.done("a_approver", own("a_lead"));
    assert_eq!(company.rule("a_approver", approve("p_1")), "request-not-approve");
    company.done("a_bot", request_grant("g_x", "a_other", "monitor", ORG));
    let described = Some((BTreeSet::from(["a".repeat(32)]), "e".repeat(64)));
    let (group, add, remove) = ("gr_a".to_owned(), BTreeSet::new(), BTreeSet::new());
    let made = ProvisionGroup { group: group.clone(), described, source: IdentitySource::Scim, add, remove };
    company.done("a_admin", Command::ProvisionGroup(made));
    let roles = vec![MappedRole { role: "monitor".into(), scope: ORG.into() }];
    company.done("a_bot", Command::MapGroup(GroupMapped { group: group.clone(), roles, days: 9 }));
    company.done("a_lead", own("a_trainer"));
    let named = || GrantNamed { grant: "g_x".into() };
    assert_eq!(company.rule("a_lead", Command::ApproveGrant(named())), "request-not-approve");
    let mapping = || Command::ApproveGroupMap(GroupNamed { group: group.clone() });
    assert_eq!(company.rule("a_lead", mapping()), "request-not-approve");
    company.done("a_admin", Command::ApproveGrant(named()));
    company.done("a_admin", mapping());
}

#[test]
fn given_a_program_that_nobody_answered_for_when_somebody_does_then_what_it_asked_for_and_trained_is_theirs() {
    let mut company = Company::staffed();
    let (actor, kind) = ("a_bot".to_owned(), ActorKind::Service);
    company.done("a_system", Command::RegisterActor(ActorRegistered { actor, kind, roles: vec![] }));
    assert!(company.state.accounts.is_empty(), "nobody answers for it");
    company.done("a_bot", request("p_1", high("1")));
    company.done("a_bot", request_grant("g_x", "a_other", "monitor", ORG));
    company.done("a_bot", register_model("2"));
    company.done("a_deployer", request("p_2", service("other", RiskTier::High, "2")));
    let own = |owner: &str| {
        let (actor, owner) = ("a_bot".into(), owner.into());
        Command::OwnAccount(AccountOwned { actor, owner, reason: OwnerReason::Named })
    };
    company.done("a_admin", own("a_approver"));
    assert_eq!(company.rule("a_approver", approve("p_1")), "request-not-approve");
    assert_eq!(company.rule("a_approver", approve("p_2")), "train-not-approve");
    company.done("a_approver", own("a_lead"));
    let approve = Command::ApproveGrant(GrantNamed { grant: "g_x".into() });
    assert_eq!(company.rule("a_lead", approve.clone()), "request-not-approve");
    company.done("a_admin", approve);
    company.done("a_lead", own("a_deployer"));
    assert_eq!(company.rule("a_deployer", service("third", RiskTier::Low, "2")), "train-not-deploy");
}

#[test]
fn given_requests_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = Company::staffed();
    let wish = |change: fn(&mut RequestApproval)| {
        let Command::RequestApproval(mut wish) = request("p_1", high("1")) else { unreachable!() };
        change(&mut wish);
        Command::RequestApproval(wish)
    };
    let cases = [
        (wish(|wish| wish.approval = "Anna".into()), RefusalCode::Invalid),
        (wish(|wish| wish.expires_at = 1_000), RefusalCode::Invalid),
        (wish(|wish| wish.expires_at = i64::MAX), RefusalCode::Invalid),
        (wish(|wish| wish.reference = "Anna said so".into()), RefusalCode::Invalid),
        (wish(|wish| wish.evidence = vec!["Anna looked at it".into()]), RefusalCode::Invalid),
        (wish(|wish| wish.evidence = vec!["a".into(); 33]), RefusalCode::Invalid),
        (wish(|wish| *wish.command = high("9")), RefusalCode::NotFound),
        (wish(|wish| *wish.command = service("s", RiskTier::Low, "1")), RefusalCode::Invalid),
        (wish(|wish| *wish.command = install("first")), RefusalCode::Conflict),
        (approve("p_none"), RefusalCode::NotFound),
        (configure(&[("session.open", 1, "security_lead")]), RefusalCode::Invalid),
        (configure(&[("policies.install", 0, "security_lead")]), RefusalCode::Invalid),
        (configure(&[("policies.install", 1, "auditor")]), RefusalCode::Invalid),
        (configure(&[("service.declare", 1, "x"), ("policies.install", 1, "x")]), RefusalCode::Invalid),
    ];
    for (command, code) in cases {
        assert_eq!(company.code("a_deployer", command.clone()), code, "{command:?}");
    }
    company.done("a_deployer", request("p_1", high("1")));
    assert_eq!(company.code("a_deployer", request("p_1", install("x"))), RefusalCode::Exists);
    let comment = |comment: &str| {
        let (comment, sealed_sha256) = (comment.into(), "00".into());
        Command::CommentOnApproval(ApprovalCommented { approval: "p_1".into(), comment, sealed_sha256 })
    };
    company.done("a_approver", comment("c_1"));
    assert_eq!(company.code("a_approver", comment("c_1")), RefusalCode::Exists);
    assert_eq!(company.code("a_approver", comment("Anna")), RefusalCode::Invalid);
}

#[test]
fn given_an_organisation_that_begins_when_the_administrator_does_every_duty_then_each_is_told_until_somebody_has_it() {
    let mut company = Company::begun();
    assert_eq!(company.done("a_admin", register_model("1")), ["model.registered", "duty.stood.in"]);
    let deployed = ["service.declared", "duty.stood.in", "duty.stood.in", "deployment.started"];
    assert_eq!(company.done("a_admin", high("1")), deployed, "for the deployer, and for the approver");
    assert_eq!(company.done("a_admin", install("second")), ["policies.installed", "duty.stood.in"]);
    assert_eq!(company.state.stand_ins_of("a_lead", 1_000), [""; 0], "nobody else");

    company.grant("a_lead", "security_lead", "a_admin");
    assert_eq!(company.rule("a_admin", install("third")), "approval-required");
    company.grant("a_deployer", "deployer", "a_lead");
    company.done("a_admin", register_model("2"));
    assert_eq!(company.rule("a_admin", high("2")), "train-not-deploy", "the duty has somebody now");
    assert_eq!(company.rule("a_deployer", high("2")), "approval-required", "only the administrator stands in");
    let grant = company.state.grants.values().find(|grant| grant.requested.role == "deployer").expect("granted");
    let grant = grant.requested.grant.clone();
    company.done("a_lead", Command::EndGrant(GrantEnded { grant, reason: EndReason::Revoked }));
    assert_eq!(company.state.stand_ins_of("a_admin", 1_000), ["model_approver", "model_trainer"], "for good");
}
