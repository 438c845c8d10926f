//! Passkeys: public keys that people sign in with. The private half never leaves the person's authenticator.
//!
//! A credential identifier is made at random by an authenticator for this site alone: it is a pseudonym, like the
//! identifier of a key, and tells nothing about its owner without this ledger. What a person calls their passkey is
//! theirs, so it is sealed in the vault; the ledger has the digest of the sealed bytes.

use serde::{Deserialize, Serialize};

use super::actors::present;
use super::{ActorKind, Proof, Session, SessionEnd, SessionEnded};
use crate::decide::{digest_is_valid, identifier_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The most passkeys that one person has.
pub const PASSKEYS_MAX: usize = 20;

/// The longest credential identifier, in bytes (WebAuthn level 3, section 4).
const CREDENTIAL_MAX: usize = 1023;

/// The rule's name, as refusals give it, that an authenticator's count of signatures grows.
pub const COUNTER_RULE: &str = "passkey-counter-grows";

/// The rule's name, as refusals give it, that people make their own passkeys.
pub const OWN_RULE: &str = "passkeys-are-made-by-their-owner";

/// How a passkey signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Ed25519; the public key is its 32 bytes.
    Ed25519,
    /// ECDSA over P-256 with SHA-256; the public key is an uncompressed point of SEC 1, 65 bytes.
    Es256,
    /// ECDSA over P-384 with SHA-384; the public key is an uncompressed point of SEC 1, 97 bytes.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256; the public key is the exponent in 4 bytes and the modulus, both big-endian.
    Rs256,
}

impl Algorithm {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Es256 => "es256",
            Self::Es384 => "es384",
            Self::Rs256 => "rs256",
        }
    }

    fn fits(self, public_key_bytes: usize) -> bool {
        match self {
            Self::Ed25519 => public_key_bytes == 32,
            Self::Es256 => public_key_bytes == 65,
            Self::Es384 => public_key_bytes == 97,
            // An exponent, and a modulus of 2,048 to 8,192 bits.
            Self::Rs256 => (260..=1028).contains(&public_key_bytes),
        }
    }
}

/// A person registered a passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRegistered {
    /// Public identifier, `p_` and random characters.
    pub passkey: String,
    /// Whose it is.
    pub actor: String,
    /// The credential identifier that the authenticator made, hexadecimal.
    pub credential: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The public key, hexadecimal, in the form that the algorithm says.
    pub public_key: String,
    /// How many signatures the authenticator had counted; 0 when it does not count.
    pub sign_count: u32,
    /// Whether its owner's devices may share it, so that it is not bound to one device.
    pub synced: bool,
    /// SHA-256 of its sealed name, hexadecimal.
    pub name_sha256: String,
}

/// Somebody proved who they are with a passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyUsed {
    /// Which passkey.
    pub passkey: String,
    /// Whose it is.
    pub actor: String,
    /// How many signatures the authenticator has counted; 0 when it does not count.
    pub sign_count: u32,
}

/// A passkey opens nothing any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRemoved {
    /// Which passkey.
    pub passkey: String,
    /// Whose it was.
    pub actor: String,
}

/// A passkey as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passkey {
    /// How it was registered.
    pub registered: PasskeyRegistered,
    /// When, in milliseconds since the epoch.
    pub registered_at: i64,
    /// How many signatures its authenticator has counted.
    pub sign_count: u32,
    /// When it was used last, in milliseconds since the epoch.
    pub used_at: Option<i64>,
}

impl Passkey {
    pub(crate) fn registered(body: &PasskeyRegistered, at: i64) -> Self {
        Self { registered: body.clone(), registered_at: at, sign_count: body.sign_count, used_at: None }
    }
}

impl State {
    /// The passkeys of an actor, in the order of their identifiers.
    pub fn passkeys_of<'a>(&'a self, actor: &'a str) -> impl Iterator<Item = &'a Passkey> {
        self.passkeys.values().filter(move |passkey| passkey.registered.actor == actor)
    }

    /// The passkey with this credential identifier (hexadecimal).
    #[must_use]
    pub fn passkey_by_credential(&self, credential: &str) -> Option<&Passkey> {
        self.passkeys.values().find(|passkey| passkey.registered.credential == credential)
    }
}

