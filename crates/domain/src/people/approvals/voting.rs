//! Asking, voting, handing a vote on, taking a request back.

use std::collections::BTreeSet;

use super::{
    Approval, ApprovalCommented, ApprovalNamed, ApprovalRequested, ApprovalVoted, Cast, Delegation, DelegationEnded,
    RequestApproval, STANDS_MS, Standing, VoteDelegated,
};
use crate::decide::{identifier_is_valid, reference_is_valid};
use crate::people::ActorKind;
use crate::people::actors::present;
use crate::people::roles::{self, Conflict, ENVIRONMENT, ORG};
use crate::serving::{ServiceDeclared, Target};
use crate::{Command, Event, Given, Refusal, RefusalCode, State, canonical};

/// How much evidence a request may name.
const MAX_EVIDENCE: usize = 32;

pub(crate) fn request(state: &State, given: &Given, body: &RequestApproval) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    identifier_is_valid("approval", &body.approval)?;
    if state.approvals.contains_key(&body.approval) {
        return Err(Refusal::new(RefusalCode::Exists, format!("approval `{}` exists already", body.approval)));
    }
    if body.expires_at <= given.now || body.expires_at > given.now.saturating_add(STANDS_MS) {
        return invalid("a request must end in the future, within 30 days".into());
    }
    if body.evidence.len() > MAX_EVIDENCE {
        return invalid(format!("a request names at most {MAX_EVIDENCE} pieces of evidence"));
    }
    body.evidence.iter().try_for_each(|piece| evidence_is_valid(piece))?;
    reference_is_valid(&body.reference)?;
    let (command, resource) = (body.command.name(), body.command.resource());
    let Some(rule) = state.approval_rule(&body.command) else {
        return invalid(format!("`{command}` on `{resource}` needs no approval: carry it out"));
    };
    would_do_something(state, given, &body.command)?;
    let digest = digest(&body.command)?;
    let same = |known: &&Approval| {
        known.requested.digest == digest && known.standing(given.now).is_open() && !state.is_stale(known)
    };
    if let Some(known) = state.approvals.values().find(same) {
        let message = format!("this was asked already: see approval `{}`", known.requested.approval);
        return Err(Refusal::new(RefusalCode::Exists, message));
    }
    Ok(vec![Event::ApprovalRequested(ApprovalRequested {
        approval: body.approval.clone(),
        command: command.to_owned(),
        resource,
        digest,
        base: state.version(&body.command.stream()),
        quorum: rule.quorum,
        role: rule.role,
        deploys: deployed(&body.command).map(versioned).collect(),
        trained_by: trained_by(state, &body.command),
        beneficiary: super::rules::beneficiary(&body.command).map(str::to_owned),
        evidence: body.evidence.clone(),
        expires_at: body.expires_at,
        reference: body.reference.clone(),
    })])
}

/// What could not be done is not asked for. Whether a model can be served is found out when it is registered.
fn would_do_something(state: &State, given: &Given, command: &Command) -> Result<(), Refusal> {
    if matches!(command, Command::RegisterModel(_)) || !crate::decide::rules(state, given, command)?.is_empty() {
        return Ok(());
    }
    let message = format!("`{}` is so already: there is nothing to approve", command.resource());
    Err(Refusal::new(RefusalCode::Conflict, message))
}

/// SHA-256 of a command as compact JSON: what exactly is approved.
pub(super) fn digest(command: &Command) -> Result<String, Refusal> {
    canonical::digest(command)
        .map_err(|e| Refusal::new(RefusalCode::Invalid, format!("the command has no digest: {e}")))
}

/// Whether an approval of just this command was used.
pub(crate) fn was_agreed(state: &State, command: &Command) -> Result<bool, Refusal> {
    let digest = digest(command)?;
    Ok(state.approvals.values().any(|known| known.consumed.is_some() && known.requested.digest == digest))
}

/// The model versions of ours that a command would have answer.
fn deployed(command: &Command) -> impl Iterator<Item = (&String, &String)> {
    let routes = match command {
        Command::DeclareService(ServiceDeclared { spec, .. }) => spec.routes.as_slice(),
        _ => &[],
    };
    routes.iter().filter_map(|route| match &route.target {
        Target::Model { model, version } => Some((model, version)),
        Target::Provider { .. } => None,
    })
}

