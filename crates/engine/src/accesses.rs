//! Records of accesses: what is noted of one request while it is carried out, and how that becomes records.
//!
//! A door makes an [`Attempt`] for each request and gives it to whoever asks. Every question to the policies on their
//! behalf is noted in it where it is asked, in [`Engine::authorize`], so no door can forget one. When the answer is ready,
//! [`Engine::record_access`] writes it down. What reads records, artifacts or evidence waits until that is durable, and is
//! not answered if it cannot be; other answers do not wait, so that a full disk can still be looked into.
//!
//! Strangers are counted, not recorded one by one: whoever has no key must not be able to fill a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::Refusal;
use domain::people::accesses::Decision;
use domain::people::{AccessCore, Purpose};
use ledger::records::{Payload, RecordError};

use crate::execute::plain;
use crate::{Engine, Permit, Principal};

/// Most questions to the policies that are noted of one request.
const MAX_DECISIONS: usize = 32;

/// Most kinds of denials of strangers that are told apart; doors and codes are few, so there are never so many.
const MAX_KINDS: usize = 1024;

/// Classification of the texts of queries, which are committed to and not kept.
const QUERIES: &str = "queries";

/// The field of a commitment that a query's text is in.
const QUERY_TEXT: u16 = 1;

/// Tables with what applications and people sent and got, as far as records tell.
const INFERENCE_TABLES: [&str; 2] = ["inferences", "inference_records"];

/// One request at a door. Cheap to clone; all clones are the same request.
#[derive(Clone)]
pub struct Attempt(Arc<Inner>);

struct Inner {
    door: &'static str,
    route: String,
    began_us: i64,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    who: Option<Shown>,
    purpose: Option<Purpose>,
    object_id: Option<String>,
    /// The region that what is read goes to.
    bound_for: Option<String>,
    /// How many values, when there are several alike.
    count: Option<i64>,
    question: Option<Question>,
    decisions: Vec<Decided>,
}

/// Who somebody showed to be.
#[derive(Clone)]
struct Shown {
    actor: String,
    key: Option<String>,
    session: Option<String>,
}

/// A question in SQL.
#[derive(Clone)]
struct Question {
    text: String,
    tables: Vec<String>,
    size: Option<u64>,
}

/// One answer of the policies.
#[derive(Clone)]
struct Decided {
    action: String,
    resource: String,
    permitted: bool,
    policies: Vec<String>,
    policies_sha256: Option<String>,
    grant: Option<String>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Our code for what went wrong, when something did.
    pub code: Option<&'static str>,
    /// Whether somebody was kept out.
    pub denied: bool,
}

/// Why an access could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("the access cannot be recorded: {0}")]
pub struct Unrecorded(String);

/// A request says nothing of who somebody is.
impl PartialEq for Attempt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Attempt {}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attempt({})", self.0.route)
    }
}

impl Attempt {
    /// A request that came in through `door` (`api`, `page`, …). `route` is the address with its parameters by name: what
    /// stands in their place may be anybody's.
    #[must_use]
    pub fn at(door: &'static str, route: String) -> Self {
        Self(Arc::new(Inner { door, route, began_us: Engine::now_us(), noted: Mutex::default() }))
    }

    /// Notes who it is.
    pub fn by(&self, who: &Principal) {
        let (actor, key, session) =
            (who.actor.clone(), who.key.clone(), who.session.as_ref().map(|visit| visit.session.clone()));
        self.noted().who = Some(Shown { actor, key, session });
    }

    /// Who it is, by pseudonym, as far as somebody showed it.
    #[must_use]
    pub fn actor(&self) -> Option<String> {
        self.noted().who.as_ref().map(|who| who.actor.clone())
    }

    /// Notes why.
    pub fn purpose(&self, purpose: Purpose) {
        self.noted().purpose = Some(purpose);
    }

    /// Why, when it was said.
    #[must_use]
    pub fn why(&self) -> Option<Purpose> {
        self.noted().purpose
    }

    /// Notes the region that what is read goes to, as whoever asks says.
    pub fn goes_to(&self, region: &str) {
        self.noted().bound_for = Some(region.to_owned());
    }

