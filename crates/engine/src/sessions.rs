//! Sessions: opened by a proof of identity, known by the digest of a random secret, ended when they lie idle.
//!
//! When a session was last used is kept in memory, by each node for itself: an event at each click would drown the
//! ledger. After a restart, idle time counts from the start. The absolute limit is in the ledger and holds everywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::people::recovery::RECOVERY_SESSION_MS;
use domain::people::sessions::fresh;
use domain::people::{
    LINK_MS, OpenSession, PasskeyUsed, Proof, Session, SessionEnd, SessionEnded, SessionStarted, SigninLinkCreated,
};
use domain::{Command, Refusal, RefusalCode, State};

use crate::identity::{digest, identifier, secret};
use crate::{AuthError, Engine, ExecuteError, Principal};

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How long one may lie idle.
    pub idle: Duration,
    /// How long one lasts, however much it is used.
    pub absolute: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), absolute: Duration::from_secs(12 * 60 * 60) }
    }
}

/// The session that somebody came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Its public identifier.
    pub session: String,
    /// How its owner proved who they are.
    pub proof: Proof,
    /// When, in milliseconds since the epoch.
    pub authenticated_at: i64,
    /// Whether it took more than one factor.
    pub mfa: bool,
}

/// A proof of identity that was checked, and what is to be noted of it.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    /// Whose identity it proves.
    pub actor: String,
    /// How.
    pub proof: Proof,
    /// When they proved it, in milliseconds since the epoch.
    pub authenticated_at: i64,
    /// Whether it took more than one factor.
    pub mfa: bool,
    /// SHA-256 of the issuer, a newline and the provider's session identifier, hexadecimal, if it named one.
    pub provider_session_sha256: Option<String>,
    /// The passkey that proves it, when it is a passkey.
    pub passkey: Option<PasskeyUsed>,
    /// Digest of the recovery code that proves it, when it is one.
    pub recovery_sha256: Option<String>,
}

/// A session as its owner's browser receives it, once.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The cookie's secret. It is not kept and cannot be shown again.
    pub secret: String,
    /// Milliseconds since the epoch after which it is void.
    pub expires_at: i64,
}

/// When sessions were last used, by public identifier: milliseconds since the epoch.
pub(crate) struct Activity {
    since: i64,
    last: Mutex<HashMap<String, i64>>,
}

impl Activity {
    pub fn new(now: i64) -> Self {
        Self { since: now, last: Mutex::default() }
    }

