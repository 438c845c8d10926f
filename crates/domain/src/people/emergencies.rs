//! Breaking the glass: a role for minutes, at once and without approval, told to everybody, and reviewed afterwards by
//! another person.
//!
//! An emergency lifts the wait for an approval, and nothing else. Roles that are kept apart stay apart, whoever trained
//! a model version does not deploy it even now, and an emergency's role has no vote on anything.
//! `docs/decisions/0012-breaking-the-glass.md` says why.

use serde::{Deserialize, Serialize};

use super::ActorKind;
use super::actors::present;
use super::roles::{self, ORG};
use crate::decide::{identifier_is_valid, reference_is_valid};
use crate::{Command, Event, Given, Refusal, RefusalCode, State};

/// The longest time that an emergency may last, in milliseconds.
pub const EMERGENCY_MS: i64 = 60 * 60 * 1000;

/// Within how long after its end an emergency is to be reviewed, in milliseconds.
pub const REVIEW_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// Roles that an emergency can give: those that act, not those that approve or audit.
pub const EMERGENCY_ROLES: [&str; 5] = ["administrator", "data_steward", "deployer", "monitor", "privacy_officer"];

/// Roles whose holders review.
pub(super) const REVIEWERS: [&str; 3] = ["security_lead", "administrator", "compliance_lead"];

/// Somebody took a role at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyDeclared {
    /// Public identifier, `e_` and random characters.
    pub emergency: String,
    /// The role, one of [`EMERGENCY_ROLES`]. The event's actor holds it.
    pub role: String,
    /// Where it holds: `org`, which is everywhere, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub scope: String,
    /// When it ends by itself, in milliseconds since the epoch.
    pub ends_at: i64,
    /// Where the reason is written down, such as an incident's number. Never a name.
    pub reference: String,
}

/// An emergency is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyNamed {
    /// Which one.
    pub emergency: String,
}

/// Something was done by an emergency's role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyUsed {
    /// Which emergency.
    pub emergency: String,
    /// Name of the command that was carried out.
    pub command: String,
    /// What it changed, as `kind/name`.
    pub resource: String,
}

/// What a review found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// There was an emergency, and what was done fits it.
    Justified,
    /// There was none, or more was done than it asked for.
    Unjustified,
}

impl Finding {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::Unjustified => "unjustified",
        }
    }
}

/// Another person looked at what was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyReviewed {
    /// Which emergency.
    pub emergency: String,
    /// What they found.
    pub finding: Finding,
    /// Where that is written down.
    pub reference: String,
}

/// An emergency as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Emergency {
    /// What was taken.
    pub declared: EmergencyDeclared,
    /// By whom.
    pub actor: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// When it ended before its time.
    pub ended_at: Option<i64>,
    /// What was done with it.
    pub uses: Vec<EmergencyUsed>,
    /// Who reviewed it, and what they found.
    pub reviewed: Option<(String, Finding)>,
}

impl Emergency {
    /// Whether its role is held at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.ended_at.is_none() && now < self.declared.ends_at
    }

    /// When it was over, or will be.
    #[must_use]
    pub fn over_at(&self) -> i64 {
        self.ended_at.unwrap_or(i64::MAX).min(self.declared.ends_at)
    }

    /// Until when it must be reviewed, in milliseconds since the epoch.
    #[must_use]
    pub fn review_due_at(&self) -> i64 {
        self.over_at().saturating_add(REVIEW_MS)
    }
}

impl State {
    /// The emergencies by which an actor holds roles at `now`.
    pub fn emergencies_of<'a>(&'a self, actor: &'a str, now: i64) -> impl Iterator<Item = &'a Emergency> {
        let here = !self.left.contains_key(actor);
        self.emergencies.values().filter(move |emergency| here && emergency.actor == actor && emergency.holds(now))
    }
}

