//! Training: that people completed courses, as somebody else says with evidence. What was taught is attested.

use serde::{Deserialize, Serialize};

use super::accounts::a_person;
use crate::decide::{digest_is_valid, name_is_valid};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The longest time for which a course counts, in milliseconds: three years.
pub const COUNTS_MS: i64 = 3 * 366 * 24 * 60 * 60 * 1000;

/// Somebody completed a course. A later event for the same person and course stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecorded {
    /// Who, by pseudonym.
    pub actor: String,
    /// The course, as a name such as `ai-basics`.
    pub course: String,
    /// When they completed it, in milliseconds since the epoch.
    pub completed_at: i64,
    /// Until when it counts, in milliseconds since the epoch.
    pub expires_at: i64,
    /// SHA-256 of what shows it, such as a certificate kept elsewhere; hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_sha256: Option<String>,
}

impl State {
    pub(crate) fn record_training(&mut self, body: &TrainingRecorded) {
        self.training.entry(body.actor.clone()).or_default().insert(body.course.clone(), body.clone());
    }
}

pub(crate) fn record(state: &State, given: &Given, body: &TrainingRecorded) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: &str| Err(Refusal::new(RefusalCode::Invalid, why));
    a_person(state, &body.actor, "completes a course")?;
    if state.is_one_person(&given.by, &body.actor) {
        let message = format!("`{}` completed it themselves: somebody else must record it", body.actor);
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["record-not-own".to_owned()] });
    }
    name_is_valid("course", &body.course)?;
    body.evidence_sha256.iter().try_for_each(|digest| digest_is_valid("piece of evidence", digest))?;
    if body.completed_at > given.now {
        return invalid("a course is recorded once it was completed: the day lies in the future");
    }
    if body.expires_at <= body.completed_at || body.expires_at > body.completed_at.saturating_add(COUNTS_MS) {
        return invalid("a course counts from the day it was completed for up to three years");
    }
    let known = state.training.get(&body.actor).and_then(|courses| courses.get(&body.course));
    Ok(if known == Some(body) { vec![] } else { vec![Event::TrainingRecorded(body.clone())] })
}