    /// When a session was last used, as far as this node knows.
    fn last(&self, session: &Session) -> i64 {
        let known = self.lock().get(&session.session).copied();
        known.unwrap_or_else(|| session.started_at.max(self.since))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Whose session this cookie's secret is.
    ///
    /// # Errors
    /// [`AuthError`] when there is none, it has expired or lay idle for too long.
    pub fn authenticate_session(&self, secret: &str) -> Result<Principal, AuthError> {
        let digest = digest(secret);
        let now = Self::now_ms();
        self.read(|state| {
            let session = state.sessions.get(&digest).ok_or(AuthError::Unknown)?;
            if session.expires_at <= now || self.is_idle(session, now) {
                return Err(AuthError::Void);
            }
            self.activity.lock().insert(session.session.clone(), now);
            let visit = Visit {
                session: session.session.clone(),
                proof: session.proof,
                authenticated_at: session.authenticated_at,
                mfa: session.mfa,
            };
            Ok(Principal { session: Some(visit), ..Principal::of(state, &session.actor, now) })
        })
    }

    /// Whether a session is still good, by its public identifier.
    pub(crate) fn session_is_open(&self, state: &State, session: &str, now: i64) -> bool {
        state.session(session).is_some_and(|session| session.expires_at > now && !self.is_idle(session, now))
    }

    fn is_idle(&self, session: &Session, now: i64) -> bool {
        let idle = i64::try_from(self.options.sessions.idle.as_millis()).unwrap_or(i64::MAX);
        now.saturating_sub(self.activity.last(session)) > idle
    }

    /// Whether somebody may do what is critical now, for doors that lead to it.
    ///
    /// # Errors
    /// A refusal with code `reauthentication_required`.
    pub fn must_be_fresh(&self, who: &Principal) -> Result<(), Refusal> {
        fresh(who.session.as_ref().map(|visit| visit.authenticated_at), Self::now_ms())
    }

    /// The sessions of an actor that are open now, newest first, each with when it was last used as far as this node
    /// knows.
    pub fn sessions_of(&self, actor: &str) -> Vec<(Session, i64)> {
        let now = Self::now_ms();
        let mut open: Vec<Session> = self.read(|state| {
            let live = |s: &&Session| s.actor == actor && s.expires_at > now && !self.is_idle(s, now);
            state.sessions.values().filter(live).cloned().collect()
        });
        open.sort_by_key(|session| std::cmp::Reverse(session.started_at));
        open.into_iter().map(|session| (session.clone(), self.activity.last(&session))).collect()
    }

    /// Makes a one-time sign-in link for an actor; the answer is its secret.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn create_signin_link(self: &Arc<Self>, who: &Principal, actor: &str) -> Result<String, ExecuteError> {
        let secret = secret("cfl_")?;
        let link = SigninLinkCreated {
            actor: actor.to_owned(),
            link_sha256: digest(&secret),
            expires_at: Self::now_ms() + LINK_MS,
        };
        self.execute(who, Command::CreateSigninLink(link)).await?;
        Ok(secret)
    }

    /// Uses a sign-in link up and opens a session, which takes the place of the one that the browser came with.
    ///
    /// # Errors
    /// A refusal when the link is unknown, used or late.
    pub async fn open_session(
        self: &Arc<Self>,
        link: &str,
        previous: Option<&Principal>,
    ) -> Result<NewSession, ExecuteError> {
        let link = digest(link);
        let Some(actor) = self.read(|state| state.links.get(&link).map(|link| link.actor.clone())) else {
            let message =
                "this sign-in link was used before or never existed: make a new one with `counterfoil signin`";
            return Err(ExecuteError::Refused(Refusal::new(RefusalCode::NotFound, message)));
        };
        let proven = Proven { actor, proof: Proof::Link, authenticated_at: Self::now_ms(), ..Proven::default() };
        let own = |previous: &&Principal| previous.actor == proven.actor;
        let others = previous.filter(|previous| !own(previous));
        let replaces = previous.filter(own).and_then(|own| own.session.as_ref()).map(|visit| visit.session.as_str());
        let session = self.start_session(proven.clone(), Some(link), replaces).await?;
        if let Some(others) = others {
            // Somebody else signed in at this browser: whoever was there before is signed out.
            self.close_session(others).await?;
        }
        Ok(session)
    }

    /// Opens a session for somebody who proved who they are otherwise than by a link, always with a new secret. It takes the
    /// place of the session that is named, if that is theirs.
    ///
    /// # Errors
    /// A refusal when they are not registered here, or have left.
    pub async fn admit(self: &Arc<Self>, proven: Proven, replaces: Option<&str>) -> Result<NewSession, ExecuteError> {
        self.start_session(proven, None, replaces).await
    }

