//! What of disposals is decided: that something is due and not held, that it went, that somebody else looked; and the same
//! look at what somebody destroyed by hand.

use serde::{Deserialize, Serialize};

use super::retention::{
    BeginDisposal, ClockConfirmed, ClockLeap, ConfirmClock, Disposal, DisposalConfirmed, Item, Kind, MOST_SEGMENTS,
    PayloadCompacted, RetentionDisposed, RetentionDisposing, RetentionKept, SegmentsDisposed, day_start,
};
use crate::data::objects::ObjectDestroyed;
use crate::data::{VersionEnded, datasets};
use crate::decide::{digest_is_valid, identifier_is_valid, name_is_valid, reference_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// A version that somebody destroyed, and no rule of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// The person who did.
    pub by: String,
    /// When it was decided, in milliseconds since the epoch.
    pub at: i64,
    /// When its key and its file had gone.
    pub gone_at: Option<i64>,
    /// Who looked for it since and did not find it, and when.
    pub confirmed: Option<(String, i64)>,
}

impl State {
    pub(crate) fn destroy_by_hand(&mut self, body: &VersionEnded, by: &str, at: i64) {
        let ruled = self.disposals.get(&body.reference).and_then(|one| one.disposing.item.object.as_ref());
        if ruled == Some(&body.object) {
            return;
        }
        let by = self.person_of(by).to_owned();
        self.deletions.insert(body.object.clone(), ByHand { by, at, gone_at: None, confirmed: None });
    }

    pub(crate) fn object_is_gone(&mut self, body: &ObjectDestroyed, at: i64) {
        self.doomed_objects.remove(&body.object);
        if let Some(deletion) = self.deletions.get_mut(&body.object) {
            deletion.gone_at = Some(at);
        }
    }
}

pub(crate) fn keep(state: &State, body: &RetentionKept) -> Result<Vec<Event>, Refusal> {
    name_is_valid("class", &body.class)?;
    if day_start(&body.day).is_none() || body.kind != Kind::sealed_in(&body.class) {
        return Err(refuse(RefusalCode::Invalid, "this is no day of payloads"));
    }
    let day = Some(body.day.clone());
    let item = Item { kind: body.kind, class: body.class.clone(), day, object: None };
    // A key is destroyed once; of segments, one may be sealed late, of a day whose others are gone.
    let gone = !body.kind.is_core() && state.is_disposed(&item);
    let known = state.kept.get(&body.class).is_some_and(|days| days.contains(&body.day)) || gone;
    Ok(if known { vec![] } else { vec![Event::RetentionKept(body.clone())] })
}

pub(crate) fn begin(state: &State, given: &Given, body: &BeginDisposal) -> Result<Vec<Event>, Refusal> {
    let conflict = |why: String| Err(refuse(RefusalCode::Conflict, why));
    identifier_is_valid("disposal", &body.disposal)?;
    if state.disposals.contains_key(&body.disposal) {
        return Err(refuse(RefusalCode::Exists, format!("disposal `{}` is there already", body.disposal)));
    }
    if given.clock_leap.is_some() {
        return conflict("the clock leapt ahead, and nobody confirmed yet that it is right".into());
    }
    let Some(due) = state.expiring().into_iter().find(|one| one.item == body.item) else {
        return conflict("no rule says when this is due, or it was disposed of".into());
    };
    if let Some(hold) = &due.held_by {
        return conflict(format!("`{hold}` keeps this"));
    }
    if let Some(hold) = due.unless_clear.iter().find(|hold| !body.clear_of.contains(hold)) {
        return conflict(format!("hold `{hold}` may keep this: look whether it has something in it"));
    }
    if due.expires_at > given.now {
        return conflict("this is not due yet".into());
    }
    let mut events = vec![Event::RetentionDisposing(RetentionDisposing {
        disposal: body.disposal.clone(),
        item: body.item.clone(),
        rule: due.rule,
        days: due.days,
        due: due.expires_at,
        clear_of: due.unless_clear,
    })];
    // A version of a data set ends as when it is destroyed by hand, and nobody reads it from here on.
    let version = body.item.object.as_deref().and_then(|object| datasets::lies_in(state, object));
    events.extend(version.map(|(dataset, version, known)| {
        Event::VersionEnded(VersionEnded {
            dataset: dataset.clone(),
            version: version.clone(),
            object: known.stored.object.clone(),
            reference: body.disposal.clone(),
        })
    }));
    Ok(events)
}

pub(crate) fn dispose(state: &State, body: &RetentionDisposed) -> Result<Vec<Event>, Refusal> {
    let known = known(state, &body.disposal)?;
    if known.disposing.item != body.item || known.disposing.due != body.due {
        return Err(refuse(RefusalCode::Conflict, format!("disposal `{}` is of something else", body.disposal)));
    }
    Ok(if known.disposed.is_some() { vec![] } else { vec![Event::RetentionDisposed(body.clone())] })
}

/// Whoever says so looked at the clock. A leap that there is not is not confirmed: it would be believed later.
pub(crate) fn confirm_clock(given: &Given, body: &ConfirmClock) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    let Some(ClockLeap { from, to }) = given.clock_leap else {
        return Err(refuse(RefusalCode::Conflict, "the clock did not leap ahead: there is nothing to confirm"));
    };
    Ok(vec![Event::ClockConfirmed(ClockConfirmed { from, to, reference: body.reference.clone() })])
}

