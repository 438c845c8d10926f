//! Roles on request: who asks for whom, who approves, where the role holds and when it ends.
//!
//! A grant is approved by somebody who neither asked for it nor holds it, holds in one scope, and has an end. Roles
//! that are kept apart ([`super::roles::CONFLICTS`]) are refused when they are asked for, and again when they are
//! approved, because much can have been granted in between.

use serde::{Deserialize, Serialize};

use super::ActorKind;
use super::actors::present;
use super::directory::DIRECTORY;
use super::roles::{self, ORG};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The longest time that a grant may last, in milliseconds.
pub const GRANT_MS: i64 = 366 * 24 * 60 * 60 * 1000;

/// Roles whose holders may approve grants, beside those of an organisation's own that permit it.
const APPROVERS: [&str; 2] = ["security_lead", "administrator"];

/// Roles whose holders approve grants when no approver is left who is not concerned.
const LAST_RESORT: [&str; 2] = ["compliance_lead", "privacy_officer"];

/// A role was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequested {
    /// Public identifier, `g_` and random characters.
    pub grant: String,
    /// Who is to hold the role.
    pub actor: String,
    /// The role, one of [`super::roles::ROLES`].
    pub role: String,
    /// Where it holds: `org`, which is everywhere, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub scope: String,
    /// Milliseconds since the epoch at which the grant ends by itself.
    pub ends_at: i64,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// A grant is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantNamed {
    /// Which grant.
    pub grant: String,
}

/// Why a grant ended before its time, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// An approver said no.
    Declined,
    /// Whoever asked, or was to hold it, took the request back.
    Withdrawn,
    /// It was taken away.
    Revoked,
    /// Its holder left.
    Left,
    /// Its holder is in the group no more that it came by, or the group is not mapped to it any more.
    GroupLeft,
    /// A review took it away.
    Reviewed,
}

impl EndReason {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Left => "left",
            Self::GroupLeft => "group_left",
            Self::Reviewed => "reviewed",
        }
    }
}

/// A grant ended before its time, or never began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEnded {
    /// Which grant.
    pub grant: String,
    /// Why.
    pub reason: EndReason,
}

/// A grant as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// What was asked for.
    pub requested: GrantRequested,
    /// Who asked.
    pub requested_by: String,
    /// The person behind them then: a program may be somebody else's tomorrow.
    pub asker: String,
    /// Who approved, and when in milliseconds since the epoch.
    pub approved: Option<(String, i64)>,
    /// When it ended before its time, or was refused.
    pub ended_at: Option<i64>,
}

impl Grant {
    /// Whether its holder has the role at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.approved.is_some() && self.stands(now)
    }

    /// Whether it waits for an approver.
    #[must_use]
    pub fn is_pending(&self, now: i64) -> bool {
        self.approved.is_none() && self.stands(now)
    }

    pub(super) fn stands(&self, now: i64) -> bool {
        self.ended_at.is_none() && now < self.requested.ends_at
    }
}

impl State {
    /// Who holds which role in which scope at `now`: actor, role, scope.
    pub fn held_roles(&self, now: i64) -> impl Iterator<Item = (&str, &str, &str)> {
        let here = |actor: &str| !self.left.contains_key(actor);
        let first =
            self.actors.values().flat_map(|known| known.roles.iter().map(move |role| (known.actor.as_str(), role)));
        let first = first.map(|(actor, role)| (actor, role.as_str(), ORG));
        let granted = self.grants.values().filter(move |grant| grant.holds(now)).map(|grant| {
            let held = &grant.requested;
            (held.actor.as_str(), held.role.as_str(), held.scope.as_str())
        });
        let taken = self.emergencies.values().filter(move |emergency| emergency.holds(now)).map(|emergency| {
            let held = &emergency.declared;
            (emergency.actor.as_str(), held.role.as_str(), held.scope.as_str())
        });
        first.chain(granted).chain(taken).filter(move |(actor, ..)| here(actor))
    }

