//! One command, from asking to durable fact.
//!
//! Commands take turns, so each is decided on the newest state and nothing needs to be decided twice. The turn is held
//! until the events are durable and folded; a caller that goes away in between changes nothing, because the work runs
//! in a task of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::infrastructure::{CommandRefused, StateDigest};
use domain::keys::retention::ClockLeap;
use domain::people::{RoleDefined, roles};
use domain::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide};
use ledger::log::AppendError;

use crate::authorize::{ACTIONS, Policies};
use crate::requests::HeldNow;
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
    /// A witness remembers another history of the ledger, so nothing is written any more.
    #[error("{0}")]
    RolledBack(String),
    /// Something that should not happen.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Engine {
    /// Carries out a command for `who`.
    ///
    /// # Errors
    /// [`ExecuteError::Refused`] when policies or rules refuse it, [`ExecuteError::Unavailable`] when the ledger's
    /// disk is full, [`ExecuteError::RolledBack`] when a witness remembers another history of the ledger.
    pub async fn execute(self: &Arc<Self>, who: &Principal, ask: impl Into<Ask>) -> Result<Done, ExecuteError> {
        let (engine, who, ask) = (Arc::clone(self), who.clone(), ask.into());
        let work = tokio::spawn(async move {
            let held = engine.held_before(&who, &ask.command).await?;
            let _turn = engine.turn.lock().await;
            engine.execute_in_turn(&who, ask, held).await
        });
        work.await.map_err(|e| ExecuteError::Internal(e.to_string()))?
    }

    async fn execute_in_turn(
        self: &Arc<Self>,
        who: &Principal,
        ask: Ask,
        held: Option<HeldNow>,
    ) -> Result<Done, ExecuteError> {
        match self.settle(who, &ask, held).await {
            Ok(Settled::Before(done)) => Ok(done),
            Ok(Settled::Events(events, _)) if events.is_empty() => {
                let size = self.read(|state| state.size);
                Ok(Done { first_seq: size, events: vec![], size, replayed: false })
            }
            Ok(Settled::Events(events, now)) => {
                let done = self.commit(who, events, ask.idempotency, now).await?;
                // What was asked is done and durable; a digest that cannot be written now is written another time.
                if let Err(error) = self.digest_if_due(&done).await {
                    tracing::warn!(%error, "the digest of the state was not recorded");
                }
                Ok(done)
            }
            Err(refusal) => {
                let refused = CommandRefused {
                    command: ask.command.name().to_owned(),
                    resource: nameable(ask.command.resource()),
                    code: refusal.code,
                    policies: refusal.policies.clone(),
                };
                self.commit(who, vec![Event::CommandRefused(refused)], None, Self::now_ms()).await?;
                Err(ExecuteError::Refused(refusal))
            }
        }
    }

    /// Records that something was refused before it could become a command, such as a request that is too large.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the ledger cannot be written.
    pub async fn note_refusal(
        self: &Arc<Self>,
        who: &Principal,
        command: &'static str,
        resource: &str,
        code: RefusalCode,
    ) -> Result<(), ExecuteError> {
        let (command, resource) = (command.to_owned(), nameable(resource.to_owned()));
        let refused = Event::CommandRefused(CommandRefused { command, resource, code, policies: vec![] });
        let (engine, who) = (Arc::clone(self), who.clone());
        let work = tokio::spawn(async move {
            let _turn = engine.turn.lock().await;
            engine.commit(&who, vec![refused], None, Self::now_ms()).await.map(drop)
        });
        work.await.map_err(|e| ExecuteError::Internal(e.to_string()))?
    }

    /// Records that something was refused before it became a command, because whoever asked did not prove who they are.
    /// Returns the refusal, or why it was not recorded.
    pub(crate) async fn record_refusal(
        self: &Arc<Self>,
        who: &Principal,
        command: &'static str,
        resource: String,
        refusal: Refusal,
    ) -> ExecuteError {
        let (code, policies) = (refusal.code, refusal.policies.clone());
        let refused = CommandRefused { command: command.to_owned(), resource: nameable(resource), code, policies };
        let (engine, who) = (Arc::clone(self), who.clone());
        let work = tokio::spawn(async move {
            let _turn = engine.turn.lock().await;
            engine.commit(&who, vec![Event::CommandRefused(refused)], None, Self::now_ms()).await
        });
        match work.await {
            Ok(Ok(_)) => refusal.into(),
            Ok(Err(error)) => error,
            Err(error) => ExecuteError::Internal(error.to_string()),
        }
    }

    /// Permission, then whether it was done before, then facts, then expectation and the rules.
    async fn settle(self: &Arc<Self>, who: &Principal, ask: &Ask, held: Option<HeldNow>) -> Result<Settled, Refusal> {
        self.authorize(who, ask.command.name(), &self.resource_of(&ask.command))?;
        for further in ask.command.further_resources() {
            self.authorize(who, ask.command.name(), &further)?;
        }
        self.may_move(who, &ask.command)?;
        self.may_refer(who, &ask.command)?;
        if let Some(done) = self.done_before(who, ask)? {
            return Ok(Settled::Before(done));
        }
        self.feasible(&ask.command)?;
        self.has_bytes(&ask.command).await?;
        self.not_held_for_somebody(&ask.command).await?;
        let given = Given { held, ..self.gather(who, &ask.command).await };
        let events = self.read(|state| {
            if let Some((stream, seen)) = &ask.expect {
                let version = state.version(stream);
                if version != *seen {
                    let message =
                        format!("`{stream}` is at version {version}, not {seen}: read it again and decide anew");
                    return Err(Refusal::new(RefusalCode::Conflict, message));
                }
            }
            decide(state, &given, &ask.command)
        })?;
        Ok(Settled::Events(events, given.now))
    }

    /// What a command would change. A key is withdrawn by whoever has a right to its holder.
    fn resource_of(&self, command: &Command) -> String {
        let holder = |key: &str| self.read(|state| state.keys.get(key).map(|key| key.created.scope.holder()));
        match command {
            Command::RevokeKey(body) => holder(&body.key).unwrap_or_else(|| command.resource()),
            other => other.resource(),
        }
    }

    /// What the pure core cannot know: whether policies are Cedar, and where providers may be. What cannot be done is not
    /// approved either.
    fn feasible(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::InstallPolicies(body) => self.usable(&body.text),
            Command::DeclareProvider(body) => self
                .outbound()
                .allows(&body.spec)
                .map_err(|why| Refusal::new(RefusalCode::Invalid, format!("provider `{}`: {why}", body.provider))),
            Command::DefineRole(body) => self.permits(body),
            Command::RequestApproval(body) => self.feasible(&body.command),
            _ => Ok(()),
        }
    }

    /// Whether a role of an organisation's own permits what there is, and what is not Counterfoil's alone.
    fn permits(&self, role: &RoleDefined) -> Result<(), Refusal> {
        let invalid = |why: String| Refusal::new(RefusalCode::Invalid, why);
        for action in &role.actions {
            let known = Command::NAMES.contains(&action.as_str()) || ACTIONS.contains(&action.as_str());
            if !known || SYSTEM_ALONE.contains(&action.as_str()) {
                return Err(invalid(format!("`{action}` is no action that a person's role can permit")));
            }
        }
        let own = std::collections::BTreeMap::from([(role.role.clone(), role.clone())]);
        let text = self.read(|state| state.policies.as_ref().map(|known| known.text.clone())).unwrap_or_default();
        Policies::with_roles(&text, &own).map(drop).map_err(|e| invalid(e.to_string()))
    }

    /// Whether policies can be read and leave Counterfoil itself what it needs to keep its books.
    fn usable(&self, text: &str) -> Result<(), Refusal> {
        let own = self.read(|state| state.custom_roles.clone());
        let policies =
            Policies::with_roles(text, &own).map_err(|e| Refusal::new(RefusalCode::Invalid, e.to_string()))?;
        for (action, resource) in BOOKKEEPING {
            if policies.decide(&self.system, action, resource).is_err() {
                let message = format!(
                    "under these policies Counterfoil itself could not do `{action}`: permit it to the role `system`"
                );
                return Err(Refusal::new(RefusalCode::Invalid, message));
            }
        }
        let may_change = |role: &str| {
            let roles = vec![(role.to_owned(), roles::ORG.to_owned())];
            let holder = Principal { actor: "a_holder".to_owned(), roles, ..Principal::default() };
            policies.decide(&holder, "policies.install", "policies").is_ok()
        };
        if !roles::ROLES.iter().any(|role| may_change(role.name)) {
            let message = "under these policies nobody could ever change them: permit `policies.install` to a role";
            return Err(Refusal::new(RefusalCode::Invalid, message));
        }
        Ok(())
    }

    /// What an earlier asking with the same key did. The key must have been this actor's, for the same thing.
    fn done_before(&self, who: &Principal, ask: &Ask) -> Result<Option<Done>, Refusal> {
        let found = ask.idempotency.and_then(|id| self.read(|state| state.recent.get(&id.to_string()).copied()));
        let Some(first_seq) = found else { return Ok(None) };
        let entry = self.log.entry(first_seq).ok().and_then(|bytes| Entry::decode(&bytes).ok());
        let same = entry.is_some_and(|entry| entry.actor == who.actor && entry.stream == ask.command.stream());
        if !same {
            let message = "this idempotency key was used for something else: make a new one for each command";
            return Err(Refusal::new(RefusalCode::Conflict, message));
        }
        Ok(Some(Done { first_seq, events: vec![], size: self.read(|state| state.size), replayed: true }))
    }

    async fn gather(self: &Arc<Self>, who: &Principal, command: &Command) -> Given {
        let model = match command {
            Command::RegisterModel(body) => {
                let (engine, sha256) = (Arc::clone(self), body.artifact_sha256.clone());
                let inspected = tokio::task::spawn_blocking(move || engine.inspect_artifact(&sha256)).await;
                inspected.unwrap_or_else(|e| Some(Err(format!("its check ended early: {e}"))))
            }
            _ => None,
        };
        let enclosed = match command {
            Command::RegisterModel(body) => {
                let sha256 = body.artifact_sha256.clone();
                self.blocking(move |engine| engine.enclosure(&sha256)).await.ok().flatten()
            }
            _ => None,
        };
        let object = match command {
            Command::StoreVersion(body) => self.transfers.written(&body.object),
            Command::RewriteVersion(body) => self.transfers.written(&body.object),
            _ => None,
        };
        let checked = match command {
            Command::CheckVersion(body) => self.transfers.found(&body.check),
            _ => None,
        };
        let content = match command {
            Command::StoreVersion(body) => self.transfers.content(&body.object),
            _ => None,
        };
        if let Command::RequestApproval(body) = command {
            self.keep_asked(&body.command).await;
        }
        let lineage = match command {
            Command::ReportLineage(_) => self.lineage.waiting(),
            _ => Default::default(),
        };
        let other_history = match command {
            Command::AcceptRollback(_) => self.other_history(),
            _ => None,
        };
        let clock_leap = match command {
            Command::BeginDisposal(_) | Command::ConfirmClock(_) => {
                let looked = self.blocking(|engine| engine.clock_leap()).await.and_then(|leap| leap);
                // What cannot be read is not believed.
                looked.unwrap_or(Some(ClockLeap { from: 0, to: Self::now_ms() }))
            }
            _ => None,
        };
        let authenticated_at = who.session.as_ref().map(|visit| visit.authenticated_at);
        let (by, fresh) = (who.actor.clone(), uuid::Uuid::now_v7().simple().to_string());
        Given {
            now: Self::now_ms(),
            by,
            authenticated_at,
            fresh,
            model,
            enclosed,
            object,
            content,
            checked,
            lineage,
            other_history,
            clock_leap,
            held: None,
        }
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
        result.map_err(|error| match error {
            AppendError::OtherHistory(why) => ExecuteError::RolledBack(why),
            error => ExecuteError::Unavailable(error.to_string()),
        })
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
            Event::PoliciesInstalled(_) | Event::RoleDefined(_) | Event::RoleRetired(_) => {
                let (text, own) = self.read(|state| {
                    let text = state.policies.as_ref().map(|known| known.text.clone());
                    (text.unwrap_or_default(), state.custom_roles.clone())
                });
                // Unreadable policies were refused before they became an event.
                if let Ok(policies) = Policies::with_roles(&text, &own) {
                    *self.policies.write().expect("no panic while the policies are locked") = Arc::new(policies);
                }
            }
            Event::KeyCreated(_)
            | Event::KeyRotated(_)
            | Event::KeyRevoked(_)
            | Event::ProviderDeclared(_)
            | Event::ProviderRetired(_)
            | Event::ModelRegistered(_)
            | Event::ServiceDeclared(_)
            | Event::ServiceRetired(_)
            | Event::DeploymentStarted(_)
            | Event::DeploymentEnded(_)
            | Event::RegionsDeclared(_)
            | Event::StoreLocated(_)
            | Event::ResidencyRuled(_)
            | Event::TransferAuthorised(_)
            | Event::TransferRevoked(_)
            // What is found in prompts and answers.
            | Event::DetectorDeclared(_)
            | Event::DetectorRetired(_)
            // What they say of a model's inputs is looked at in each request.
            | Event::ContractPublished(_)
            | Event::ContractRetired(_) => {}
            _ => return,
        }
        self.governance.fetch_add(1, Ordering::AcqRel);
    }

    async fn digest_if_due(self: &Arc<Self>, done: &Done) -> Result<(), ExecuteError> {
        let before = done.size.saturating_sub(done.events.len() as u64);
        match before / DIGEST_EVERY == done.size / DIGEST_EVERY {
            true => Ok(()),
            false => self.commit_digest().await.map(drop),
        }
    }

    /// Records the digest of the state as it is, and returns that state: the fold of all events before the digest's.
    pub(crate) async fn digest_state(self: &Arc<Self>) -> Result<State, ExecuteError> {
        let _turn = self.turn.lock().await;
        self.commit_digest().await
    }

    async fn commit_digest(self: &Arc<Self>) -> Result<State, ExecuteError> {
        // Nothing changes the state meanwhile: the turn is ours.
        let digested = self.blocking(|engine| {
            let state = engine.read(State::clone);
            state.digest().map(|sha256| (state, sha256))
        });
        let (state, sha256) = digested.await?.map_err(|e| ExecuteError::Internal(e.to_string()))?;
        let digest = StateDigest { size: state.size, sha256, fold: Some(State::FOLD) };
        let system = self.system.clone();
        match self.settle(&system, &Ask::from(Command::DigestState(digest)), None).await? {
            Settled::Events(events, now) => self.commit(&system, events, None, now).await.map(|_| state),
            Settled::Before(_) => Ok(state),
        }
    }
}

