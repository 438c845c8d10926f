//! People as a directory knows them: registered, described, sent away and let back in, each time in one step.
//!
//! A directory is a program with the role `directory`. It registers people and says which of them are still there; what
//! anybody may do is not its business, so it reaches nobody whom it did not register, and no program.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::actors::{is_the_system, leave};
use super::identities::reference_is_valid;
use super::{
    ActorKind, ActorLeft, ActorRegistered, IdentityLinked, IdentitySource, IdentityUnlinked, ProfileSet, groups,
};
use crate::decide::{digest_is_valid, refuse, register_actor};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The role of a directory's service account.
pub const DIRECTORY: &str = "directory";

/// Somebody who had left is back. What they held before does not come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorReturned {
    /// Who.
    pub actor: String,
}

/// Whether somebody is there, as their directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// They are.
    Active,
    /// They are not, and stay in their groups.
    Inactive,
    /// The directory knows them no more, and neither do its groups.
    Removed,
}

/// A directory knows somebody no more. What is known of them stays, so that records keep their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorRemoved {
    /// Who.
    pub actor: String,
}

/// The wish to have somebody registered, or changed, as a directory knows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionPerson {
    /// Pseudonym, a new one or one that is known.
    pub actor: String,
    /// A person, or a program.
    pub kind: ActorKind,
    /// The vault's references for all names by which the directory knows them.
    pub names: BTreeSet<String>,
    /// SHA-256 of the sealed profile, hexadecimal; without it the profile stays as it is.
    pub sealed_sha256: Option<String>,
    /// Whether they are there; without it that stays as it is.
    pub presence: Option<Presence>,
}

/// Whether an actor is a directory: it may do a directory's work and nothing else.
pub(crate) fn is_directory(state: &State, actor: &str, now: i64) -> bool {
    state.roles_of(actor, now).any(|(role, _)| role == DIRECTORY)
}

pub(crate) fn provision(state: &State, given: &Given, body: &ProvisionPerson) -> Result<Vec<Event>, Refusal> {
    let forbidden = |rule: &str, message: &str| {
        Err(Refusal { code: RefusalCode::Forbidden, message: message.to_owned(), policies: vec![rule.to_owned()] })
    };
    let directory = is_directory(state, &given.by, given.now);
    if directory && body.kind != ActorKind::Human {
        return forbidden("directory-keeps-people", "a directory registers people, and no programs");
    }
    let mut events = match state.actors.get(&body.actor) {
        None => {
            let registered = ActorRegistered { actor: body.actor.clone(), kind: body.kind, roles: vec![] };
            register_actor(state, given, &registered)?
        }
        Some(_) if is_the_system(state, &body.actor) => {
            return forbidden("nobody-is-the-system", "nobody may speak for the system");
        }
        Some(known) if known.kind != body.kind => {
            let message = format!("`{}` is registered as another kind of actor", body.actor);
            return Err(refuse(RefusalCode::Exists, message));
        }
        Some(_) if directory && !state.is_provisioned(&body.actor) => {
            return forbidden(
                "directory-reaches-its-own",
                "the directory did not register this actor: it may not change it",
            );
        }
        Some(_) => vec![],
    };
    events.extend(names(state, directory, body)?);
    if let Some(sealed_sha256) = &body.sealed_sha256 {
        digest_is_valid("sealed profile", sealed_sha256)?;
        if state.profiles.get(&body.actor) != Some(sealed_sha256) {
            let (actor, sealed_sha256) = (body.actor.clone(), sealed_sha256.clone());
            events.push(Event::ProfileSet(ProfileSet { actor, sealed_sha256 }));
        }
    }
    events.extend(presence(state, given, body)?);
    Ok(events)
}

/// What changes in the names by which somebody is known.
fn names(state: &State, directory: bool, body: &ProvisionPerson) -> Result<Vec<Event>, Refusal> {
    // Whom the directory registered stays its own when somebody here writes down another name.
    let theirs = directory || state.is_provisioned(&body.actor);
    let source = if theirs { IdentitySource::Scim } else { IdentitySource::Hand };
    let mut events = Vec::new();
    for old in state.user_names_of(&body.actor).filter(|old| !body.names.contains(*old)) {
        let unlinked = IdentityUnlinked { actor: body.actor.clone(), subject: old.to_owned() };
        events.push(Event::IdentityUnlinked(unlinked));
    }
    for subject in &body.names {
        reference_is_valid(subject)?;
        match state.identities.get(subject) {
            Some(known) if known.actor == body.actor => {}
            Some(_) => return Err(refuse(RefusalCode::Exists, "somebody else is known by that name")),
            None => {
                let (actor, subject) = (body.actor.clone(), subject.clone());
                events.push(Event::IdentityLinked(IdentityLinked { actor, source, subject }));
            }
        }
    }
    Ok(events)
}

/// What changes in whether somebody is there.
fn presence(state: &State, given: &Given, body: &ProvisionPerson) -> Result<Vec<Event>, Refusal> {
    let Some(presence) = body.presence else { return Ok(vec![]) };
    let (actor, removed) = (body.actor.clone(), state.removed.contains(&body.actor));
    let mut events = match (presence, state.actors.contains_key(&actor)) {
        (Presence::Active, false) => vec![],
        (Presence::Active, true) => come_back(state, given, &ActorReturned { actor })?,
        (_, false) => vec![Event::ActorLeft(ActorLeft { actor })],
        // Known again, and still away.
        (Presence::Inactive, true) if removed => {
            vec![Event::ActorReturned(ActorReturned { actor: actor.clone() }), Event::ActorLeft(ActorLeft { actor })]
        }
        (_, true) => leave(state, given, &ActorLeft { actor })?,
    };
    if presence == Presence::Removed && !removed {
        events.extend(groups::forgotten(state, &body.actor));
        events.push(Event::ActorRemoved(ActorRemoved { actor: body.actor.clone() }));
    }
    Ok(events)
}

/// Lets somebody back in who had left. Their groups ask for their roles again; somebody must approve them anew.
pub(crate) fn come_back(state: &State, given: &Given, body: &ActorReturned) -> Result<Vec<Event>, Refusal> {
    if !state.actors.contains_key(&body.actor) {
        return Err(refuse(RefusalCode::NotFound, format!("there is no actor `{}`", body.actor)));
    }
    if !state.left.contains_key(&body.actor) {
        return Ok(vec![]);
    }
    let asked = groups::returned(state, given, &body.actor);
    Ok(std::iter::once(Event::ActorReturned(body.clone())).chain(asked).collect())
}