    /// The roles that an actor holds at `now`, each with its scope. Somebody who left holds none.
    pub fn roles_of<'a>(&'a self, actor: &'a str, now: i64) -> impl Iterator<Item = (&'a str, &'a str)> {
        let taken = self.emergencies_of(actor, now).map(|emergency| &emergency.declared);
        self.standing_roles_of(actor, now).chain(taken.map(|held| (held.role.as_str(), held.scope.as_str())))
    }

    /// Those of them that somebody approved, or that the actor began with: whoever votes needs one.
    pub fn standing_roles_of<'a>(&'a self, actor: &'a str, now: i64) -> impl Iterator<Item = (&'a str, &'a str)> {
        let here = self.actors.get(actor).filter(|_| !self.left.contains_key(actor));
        let first = here.into_iter().flat_map(|actor| &actor.roles).map(|role| (role.as_str(), ORG));
        let granted = self.grants.values().filter(move |grant| grant.requested.actor == actor && grant.holds(now));
        first.chain(granted.map(|grant| (grant.requested.role.as_str(), grant.requested.scope.as_str())))
    }
}

impl State {
    /// Whether an actor would be let approve a grant, as far as that depends on who they are.
    #[must_use]
    pub fn may_approve_grant(&self, actor: &str, grant: &Grant, now: i64) -> bool {
        may_approve(self, now, grant, actor)
    }
}

pub(crate) fn request(state: &State, given: &Given, body: &GrantRequested) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    crate::decide::identifier_is_valid("grant", &body.grant)?;
    if state.grants.contains_key(&body.grant) {
        return Err(Refusal::new(RefusalCode::Exists, format!("grant `{}` exists already", body.grant)));
    }
    present(state, &body.actor)?;
    role_and_scope_fit(state, &body.role, &body.scope)?;
    let program = state.actors.get(&body.actor).is_some_and(|actor| actor.kind == ActorKind::Service);
    if body.role == DIRECTORY && !program {
        return invalid(format!("`{DIRECTORY}` is a program's role: register a service account for the directory"));
    }
    if body.ends_at <= given.now || body.ends_at > given.now.saturating_add(GRANT_MS) {
        return invalid("a grant must end in the future, within 366 days".into());
    }
    crate::decide::reference_is_valid(&body.reference)?;
    if body.reference.starts_with("group:") {
        return invalid("a reference that begins with `group:` says that a grant came by a group: give another".into());
    }
    let same = |grant: &&super::Grant| {
        let known = &grant.requested;
        (&known.actor, &known.role, &known.scope) == (&body.actor, &body.role, &body.scope) && grant.stands(given.now)
    };
    if let Some(known) = state.grants.values().find(same) {
        let message = format!(
            "`{}` has asked for `{}` in `{}` already, or holds it: see grant `{}`",
            body.actor, body.role, body.scope, known.requested.grant
        );
        return Err(Refusal::new(RefusalCode::Exists, message));
    }
    kept_apart(state, given.now, body)?;
    Ok(vec![Event::GrantRequested(body.clone())])
}

pub(crate) fn approve(state: &State, given: &Given, body: &GrantNamed) -> Result<Vec<Event>, Refusal> {
    let grant = pending(state, given, body)?;
    present(state, &grant.requested.actor)?;
    let forbidden = |rule: &str, why: String| {
        Err(Refusal { code: RefusalCode::Forbidden, message: why, policies: vec![rule.to_owned()] })
    };
    if state.is_one_person(&given.by, &grant.requested.actor) {
        return forbidden(
            "approve-not-own",
            format!("grant `{}` is for you: somebody else must approve it", body.grant),
        );
    }
    if state.is_one_person(&given.by, &grant.asker) && somebody_else(state, given, grant) {
        let message = format!("you asked for grant `{}`: somebody else must approve it", body.grant);
        return forbidden("request-not-approve", message);
    }
    let what = format!("grant `{}`", body.grant);
    in_turn(state, given, &[&grant.asker, &grant.requested.actor], &what)?;
    no_vote_by_emergency(state, given, &what)?;
    kept_apart(state, given.now, &grant.requested)?;
    Ok(vec![Event::GrantApproved(body.clone())])
}

