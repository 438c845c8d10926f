//! What a second person must agree to: asking, voting, carrying out, and what stays apart whatever happens.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::command::RegisterModel;
use crate::infrastructure::PoliciesInstalled;
use crate::models::ModelFacts;
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, ApprovalCommented, ApprovalNamed, ApprovalRule, ApprovalVoted,
    ApprovalsConfigured, DelegationEnded, EmergencyDeclared, EndReason, GrantEnded, GrantNamed, GrantRequested,
    RequestApproval, Vote, VoteDelegated,
};
use crate::serving::{RiskTier, Route, ServiceDeclared, ServiceSpec, Target, WhenUnrecordable};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

const ORG: &str = "org";

/// An organisation with an administrator and people without roles.
pub(super) struct Company {
    pub state: State,
    pub given: Given,
    events: Vec<(String, Event)>,
}

const PEOPLE: [&str; 6] = ["a_admin", "a_lead", "a_trainer", "a_approver", "a_deployer", "a_other"];

impl Company {
    /// Nobody but the administrator has a duty.
    pub fn begun() -> Self {
        let facts = ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] };
        let given = Given { now: 1_000, fresh: "f".into(), model: Some(Ok(facts)), ..Given::default() };
        let mut company = Self { state: State::default(), given, events: Vec::new() };
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
    fn grant(&mut self, actor: &str, role: &str, approver: &str) {
        let grant = format!("g_{}", self.state.size);
        self.done("a_admin", request_grant(&grant, actor, role, ORG));
        self.done(approver, Command::ApproveGrant(GrantNamed { grant }));
    }

    fn ask(&mut self, by: &str, command: Command) -> Result<Vec<&'static str>, Refusal> {
        self.given.by = by.to_owned();
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            let (stream, id) = (event.stream(), self.state.size.to_string());
            let sv = self.state.version(&stream) + 1;
            let entry = Entry { v: 1, id, ts: self.given.now, actor: by.into(), stream, sv, event: event.clone() };
            self.state.apply(&entry);
            self.events.push((by.to_owned(), event.clone()));
        }
        Ok(events.iter().map(Event::name).collect())
    }

    #[track_caller]
    pub fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).expect("carried out")
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
    Command::RegisterModel(RegisterModel { model, version: version.into(), artifact_sha256 })
}

