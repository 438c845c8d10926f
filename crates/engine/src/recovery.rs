//! Recovery codes: how an administrator who lost every passkey comes back.
//!
//! A code is 128 random bits and a checksum of 12, in seven groups of four symbols of Crockford's base 32, which has no
//! letters that are mistaken for digits. The checksum tells a mistyped code from a wrong one before anybody is asked.

use std::sync::Arc;

use domain::people::recovery::RECOVERY_CODES;
use domain::people::{Proof, RecoveryIssued};
use domain::{Command, Refusal, RefusalCode};
use sha2::{Digest, Sha256};

use crate::identity::digest;
use crate::{Engine, ExecuteError, NewSession, NotLetIn, Principal, Proven};

/// Crockford's base 32.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Symbols of a code.
const LENGTH: usize = 28;

/// Symbols of a group.
const GROUP: usize = 4;

/// The reason to turn somebody away whose code has a wrong checksum.
pub const MISTYPED: &str = "mistyped";

impl Engine {
    /// Issues recovery codes to whoever asks, in place of earlier ones. They are in the answer and nowhere else.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal for everybody but administrators.
    pub async fn issue_recovery(self: &Arc<Self>, who: &Principal) -> Result<Vec<String>, ExecuteError> {
        self.issue_recovery_to(who, &who.actor).await
    }

    /// Issues recovery codes to an administrator by the right of whoever holds the data directory, who could do anything
    /// else with it too. Returns the administrator and the codes.
    ///
    /// # Errors
    /// A refusal when there is no such administrator, or several and none was named.
    pub async fn issue_recovery_by_directory(
        self: &Arc<Self>,
        actor: Option<&str>,
    ) -> Result<(String, Vec<String>), ExecuteError> {
        let administrators = self.administrators();
        let actor = match (actor, administrators.as_slice()) {
            (Some(actor), _) => actor.to_owned(),
            (None, [only]) => only.clone(),
            (None, several) => {
                let message = format!("there are {} administrators: name one of them", several.len());
                return Err(Refusal::new(RefusalCode::Conflict, message).into());
            }
        };
        let system = self.system().clone();
        let codes = self.issue_recovery_to(&system, &actor).await?;
        Ok((actor, codes))
    }

    async fn issue_recovery_to(self: &Arc<Self>, who: &Principal, actor: &str) -> Result<Vec<String>, ExecuteError> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let mut secret = [0; 16];
            getrandom::fill(&mut secret)
                .map_err(|e| ExecuteError::Internal(format!("the system gave no randomness: {e}")))?;
            codes.push(written(u128::from_be_bytes(secret)));
        }
        let mut digests: Vec<String> = codes.iter().map(|code| digest(code)).collect();
        digests.sort_unstable();
        let issued = RecoveryIssued { actor: actor.to_owned(), codes: digests };
        self.execute(who, Command::IssueRecovery(issued)).await?;
        Ok(codes)
    }

    /// Uses a recovery code up and opens a session, which can do nothing but register a passkey.
    ///
    /// # Errors
    /// [`NotLetIn`] when the code is `mistyped`, `unknown` or used.
    pub async fn sign_in_by_recovery_code(
        self: &Arc<Self>,
        code: &str,
        previous: Option<&Principal>,
    ) -> Result<NewSession, NotLetIn> {
        let secret = read(code).ok_or(NotLetIn::Unproven(MISTYPED))?;
        let recovery_sha256 = digest(&written(secret));
        let actor = self.read(|state| state.recovers(&recovery_sha256).map(str::to_owned));
        let proven = Proven {
            actor: actor.ok_or(NotLetIn::Unproven("unknown"))?,
            proof: Proof::Recovery,
            authenticated_at: Self::now_ms(),
            recovery_sha256: Some(recovery_sha256),
            ..Proven::default()
        };
        self.let_in(proven, previous).await
    }

    /// Who administers everything now, but for those who took the role in an emergency.
    pub(crate) fn administrators(&self) -> Vec<String> {
        let now = Self::now_ms();
        self.read(|state| {
            let administers =
                |actor: &&String| state.standing_roles_of(actor, now).any(|held| held == ("administrator", "org"));
            state.actors.keys().filter(administers).cloned().collect()
        })
    }
}

/// A code in the one way it is printed, if somebody typed one. For fuzzing.
#[doc(hidden)]
#[must_use]
pub fn probe_recovery_code(typed: &str) -> Option<String> {
    read(typed).map(written)
}

/// A code as it is printed.
fn written(secret: u128) -> String {
    let mut bits = secret;
    let mut check = checksum(secret);
    let mut symbols = [0_u8; LENGTH];
    // From the right: two whole symbols of the checksum, one of its last two bits and the secret's last three, the rest.
    for symbol in symbols.iter_mut().rev() {
        *symbol = SYMBOLS[usize::from(check as u8 & 31)];
        check = check >> 5 | ((bits & 31) as u16) << 7;
        bits >>= 5;
    }
    let groups = symbols.chunks(GROUP).map(|group| group.iter().map(|s| char::from(*s)).collect::<String>());
    groups.collect::<Vec<String>>().join("-")
}