fn versioned((model, version): (&String, &String)) -> String {
    format!("{model}/{version}")
}

/// Who registered the model versions that a command would put into production.
pub(super) fn trained_by(state: &State, command: &Command) -> BTreeSet<String> {
    deployed(command).filter_map(|(model, version)| state.registrants.get(model)?.get(version)).cloned().collect()
}

/// The approval by which somebody agreed to a model version that a command would have answer, if there is one.
pub(super) fn approved_before<'a>(state: &'a State, command: &Command, actor: &str) -> Option<&'a Approval> {
    let versions: BTreeSet<String> = deployed(command).map(versioned).collect();
    let mut agreed = state.approvals.values().filter(|approval| approval.part_of(actor).is_some());
    agreed.find(|approval| !approval.requested.deploys.is_disjoint(&versions))
}

/// Who registered the model version that answers, if one of ours does.
pub(super) fn registrant<'a>(state: &'a State, target: &Target) -> Option<&'a str> {
    match target {
        Target::Model { model, version } => state.registrants.get(model)?.get(version).map(String::as_str),
        Target::Provider { .. } => None,
    }
}

fn evidence_is_valid(piece: &str) -> Result<(), Refusal> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_./#:".contains(c);
    if (1..=80).contains(&piece.len()) && piece.chars().all(valid) {
        return Ok(());
    }
    let message =
        "evidence is named by a digest (`sha256:…`), an entry (`event/12`) or a ticket's number, never in words";
    Err(Refusal::new(RefusalCode::Invalid, message))
}

