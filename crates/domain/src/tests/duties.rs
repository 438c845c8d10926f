//! Who may hold which role: asking, approving, keeping apart, leaving.

use proptest::prelude::*;

use super::approvals::spec;
use crate::people::roles::{CONFLICTS, ORG, ROLES, covers, narrow_scopes, overlap};
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, EndReason, GrantEnded, GrantNamed, GrantRequested, IdentityLinked,
    IdentitySource, IdentityUnlinked, KeyCreated, KeyScope, SigninLinkCreated,
};
use crate::serving::{ServiceDeclared, ServiceSpec};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

/// An organisation with an administrator, some people and two services.
pub(super) struct Company {
    pub state: State,
    pub given: Given,
}

impl Company {
    fn new() -> Self {
        let mut company = Self { state: State::default(), given: Given { now: 1_000, ..Given::default() } };
        let register = |actor: &str, kind, roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles })
        };
        company.done("a_system", register("a_system", ActorKind::System, &["system"]));
        company.done("a_system", register("a_admin", ActorKind::Human, &["administrator"]));
        for actor in ["a_1", "a_2", "a_3", "a_lead"] {
            company.done("a_admin", register(actor, ActorKind::Human, &[]));
        }
        for service in ["credit", "support"] {
            company.done("a_admin", declare(service, "prod"));
        }
        company
    }

    /// With a security lead, so that nobody approves alone any more.
    pub fn with_a_lead() -> Self {
        let mut company = Self::new();
        company.done("a_admin", request("g_lead", "a_lead", "security_lead", ORG));
        company.done("a_admin", approve("g_lead"));
        company
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
        Ok(events.iter().map(Event::name).collect())
    }

    #[track_caller]
    pub fn done(&mut self, by: &str, command: Command) -> Vec<&'static str> {
        self.ask(by, command).expect("carried out")
    }

    #[track_caller]
    pub fn refused(&mut self, by: &str, command: Command) -> Refusal {
        self.ask(by, command).expect_err("refused")
    }

    pub fn roles(&self, actor: &str) -> Vec<(&str, &str)> {
        // The state lives as long as its borrower; the actor's name need not.
        self.state
            .grants
            .values()
            .filter(|grant| grant.requested.actor == actor && grant.holds(self.given.now))
            .map(|grant| (grant.requested.role.as_str(), grant.requested.scope.as_str()))
            .collect()
    }
}

fn declare(service: &str, environment: &str) -> Command {
    let spec = ServiceSpec { environment: environment.into(), ..spec() };
    Command::DeclareService(ServiceDeclared { service: service.into(), spec })
}

pub(super) fn request(grant: &str, actor: &str, role: &str, scope: &str) -> Command {
    Command::RequestGrant(GrantRequested {
        grant: grant.into(),
        actor: actor.into(),
        role: role.into(),
        scope: scope.into(),
        ends_at: 9_000,
        reference: "CHG-1".into(),
    })
}

pub(super) fn approve(grant: &str) -> Command {
    Command::ApproveGrant(GrantNamed { grant: grant.into() })
}

fn end(grant: &str, reason: EndReason) -> Command {
    Command::EndGrant(GrantEnded { grant: grant.into(), reason })
}

#[test]
fn given_a_request_when_somebody_else_approves_then_the_role_holds_until_its_end() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", request("g_1", "a_1", "deployer", "service/credit"));
    assert!(company.roles("a_1").is_empty(), "asked for is not held");
    assert_eq!(company.done("a_lead", approve("g_1")), ["grant.approved"]);
    assert_eq!(company.roles("a_1"), [("deployer", "service/credit")]);
    company.given.now = 9_000;
    assert!(company.roles("a_1").is_empty(), "it ended by itself");
}

#[test]
fn given_a_request_when_its_asker_or_holder_approves_then_the_rule_is_named() {
    let mut company = Company::with_a_lead();
    company.done("a_lead", request("g_1", "a_1", "monitor", ORG));
    company.done("a_admin", request("g_2", "a_lead", "monitor", ORG));
    assert_eq!(company.refused("a_lead", approve("g_1")).policies, ["request-not-approve"]);
    assert_eq!(company.refused("a_lead", approve("g_2")).policies, ["approve-not-own"]);
    company.done("a_admin", approve("g_1"));
}

