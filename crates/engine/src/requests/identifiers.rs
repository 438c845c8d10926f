//! By what a person may be known, and where: the references and the actor that it leads to.
//!
//! What is one person's alone anywhere, an address or a number, is looked up in every blind index that there is. A name or
//! a number of a customer means somebody only where it was given: the same one at two services may be two people's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use domain::people::IdentitySource;
use domain::{Refusal, RefusalCode};
use sha2::{Digest, Sha256};
use vault::{KeyKind, SubjectRef};

use super::{IDENTIFIER_BYTES, MAX_IDENTIFIERS, now};
use crate::directory::alike;
use crate::profiles::{CLASS as PEOPLE, NAMES, unavailable};
use crate::{Engine, ExecuteError, Profile};

/// The word for every place.
const ANYWHERE: &str = "any";

/// The word for the people who act here.
const ACTING: &str = "people";

/// The fewest digits of a number that is one person's.
const DIGITS: usize = 8;

/// Where something is somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// Among the people who act here.
    Acting,
    /// In the index of a service, or of a column of data sets.
    At(String),
}

/// Something by which a person may be known: `VALUE`, or `[PLACE] VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identifier {
    place: Place,
    /// Whether the place was said.
    said: bool,
    value: String,
}

impl Identifier {
    fn read(line: &str) -> Self {
        let line = line.trim();
        let placed = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (place, said, value) = match placed.map(|(place, value)| (place.trim(), value.trim())) {
            Some((ANYWHERE, value)) => (Place::Anywhere, true, value),
            Some((ACTING, value)) => (Place::Acting, true, value),
            Some((place, value)) => (Place::At(place.to_owned()), true, value),
            None if is_one_persons(line) => (Place::Anywhere, false, line),
            None => (Place::Acting, false, line),
        };
        Self { place, said, value: value.to_owned() }
    }

    fn is_among_the_acting(&self) -> bool {
        matches!(self.place, Place::Anywhere | Place::Acting)
    }

    fn is_in(&self, scope: &str) -> bool {
        match &self.place {
            Place::Anywhere => true,
            Place::Acting => false,
            Place::At(place) => place == scope,
        }
    }
}

/// Whether it is spelled like an address or a telephone number.
fn is_one_persons(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let number = text.chars().all(|c| c.is_ascii_digit() || " +()-./".contains(c));
    let begins = text.starts_with(['+', '0', '(']);
    text.contains('@') || (number && begins && digits >= DIGITS)
}

/// Reads what was given; it must be of a sensible number and length.
pub(super) fn read(lines: &[String]) -> Result<Vec<Identifier>, Refusal> {
    let identifiers: Vec<Identifier> = lines.iter().map(|line| Identifier::read(line)).collect();
    let fits = |one: &Identifier| (1..=IDENTIFIER_BYTES).contains(&one.value.len());
    if !(1..=MAX_IDENTIFIERS).contains(&identifiers.len()) || !identifiers.iter().all(fits) {
        let message = format!("give 1 to {MAX_IDENTIFIERS} identifiers of 1 to {IDENTIFIER_BYTES} bytes");
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    Ok(identifiers)
}

/// What identifiers lead to.
#[derive(Default)]
pub(super) struct KnownBy {
    pub subjects: BTreeSet<SubjectRef>,
    /// The person, if they act here.
    pub actor: Option<String>,
    /// The first of the identifiers that could be anybody's: no place was said, and nobody who acts here is known by it.
    pub nobodys: Option<usize>,
}

/// The actors whose sealed profile has something that was given.
#[derive(Default)]
struct Profiled {
    /// By what is one person's alone: an address, a number, a user name.
    addressed: BTreeSet<String>,
    /// By their name.
    named: BTreeSet<String>,
    /// What of it somebody has, as it is compared.
    matched: BTreeSet<String>,
}

/// By what profiles are found: digests under a key of this process, so that the memory holds no names.
#[derive(Default)]
pub(crate) struct ProfileIndex {
    key: Option<[u8; 32]>,
    actors: BTreeMap<String, Indexed>,
}

/// What is known of one profile.
struct Indexed {
    /// The SHA-256 of the profile as it lies sealed.
    sealed: String,
    addresses: BTreeSet<[u8; 32]>,
    name: Option<[u8; 32]>,
}

impl ProfileIndex {
    fn digest(&mut self, text: &str) -> Result<[u8; 32], ExecuteError> {
        let key = match self.key {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                let random = getrandom::fill(&mut key);
                random.map_err(|e| ExecuteError::Internal(format!("the system gave no randomness: {e}")))?;
                *self.key.insert(key)
            }
        };
        Ok(Sha256::new().chain_update(key).chain_update(alike(text)).finalize().into())
    }

    fn take(&mut self, actor: &str, sealed: String, profile: Option<&Profile>) -> Result<(), ExecuteError> {
        let mut indexed = Indexed { sealed, addresses: BTreeSet::new(), name: None };
        if let Some(profile) = profile {
            let listed =
                ["emails", "phoneNumbers"].into_iter().filter_map(|member| profile.extra.get(member)?.as_array());
            let listed = listed.flatten().filter_map(|one| one.get("value")?.as_str());
            for address in listed.chain(profile.email.as_deref()).chain(profile.user_name.as_deref()) {
                indexed.addresses.insert(self.digest(address)?);
            }
            indexed.name = profile.name.as_deref().map(|name| self.digest(name)).transpose()?;
        }
        self.actors.insert(actor.to_owned(), indexed);
        Ok(())
    }

    fn lacks(&self, actor: &str, sealed: &str) -> bool {
        self.actors.get(actor).is_none_or(|known| known.sealed != sealed)
    }

    /// Forgets a profile that is gone.
    pub fn forget(&mut self, actor: &str) {
        self.actors.remove(actor);
    }
}

