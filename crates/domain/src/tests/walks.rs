//! Random days of an organisation. Whatever people and their programs ask for, in whatever order and under whatever
//! policies, nobody trains, approves and deploys the same model version, and no role, vote or policy comes from one
//! person alone. Who is right is for [`oracle`] to say, which reads the events and nothing else.

mod broken;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::TestRunner;

use super::approvals::{Company, PEOPLE, install, register_model, service, vote};
use crate::people::roles;
use crate::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ActorReturned, ApprovalNamed, ApprovalRule,
    ApprovalsConfigured, EmergencyDeclared, EmergencyNamed, EndReason, GrantEnded, GrantNamed, GrantRequested,
    GroupMapped, GroupNamed, IdentitySource, KeyCreated, KeyScope, MappedRole, OwnerReason, ProvisionGroup,
    RequestApproval, RoleDefined, RoleRetired, Vote, VoteDelegated,
};
use crate::serving::{RiskTier, ServiceRetired};
use crate::{Command, State};
use oracle::Oracle;

const PROGRAMS: [&str; 2] = ["a_bot", "a_ci"];
const GROUPS: [&str; 2] = ["gr_a", "gr_b"];
const SERVICES: [&str; 2] = ["credit", "support"];
const SCOPES: [&str; 5] = ["org", "service/credit", "service/support", "environment/prod", "dataset/loans"];
const VERSIONS: [&str; 3] = ["1", "2", "3"];
const OWN: [&str; 2] = ["helper", "board"];
const ROLES: [&str; 10] = [
    "security_lead",
    "administrator",
    "model_trainer",
    "model_approver",
    "deployer",
    "monitor",
    "auditor",
    "directory",
    OWN[0],
    OWN[1],
];
const TIERS: [RiskTier; 3] = [RiskTier::High, RiskTier::High, RiskTier::Low];
const VOTERS: [&str; 4] = ["model_approver", "model_approver", "security_lead", OWN[1]];

/// What roles of the organisation's own permit, in turn.
const ACTIONS: [&[&str]; 7] = [
    &["read"],
    &["service.declare"],
    &["model.register"],
    &["approval.vote"],
    &["grant.approve", "grant.request"],
    &["actor.register"],
    &["model.register", "service.declare"],
];

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum What {
    Ask,
    Approve,
    End,
    Leave,
    Return,
    Own,
    Key,
    Member,
    Map,
    ApproveMap,
    Define,
    Retire,
    Configure,
    Install,
    Propose,
    Vote,
    Withdraw,
    CarryOut,
    Delegate,
    Break,
    Calm,
    Register,
    Deploy,
    Close,
    Wait,
}

const WEIGHTS: [(u32, What); 25] = [
    (8, What::Ask),
    (10, What::Approve),
    (4, What::End),
    (1, What::Leave),
    (3, What::Return),
    (3, What::Own),
    (3, What::Key),
    (3, What::Member),
    (3, What::Map),
    (3, What::ApproveMap),
    (1, What::Define),
    (1, What::Retire),
    (1, What::Configure),
    (1, What::Install),
    (10, What::Propose),
    (14, What::Vote),
    (1, What::Withdraw),
    (10, What::CarryOut),
    (3, What::Delegate),
    (3, What::Break),
    (1, What::Calm),
    (5, What::Register),
    (6, What::Deploy),
    (1, What::Close),
    (2, What::Wait),
];

/// What is done, and numbers that choose by whom, to whom and to what.
type Step = (What, [usize; 4]);

fn step() -> impl Strategy<Value = Step> {
    let what = Union::new_weighted(WEIGHTS.map(|(weight, what)| (weight, Just(what))).to_vec());
    (what, prop::array::uniform4(0..64_usize))
}

fn pick<T: Copy>(from: &[T], number: usize) -> Option<T> {
    from.get(number.checked_rem(from.len())?).copied()
}

/// An organisation on its way, and what the oracle has to say of it.
struct Walk {
    company: Company,
    oracle: Oracle,
    /// How many of the company's commands the oracle has seen.
    seen: usize,
    /// Whether policies permit everything to everybody, or what those that ship permit.
    lax: bool,
    /// What was asked to be approved.
    asked: Vec<(String, Command)>,
}