#[test]
fn given_an_organisation_that_begins_when_nobody_else_can_approve_then_the_first_approver_is_made_by_its_asker() {
    let mut company = Company::new();
    company.done("a_admin", request("g_own", "a_admin", "monitor", ORG));
    assert_eq!(company.refused("a_admin", approve("g_own")).policies, ["approve-not-own"], "never for oneself");
    company.done("a_admin", request("g_lead", "a_lead", "security_lead", ORG));
    company.done("a_admin", approve("g_lead"));
    company.done("a_admin", request("g_1", "a_1", "deployer", ORG));
    assert_eq!(company.refused("a_admin", approve("g_1")).policies, ["request-not-approve"], "now there is somebody");
}

#[test]
fn given_the_only_security_lead_when_sent_away_then_the_administrator_still_approves_nothing_of_their_own() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", request("g_c", "a_1", "compliance_lead", ORG));
    company.done("a_lead", approve("g_c"));
    company.done("a_admin", request("g_1", "a_2", "monitor", ORG));
    assert_eq!(company.refused("a_1", approve("g_1")).policies, ["last-resort-not-first"], "the lead is there");
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_lead".into() }));
    assert_eq!(company.refused("a_admin", approve("g_1")).policies, ["request-not-approve"]);
    company.done("a_1", approve("g_1"));
}

#[test]
fn given_a_role_when_one_kept_apart_from_it_is_asked_for_then_pair_and_rule_are_named() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", request("g_1", "a_1", "model_trainer", "service/credit"));
    let refusal = company.refused("a_admin", request("g_2", "a_1", "deployer", ORG));
    assert_eq!((refusal.code, refusal.policies), (RefusalCode::Forbidden, vec!["train-not-deploy".to_owned()]));
    for word in ["model_trainer", "deployer", "service/credit", "train-not-deploy"] {
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    company.done("a_admin", request("g_3", "a_1", "deployer", "service/support"));
    company.done("a_admin", end("g_1", EndReason::Withdrawn));
    company.done("a_admin", request("g_4", "a_1", "deployer", "service/credit"));
    assert_eq!(
        company.refused("a_lead", request("g_5", "a_admin", "deployer", ORG)).policies,
        ["administer-not-deploy"]
    );
}

#[test]
fn given_a_role_in_an_environment_when_one_kept_apart_is_asked_for_in_a_service_then_pair_and_rule_are_named() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", declare("support", "staging"));
    company.done("a_admin", request("g_1", "a_1", "model_trainer", "environment/prod"));
    for (grant, scope) in [("g_2", "service/credit"), ("g_3", "service/support"), ("g_4", "environment/prod")] {
        let refusal = company.refused("a_admin", request(grant, "a_1", "deployer", scope));
        assert_eq!((refusal.code, refusal.policies), (RefusalCode::Forbidden, vec!["train-not-deploy".to_owned()]));
        assert!(refusal.message.contains("environment/prod"), "{}", refusal.message);
    }
    company.done("a_admin", request("g_5", "a_1", "deployer", "environment/staging"));
    let nowhere = company.refused("a_admin", request("g_6", "a_2", "deployer", "environment/dev"));
    assert_eq!(nowhere.code, RefusalCode::Invalid);
    assert!(nowhere.message.ends_with("there are: prod, staging"), "{}", nowhere.message);
}

#[test]
fn given_a_role_in_an_environment_when_a_service_moves_there_then_it_is_covered_from_then_on() {
    let mut company = Company::with_a_lead();
    let covered = |company: &Company, service: &str| covers(&company.state, "environment/prod", service);
    assert!(covered(&company, "service/credit") && covered(&company, "service/support"));
    assert!(!covered(&company, "service/none") && !covered(&company, "model/credit"));
    company.done("a_admin", declare("support", "staging"));
    assert!(covered(&company, "service/credit") && !covered(&company, "service/support"));
    assert!(covers(&company.state, ORG, "service/support"));
    assert_eq!(
        narrow_scopes(&company.state),
        ["environment/prod", "environment/staging", "service/credit", "service/support"]
    );
}

