//! Requests of people: taking one in, finding what is held, and closing it. How one is carried out that asks to be
//! forgotten is in [`erasure`].
//!
//! What somebody gave to be found by never comes into the ledger. It is looked up in the blind indexes where it is theirs
//! ([`identifiers`]), and the references found stand for the person from then on.

mod erasure;
mod found;
mod identifiers;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use domain::keys::requests::{
    DUE_MS, ExecuteRequest, Intake, Request, RequestAssessed, RequestClosed, RequestIdentityChecked, RequestKind,
    RequestReceived, SearchRequest,
};
use domain::{Command, Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault::SubjectRef;

pub use found::{HeldElsewhere, HeldInference};
use identifiers::KnownBy;
pub(crate) use identifiers::ProfileIndex;

use crate::profiles::unavailable;
use crate::{Engine, ExecuteError, Principal, identity};

/// The vault's class for what people wrote when they asked.
const CLASS: &str = "personal";

/// The vault's scope for people who nothing was known of when they asked, by their request.
const SCOPE: &str = "request";

/// What sealed texts are about, for the vault.
const TOPIC: &str = "request";

/// The most keys that an event names, so that it fits into an entry; the count beside them is of all.
const MOST_KEYS: usize = 256;

/// The most identifiers of a request.
const MAX_IDENTIFIERS: usize = 32;

/// The longest identifier, in bytes, as the vault takes it.
const IDENTIFIER_BYTES: usize = 1024;

/// The longest address for the answer, in bytes.
const CONTACT_BYTES: usize = 4096;

/// A request as it comes in.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// What is asked for.
    pub kind: RequestKind,
    /// How it came in.
    pub channel: Intake,
    /// When, in milliseconds since the epoch; now when nothing is said.
    pub received_at: Option<i64>,
    /// Until when it must be answered; in thirty days when nothing is said.
    pub due_at: Option<i64>,
    /// By what the person may be known: addresses and numbers; names of their accounts, as `[PLACE] VALUE` with the service
    /// or scope where they have that name, or `any`.
    pub identifiers: Vec<String>,
    /// Where to answer.
    pub contact: String,
}

/// What a person wrote when they asked, sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestText {
    /// By what the person may be known.
    pub identifiers: Vec<String>,
    /// Where to answer.
    pub contact: String,
}

/// What is held now of whom a request is of, or why that cannot be said.
pub(crate) type HeldNow = Result<SearchRequest, Refusal>;

