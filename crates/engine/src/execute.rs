//! One command, from asking to durable fact.
//!
//! Commands take turns, so each is decided on the newest state and nothing needs to be decided twice. The turn is held
//! until the events are durable and folded; a caller that goes away in between changes nothing, because the work runs
//! in a task of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::infrastructure::CommandRefused;
use domain::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};

use crate::authorize::Policies;
use crate::{Engine, Principal};

/// How many events lie between two digests of the state.
const DIGEST_EVERY: u64 = 4096;

/// A command with what its caller knows.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked.
    pub command: Command,
    /// A UUID of the caller's choice: asking twice with the same one, within a day, changes things once.
    pub idempotency: Option<uuid::Uuid>,
    /// A stream (`kind/name`) and the version that the caller saw: if it moved on, the command is refused.
    pub expect: Option<(String, u64)>,
}

impl From<Command> for Ask {
    fn from(command: Command) -> Self {
        Self { command, idempotency: None, expect: None }
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Done {
    /// Sequence number of its first event, or of the event that an earlier asking caused.
    pub first_seq: u64,
    /// Its events; empty when nothing had to change.
    pub events: Vec<Entry>,
    /// Size of the ledger afterwards.
    pub size: u64,
    /// Whether an earlier asking with the same idempotency key had done it already.
    pub replayed: bool,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It was refused; the refusal is in the ledger.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ledger cannot be written at the moment.
    #[error("the ledger cannot be written: {0}")]
    Unavailable(String),
    /// Something that should not happen.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Engine {
    /// Carries out a command for `who`.
    ///
    /// # Errors
    /// [`ExecuteError::Refused`] when policies or rules refuse it, [`ExecuteError::Unavailable`] when the ledger's
    /// disk is full.
    pub async fn execute(self: &Arc<Self>, who: &Principal, ask: impl Into<Ask>) -> Result<Done, ExecuteError> {
        let (engine, who, ask) = (Arc::clone(self), who.clone(), ask.into());
        let work = tokio::spawn(async move {
            let _turn = engine.turn.lock().await;
            engine.execute_in_turn(&who, ask).await
        });
        work.await.map_err(|e| ExecuteError::Internal(e.to_string()))?
    }

    async fn execute_in_turn(self: &Arc<Self>, who: &Principal, ask: Ask) -> Result<Done, ExecuteError> {
        if let Some(done) = ask.idempotency.and_then(|id| self.done_before(id)) {
            return Ok(done);
        }
        let given = self.gather(&ask.command);
        match self.settle(who, &ask, &given) {
            Ok(events) if events.is_empty() => {
                let size = self.read(|state| state.size);
                Ok(Done { first_seq: size, events: vec![], size, replayed: false })
            }
            Ok(events) => {
                let done = self.commit(who, events, ask.idempotency, given.now).await?;
                self.digest_if_due(done.size).await?;
                Ok(done)
            }
            Err(refusal) => {
                let refused = CommandRefused {
                    command: ask.command.name().to_owned(),
                    resource: ask.command.resource().chars().take(128).collect(),
                    code: refusal.code,
                    policies: refusal.policies.clone(),
                };
                self.commit(who, vec![Event::CommandRefused(refused)], None, given.now).await?;
                Err(ExecuteError::Refused(refusal))
            }
        }
    }

    /// Permission, then expectation, then the rules.
    fn settle(&self, who: &Principal, ask: &Ask, given: &Given) -> Result<Vec<Event>, Refusal> {
        self.authorize(who, ask.command.name(), &ask.command.resource())?;
        if let Command::InstallPolicies(body) = &ask.command {
            Policies::parse(&body.text).map_err(|e| Refusal::new(RefusalCode::Invalid, e.to_string()))?;
        }
        self.read(|state| {
            if let Some((stream, seen)) = &ask.expect {
                let version = state.version(stream);
                if version != *seen {
                    let message =
                        format!("`{stream}` is at version {version}, not {seen}: read it again and decide anew");
                    return Err(Refusal::new(RefusalCode::Conflict, message));
                }
            }
            decide(state, given, &ask.command)
        })
    }

    fn done_before(&self, id: uuid::Uuid) -> Option<Done> {
        self.read(|state| {
            let first_seq = *state.recent.get(&id.to_string())?;
            Some(Done { first_seq, events: vec![], size: state.size, replayed: true })
        })
    }

    fn gather(&self, command: &Command) -> Given {
        let model = match command {
            Command::RegisterModel(body) => self.inspect_artifact(&body.artifact_sha256),
            _ => None,
        };
        Given { now: Self::now_ms(), fresh: uuid::Uuid::now_v7().simple().to_string(), model }
    }

    /// Appends events, waits until they are durable, and folds them.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        who: &Principal,
        events: Vec<Event>,
        id: Option<uuid::Uuid>,
        now: i64,
    ) -> Result<Done, ExecuteError> {
        let entries = self.address(who, events, id, now);
        let mut bytes = Vec::with_capacity(entries.len());
        for entry in &entries {
            bytes.push(entry.encode().map_err(|e| ExecuteError::Internal(e.to_string()))?);
        }
        let first_seq = self.append(bytes).await?;
        let size = self.fold(&entries);
        Ok(Done { first_seq, events: entries, size, replayed: false })
    }

    async fn append(&self, entries: Vec<Vec<u8>>) -> Result<u64, ExecuteError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        // The receiver is gone only when the process ends, and then nobody waits for the answer.
        self.log.append(entries, move |result| drop(answer.send(result)));
        let result = answered.await.map_err(|_| ExecuteError::Unavailable("the ledger's writer has stopped".into()))?;
        result.map_err(|e| ExecuteError::Unavailable(e.to_string()))
    }

