//! Keys: what they open and how long, who answers for them, how one takes another's place, and how they end.

use serde::{Deserialize, Serialize};

use super::actors::{is_the_system, may_let_in, present};
use super::{ActorKind, Session};
use crate::serving::ServiceSpec;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// Days that a key may live when nothing else was declared.
pub const MAX_DAYS: u32 = 90;

/// The longest maximum that can be declared, in days.
const MAX_MAX_DAYS: u32 = 366;

/// How long a key may go on beside the one that takes its place, in milliseconds.
pub const MAX_OVERLAP_MS: i64 = 30 * DAY_MS;

/// How many services a key may open.
const MAX_SERVICES: usize = 32;

/// How many keys one report of use may name: an entry of the ledger is bounded.
pub const MAX_USED: usize = 500;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a key opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Inference calls of one service, whatever its environment and purpose: how keys were made at first.
    Service(String),
    /// Inference calls of some services, while they are what they were declared to be.
    Inference(InferenceScope),
    /// The management API, as the named actor.
    Actor(String),
}

/// Inference calls that a key opens: of these services, in these environments, for these purposes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceScope {
    /// Names of services, ascending.
    pub services: Vec<String>,
    /// Environments that a service must be in, ascending.
    pub environments: Vec<String>,
    /// Purposes that a service must have, ascending.
    pub purposes: Vec<String>,
    /// The service account that the key belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl KeyScope {
    /// The first thing that the key opens, as `kind/name`.
    #[must_use]
    pub fn resource(&self) -> String {
        match self {
            Self::Service(service) => format!("service/{service}"),
            Self::Inference(scope) => format!("service/{}", scope.services.first().map_or("", String::as_str)),
            Self::Actor(actor) => format!("actor/{actor}"),
        }
    }

    /// Whose right it is to end or replace the key, as `kind/name`: its principal's, or else that of what it opens.
    #[must_use]
    pub fn holder(&self) -> String {
        self.principal().map_or_else(|| self.resource(), |actor| format!("actor/{actor}"))
    }

    /// The other things that it opens: whoever makes the key must be permitted to on each.
    #[must_use]
    pub fn further_resources(&self) -> Vec<String> {
        self.services().iter().skip(1).map(|service| format!("service/{service}")).collect()
    }

    /// The services whose inference calls it may open.
    #[must_use]
    pub fn services(&self) -> &[String] {
        match self {
            Self::Service(service) => std::slice::from_ref(service),
            Self::Inference(scope) => &scope.services,
            Self::Actor(_) => &[],
        }
    }

    /// All that it opens, as `kind/name`, separated by spaces.
    #[must_use]
    pub fn opened(&self) -> String {
        let all = std::iter::once(self.resource()).chain(self.further_resources());
        all.collect::<Vec<_>>().join(" ")
    }

    /// The actor that it belongs to: it ends when they leave.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Service(_) => None,
            Self::Inference(scope) => scope.account.as_deref(),
            Self::Actor(actor) => Some(actor),
        }
    }

    /// Whether it opens a service that is declared like this.
    #[must_use]
    pub fn opens(&self, service: &str, spec: &ServiceSpec) -> bool {
        match self {
            Self::Service(name) => name == service,
            Self::Inference(scope) => {
                let named = |list: &[String], name: &str| list.iter().any(|known| known == name);
                named(&scope.services, service)
                    && named(&scope.environments, &spec.environment)
                    && named(&scope.purposes, &spec.purpose)
            }
            Self::Actor(_) => false,
        }
    }
}

/// A key for an application or an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCreated {
    /// Public identifier, `k_` and random characters.
    pub key: String,
    /// What the key opens.
    pub scope: KeyScope,
    /// The first characters of the secret, so that a person can tell keys apart.
    pub prefix: String,
    /// SHA-256 of the secret, hexadecimal.
    pub secret_sha256: String,
    /// Milliseconds since the epoch after which the key is void.
    pub expires_at: i64,
    /// The session by which a command line was let in, if it was: the provider's word that somebody signed out ends the key
    /// with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// Another key takes a key's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// The key whose place is taken.
    pub key: String,
    /// The key that takes it.
    pub by: String,
    /// Milliseconds since the epoch after which the old key is void.
    pub ends_at: i64,
}