impl Engine {
    /// Takes a request in; returns its identifier and how many references the identifiers led to.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal when it makes no sense.
    pub async fn receive_request(
        self: &Arc<Self>,
        who: &Principal,
        new: NewRequest,
    ) -> Result<(String, usize), ExecuteError> {
        let request = identity::identifier("q_");
        self.authorize(who, "request.receive", &format!("request/{request}"))?;
        let NewRequest { kind, channel, received_at, due_at, identifiers, contact } = new;
        let identifiers: Vec<String> = identifiers.iter().map(|one| one.trim().to_owned()).collect();
        let placed = identifiers::read(&identifiers)?;
        if contact.len() > CONTACT_BYTES {
            let message = format!("where to answer has at most {CONTACT_BYTES} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        let known_by = self.known_by(&placed).await?;
        let placed = self.blocking(move |engine| engine.is_placed(&placed, &known_by).map(|()| known_by));
        let KnownBy { subjects: known, actor, .. } = placed.await??;
        let found = known.len();
        let text = serde_json::to_vec(&RequestText { identifiers, contact });
        let text = text.map_err(|e| ExecuteError::Internal(e.to_string()))?;
        let (subjects, sealed_sha256) = self.keep_request_text(request.clone(), known, text).await?;
        let received_at = received_at.unwrap_or_else(Self::now_ms);
        let received = RequestReceived {
            request: request.clone(),
            kind,
            subjects,
            actor,
            channel,
            received_at,
            due_at: due_at.unwrap_or_else(|| received_at.saturating_add(DUE_MS)),
            sealed_sha256: sealed_sha256.clone(),
        };
        let done = self.execute(who, Command::ReceiveRequest(received)).await;
        if done.is_err() {
            // What no event names is not kept.
            self.drop_note(sealed_sha256).await;
        }
        done.map(|_| (request, found))
    }

    /// Says who asks.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn check_request_identity(
        self: &Arc<Self>,
        who: &Principal,
        checked: RequestIdentityChecked,
    ) -> Result<(), ExecuteError> {
        self.execute(who, Command::CheckRequestIdentity(checked)).await.map(drop)
    }

    /// Whether somebody may hand out what is held of whoever asks. Who confirmed who that is may not: one person alone could
    /// get at what is held of anybody.
    ///
    /// # Errors
    /// A refusal when they may not, or there is no such request.
    pub fn may_hand_out(&self, who: &Principal, request: &str) -> Result<(), Refusal> {
        let confirmed_by = self.request(request)?.confirmed_by;
        let own = self.read(|state| confirmed_by.iter().any(|by| state.is_one_person(by, &who.actor)));
        if !own {
            return Ok(());
        }
        let message = format!(
            "`{}` confirmed who asks in request `{request}`, and does not hand out what is held: let another privacy officer \
             do that",
            who.actor
        );
        let policies = vec!["confirm-not-hand-out".to_owned()];
        let refused = Err(Refusal { policies, ..Refusal::new(RefusalCode::Forbidden, message) });
        self.note_decision(who, "request.read", &format!("request/{request}"), &refused, |_| false);
        refused.map(drop)
    }

    /// Decides whether what data sets hold of whoever asks may go to where whoever hands it out says, as a read of those
    /// versions is decided, and puts on record what is refused or crosses into another jurisdiction.
    ///
    /// # Errors
    /// A refusal that names the rule, or that there is no such request; or that something cannot be read or put on record.
    pub async fn may_go_out(self: &Arc<Self>, who: &Principal, request: &str) -> Result<(), ExecuteError> {
        let subjects = subjects_of(&self.request(request)?);
        let held = self.blocking(move |engine| {
            let mut held = BTreeSet::new();
            for subject in &subjects {
                held.extend(engine.datasets_of(subject)?);
            }
            Ok::<_, ExecuteError>(held)
        });
        for (dataset, version) in held.await?? {
            self.may_leave(who, &dataset, &version).await?;
        }
        Ok(())
    }

    /// Looks for everything that is held of whoever asks, records that are not sealed yet included, and notes what was
    /// found.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn search_request(self: &Arc<Self>, who: &Principal, request: &str) -> Result<(), ExecuteError> {
        self.authorize(who, "request.read", &format!("request/{request}"))?;
        self.look_again(request).await
    }

    async fn look_again(self: &Arc<Self>, request: &str) -> Result<(), ExecuteError> {
        let search = self.look_for_now(request).await?;
        self.execute(self.system(), Command::SearchRequest(search)).await.map(drop)
    }

    /// What is held now; a refusal when the identifiers lead to more people than when the request was received.
    async fn look_for_now(self: &Arc<Self>, request: &str) -> Result<SearchRequest, ExecuteError> {
        let known = self.request(request)?;
        if let Some(text) = self.request_text(request).await? {
            let found = self.known_by(&identifiers::read(&text.identifiers)?).await?.subjects;
            if !found.is_subset(&subjects_of(&known)) {
                let message = format!(
                    "request `{request}`: its identifiers lead to more than when it was received: close it as withdrawn, and \
                     receive it anew"
                );
                return Err(Refusal::new(RefusalCode::Conflict, message).into());
            }
        }
        self.seal_now().await?;
        let name = request.to_owned();
        self.blocking(move |engine| engine.look_for(&name, &known)).await?
    }