pub(crate) fn end(state: &State, given: &Given, body: &GrantEnded) -> Result<Vec<Event>, Refusal> {
    let grant = known(state, &body.grant)?;
    let fits = match body.reason {
        EndReason::Declined => grant.is_pending(given.now),
        EndReason::Withdrawn => {
            let theirs = given.by == grant.requested_by || given.by == grant.requested.actor;
            if !theirs {
                let message = "only whoever asked, or was to hold the role, can take a request back: decline it";
                return Err(Refusal::new(RefusalCode::Forbidden, message));
            }
            grant.is_pending(given.now)
        }
        EndReason::Revoked => grant.holds(given.now),
        EndReason::Left | EndReason::GroupLeft | EndReason::Reviewed => false,
    };
    match fits {
        true => Ok(vec![Event::GrantEnded(body.clone())]),
        false => {
            let message =
                format!("grant `{}` is not in a state for that: list grants to see how it stands", body.grant);
            Err(Refusal::new(RefusalCode::Conflict, message))
        }
    }
}

fn known<'a>(state: &'a State, grant: &str) -> Result<&'a Grant, Refusal> {
    state.grants.get(grant).ok_or_else(|| Refusal::new(RefusalCode::NotFound, format!("there is no grant `{grant}`")))
}

fn pending<'a>(state: &'a State, given: &Given, body: &GrantNamed) -> Result<&'a Grant, Refusal> {
    let grant = known(state, &body.grant)?;
    match grant.is_pending(given.now) {
        true => Ok(grant),
        false => {
            let message = format!("grant `{}` does not wait for approval (any more)", body.grant);
            Err(Refusal::new(RefusalCode::Conflict, message))
        }
    }
}

/// Whether anybody but the one who asked and the one who is to hold the role could approve. While an organisation
/// begins, or when everybody else has left, there is nobody; AI-AC-02 names such grants.
fn somebody_else(state: &State, given: &Given, grant: &Grant) -> bool {
    somebody_approves(state, given.now, &[&grant.asker, &grant.requested.actor])
}

/// Whether anybody could approve who is not concerned, neither by themselves nor by a program; in the last resort too.
pub(super) fn somebody_approves(state: &State, now: i64, concerned: &[&str]) -> bool {
    anybody(state, concerned, |actor| approves(state, now, actor) || steps_in(state, now, actor))
}

/// Whether an approver is there who is not concerned.
fn an_approver_is_there(state: &State, now: i64, concerned: &[&str]) -> bool {
    anybody(state, concerned, |actor| approves(state, now, actor))
}

fn anybody(state: &State, concerned: &[&str], fits: impl Fn(&str) -> bool) -> bool {
    let free = |actor: &str| !concerned.iter().any(|one| state.is_one_person(one, actor));
    state.actors.keys().any(|actor| free(actor) && fits(actor))
}

/// Whoever approves in the last resort does so only while no approver is left who is not concerned. Without them, whoever
/// sends the only security lead away could approve what they ask for themselves.
pub(super) fn in_turn(state: &State, given: &Given, concerned: &[&str], what: &str) -> Result<(), Refusal> {
    let (by, now) = (given.by.as_str(), given.now);
    if approves(state, now, by) || !steps_in(state, now, by) || !an_approver_is_there(state, now, concerned) {
        return Ok(());
    }
    let message = format!("{what} waits for a security lead or an administrator: you approve it when none is left");
    Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["last-resort-not-first".to_owned()] })
}

