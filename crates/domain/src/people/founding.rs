//! While an organisation begins, whoever administers it stands in for duties that nobody was ever given. The first
//! grant of a duty ends that, for good, also of a role of the organisation's own that amounts to it; each time it
//! happened, an event says so.

use serde::{Deserialize, Serialize};

use super::roles::ORG;
use crate::{Command, State};

/// Whoever administers did what is another duty's, because nobody was ever given that one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DutyStoodIn {
    /// The duty: the role that nobody was ever given.
    pub duty: String,
    /// Name of the command that was carried out.
    pub command: String,
    /// What it changed, as `kind/name`.
    pub resource: String,
}

/// Duties that are apart from administering, and can be stood in for.
pub const DUTIES: [&str; 4] = ["deployer", "model_approver", "model_trainer", "security_lead"];

/// The duty that a command belongs to, when it is apart from administering.
pub(crate) fn duty_of(command: &Command) -> Option<&'static str> {
    match command {
        Command::RegisterModel(_) => Some("model_trainer"),
        Command::DeclareService(_) | Command::RegisterService(_) | Command::RetireService(_) => Some("deployer"),
        Command::ScheduleRetention(_) | Command::UnscheduleRetention(_) => Some("security_lead"),
        _ => None,
    }
}

/// Whether somebody may do a duty only because nobody was ever given it.
pub(crate) fn stands_in(state: &State, actor: &str, duty: &str, now: i64) -> bool {
    DUTIES.contains(&duty) && state.standing_roles_of(actor, now).any(|held| held == ("administrator", ORG)) && {
        let given = |grant: &super::Grant| grant.approved.is_some() && state.was_duty(&grant.requested.role, duty);
        !state.grants.values().any(given)
    }
}

impl State {
    /// The duties that an actor stands in for at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn stand_ins_of(&self, actor: &str, now: i64) -> Vec<&'static str> {
        DUTIES.into_iter().filter(|duty| stands_in(self, actor, duty, now)).collect()
    }
}
