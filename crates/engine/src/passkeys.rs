//! Passkeys: making one, and proving with one who one is.
//!
//! Both are a ceremony of two steps. The browser is given a challenge; its answer is checked here, against the site's
//! name and origin, the signature, and that the authenticator verified its user. What is left to decide, the ledger
//! decides. Whatever is wrong with a proof, whoever showed it is to be told the same.

mod ceremonies;
mod form;
#[cfg(test)]
mod tests;

pub(crate) use ceremonies::Ceremonies;

use std::sync::Arc;

use domain::people::passkeys::COUNTER_RULE;
use domain::people::{Passkey, PasskeyRegistered, PasskeyRemoved, PasskeyUsed, Proof};
use domain::{Command, Refusal, RefusalCode};
use serde_json::Value;
use webauthn::{Assertion, Creation, Flaw, Site, User};

use self::ceremonies::Asked;
use crate::identity::{digest, identifier, secret};
use crate::{Engine, ExecuteError, NewSession, Principal, Proven, label_is_valid};

/// The longest name of a passkey, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// What the vault is told a passkey's name is.
const TOPIC: &str = "passkey";

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    /// What they showed proves nothing. The reason is a word for the count of those turned away, not for them.
    #[error("turned away: {0}")]
    Unproven(&'static str),
    /// It could not be decided.
    #[error(transparent)]
    Failed(#[from] ExecuteError),
}

impl Engine {
    /// Asks a browser for a passkey of whoever it finds one of. Returns a secret for the browser to keep in a cookie, with
    /// which alone the answer can be given, and the options for `navigator.credentials.get`.
    ///
    /// # Errors
    /// [`ExecuteError::Internal`] when the options cannot be made.
    pub fn begin_passkey_signin(&self, site: &Site) -> Result<(String, Value), ExecuteError> {
        let (browser, challenge) = (secret("cfd_")?, challenge()?);
        let options = webauthn::ask_for_any(site, &challenge);
        self.ceremonies.put(digest(&browser), Asked { challenge, maker: None });
        Ok((browser, options))
    }

    /// Opens a session for whoever the browser showed a passkey of. It takes the place of the one that it came with.
    ///
    /// # Errors
    /// [`NotLetIn`]; a count of signatures that does not grow is refused by name in the ledger too.
    pub async fn sign_in_by_passkey(
        self: &Arc<Self>,
        site: &Site,
        browser: &str,
        answer: &[u8],
        previous: Option<&Principal>,
    ) -> Result<NewSession, NotLetIn> {
        let asked = self.ceremonies.take(&digest(browser));
        let (site, answer) = (site.clone(), answer.to_vec());
        let checked = self.blocking(move |engine| engine.check_proof(&site, asked, &answer)).await?;
        let used = checked.map_err(NotLetIn::Unproven)?;
        let proven = Proven {
            actor: used.actor.clone(),
            proof: Proof::Passkey,
            authenticated_at: Self::now_ms(),
            mfa: true,
            passkey: Some(used),
            ..Proven::default()
        };
        self.let_in(proven, previous).await
    }

    /// Opens a session for somebody who proved who they are. What the rules refuse even so is on record, by name.
    pub(crate) async fn let_in(
        self: &Arc<Self>,
        proven: Proven,
        previous: Option<&Principal>,
    ) -> Result<NewSession, NotLetIn> {
        let actor = proven.actor.clone();
        let replaces = previous.and_then(|previous| previous.session.as_ref()).map(|visit| visit.session.as_str());
        let session = match self.admit(proven, replaces).await {
            Ok(session) => session,
            Err(ExecuteError::Refused(refusal)) if refusal.policies == [COUNTER_RULE] => {
                return Err(NotLetIn::Unproven("counter"));
            }
            Err(ExecuteError::Refused(refusal)) => return Err(NotLetIn::Unproven(refusal.code.as_str())),
            Err(error) => return Err(error.into()),
        };
        if let Some(others) = previous.filter(|previous| previous.actor != actor) {
            // Somebody else signed in at this browser: whoever was there before is signed out.
            self.close_session(others).await?;
        }
        Ok(session)
    }

    /// Which passkey was shown, or why none was, in a word.
    fn check_proof(&self, site: &Site, asked: Option<Asked>, answer: &[u8]) -> Result<PasskeyUsed, &'static str> {
        let Some(Asked { challenge, maker: None }) = asked else { return Err(Flaw::Challenge.word()) };
        let shown = Assertion::parse(answer).map_err(Flaw::word)?;
        let credential = merkle::hex(&shown.credential);
        let known = self.read(|state| state.passkey_by_credential(&credential).cloned());
        let owned = |known: &Passkey| form::handle(self.log.origin(), &known.registered.actor) == shown.handle;
        let known = known.filter(owned).ok_or("unknown")?;
        let key = form::public_key(&known).ok_or("unknown")?;
        let verified = shown.verify(site, &challenge, &key, known.registered.synced);
        let sign_count = verified.map_err(Flaw::word)?;
        let PasskeyRegistered { passkey, actor, .. } = known.registered;
        Ok(PasskeyUsed { passkey, actor, sign_count })
    }

    /// Asks a browser to make a passkey for whoever is signed in: the options for `navigator.credentials.create`.
    ///
    /// # Errors
    /// A refusal when they may not, or must prove again first who they are.
    pub async fn begin_passkey(self: &Arc<Self>, site: &Site, who: &Principal) -> Result<Value, ExecuteError> {
        let browser = self.may_make(who)?;
        self.authorize(who, "passkey.register", &format!("actor/{}", who.actor))?;
        let name = self.profile(&who.actor).await?.and_then(|profile| profile.name);
        let known: Vec<Vec<u8>> = self.read(|state| {
            let ids = state.passkeys_of(&who.actor).map(|passkey| merkle::unhex(&passkey.registered.credential));
            ids.filter_map(Result::ok).collect()
        });
        let handle = form::handle(self.log.origin(), &who.actor);
        let display_name = name.as_deref().unwrap_or(&who.actor);
        let user = User { handle: &handle, name: &who.actor, display_name };
        let site_name = format!("Counterfoil of {}", self.org().name);
        let challenge = challenge()?;
        let options = webauthn::ask_to_make(site, &site_name, &user, &challenge, &known);
        self.ceremonies.put(browser, Asked { challenge, maker: Some(who.actor.clone()) });
        Ok(options)
    }

    /// By what the browser of somebody who would make a passkey is known: their session, whose proof must be fresh. Asking
    /// now spares them making a passkey that is then refused.
    fn may_make(&self, who: &Principal) -> Result<String, Refusal> {
        let Some(visit) = &who.session else {
            let message = "a passkey is made in a browser, by whoever is signed in there";
            return Err(Refusal::new(RefusalCode::Forbidden, message));
        };
        self.must_be_fresh(who).map(|()| visit.session.clone())
    }

    /// Registers the passkey that a browser made, under a name of its owner's choice; returns its public identifier.
    ///
    /// # Errors
    /// A refusal when it was not made as asked.
    pub async fn register_passkey(
        self: &Arc<Self>,
        site: &Site,
        who: &Principal,
        name: &str,
        answer: &[u8],
    ) -> Result<String, ExecuteError> {
        let name = match name_is_valid(name) {
            Ok(name) => name,
            Err(refusal) => {
                let resource = format!("actor/{}", who.actor);
                return Err(self.record_refusal(who, "passkey.register", resource, refusal).await);
            }
        };
        let asked = self.ceremonies.take(&self.may_make(who)?);
        let made = check_made(site, asked, &who.actor, answer);
        let mut made = match made {
            Ok(made) => made,
            Err(why) => {
                let message = "this passkey was not made as asked: remove it from your device and try again".to_owned();
                let policies = vec![format!("passkey-{}", why.word().replace('_', "-"))];
                let refusal = Refusal { code: RefusalCode::Forbidden, message, policies };
                let resource = format!("actor/{}", who.actor);
                return Err(self.record_refusal(who, "passkey.register", resource, refusal).await);
            }
        };
        made.name_sha256 = self.keep_note(&who.actor, TOPIC, name.into_bytes()).await?;
        let (passkey, note) = (made.passkey.clone(), made.name_sha256.clone());
        let done = self.execute(who, Command::RegisterPasskey(made)).await;
        if done.is_err() {
            self.drop_note(note).await;
        }
        done.map(|_| passkey)
    }

    /// Removes a passkey: one's own, or somebody else's where policies permit it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn remove_passkey(self: &Arc<Self>, who: &Principal, passkey: &str) -> Result<(), ExecuteError> {
        let known = self.read(|state| state.passkeys.get(passkey).map(|known| known.registered.clone()));
        // One that is not there counts as one's own, so that the answer is that there is none.
        let actor = known.as_ref().map_or_else(|| who.actor.clone(), |known| known.actor.clone());
        let removed = PasskeyRemoved { passkey: passkey.to_owned(), actor };
        self.execute(who, Command::RemovePasskey(removed)).await?;
        if let Some(known) = known {
            self.drop_note(known.name_sha256).await;
        }
        Ok(())
    }

    /// The passkeys of an actor, oldest first, each with its name if that is still known.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when names cannot be read.
    pub async fn passkeys(self: &Arc<Self>, actor: &str) -> Result<Vec<(Passkey, Option<String>)>, ExecuteError> {
        let mut known: Vec<Passkey> = self.read(|state| state.passkeys_of(actor).cloned().collect());
        known.sort_by_key(|passkey| passkey.registered_at);
        let mut named = Vec::with_capacity(known.len());
        for passkey in known {
            let name = self.note(actor, TOPIC, passkey.registered.name_sha256.clone()).await?;
            named.push((passkey, name.and_then(|name| String::from_utf8(name).ok())));
        }
        Ok(named)
    }
}

fn check_made(site: &Site, asked: Option<Asked>, owner: &str, answer: &[u8]) -> Result<PasskeyRegistered, Flaw> {
    let Some(Asked { challenge, maker: Some(actor) }) = asked else { return Err(Flaw::Challenge) };
    if actor != owner {
        return Err(Flaw::Challenge);
    }
    let made = Creation::parse(answer)?.verify(site, &challenge)?;
    Ok(PasskeyRegistered {
        passkey: identifier("p_"),
        actor,
        credential: merkle::hex(&made.credential),
        algorithm: form::algorithm(made.key.algorithm),
        public_key: merkle::hex(&made.key.bytes),
        sign_count: made.sign_count,
        synced: made.synced,
        name_sha256: String::new(),
    })
}

fn challenge() -> Result<[u8; 32], ExecuteError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| ExecuteError::Internal(format!("the system gave no randomness: {e}")))?;
    Ok(bytes)
}

fn name_is_valid(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && label_is_valid(name).is_ok() {
        return Ok(name.to_owned());
    }
    let message = format!("a passkey needs a name of up to {MAX_NAME_CHARS} characters, such as that of the device");
    Err(Refusal::new(RefusalCode::Invalid, message))
}