    /// That region, when it was said.
    #[must_use]
    pub fn bound_for(&self) -> Option<String> {
        self.noted().bound_for.clone()
    }

    /// Notes that it is about so many values alike.
    pub fn counts(&self, values: usize) {
        self.noted().count = i64::try_from(values).ok();
    }

    /// Notes which single thing is read. What is not spelled like a name or an identifier of ours is left out.
    pub fn concerns(&self, object_id: &str) {
        self.noted().object_id = plain(object_id).then(|| object_id.to_owned());
    }

    /// Notes a question in SQL, the tables that it names, and the ledger size that it is answered at.
    pub fn asks(&self, text: &str, tables: Vec<String>, size: Option<u64>) {
        self.noted().question = Some(Question { text: text.to_owned(), tables, size });
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decided(&self, decided: Decided) {
        let mut noted = self.noted();
        if noted.decisions.len() < MAX_DECISIONS {
            noted.decisions.push(decided);
        }
    }
}

/// Denials of strangers, counted until the next flush.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<BTreeMap<(&'static str, String, String), Tally>>);

#[derive(Clone, Copy)]
struct Tally {
    first_us: i64,
    last_us: i64,
    n: i64,
}

impl Strangers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String, String), Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, door: &'static str, route: &str, code: &str, at: Tally) {
        let mut kinds = self.lock();
        let mut key = (door, route.to_owned(), code.to_owned());
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&key) {
            key.1.clear();
        }
        let tally = kinds.entry(key).or_insert(Tally { n: 0, ..at });
        tally.n = tally.n.saturating_add(at.n);
        (tally.first_us, tally.last_us) = (tally.first_us.min(at.first_us), tally.last_us.max(at.last_us));
    }
}

impl Engine {
    /// Notes what the policies said to somebody who came through a door.
    pub(crate) fn note_decision(
        &self,
        who: &Principal,
        action: &str,
        resource: &str,
        decided: &Result<Permit, Refusal>,
        alone: impl Fn(&Principal) -> bool,
    ) {
        let Some(attempt) = &who.attempt else { return };
        attempt.by(who);
        let permitted = decided.is_ok();
        let policies = match decided {
            Ok(permit) => permit.policies().to_vec(),
            Err(refusal) => refusal.policies.clone(),
        };
        let grant = permitted.then(|| self.carrying_grant(who, alone)).flatten();
        let policies_sha256 = self.read(|state| state.policies.as_ref().map(|installed| installed.sha256.clone()));
        let (action, resource) = (action.to_owned(), resource.to_owned());
        attempt.decided(Decided { action, resource, permitted, policies, policies_sha256, grant });
    }

    /// The grant whose role permits something by itself, the first when there are several.
    fn carrying_grant(&self, who: &Principal, alone: impl Fn(&Principal) -> bool) -> Option<String> {
        let now = Self::now_ms();
        let only = |role: &(String, String)| Principal {
            actor: who.actor.clone(),
            roles: vec![role.clone()],
            services: who.services.clone(),
            owns: who.owns.clone(),
            stands_in: who.stands_in.clone(),
            ..Principal::default()
        };
        // With no role at all it would be permitted too: then no grant carried it.
        if alone(&Principal { roles: vec![], ..only(&Default::default()) }) {
            return None;
        }
        let (role, scope) = who.roles.iter().find(|role| alone(&only(role)))?;
        self.read(|state| {
            let fits = |grant: &&domain::people::Grant| {
                let wish = &grant.requested;
                (&wish.actor, &wish.role, &wish.scope) == (&who.actor, role, scope) && grant.holds(now)
            };
            let granted = state.grants.values().find(fits).map(|grant| grant.requested.grant.clone());
            let taken = || {
                let mut theirs = state.emergencies_of(&who.actor, now).map(|emergency| &emergency.declared);
                theirs.find(|held| (&held.role, &held.scope) == (role, scope)).map(|held| held.emergency.clone())
            };
            granted.or_else(taken).or_else(|| Some(format!("{}/{role}", who.actor)))
        })
    }

