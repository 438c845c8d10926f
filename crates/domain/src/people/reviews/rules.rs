//! The rules of a campaign: who may review, who decides of what, and when it is complete.

use super::{
    ItemKind, Outcome, Review, ReviewAssigned, ReviewCompleted, ReviewDecided, ReviewItem, ReviewNamed, ReviewStarted,
    StartReview, Verdict, population_root,
};
use crate::people::ActorKind;
use crate::people::actors::present;
use crate::people::grants::{EndReason, GrantEnded};
use crate::people::{KeyRevoked, PasskeyRemoved, passkeys, roles};
use crate::{Event, Given, Refusal, RefusalCode, State, canonical};

/// The longest time that a campaign may be given, in milliseconds.
const REVIEW_MS: i64 = 92 * 24 * 60 * 60 * 1000;

/// Most roles and credentials that one campaign can hold.
const MAX_ITEMS: usize = 10_000;

fn refuse<T>(code: RefusalCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, message))
}

fn forbidden<T>(rule: &str, message: String) -> Result<T, Refusal> {
    Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.to_owned()] })
}

fn unwritable(error: serde_json::Error) -> Refusal {
    Refusal::new(RefusalCode::Invalid, format!("the list cannot be written: {error}"))
}

pub(crate) fn start(state: &State, given: &Given, body: &StartReview) -> Result<Vec<Event>, Refusal> {
    crate::decide::identifier_is_valid("review", &body.review)?;
    if state.reviews.contains_key(&body.review) {
        return refuse(RefusalCode::Exists, format!("review `{}` exists already", body.review));
    }
    roles::scope_is_valid(state, &body.scope)?;
    if body.due_at <= given.now || body.due_at > given.now.saturating_add(REVIEW_MS) {
        return refuse(RefusalCode::Invalid, "a review must be due in the future, within 92 days");
    }
    let items = state.held_in(&body.scope, body.credentials, given.now);
    if items.is_empty() {
        let message = format!("nobody holds anything in `{}`: there is nothing to review", body.scope);
        return refuse(RefusalCode::Conflict, message);
    }
    if items.len() > MAX_ITEMS {
        let message = format!("{} items are too many for one review: review by service", items.len());
        return refuse(RefusalCode::Invalid, message);
    }
    reviewers_fit(state, given, &body.reviewer, body.alternate.as_deref(), items.values())?;
    let population_root = population_root(&items).map_err(unwritable)?;
    let StartReview { review, scope, reviewer, alternate, credentials, due_at } = body.clone();
    let (at_size, population) = (state.size, items.len() as u64);
    Ok(vec![Event::ReviewStarted(ReviewStarted {
        review,
        scope,
        reviewer,
        alternate,
        credentials,
        due_at,
        at_size,
        population,
        population_root,
    })])
}

/// Reviewers are people who are here and change nothing as auditors; what one of them holds, the other reviews.
fn reviewers_fit<'a>(
    state: &State,
    given: &Given,
    reviewer: &str,
    alternate: Option<&str>,
    mut items: impl Iterator<Item = &'a ReviewItem>,
) -> Result<(), Refusal> {
    for actor in [Some(reviewer), alternate].into_iter().flatten() {
        present(state, actor)?;
        if state.actors.get(actor).is_some_and(|known| known.kind != ActorKind::Human) {
            return refuse(RefusalCode::Invalid, format!("`{actor}` is a program: a person must review"));
        }
        if state.roles_of(actor, given.now).any(|(role, _)| role == "auditor") {
            let message = format!("`{actor}` audits, and an auditor decides nothing that is audited");
            return forbidden("audit-not-review", message);
        }
    }
    if alternate == Some(reviewer) {
        return refuse(RefusalCode::Invalid, "the one who reviews what the reviewer holds must be somebody else");
    }
    let own = items.any(|item| state.is_one_person(&item.actor, reviewer) && item.decided.is_none());
    if own && alternate.is_none() {
        let message = format!("`{reviewer}` holds some of what is reviewed: name an alternate for that");
        return forbidden("review-not-own", message);
    }
    Ok(())
}

pub(crate) fn assign(state: &State, given: &Given, body: &ReviewAssigned) -> Result<Vec<Event>, Refusal> {
    let review = open(state, &body.review)?;
    reviewers_fit(state, given, &body.reviewer, body.alternate.as_deref(), review.items.values())?;
    match (&review.reviewer, &review.alternate) == (&body.reviewer, &body.alternate) {
        true => Ok(vec![]),
        false => Ok(vec![Event::ReviewAssigned(body.clone())]),
    }
}