pub(crate) fn vote(state: &State, given: &Given, body: &ApprovalVoted) -> Result<Vec<Event>, Refusal> {
    let approval = known(state, &body.approval)?;
    waiting(approval, given.now)?;
    if state.is_stale(approval) {
        let message = format!(
            "`{}` changed since approval `{id}` was asked for, so it no longer fits and votes do nothing: whoever asked \
             takes it back with `counterfoil approvals withdraw {id}` and asks anew",
            approval.requested.resource,
            id = body.approval
        );
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    let by = given.by.as_str();
    may_vote(state, approval, by)?;
    let entitled = |actor: &str| is_entitled(state, given.now, approval, actor);
    let on_behalf_of = match &body.on_behalf_of {
        None if entitled(by) => None,
        // Whoever holds no vote may have been handed one.
        wanted => {
            let handed = handed_to(state, given.now, approval, by);
            let handed = handed.filter(|delegation| wanted.as_ref().is_none_or(|from| *from == delegation.from));
            let mut usable = handed.filter(|delegation| may_vote(state, approval, &delegation.from).is_ok());
            match usable.next() {
                Some(delegation) => Some(delegation.from.clone()),
                None => {
                    let message = format!(
                        "`{by}` has no vote on approval `{}`: holders of `{}` vote, and those whom one handed their vote to",
                        body.approval, approval.requested.role
                    );
                    return Err(forbidden("vote-by-role", message));
                }
            }
        }
    };
    Ok(vec![Event::ApprovalVoted(ApprovalVoted { on_behalf_of, ..body.clone() })])
}

impl State {
    /// Whether what a request would change has changed since it was asked for, so that it can lead to nothing. Of a
    /// request that was used it says nothing: using it was such a change.
    #[must_use]
    pub fn is_stale(&self, approval: &Approval) -> bool {
        let asked = &approval.requested;
        let stream = Command::stream_of(&asked.command, &asked.resource);
        asked.base != self.version(&stream)
    }

    /// Whether somebody could vote on a request now, by their own right or by one handed to them.
    #[must_use]
    pub fn can_vote(&self, approval: &Approval, actor: &str, now: i64) -> bool {
        let handed = || handed_to(self, now, approval, actor).any(|from| may_vote(self, approval, &from.from).is_ok());
        approval.standing(now) == Standing::Waiting
            && !self.is_stale(approval)
            && may_vote(self, approval, actor).is_ok()
            && (is_entitled(self, now, approval, actor) || handed())
    }
}

/// Who asked, who would gain, who made what would be deployed, and who voted, does not vote.
fn may_vote(state: &State, approval: &Approval, actor: &str) -> Result<(), Refusal> {
    let id = &approval.requested.approval;
    present(state, actor)?;
    if state.actors.get(actor).is_none_or(|known| known.kind != ActorKind::Human) {
        return Err(forbidden("people-vote", format!("`{actor}` is a program: people vote on approval `{id}`")));
    }
    if actor == state.person_of(&approval.asker) {
        let message = format!("`{actor}` asked for approval `{id}`: somebody else must vote");
        return Err(forbidden("request-not-approve", message));
    }
    if approval.requested.beneficiary.as_deref().map(|gains| state.person_of(gains)) == Some(actor) {
        return Err(forbidden(
            "approve-not-own",
            format!("approval `{id}` is about `{actor}`: somebody else must vote"),
        ));
    }
    if approval.requested.trained_by.iter().any(|trainer| state.person_of(trainer) == actor) {
        let message = format!(
            "`{actor}` registered a model version that approval `{id}` would deploy, and rule `train-not-approve` keeps \
             training and approving apart: somebody else must vote"
        );
        return Err(forbidden("train-not-approve", message));
    }
    if approval.voted(actor) {
        return Err(forbidden(
            "one-person-one-vote",
            format!("`{actor}` has a part in a vote on approval `{id}` already"),
        ));
    }
    Ok(())
}

fn is_entitled(state: &State, now: i64, approval: &Approval, actor: &str) -> bool {
    let here = |scope: &str| roles::covers(state, scope, &approval.requested.resource);
    state.standing_roles_of(actor, now).any(|(role, scope)| role == approval.requested.role && here(scope))
}

/// Somebody whose vote does not count where a command would move a service to: a role in an environment decides nothing
/// of another.
pub(super) fn votes_elsewhere<'a>(
    state: &State,
    now: i64,
    command: &Command,
    approval: &'a Approval,
) -> Option<&'a str> {
    let Command::DeclareService(ServiceDeclared { spec, .. }) = command else { return None };
    let (asked, to) = (&approval.requested, spec.environment.as_str());
    roles::environment_of(state, &asked.resource).filter(|from| *from != to)?;
    let there = |scope: &str| scope == ORG || scope == asked.resource || scope.strip_prefix(ENVIRONMENT) == Some(to);
    let counts =
        |actor: &str| state.standing_roles_of(actor, now).any(|(role, scope)| role == asked.role && there(scope));
    let mut owners = approval.yes().map(|cast| cast.on_behalf_of.as_ref().unwrap_or(&cast.by).as_str());
    owners.find(|actor| !counts(actor))
}

/// The votes on a request that were handed to somebody by those who have them still, and that they may have still.
fn handed_to<'a>(
    state: &'a State,
    now: i64,
    approval: &'a Approval,
    to: &'a str,
) -> impl Iterator<Item = &'a Delegation> {
    state.delegations.values().filter(move |delegation| {
        delegation.holds(now)
            && delegation.delegated.to == to
            && delegation.delegated.role == approval.requested.role
            && kept_from(state, now, &delegation.delegated).is_none()
            && is_entitled(state, now, approval, &delegation.from)
    })
}

pub(crate) fn withdraw(state: &State, given: &Given, body: &ApprovalNamed) -> Result<Vec<Event>, Refusal> {
    let approval = known(state, &body.approval)?;
    if given.by != approval.requested_by {
        return Err(Refusal::new(RefusalCode::Forbidden, "only whoever asked can take a request back: decline it"));
    }
    if !approval.standing(given.now).is_open() {
        return Err(over(approval, given.now));
    }
    Ok(vec![Event::ApprovalWithdrawn(body.clone())])
}

pub(crate) fn comment(state: &State, body: &ApprovalCommented) -> Result<Vec<Event>, Refusal> {
    let approval = known(state, &body.approval)?;
    identifier_is_valid("comment", &body.comment)?;
    if approval.comments.iter().any(|known| known.comment == body.comment) {
        return Err(Refusal::new(RefusalCode::Exists, format!("comment `{}` exists already", body.comment)));
    }
    Ok(vec![Event::ApprovalCommented(body.clone())])
}

