//! Whether duties were kept apart, read off the events alone: this knows nothing of the state, of `decide`, or of the
//! tables that they use, so that it can disagree with them.

use std::collections::{BTreeMap, BTreeSet};

use crate::people::{ActorKind, Vote};
use crate::serving::{RiskTier, Target};
use crate::{Event, people};

/// Pairs of duties that nobody has at once in one place, written down a second time.
const APART: [(&str, &[&str]); 5] = [
    ("model_trainer", &["model_approver", "deployer"]),
    ("model_approver", &["deployer"]),
    ("administrator", &["model_trainer", "model_approver", "deployer", "security_lead"]),
    (
        "auditor",
        &[
            "administrator",
            "compliance_lead",
            "security_lead",
            "model_trainer",
            "model_approver",
            "deployer",
            "privacy_officer",
            "directory",
        ],
    ),
    (
        "directory",
        &["administrator", "security_lead", "model_trainer", "model_approver", "deployer", "privacy_officer"],
    ),
];

/// What an action makes of whoever may do it.
const DUTY_BY_ACTION: [(&str, &str); 12] = [
    ("actor.register", "administrator"),
    ("approval.vote", "model_approver"),
    ("approvals.configure", "administrator"),
    ("grant.approve", "security_lead"),
    ("group.map.approve", "security_lead"),
    ("group.provision", "directory"),
    ("model.register", "model_trainer"),
    ("person.provision", "directory"),
    ("policies.install", "administrator"),
    ("role.define", "administrator"),
    ("service.declare", "deployer"),
    ("service.retire", "deployer"),
];

/// A role that somebody has, or asked for.
struct Held {
    actor: String,
    role: String,
    scope: String,
    ends_at: i64,
    /// The person who asked.
    asker: String,
    approved: bool,
    over: bool,
}

/// A request for an approval.
struct Asked {
    command: String,
    asker: String,
    role: String,
    quorum: u64,
    deploys: BTreeSet<String>,
    /// The persons who had a part in each vote that approves.
    votes: Vec<BTreeSet<String>>,
}

/// The secret of a key by which a program signs in.
struct Secret {
    program: String,
    /// The person who was shown it.
    holder: String,
    ends_at: i64,
}

/// Reads commands' events in order, and notes whatever should not have been.
#[derive(Default)]
pub struct Oracle {
    kinds: BTreeMap<String, ActorKind>,
    first: BTreeMap<String, Vec<String>>,
    owners: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    left: BTreeSet<String>,
    grants: BTreeMap<String, Held>,
    emergencies: BTreeMap<String, Held>,
    own_roles: BTreeMap<String, Vec<String>>,
    mapped: BTreeMap<String, (String, Option<String>)>,
    trained: BTreeMap<String, String>,
    asked: BTreeMap<String, Asked>,
    risks: BTreeMap<String, RiskTier>,
    rules: BTreeMap<String, people::ApprovalRule>,
    policies: bool,
    /// Duties that somebody was given at some time.
    given: BTreeSet<String>,
    /// What should not have been.
    pub broken: Vec<String>,
}

impl Oracle {
    /// Takes in what one command of `by` did at `now` (milliseconds since the epoch).
    pub fn take(&mut self, now: i64, by: &str, events: &[Event]) {
        self.second_person(now, by, events);
        for event in events {
            self.judge(now, by, event, events);
            self.note(by, event);
        }
        self.apart(now);
        self.held_by_others(now);
    }

    fn breaks(&mut self, what: String) {
        self.broken.push(what);
    }

    fn person(&self, actor: &str) -> String {
        self.owners.get(actor).map_or(actor, String::as_str).to_owned()
    }

    fn duties(&self, role: &str) -> BTreeSet<String> {
        let Some(actions) = self.own_roles.get(role) else { return BTreeSet::from([role.to_owned()]) };
        let amounts = |(action, _): &&(&str, &str)| actions.iter().any(|one| one == action);
        DUTY_BY_ACTION.iter().filter(amounts).map(|(_, duty)| (*duty).to_owned()).collect()
    }