/// Said before the files go, as of payloads that are written anew: nothing is missing without an entry that says so.
pub(crate) fn dispose_segments(state: &State, body: &SegmentsDisposed) -> Result<Vec<Event>, Refusal> {
    let known = known(state, &body.disposal)?;
    let under_way = known.disposed.is_none() && known.disposing.item.kind == body.kind;
    if !under_way || !body.kind.is_core() {
        let message = format!("disposal `{}` is not one of segments that is under way", body.disposal);
        return Err(refuse(RefusalCode::Conflict, message));
    }
    if !(1..=MOST_SEGMENTS).contains(&body.segments.len()) {
        return Err(refuse(RefusalCode::Invalid, format!("name 1 to {MOST_SEGMENTS} segments at once")));
    }
    for segment in &body.segments {
        digest_is_valid("segment", &segment.root)?;
        digest_is_valid("file of records", &segment.core.sha256)?;
    }
    Ok(vec![Event::SegmentsDisposed(body.clone())])
}

pub(crate) fn confirm(state: &State, given: &Given, body: &DisposalConfirmed) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    if let Some(deletion) = state.deletions.get(&body.disposal) {
        return confirm_by_hand(state, given, deletion, body);
    }
    let known = known(state, &body.disposal)?;
    let conflict = |why: &str| Err(refuse(RefusalCode::Conflict, format!("disposal `{}` {why}", body.disposal)));
    match &known.disposed {
        None => return conflict("is under way: confirm it when it is done"),
        Some((done, _)) if done.copies_confirmed < done.copies => {
            return conflict("left copies that were found again: see `counterfoil retention due`");
        }
        Some(_) if known.confirmed.is_some() => return conflict("was confirmed before"),
        Some(_) => {}
    }
    let person = state.person_of(&given.by);
    if person == known.ruled_by {
        let message = format!(
            "`{person}` made the rule by which `{}` was disposed of: somebody else must confirm it",
            body.disposal
        );
        let mut refusal = refuse(RefusalCode::Forbidden, message);
        refusal.policies = vec!["rule-not-confirm".to_owned()];
        return Err(refusal);
    }
    Ok(vec![Event::DisposalConfirmed(body.clone())])
}

fn confirm_by_hand(
    state: &State,
    given: &Given,
    deletion: &ByHand,
    body: &DisposalConfirmed,
) -> Result<Vec<Event>, Refusal> {
    let object = &body.disposal;
    let conflict = |why: &str| Err(refuse(RefusalCode::Conflict, format!("object `{object}` {why}")));
    match deletion {
        ByHand { gone_at: None, .. } => return conflict("is being destroyed: confirm it when it is gone"),
        ByHand { confirmed: Some(_), .. } => return conflict("was confirmed to be gone before"),
        ByHand { .. } => {}
    }
    let person = state.person_of(&given.by);
    if person == deletion.by {
        let message = format!("`{person}` destroyed what was in object `{object}`: somebody else must confirm it");
        let mut refusal = refuse(RefusalCode::Forbidden, message);
        refusal.policies = vec!["destroy-not-confirm".to_owned()];
        return Err(refusal);
    }
    Ok(vec![Event::DisposalConfirmed(body.clone())])
}

/// A file is written anew by one at a time, so a repeat is one of the last.
pub(crate) fn compact(state: &State, body: &PayloadCompacted) -> Result<Vec<Event>, Refusal> {
    let newest = state.nodes.get(&body.node).map(|node| node.incarnation);
    if newest.is_none_or(|newest| body.incarnation > newest) {
        return Err(refuse(RefusalCode::NotFound, "there is no such segment"));
    }
    digest_is_valid("the file as it was", &body.old.sha256)?;
    let fits = body.new.as_ref().is_none_or(|new| new.path != body.old.path && new.sha256 != body.old.sha256);
    if !fits || body.rows_removed == 0 {
        return Err(refuse(RefusalCode::Invalid, "a file is written anew under another name, and without some rows"));
    }
    if body.new.is_some() != body.left.is_some() {
        return Err(refuse(RefusalCode::Invalid, "what is left is said of a file that is left, and of no other"));
    }
    body.left.as_ref().map_or(Ok(()), |left| digest_is_valid("what is left", left))?;
    let begun = |cause: &String| match cause.split_once('/') {
        Some(("request", id)) => state.requests.get(id).is_some_and(|request| request.next_step().is_some()),
        Some(("disposal", id)) => state.disposals.contains_key(id),
        _ => false,
    };
    if body.because.is_empty() || !body.because.is_sorted_by(|a, b| a < b) || !body.because.iter().all(begun) {
        let message = "payloads are taken out because of an erasure or a disposal that has begun, each named once";
        return Err(refuse(RefusalCode::Invalid, message));
    }
    let repeat = state.compacted.as_ref() == Some(body);
    Ok(if repeat { vec![] } else { vec![Event::PayloadCompacted(body.clone())] })
}

fn known<'s>(state: &'s State, disposal: &str) -> Result<&'s Disposal, Refusal> {
    let missing = || refuse(RefusalCode::NotFound, "there is no such disposal: see `counterfoil retention list`");
    state.disposals.get(disposal).ok_or_else(missing)
}
