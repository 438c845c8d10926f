//! Programs that prove who they are by what they run on: a token of their CI job's issuer, or a client certificate. A
//! declared rule says which proof is believed, and what it opens; each proof is exchanged for a key that lives minutes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ActorKind;
use super::actors::{is_the_system, present};
use super::keys::{KeyCreated, KeyRevoked, KeyScope};
use crate::decide::name_is_valid;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// How long a key may live that a proof was exchanged for, in seconds: shortest and longest.
pub const TTL_SECONDS: (u32, u32) = (60, 3600);

/// How many claims a rule may demand, or names list.
const MAX_NAMES: usize = 16;

/// The longest issuer, audience, claim or name, in bytes.
const MAX_TEXT: usize = 255;

/// How programs prove who they are, and what that opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRule {
    /// What is believed.
    pub proof: WorkloadProof,
    /// What it opens: the management API as a service account, or inference calls on behalf of one.
    pub opens: KeyScope,
    /// How long a key lives that it is exchanged for, in seconds.
    pub ttl_seconds: u32,
}

/// What is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadProof {
    /// A token that an issuer signed.
    Token(TokenRule),
    /// A client certificate with one of these names, `uri:…` or `dns:…`, that an authority of the settings vouches for.
    Certificate(Vec<String>),
}

/// Which tokens are believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRule {
    /// Who must have made it, exactly as it writes itself.
    pub issuer: String,
    /// For whom it must be.
    pub audience: String,
    /// What it must claim, word for word.
    pub claims: BTreeMap<String, String>,
}

/// A rule was declared, or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadDeclared {
    /// Its name.
    pub workload: String,
    /// The rule.
    pub rule: WorkloadRule,
}

/// A rule is no longer believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRetired {
    /// Which rule.
    pub workload: String,
}

/// A proof was exchanged for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyExchanged {
    /// The key.
    pub key: String,
    /// The rule that it was exchanged by.
    pub workload: String,
    /// SHA-256 of what was shown, hexadecimal: of a token's issuer, newline and identifier, or of the certificate.
    pub proof_sha256: String,
    /// Milliseconds since the epoch until which a token would be good, and is not taken again; left out for certificates,
    /// which are good as often as they are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_until: Option<i64>,
}

/// The wish to exchange a proof, which was checked, for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeKey {
    /// The new key, with the scope that the rule opens.
    pub created: KeyCreated,
    /// By which rule, and what was shown.
    pub exchanged: KeyExchanged,
}

impl TokenRule {
    /// Whether claims hold everything that is demanded. `claim` gives a claim that is a text.
    #[must_use]
    pub fn fits<'a>(&self, claim: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.claims.iter().all(|(name, value)| claim(name) == Some(value.as_str()))
    }
}

impl State {
    /// The rules that believe tokens of an issuer, with their names, ascending.
    pub fn token_rules<'a>(
        &'a self,
        issuer: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a WorkloadRule, &'a TokenRule)> {
        self.workloads.iter().filter_map(move |(name, rule)| match &rule.proof {
            WorkloadProof::Token(token) if token.issuer == issuer => Some((name.as_str(), rule, token)),
            _ => None,
        })
    }

    /// The first rule that believes a certificate with these names.
    #[must_use]
    pub fn certificate_rule(&self, names: &[String]) -> Option<(&str, &WorkloadRule)> {
        let fits = |rule: &WorkloadRule| matches!(&rule.proof, WorkloadProof::Certificate(believed) if believed.iter().any(|name| names.contains(name)));
        self.workloads.iter().find(|(_, rule)| fits(rule)).map(|(name, rule)| (name.as_str(), rule))
    }
}

pub(crate) fn declare(state: &State, body: &WorkloadDeclared) -> Result<Vec<Event>, Refusal> {
    name_is_valid("workload", &body.workload)?;
    let invalid = |why: String| Err(Refusal::new(RefusalCode::Invalid, format!("workload `{}`: {why}", body.workload)));
    let rule = &body.rule;
    let (shortest, longest) = TTL_SECONDS;
    if !(shortest..=longest).contains(&rule.ttl_seconds) {
        return invalid(format!("its keys must live {shortest} to {longest} seconds"));
    }
    if let Err(why) = proof_is_valid(&rule.proof) {
        return invalid(why);
    }
    match &rule.opens {
        KeyScope::Service(_) => return invalid("name services with environments, purposes and an account".into()),
        KeyScope::Inference(scope) if scope.account.is_none() => {
            return invalid(
                "name the service account that the keys belong to, so that a person answers for them".into(),
            );
        }
        KeyScope::Inference(scope) => super::keys::inference_is_valid(state, scope)?,
        KeyScope::Actor(actor) => {
            present(state, actor)?;
            if state.actors.get(actor).is_none_or(|actor| actor.kind != ActorKind::Service) {
                return invalid(format!("`{actor}` is a person: a program acts as a service account"));
            }
        }
    }
    if state.workloads.get(&body.workload) == Some(rule) {
        return Ok(vec![]);
    }
    Ok(std::iter::once(Event::WorkloadDeclared(body.clone())).chain(ended(state, &body.workload)).collect())
}

