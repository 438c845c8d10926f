//! Recovery codes: the way back for an administrator who has lost every passkey. Whoever is not an administrator is let in
//! again by one; an administrator may have nobody left who could.
//!
//! A code is 128 random bits that somebody wrote down. It is good once, and the session that it opens can do nothing but
//! register a passkey. New codes make all earlier ones void.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::actors::{is_the_system, present};
use super::roles::ORG;
use crate::decide::{digest_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// How many codes are issued at a time.
pub const RECOVERY_CODES: usize = 8;

/// How long the session that a code opens lasts, in milliseconds.
pub const RECOVERY_SESSION_MS: i64 = 15 * 60 * 1000;

/// The rule's name, as refusals give it.
pub const RECOVERY_RULE: &str = "recovery-only-registers-a-passkey";

/// Recovery codes were issued; earlier ones of the same actor are void.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryIssued {
    /// Whom they let in.
    pub actor: String,
    /// SHA-256 of each code, hexadecimal, sorted.
    pub codes: Vec<String>,
}

/// A recovery code was used up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryUsed {
    /// Whom it let in.
    pub actor: String,
    /// SHA-256 of the code, hexadecimal.
    pub code_sha256: String,
}

/// An actor's recovery codes as the state knows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// When they were issued, in milliseconds since the epoch.
    pub issued_at: i64,
    /// Digests of those that were not used.
    pub unused: BTreeSet<String>,
    /// When a code was last used, in milliseconds since the epoch, whenever it was issued.
    pub used_at: Option<i64>,
}

/// What a session that a recovery code opened may do.
#[must_use]
pub fn permits(action: &str) -> bool {
    matches!(action, "passkey.register" | "session.close")
}

impl State {
    /// Whom the unused recovery code with this digest lets in.
    #[must_use]
    pub fn recovers(&self, code_sha256: &str) -> Option<&str> {
        let (actor, _) = self.recovery.iter().find(|(_, recovery)| recovery.unused.contains(code_sha256))?;
        Some(actor)
    }

    /// Takes new codes in, in place of earlier ones.
    pub(crate) fn recovery_issued(&mut self, body: &RecoveryIssued, at: i64) {
        let used_at = self.recovery.get(&body.actor).and_then(|before| before.used_at);
        let recovery = Recovery { issued_at: at, unused: body.codes.iter().cloned().collect(), used_at };
        self.recovery.insert(body.actor.clone(), recovery);
    }

    /// Takes the use of a code in.
    pub(crate) fn recovery_used(&mut self, body: &RecoveryUsed, at: i64) {
        if let Some(recovery) = self.recovery.get_mut(&body.actor) {
            recovery.unused.remove(&body.code_sha256);
            recovery.used_at = Some(at);
        }
    }
}

/// Issues codes: for oneself, or by Counterfoil itself for whoever holds the data directory.
pub(crate) fn issue(state: &State, given: &Given, body: &RecoveryIssued) -> Result<Vec<Event>, Refusal> {
    present(state, &body.actor)?;
    if given.by != body.actor && !is_the_system(state, &given.by) {
        let message = "recovery codes are issued to whoever they let in, and to nobody else".to_owned();
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["let-in-once".to_owned()] });
    }
    super::accounts::a_person(state, &body.actor, "signs in with a recovery code")?;
    // A role taken in an emergency is for minutes; codes are for years.
    if !state.standing_roles_of(&body.actor, given.now).any(|held| held == ("administrator", ORG)) {
        let message = "recovery codes are for administrators: they can let everybody else in again";
        return Err(refuse(RefusalCode::Conflict, message));
    }
    for code in &body.codes {
        digest_is_valid("recovery code", code)?;
    }
    let sorted = body.codes.is_sorted_by(|a, b| a < b);
    if body.codes.len() != RECOVERY_CODES || !sorted || body.codes.iter().any(|code| state.recovers(code).is_some()) {
        let message = format!("{RECOVERY_CODES} new digests are needed, sorted, each once");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    Ok(vec![Event::RecoveryIssued(body.clone())])
}

/// The proof that somebody gave with a recovery code.
pub(crate) fn used(state: &State, actor: &str, code_sha256: &str) -> Result<Event, Refusal> {
    match state.recovers(code_sha256) {
        Some(known) if known == actor => {
            let (actor, code_sha256) = (actor.to_owned(), code_sha256.to_owned());
            Ok(Event::RecoveryUsed(RecoveryUsed { actor, code_sha256 }))
        }
        _ => Err(refuse(RefusalCode::NotFound, "there is no such recovery code, or it was used before")),
    }
}
