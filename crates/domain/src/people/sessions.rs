//! Sessions: how somebody came in, how long that lasts, and when they must prove again who they are.
//!
//! A session is opened by a proof of identity and ends by sign-out, by being revoked, by lying idle or by itself. What
//! cannot be undone, or gives rights to others, asks for a proof that is not older than [`FRESH_MS`]: a session that was
//! left open, or whose cookie was stolen, cannot do it.

use serde::{Deserialize, Serialize};

use super::actors::{is_the_system, present};
use super::recovery::RECOVERY_SESSION_MS;
use super::{KeyRevoked, PasskeyUsed};
use crate::decide::identifier_is_valid;
use crate::{Command, Event, Given, Refusal, RefusalCode, State};

/// The longest time that a session may last, in milliseconds.
pub const SESSION_MAX_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// How old the proof of identity may be for a critical act, in milliseconds.
pub const FRESH_MS: i64 = 10 * 60 * 1000;

/// The rule's name, as refusals give it.
pub const FRESH_RULE: &str = "critical-acts-need-fresh-proof";

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// By a one-time link.
    #[default]
    Link,
    /// At the organisation's OpenID Connect provider.
    Oidc,
    /// By a passkey.
    Passkey,
    /// By a recovery code.
    Recovery,
}

impl Proof {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Oidc => "oidc",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
        }
    }
}

/// A session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStarted {
    /// Public identifier, `s_` and random characters.
    pub session: String,
    /// Whose session it is.
    pub actor: String,
    /// How they proved who they are.
    pub proof: Proof,
    /// The link that was used up, when it was a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_sha256: Option<String>,
    /// SHA-256 of issuer, newline and the provider's session identifier, hexadecimal, when the provider named one: what
    /// the provider's word that somebody signed out is matched with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_session_sha256: Option<String>,
    /// The passkey that opened it, when it was a passkey: the session ends with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passkey: Option<String>,
    /// SHA-256 of the session cookie's secret, hexadecimal.
    pub session_sha256: String,
    /// When they proved who they are, in milliseconds since the epoch; 0 when the provider did not say.
    pub authenticated_at: i64,
    /// Whether it took more than one factor.
    pub mfa: bool,
    /// Milliseconds since the epoch after which the session is void.
    pub expires_at: i64,
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// Its owner signed out with it.
    SignedOut,
    /// Its owner or somebody who may took it away.
    Revoked,
    /// Nothing came from it for too long.
    Idle,
    /// The provider said that its owner signed out there.
    Provider,
    /// Its owner proved again who they are, and another took its place.
    Replaced,
    /// The passkey that opened it was removed.
    PasskeyRemoved,
}

impl SessionEnd {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Provider => "provider",
            Self::Replaced => "replaced",
            Self::PasskeyRemoved => "passkey_removed",
        }
    }
}

/// A session ended before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    /// Which session.
    pub session: String,
    /// Whose it was.
    pub actor: String,
    /// Why.
    pub reason: SessionEnd,
}

/// An open session as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Public identifier.
    pub session: String,
    /// Whose it is.
    pub actor: String,
    /// How they proved who they are.
    pub proof: Proof,
    /// Digest of the provider's session, if it named one.
    pub provider_session_sha256: Option<String>,
    /// The passkey that opened it; left out of what is written when there is none, as before this was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<String>,
    /// When they proved it, in milliseconds since the epoch.
    pub authenticated_at: i64,
    /// Whether it took more than one factor.
    pub mfa: bool,
    /// When the session began, in milliseconds since the epoch.
    pub started_at: i64,
    /// Milliseconds since the epoch after which it is void.
    pub expires_at: i64,
}

impl Session {
    pub(crate) fn started(body: &SessionStarted, at: i64) -> Self {
        Self {
            session: body.session.clone(),
            actor: body.actor.clone(),
            proof: body.proof,
            provider_session_sha256: body.provider_session_sha256.clone(),
            passkey: body.passkey.clone(),
            authenticated_at: body.authenticated_at,
            mfa: body.mfa,
            started_at: at,
            expires_at: body.expires_at,
        }
    }

    /// A session of the first kind of event, which had no public identifier: the first characters of its digest serve.
    pub(crate) fn opened(body: &super::SessionOpened, at: i64) -> Self {
        let digits: String = body.session_sha256.chars().take(16).collect();
        Self {
            session: format!("s_{digits}"),
            actor: body.actor.clone(),
            proof: Proof::Link,
            provider_session_sha256: None,
            passkey: None,
            authenticated_at: at,
            mfa: false,
            started_at: at,
            expires_at: body.expires_at,
        }
    }
}