    async fn start_session(
        self: &Arc<Self>,
        proven: Proven,
        link_sha256: Option<String>,
        replaces: Option<&str>,
    ) -> Result<NewSession, ExecuteError> {
        let secret = secret("cfs_")?;
        let absolute = i64::try_from(self.options.sessions.absolute.as_millis()).unwrap_or(i64::MAX);
        let expires_at = match proven.proof {
            Proof::Recovery => proven.authenticated_at.saturating_add(absolute.min(RECOVERY_SESSION_MS)),
            Proof::Link | Proof::Oidc | Proof::Passkey => Self::now_ms().saturating_add(absolute),
        };
        let own =
            |session: &&str| self.read(|state| state.session(session).is_some_and(|known| known.actor == proven.actor));
        let replaces = replaces.filter(own).map(str::to_owned);
        let started = SessionStarted {
            session: identifier("s_"),
            actor: proven.actor,
            proof: proven.proof,
            link_sha256,
            provider_session_sha256: proven.provider_session_sha256,
            passkey: proven.passkey.as_ref().map(|used| used.passkey.clone()),
            session_sha256: digest(&secret),
            authenticated_at: proven.authenticated_at,
            mfa: proven.mfa,
            expires_at,
        };
        let (passkey, recovery_sha256) = (proven.passkey, proven.recovery_sha256);
        let wish = OpenSession { started, replaces, passkey, recovery_sha256 };
        self.execute(self.system(), Command::OpenSession(wish)).await?;
        Ok(NewSession { secret, expires_at })
    }

    /// Ends the session that `who` came with.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn close_session(self: &Arc<Self>, who: &Principal) -> Result<(), ExecuteError> {
        let Some(visit) = &who.session else { return Ok(()) };
        self.end_session(who, &visit.session, &who.actor, SessionEnd::SignedOut).await
    }

    /// Takes a session away: one's own, or somebody else's where policies permit it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn revoke_session(self: &Arc<Self>, who: &Principal, session: &str) -> Result<(), ExecuteError> {
        // A session that is not there counts as one's own, so that the answer is that there is none.
        let known = self.read(|state| state.session(session).map(|known| known.actor.clone()));
        let actor = known.unwrap_or_else(|| who.actor.clone());
        self.end_session(who, session, &actor, SessionEnd::Revoked).await
    }

    /// Ends the sessions that a provider says are over, with the keys that command lines got by them: of one of its own
    /// sessions, or all that it opened for an actor. Returns how many there were.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn provider_signed_out(
        self: &Arc<Self>,
        provider_session_sha256: Option<&str>,
        actor: Option<&str>,
    ) -> Result<usize, ExecuteError> {
        let over = |session: &&Session| {
            let fits = provider_session_sha256
                .is_none_or(|sha256| session.provider_session_sha256.as_deref() == Some(sha256))
                && actor.is_none_or(|actor| session.actor == actor);
            session.proof == Proof::Oidc && fits && (provider_session_sha256.is_some() || actor.is_some())
        };
        let now = Self::now_ms();
        // By identifier: a session that ended otherwise may have left several keys.
        let over: BTreeMap<String, Session> = self.read(|state| {
            let left = state.keys.values().filter(|key| key.is_live(now)).filter_map(|key| key.session.as_ref());
            let over = state.sessions.values().chain(left).filter(over);
            over.map(|session| (session.session.clone(), session.clone())).collect()
        });
        for session in over.values() {
            self.end_session(self.system(), &session.session, &session.actor, SessionEnd::Provider).await?;
        }
        Ok(over.len())
    }

    async fn end_session(
        self: &Arc<Self>,
        who: &Principal,
        session: &str,
        actor: &str,
        reason: SessionEnd,
    ) -> Result<(), ExecuteError> {
        let ended = SessionEnded { session: session.to_owned(), actor: actor.to_owned(), reason };
        self.execute(who, Command::CloseSession(ended)).await.map(drop)
    }

    /// Ends what lay idle for too long, and forgets when sessions that are over were used.
    pub(crate) async fn end_idle_sessions(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let now = Self::now_ms();
        let (idle, open) = self.read(|state| {
            let live = |s: &&Session| s.expires_at > now;
            let idle: Vec<Session> =
                state.sessions.values().filter(live).filter(|s| self.is_idle(s, now)).cloned().collect();
            let open: std::collections::HashSet<String> =
                state.sessions.values().filter(live).map(|s| s.session.clone()).collect();
            (idle, open)
        });
        self.activity.lock().retain(|session, _| open.contains(session));
        for session in idle {
            self.end_session(self.system(), &session.session, &session.actor, SessionEnd::Idle).await?;
        }
        Ok(())
    }
}