/// Whether somebody would be let approve a grant, as far as that depends on who they are.
pub(super) fn may_approve(state: &State, now: i64, grant: &Grant, actor: &str) -> bool {
    let (holder, asker) = (grant.requested.actor.as_str(), grant.asker.as_str());
    !state.is_one_person(actor, holder)
        && (!state.is_one_person(actor, asker) || !somebody_approves(state, now, &[asker, holder]))
        && (approves(state, now, actor)
            || steps_in(state, now, actor) && !an_approver_is_there(state, now, &[asker, holder]))
}

/// Whether an actor holds a role whose holders approve grants, by more than an emergency.
fn approves(state: &State, now: i64, actor: &str) -> bool {
    state.standing_roles_of(actor, now).any(|(role, scope)| scope == ORG && is_approver(state, role))
}

/// Whether an actor approves grants when nobody else is left who could.
fn steps_in(state: &State, now: i64, actor: &str) -> bool {
    state.standing_roles_of(actor, now).any(|(role, scope)| scope == ORG && LAST_RESORT.contains(&role))
}

/// Whether holders of a role approve grants.
pub(super) fn is_approver(state: &State, role: &str) -> bool {
    APPROVERS.contains(&role) || state.has_duty(role, "security_lead")
}

/// An emergency gives no vote: `what` is approved by somebody who approves without one.
pub(super) fn no_vote_by_emergency(state: &State, given: &Given, what: &str) -> Result<(), Refusal> {
    if state.emergencies_of(&given.by, given.now).next().is_none() || approves(state, given.now, &given.by) {
        return Ok(());
    }
    let message = format!("an emergency gives no vote: somebody else must approve {what}");
    let policies = vec!["emergency-not-approve".to_owned()];
    Err(Refusal { code: RefusalCode::Forbidden, message, policies })
}

/// Whether there are such a role and such a scope.
pub(super) fn role_and_scope_fit(state: &State, role: &str, scope: &str) -> Result<(), Refusal> {
    if !state.has_role(role) {
        let own = state.custom_roles.keys().map(String::as_str);
        let known: Vec<&str> = roles::ROLES.iter().map(|role| role.name).chain(own).collect();
        let message = format!("`{role}` is no role; there are: {}", known.join(", "));
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    roles::scope_is_valid(state, scope)
}

/// The roles that an actor has or asked for, each with its scope.
pub(super) fn held_or_asked<'a>(
    state: &'a State,
    actor: &'a str,
    now: i64,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let asked = state.grants.values().filter(move |grant| grant.requested.actor == actor && grant.is_pending(now));
    let asked = asked.map(|grant| (grant.requested.role.as_str(), grant.requested.scope.as_str()));
    state.roles_of(actor, now).chain(asked)
}

/// Refuses what would bring together what is kept apart, with the rule's name and the pair.
pub(super) fn kept_apart(state: &State, now: i64, wish: &GrantRequested) -> Result<(), Refusal> {
    for hand in state.hands_of(&wish.actor) {
        let asked = state.grants.values().filter(|grant| {
            grant.requested.actor == hand && grant.is_pending(now) && grant.requested.grant != wish.grant
        });
        let asked = asked.map(|grant| (grant.requested.role.as_str(), grant.requested.scope.as_str()));
        let apart = state.roles_of(hand, now).chain(asked).find_map(|(role, scope)| {
            let rule = state.conflict_between(role, &wish.role).filter(|_| roles::overlap(scope, &wish.scope))?;
            Some((role, scope, rule))
        });
        let Some((role, scope, rule)) = apart else { continue };
        let mut message = format!(
            "`{hand}` has or asked for `{role}` in `{scope}`, and rule `{}` keeps it apart from `{}`: one person could {}",
            rule.rule, wish.role, rule.why
        );
        if hand != wish.actor {
            message += "; whoever answers for a program can act as it";
        }
        let policies = vec![rule.rule.to_owned()];
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies });
    }
    Ok(())
}