/// A key's secret was found where it should not be, by somebody who showed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLeaked {
    /// Which key.
    pub key: String,
}

/// The withdrawal of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Which key.
    pub key: String,
}

/// Keys that a node was shown in an hour. A key is named once an hour at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysUsed {
    /// The node.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Start of the hour, milliseconds since the epoch.
    pub hour: i64,
    /// Public identifiers of the keys, ascending.
    pub keys: Vec<String>,
}

/// How long keys may live, from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysLimited {
    /// The maximum in days.
    pub max_days: u32,
}

/// A key as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// How it was created.
    pub created: KeyCreated,
    /// When, in milliseconds since the epoch.
    pub created_at: i64,
    /// Who created it.
    pub created_by: String,
    /// The key that takes its place, and when it ends because of that.
    pub replaced: Option<(String, i64)>,
    /// The hour in which it was last used, milliseconds since the epoch.
    pub used_at: Option<i64>,
    /// The rule by which a proof was exchanged for it.
    pub workload: Option<String>,
    /// When its secret was reported as leaked.
    pub leaked_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
    /// The session that it came from, as it was then: it may be over long before the key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It opens what it is for.
    Live,
    /// It still does, beside the key that takes its place.
    Ending,
    /// Its time is over.
    Expired,
    /// Another key has taken its place.
    Replaced,
    /// It was withdrawn.
    Revoked,
    /// Its secret was found where it should not be.
    Leaked,
}

impl KeyStatus {
    /// The word used in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ending => "ending",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::Leaked => "leaked",
        }
    }
}

impl Key {
    /// A key that was just created.
    #[must_use]
    pub fn new(created: KeyCreated, created_at: i64, created_by: &str) -> Self {
        let created_by = created_by.to_owned();
        Self {
            created,
            created_at,
            created_by,
            replaced: None,
            used_at: None,
            workload: None,
            leaked_at: None,
            revoked_at: None,
            session: None,
        }
    }

    /// Whether the key opens anything at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && now < self.ends_at()
    }

    /// When it ends by itself, in milliseconds since the epoch.
    #[must_use]
    pub fn ends_at(&self) -> i64 {
        let replaced = self.replaced.as_ref().map_or(i64::MAX, |(_, ends_at)| *ends_at);
        self.created.expires_at.min(replaced)
    }

    /// How it stands at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn status(&self, now: i64) -> KeyStatus {
        match (self.leaked_at, self.revoked_at, &self.replaced) {
            (Some(_), _, _) => KeyStatus::Leaked,
            (_, Some(_), _) => KeyStatus::Revoked,
            (_, _, Some(_)) if now < self.ends_at() => KeyStatus::Ending,
            (_, _, Some((_, ends_at))) if *ends_at <= self.created.expires_at => KeyStatus::Replaced,
            _ if now < self.ends_at() => KeyStatus::Live,
            _ => KeyStatus::Expired,
        }
    }
}

impl State {
    /// How many days keys may live.
    #[must_use]
    pub fn key_days(&self) -> u32 {
        self.keys_limited.as_ref().map_or(MAX_DAYS, |limit| limit.max_days)
    }

    /// A key and those that took its place, one after the other.
    pub fn line_of<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a Key> + use<'a> {
        let next = move |key: &&'a Key| key.replaced.as_ref().and_then(|(by, _)| self.keys.get(by));
        // Nothing that was decided leads round in a circle; what somebody made up might.
        std::iter::successors(self.keys.get(key), next).take(self.keys.len())
    }

    /// Who answers for a key: the actor it belongs to, or who owns that account, or else whoever made it.
    #[must_use]
    pub fn owner_of<'a>(&'a self, key: &'a Key) -> &'a str {
        let principal = key.created.scope.principal();
        let account = principal.and_then(|actor| self.accounts.get(actor));
        account.map(|account| account.owner.as_str()).or(principal).unwrap_or(&key.created_by)
    }
}

/// The wish for another key in a key's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The key whose place is taken.
    pub key: String,
    /// The new key; its scope is the old one's.
    pub by: KeyCreated,
    /// Milliseconds since the epoch after which the old key is void.
    pub ends_at: i64,
}