pub(super) fn service(name: &str, risk_tier: RiskTier, version: &str) -> Command {
    let target = Target::Model { model: "m".into(), version: version.into() };
    let spec = ServiceSpec {
        owner: "o".into(),
        purpose: "p".into(),
        risk_tier,
        environment: "prod".into(),
        classification: "internal".into(),
        region: None,
        uses_personal_info: false,
        guardrails_required: false,
        explain_required: false,
        oversight: None,
        significant_effect: false,
        when_unrecordable: WhenUnrecordable::Refuse,
        routes: vec![Route { name: "r".into(), target }],
    };
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

fn vote(approval: &str, vote: Vote) -> Command {
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
    // A lower risk needs none, but lowering it does.
    company.done("a_deployer", service("support", RiskTier::Low, "1"));
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
    company.done("a_deployer", high("1"));

    company.done("a_trainer", register_model("2"));
    company.done("a_deployer", request("p_2", high("2")));
    company.done("a_approver", Command::EndDelegation(DelegationEnded { delegation: "v_1".into() }));
    assert_eq!(company.rule("a_other", approve("p_2")), "vote-by-role", "it was taken back");
    company.done("a_approver", delegate("v_2", "a_other", "model_approver"));
    company.given.now = 400_000;
    assert_eq!(company.rule("a_other", approve("p_2")), "vote-by-role", "it came to its end");
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

/// One step of somebody's day.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask { actor: usize, role: usize },
    Approve { by: usize, grant: usize },
    Revoke { grant: usize },
    Leave { actor: usize },
    Register { by: usize, version: usize },
    Request { by: usize, version: usize },
    Vote { by: usize, approval: usize, yes: bool },
    Delegate { by: usize, to: usize },
    Deploy { by: usize, version: usize, tier: RiskTier },
    Break { by: usize },
    Wait,
}

const ROLES: [&str; 5] = ["security_lead", "model_trainer", "model_approver", "deployer", "administrator"];
const VERSIONS: [&str; 3] = ["1", "2", "3"];

fn step() -> impl Strategy<Value = Step> {
    let tier = prop_oneof![3 => Just(RiskTier::High), 1 => Just(RiskTier::Low)];
    prop_oneof![
        6 => (0..6_usize, 0..5_usize).prop_map(|(actor, role)| Step::Ask { actor, role }),
        6 => (0..6_usize, 0..20_usize).prop_map(|(by, grant)| Step::Approve { by, grant }),
        2 => (0..20_usize).prop_map(|grant| Step::Revoke { grant }),
        1 => (1..6_usize).prop_map(|actor| Step::Leave { actor }),
        4 => (0..6_usize, 0..3_usize).prop_map(|(by, version)| Step::Register { by, version }),
        4 => (0..6_usize, 0..3_usize).prop_map(|(by, version)| Step::Request { by, version }),
        8 => (0..6_usize, 0..10_usize, prop::bool::weighted(0.9))
            .prop_map(|(by, approval, yes)| Step::Vote { by, approval, yes }),
        2 => (0..6_usize, 0..6_usize).prop_map(|(by, to)| Step::Delegate { by, to }),
        8 => (0..6_usize, 0..3_usize, tier).prop_map(|(by, version, tier)| Step::Deploy { by, version, tier }),
        2 => (0..6_usize).prop_map(|by| Step::Break { by }),
        1 => Just(Step::Wait),
    ]
}

/// What the policies that ship would let somebody do: the property must not hang on people being idle.
fn permitted(company: &Company, by: &str, command: &Command) -> bool {
    let role = match command {
        Command::RegisterModel(_) => "model_trainer",
        Command::DeclareService(_) => "deployer",
        _ => return true,
    };
    let now = company.given.now;
    company.state.roles_of(by, now).any(|(held, _)| held == role) || company.state.stand_ins_of(by, now).contains(&role)
}

fn take(company: &mut Company, step: Step, grants: &mut Vec<String>, approvals: &mut Vec<String>) {
    let (by, command) = match step {
        Step::Ask { actor, role } => {
            let grant = format!("g_{}", grants.len());
            let command = request_grant(&grant, PEOPLE[actor], ROLES[role], ORG);
            grants.push(grant);
            ("a_admin", command)
        }
        Step::Approve { by, grant } if grant < grants.len() => {
            (PEOPLE[by], Command::ApproveGrant(GrantNamed { grant: grants[grant].clone() }))
        }
        Step::Revoke { grant } if grant < grants.len() => {
            let (grant, reason) = (grants[grant].clone(), EndReason::Revoked);
            ("a_admin", Command::EndGrant(GrantEnded { grant, reason }))
        }
        Step::Leave { actor } => ("a_admin", Command::Leave(ActorLeft { actor: PEOPLE[actor].into() })),
        Step::Register { by, version } => (PEOPLE[by], register_model(VERSIONS[version])),
        Step::Request { by, version } => {
            let approval = format!("p_{}", approvals.len());
            let command = request(&approval, high(VERSIONS[version]));
            approvals.push(approval);
            (PEOPLE[by], command)
        }
        Step::Vote { by, approval, yes } if approval < approvals.len() => {
            (PEOPLE[by], vote(&approvals[approval], if yes { Vote::Approve } else { Vote::Decline }))
        }
        Step::Delegate { by, to } => {
            (PEOPLE[by], delegate(&format!("v_{}", company.state.size), PEOPLE[to], "model_approver"))
        }
        Step::Deploy { by, version, tier } => (PEOPLE[by], service("credit", tier, VERSIONS[version])),
        Step::Break { by } => {
            let emergency = format!("e_{}", company.state.size);
            let (role, scope, ends_at) = ("deployer".into(), ORG.into(), company.given.now + 60_000);
            let declared = EmergencyDeclared { emergency, role, scope, ends_at, reference: "INC-1".into() };
            (PEOPLE[by], Command::DeclareEmergency(declared))
        }
        Step::Wait => {
            company.given.now += 50_000;
            return;
        }
        Step::Approve { .. } | Step::Revoke { .. } | Step::Vote { .. } => return,
    };
    if permitted(company, by, &command) {
        // What is refused changes nothing; the rest must keep the rules.
        let _ = company.ask(by, command);
    }
}

/// The events of the command that an event belongs to stand together, and the first is the service's.
fn beside(events: &[(String, Event)], at: usize) -> &[(String, Event)] {
    let first = events[..at].iter().rposition(|(_, event)| matches!(event, Event::ServiceDeclared(_)));
    &events[first.unwrap_or(at)..=at]
}

/// Everybody who had a part in approving a version in these events.
fn voters<'a>(company: &'a Company, events: &'a [(String, Event)], version: &str) -> Vec<&'a str> {
    let of = |approval: &str| company.state.approvals[approval].requested.deploys.contains(version);
    let votes = events.iter().filter_map(|(by, event)| match event {
        Event::ApprovalVoted(body) if body.vote == Vote::Approve && of(&body.approval) => Some((by, body)),
        _ => None,
    });
    votes.flat_map(|(by, body)| std::iter::once(by.as_str()).chain(body.on_behalf_of.as_deref())).collect()
}

/// For each deployment there was: nobody trained, approved and deployed the version, and nobody two of the three for
/// one approval. But for whoever administers an organisation that begins, nobody deployed what they trained.
fn apart(company: &Company) -> Result<(), String> {
    for (at, (deployer, event)) in company.events.iter().enumerate() {
        let Event::DeploymentStarted(started) = event else { continue };
        let (model, version) = started.target.model_and_version();
        let trainer = &company.state.registrants[&model][&version];
        let version = format!("{model}/{version}");
        let beside = beside(&company.events, at);
        let any = |which: fn(&Event) -> bool| beside.iter().any(|(_, event)| which(event));
        let stood_in = any(|event| matches!(event, Event::DutyStoodIn(_)));
        let emergency = any(|event| matches!(event, Event::EmergencyUsed(_)));
        let high = any(|event| matches!(event, Event::ServiceDeclared(body) if body.spec.risk_tier == RiskTier::High));
        let used = beside.iter().find_map(|(_, event)| match event {
            Event::ApprovalConsumed(used) => Some(&company.state.approvals[&used.approval]),
            _ => None,
        });
        let agreed = voters(company, &company.events[..at], &version);
        if trainer == deployer && (!stood_in || agreed.contains(&deployer.as_str())) {
            return Err(format!("{deployer} trained and deployed {version}"));
        }
        if high && used.is_none() && !stood_in && !emergency {
            return Err(format!("{version} was deployed without an approval"));
        }
        if high && used.is_none() && emergency && agreed.contains(&deployer.as_str()) {
            return Err(format!("{deployer} approved and deployed {version} in an emergency"));
        }
        for cast in used.into_iter().flat_map(|approval| &approval.votes) {
            for voter in std::iter::once(&cast.by).chain(&cast.on_behalf_of) {
                if voter == deployer || voter == trainer {
                    return Err(format!("{voter} approved {version}, trained by {trainer}, deployed by {deployer}"));
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_reachable_state_lets_one_person_train_approve_and_deploy_a_version(
        begins in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut company = if begins { Company::begun() } else { Company::staffed() };
        let (mut grants, mut approvals) = (Vec::new(), Vec::new());
        for step in steps {
            take(&mut company, step, &mut grants, &mut approvals);
        }
        prop_assert_eq!(apart(&company), Ok(()));
    }
}