    /// Writes down how a request ended. With what reads records, artifacts or evidence, or asks in SQL, it is durable on
    /// return.
    ///
    /// # Errors
    /// [`Unrecorded`] when it must be durable and cannot be: then nothing may be answered.
    pub async fn record_access(self: &Arc<Self>, attempt: &Attempt, answered: Answered) -> Result<(), Unrecorded> {
        let (door, route, began_us) = (attempt.0.door, &attempt.0.route, attempt.0.began_us);
        let noted = std::mem::take(&mut *attempt.noted());
        let at = Tally { first_us: began_us, last_us: Self::now_us().max(began_us), n: 1 };
        let Some(who) = &noted.who else {
            if answered.denied {
                self.strangers.count(door, route, answered.code.unwrap_or("unauthenticated"), at);
            }
            return Ok(());
        };
        let blank = AccessCore {
            ts_start: at.first_us,
            ts_end: at.last_us,
            door: door.to_owned(),
            route: Some(route.clone()),
            actor: Some(who.actor.clone()),
            key: who.key.clone(),
            session: who.session.clone(),
            purpose: noted.purpose.map(|purpose| purpose.as_str().to_owned()),
            http_status: Some(i64::from(answered.status)),
            occurrences: 1,
            ..AccessCore::default()
        };
        let mut cores: Vec<AccessCore> =
            noted.decisions.iter().map(|decided| describe(&blank, decided, &noted, answered)).collect();
        if cores.is_empty() && answered.denied {
            cores.push(refused_at_the_door(&blank, answered));
        }
        if let Some(question) = &noted.question {
            self.commit_to(question, &mut cores).await?;
        }
        self.append_accesses(cores).await
    }

    async fn append_accesses(self: &Arc<Self>, cores: Vec<AccessCore>) -> Result<(), Unrecorded> {
        for mut core in cores {
            core.access_id = new_id();
            let (log, must_wait) = (Arc::clone(&self.accesses), must_be_durable(&core));
            let mut append = Box::pin(async move { log.append(core, Payload::default()).await });
            if must_wait {
                append.await.map_err(|error| unrecorded(&error))?;
                continue;
            }
            // Polled once it is handed in, in the order of requests; how that went is only of interest to our own log.
            let polled = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Ready(handed_in) => drop(handed_in.map_err(|error| unrecorded(&error))),
                Poll::Pending => drop(tokio::spawn(async move { append.await.map_err(|error| unrecorded(&error)) })),
            }
        }
        Ok(())
    }

    /// Commits each of `cores` to the text of a question. The salt dies with the key of the day or of whoever asked, so that
    /// afterwards nobody can confirm a guess of what was asked.
    async fn commit_to(self: &Arc<Self>, question: &Question, cores: &mut [AccessCore]) -> Result<(), Unrecorded> {
        let tables = Some(question.tables.join(",")).filter(|tables| !tables.is_empty());
        let size = question.size.and_then(|size| i64::try_from(size).ok());
        for core in cores {
            core.tables.clone_from(&tables);
            core.at_size = size;
            let (actor, text) = (core.actor.clone().unwrap_or_default(), question.text.clone());
            let sealed = self.blocking(move |engine| engine.seal_query(&actor, &text)).await;
            let sealed = sealed.map_err(|error| Unrecorded(error.to_string()))?;
            let sealed = sealed.map_err(|error| Unrecorded(error.to_string()))?;
            (core.r, core.c_root) = (Some(sealed.r.to_vec()), Some(sealed.c_root.to_vec()));
        }
        Ok(())
    }

    fn seal_query(&self, actor: &str, text: &str) -> Result<vault::Sealed, vault::VaultError> {
        let now = u64::try_from(Self::now_ms()).unwrap_or(0);
        let day = day(Self::now_ms());
        let subject = self.vault.subject(QUERIES, actor, now)?;
        self.vault.seal(QUERIES, &day, &subject, &[(QUERY_TEXT, text.as_bytes())], now)
    }

    /// Writes down what was counted of strangers since the last time: one record for each kind of denial.
    pub(crate) async fn flush_strangers(self: &Arc<Self>) {
        let counted = std::mem::take(&mut *self.strangers.lock());
        for ((door, route, code), tally) in counted {
            let core = AccessCore {
                access_id: new_id(),
                ts_start: tally.first_us,
                ts_end: tally.last_us,
                door: door.to_owned(),
                route: Some(route.clone()).filter(|route| !route.is_empty()),
                action: "enter".to_owned(),
                object_kind: "door".to_owned(),
                decision: Decision::Deny.as_str().to_owned(),
                code: Some(code.clone()),
                occurrences: tally.n,
                ..AccessCore::default()
            };
            if let Err(error) = self.accesses.append(core, Payload::default()).await {
                tracing::warn!(%error, "denials of strangers are counted on: they cannot be recorded at the moment");
                self.strangers.count(door, &route, &code, tally);
            }
        }
    }

    /// Records accesses that a storage system saw by itself, all of them durable on return.
    ///
    /// # Errors
    /// [`Unrecorded`]; those before the one at fault are recorded.
    pub async fn import_accesses(self: &Arc<Self>, cores: Vec<AccessCore>) -> Result<(), Unrecorded> {
        for core in cores {
            self.accesses.append(core, Payload::default()).await.map_err(|error| unrecorded(&error))?;
        }
        Ok(())
    }
}

