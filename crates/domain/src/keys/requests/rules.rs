//! What may follow what in a request, and what never does.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ErasureStep, ExecuteRequest, MAX_DUE_MS, MAX_SUBJECTS, ModelAction, Request, RequestAssessed, RequestClosed,
    RequestIdentityChecked, RequestKind, RequestOutcome, RequestReceived, RequestSearched, RequestStarted, RequestStep,
    SearchRequest,
};
use crate::decide::{digest_is_valid, identifier_is_valid, reference_is_valid};
use crate::keys::holds;
use crate::people::actors::is_the_system;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The most places, concerns or keys that an event of a request names.
const MAX_NAMES: usize = 512;

/// The most bytes that names of model versions take in an entry.
const MODELS_BYTES: usize = 16_000;

pub(crate) fn receive(state: &State, given: &Given, body: &RequestReceived) -> Result<Vec<Event>, Refusal> {
    identifier_is_valid("request", &body.request)?;
    if state.requests.contains_key(&body.request) {
        return Err(Refusal::new(RefusalCode::Exists, format!("request `{}` exists already", body.request)));
    }
    digest_is_valid("sealed text", &body.sealed_sha256)?;
    if !(1..=MAX_SUBJECTS).contains(&body.subjects.len()) || !body.subjects.is_sorted_by(|a, b| a < b) {
        return invalid(format!("a request names 1 to {MAX_SUBJECTS} references, sorted, each once"));
    }
    let reference = |text: &str| text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !body.subjects.iter().all(|subject| reference(subject)) {
        return invalid("a reference of the vault has 32 hexadecimal digits: an identifier is never one".into());
    }
    if let Some(actor) = &body.actor
        && (is_the_system(state, actor) || !state.actors.contains_key(actor))
    {
        return Err(Refusal::new(RefusalCode::NotFound, format!("there is no person `{actor}` among the actors")));
    }
    if body.received_at > given.now {
        return invalid("a request cannot have been received in the future".into());
    }
    if body.due_at <= body.received_at || body.due_at > body.received_at.saturating_add(MAX_DUE_MS) {
        return invalid("a request must be due after it was received, within a year".into());
    }
    Ok(vec![Event::RequestReceived(body.clone())])
}

pub(crate) fn check_identity(state: &State, body: &RequestIdentityChecked) -> Result<Vec<Event>, Refusal> {
    let request = open(state, &body.request)?;
    not_begun(request)?;
    reference_is_valid(&body.reference)?;
    Ok(vec![Event::RequestIdentityChecked(body.clone())])
}

/// Only Counterfoil itself says what it found.
pub(crate) fn searched(state: &State, given: &Given, body: &SearchRequest) -> Result<Vec<Event>, Refusal> {
    by_the_system(state, given)?;
    let request = open(state, &body.request)?;
    not_begun(request)?;
    if !request.is_confirmed() {
        return conflict(request, "has nobody's identity confirmed: check who asks before anything is looked up");
    }
    let names = body.counts.len().max(body.concerns.len()).max(body.keys.len());
    if names > MAX_NAMES {
        return invalid(format!("a search names at most {MAX_NAMES} things of a kind"));
    }
    let all = may_have_learned(state, request.received.kind, &body.counts, &body.learned);
    let (models, left_out) = named(all, &request.assessed);
    let SearchRequest { request, counts, concerns, keys, .. } = body.clone();
    Ok(vec![Event::RequestSearched(RequestSearched { request, counts, concerns, keys, models, left_out })])
}

/// Those that an entry has room for, what nobody has assessed first, and how many of that it has no room for.
fn named(all: BTreeSet<String>, assessed: &BTreeMap<String, ModelAction>) -> (BTreeSet<String>, u64) {
    let (known, open): (Vec<String>, Vec<String>) = all.into_iter().partition(|model| assessed.contains_key(model));
    let (mut named, mut bytes, mut left_out) = (BTreeSet::new(), 0_usize, 0_u64);
    for (model, is_open) in open.into_iter().map(|one| (one, true)).chain(known.into_iter().map(|one| (one, false))) {
        bytes = bytes.saturating_add(model.len()).saturating_add(3);
        if bytes <= MODELS_BYTES {
            named.insert(model);
        } else {
            left_out = left_out.saturating_add(u64::from(is_open));
        }
    }
    (named, left_out)
}