    /// What is held now of whom an erasure is about, when one is asked for or to begin: what came since the search counts
    /// too. Looked for before the command has its turn, since looking seals what is not sealed yet, which is a command. Nothing
    /// is looked up for who may not ask, nor of a request that nobody confirmed.
    ///
    /// Sealing executes commands, and each command comes by here: so the future's type is erased.
    pub(crate) fn held_before<'a>(
        self: &'a Arc<Self>,
        who: &'a Principal,
        command: &'a Command,
    ) -> Pin<Box<dyn Future<Output = Result<Option<HeldNow>, ExecuteError>> + Send + 'a>> {
        let Some(body) = erasure_in(command) else { return Box::pin(std::future::ready(Ok(None))) };
        Box::pin(async move {
            let ready = self.read(|state| {
                let known = state.requests.get(&body.request);
                known.is_some_and(|known| {
                    known.is_confirmed()
                        && known.searched.is_some()
                        && known.started_at.is_none()
                        && known.closed.is_none()
                })
            });
            if !ready || self.policies().decide(who, command.name(), &command.resource()).is_err() {
                return Ok(None);
            }
            match self.look_for_now(&body.request).await {
                Ok(found) => Ok(Some(Ok(found))),
                Err(ExecuteError::Refused(refusal)) => Ok(Some(Err(refusal))),
                Err(error) => Err(error),
            }
        })
    }

    /// Says what an erasure means for a model version.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn assess_request(
        self: &Arc<Self>,
        who: &Principal,
        assessed: RequestAssessed,
    ) -> Result<(), ExecuteError> {
        self.execute(who, Command::AssessRequest(assessed)).await.map(drop)
    }

    /// The command that carries an erasure out, for whoever asks for its approval.
    ///
    /// # Errors
    /// A refusal when there is no such request.
    pub fn erasure_of(&self, request: &str) -> Result<Command, Refusal> {
        let actor = self.request(request)?.received.actor;
        Ok(Command::ExecuteRequest(ExecuteRequest { request: request.to_owned(), actor }))
    }

    /// Begins an erasure that was approved, and does as much of it as can be done now; the rest follows by itself.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn execute_request(self: &Arc<Self>, who: &Principal, request: &str) -> Result<(), ExecuteError> {
        let command = self.erasure_of(request)?;
        self.execute(who, command).await?;
        if let Err(error) = self.carry_out_erasures().await {
            tracing::warn!(request, %error, "an erasure has begun and is not completed yet; it goes on by itself");
        }
        Ok(())
    }

    /// Closes a request.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn close_request(self: &Arc<Self>, who: &Principal, closed: RequestClosed) -> Result<(), ExecuteError> {
        self.execute(who, Command::CloseRequest(closed)).await.map(drop)
    }

    /// A request by its identifier.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub fn request(&self, request: &str) -> Result<Request, Refusal> {
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no request `{request}`"));
        self.read(|state| state.requests.get(request).cloned()).ok_or_else(missing)
    }

    /// What whoever asked wrote; `None` when they were forgotten. Who may see it is for the caller to ask.
    ///
    /// # Errors
    /// When it cannot be read, or was altered.
    pub async fn request_text(self: &Arc<Self>, request: &str) -> Result<Option<RequestText>, ExecuteError> {
        let received = self.request(request)?.received;
        let Some(about) = received.subjects.first().and_then(|subject| SubjectRef::from_hex(subject)) else {
            return Ok(None);
        };
        let sha256 = received.sealed_sha256;
        let opened = self.blocking(move |engine| {
            let Some(sealed) = engine.sealed_note(TOPIC, &sha256)? else { return Ok(None) };
            match engine.vault().open_note(CLASS, &about, TOPIC, &sealed) {
                Ok(text) => Ok(Some(text.to_vec())),
                Err(error) if error.is_destroyed() => Ok(None),
                Err(error) => Err(unavailable(&error)),
            }
        });
        let Some(text) = opened.await?? else { return Ok(None) };
        let text = serde_json::from_slice(&text);
        text.map(Some).map_err(|e| ExecuteError::Internal(format!("the text of `{request}` cannot be read: {e}")))
    }

    /// Seals what was written under the first of the person's references, a new one when there is none, and keeps it.
    async fn keep_request_text(
        self: &Arc<Self>,
        request: String,
        known: BTreeSet<SubjectRef>,
        text: Vec<u8>,
    ) -> Result<(Vec<String>, String), ExecuteError> {
        let kept = self.blocking(move |engine| {
            let (vault, mut known) = (engine.vault(), known);
            if known.is_empty() {
                known.insert(vault.subject(SCOPE, &request, now()).map_err(|e| unavailable(&e))?);
            }
            // In the order of their hexadecimal form, which is the order of the bytes.
            let subjects: Vec<String> = known.iter().map(SubjectRef::to_string).collect();
            let first = known.first().expect("one at least");
            let sealed = vault.seal_note(CLASS, first, TOPIC, &text, now()).map_err(|e| unavailable(&e))?;
            let sha256 = merkle::hex(&Sha256::digest(&sealed));
            let kept = store::objects::put(&engine.notes_dir(), &sha256, &sealed);
            kept.map(|()| (subjects, sha256))
                .map_err(|e| ExecuteError::Unavailable(format!("what was asked was not kept: {e}")))
        });
        kept.await?
    }

    /// Everything that is held for a request. Blocks.
    fn look_for(&self, name: &str, request: &Request) -> Result<SearchRequest, ExecuteError> {
        let subjects = subjects_of(request);
        let (mut counts, mut concerns, mut keys) =
            (std::collections::BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut inferences = 0;
        self.for_each_held(&subjects, |row, core| {
            inferences += 1;
            concerns.insert(format!("class/{}", row.classification));
            concerns.extend(core.and_then(|core| core.service.as_ref()).map(|service| format!("service/{service}")));
            Ok(())
        })?;
        counts.insert("inferences".to_owned(), inferences);
        let (mut tokens, mut datasets) = (0, BTreeSet::new());
        for subject in &subjects {
            let theirs = self.tokens_of(subject)?;
            tokens += theirs.len() as u64;
            let scopes: BTreeSet<String> = theirs.into_iter().map(|token| token.scope).collect();
            self.read(|state| {
                let known = scopes.iter().filter_map(|scope| state.token_scopes.get(scope));
                concerns.extend(known.map(|known| format!("class/{}", known.spec.class)));
            });
            datasets.extend(self.datasets_of(subject)?);
            let held = self.vault().keys_of(subject).map_err(|e| unavailable(&e))?;
            keys.extend(held.iter().map(ToString::to_string));
        }
        concerns.extend(datasets.iter().map(|(dataset, _)| format!("dataset/{dataset}")));
        self.read(|state| {
            let known = datasets.iter().filter_map(|(dataset, version)| state.dataset_version(dataset, version));
            concerns.extend(known.map(|version| format!("class/{}", version.stored.class)));
        });
        counts.insert("tokens".to_owned(), tokens);
        counts.insert("datasets".to_owned(), datasets.len() as u64);
        counts.insert("keys".to_owned(), keys.len() as u64);
        if let Some(actor) = &request.received.actor {
            let profile = self.read(|state| state.profiles.contains_key(actor));
            counts.insert("profile".to_owned(), u64::from(profile));
            counts.insert("accesses".to_owned(), self.count_accesses(actor)?);
        }
        let keys = keys.into_iter().take(MOST_KEYS).collect();
        let learned = self.learned_from(&datasets)?;
        Ok(SearchRequest { request: name.to_owned(), counts, concerns, keys, learned })
    }
}

/// The erasure that a command begins, or asks the approval of.
fn erasure_in(command: &Command) -> Option<&ExecuteRequest> {
    match command {
        Command::ExecuteRequest(body) => Some(body),
        Command::RequestApproval(body) => erasure_in(&body.command),
        _ => None,
    }
}

/// The references of a request.
fn subjects_of(request: &Request) -> BTreeSet<SubjectRef> {
    request.received.subjects.iter().filter_map(|subject| SubjectRef::from_hex(subject)).collect()
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}