/// What Counterfoil alone does, whatever a role permits.
const SYSTEM_ALONE: [&str; 41] = [
    "accesses.progress",
    "accesses.seal",
    "archive.lock.report",
    "archive.probe.report",
    "certificate.install",
    "control.run",
    "dataset.version.rewrite",
    "dataset.version.scan",
    "encryption.custodian.report",
    "encryption.key.report",
    "encryption.root.report",
    "endpoints.probe",
    "evidence.export",
    "gateway.count",
    "gateway.count.lose",
    "key.exchange",
    "key.leak",
    "keys.use",
    "ledger.beat",
    "ledger.resume.report",
    "node.join",
    "node.recover",
    "node.stop",
    "notification.settle",
    "object.destroy",
    "objects.probe.report",
    "org.create",
    "payload.compact",
    "request.search",
    "request.step",
    "retention.begin",
    "retention.dispose",
    "retention.keep",
    "segment.progress",
    "segment.seal",
    "segments.dispose",
    "session.open",
    "signin.refused.count",
    "state.digest",
    "store.locate",
    "transfer.report",
];

/// What Counterfoil does by itself, and must be able to do under any policies.
const BOOKKEEPING: [(&str, &str); 38] = [
    ("policies.install", "policies"),
    ("node.join", "node/n1"),
    ("node.stop", "node/n1"),
    ("node.recover", "node/n1"),
    ("certificate.install", "node/n1"),
    ("ledger.beat", "ledger"),
    ("ledger.resume.report", "ledger"),
    ("state.digest", "ledger"),
    ("segment.seal", "node/n1"),
    ("segment.progress", "node/n1"),
    ("accesses.seal", "node/n1"),
    ("accesses.progress", "node/n1"),
    ("gateway.count", "node/n1"),
    ("gateway.count.lose", "node/n1"),
    ("endpoints.probe", "node/n1"),
    ("encryption.custodian.report", "encryption/root"),
    ("archive.lock.report", "ledger"),
    ("archive.probe.report", "ledger"),
    ("objects.probe.report", "ledger"),
    ("keys.use", "node/n1"),
    ("session.close", "actor/a_1"),
    ("signin.refused.count", "people"),
    ("notification.settle", "notifications"),
    ("encryption.key.report", "encryption/personal"),
    ("encryption.root.report", "encryption/root"),
    ("dataset.version.rewrite", "dataset/d"),
    ("dataset.version.scan", "dataset/d"),
    ("object.destroy", "object/0a"),
    ("group.provision", "group/gr_1"),
    ("payload.compact", "node/n1"),
    ("retention.begin", "disposal/x_1"),
    ("retention.dispose", "disposal/x_1"),
    ("retention.keep", "payloads/internal"),
    ("segments.dispose", "disposal/x_1"),
    ("request.search", "request/q_1"),
    ("request.step", "request/q_1"),
    ("store.locate", "regions"),
    ("transfer.report", "transfer/tm_1"),
];

/// What a command comes to before anything is written.
enum Settled {
    /// These events, at this time.
    Events(Vec<Event>, i64),
    /// It was done before.
    Before(Done),
}

/// A resource as it may stand in the ledger: a name that breaks the rules could be anybody's, and is left out.
fn nameable(resource: String) -> String {
    let (kind, name) = resource.split_once('/').unwrap_or((&resource, ""));
    match plain(name) {
        true => resource,
        false => format!("{kind}/invalid"),
    }
}

/// Whether it is spelled like a name or an identifier of ours.
pub(crate) fn plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    name.len() <= 64 && name.chars().all(plain)
}