pub(crate) fn retire(state: &State, body: &WorkloadRetired) -> Result<Vec<Event>, Refusal> {
    if !state.workloads.contains_key(&body.workload) {
        return Err(Refusal::new(RefusalCode::NotFound, format!("there is no workload `{}`", body.workload)));
    }
    Ok(std::iter::once(Event::WorkloadRetired(body.clone())).chain(ended(state, &body.workload)).collect())
}

/// A token is taken once; a key that comes of it opens what the rule says, and no longer than it says.
pub(crate) fn exchange(state: &State, given: &Given, body: &ExchangeKey) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, why: &str| Err(Refusal::new(code, why));
    if !is_the_system(state, &given.by) {
        return refuse(RefusalCode::Forbidden, "proofs are checked by Counterfoil, and exchanged by nobody else");
    }
    let ExchangeKey { created, exchanged } = body;
    let Some(rule) = state.workloads.get(&exchanged.workload) else {
        return refuse(RefusalCode::NotFound, "the rule that believed this proof is gone");
    };
    let lives_until = given.now.saturating_add(i64::from(rule.ttl_seconds).saturating_mul(1000));
    if created.scope != rule.opens || created.key != exchanged.key || created.expires_at > lives_until {
        return refuse(RefusalCode::Invalid, "the key must be what the rule opens, and live as long as it says");
    }
    match (&rule.proof, exchanged.spent_until) {
        (WorkloadProof::Token(_), Some(until)) if until > given.now => {}
        (WorkloadProof::Token(_), _) => return refuse(RefusalCode::Expired, "the token's time is over"),
        (WorkloadProof::Certificate(_), None) => {}
        (WorkloadProof::Certificate(_), Some(_)) => {
            return refuse(RefusalCode::Invalid, "a certificate is not spent by being shown");
        }
    }
    if state.spent_tokens.get(&exchanged.proof_sha256).is_some_and(|until| *until > given.now) {
        let message = "this token was exchanged before: get a new one for each exchange";
        let policies = vec!["token-once".to_owned()];
        return Err(Refusal { code: RefusalCode::Conflict, message: message.into(), policies });
    }
    if let Some(actor) = created.scope.principal() {
        present(state, actor)?;
    }
    super::keys::is_new(state, given, created)?;
    Ok(vec![Event::KeyCreated(created.clone()), Event::KeyExchanged(exchanged.clone())])
}

/// The keys that a rule gave end with it.
fn ended(state: &State, workload: &str) -> impl Iterator<Item = Event> {
    let of =
        state.keys.values().filter(move |key| key.workload.as_deref() == Some(workload) && key.revoked_at.is_none());
    of.map(|key| Event::KeyRevoked(KeyRevoked { key: key.created.key.clone() }))
}

fn proof_is_valid(proof: &WorkloadProof) -> Result<(), String> {
    let short = |text: &str| (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
    match proof {
        WorkloadProof::Token(TokenRule { issuer, audience, claims }) => {
            let local = ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| issuer.starts_with(start));
            if !short(issuer) || !(local || issuer.starts_with("https://")) || issuer.contains(['?', '#', '@', ' ']) {
                return Err(format!("`{issuer}` is no issuer: give its https address, exactly as it writes it"));
            }
            if !short(audience) {
                return Err("name the audience that its tokens must be for".into());
            }
            if claims.is_empty() || claims.len() > MAX_NAMES {
                return Err(
                    "demand 1 to 16 claims: without any, everybody with a token of this issuer would be let in".into(),
                );
            }
            match claims.iter().find(|(name, value)| !short(name) || !short(value)) {
                Some((name, _)) => Err(format!("claim `{name}` is empty or too long")),
                None => Ok(()),
            }
        }
        WorkloadProof::Certificate(names) => {
            let good = |name: &String| short(name) && (name.starts_with("uri:") || name.starts_with("dns:"));
            match (1..=MAX_NAMES).contains(&names.len()) && names.iter().all(good) {
                true => Ok(()),
                false => Err("name 1 to 16 names of a certificate, each as `uri:…` or `dns:…`".into()),
            }
        }
    }
}
