//! Service accounts: programs that act, and the person who answers for each.
//!
//! Whoever registers a program answers for it until somebody else is named. When that person leaves, whoever says so
//! takes the accounts over, and the ledger says that nobody chose them. The keys by which others could act as the program
//! end when it changes hands: it acts for whoever answers for it, and nobody else may use that.

use serde::{Deserialize, Serialize};

use super::actors::present;
use super::{ActorKind, Key, KeyRevoked, KeyScope, roles};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// Why somebody answers for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerReason {
    /// They registered it.
    Registered,
    /// They were named.
    Named,
    /// Whoever answered for it left, and they were the one to say so, or a program of theirs: a new owner is to be named.
    Left,
}

impl OwnerReason {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Named => "named",
            Self::Left => "left",
        }
    }
}

/// Somebody answers for a service account from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountOwned {
    /// The service account.
    pub actor: String,
    /// The person who answers for it.
    pub owner: String,
    /// Why.
    pub reason: OwnerReason,
}

/// Who answers for a service account, as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The person.
    pub owner: String,
    /// Why it is them.
    pub reason: OwnerReason,
    /// Since when, in milliseconds since the epoch.
    pub since: i64,
}

impl State {
    /// The service accounts that an actor answers for.
    pub fn accounts_of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a str> {
        let here = move |actor: &str| !self.left.contains_key(actor);
        self.accounts
            .iter()
            .filter(move |(actor, account)| account.owner == owner && here(actor))
            .map(|(actor, _)| actor.as_str())
    }
}

impl State {
    /// The person behind an actor: whoever answers for it when it is a program, else the actor.
    #[must_use]
    pub fn person_of<'a>(&'a self, actor: &'a str) -> &'a str {
        self.accounts.get(actor).map_or(actor, |account| account.owner.as_str())
    }

    /// Whether the same person is behind two actors.
    #[must_use]
    pub fn is_one_person(&self, one: &str, other: &str) -> bool {
        self.person_of(one) == self.person_of(other)
    }

    /// The actors that one person acts as: the person behind `actor`, and the programs that person answers for. Whoever
    /// answers for a program makes its keys, so what any of them may do, that person can do.
    pub fn hands_of<'a>(&'a self, actor: &'a str) -> impl Iterator<Item = &'a str> {
        let person = self.person_of(actor);
        std::iter::once(person).chain(self.accounts_of(person))
    }
}

/// Refuses to bring a program's roles into the hands of somebody whose own are kept apart from them.
fn fits(state: &State, now: i64, actor: &str, owner: &str) -> Result<(), Refusal> {
    let others: Vec<&str> = state.hands_of(owner).filter(|hand| *hand != actor).collect();
    for (role, scope) in super::grants::held_or_asked(state, actor, now) {
        for (other, there) in others.iter().flat_map(|hand| super::grants::held_or_asked(state, hand, now)) {
            let Some(rule) = state.conflict_between(role, other).filter(|_| roles::overlap(scope, there)) else {
                continue;
            };
            let message = format!(
                "`{actor}` has `{role}` in `{scope}`, and rule `{}` keeps it apart from `{other}` of `{owner}`: whoever answers for a program can act as it",
                rule.rule
            );
            return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.rule.to_owned()] });
        }
    }
    Ok(())
}

/// Whether this is a person who is registered and has not left.
pub(super) fn is_a_person(state: &State, actor: &str) -> bool {
    let human = state.actors.get(actor).is_some_and(|actor| actor.kind == ActorKind::Human);
    human && !state.left.contains_key(actor)
}

/// Refuses whoever is not a person who is registered and has not left; `does` says what only people do.
pub(crate) fn a_person(state: &State, actor: &str, does: &str) -> Result<(), Refusal> {
    present(state, actor)?;
    if is_a_person(state, actor) {
        return Ok(());
    }
    let message = format!("`{actor}` is a program: a person {does}");
    Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["people-answer".to_owned()] })
}

/// Names who answers for an account.
pub(crate) fn own(state: &State, given: &Given, body: &AccountOwned) -> Result<Vec<Event>, Refusal> {
    present(state, &body.actor)?;
    present(state, &body.owner)?;
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    if state.actors.get(&body.actor).is_none_or(|actor| actor.kind != ActorKind::Service) {
        return invalid(format!("`{}` is a person: only service accounts have an owner", body.actor));
    }
    if !is_a_person(state, &body.owner) {
        return invalid(format!("`{}` is no person: a program cannot answer for another", body.owner));
    }
    if body.reason != OwnerReason::Named {
        return invalid("an owner is `named`: the other reasons are the ledger's own".into());
    }
    fits(state, given.now, &body.actor, &body.owner)?;
    let known = state.accounts.get(&body.actor).map(|account| (account.owner.as_str(), account.reason));
    if known == Some((body.owner.as_str(), OwnerReason::Named)) {
        return Ok(vec![]);
    }
    let changes = known.is_none_or(|(owner, _)| owner != body.owner);
    let ended = ended_keys(state, given, &body.actor, Some(body.owner.as_str())).filter(|_| changes);
    Ok(std::iter::once(Event::AccountOwned(body.clone())).chain(ended).collect())
}

/// The keys that sign a program in end, but for those that whoever answers for it now made: whoever made a key can use
/// it, and so can whoever had the key by which the program made one for itself. Nobody was shown a key that a proof was
/// exchanged for.
fn ended_keys<'a>(
    state: &'a State,
    given: &'a Given,
    program: &'a str,
    owner: Option<&'a str>,
) -> impl Iterator<Item = Event> + 'a {
    let of = move |key: &&Key| {
        let signs_in = matches!(&key.created.scope, KeyScope::Actor(actor) if actor == program);
        let shown = key.workload.is_none() && owner != Some(key.created_by.as_str());
        signs_in && shown && key.is_live(given.now)
    };
    let keys = state.keys.values().filter(of);
    keys.map(|key| Event::KeyRevoked(KeyRevoked { key: key.created.key.clone() }))
}

/// Whoever registers a program answers for it.
pub(crate) fn registered(state: &State, given: &Given, actor: &str) -> Option<Event> {
    let owned = AccountOwned { actor: actor.to_owned(), owner: given.by.clone(), reason: OwnerReason::Registered };
    is_a_person(state, &given.by).then_some(Event::AccountOwned(owned))
}

/// The accounts of somebody who leaves pass to whoever says so, or answers for the program that does, if that is another
/// person and their roles go together.
/// Whoever left can use none of their keys, whether they pass on or not.
pub(super) fn handed_over<'a>(state: &'a State, given: &'a Given, leaver: &'a str) -> impl Iterator<Item = Event> + 'a {
    let heir = Some(state.person_of(&given.by)).filter(|heir| *heir != leaver && is_a_person(state, heir));
    state.accounts_of(leaver).flat_map(move |actor| {
        let heir = heir.filter(|heir| fits(state, given.now, actor, heir).is_ok());
        let owned = heir.map(|heir| {
            let (actor, owner) = (actor.to_owned(), heir.to_owned());
            Event::AccountOwned(AccountOwned { actor, owner, reason: OwnerReason::Left })
        });
        owned.into_iter().chain(ended_keys(state, given, actor, heir))
    })
}
