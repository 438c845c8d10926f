//! Who is asking: principals, and keys, which are known only by the digest of a random secret.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::State;
use domain::people::KeyScope;
use sha2::{Digest, Sha256};

use crate::sessions::Visit;
use crate::{Engine, ExecuteError};

/// Who is asking, after the proof of it was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Pseudonym of the actor; for an application's key, the key's public identifier.
    pub actor: String,
    /// Roles of the actor, each with the scope it holds in: `org`, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub roles: Vec<(String, String)>,
    /// Duties that nobody was ever given, so that whoever administers stands in for them.
    pub stands_in: Vec<String>,
    /// Public identifier of the key that was shown, if one was.
    pub key: Option<String>,
    /// The services that an application's key is for.
    pub services: Vec<String>,
    /// The service accounts that the actor answers for.
    pub owns: Vec<String>,
    /// The session that was shown, if one was.
    pub session: Option<Visit>,
    /// The request that they came with, when it came through a door: what is asked of the policies is noted in it.
    pub attempt: Option<crate::Attempt>,
}

impl Principal {
    /// Every actor who has not left, with the roles held at `now`. One pass over the grants, however many there are.
    #[must_use]
    pub fn all(state: &State, now: i64) -> Vec<Self> {
        let mut all: std::collections::BTreeMap<&str, Self> = std::collections::BTreeMap::new();
        for (actor, role, scope) in state.held_roles(now) {
            let principal = all.entry(actor).or_insert_with(|| Self { actor: actor.to_owned(), ..Self::default() });
            principal.roles.push((role.to_owned(), scope.to_owned()));
        }
        for actor in state.actors.keys().filter(|actor| !state.left.contains_key(*actor)) {
            let principal = all.entry(actor).or_insert_with(|| Self { actor: actor.clone(), ..Self::default() });
            if principal.roles.iter().any(|(role, scope)| role == "administrator" && scope == "org") {
                principal.stands_in = state.stand_ins_of(actor, now).into_iter().map(str::to_owned).collect();
            }
        }
        for (program, account) in state.accounts.iter().filter(|(program, _)| !state.left.contains_key(*program)) {
            if let Some(owner) = all.get_mut(account.owner.as_str()) {
                owner.owns.push(program.clone());
            }
        }
        all.into_values().collect()
    }

    /// An actor with the roles held at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn of(state: &State, actor: &str, now: i64) -> Self {
        let roles = state.roles_of(actor, now).map(|(role, scope)| (role.to_owned(), scope.to_owned())).collect();
        let owns = state.accounts_of(actor).map(str::to_owned).collect();
        let stands_in = state.stand_ins_of(actor, now).into_iter().map(str::to_owned).collect();
        Self { actor: actor.to_owned(), roles, stands_in, owns, ..Self::default() }
    }
}

/// A certificate that a client showed, with a key it proved to have, and an authority of the settings vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its names: `uri:…` and `dns:…`, as they stand in it.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub sha256: String,
}

/// Why a secret proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such key or session.
    #[error("the key is not known here: check that it was copied whole")]
    Unknown,
    /// It was good once.
    #[error(
        "the key or session has expired or was revoked: create a new key with `counterfoil keys create`, or sign in again"
    )]
    Void,
}

/// SHA-256 of a secret, in hexadecimal: the only form in which it is kept.
pub(crate) fn digest(secret: &str) -> String {
    merkle::hex(&Sha256::digest(secret.as_bytes()))
}

/// A random secret of 256 bits with a prefix that tells what it is for.
pub(crate) fn secret(prefix: &str) -> Result<String, ExecuteError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| ExecuteError::Internal(format!("the system gave no randomness: {e}")))?;
    Ok(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// A random secret of 256 bits that begins with `prefix`, in characters that may stand in addresses and cookies.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_secret(prefix: &str) -> Result<String, ExecuteError> {
    secret(prefix)
}

/// A random public identifier.
pub(crate) fn identifier(prefix: &str) -> String {
    // The last 64 bits of a UUIDv7 are random but for two that name its variant.
    let id = uuid::Uuid::now_v7().simple().to_string();
    format!("{prefix}{}", &id[16..])
}

impl Engine {
    /// Who shows this key.
    ///
    /// # Errors
    /// [`AuthError`] when the key is unknown, expired or revoked.
    pub fn authenticate(&self, secret: &str) -> Result<Principal, AuthError> {
        let digest = digest(secret);
        let now = Self::now_ms();
        self.read(|state| {
            let key = state.key_for_secret(&digest).ok_or(AuthError::Unknown)?;
            if !key.is_live(now) {
                return Err(AuthError::Void);
            }
            let id = key.created.key.clone();
            self.note_use(&id, now);
            match &key.created.scope {
                KeyScope::Service(_) | KeyScope::Inference(_) => {
                    let services = key.created.scope.services().to_vec();
                    Ok(Principal { actor: id.clone(), key: Some(id), services, ..Principal::default() })
                }
                KeyScope::Actor(actor) => Ok(Principal { key: Some(id), ..Principal::of(state, actor, now) }),
            }
        })
    }
}