impl Walk {
    /// Of an organisation that begins, or of one where everybody has their duty.
    fn new(begins: bool, lax: bool) -> Self {
        let company = if begins { Company::begun() } else { Company::staffed() };
        let mut walk = Self { company, oracle: Oracle::default(), seen: 0, lax, asked: Vec::new() };
        let register =
            |actor: &str, kind| Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles: vec![] });
        let deployer = if begins { "a_admin" } else { "a_deployer" };
        for name in SERVICES {
            let Command::DeclareService(mut body) = service(name, RiskTier::Low, "1") else { unreachable!() };
            body.spec.routes.clear();
            walk.company.done(deployer, Command::DeclareService(body));
        }
        for (program, owner) in PROGRAMS.into_iter().zip(["a_other", "a_second"]) {
            if owner == "a_second" {
                walk.company.done("a_admin", register(owner, ActorKind::Human));
            }
            walk.company.done("a_admin", register(program, ActorKind::Service));
            let owned = AccountOwned { actor: program.into(), owner: owner.into(), reason: OwnerReason::Named };
            walk.company.done("a_admin", Command::OwnAccount(owned));
        }
        walk.company.done("a_admin", super::datasets::declare("loans", "a_admin"));
        for group in GROUPS {
            let described = Some((BTreeSet::from([group[3..].repeat(32)]), "e".repeat(64)));
            let (add, remove) = (BTreeSet::new(), BTreeSet::new());
            let body = ProvisionGroup { group: group.into(), described, source: IdentitySource::Scim, add, remove };
            walk.company.done("a_admin", Command::ProvisionGroup(body));
        }
        walk.look();
        walk
    }

    /// Shows the oracle what was done meanwhile.
    fn look(&mut self) {
        for (now, by, events) in &self.company.done[self.seen..] {
            self.oracle.take(*now, by, events);
        }
        self.seen = self.company.done.len();
    }

    fn actors(&self) -> Vec<&'static str> {
        let all = PEOPLE.into_iter().chain(["a_second"]).chain(PROGRAMS);
        all.filter(|actor| !self.company.state.left.contains_key(*actor)).collect()
    }

    /// Takes a step; what is refused changes nothing.
    fn step(&mut self, (what, [by, one, two, three]): Step) {
        if matches!(what, What::Wait) {
            self.company.given.now += [1_000, 40_000, 150_000][one % 3];
            return;
        }
        let Some(command) = self.command(what, [one, two, three]) else { return };
        let mut may = self.actors();
        may.retain(|actor| self.lax || permitted(&self.company, actor, &command));
        // Whoever has a vote is asked more often than others.
        if let Command::VoteOnApproval(body) = &command
            && three % 4 != 0
        {
            let (state, now) = (&self.company.state, self.company.given.now);
            may.retain(|actor| state.can_vote(&state.approvals[&body.approval], actor, now));
        }
        let Some(by) = pick(&may, by) else { return };
        self.company.given.fresh = format!("f{}", self.company.done.len());
        let done = self.company.ask(by, command.clone());
        if let (Ok(_), Command::RequestApproval(body)) = (done, command) {
            self.asked.push((body.approval, *body.command));
        }
        self.look();
    }

    /// A command of a kind, about things that there are.
    fn command(&self, what: What, [one, two, three]: [usize; 3]) -> Option<Command> {
        let (state, now) = (&self.company.state, self.company.given.now);
        let new = |kind: &str| format!("{kind}{}", self.company.done.len());
        let humans: Vec<&str> = self.actors().into_iter().filter(|actor| !PROGRAMS.contains(actor)).collect();
        let some = |list: &[&'static str], number: usize| pick(list, number).map(str::to_owned);
        Some(match what {
            What::Approve | What::End => self.of_grant(what, one, two)?,
            What::Vote | What::Withdraw | What::CarryOut => self.of_approval(what, one, two)?,
            What::Ask => {
                let (grant, ends_at) = (new("g_"), now + [90_000, 9_000_000][three % 2]);
                let (role, actor, scope) = (some(&ROLES, one)?, some(&self.actors(), two)?, some(&SCOPES, three / 2)?);
                let reference = "CHG-1".into();
                Command::RequestGrant(GrantRequested { grant, actor, role, scope, ends_at, reference })
            }
            What::Leave => Command::Leave(ActorLeft { actor: some(&self.actors(), one)? }),
            What::Return => {
                let left: Vec<&String> = state.left.keys().collect();
                Command::Return(ActorReturned { actor: pick(&left, one)?.clone() })
            }
            What::Own => {
                let (actor, owner) = (some(&PROGRAMS, one)?, pick(&humans, two)?.to_owned());
                Command::OwnAccount(AccountOwned { actor, owner, reason: OwnerReason::Named })
            }
            What::Key => {
                let (key, scope, prefix) = (new("k_"), KeyScope::Actor(some(&PROGRAMS, one)?), "cfk_".into());
                let (secret_sha256, expires_at) = (key.clone(), now + [90_000, 9_000_000][two % 2]);
                Command::CreateKey(KeyCreated { key, scope, prefix, secret_sha256, expires_at, session: None })
            }
            What::Member => {
                let actor = BTreeSet::from([some(&self.actors(), two)?]);
                let (add, remove) = if three % 3 == 0 { (BTreeSet::new(), actor) } else { (actor, BTreeSet::new()) };
                let (group, source) = (some(&GROUPS, one)?, IdentitySource::Scim);
                Command::ProvisionGroup(ProvisionGroup { group, described: None, source, add, remove })
            }
            What::Map => {
                let roles = vec![MappedRole { role: some(&ROLES, two)?, scope: some(&SCOPES, three)? }];
                Command::MapGroup(GroupMapped { group: some(&GROUPS, one)?, roles, days: 90 })
            }
            What::ApproveMap => Command::ApproveGroupMap(GroupNamed { group: some(&GROUPS, one)? }),
            What::Define => {
                let actions = pick(&ACTIONS, two)?.iter().map(|action| (*action).to_owned()).collect();
                Command::DefineRole(RoleDefined { role: some(&OWN, one)?, actions })
            }
            What::Retire => Command::RetireRole(RoleRetired { role: some(&OWN, one)? }),
            What::Configure => {
                let command = ["service.declare", "model.register", "policies.install"][three % 3].to_owned();
                let risk_tier = pick(&TIERS, three).filter(|_| three % 3 == 0 && two % 2 == 0);
                let rule = ApprovalRule { command, quorum: [1, 1, 2][one % 3], role: some(&VOTERS, two)?, risk_tier };
                Command::ConfigureApprovals(ApprovalsConfigured { rules: vec![rule] })
            }
            What::Install => install(&format!("text {}", one % 3)),
            What::Propose => {
                let what = [What::Deploy, What::Deploy, What::Define, What::Configure, What::Install][one % 5];
                let what = if one % 11 == 0 { What::Register } else { what };
                Command::RequestApproval(RequestApproval {
                    approval: new("p_"),
                    command: Box::new(self.command(what, [two, three, one / 5])?),
                    evidence: vec![],
                    expires_at: now + 300_000,
                    reference: "CHG-1".into(),
                })
            }
            What::Delegate => {
                let (to, role) = (pick(&humans, one)?.to_owned(), some(&VOTERS, two)?);
                Command::DelegateVote(VoteDelegated { delegation: new("v_"), to, role, ends_at: now + 200_000 })
            }
            What::Break => {
                let role = ["deployer", "deployer", "administrator", "monitor"][one % 4].to_owned();
                let (emergency, scope, ends_at) = (new("e_"), some(&SCOPES, two)?, now + 60_000);
                let reference = "INC-1".into();
                Command::DeclareEmergency(EmergencyDeclared { emergency, role, scope, ends_at, reference })
            }
            What::Calm => {
                let known: Vec<&String> = state.emergencies.keys().collect();
                Command::EndEmergency(EmergencyNamed { emergency: pick(&known, one)?.clone() })
            }
            What::Register => register_model(pick(&VERSIONS, one)?),
            What::Deploy => service(pick(&SERVICES, one)?, pick(&TIERS, two)?, pick(&VERSIONS, three)?),
            What::Close => Command::RetireService(ServiceRetired { service: some(&SERVICES, one)? }),
            What::Wait => return None,
        })
    }

    /// Approves a grant that waits, or ends one that stands.
    fn of_grant(&self, what: What, one: usize, two: usize) -> Option<Command> {
        let now = self.company.given.now;
        let waits = matches!(what, What::Approve);
        let grants =
            self.company.state.grants.values().filter(|grant| grant.is_pending(now) || !waits && grant.holds(now));
        let grants: Vec<&String> = grants.map(|grant| &grant.requested.grant).collect();
        let grant = pick(&grants, one)?.clone();
        let reason = [EndReason::Revoked, EndReason::Declined, EndReason::Withdrawn, EndReason::Revoked][two % 4];
        Some(match waits {
            true => Command::ApproveGrant(GrantNamed { grant }),
            false => Command::EndGrant(GrantEnded { grant, reason }),
        })
    }

    /// Votes on what was asked, takes it back, or carries it out.
    fn of_approval(&self, what: What, one: usize, two: usize) -> Option<Command> {
        let (state, now) = (&self.company.state, self.company.given.now);
        let wanted = if matches!(what, What::Vote) { "waiting" } else { "approved" };
        // What is over is tried now and then all the same.
        let open = |(approval, _): &&(String, Command)| {
            state.approvals[approval].standing(now).as_str() == wanted || one.is_multiple_of(8)
        };
        let open: Vec<&(String, Command)> = self.asked.iter().filter(open).collect();
        let (approval, command) = pick(&open, one / 8)?;
        Some(match what {
            What::Vote => vote(approval, if two.is_multiple_of(8) { Vote::Decline } else { Vote::Approve }),
            What::Withdraw => Command::WithdrawApproval(ApprovalNamed { approval: approval.clone() }),
            _ => command.clone(),
        })
    }
}