    /// Puts events into envelopes: stream versions follow the state, and the first one carries the caller's key.
    fn address(&self, who: &Principal, events: Vec<Event>, id: Option<uuid::Uuid>, now: i64) -> Vec<Entry> {
        let mut added: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        self.read(|state| {
            let envelope = |(i, event): (usize, Event)| {
                let stream = event.stream();
                let sv = added.entry(stream.clone()).or_insert_with(|| state.version(&stream));
                *sv += 1;
                let id = id.filter(|_| i == 0).unwrap_or_else(uuid::Uuid::now_v7).to_string();
                Entry { v: 1, id, ts: now, actor: who.actor.clone(), stream, sv: *sv, event }
            };
            events.into_iter().enumerate().map(envelope).collect()
        })
    }

    fn fold(&self, entries: &[Entry]) -> u64 {
        let size = {
            let mut state = self.state.write().expect("no panic while the state is locked");
            for entry in entries {
                state.apply(entry);
            }
            state.size
        };
        for entry in entries {
            self.notice(&entry.event);
        }
        size
    }

    /// Keeps what is derived from the state in step with it.
    pub(crate) fn notice(&self, event: &Event) {
        match event {
            Event::PoliciesInstalled(body) => {
                // Unreadable policies were refused before they became an event.
                if let Ok(policies) = Policies::parse(&body.text) {
                    *self.policies.write().expect("no panic while the policies are locked") = Arc::new(policies);
                }
            }
            Event::KeyCreated(_)
            | Event::KeyRevoked(_)
            | Event::ProviderDeclared(_)
            | Event::ProviderRetired(_)
            | Event::ModelRegistered(_)
            | Event::ServiceDeclared(_)
            | Event::ServiceRetired(_)
            | Event::DeploymentStarted(_)
            | Event::DeploymentEnded(_) => {}
            _ => return,
        }
        self.governance.fetch_add(1, Ordering::AcqRel);
    }

    async fn digest_if_due(self: &Arc<Self>, size: u64) -> Result<(), ExecuteError> {
        let last = size.saturating_sub(1);
        let crossed = last / DIGEST_EVERY != size / DIGEST_EVERY;
        if !crossed {
            return Ok(());
        }
        self.commit_digest().await.map(drop)
    }

    /// Records the digest of the state as it is, and returns that state: the fold of all events before the digest's.
    pub(crate) async fn digest_state(self: &Arc<Self>) -> Result<State, ExecuteError> {
        let _turn = self.turn.lock().await;
        self.commit_digest().await
    }

    async fn commit_digest(self: &Arc<Self>) -> Result<State, ExecuteError> {
        let state = self.read(State::clone);
        let sha256 = state.digest().map_err(|e| ExecuteError::Internal(e.to_string()))?;
        let event = Event::StateDigest(domain::infrastructure::StateDigest { size: state.size, sha256 });
        let system = self.system.clone();
        self.commit(&system, vec![event], None, Self::now_ms()).await?;
        Ok(state)
    }
}