    /// What an actor has at `now`: role and scope. Emergencies count when asked for.
    fn has(&self, actor: &str, now: i64, emergencies: bool) -> Vec<(String, String)> {
        if self.left.contains(actor) {
            return vec![];
        }
        let first = self.first.get(actor).into_iter().flatten().map(|role| (role.clone(), "org".to_owned()));
        let taken = self.emergencies.values().filter(|_| emergencies);
        let held = self.grants.values().filter(|grant| grant.approved).chain(taken);
        let held = held.filter(|held| held.actor == actor && !held.over && now < held.ends_at);
        first.chain(held.map(|held| (held.role.clone(), held.scope.clone()))).collect()
    }

    /// Whether an actor approves what others ask for.
    fn approves(&self, actor: &str, now: i64) -> bool {
        self.has(actor, now, false).iter().any(|(role, scope)| {
            scope == "org" && (role == "administrator" || self.duties(role).contains("security_lead"))
        })
    }

    /// Whether anybody but these persons could approve.
    fn somebody_else(&self, now: i64, but: &[&str]) -> bool {
        let steps_in = |actor: &str| {
            let has = self.has(actor, now, false);
            has.iter().any(|(role, scope)| scope == "org" && ["compliance_lead", "privacy_officer"].contains(&&**role))
        };
        self.kinds
            .keys()
            .any(|actor| !but.contains(&self.person(actor).as_str()) && (self.approves(actor, now) || steps_in(actor)))
    }

    /// The rule by which a command needs an approval: who votes, and how many of them.
    fn rule(&self, command: &str, risk: Option<RiskTier>) -> Option<(String, u64)> {
        let always = match command {
            "policies.install" | "role.define" | "approvals.configure" => Some(("security_lead", None)),
            "service.declare" => Some(("model_approver", Some(RiskTier::High))),
            _ => None,
        };
        let set = self.rules.get(command).map(|rule| (rule.role.clone(), rule.quorum, rule.risk_tier));
        let (role, quorum, tier) = set.or_else(|| always.map(|(role, tier)| (role.to_owned(), 1, tier)))?;
        let rank = |tier: RiskTier| ["low", "medium", "high"].iter().position(|name| *name == tier.as_str());
        let concerned = tier.is_none_or(|least| risk.is_some_and(|risk| rank(risk) >= rank(least)));
        concerned.then_some((role, quorum))
    }

    /// Whether a command that needed a second person had one.
    fn second_person(&mut self, now: i64, by: &str, events: &[Event]) {
        let system = self.kinds.get(by).is_none_or(|kind| *kind == ActorKind::System);
        let needs = events.iter().find_map(|event| match event {
            Event::PoliciesInstalled(_) if self.policies => self.rule("policies.install", None),
            Event::RoleDefined(_) => self.rule("role.define", None),
            Event::ApprovalsConfigured(_) => self.rule("approvals.configure", None),
            Event::ModelRegistered(_) => self.rule("model.register", None),
            Event::ServiceRetired(_) => self.rule("service.retire", None),
            Event::ServiceDeclared(body) => {
                let before = self.risks.get(&body.service).copied();
                let risk = if before == Some(RiskTier::High) { RiskTier::High } else { body.spec.risk_tier };
                self.rule("service.declare", Some(risk))
            }
            _ => None,
        });
        let used = events.iter().find_map(|event| match event {
            Event::ApprovalConsumed(body) => Some(body.approval.clone()),
            _ => None,
        });
        if let Some((role, quorum)) = needs.filter(|_| !system) {
            let stood_in = events.iter().any(|event| matches!(event, Event::DutyStoodIn(body) if body.duty == role));
            let services =
                events.iter().any(|event| matches!(event, Event::ServiceDeclared(_) | Event::ServiceRetired(_)));
            let emergency = services
                && self
                    .emergencies
                    .values()
                    .any(|held| held.actor == by && held.role == "deployer" && !held.over && now < held.ends_at);
            match used.as_ref().and_then(|used| self.asked.get(used)) {
                None if stood_in || emergency => {}
                None => self.breaks(format!("{by} needed an approval and had none: {:?}", names(events))),
                Some(asked) if (asked.votes.len() as u64) < quorum.max(asked.quorum) || asked.role != role => {
                    let had = asked.votes.len();
                    let what = format!("{by} had {had} votes of {quorum} by {role} for {}", asked.command);
                    self.breaks(what);
                }
                Some(_) => {}
            }
        }
        let person = self.person(by);
        let voted = used
            .and_then(|used| self.asked.get(&used))
            .is_some_and(|asked| asked.votes.iter().any(|part| part.contains(&person)));
        if voted {
            self.breaks(format!("{person} approved and carried out {:?}", names(events)));
        }
    }

