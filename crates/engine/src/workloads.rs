//! Proofs of what a program runs on, exchanged for keys that live minutes. Tokens and certificates are checked by the doors;
//! here they are held against the rules.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::people::{ExchangeKey, KeyExchanged, KeyScope, WorkloadRule};
use domain::{Command, Refusal, RefusalCode};
use sha2::{Digest, Sha256};

use crate::keys::fresh;
use crate::{ClientCertificate, Engine, ExecuteError, NewKey};

/// How many certificates are remembered with the keys they were exchanged for.
const ROOM: usize = 10_000;

/// How long before its end a key is not used any more for a certificate, in milliseconds: a call must not lose it midway.
const SPARE_MS: i64 = 10_000;

/// What a token says, after its signature, issuer and times were checked.
pub struct ShownToken<'a> {
    /// Who made it.
    pub issuer: &'a str,
    /// Its identifier: unique within the issuer.
    pub id: &'a str,
    /// Milliseconds since the epoch until which it is good.
    pub until: i64,
    /// A claim that is a text.
    pub claim: &'a (dyn Fn(&str) -> Option<&'a str> + Sync),
    /// Whether it is for an audience.
    pub is_for: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Certificates with the secret of the key that each was exchanged for, and when that ends.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    known: Mutex<HashMap<String, (String, i64)>>,
    /// One exchange for a certificate at a time, so that a hundred connections make one key.
    turn: tokio::sync::Mutex<()>,
}

/// What the ledger knows a token by.
fn proof_of(issuer: &str, id: &str) -> String {
    merkle::hex(&Sha256::digest(format!("{issuer}\n{id}").as_bytes()))
}

impl Engine {
    /// The issuers whose tokens some rule believes, ascending.
    pub fn token_issuers(&self) -> Vec<String> {
        let mut issuers: Vec<String> = self.read(|state| {
            let tokens = state.workloads.values().filter_map(|rule| match &rule.proof {
                domain::people::WorkloadProof::Token(token) => Some(token.issuer.clone()),
                domain::people::WorkloadProof::Certificate(_) => None,
            });
            tokens.collect()
        });
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }

    /// The audiences that rules demand of an issuer's tokens, in the order of the rules.
    pub fn token_audiences(&self, issuer: &str) -> Vec<String> {
        self.read(|state| state.token_rules(issuer).map(|(_, _, rule)| rule.audience.clone()).collect())
    }

    /// Exchanges a token, whose signature and times were checked, for a key by the first rule that it fits, or by the one
    /// that is named. `Ok(None)` when it fits none.
    ///
    /// # Errors
    /// As [`Engine::execute`]: a token that was exchanged before is refused.
    pub async fn exchange_token(
        self: &Arc<Self>,
        token: ShownToken<'_>,
        named: Option<&str>,
    ) -> Result<Option<NewKey>, ExecuteError> {
        let fitting = self.read(|state| {
            let wanted = |name: &str| named.is_none_or(|named| named == name);
            let mut rules = state.token_rules(token.issuer);
            let fits = rules.find(|(name, _, rule)| {
                wanted(name) && (token.is_for)(&rule.audience) && rule.fits(|claim| (token.claim)(claim))
            });
            fits.map(|(name, rule, _)| (name.to_owned(), rule.clone()))
        });
        let Some((name, rule)) = fitting else { return Ok(None) };
        self.exchange(name, &rule, proof_of(token.issuer, token.id), Some(token.until)).await.map(Some)
    }

    /// Whether a token was exchanged already.
    #[must_use]
    pub fn token_is_spent(&self, issuer: &str, id: &str) -> bool {
        let proof = proof_of(issuer, id);
        self.read(|state| state.spent_tokens.contains_key(&proof))
    }

    /// The secret of the key that a certificate stands for, exchanged when there is none that lives. Whoever holds the
    /// certificate's key proved so in the handshake, so the secret goes nowhere: it is what the doors know a caller by.
    ///
    /// # Errors
    /// A refusal when no rule believes the certificate.
    pub async fn admit_certificate(self: &Arc<Self>, certificate: &ClientCertificate) -> Result<String, ExecuteError> {
        if let Some(secret) = self.admitted(certificate) {
            return Ok(secret);
        }
        let _turn = self.admitted.turn.lock().await;
        if let Some(secret) = self.admitted(certificate) {
            return Ok(secret);
        }
        let rule = self.read(|state| {
            state.certificate_rule(&certificate.names).map(|(name, rule)| (name.to_owned(), rule.clone()))
        });
        let Some((name, rule)) = rule else {
            let message = "no rule believes this certificate: declare a workload with one of its names, or send a key";
            return Err(ExecuteError::Refused(Refusal::new(RefusalCode::Forbidden, message)));
        };
        let new = self.exchange(name, &rule, certificate.sha256.clone(), None).await?;
        let mut known = self.admitted.known.lock().expect("no panic while admissions are locked");
        if known.len() >= ROOM {
            let now = Self::now_ms();
            known.retain(|_, (_, ends_at)| now < *ends_at);
        }
        if known.len() < ROOM {
            known.insert(certificate.sha256.clone(), (new.secret.clone(), new.expires_at));
        }
        Ok(new.secret)
    }

    fn admitted(&self, certificate: &ClientCertificate) -> Option<String> {
        let known = self.admitted.known.lock().expect("no panic while admissions are locked");
        let (secret, ends_at) = known.get(&certificate.sha256)?;
        let lives = Self::now_ms() + SPARE_MS < *ends_at && self.lives(secret);
        lives.then(|| secret.clone())
    }

    /// Whether a secret opens anything now.
    fn lives(&self, secret: &str) -> bool {
        let digest = crate::identity::digest(secret);
        self.read(|state| state.key_for_secret(&digest).is_some_and(|key| key.is_live(Self::now_ms())))
    }

    async fn exchange(
        self: &Arc<Self>,
        workload: String,
        rule: &WorkloadRule,
        proof_sha256: String,
        spent_until: Option<i64>,
    ) -> Result<NewKey, ExecuteError> {
        let scope: KeyScope = rule.opens.clone();
        let expires_at = Self::now_ms().saturating_add(i64::from(rule.ttl_seconds).saturating_mul(1000));
        let (created, new) = fresh(scope, expires_at)?;
        let exchanged = KeyExchanged { key: new.key.clone(), workload, proof_sha256, spent_until };
        self.execute(self.system(), Command::ExchangeKey(ExchangeKey { created, exchanged })).await?;
        Ok(new)
    }
}