pub(crate) fn decide_one(state: &State, given: &Given, body: &ReviewDecided) -> Result<Vec<Event>, Refusal> {
    let review = open(state, &body.review)?;
    let Some(item) = review.items.get(&body.item) else {
        let message = format!("`{}` is not in review `{}`", body.item, body.review);
        return refuse(RefusalCode::NotFound, message);
    };
    if state.is_one_person(&item.actor, &given.by) {
        return forbidden("review-not-own", format!("`{}` is yours: somebody else must review it", body.item));
    }
    if state.decider_of(review, item) != Some(given.by.as_str()) {
        let message = format!("`{}` is to be reviewed by somebody else", body.item);
        return forbidden("review-as-assigned", message);
    }
    if body.reason.verdict() != body.verdict {
        let message = "what stays is `needed`; what is taken away needs another reason";
        return refuse(RefusalCode::Invalid, message);
    }
    match (&body.reference, body.verdict) {
        (Some(reference), _) => crate::decide::reference_is_valid(reference)?,
        (None, Verdict::Keep) => {}
        (None, Verdict::Remove) => crate::decide::reference_is_valid("")?,
    }
    match state.outcome_of(&body.item, item, given.now) {
        Outcome::Open => {}
        Outcome::Gone => {
            let message = format!("`{}` ended meanwhile: there is nothing left to decide", body.item);
            return refuse(RefusalCode::Conflict, message);
        }
        Outcome::Kept | Outcome::Removed => {
            return refuse(RefusalCode::Conflict, format!("`{}` was decided already", body.item));
        }
    }
    let mut events = vec![Event::ReviewDecided(body.clone())];
    if body.verdict == Verdict::Remove {
        events.extend(taken_away(state, given, &body.item, item)?);
    }
    Ok(events)
}

/// What ends when an item is taken away. A key takes with it those that took its place meanwhile: who held it has them.
fn taken_away(state: &State, given: &Given, name: &str, item: &ReviewItem) -> Result<Vec<Event>, Refusal> {
    match item.kind {
        ItemKind::Role if state.grants.contains_key(name) => {
            Ok(vec![Event::GrantEnded(GrantEnded { grant: name.to_owned(), reason: EndReason::Reviewed })])
        }
        ItemKind::Role => {
            let message = format!(
                "`{name}` is a role that an actor began with: it ends when they leave, so keep it or note that they left"
            );
            refuse(RefusalCode::Conflict, message)
        }
        ItemKind::Key => {
            let live = state.line_of(name).filter(|key| key.is_live(given.now));
            Ok(live.map(|key| Event::KeyRevoked(KeyRevoked { key: key.created.key.clone() })).collect())
        }
        ItemKind::Passkey => {
            let removed = PasskeyRemoved { passkey: name.to_owned(), actor: item.actor.clone() };
            Ok(passkeys::ended(state, given.now, &removed))
        }
    }
}

pub(crate) fn complete(state: &State, given: &Given, body: &ReviewNamed) -> Result<Vec<Event>, Refusal> {
    let review = open(state, &body.review)?;
    if review.reviewer != given.by && review.alternate.as_ref() != Some(&given.by) {
        let message = format!("review `{}` is completed by whoever reviews", body.review);
        return forbidden("review-as-assigned", message);
    }
    let outcomes = review.items.iter().map(|(name, item)| state.outcome_of(name, item, given.now));
    let outcomes: Vec<Outcome> = outcomes.collect();
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == wanted).count() as u64;
    let open = count(Outcome::Open);
    if open > 0 {
        let message = format!("{open} items of review `{}` are not decided yet", body.review);
        return refuse(RefusalCode::Conflict, message);
    }
    let list = state.review_list(review, given.now);
    let list_sha256 = canonical::digest(&list).map_err(unwritable)?;
    let (kept, removed, gone) = (count(Outcome::Kept), count(Outcome::Removed), count(Outcome::Gone));
    let completed = ReviewCompleted { review: body.review.clone(), kept, removed, gone, list_sha256 };
    Ok(vec![Event::ReviewCompleted(completed)])
}

fn open<'a>(state: &'a State, name: &str) -> Result<&'a Review, Refusal> {
    match state.reviews.get(name) {
        None => refuse(RefusalCode::NotFound, format!("there is no review `{name}`")),
        Some(review) if review.completed_at.is_some() => {
            refuse(RefusalCode::Conflict, format!("review `{name}` is complete"))
        }
        Some(review) => Ok(review),
    }
}