/// Registers a passkey: by its owner alone, who is a person.
pub(crate) fn register(state: &State, given: &Given, body: &PasskeyRegistered) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: &str| Err(refuse(RefusalCode::Invalid, why));
    identifier_is_valid("passkey", &body.passkey)?;
    present(state, &body.actor)?;
    if given.by != body.actor {
        let message = "a passkey is made by its owner alone: whoever held it could sign in as them".to_owned();
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![OWN_RULE.to_owned()] });
    }
    if state.actors.get(&body.actor).is_none_or(|actor| actor.kind != ActorKind::Human) {
        return invalid("people have passkeys; a program has a key");
    }
    digest_is_valid("sealed name", &body.name_sha256)?;
    match hex_bytes(&body.credential) {
        Some(1..=CREDENTIAL_MAX) => {}
        _ => return invalid("a credential identifier has 1 to 1,023 bytes, in hexadecimal"),
    }
    if !hex_bytes(&body.public_key).is_some_and(|bytes| body.algorithm.fits(bytes)) {
        return invalid("the public key does not have the form that its algorithm says");
    }
    if state.passkeys.contains_key(&body.passkey) || state.passkey_by_credential(&body.credential).is_some() {
        return Err(refuse(RefusalCode::Exists, "this passkey is registered already"));
    }
    if state.passkeys_of(&body.actor).count() >= PASSKEYS_MAX {
        let message = format!("there are {PASSKEYS_MAX} passkeys already: remove one that is not used any more");
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(vec![Event::PasskeyRegistered(body.clone())])
}

/// The proof that somebody gave with a passkey. Its signature was checked before; what is left is what the ledger knows.
pub(crate) fn used(state: &State, body: &PasskeyUsed) -> Result<Event, Refusal> {
    let missing = || refuse(RefusalCode::NotFound, "there is no such passkey");
    let known = state.passkeys.get(&body.passkey).filter(|known| known.registered.actor == body.actor);
    let known = known.ok_or_else(missing)?;
    // A count that stands still means that two authenticators sign with one key (WebAuthn level 3, section 6.1.1).
    let counts = known.sign_count > 0 || body.sign_count > 0;
    if counts && body.sign_count <= known.sign_count {
        let message = format!(
            "the authenticator of passkey `{}` counts {} signatures after {}: there may be a copy of it, so remove it",
            body.passkey, body.sign_count, known.sign_count
        );
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![COUNTER_RULE.to_owned()] });
    }
    Ok(Event::PasskeyUsed(body.clone()))
}

/// Removes a passkey.
pub(crate) fn remove(state: &State, given: &Given, body: &PasskeyRemoved) -> Result<Vec<Event>, Refusal> {
    match state.passkeys.get(&body.passkey).filter(|known| known.registered.actor == body.actor) {
        Some(_) => Ok(ended(state, given.now, body)),
        None => Err(refuse(RefusalCode::NotFound, format!("`{}` has no passkey `{}`", body.actor, body.passkey))),
    }
}

/// The end of a passkey and of the sessions that it opened: whoever found the device has those too. Sessions once began
/// without saying by which passkey; such a one ends with any of its owner's.
pub(super) fn ended(state: &State, now: i64, body: &PasskeyRemoved) -> Vec<Event> {
    let opened = |session: &&Session| {
        session.actor == body.actor
            && session.proof == Proof::Passkey
            && session.passkey.as_ref().is_none_or(|passkey| *passkey == body.passkey)
            && session.expires_at > now
    };
    let sessions = state.sessions.values().filter(opened).map(|session| {
        let (session, actor) = (session.session.clone(), session.actor.clone());
        Event::SessionEnded(SessionEnded { session, actor, reason: SessionEnd::PasskeyRemoved })
    });
    std::iter::once(Event::PasskeyRemoved(body.clone())).chain(sessions).collect()
}

/// The end of all passkeys of somebody who leaves; their sessions end by their leaving.
pub(super) fn all_removed<'a>(state: &'a State, actor: &'a str) -> impl Iterator<Item = Event> + 'a {
    state.passkeys_of(actor).map(|passkey| {
        let (passkey, actor) = (passkey.registered.passkey.clone(), actor.to_owned());
        Event::PasskeyRemoved(PasskeyRemoved { passkey, actor })
    })
}

/// How many bytes lower-case hexadecimal digits stand for; `None` when it is something else.
fn hex_bytes(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (digits && text.len().is_multiple_of(2)).then_some(text.len() / 2)
}