pub(crate) fn declare(state: &State, given: &Given, body: &EmergencyDeclared) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    identifier_is_valid("emergency", &body.emergency)?;
    if state.emergencies.contains_key(&body.emergency) {
        return Err(Refusal::new(RefusalCode::Exists, format!("emergency `{}` exists already", body.emergency)));
    }
    present(state, &given.by)?;
    if state.actors.get(&given.by).is_none_or(|known| known.kind != ActorKind::Human) {
        return Err(forbidden(
            "people-break-the-glass",
            format!("`{}` is a program: people break the glass", given.by),
        ));
    }
    if !EMERGENCY_ROLES.contains(&body.role.as_str()) {
        return invalid(format!(
            "`{}` cannot be taken in an emergency; these can: {}",
            body.role,
            EMERGENCY_ROLES.join(", ")
        ));
    }
    roles::scope_is_valid(state, &body.scope)?;
    if body.ends_at <= given.now || body.ends_at > given.now.saturating_add(EMERGENCY_MS) {
        return invalid("an emergency ends in the future, within 60 minutes".into());
    }
    reference_is_valid(&body.reference)?;
    if let Some(known) = state.emergencies_of(&given.by, given.now).next() {
        let message = format!("emergency `{}` is under way: end it first", known.declared.emergency);
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    for (role, scope) in state.hands_of(&given.by).flat_map(|hand| state.roles_of(hand, given.now)) {
        let rule = state.conflict_between(role, &body.role).filter(|_| roles::overlap(scope, &body.scope));
        if let Some(rule) = rule {
            let message = format!(
                "`{}` has `{role}` in `{scope}`, and rule `{}` keeps it apart from `{}` in an emergency too: one person \
                 could {}; somebody else must act",
                given.by, rule.rule, body.role, rule.why
            );
            return Err(forbidden(rule.rule, message));
        }
    }
    Ok(vec![Event::EmergencyDeclared(body.clone())])
}

pub(crate) fn end(state: &State, given: &Given, body: &EmergencyNamed) -> Result<Vec<Event>, Refusal> {
    let emergency = known(state, &body.emergency)?;
    if emergency.actor != given.by && !reviews(state, given) {
        let message = format!("emergency `{}` is ended by whoever declared it, or by who reviews", body.emergency);
        return Err(forbidden("review-by-role", message));
    }
    Ok(if emergency.holds(given.now) { vec![Event::EmergencyEnded(body.clone())] } else { vec![] })
}

pub(crate) fn review(state: &State, given: &Given, body: &EmergencyReviewed) -> Result<Vec<Event>, Refusal> {
    let emergency = known(state, &body.emergency)?;
    reference_is_valid(&body.reference)?;
    if state.is_one_person(&emergency.actor, &given.by) {
        let message = format!("emergency `{}` was yours: somebody else must review it", body.emergency);
        return Err(forbidden("review-not-own", message));
    }
    if !reviews(state, given) {
        let message = format!("`{}` does not review: holders of {} everywhere do", given.by, REVIEWERS.join(", "));
        return Err(forbidden("review-by-role", message));
    }
    let refuse = |why: &str| Err(Refusal::new(RefusalCode::Conflict, format!("emergency `{}` {why}", body.emergency)));
    match () {
        () if emergency.reviewed.is_some() => refuse("is reviewed already"),
        () if emergency.holds(given.now) => refuse("is under way: end it, or wait for its end, then review all of it"),
        () => Ok(vec![Event::EmergencyReviewed(body.clone())]),
    }
}

/// The emergency by which alone somebody has the role that a command needs: then it needs no approval, and is told. To
/// register a service says that a second person agreed, and nothing burns meanwhile: that waits for its approval.
pub(crate) fn acting<'a>(state: &'a State, given: &'a Given, command: &Command) -> Option<&'a Emergency> {
    if matches!(command, Command::RegisterService(_)) {
        return None;
    }
    let (duty, resource) = (super::founding::duty_of(command)?, command.resource());
    let here = |scope: &str| roles::covers(state, scope, &resource);
    if state.standing_roles_of(&given.by, given.now).any(|(role, scope)| state.has_duty(role, duty) && here(scope)) {
        return None;
    }
    let mut theirs = state.emergencies_of(&given.by, given.now);
    theirs.find(|emergency| emergency.declared.role == duty && here(&emergency.declared.scope))
}

/// Whether whoever asks holds a role that reviews, everywhere.
fn reviews(state: &State, given: &Given) -> bool {
    let reviews = |(role, scope): (&str, &str)| REVIEWERS.contains(&role) && scope == ORG;
    state.standing_roles_of(&given.by, given.now).any(reviews)
}

fn known<'a>(state: &'a State, emergency: &str) -> Result<&'a Emergency, Refusal> {
    let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no emergency `{emergency}`"));
    state.emergencies.get(emergency).ok_or_else(missing)
}

fn forbidden(rule: &str, message: String) -> Refusal {
    Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.to_owned()] }
}