    /// Judges one event by what went before.
    fn judge(&mut self, now: i64, by: &str, event: &Event, beside: &[Event]) {
        match event {
            Event::GrantApproved(body) => self.grant_approved(now, by, &body.grant),
            Event::GrantPreapproved(body) => self.grant_preapproved(&body.grant, &body.group),
            Event::GroupMapApproved(body) => {
                let person = self.person(by);
                let mapper = self.mapped.get(&body.group).map(|(mapper, _)| mapper.clone()).unwrap_or_default();
                if person == mapper && self.somebody_else(now, &[&mapper]) {
                    self.breaks(format!("{person} mapped and approved {}", body.group));
                }
            }
            Event::ApprovalVoted(body) if body.vote == Vote::Approve => self.voted(now, by, body),
            Event::DutyStoodIn(body) => {
                let administers = self.has(by, now, false).contains(&("administrator".into(), "org".into()));
                if self.given.contains(&body.duty) || !administers {
                    self.breaks(format!("{by} stood in for {}, which somebody was given", body.duty));
                }
            }
            Event::DeploymentStarted(body) => {
                if let Target::Model { model, version } = &body.target {
                    self.deployed(by, &format!("{model}/{version}"), beside);
                }
            }
            _ => {}
        }
    }

    fn grant_approved(&mut self, now: i64, by: &str, grant: &str) {
        let person = self.person(by);
        let Some(grant) = self.grants.get(grant) else { return self.breaks(format!("{by} approved nothing")) };
        let (asker, gains) = (grant.asker.clone(), self.person(&grant.actor));
        let emergency = self.emergencies.values().any(|held| held.actor == by && !held.over && now < held.ends_at);
        if person == gains {
            self.breaks(format!("{person} approved a role of their own"));
        }
        if person == asker && self.somebody_else(now, &[&asker, &gains]) {
            self.breaks(format!("{person} asked for a role and approved it"));
        }
        if emergency && !self.approves(by, now) {
            self.breaks(format!("{by} approved a role in an emergency"));
        }
    }

    fn grant_preapproved(&mut self, grant: &str, group: &str) {
        let approver = self.mapped.get(group).and_then(|(_, approver)| approver.clone());
        let Some(grant) = self.grants.get(grant) else { return self.breaks(format!("{group} gave nothing")) };
        let (asker, gains) = (grant.asker.clone(), self.person(&grant.actor));
        match approver {
            None => self.breaks(format!("{group} gave a role that nobody approved")),
            Some(approver) if approver == asker || approver == gains => {
                self.breaks(format!("{approver} approved {group}, by which they asked for a role or got it"));
            }
            Some(_) => {}
        }
    }