impl Engine {
    /// Refuses an identifier that could be anybody's, and a place that there is not. What was given is not repeated.
    pub(super) fn is_placed(&self, identifiers: &[Identifier], known: &KnownBy) -> Result<(), ExecuteError> {
        let scopes = self.scopes_of_people().map_err(|e| unavailable(&e))?;
        let wrong = identifiers.iter().position(|one| match &one.place {
            Place::At(place) => !scopes.contains(place) && !self.read(|state| state.services.contains_key(place)),
            Place::Anywhere | Place::Acting => false,
        });
        let Some(at) = wrong.or(known.nobodys) else { return Ok(()) };
        let places = scopes.into_iter().collect::<Vec<_>>().join("`, `");
        let message = format!(
            "identifier {} is no address or number, nobody who acts here is known by it, or it names a place where nobody is \
             known: the same one at two services may be two people's, so say where it is theirs, as `[PLACE] VALUE`, with \
             `{ANYWHERE}` for everywhere, `{ACTING}` for who acts here, or one of `{places}`",
            at + 1
        );
        Err(Refusal::new(RefusalCode::Invalid, message).into())
    }

    /// The references that identifiers lead to, and the actor who the person is, if they act here.
    pub(super) async fn known_by(self: &Arc<Self>, identifiers: &[Identifier]) -> Result<KnownBy, ExecuteError> {
        let mut known = BTreeSet::new();
        let mut actors = BTreeSet::new();
        let mut lost = BTreeSet::new();
        for (at, one) in identifiers.iter().enumerate().filter(|(_, one)| one.is_among_the_acting()) {
            let mut found = self.read(|state| state.actors.contains_key(&one.value));
            if found {
                actors.insert(one.value.clone());
            }
            for form in crate::directory::forms_of(&one.value).chain([one.value.clone()]) {
                for source in [IdentitySource::Oidc, IdentitySource::Scim, IdentitySource::Hand] {
                    let Some(reference) = self.known_name_reference(source, &form).await? else { continue };
                    found = true;
                    actors.extend(self.read(|state| state.identities.get(&reference).map(|one| one.actor.clone())));
                    known.extend(SubjectRef::from_hex(&reference));
                }
            }
            if !found && !one.said && one.place == Place::Acting {
                lost.insert(at);
            }
        }
        let given: Vec<String> =
            identifiers.iter().filter(|one| one.is_among_the_acting()).map(|one| one.value.clone()).collect();
        let profiled = self.blocking(move |engine| engine.profiled_as(&given)).await??;
        lost.retain(|at| identifiers.get(*at).is_some_and(|one| !profiled.matched.contains(&alike(&one.value))));
        actors.extend(profiled.addressed);
        if actors.is_empty() {
            // Two may have one name, so it counts when nothing else says who it is.
            actors = profiled.named;
        }
        if actors.len() > 1 {
            let several = actors.into_iter().collect::<Vec<_>>().join("`, `");
            let message = format!(
                "what was given leads to several who act here, `{several}`: give what is one person's alone, or the pseudonym \
                 instead of a name, and receive a request for each"
            );
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        let actor = actors.pop_first();
        let (identifiers, person) = (identifiers.to_vec(), actor.clone());
        let looked_up = self.blocking(move |engine| engine.look_up(&identifiers, person.as_deref()));
        known.extend(looked_up.await?.map_err(|e| unavailable(&e))?);
        let theirs = known.iter().map(SubjectRef::to_string).collect::<BTreeSet<_>>();
        // What they wrote when they asked before goes with the rest. Not what somebody gave whom nobody confirmed: that may be
        // another person's.
        // And only what was made for a request: of its other references, some may be of another who has the same address.
        let before: Vec<String> = self.read(|state| {
            let open = state.requests.values().filter(|request| request.is_confirmed() && !request.is_erased());
            let same = open.filter(|request| request.received.subjects.iter().any(|one| theirs.contains(one)));
            same.map(|request| request.received.request.clone()).collect()
        });
        let made = self.blocking(move |engine| {
            let made = before.iter().map(|request| engine.vault().known_subject(super::SCOPE, request, now()));
            made.collect::<Result<Vec<_>, _>>()
        });
        known.extend(made.await?.map_err(|e| unavailable(&e))?.into_iter().flatten());
        Ok(KnownBy { subjects: known, actor, nobodys: lost.pop_first() })
    }

    /// The actors whose sealed profile has one of these. A profile is opened once, when it is new to this process; one that
    /// cannot be read ends it: nobody can say that it is not theirs. Blocks.
    fn profiled_as(&self, identifiers: &[String]) -> Result<Profiled, ExecuteError> {
        let mut index = self.profile_index.lock().unwrap_or_else(PoisonError::into_inner);
        let profiles = self.read(|state| state.profiles.clone());
        for (actor, sealed) in &profiles {
            if index.lacks(actor, sealed) {
                let profile = self.read_profile(actor)?;
                index.take(actor, sealed.clone(), profile.as_ref())?;
            }
        }
        let mut given = BTreeMap::new();
        for one in identifiers {
            given.insert(index.digest(one)?, alike(one));
        }
        let mut found = Profiled::default();
        for (actor, indexed) in index.actors.iter().filter(|(actor, _)| profiles.contains_key(*actor)) {
            let addresses: Vec<&String> = indexed.addresses.iter().filter_map(|address| given.get(address)).collect();
            let name = indexed.name.as_ref().and_then(|name| given.get(name));
            if !addresses.is_empty() {
                found.addressed.insert(actor.clone());
            } else if name.is_some() {
                found.named.insert(actor.clone());
            }
            found.matched.extend(addresses.into_iter().chain(name).cloned());
        }
        Ok(found)
    }

    /// The scopes in whose blind indexes people are known. Names of people who act here are looked up by their source; an
    /// index of tokens leads to nobody, and a scope of tokens is nobody: to erase it would end the tokens of everybody. Requests
    /// are known by their own identifier and checksums of lineage are nobody's, so that neither is a place. Blocks.
    fn scopes_of_people(&self) -> Result<BTreeSet<String>, vault::VaultError> {
        let nobodys = [NAMES, PEOPLE, vault::tokens::SCOPES, crate::lineage::SCOPE, super::SCOPE];
        let leads = |id: &str| !nobodys.contains(&id) && !id.contains('/');
        let keys = self.vault().inventory()?;
        Ok(keys.into_iter().filter(|key| key.kind == KeyKind::Index && leads(&key.id)).map(|key| key.id).collect())
    }

    /// The references of identifiers in the blind indexes where they are somebody's. Blocks.
    fn look_up(
        &self,
        identifiers: &[Identifier],
        actor: Option<&str>,
    ) -> Result<BTreeSet<SubjectRef>, vault::VaultError> {
        let (vault, now) = (self.vault(), now());
        let mut known = BTreeSet::new();
        for scope in self.scopes_of_people()? {
            for one in identifiers.iter().filter(|one| one.is_in(&scope)) {
                known.extend(vault.known_subject(&scope, &one.value, now)?);
            }
        }
        if let Some(actor) = actor {
            known.extend(vault.known_subject(PEOPLE, actor, now)?);
            let names = self.read(|state| {
                let theirs = state.identities.iter().filter(|(_, known)| known.actor == actor);
                theirs.filter_map(|(subject, _)| SubjectRef::from_hex(subject)).collect::<Vec<_>>()
            });
            known.extend(names);
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_lines_when_read_then_each_says_where_it_is_somebodys() {
        let read = |line: &str| {
            let Identifier { place, value, .. } = Identifier::read(line);
            (place, value)
        };
        for anywhere in ["zoe@example.com", "+61 412 345 678", "0412345678", "[any] 17"] {
            assert_eq!(read(anywhere).0, Place::Anywhere, "{anywhere}");
        }
        for acting in ["17", "u-1234567890", "Zoë Nguyễn", "a_0123", "123456789012", "[people] zoe@example.com"] {
            assert_eq!(read(acting).0, Place::Acting, "{acting}");
        }
        assert_eq!(read(" [support]  17 "), (Place::At("support".into()), "17".into()));
    }
}
