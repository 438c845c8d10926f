//! Actors: who is there, who may be let in, and what ends when somebody leaves.

use serde::{Deserialize, Serialize};

use super::emergencies::EmergencyNamed;
use super::grants::{EndReason, Grant, GrantEnded};
use super::roles::ORG;
use super::{ActorKind, Identity, Key, KeyRevoked, KeyScope, accounts};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// An actor left: they sign in no more, their keys and grants have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorLeft {
    /// Who.
    pub actor: String,
}

/// Whether this is Counterfoil itself: nobody signs in as it or holds a key for it; what it writes, it writes from inside.
pub(crate) fn is_the_system(state: &State, actor: &str) -> bool {
    state.actors.get(actor).is_some_and(|actor| actor.kind == ActorKind::System)
}

/// Somebody who is registered, has not left, and is not Counterfoil itself.
pub(super) fn present(state: &State, actor: &str) -> Result<(), Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, message));
    match state.actors.get(actor) {
        None => refuse(RefusalCode::NotFound, format!("there is no actor `{actor}`")),
        Some(_) if is_the_system(state, actor) => {
            refuse(RefusalCode::Forbidden, "nobody may act as the system, or speak for it".into())
        }
        Some(_) if state.left.contains_key(actor) => refuse(RefusalCode::Conflict, format!("actor `{actor}` has left")),
        Some(_) => Ok(()),
    }
}

/// Somebody else may give a person the first way to sign in, and none while there is one: whoever makes a key can use it,
/// so an administrator could approve under the name of the security lead. Whoever answers for a program lets it in, and
/// nobody else ever: it acts for them.
pub(crate) fn may_let_in(state: &State, given: &Given, actor: &str) -> Result<(), Refusal> {
    present(state, actor)?;
    let owner = state.accounts.get(actor).map(|account| account.owner.as_str());
    if given.by == actor || owner == Some(given.by.as_str()) || is_the_system(state, &given.by) {
        return Ok(());
    }
    let refuse = |message| {
        let policies = vec!["let-in-once".to_owned()];
        Err(Refusal { code: RefusalCode::Forbidden, message, policies })
    };
    if let Some(owner) = owner {
        return refuse(format!(
            "`{owner}` answers for `{actor}`, and nobody else makes its keys: ask them, or name who is to answer for it"
        ));
    }
    let key = |key: &Key| key.is_live(given.now) && matches!(&key.created.scope, KeyScope::Actor(of) if of == actor);
    let theirs = |of: &str, expires_at: i64| of == actor && expires_at > given.now;
    let known = |identity: &Identity| identity.actor == actor && identity.source.signs_in();
    let entered = state.keys.values().any(key)
        || state.sessions.values().any(|session| theirs(&session.actor, session.expires_at))
        || state.links.values().any(|link| theirs(&link.actor, link.expires_at))
        || state.identities.values().any(known)
        || state.passkeys_of(actor).next().is_some()
        || state.recovery.get(actor).is_some_and(|recovery| !recovery.unused.is_empty());
    if !entered {
        return Ok(());
    }
    refuse(format!(
        "`{actor}` can sign in already, and nobody else may add to that: ask them to make it, or revoke what they have first"
    ))
}

/// Everything that somebody has ends with their leaving, each by an event of its own.
pub(crate) fn leave(state: &State, given: &Given, body: &ActorLeft) -> Result<Vec<Event>, Refusal> {
    match state.actors.get(&body.actor) {
        None => return Err(Refusal::new(RefusalCode::NotFound, format!("there is no actor `{}`", body.actor))),
        Some(_) if state.left.contains_key(&body.actor) => return Ok(vec![]),
        Some(actor) if actor.kind == ActorKind::System => {
            return Err(Refusal::new(RefusalCode::Forbidden, "Counterfoil itself cannot leave"));
        }
        Some(_) => {}
    }
    let administers =
        |actor: &str| state.standing_roles_of(actor, given.now).any(|held| held == ("administrator", ORG));
    let another = state.actors.keys().any(|actor| *actor != body.actor && administers(actor));
    if administers(&body.actor) && !another {
        let message = "they are the last administrator: give somebody else the role first";
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    let theirs = |grant: &&Grant| grant.requested.actor == body.actor && grant.stands(given.now);
    let grants =
        state.grants.values().filter(theirs).map(|grant| {
            Event::GrantEnded(GrantEnded { grant: grant.requested.grant.clone(), reason: EndReason::Left })
        });
    let of = |key: &&Key| key.created.scope.principal() == Some(body.actor.as_str());
    let keys = state.keys.values().filter(|key| key.is_live(given.now)).filter(of);
    let keys = keys.map(|key| Event::KeyRevoked(KeyRevoked { key: key.created.key.clone() }));
    let emergencies = state
        .emergencies_of(&body.actor, given.now)
        .map(|emergency| Event::EmergencyEnded(EmergencyNamed { emergency: emergency.declared.emergency.clone() }));
    let accounts = accounts::handed_over(state, given, &body.actor);
    let passkeys = super::passkeys::all_removed(state, &body.actor);
    let ends = grants.chain(emergencies).chain(keys).chain(accounts).chain(passkeys);
    Ok(std::iter::once(Event::ActorLeft(body.clone())).chain(ends).collect())
}
