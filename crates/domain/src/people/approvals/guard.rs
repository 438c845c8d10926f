//! What every command must pass before its events stand: duties kept apart in action, and the approval it needs.
//!
//! The rules look at what would happen, not at who is called what: whoever registered a model version does not deploy
//! it, whoever approved does not carry out. Roles come and go; who did what stays.

use super::{Approval, ApprovalNamed, ApprovalRule, Standing, voting};
use crate::people::actors::is_the_system;
use crate::people::emergencies::{self, EmergencyUsed};
use crate::people::founding::{self, DutyStoodIn};
use crate::{Command, Event, Given, Refusal, State};

pub(crate) fn guard(
    state: &State,
    given: &Given,
    command: &Command,
    mut events: Vec<Event>,
) -> Result<Vec<Event>, Refusal> {
    // Counterfoil itself keeps books and sets up; what people decide never comes from it.
    let first_policies = matches!(command, Command::InstallPolicies(_)) && state.policies.is_none();
    if events.is_empty() || first_policies || is_the_system(state, &given.by) {
        return Ok(events);
    }
    let mut notes = Vec::new();
    let duty = founding::duty_of(command).filter(|duty| founding::stands_in(state, &given.by, duty, given.now));
    if duty.is_none() {
        train_not_deploy(state, given, &events)?;
    }
    let stood_in = |duty: &str| {
        Event::DutyStoodIn(DutyStoodIn {
            duty: duty.to_owned(),
            command: command.name().to_owned(),
            resource: command.resource(),
        })
    };
    notes.extend(duty.map(stood_in));
    notes.extend(used_in_emergency(state, given, command));
    if let Some(rule) = state.approval_rule(command) {
        if founding::stands_in(state, &given.by, &rule.role, given.now) {
            // Once, also when the duty that acts is the one that approves.
            if duty != Some(rule.role.as_str()) {
                notes.push(stood_in(&rule.role));
            }
        } else if emergencies::acting(state, given, command).is_some() {
            not_approved_before(state, given, command)?;
        } else {
            notes.push(Event::ApprovalConsumed(fitting(state, given, command, &rule)?));
        }
    }
    // The first event carries the caller's idempotency key, and belongs to the thing itself.
    drop(events.splice(1..1, notes));
    Ok(events)
}

/// Whoever registered a model version does not put it into production.
fn train_not_deploy(state: &State, given: &Given, events: &[Event]) -> Result<(), Refusal> {
    let person = state.person_of(&given.by);
    for event in events {
        let Event::DeploymentStarted(started) = event else { continue };
        if voting::registrant(state, &started.target).map(|by| state.person_of(by)) == Some(person) {
            let (model, version) = started.target.model_and_version();
            let message = format!(
                "`{person}` registered model `{model}` version `{version}`, and rule `train-not-deploy` keeps training and \
                 deploying apart: somebody else must deploy it"
            );
            return Err(voting::forbidden("train-not-deploy", message));
        }
    }
    Ok(())
}

/// Whatever somebody does while they have broken the glass is told, for whoever reviews it.
fn used_in_emergency(state: &State, given: &Given, command: &Command) -> Option<Event> {
    let itself = matches!(
        command,
        Command::DeclareEmergency(_)
            | Command::EndEmergency(_)
            | Command::ReviewEmergency(_)
            | Command::CloseSession(_)
    );
    let emergency = state.emergencies_of(&given.by, given.now).next().filter(|_| !itself)?;
    Some(Event::EmergencyUsed(EmergencyUsed {
        emergency: emergency.declared.emergency.clone(),
        command: command.name().to_owned(),
        resource: command.resource(),
    }))
}

/// In an emergency nobody waits for an approval; whoever gave one for the same model version does not deploy it even then.
fn not_approved_before(state: &State, given: &Given, command: &Command) -> Result<(), Refusal> {
    let Some(approval) = voting::approved_before(state, command, state.person_of(&given.by)) else { return Ok(()) };
    let message = format!(
        "`{}` approved a version that this would deploy (`{}`), and rule `approve-not-deploy` keeps approving and \
         deploying apart in an emergency too: somebody else must act",
        given.by, approval.requested.approval
    );
    Err(voting::forbidden("approve-not-deploy", message))
}