    fn voted(&mut self, now: i64, by: &str, body: &people::ApprovalVoted) {
        let Some(asked) = self.asked.get(&body.approval) else { return self.breaks(format!("{by} voted on nothing")) };
        let part: BTreeSet<String> = std::iter::once(by.to_owned()).chain(body.on_behalf_of.clone()).collect();
        let mut broken = Vec::new();
        for voter in &part {
            if self.kinds.get(voter) != Some(&ActorKind::Human) {
                broken.push(format!("{voter} voted and is no person"));
            }
            if *voter == asked.asker {
                broken.push(format!("{voter} asked and voted"));
            }
            if asked.votes.iter().any(|other| other.contains(voter)) {
                broken.push(format!("{voter} voted twice"));
            }
            if asked.deploys.iter().any(|version| self.trained.get(version) == Some(voter)) {
                broken.push(format!("{voter} trained what they voted on"));
            }
        }
        // Whoever votes for another holds nothing that is kept apart from the vote.
        let duties = self.duties(&asked.role);
        if body.on_behalf_of.is_some() && self.of_person(by, now).iter().any(|(role, _)| self.clash(role, &duties)) {
            broken.push(format!("{by} was handed a vote that their roles keep them from"));
        }
        self.broken.extend(broken);
    }

    /// Judges who deployed a version, who trained it, and who ever approved that it be deployed.
    fn deployed(&mut self, by: &str, version: &str, beside: &[Event]) {
        let deployer = self.person(by);
        let trainer = self.trained.get(version).cloned().unwrap_or_default();
        let approved = |asked: &&Asked| asked.deploys.contains(version);
        let parts = self.asked.values().filter(approved).flat_map(|asked| &asked.votes).flatten();
        let approvers: BTreeSet<String> = parts.cloned().collect();
        let stood_in = beside.iter().any(|event| matches!(event, Event::DutyStoodIn(body) if body.duty == "deployer"));
        let used = beside.iter().any(|event| matches!(event, Event::ApprovalConsumed(_)));
        let emergency = beside.iter().any(|event| matches!(event, Event::EmergencyUsed(_)));
        if trainer == deployer && approvers.contains(&deployer) {
            self.breaks(format!("{deployer} trained, approved and deployed {version}"));
        }
        if trainer == deployer && !stood_in {
            self.breaks(format!("{deployer} trained and deployed {version}"));
        }
        let risky = beside
            .iter()
            .any(|event| matches!(event, Event::ServiceDeclared(body) if body.spec.risk_tier == RiskTier::High));
        if emergency && !used && risky && !stood_in && approvers.contains(&deployer) {
            self.breaks(format!("{deployer} approved and deployed {version} in an emergency"));
        }
    }