pub(crate) fn create(state: &State, given: &Given, body: &KeyCreated) -> Result<Vec<Event>, Refusal> {
    if let KeyScope::Actor(actor) = &body.scope {
        may_let_in(state, given, actor)?;
    }
    if body.session.as_ref().is_some_and(|id| state.session(id).is_none_or(|known| known.actor != given.by)) {
        return Err(Refusal::new(
            RefusalCode::Expired,
            "the session that the key would come from is over: sign in again",
        ));
    }
    is_new(state, given, body)?;
    Ok(vec![Event::KeyCreated(body.clone())])
}

pub(crate) fn rotate(state: &State, given: &Given, body: &RotateKey) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    let old = known(state, &body.key)?;
    if !old.is_live(given.now) || old.replaced.is_some() {
        let status = old.status(given.now).as_str();
        let message = format!("key `{}` is {status}: only a live key can be replaced, once", body.key);
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    if old.created.scope != body.by.scope {
        return invalid(format!("the new key must open what `{}` opens, no more and no less", body.key));
    }
    if let KeyScope::Actor(actor) = &old.created.scope
        && given.by != *actor
        && given.by != state.owner_of(old)
    {
        let message =
            format!("key `{}` signs in `{actor}`: only they can replace it, for who makes a key can use it", body.key);
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["let-in-once".into()] });
    }
    // No overlap at all is a time that has passed by now.
    if body.ends_at > given.now.saturating_add(MAX_OVERLAP_MS) {
        return invalid("the old key may go on for 30 days at most beside the new one".into());
    }
    is_new(state, given, &body.by)?;
    let rotated = KeyRotated { key: body.key.clone(), by: body.by.key.clone(), ends_at: body.ends_at.max(given.now) };
    Ok(vec![Event::KeyCreated(body.by.clone()), Event::KeyRotated(rotated)])
}

pub(crate) fn revoke(state: &State, body: &KeyRevoked) -> Result<Vec<Event>, Refusal> {
    let revoked = known(state, &body.key)?.revoked_at.is_some();
    Ok(if revoked { vec![] } else { vec![Event::KeyRevoked(body.clone())] })
}

/// Whoever a key signs in may end it, whatever else they may do.
pub(crate) fn give_up(state: &State, given: &Given, body: &KeyRevoked) -> Result<Vec<Event>, Refusal> {
    let own = KeyScope::Actor(given.by.clone());
    match state.keys.get(&body.key).filter(|key| key.created.scope == own) {
        Some(_) => revoke(state, body),
        None => Err(Refusal::new(RefusalCode::NotFound, format!("you have no key `{}`", body.key))),
    }
}

/// A leaked key ends at once, and stays known as leaked.
pub(crate) fn leak(state: &State, body: &KeyLeaked) -> Result<Vec<Event>, Refusal> {
    let key = known(state, &body.key)?;
    let leaked = key.leaked_at.is_none().then(|| Event::KeyLeaked(body.clone()));
    let revoked = key.revoked_at.is_none().then(|| Event::KeyRevoked(KeyRevoked { key: body.key.clone() }));
    Ok(leaked.into_iter().chain(revoked).collect())
}

/// Keys that were reported for this hour already, or for a later one, are left out.
pub(crate) fn used(state: &State, body: &KeysUsed) -> Result<Vec<Event>, Refusal> {
    if body.keys.len() > MAX_USED || !body.keys.is_sorted_by(|a, b| a < b) {
        let message = "a report of use names 500 keys at most, ascending, each once";
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    let news =
        |id: &&String| state.keys.get(*id).is_some_and(|key| key.used_at.is_none_or(|used_at| used_at < body.hour));
    let keys: Vec<String> = body.keys.iter().filter(news).cloned().collect();
    Ok(if keys.is_empty() { vec![] } else { vec![Event::KeysUsed(KeysUsed { keys, ..body.clone() })] })
}

pub(crate) fn limit(state: &State, body: &KeysLimited) -> Result<Vec<Event>, Refusal> {
    if !(1..=MAX_MAX_DAYS).contains(&body.max_days) {
        return Err(Refusal::new(RefusalCode::Invalid, "keys may live 1 to 366 days at most"));
    }
    Ok(if state.keys_limited.as_ref() == Some(body) { vec![] } else { vec![Event::KeysLimited(body.clone())] })
}

fn known<'a>(state: &'a State, key: &str) -> Result<&'a Key, Refusal> {
    state.keys.get(key).ok_or_else(|| Refusal::new(RefusalCode::NotFound, format!("there is no key `{key}`")))
}