#[test]
fn given_requests_that_make_no_sense_when_asked_then_each_is_refused() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", request("g_1", "a_1", "monitor", ORG));
    let wish = |change: fn(&mut GrantRequested)| {
        let Command::RequestGrant(mut wish) = request("g_2", "a_2", "monitor", ORG) else { unreachable!() };
        change(&mut wish);
        Command::RequestGrant(wish)
    };
    let cases = [
        (wish(|wish| wish.role = "king".into()), RefusalCode::Invalid),
        (wish(|wish| wish.scope = "service/none".into()), RefusalCode::Invalid),
        (wish(|wish| wish.ends_at = 1_000), RefusalCode::Invalid),
        (wish(|wish| wish.ends_at = i64::MAX), RefusalCode::Invalid),
        (wish(|wish| wish.reference = "because Anna said so".into()), RefusalCode::Invalid),
        (wish(|wish| wish.actor = "a_none".into()), RefusalCode::NotFound),
        (wish(|wish| wish.actor = "a_system".into()), RefusalCode::Forbidden),
        (wish(|wish| wish.grant = "g_1".into()), RefusalCode::Exists),
        (wish(|wish| wish.actor = "a_1".into()), RefusalCode::Exists),
        (approve("g_none"), RefusalCode::NotFound),
        (end("g_1", EndReason::Revoked), RefusalCode::Conflict),
        (end("g_1", EndReason::Left), RefusalCode::Conflict),
    ];
    for (command, code) in cases {
        let refusal = company.refused("a_admin", command.clone());
        assert_eq!(refusal.code, code, "{command:?}: {}", refusal.message);
    }
    assert_eq!(company.refused("a_3", end("g_1", EndReason::Withdrawn)).code, RefusalCode::Forbidden);
}

#[test]
fn given_somebody_who_leaves_then_keys_and_grants_end_with_it_and_nothing_can_be_given_any_more() {
    let mut company = Company::with_a_lead();
    company.done("a_admin", request("g_1", "a_1", "deployer", ORG));
    company.done("a_lead", approve("g_1"));
    company.done("a_admin", request("g_2", "a_1", "monitor", ORG));
    let key = |key: &str| {
        let scope = KeyScope::Actor("a_1".into());
        let created = KeyCreated {
            key: key.into(),
            scope,
            prefix: "p".into(),
            secret_sha256: key.into(),
            expires_at: 9_000,
            session: None,
        };
        Command::CreateKey(created)
    };
    company.done("a_admin", key("k_1"));
    let left = Command::Leave(ActorLeft { actor: "a_1".into() });
    assert_eq!(company.done("a_lead", left.clone()), ["actor.left", "grant.ended", "grant.ended", "key.revoked"]);
    assert!(company.done("a_lead", left).is_empty(), "once");
    assert!(company.roles("a_1").is_empty());
    assert_eq!(company.refused("a_admin", key("k_2")).code, RefusalCode::Conflict);
    assert_eq!(company.refused("a_admin", request("g_3", "a_1", "monitor", ORG)).code, RefusalCode::Conflict);
    let last = Command::Leave(ActorLeft { actor: "a_admin".into() });
    assert_eq!(company.refused("a_lead", last).code, RefusalCode::Conflict, "the last administrator stays");
}

#[test]
fn given_somebody_who_can_sign_in_when_another_makes_a_key_or_link_for_them_then_it_is_refused() {
    let mut company = Company::with_a_lead();
    let key = |key: &str| {
        let scope = KeyScope::Actor("a_lead".into());
        let secret_sha256 = key.into();
        Command::CreateKey(KeyCreated {
            key: key.into(),
            scope,
            prefix: "p".into(),
            secret_sha256,
            expires_at: 9_000,
            session: None,
        })
    };
    let link = |actor: &str, sha: &str| {
        let link = SigninLinkCreated { actor: actor.into(), link_sha256: sha.into(), expires_at: 9_000 };
        Command::CreateSigninLink(link)
    };
    company.done("a_admin", key("k_1"));
    assert_eq!(company.refused("a_admin", key("k_2")).policies, ["let-in-once"]);
    assert_eq!(company.refused("a_admin", link("a_lead", "l_1")).policies, ["let-in-once"]);
    company.done("a_lead", key("k_2"));
    company.done("a_lead", link("a_lead", "l_1"));
    company.done("a_admin", link("a_1", "l_2"));
    assert_eq!(company.refused("a_admin", link("a_1", "l_3")).policies, ["let-in-once"]);
    company.given.now = 9_000;
    company.done(
        "a_admin",
        Command::CreateSigninLink(SigninLinkCreated {
            actor: "a_1".into(),
            link_sha256: "l_4".into(),
            expires_at: 10_000,
        }),
    );
}

/// One step of somebody's day.
#[derive(Clone, Debug)]
enum Step {
    Request { by: usize, actor: usize, role: usize, scope: usize },
    Approve { by: usize, grant: usize },
    End { by: usize, grant: usize, reason: EndReason },
    Leave { actor: usize },
    Wait,
}

const PEOPLE: [&str; 5] = ["a_admin", "a_lead", "a_1", "a_2", "a_3"];
const SCOPES: [&str; 5] = [ORG, "service/credit", "service/support", "environment/prod", "dataset/loans"];

