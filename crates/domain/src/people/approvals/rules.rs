//! Which commands need an approval, by whom, and by how many.
//!
//! Some need one always; an organisation may ask for more of them, for more votes, or for another role's, and never for
//! fewer. Changing that is a command that needs an approval itself.

use serde::{Deserialize, Serialize};

use crate::people::ActorRegistered;
use crate::serving::{RiskTier, ServiceDeclared};
use crate::{Command, Event, Refusal, RefusalCode, State};

/// The most votes that can be asked for.
pub const MAX_QUORUM: u64 = 9;

/// That a command needs an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// The command's name.
    pub command: String,
    /// How many must approve.
    pub quorum: u64,
    /// The role whose holders vote.
    pub role: String,
    /// For services only: from which risk on. Left out, whatever the risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_tier: Option<RiskTier>,
}

/// What an organisation asks for beyond the rules that always hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsConfigured {
    /// Sorted by command, each once.
    pub rules: Vec<ApprovalRule>,
}

/// Rules that always hold: command, role, votes, and the risk from which on.
const ALWAYS: [(&str, &str, u64, Option<RiskTier>); 14] = [
    ("approvals.configure", "security_lead", 1, None),
    // Whoever approves models relies on what their data was checked for.
    ("contract.publish", "model_approver", 1, None),
    ("contract.retire", "model_approver", 1, None),
    ("document.publish", "security_lead", 1, None),
    ("policies.install", "security_lead", 1, None),
    // What is forgotten does not come back.
    ("request.execute", "privacy_officer", 2, None),
    // What would go sooner by it is destroyed for good: see `State::shortens`.
    ("retention.schedule", "security_lead", 1, None),
    ("retention.unschedule", "security_lead", 1, None),
    ("role.define", "security_lead", 1, None),
    ("service.declare", "model_approver", 1, Some(RiskTier::High)),
    ("service.register", "model_approver", 1, None),
    // Where data might be by it that may not be there now: see `State::loosens`.
    ("regions.declare", "privacy_officer", 1, None),
    ("residency.rule", "privacy_officer", 1, None),
    ("transfer.authorise", "privacy_officer", 1, None),
];

/// Commands that can be made to need an approval: what people decide, and can wait for.
pub const APPROVABLE: [&str; 22] = [
    "approvals.configure",
    "contract.publish",
    "contract.retire",
    "controls.scope",
    "detector.declare",
    "detector.retire",
    "document.publish",
    "key.revoke",
    "model.register",
    "policies.install",
    "provider.declare",
    "provider.retire",
    "regions.declare",
    "request.execute",
    "residency.rule",
    "retention.schedule",
    "retention.unschedule",
    "role.define",
    "service.declare",
    "service.register",
    "service.retire",
    "transfer.authorise",
];

impl State {
    /// The rules in force, sorted by command.
    #[must_use]
    pub fn approval_rules(&self) -> Vec<ApprovalRule> {
        let mut rules = self.approval_rules.as_ref().map(|set| set.rules.clone()).unwrap_or_default();
        for (command, role, quorum, risk_tier) in ALWAYS {
            if !rules.iter().any(|rule| rule.command == command) {
                rules.push(ApprovalRule { command: command.into(), quorum, role: role.into(), risk_tier });
            }
        }
        rules.sort_by(|a, b| a.command.cmp(&b.command));
        rules
    }

    /// The rule by which a command needs an approval, if it does.
    #[must_use]
    pub fn approval_rule(&self, command: &Command) -> Option<ApprovalRule> {
        let rule = self.approval_rules().into_iter().find(|rule| rule.command == command.name())?;
        match (rule.risk_tier, command) {
            (Some(least), Command::DeclareService(body)) => self.riskiest(body).reaches(least).then_some(rule),
            (_, Command::ScheduleRetention(_) | Command::UnscheduleRetention(_)) => {
                self.shortens(command).then_some(rule)
            }
            (_, Command::DeclareRegions(_) | Command::RuleResidency(_)) => self.loosens(command).then_some(rule),
            _ => Some(rule),
        }
    }

    /// A service's risk as declared, or as it was before if that is higher: who lowers it needs the approval still, also
    /// by way of retiring it.
    fn riskiest(&self, body: &ServiceDeclared) -> RiskTier {
        let before = self.services.get(&body.service).map(|spec| spec.risk_tier);
        let before = before.or_else(|| self.retired.get(&body.service).copied());
        before.filter(|tier| tier.reaches(body.spec.risk_tier)).unwrap_or(body.spec.risk_tier)
    }
}

pub(crate) fn configure(state: &State, body: &ApprovalsConfigured) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    if !body.rules.is_sorted_by(|a, b| a.command < b.command) {
        return invalid("rules of approval must be sorted by command, each once".into());
    }
    for rule in &body.rules {
        let command = &rule.command;
        if !APPROVABLE.contains(&command.as_str()) {
            return invalid(format!(
                "`{command}` cannot be made to need an approval; these can: {}",
                APPROVABLE.join(", ")
            ));
        }
        let least = ALWAYS.iter().find(|(always, ..)| always == command).map_or(1, |(_, _, quorum, _)| *quorum);
        if !(least..=MAX_QUORUM).contains(&rule.quorum) {
            return invalid(format!("the quorum of `{command}` must be between {least} and {MAX_QUORUM}"));
        }
        let own = state.custom_roles.get(&rule.role);
        let votes = own.is_none_or(|own| own.actions.iter().any(|action| action == "approval.vote"));
        if rule.role == "auditor" || !state.has_role(&rule.role) || !votes {
            return invalid(format!(
                "`{}` does not vote on `{command}`: name a role that may, such as security_lead, or one of your own with `approval.vote`",
                rule.role
            ));
        }
        if rule.risk_tier.is_some() && command != "service.declare" {
            return invalid(format!("`{command}` has no risk tier: only `service.declare` does"));
        }
    }
    let same = state.approval_rules.as_ref().map_or(body.rules.is_empty(), |known| known == body);
    Ok(if same { vec![] } else { vec![Event::ApprovalsConfigured(body.clone())] })
}

/// Who would gain by a command.
pub(super) fn beneficiary(command: &Command) -> Option<&str> {
    match command {
        Command::RequestGrant(body) => Some(&body.actor),
        Command::RegisterActor(ActorRegistered { actor, .. }) => Some(actor),
        // Who answers for a service is not the one who agrees to its risk.
        Command::RegisterService(body) => Some(&body.owner),
        // Whoever asks to be forgotten does not vote on it.
        Command::ExecuteRequest(body) => body.actor.as_deref(),
        _ => None,
    }
}
