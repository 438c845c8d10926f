//! Requests of people: taking one in, finding what is held, and closing it. How one is carried out that asks to be
//! forgotten is in [`erasure`].
//!
//! What somebody gave to be found by never comes into the ledger. It is looked up in every blind index that there is, and
//! the references found stand for the person from then on.

mod erasure;
mod found;

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::keys::requests::{
    DUE_MS, ExecuteRequest, Intake, Request, RequestAssessed, RequestClosed, RequestIdentityChecked, RequestKind,
    RequestReceived, SearchRequest, may_have_learned,
};
use domain::people::IdentitySource;
use domain::{Command, Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault::{KeyKind, SubjectRef};

pub use found::{HeldElsewhere, HeldInference};

use crate::directory::alike;
use crate::profiles::{CLASS as PEOPLE, NAMES, unavailable};
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
    /// By what the person may be known: names of their accounts, addresses, numbers.
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

/// The actors whose sealed profile has something that was given.
#[derive(Default)]
struct Profiled {
    /// By what is one person's alone: an address, a number, a user name.
    addressed: BTreeSet<String>,
    /// By their name.
    named: BTreeSet<String>,
}

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
        let fits = |one: &String| (1..=IDENTIFIER_BYTES).contains(&one.len());
        if !(1..=MAX_IDENTIFIERS).contains(&identifiers.len()) || !identifiers.iter().all(fits) {
            let message = format!("give 1 to {MAX_IDENTIFIERS} identifiers of 1 to {IDENTIFIER_BYTES} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        if contact.len() > CONTACT_BYTES {
            let message = format!("where to answer has at most {CONTACT_BYTES} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        let (known, actor) = self.known_by(&identifiers).await?;
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
            let (found, _) = self.known_by(&text.identifiers).await?;
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

    /// Refuses an erasure when what came since the search would have to be assessed first. Nothing is written: it would
    /// be another thing than what was approved.
    async fn nothing_came_since(self: &Arc<Self>, request: &str) -> Result<(), ExecuteError> {
        let found = self.look_for_now(request).await?;
        let known = self.request(request)?;
        let models = self.read(|state| may_have_learned(state, known.received.kind, &found.counts));
        let assessed = known.searched.map(|searched| searched.models).unwrap_or_default();
        match models.iter().find(|model| !assessed.contains(*model)) {
            Some(model) => {
                let message = format!(
                    "request `{request}`: model version `{model}` may have learned from data of theirs that came since the \
                     search: search again, assess it, and ask for the approval anew"
                );
                Err(Refusal::new(RefusalCode::Conflict, message).into())
            }
            None => Ok(()),
        }
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
        // What came since the search counts too: holds on it, and models that may have learned from it.
        if self.authorize(who, "request.execute", &format!("request/{request}")).is_ok() {
            self.nothing_came_since(request).await?;
        }
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

    /// The references that identifiers lead to, and the actor who the person is, if they act here.
    async fn known_by(
        self: &Arc<Self>,
        identifiers: &[String],
    ) -> Result<(BTreeSet<SubjectRef>, Option<String>), ExecuteError> {
        let mut known = BTreeSet::new();
        let mut actors = BTreeSet::new();
        for identifier in identifiers {
            if self.read(|state| state.actors.contains_key(identifier)) {
                actors.insert(identifier.clone());
            }
            for form in crate::directory::forms_of(identifier).chain([identifier.clone()]) {
                for source in [IdentitySource::Oidc, IdentitySource::Scim, IdentitySource::Hand] {
                    let Some(reference) = self.known_name_reference(source, &form).await? else { continue };
                    actors.extend(self.read(|state| state.identities.get(&reference).map(|one| one.actor.clone())));
                    known.extend(SubjectRef::from_hex(&reference));
                }
            }
        }
        let given = identifiers.to_vec();
        let profiled = self.blocking(move |engine| engine.profiled_as(&given)).await??;
        actors.extend(profiled.addressed);
        if actors.is_empty() {
            // Two may have one name, so it counts when nothing else says who it is.
            actors = profiled.named;
        }
        if actors.len() > 1 {
            let several = actors.into_iter().collect::<Vec<_>>().join("`, `");
            let message = format!(
                "what was given leads to several who act here, `{several}`: give what is one person's alone, or the pseudonym \
                 instead of a name, and receive a request for each"
            );
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        let actor = actors.pop_first();
        let (identifiers, person) = (identifiers.to_vec(), actor.clone());
        let looked_up = self.blocking(move |engine| engine.look_up(&identifiers, person.as_deref()));
        known.extend(looked_up.await?.map_err(|e| unavailable(&e))?);
        let theirs = known.iter().map(SubjectRef::to_string).collect::<BTreeSet<_>>();
        // What they wrote when they asked before goes with the rest. Not what somebody gave whom nobody confirmed: that may be
        // another person's.
        let before = self.read(|state| {
            let open = state.requests.values().filter(|request| request.is_confirmed() && !request.is_erased());
            let same = open.filter(|request| request.received.subjects.iter().any(|one| theirs.contains(one)));
            same.flat_map(|request| request.received.subjects.clone()).collect::<Vec<_>>()
        });
        known.extend(before.iter().filter_map(|subject| SubjectRef::from_hex(subject)));
        Ok((known, actor))
    }

    /// The actors whose sealed profile has one of these. They are few, and one profile at a time is in memory. One that
    /// cannot be read ends it: nobody can say that it is not theirs. Blocks.
    fn profiled_as(&self, identifiers: &[String]) -> Result<Profiled, ExecuteError> {
        let given = identifiers.iter().map(|one| alike(one)).collect::<BTreeSet<_>>();
        let mut found = Profiled::default();
        for actor in self.read(|state| state.profiles.keys().cloned().collect::<Vec<_>>()) {
            let Some(profile) = self.read_profile(&actor)? else { continue };
            let listed =
                ["emails", "phoneNumbers"].into_iter().filter_map(|member| profile.extra.get(member)?.as_array());
            let listed = listed.flatten().filter_map(|one| one.get("value")?.as_str());
            let mut addresses = listed.chain(profile.email.as_deref()).chain(profile.user_name.as_deref());
            if addresses.any(|one| given.contains(&alike(one))) {
                found.addressed.insert(actor);
            } else if profile.name.as_deref().is_some_and(|name| given.contains(&alike(name))) {
                found.named.insert(actor);
            }
        }
        Ok(found)
    }

    /// The references of identifiers in every blind index that there is. Blocks.
    fn look_up(&self, identifiers: &[String], actor: Option<&str>) -> Result<BTreeSet<SubjectRef>, vault::VaultError> {
        let (vault, now) = (self.vault(), now());
        let mut known = BTreeSet::new();
        let keys = vault.inventory()?;
        // Names of people who act here are looked up by their source before; an index of tokens or of content leads to nobody,
        // and a scope of tokens is nobody: to erase it would end the tokens of everybody.
        let leads = |id: &str| ![NAMES, PEOPLE, vault::tokens::SCOPES].contains(&id) && !id.contains('/');
        let scopes = keys.iter().filter(|key| key.kind == KeyKind::Index && leads(&key.id));
        for scope in scopes {
            for identifier in identifiers {
                known.extend(vault.known_subject(&scope.id, identifier, now)?);
            }
        }
        if let Some(actor) = actor {
            known.extend(vault.known_subject(PEOPLE, actor, now)?);
            let names = self.read(|state| {
                let theirs = state.identities.iter().filter(|(_, known)| known.actor == actor);
                theirs.filter_map(|(subject, _)| SubjectRef::from_hex(subject)).collect::<Vec<_>>()
            });
            known.extend(names);
        }
        Ok(known)
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
        Ok(SearchRequest { request: name.to_owned(), counts, concerns, keys })
    }
}

/// The references of a request.
fn subjects_of(request: &Request) -> BTreeSet<SubjectRef> {
    request.received.subjects.iter().filter_map(|subject| SubjectRef::from_hex(subject)).collect()
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}