fn step() -> impl Strategy<Value = Step> {
    let reason = prop_oneof![Just(EndReason::Declined), Just(EndReason::Withdrawn), Just(EndReason::Revoked)];
    prop_oneof![
        4 => (0..5_usize, 0..5_usize, 0..ROLES.len(), 0..SCOPES.len())
            .prop_map(|(by, actor, role, scope)| Step::Request { by, actor, role, scope }),
        6 => (0..5_usize, 0..12_usize).prop_map(|(by, grant)| Step::Approve { by, grant }),
        2 => (0..5_usize, 0..12_usize, reason).prop_map(|(by, grant, reason)| Step::End { by, grant, reason }),
        1 => (1..5_usize).prop_map(|actor| Step::Leave { actor }),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_requests_and_approvals_brings_together_what_is_kept_apart(steps in prop::collection::vec(step(), 0..60)) {
        let mut company = Company::with_a_lead();
        company.done("a_admin", super::datasets::declare("loans", "a_admin"));
        let mut asked = Vec::new();
        for step in steps {
            // What is refused changes nothing; the rest must keep the rules.
            let _ = match step {
                Step::Request { by, actor, role, scope } => {
                    let grant = format!("g_{}", asked.len());
                    let wish = request(&grant, PEOPLE[actor], ROLES[role].name, SCOPES[scope]);
                    asked.push(grant);
                    company.ask(PEOPLE[by], wish)
                }
                Step::Approve { by, grant } if grant < asked.len() => company.ask(PEOPLE[by], approve(&asked[grant])),
                Step::End { by, grant, reason } if grant < asked.len() => {
                    company.ask(PEOPLE[by], end(&asked[grant], reason))
                }
                Step::Leave { actor } => {
                    company.ask("a_admin", Command::Leave(ActorLeft { actor: PEOPLE[actor].into() }))
                }
                Step::Wait => {
                    company.given.now += 500;
                    Ok(vec![])
                }
                Step::Approve { .. } | Step::End { .. } => Ok(vec![]),
            };
            let State { grants, left, .. } = &company.state;
            for actor in PEOPLE {
                let held: Vec<(&str, &str)> = company.state.roles_of(actor, company.given.now).collect();
                prop_assert!(held.is_empty() || !left.contains_key(actor));
                for (at, (one, here)) in held.iter().enumerate() {
                    for (other, there) in &held[at + 1..] {
                        let apart = CONFLICTS.iter().find(|rule| rule.roles == (*one, *other) || rule.roles == (*other, *one));
                        prop_assert!(apart.is_none() || !overlap(here, there), "{actor} holds {held:?}");
                    }
                }
            }
            for grant in grants.values().filter(|grant| grant.requested.grant != "g_lead") {
                if let Some((by, _)) = &grant.approved {
                    prop_assert!(*by != grant.requested.actor, "nobody approves for themselves");
                }
            }
        }
    }
}

#[test]
fn given_somebody_who_can_sign_in_when_others_link_another_name_then_it_is_refused() {
    let mut company = Company::with_a_lead();
    let link = |actor: &str, source, subject: &str| {
        let subject = subject.repeat(16);
        Command::LinkIdentity(IdentityLinked { actor: actor.into(), source, subject })
    };
    company.done("a_admin", link("a_1", IdentitySource::Oidc, "aa"));
    assert!(company.ask("a_admin", link("a_1", IdentitySource::Oidc, "aa")).expect("the same again").is_empty());
    let taken = company.ask("a_admin", link("a_2", IdentitySource::Oidc, "aa")).expect_err("somebody else's");
    assert_eq!(taken.code, RefusalCode::Exists);
    let second = company.ask("a_admin", link("a_1", IdentitySource::Oidc, "bb")).expect_err("a second way in");
    assert_eq!(second.policies, ["let-in-once"]);
    company.done("a_admin", link("a_1", IdentitySource::Scim, "cc"));
    company.done("a_1", link("a_1", IdentitySource::Oidc, "bb"));
    let bad = company.ask("a_admin", link("a_2", IdentitySource::Scim, "zz")).expect_err("no reference");
    assert_eq!(bad.code, RefusalCode::Invalid);
    let unlink =
        |actor: &str| Command::UnlinkIdentity(IdentityUnlinked { actor: actor.into(), subject: "aa".repeat(16) });
    assert_eq!(company.ask("a_admin", unlink("a_2")).expect_err("not theirs").code, RefusalCode::NotFound);
    company.done("a_admin", unlink("a_1"));
    assert!(!company.state.identities.contains_key(&"aa".repeat(16)));
}