/// Whether a key may come to be: it is not there yet, opens what there is, and ends in time.
pub(super) fn is_new(state: &State, given: &Given, body: &KeyCreated) -> Result<(), Refusal> {
    crate::decide::identifier_is_valid("key", &body.key)?;
    match &body.scope {
        KeyScope::Actor(_) => {}
        KeyScope::Service(name) => declared(state, name).map(drop)?,
        KeyScope::Inference(scope) => inference_is_valid(state, scope)?,
    }
    expiry_is_valid(state, given, body.expires_at)?;
    if state.keys.contains_key(&body.key) || state.key_by_secret.contains_key(&body.secret_sha256) {
        return Err(Refusal::new(RefusalCode::Exists, format!("key `{}` exists already", body.key)));
    }
    Ok(())
}

/// Counterfoil's own first key, the operator's, is bounded by the program and not by what the organisation declares.
fn expiry_is_valid(state: &State, given: &Given, expires_at: i64) -> Result<(), Refusal> {
    if expires_at <= given.now {
        return Err(Refusal::new(RefusalCode::Invalid, "a key must expire in the future"));
    }
    let days = state.key_days();
    let latest = given.now.saturating_add(i64::from(days).saturating_mul(DAY_MS));
    if expires_at > latest && !is_the_system(state, &given.by) {
        let message = format!("a key may live {days} days at most here: give an earlier end, and rotate it in time");
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    Ok(())
}

/// How many services a refusal names.
const NAMED: usize = 10;

fn there_are(known: &[&str]) -> String {
    if known.is_empty() { "none is declared".to_owned() } else { format!("there are {}", known.join(", ")) }
}

fn declared<'a>(state: &'a State, service: &str) -> Result<&'a ServiceSpec, Refusal> {
    let missing = || {
        let known: Vec<&str> = state.services.keys().map(String::as_str).take(NAMED).collect();
        let message = format!("there is no service `{service}` to make a key for: {}", there_are(&known));
        Refusal::new(RefusalCode::NotFound, message)
    };
    state.services.get(service).ok_or_else(missing)
}

/// Each service must be opened by the key as it is declared now, and nothing may be named that opens none of them.
pub(super) fn inference_is_valid(state: &State, scope: &InferenceScope) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, why));
    // What is missing comes first: environments and purposes are taken from the services when nobody names any.
    for service in scope.services.iter().take(MAX_SERVICES) {
        declared(state, service)?;
    }
    for (what, list) in
        [("services", &scope.services), ("environments", &scope.environments), ("purposes", &scope.purposes)]
    {
        if list.is_empty() || list.len() > MAX_SERVICES || !list.is_sorted_by(|a, b| a < b) {
            return invalid(format!("a key needs 1 to {MAX_SERVICES} {what}, ascending, each once"));
        }
    }
    let mut specs = Vec::new();
    for service in &scope.services {
        let spec = declared(state, service)?;
        for (what, list, is) in
            [("environment", &scope.environments, &spec.environment), ("purpose", &scope.purposes, &spec.purpose)]
        {
            if !list.contains(is) {
                return invalid(format!("service `{service}` has {what} `{is}`, which the key would not open: add it"));
            }
        }
        specs.push(spec);
    }
    let of_none = |list: &[String], of: &dyn Fn(&ServiceSpec) -> &String| {
        list.iter().find(|name| !specs.iter().any(|spec| of(spec) == *name)).cloned()
    };
    let environment = of_none(&scope.environments, &|spec| &spec.environment).map(|name| ("environment", name));
    let purpose = || of_none(&scope.purposes, &|spec| &spec.purpose).map(|name| ("purpose", name));
    if let Some((what, name)) = environment.or_else(purpose) {
        return invalid(format!("none of the services has {what} `{name}`: leave it out"));
    }
    let Some(account) = &scope.account else { return Ok(()) };
    present(state, account)?;
    match state.actors.get(account).is_some_and(|actor| actor.kind == ActorKind::Service) {
        true => Ok(()),
        false => invalid(format!("`{account}` is a person: a key for inference belongs to a service account")),
    }
}