    /// Takes an event in.
    fn note(&mut self, by: &str, event: &Event) {
        let asker = self.person(by);
        match event {
            Event::PoliciesInstalled(_) => self.policies = true,
            Event::ActorRegistered(body) => {
                self.kinds.insert(body.actor.clone(), body.kind);
                self.first.insert(body.actor.clone(), body.roles.clone());
            }
            Event::ActorLeft(body) => {
                self.left.insert(body.actor.clone());
            }
            Event::ActorReturned(body) => {
                self.left.remove(&body.actor);
                self.first.remove(&body.actor);
            }
            Event::AccountOwned(body) => drop(self.owners.insert(body.actor.clone(), body.owner.clone())),
            Event::KeyCreated(body) => {
                if let people::KeyScope::Actor(program) = &body.scope
                    && self.kinds.get(program) == Some(&ActorKind::Service)
                    // What a program makes for itself while nobody here answers for it, nobody is shown.
                    && !self.left.contains(&asker)
                {
                    let secret = Secret { program: program.clone(), holder: asker, ends_at: body.expires_at };
                    self.secrets.insert(body.key.clone(), secret);
                }
            }
            Event::KeyRevoked(body) => drop(self.secrets.remove(&body.key)),
            Event::GrantRequested(body) => {
                let (actor, role, scope) = (body.actor.clone(), body.role.clone(), body.scope.clone());
                let held = Held { actor, role, scope, ends_at: body.ends_at, asker, approved: false, over: false };
                self.grants.insert(body.grant.clone(), held);
            }
            Event::GrantApproved(people::GrantNamed { grant })
            | Event::GrantPreapproved(people::GrantPreapproved { grant, .. }) => {
                let Some(held) = self.grants.get_mut(grant) else { return };
                held.approved = true;
                let role = held.role.clone();
                self.given.extend(self.duties(&role));
            }
            Event::GrantEnded(body) => {
                if let Some(held) = self.grants.get_mut(&body.grant) {
                    held.over = true;
                }
            }
            Event::RoleDefined(body) => drop(self.own_roles.insert(body.role.clone(), body.actions.clone())),
            Event::RoleRetired(body) => drop(self.own_roles.remove(&body.role)),
            Event::GroupMapped(body) => drop(self.mapped.insert(body.group.clone(), (asker, None))),
            Event::GroupMapApproved(body) => {
                if let Some((_, approver)) = self.mapped.get_mut(&body.group) {
                    *approver = Some(asker);
                }
            }
            Event::EmergencyDeclared(body) => {
                let (actor, role, scope) = (by.to_owned(), body.role.clone(), body.scope.clone());
                let held = Held { actor, role, scope, ends_at: body.ends_at, asker, approved: true, over: false };
                self.emergencies.insert(body.emergency.clone(), held);
            }
            Event::EmergencyEnded(body) => {
                if let Some(held) = self.emergencies.get_mut(&body.emergency) {
                    held.over = true;
                }
            }
            Event::ModelRegistered(body) => {
                drop(self.trained.insert(format!("{}/{}", body.model, body.version), asker))
            }
            Event::ServiceDeclared(body) => {
                self.risks.insert(body.service.clone(), body.spec.risk_tier);
            }
            Event::ApprovalsConfigured(body) => {
                self.rules = body.rules.iter().map(|rule| (rule.command.clone(), rule.clone())).collect();
            }
            Event::ApprovalRequested(body) => {
                let (command, role, deploys) = (body.command.clone(), body.role.clone(), body.deploys.clone());
                let asked = Asked { command, asker, role, quorum: body.quorum, deploys, votes: vec![] };
                self.asked.insert(body.approval.clone(), asked);
            }
            Event::ApprovalVoted(body) if body.vote == Vote::Approve => {
                let part = std::iter::once(by.to_owned()).chain(body.on_behalf_of.clone()).collect();
                if let Some(asked) = self.asked.get_mut(&body.approval) {
                    asked.votes.push(part);
                }
            }
            _ => {}
        }
    }

    /// What one person has by any hand: their own, and the programs that they answer for.
    fn of_person(&self, actor: &str, now: i64) -> Vec<(String, String)> {
        let person = self.person(actor);
        let hands = self.kinds.keys().filter(|hand| self.person(hand) == person);
        hands.flat_map(|hand| self.has(hand, now, true)).collect()
    }

    /// Nobody holds the secret of a program that acts for somebody else, or of any once they left: they would be two.
    fn held_by_others(&mut self, now: i64) {
        let mut broken = Vec::new();
        for (key, Secret { program, holder, ends_at }) in &self.secrets {
            let theirs = self.person(program) == *holder && !self.left.contains(holder);
            if now < *ends_at && !theirs {
                broken.push(format!("{holder} holds {key} of {program}, for which they do not answer"));
            }
        }
        self.broken.extend(broken);
    }

    fn clash(&self, role: &str, duties: &BTreeSet<String>) -> bool {
        let apart =
            |one: &str, other: &str| APART.iter().any(|(first, seconds)| *first == one && seconds.contains(&other));
        self.duties(role).iter().any(|one| duties.iter().any(|other| apart(one, other) || apart(other, one)))
    }

    /// Nobody has two duties at once, in places that overlap, that are kept apart.
    fn apart(&mut self, now: i64) {
        let mut persons: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for actor in self.kinds.keys() {
            persons.entry(self.person(actor)).or_default().extend(self.has(actor, now, true));
        }
        let mut broken = Vec::new();
        for (person, held) in persons {
            for (at, (one, here)) in held.iter().enumerate() {
                for (other, there) in &held[at + 1..] {
                    let overlap = here == there || here == "org" || there == "org";
                    if overlap && self.clash(one, &self.duties(other)) {
                        broken.push(format!("{person} has {one} in {here} and {other} in {there}"));
                    }
                }
            }
        }
        self.broken.extend(broken);
    }
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::name).collect()
}