/// The wish to open a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// The session.
    pub started: SessionStarted,
    /// Public identifier of the session of the same actor whose place it takes.
    pub replaces: Option<String>,
    /// The passkey that proved it, when it was a passkey.
    pub passkey: Option<PasskeyUsed>,
    /// Digest of the recovery code that proved it, when it was one.
    pub recovery_sha256: Option<String>,
}

impl State {
    /// The open session with this public identifier.
    #[must_use]
    pub fn session(&self, session: &str) -> Option<&Session> {
        self.sessions.values().find(|known| known.session == session)
    }
}

/// Opens a session, with a new secret always: what a browser held before its owner signed in opens nothing afterwards.
pub(crate) fn open(state: &State, given: &Given, body: &OpenSession) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: &str| Err(Refusal::new(RefusalCode::Invalid, why));
    let started = &body.started;
    identifier_is_valid("session", &started.session)?;
    present(state, &started.actor)?;
    match (&started.link_sha256, started.proof) {
        (Some(link), Proof::Link) => link_is_good(state, given, &started.actor, link)?,
        (None, Proof::Link) => return invalid("a session by link must name the link"),
        (Some(_), _) => return invalid("only a session by link names one"),
        (None, _) => {}
    }
    let proof = other_proof(state, body)?;
    let (now, last) = (given.now, given.now.saturating_add(SESSION_MAX_MS));
    if started.expires_at <= now || started.expires_at > last || started.authenticated_at > now {
        return invalid("a session must end within 7 days, and begin with a proof that was given before");
    }
    if state.sessions.contains_key(&started.session_sha256) || state.session(&started.session).is_some() {
        return Err(Refusal::new(RefusalCode::Exists, "there is such a session already"));
    }
    let mut events = Vec::from_iter(proof);
    if let Some(known) = body.replaces.as_deref().and_then(|session| state.session(session)) {
        if known.actor != started.actor {
            return invalid("a session takes the place of one of the same actor only");
        }
        let (session, actor) = (known.session.clone(), known.actor.clone());
        events.push(Event::SessionEnded(SessionEnded { session, actor, reason: SessionEnd::Replaced }));
    }
    events.push(Event::SessionStarted(started.clone()));
    Ok(events)
}

/// The use of a passkey or of a recovery code, when the session is opened by one.
fn other_proof(state: &State, body: &OpenSession) -> Result<Option<Event>, Refusal> {
    let (started, invalid) = (&body.started, |why: &str| Err(Refusal::new(RefusalCode::Invalid, why)));
    if started.passkey.as_ref() != body.passkey.as_ref().map(|used| &used.passkey) {
        return invalid("a session names the passkey that opened it, and no other");
    }
    match (started.proof, &body.passkey, &body.recovery_sha256) {
        (Proof::Passkey, Some(used), None) if used.actor == started.actor => {
            super::passkeys::used(state, used).map(Some)
        }
        (Proof::Recovery, None, Some(code)) => {
            if started.expires_at > started.authenticated_at.saturating_add(RECOVERY_SESSION_MS) {
                return invalid("a session by recovery code lasts 15 minutes");
            }
            super::recovery::used(state, &started.actor, code).map(Some)
        }
        (Proof::Link | Proof::Oidc, None, None) => Ok(None),
        _ => invalid("a session by passkey or recovery code must name it, and no other may"),
    }
}

fn link_is_good(state: &State, given: &Given, actor: &str, link: &str) -> Result<(), Refusal> {
    let used = "this sign-in link was used before or never existed: make a new one with `counterfoil signin`";
    let link = state.links.get(link).ok_or_else(|| Refusal::new(RefusalCode::NotFound, used))?;
    if link.actor != actor {
        return Err(Refusal::new(RefusalCode::Invalid, "the sign-in link belongs to another actor"));
    }
    if link.expires_at <= given.now {
        let late = "this sign-in link has expired: make a new one with `counterfoil signin`";
        return Err(Refusal::new(RefusalCode::Expired, late));
    }
    Ok(())
}

