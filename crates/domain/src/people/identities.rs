//! How actors are known outside, and what is known of them as persons. The ledger has neither: an outside identifier is a
//! random reference that the vault can forget, a profile is the digest of sealed bytes.

use serde::{Deserialize, Serialize};

use super::actors::{is_the_system, may_let_in, present};
use crate::decide::{digest_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// Where somebody is known by another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// The OpenID provider that people sign in with.
    Oidc,
    /// The directory that registers people.
    Scim,
    /// The directory's names, written down by somebody here: the directory did not register them.
    Hand,
}

impl IdentitySource {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Scim => "scim",
            Self::Hand => "hand",
        }
    }

    /// Whether being known there opens a door here.
    #[must_use]
    pub fn signs_in(self) -> bool {
        match self {
            Self::Oidc => true,
            Self::Scim | Self::Hand => false,
        }
    }
}

/// An actor is known elsewhere by another name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityLinked {
    /// Who.
    pub actor: String,
    /// Where.
    pub source: IdentitySource,
    /// The vault's reference for the name, 32 hexadecimal digits.
    pub subject: String,
}

/// An actor is no longer known elsewhere by that name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityUnlinked {
    /// Who.
    pub actor: String,
    /// The vault's reference for the name.
    pub subject: String,
}

/// What is known of an actor as a person was written down, sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSet {
    /// Of whom.
    pub actor: String,
    /// SHA-256 of the sealed profile, hexadecimal.
    pub sealed_sha256: String,
}

/// Whose name it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The actor.
    pub actor: String,
    /// Where they are known by it.
    pub source: IdentitySource,
}

pub(crate) fn link(state: &State, given: &Given, body: &IdentityLinked) -> Result<Vec<Event>, Refusal> {
    present(state, &body.actor)?;
    reference_is_valid(&body.subject)?;
    match state.identities.get(&body.subject) {
        Some(known) if known.actor == body.actor => return Ok(vec![]),
        Some(_) => {
            let message = "somebody else is known by that name: unlink it from them first";
            return Err(refuse(RefusalCode::Exists, message));
        }
        None => {}
    }
    if body.source.signs_in() {
        may_let_in(state, given, &body.actor)?;
        super::accounts::a_person(state, &body.actor, "signs in at a provider")?;
    }
    Ok(vec![Event::IdentityLinked(body.clone())])
}

pub(crate) fn unlink(state: &State, body: &IdentityUnlinked) -> Result<Vec<Event>, Refusal> {
    match state.identities.get(&body.subject).filter(|known| known.actor == body.actor) {
        Some(_) => Ok(vec![Event::IdentityUnlinked(body.clone())]),
        None => Err(refuse(RefusalCode::NotFound, format!("`{}` is not known by that name", body.actor))),
    }
}

/// The vault's reference for a name.
pub(crate) fn reference_is_valid(subject: &str) -> Result<(), Refusal> {
    match subject.len() == 32 && subject.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        true => Ok(()),
        false => Err(refuse(RefusalCode::Invalid, "a reference to a name has 32 hexadecimal digits")),
    }
}

impl State {
    /// The vault's references for the user name and directory's key of somebody, whoever wrote them down.
    pub fn user_names_of<'a>(&'a self, actor: &'a str) -> impl Iterator<Item = &'a str> {
        let theirs = move |(_, known): &(&String, &Identity)| !known.source.signs_in() && known.actor == actor;
        self.identities.iter().filter(theirs).map(|(subject, _)| subject.as_str())
    }

    /// Whether a directory registered somebody: it may change nobody else.
    #[must_use]
    pub fn is_provisioned(&self, actor: &str) -> bool {
        self.identities.values().any(|known| known.source == IdentitySource::Scim && known.actor == actor)
    }
}

pub(crate) fn set_profile(state: &State, body: &ProfileSet) -> Result<Vec<Event>, Refusal> {
    if !state.actors.contains_key(&body.actor) || is_the_system(state, &body.actor) {
        return Err(refuse(RefusalCode::NotFound, format!("there is no actor `{}` to know anything of", body.actor)));
    }
    digest_is_valid("sealed profile", &body.sealed_sha256)?;
    match state.profiles.get(&body.actor) == Some(&body.sealed_sha256) {
        true => Ok(vec![]),
        false => Ok(vec![Event::ProfileSet(body.clone())]),
    }
}
