//! The register of services: the person who answers for each, and the risk that a second person agreed to.
//!
//! Declaring a service says how it is served; registering it says that the organisation has it on purpose. A
//! registration always needs an approval, whatever the risk, and ends when what was agreed to is no longer so: the
//! owner leaves, or the service is declared with another risk. `docs/decisions/0018-registered-apart.md` says why.

use serde::{Deserialize, Serialize};

use super::RiskTier;
use crate::people::accounts::a_person;
use crate::people::approvals::voting;
use crate::{Command, Event, Refusal, RefusalCode, State};

/// Somebody answers for a service of a risk, from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRegistered {
    /// Which service.
    pub service: String,
    /// The person who answers for it, by pseudonym.
    pub owner: String,
    /// The risk that it is declared with: an approval of one risk is none of another.
    pub risk_tier: RiskTier,
}

pub(crate) fn register(state: &State, body: &ServiceRegistered) -> Result<Vec<Event>, Refusal> {
    let Some(spec) = state.services.get(&body.service) else {
        let message = format!("there is no service `{}`: declare it first", body.service);
        return Err(Refusal::new(RefusalCode::NotFound, message));
    };
    a_person(state, &body.owner, "answers for a service")?;
    if spec.risk_tier != body.risk_tier {
        let message = format!(
            "service `{}` is declared with risk `{}`, not `{}`: register it as it is declared",
            body.service,
            spec.risk_tier.as_str(),
            body.risk_tier.as_str()
        );
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    // What somebody stood in for while the organisation began can be agreed to once there is somebody to agree.
    let so = state.registrations.get(&body.service) == Some(body);
    match so && voting::was_agreed(state, &Command::RegisterService(body.clone()))? {
        true => Ok(vec![]),
        false => Ok(vec![Event::ServiceRegistered(body.clone())]),
    }
}