/// The secret of a code as somebody typed it; `None` when it cannot be one.
fn read(typed: &str) -> Option<u128> {
    if typed.len() > 4 * LENGTH {
        return None;
    }
    let symbols = typed.bytes().filter(|b| !matches!(b, b'-' | b' '));
    let mut values = Vec::with_capacity(LENGTH);
    for symbol in symbols {
        let symbol = match symbol.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        values.push(u8::try_from(SYMBOLS.iter().position(|known| *known == symbol)?).ok()?);
    }
    if values.len() != LENGTH {
        return None;
    }
    let (mut secret, mut check) = (0_u128, 0_u16);
    for value in values {
        // The checksum's upper end runs over into the secret.
        secret = secret << 5 | u128::from(check >> 7);
        check = (check & 127) << 5 | u16::from(value);
    }
    (check == checksum(secret)).then_some(secret)
}

/// Twelve bits.
fn checksum(secret: u128) -> u16 {
    let digest = Sha256::new().chain_update("cf/recovery/v1").chain_update(secret.to_be_bytes()).finalize();
    u16::from_be_bytes([digest[0], digest[1]]) >> 4
}

#[cfg(test)]
mod tests {
    use domain::people::{KeyScope, RecoveryUsed};

    use super::*;
    use crate::tests::{events, open, operator};

    #[test]
    fn codes_read_back_however_they_are_typed_and_a_slip_is_noticed() {
        for secret in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let code = written(secret);
            assert_eq!(code.len(), LENGTH + LENGTH / GROUP - 1, "{code}");
            assert_eq!(read(&code), Some(secret), "{code}");
            let typed = code.to_ascii_lowercase().replace('-', " ").replace('1', "l").replace('0', "o");
            assert_eq!(read(&typed), Some(secret), "{typed}");
        }
        let code = written(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        let mut unnoticed = 0;
        for at in 0..code.len() {
            for other in SYMBOLS.iter().map(|symbol| char::from(*symbol)) {
                let mut wrong: Vec<char> = code.chars().collect();
                if wrong[at] == '-' || wrong[at] == other {
                    continue;
                }
                wrong[at] = other;
                unnoticed += usize::from(read(&wrong.into_iter().collect::<String>()).is_some());
            }
        }
        assert!(unnoticed <= 2, "one slip in 4,096 passes by chance: {unnoticed}");
        for wrong in ["", "ABCD", &code[1..], &format!("{code}0"), &"é".repeat(14), &"0".repeat(1 << 20)] {
            assert_eq!(read(wrong), None);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn given_a_recovery_code_when_used_then_its_session_registers_passkeys_and_does_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        let who = operator(&engine);
        let codes = engine.issue_recovery(&who).await.expect("issued");
        assert_eq!(codes.len(), RECOVERY_CODES);
        let wrong = engine.sign_in_by_recovery_code(&written(7), None).await;
        assert!(matches!(wrong, Err(NotLetIn::Unproven("unknown"))));
        assert!(matches!(engine.sign_in_by_recovery_code("ABCD", None).await, Err(NotLetIn::Unproven(MISTYPED))));

        let session = engine.sign_in_by_recovery_code(&codes[0].to_lowercase(), None).await.expect("let in");
        assert!(session.expires_at - Engine::now_ms() <= domain::people::recovery::RECOVERY_SESSION_MS);
        assert!(engine.sign_in_by_recovery_code(&codes[0], None).await.is_err(), "good once");
        let back = engine.authenticate_session(&session.secret).expect("known");
        assert_eq!(back.actor, who.actor);
        for (action, resource) in [("read", "ledger"), ("sql", "state"), ("actor.register", "actor/a_x")] {
            let refusal = engine.authorize(&back, action, resource).expect_err(action);
            assert_eq!(refusal.policies, [domain::people::recovery::RECOVERY_RULE], "{action}");
        }
        let key = engine.create_key(&back, KeyScope::Actor(back.actor.clone()), i64::MAX).await;
        assert!(matches!(key, Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden));
        assert!(engine.issue_recovery(&back).await.is_err());
        engine.authorize(&back, "passkey.register", &format!("actor/{}", back.actor)).expect("permitted");
        engine.close_session(&back).await.expect("signed out");

        let named = events(&engine).into_iter().map(|entry| entry.encode().expect("fits"));
        let text = named.flat_map(String::from_utf8).collect::<String>();
        assert!(codes.iter().all(|code| !text.contains(code)), "the ledger has digests");
        let used = |entry: &domain::Entry| match &entry.event {
            domain::Event::RecoveryUsed(RecoveryUsed { actor, .. }) => *actor == who.actor,
            _ => false,
        };
        assert_eq!(events(&engine).iter().filter(|entry| used(entry)).count(), 1);
    }
}