/// Ends a session. Its owner may end it with any reason that is theirs to give; Counterfoil itself with any; others, who
/// must be permitted to, revoke it. When the provider says that somebody signed out, the keys go too that command lines got
/// by the session, also after it ended otherwise.
pub(crate) fn close(state: &State, given: &Given, body: &SessionEnded) -> Result<Vec<Event>, Refusal> {
    let missing = || Refusal::new(RefusalCode::NotFound, "there is no such session");
    let keys: Vec<Event> = match body.reason {
        SessionEnd::Provider if is_the_system(state, &given.by) => state
            .keys
            .values()
            .filter(|key| key.is_live(given.now))
            .filter(|key| key.session.as_ref().is_some_and(|s| s.session == body.session && s.actor == body.actor))
            .map(|key| Event::KeyRevoked(KeyRevoked { key: key.created.key.clone() }))
            .collect(),
        _ => vec![],
    };
    if !keys.is_empty() && state.session(&body.session).is_none() {
        return Ok(keys);
    }
    let known = state.session(&body.session).filter(|known| known.actor == body.actor).ok_or_else(missing)?;
    let theirs = match body.reason {
        SessionEnd::SignedOut => given.by == known.actor,
        SessionEnd::Revoked => true,
        SessionEnd::Idle | SessionEnd::Provider | SessionEnd::Replaced | SessionEnd::PasskeyRemoved => false,
    };
    match theirs || is_the_system(state, &given.by) {
        true => Ok(std::iter::once(Event::SessionEnded(body.clone())).chain(keys).collect()),
        false => {
            let message = "somebody else's session can be revoked, and ended for no other reason";
            Err(Refusal::new(RefusalCode::Forbidden, message))
        }
    }
}

/// Whether a command asks for a fresh proof of identity from whoever comes with a session: it changes who may do what, or
/// gives somebody a way in.
#[must_use]
pub fn is_critical(command: &Command) -> bool {
    let sends_away = matches!(command, Command::ProvisionPerson(body) if body.presence.is_some());
    let changes_rights = matches!(
        command,
        Command::InstallPolicies(_)
            | Command::AcceptRollback(_)
            | Command::ApproveGrant(_)
            | Command::VoteOnApproval(_)
            | Command::DelegateVote(_)
            | Command::ConfigureApprovals(_)
            | Command::DefineRole(_)
            | Command::DeclareEmergency(_)
            | Command::Leave(_)
            | Command::Return(_)
            | Command::MapGroup(_)
            | Command::ApproveGroupMap(_)
            // To start or hand on a review says who decides of what others hold. To complete one decides of nothing.
            | Command::StartReview(_)
            | Command::AssignReview(_)
            | Command::DecideReview(_)
            | Command::CreateKey(_)
            | Command::RotateKey(_)
            | Command::OwnAccount(_)
            | Command::DeclareWorkload(_)
            | Command::CreateSigninLink(_)
            | Command::RegisterPasskey(_)
            | Command::RemovePasskey(_)
            | Command::IssueRecovery(_)
            // What is replaced is destroyed, and how long that may take is for how long older copies open.
            | Command::ConfigureEncryption(_)
            | Command::RotateEncryption(_)
            // What is forgotten does not come back.
            | Command::ExecuteRequest(_)
            | Command::DestroyVersion(_)
            | Command::ReleaseVersion(_)
            | Command::ReleaseHold(_)
            | Command::ConfirmClock(_)
            | Command::ScheduleRetention(_)
            | Command::UnscheduleRetention(_)
    );
    sends_away || changes_rights
}

/// Refuses a critical act by a session whose proof of identity is old.
pub(crate) fn fresh_enough(given: &Given, command: &Command) -> Result<(), Refusal> {
    if is_critical(command) { fresh(given.authenticated_at, given.now) } else { Ok(()) }
}

/// Refuses a proof of identity, given at a moment in milliseconds since the epoch, that is too old for what is critical.
/// Whoever comes without a session, and so has none, comes with a key.
///
/// # Errors
/// [`RefusalCode::ReauthenticationRequired`].
pub fn fresh(authenticated_at: Option<i64>, now: i64) -> Result<(), Refusal> {
    if authenticated_at.is_none_or(|at| now.saturating_sub(at) <= FRESH_MS) {
        return Ok(());
    }
    let message = "this needs a proof of who you are from the last ten minutes: sign in again, then repeat it";
    let policies = vec![FRESH_RULE.to_owned()];
    Err(Refusal { code: RefusalCode::ReauthenticationRequired, message: message.to_owned(), policies })
}