pub(crate) fn delegate(state: &State, given: &Given, body: &VoteDelegated) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    identifier_is_valid("delegation", &body.delegation)?;
    if state.delegations.contains_key(&body.delegation) {
        return refuse(RefusalCode::Exists, format!("delegation `{}` exists already", body.delegation));
    }
    present(state, &body.to)?;
    if body.to == given.by {
        return refuse(RefusalCode::Invalid, "a vote is handed to somebody else".into());
    }
    if state.actors.get(&body.to).is_none_or(|known| known.kind != ActorKind::Human) {
        return Err(forbidden("people-vote", format!("`{}` is a program: a vote is handed to a person", body.to)));
    }
    if !state.standing_roles_of(&given.by, given.now).any(|(role, _)| role == body.role) {
        return refuse(
            RefusalCode::Forbidden,
            format!("`{}` does not hold `{}`, so there is no vote to hand on", given.by, body.role),
        );
    }
    if body.ends_at <= given.now || body.ends_at > given.now.saturating_add(super::DELEGATION_MS) {
        return refuse(RefusalCode::Invalid, "a vote is handed on for a time that ends within 30 days".into());
    }
    // Whoever could not be given the role is not given its votes either.
    if let Some((role, scope, rule)) = kept_from(state, given.now, body) {
        let message = format!(
            "`{}` has `{role}` in `{scope}`, and rule `{}` keeps it apart from `{}`: one person could {}",
            body.to, rule.rule, body.role, rule.why
        );
        return Err(forbidden(rule.rule, message));
    }
    Ok(vec![Event::VoteDelegated(body.clone())])
}

/// What keeps somebody from votes that are handed to them, or were before they were given that: a role, where it holds,
/// and the rule.
fn kept_from<'a>(state: &'a State, now: i64, body: &'a VoteDelegated) -> Option<(&'a str, &'a str, &'static Conflict)> {
    let mut held = state.hands_of(&body.to).flat_map(move |hand| state.roles_of(hand, now));
    held.find_map(|(role, scope)| Some((role, scope, state.conflict_between(role, &body.role)?)))
}

pub(crate) fn end_delegation(state: &State, given: &Given, body: &DelegationEnded) -> Result<Vec<Event>, Refusal> {
    let Some(delegation) = state.delegations.get(&body.delegation) else {
        let message = format!("there is no delegation `{}`", body.delegation);
        return Err(Refusal::new(RefusalCode::NotFound, message));
    };
    if given.by != delegation.from && given.by != delegation.delegated.to {
        let message = "only whoever handed the vote on, or has it, can end that";
        return Err(Refusal::new(RefusalCode::Forbidden, message));
    }
    Ok(if delegation.holds(given.now) { vec![Event::DelegationEnded(body.clone())] } else { vec![] })
}

fn known<'a>(state: &'a State, approval: &str) -> Result<&'a Approval, Refusal> {
    let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no approval `{approval}`"));
    state.approvals.get(approval).ok_or_else(missing)
}

fn waiting(approval: &Approval, now: i64) -> Result<(), Refusal> {
    match approval.standing(now) {
        Standing::Waiting => Ok(()),
        _ => Err(over(approval, now)),
    }
}

fn over(approval: &Approval, now: i64) -> Refusal {
    let (id, standing) = (&approval.requested.approval, approval.standing(now));
    let code = if standing == Standing::Expired { RefusalCode::Expired } else { RefusalCode::Conflict };
    Refusal::new(code, format!("approval `{id}` is {}: ask anew", standing.as_str()))
}

pub(super) fn forbidden(rule: &str, message: String) -> Refusal {
    Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.to_owned()] }
}

impl Approval {
    /// The votes that approve and in which an actor has a part.
    pub(super) fn part_of(&self, actor: &str) -> Option<&Cast> {
        self.yes().find(|cast| cast.by == actor || cast.on_behalf_of.as_deref() == Some(actor))
    }
}