/// What the policies that ship let somebody do: the property must not hang on people being idle.
fn permitted(company: &Company, actor: &str, command: &Command) -> bool {
    const DUTIES: [&str; 6] =
        ["administrator", "security_lead", "model_trainer", "model_approver", "deployer", "monitor"];
    let (action, resource) = (command.name(), command.resource());
    let roles: &[&str] = match action {
        "model.register" => &["model_trainer"],
        "service.declare" | "service.retire" => &["deployer"],
        "policies.install" | "approvals.configure" | "role.define" | "role.retire" => &["administrator"],
        "group.provision" => &["administrator", "security_lead", "directory"],
        "emergency.declare" | "emergency.end" | "approval.request" => &DUTIES,
        "approval.vote" | "approval.withdraw" | "approval.delegate" => return true,
        _ => &["administrator", "security_lead"],
    };
    let (state, now): (&State, i64) = (&company.state, company.given.now);
    let permits = |role: &str| {
        let own = state.custom_roles.get(role);
        roles.contains(&role) || own.is_some_and(|own| own.actions.iter().any(|one| one == action))
    };
    let owns =
        |program: &str| ["account.own", "key.create"].contains(&action) && resource == format!("actor/{program}");
    state.roles_of(actor, now).any(|(role, scope)| roles::covers(state, scope, &resource) && permits(role))
        || state.stand_ins_of(actor, now).iter().any(|duty| DUTIES[2..5].contains(duty) && roles == [*duty])
        || state.accounts_of(actor).any(owns)
}