/// The approval that fits a command exactly.
fn fitting(state: &State, given: &Given, command: &Command, rule: &ApprovalRule) -> Result<ApprovalNamed, Refusal> {
    let (name, resource, digest) = (command.name(), command.resource(), voting::digest(command)?);
    let concerns = |approval: &&Approval| {
        let asked = &approval.requested;
        asked.command == name && asked.resource == resource && approval.standing(given.now).is_open()
    };
    let open: Vec<&Approval> = state.approvals.values().filter(concerns).collect();
    let same: Vec<&Approval> = open.iter().copied().filter(|known| known.requested.digest == digest).collect();
    // One that was asked anew counts, not the older one beside it that no longer fits.
    let fresh = same.iter().find(|known| !state.is_stale(known));
    let Some(same) = fresh.or(same.first()) else {
        return Err(match open.first() {
            Some(other) => voting::forbidden(
                "approval-fits",
                format!(
                    "approval `{id}` is of another thing than this `{name}` on `{resource}`, and what was approved is \
                     carried out to the letter: take it back with `counterfoil approvals withdraw {id}`, or ask for this \
                     beside it, with `counterfoil apply --ask REFERENCE` or `counterfoil approvals request`",
                    id = other.requested.approval
                ),
            ),
            None => voting::forbidden(
                "approval-required",
                format!(
                    "`{name}` on `{resource}` needs {} of `{}` to approve it first: ask with `counterfoil approvals request`",
                    votes(rule.quorum),
                    rule.role
                ),
            ),
        });
    };
    let asked = &same.requested;
    if state.is_stale(same) {
        let message = format!(
            "`{resource}` changed since approval `{}` was asked for, so it no longer fits: ask anew",
            asked.approval
        );
        return Err(voting::forbidden("approval-fits", message));
    }
    let given_votes = same.yes().count() as u64;
    if same.standing(given.now) != Standing::Approved || asked.role != rule.role || given_votes < rule.quorum {
        let message = format!(
            "approval `{}` has {given_votes} of {} by `{}`: more must vote",
            asked.approval,
            votes(rule.quorum.max(asked.quorum)),
            rule.role
        );
        return Err(voting::forbidden("approval-required", message));
    }
    let trainers = voting::trained_by(state, command);
    let voted = |trainer: &&String| same.part_of(state.person_of(trainer)).is_some();
    if let Some(trainer) = trainers.iter().find(voted).map(|trainer| state.person_of(trainer)) {
        let message = format!(
            "`{trainer}` approved `{}` and registered a model version that it would deploy, and rule `train-not-approve` \
             keeps those apart: ask anew",
            asked.approval
        );
        return Err(voting::forbidden("train-not-approve", message));
    }
    if let Some(voter) = voting::votes_elsewhere(state, given.now, command, same) {
        let message = format!(
            "`{resource}` would move to an environment where `{voter}`, who approved `{}`, has no vote, and rule \
             `vote-where-it-moves` asks for votes that count there: ask anew",
            asked.approval
        );
        return Err(voting::forbidden("vote-where-it-moves", message));
    }
    if same.part_of(state.person_of(&given.by)).is_some() {
        let rule = if name == "service.declare" { "approve-not-deploy" } else { "approve-not-carry-out" };
        let message = format!(
            "`{}` approved `{}`, and rule `{rule}` keeps approving and carrying out apart: somebody else must carry it out",
            given.by, asked.approval
        );
        return Err(voting::forbidden(rule, message));
    }
    Ok(ApprovalNamed { approval: asked.approval.clone() })
}

fn votes(quorum: u64) -> String {
    if quorum == 1 { "1 vote".into() } else { format!("{quorum} votes") }
}