/// A fresh identifier for an access.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// One answer of the policies as a record.
fn describe(blank: &AccessCore, decided: &Decided, noted: &Noted, answered: Answered) -> AccessCore {
    let (kind, name) = decided.resource.split_once('/').unwrap_or((&decided.resource, ""));
    let named_tables = || noted.question.iter().flat_map(|question| &question.tables);
    let asks_for_inferences = named_tables().any(|table| INFERENCE_TABLES.contains(&table.as_str()));
    let kind = match (kind, decided.action.as_str()) {
        (_, "artifact.put") => "artifact",
        ("inferences", _) => "inference_log",
        (_, "sql") if asks_for_inferences => "inference_log",
        (kind, _) => kind,
    };
    let named = Some(name.to_owned()).filter(|name| !name.is_empty() && plain(name));
    // The rules of the ledger refuse what policies permit; that is a denial too.
    let permitted = decided.permitted && !answered.denied;
    let decision = if permitted { Decision::Allow } else { Decision::Deny };
    let refused = (!decided.permitted).then(|| "forbidden".to_owned());
    AccessCore {
        action: decided.action.clone(),
        object_kind: kind.to_owned(),
        object_id: noted.object_id.clone().or(named),
        decision: decision.as_str().to_owned(),
        code: answered.code.map(str::to_owned).or(refused),
        policies: Some(decided.policies.join(",")).filter(|policies| !policies.is_empty()),
        policies_sha256: decided.policies_sha256.clone(),
        grant_id: decided.grant.clone(),
        occurrences: noted.count.filter(|count| *count > 0).unwrap_or(blank.occurrences),
        ..blank.clone()
    }
}

/// Somebody known, refused before the policies were asked.
fn refused_at_the_door(blank: &AccessCore, answered: Answered) -> AccessCore {
    AccessCore {
        action: "enter".to_owned(),
        object_kind: "door".to_owned(),
        decision: Decision::Deny.as_str().to_owned(),
        code: answered.code.map(str::to_owned),
        ..blank.clone()
    }
}

/// Whether the answer has to wait for its record: it tells what was sent, kept or found, not only how things stand.
fn must_be_durable(core: &AccessCore) -> bool {
    let sensitive = matches!(core.object_kind.as_str(), "inference_log" | "artifact" | "evidence" | "dataset");
    let reads = sensitive || ["sql", "request.read", "token.reveal"].contains(&core.action.as_str());
    core.decision == Decision::Allow.as_str() && reads
}

fn unrecorded(error: &RecordError) -> Unrecorded {
    tracing::error!(error = error as &(dyn std::error::Error + 'static), "an access could not be recorded");
    Unrecorded(error.to_string())
}

/// The day of a time in milliseconds since the epoch, as `yyyy-mm-dd` in UTC.
pub(crate) fn day(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d").to_string()
}