proptest! {
    #[test]
    fn no_reachable_state_lets_one_person_train_approve_and_deploy_a_version(
        begins in any::<bool>(),
        lax in prop::bool::weighted(0.3),
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let mut walk = Walk::new(begins, lax);
        prop_assert_eq!(&walk.oracle.broken, &Vec::<String>::new());
        for step in steps {
            walk.step(step);
            prop_assert!(walk.oracle.broken.is_empty(), "{:?}: {:?}", step, walk.oracle.broken);
        }
    }
}

#[test]
fn given_many_walks_when_counted_then_they_come_to_what_the_rules_are_about() {
    let (mut runner, mut reached) = (TestRunner::deterministic(), BTreeMap::<&str, usize>::new());
    for number in 0..64 {
        let steps = prop::collection::vec(step(), 100).new_tree(&mut runner).expect("steps").current();
        let mut walk = Walk::new(number % 4 == 0, false);
        let before = walk.seen;
        for step in steps {
            walk.step(step);
        }
        for event in walk.company.done[before..].iter().flat_map(|(_, _, events)| events) {
            *reached.entry(event.name()).or_default() += 1;
        }
    }
    for name in [
        "account.owned",
        "actor.left",
        "actor.returned",
        "approval.consumed",
        "approval.voted",
        "deployment.started",
        "duty.stood.in",
        "emergency.declared",
        "emergency.used",
        "grant.approved",
        "grant.ended",
        "grant.preapproved",
        "group.map.approved",
        "key.created",
        "key.revoked",
        "model.registered",
        "role.defined",
        "service.declared",
        "service.retired",
        "vote.delegated",
    ] {
        assert!(reached.contains_key(name), "no walk came to `{name}`: {reached:?}");
    }
}