/// Model versions that may have learned from what was found, as `model/version`.
///
/// Those that lineage leads to from where they are, which are `learned`; and those of which nobody said what they learned
/// from: whoever is in one data set may be in each of them. What is to become of models is asked when somebody is to be
/// forgotten, and only then.
#[must_use]
pub fn may_have_learned(
    state: &State,
    kind: RequestKind,
    counts: &BTreeMap<String, u64>,
    learned: &BTreeSet<String>,
) -> BTreeSet<String> {
    let in_data = counts.get("datasets").is_some_and(|count| *count > 0);
    let versions = state.models.values().flat_map(BTreeMap::values).filter(|_| kind == RequestKind::Erasure && in_data);
    let concerned = versions.filter_map(|version| {
        let name = format!("{}/{}", version.model, version.version);
        let unsaid = version.trained_on.is_empty() && version.run.is_none();
        (unsaid || learned.contains(&name)).then_some(name)
    });
    concerned.collect()
}

pub(crate) fn assess(state: &State, body: &RequestAssessed) -> Result<Vec<Event>, Refusal> {
    let request = open(state, &body.request)?;
    not_begun(request)?;
    reference_is_valid(&body.reference)?;
    let name = format!("{}/{}", body.model, body.version);
    if !request.searched.as_ref().is_some_and(|found| found.models.contains(&name)) {
        let message = format!(
            "request `{}` has no model version `{name}` to assess: see what the search found",
            request.received.request
        );
        return Err(Refusal::new(RefusalCode::NotFound, message));
    }
    Ok(vec![Event::RequestAssessed(body.clone())])
}

/// That two people approved is asked for by the rule of approvals, as of every other command that needs one.
pub(crate) fn execute(state: &State, given: &Given, body: &ExecuteRequest) -> Result<Vec<Event>, Refusal> {
    let request = open(state, &body.request)?;
    not_begun(request)?;
    if request.received.kind != RequestKind::Erasure {
        return conflict(request, "asks for no erasure: answer it, and close it with where the answer is written down");
    }
    if body.actor != request.received.actor {
        return invalid("`actor` must be the one of the request, so that they do not vote on it".into());
    }
    if !request.is_confirmed() {
        return conflict(request, "has nobody's identity confirmed: check who asks first");
    }
    if request.searched.is_none() {
        return conflict(request, "was not searched for: look first what is held");
    }
    let left_out = request.searched.as_ref().map_or(0, |found| found.left_out);
    if left_out > 0 && request.unassessed().next().is_none() {
        return conflict(
            request,
            &format!("has {left_out} more model versions to assess: search again, which names the next"),
        );
    }
    if let Some(model) = request.unassessed().next() {
        return conflict(request, &format!("has model version `{model}` to assess first"));
    }
    if let Some(actor) = request.received.actor.as_ref().filter(|actor| !state.left.contains_key(*actor)) {
        return conflict(request, &format!("is of `{actor}`, who acts here still: have them leave first"));
    }
    not_held(state, request)?;
    nothing_came_since(state, given, request)?;
    Ok(vec![Event::RequestStarted(RequestStarted { request: body.request.clone() })])
}

/// What came since the search counts too: models that may have learned from it, and holds on it. It would be another thing
/// than what was assessed and approved.
fn nothing_came_since(state: &State, given: &Given, request: &Request) -> Result<(), Refusal> {
    let found = match &given.held {
        Some(Ok(found)) if found.request == request.received.request => found,
        Some(Err(refusal)) => return Err(refusal.clone()),
        _ => return conflict(request, "was not looked for again just now, as it must be before it is carried out"),
    };
    let models = may_have_learned(state, request.received.kind, &found.counts, &found.learned);
    if let Some(model) = models.iter().find(|model| !request.assessed.contains_key(*model)) {
        return conflict(
            request,
            &format!(
                "has model version `{model}`, which may have learned from data of theirs that came since the search: search \
                 again, assess it, and ask for the approval anew"
            ),
        );
    }
    match found.concerns.iter().find_map(|on| holds::blocking(state, on).map(|hold| (on, hold))) {
        Some((on, hold)) => conflict(
            request,
            &format!("concerns `{on}` since the search, which legal hold `{hold}` keeps: release that, or refuse"),
        ),
        None => Ok(()),
    }
}

pub(crate) fn stepped(state: &State, given: &Given, body: &RequestStep) -> Result<Vec<Event>, Refusal> {
    by_the_system(state, given)?;
    let request = open(state, &body.request)?;
    match request.next_step() {
        Some(next) if next == body.step => {}
        Some(next) => {
            let (next, step) = (next.as_str(), body.step.as_str());
            return conflict(request, &format!("waits for step `{next}`, not `{step}`"));
        }
        None => return conflict(request, "waits for no step: it has not begun, or is completed"),
    }
    if body.step == ErasureStep::HoldsChecked {
        not_held(state, request)?;
    }
    if body.counts.len().max(body.keys.len()) > MAX_NAMES {
        return invalid(format!("a step names at most {MAX_NAMES} things of a kind"));
    }
    Ok(vec![Event::RequestStep(body.clone())])
}

pub(crate) fn close(state: &State, given: &Given, body: &RequestClosed) -> Result<Vec<Event>, Refusal> {
    let request = open(state, &body.request)?;
    reference_is_valid(&body.reference)?;
    if body.notified_at.is_some_and(|at| at > given.now || at < request.received.received_at) {
        return invalid("whoever asked was told after they asked, and not in the future".into());
    }
    if body.reason_code.is_some() != (body.outcome == RequestOutcome::Refused) {
        return invalid("a refusal has a `reason_code`, and nothing else has one".into());
    }
    if body.notified_at.is_none() && body.outcome != RequestOutcome::Withdrawn {
        return invalid("say when whoever asked was told: `notified_at`".into());
    }
    match body.outcome {
        RequestOutcome::Done if !request.is_confirmed() => {
            conflict(request, "has nobody's identity confirmed: check who asks first, or refuse it")
        }
        RequestOutcome::Done if request.received.kind == RequestKind::Erasure && !request.is_erased() => {
            conflict(request, "is not erased: have it approved and carried out first")
        }
        RequestOutcome::Done if request.received.kind == RequestKind::Access && request.searched.is_none() => {
            conflict(request, "was not searched for: look first what is held")
        }
        RequestOutcome::Refused | RequestOutcome::Withdrawn if request.started_at.is_some() => {
            conflict(request, "is being erased, and what is destroyed does not come back: close it as done")
        }
        RequestOutcome::Done if request.received.kind == RequestKind::Erasure => {
            by_another(state, given, request)?;
            Ok(vec![Event::RequestClosed(body.clone())])
        }
        _ => Ok(vec![Event::RequestClosed(body.clone())]),
    }
}

/// To close an erasure as done is to say that one looked and found it done. Whoever asked for it, or carried it out, does
/// not say that.
fn by_another(state: &State, given: &Given, request: &Request) -> Result<(), Refusal> {
    let resource = format!("request/{}", request.received.request);
    let begun = state.approvals.values().filter(|approval| approval.requested.resource == resource);
    let begun = begun.filter_map(|approval| Some((&approval.asker, &approval.consumed.as_ref()?.0)));
    let person = state.person_of(&given.by);
    let mut people = begun.flat_map(|(asker, by)| [state.person_of(asker), state.person_of(by)]);
    if !people.any(|one| one == person) {
        return Ok(());
    }
    let message = format!(
        "`{person}` asked for the erasure of request `{}` or carried it out: somebody else must look at its certificate and \
         close it",
        request.received.request
    );
    let mut refusal = Refusal::new(RefusalCode::Forbidden, message);
    refusal.policies = vec!["erase-not-verify".to_owned()];
    Err(refusal)
}

/// The request of this name, if it is not closed.
fn open<'a>(state: &'a State, request: &str) -> Result<&'a Request, Refusal> {
    let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no request `{request}`"));
    let known = state.requests.get(request).ok_or_else(missing)?;
    match &known.closed {
        Some((outcome, _)) => conflict(known, &format!("is closed as {}: a new one can be received", outcome.as_str())),
        None => Ok(known),
    }
}

fn not_begun(request: &Request) -> Result<(), Refusal> {
    if request.started_at.is_some() {
        conflict(request, "is being erased: nothing about it changes now")
    } else {
        Ok(())
    }
}

fn not_held(state: &State, request: &Request) -> Result<(), Refusal> {
    match request.held(state).first() {
        Some((on, hold)) => {
            conflict(request, &format!("concerns `{on}`, which legal hold `{hold}` keeps: release that, or refuse"))
        }
        None => Ok(()),
    }
}

fn by_the_system(state: &State, given: &Given) -> Result<(), Refusal> {
    if is_the_system(state, &given.by) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Forbidden, "only Counterfoil itself says what it found or did for a request"))
}

fn conflict<T>(request: &Request, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(RefusalCode::Conflict, format!("request `{}` {why}", request.received.request)))
}

fn invalid<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal::new(RefusalCode::Invalid, why))
}
