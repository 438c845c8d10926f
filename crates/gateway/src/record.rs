//! The record of one request, from its arrival until it is durable. There is exactly one for each request that reaches
//! an inference door, whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::serving::{InferenceCore, Status, WhenUnrecordable};
use engine::Engine;
use ledger::records::{Payload, RecordError};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use vault::SubjectRef;

use crate::Gateway;
use crate::problem::Problem;

/// Classification of requests that belong to no service.
const UNCLASSIFIED: &str = "unclassified";

/// Bodies from this size on are sealed on a thread of their own.
const HEAVY: usize = 128 << 10;

/// Fields of the sealed payload.
mod field {
    pub const REQUEST: u16 = 1;
    pub const RESPONSE: u16 = 2;
    pub const REQUEST_META: u16 = 3;
    pub const RESPONSE_META: u16 = 4;
}

/// Whom the request concerns.
#[derive(Clone, Default)]
enum Subject {
    /// It did not say.
    #[default]
    Unnamed,
    /// The identifier, not yet looked up.
    Named(String),
    /// The vault's reference, and the tag of the day once it was made.
    Known(SubjectRef, Option<[u8; 16]>),
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// What was answered; `None` when nobody was there to be answered.
    pub(crate) http: Option<u16>,
    pub(crate) code: Option<&'static str>,
}

/// A record in the making.
pub(crate) struct Draft {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) core: InferenceCore,
    door: &'static str,
    /// The request's body, as far as it is kept.
    pub(crate) request: Bytes,
    /// The answer's body, as far as it came.
    pub(crate) response: Bytes,
    /// What else is known of the request; personal, hence sealed.
    pub(crate) request_meta: Map<String, Value>,
    /// What else is known of the answer.
    pub(crate) response_meta: Map<String, Value>,
    /// What happens when recording is impossible.
    pub(crate) when_unrecordable: WhenUnrecordable,
    subject: Subject,
    /// When the provider or model was called.
    called: Option<Instant>,
    begun: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Draft {
    /// Opens the record of a request that has just arrived.
    pub(crate) fn new(gateway: Arc<Gateway>, door: &'static str, permit: Option<OwnedSemaphorePermit>) -> Self {
        gateway.metrics.arrived();
        let now = Engine::now_us();
        let core = InferenceCore {
            inference_id: uuid::Uuid::now_v7().to_string(),
            ts_start: now,
            ts_end: now,
            door: door.to_owned(),
            classification: UNCLASSIFIED.to_owned(),
            status: Status::Interrupted.as_str().to_owned(),
            day: day(now),
            ..InferenceCore::default()
        };
        Self {
            gateway,
            core,
            door,
            request: Bytes::new(),
            response: Bytes::new(),
            request_meta: Map::new(),
            response_meta: Map::new(),
            when_unrecordable: WhenUnrecordable::Refuse,
            subject: Subject::Unnamed,
            called: None,
            begun: false,
            permit,
        }
    }

    /// Names whom the request concerns.
    pub(crate) fn concerns(&mut self, subject: Option<String>) {
        if let Some(identifier) = subject.filter(|identifier| !identifier.trim().is_empty()) {
            self.subject = Subject::Named(identifier);
        }
    }

    /// Notes that the provider or model is being called.
    pub(crate) fn call_begins(&mut self) {
        self.called = Some(Instant::now());
    }

    /// Notes the first byte of an answer.
    pub(crate) fn first_byte(&mut self) {
        self.core.first_byte_us = self.called.map(|called| micros(called.elapsed()));
    }

    /// Notes the last byte of an answer, or the end of the attempt.
    pub(crate) fn call_ends(&mut self) {
        if let Some(called) = self.called.take() {
            self.core.upstream_us = Some(micros(called.elapsed()));
            self.gateway.metrics.upstream(called.elapsed());
        }
    }

    /// Puts the request on record before anybody is called: if the process dies, the next start finds it.
    pub(crate) async fn begin(&mut self) -> Result<(), Problem> {
        match self.try_begin().await {
            Ok(()) => {
                self.begun = true;
                Ok(())
            }
            Err(why) => match self.when_unrecordable {
                WhenUnrecordable::Refuse => Err(Problem::Unrecordable(why)),
                WhenUnrecordable::Answer => Ok(()),
            },
        }
    }

    async fn try_begin(&mut self) -> Result<(), &'static str> {
        let payload = self.seal().await?;
        self.gateway.engine.records().begin(&self.core, &payload).map_err(|error| reason(&error))
    }

    /// Whether the answer may go out although its record failed.
    pub(crate) fn may_go_unrecorded(&self) -> bool {
        self.when_unrecordable == WhenUnrecordable::Answer
    }

    /// Completes the record; it is durable when this returns without an error. Call once, at the end of the request.
    pub(crate) async fn close(mut self, outcome: Outcome) -> Result<(), Problem> {
        self.call_ends();
        self.core.ts_end = Engine::now_us();
        self.core.status = outcome.status.as_str().to_owned();
        self.core.http_status = outcome.http.map(i64::from);
        self.core.error_code = outcome.code.map(str::to_owned);
        let (door, bytes) = (self.door, (self.core.request_bytes, self.core.response_bytes));
        let (gateway, ended_at) = (self.gateway.clone(), self.core.ts_end);
        let waiting = Instant::now();
        // Held until the record is durable, so that whoever waits for the gateway to come to rest waits for records.
        let _permit = self.permit.take();
        let written = self.append().await;
        gateway.metrics.record_wait(waiting.elapsed());
        gateway.engine.count(ended_at, written.is_ok());
        let bytes = (u64::try_from(bytes.0).unwrap_or(0), u64::try_from(bytes.1).unwrap_or(0));
        gateway.metrics.ended(door, outcome.status.as_str(), bytes.0, bytes.1);
        written.map_err(Problem::Unrecordable)
    }

    async fn append(mut self) -> Result<(), &'static str> {
        let payload = self.seal().await?;
        let records = self.gateway.engine.records().clone();
        records.append(self.core, payload).await.map(drop).map_err(|error| reason(&error))
    }

    /// Seals the contents as far as they are known, and fills the core's fields that depend on it.
    async fn seal(&mut self) -> Result<Payload, &'static str> {
        let mut work = Sealing {
            gateway: self.gateway.clone(),
            service: self.core.service.clone(),
            class: self.core.classification.clone(),
            day: self.core.day.clone(),
            subject: self.subject.clone(),
            request: self.request.clone(),
            response: self.response.clone(),
            request_meta: meta(&self.request_meta),
            response_meta: meta(&self.response_meta),
        };
        // The first use of a subject writes its key to disk; large bodies take long to compress.
        let sealed = if !work.is_at_hand() || work.request.len() + work.response.len() >= HEAVY {
            tokio::task::spawn_blocking(move || work.run()).await.map_err(|error| sealing_failed(&error))?
        } else {
            work.run()
        };
        let (subject, tag, sealed) = sealed.map_err(|error| sealing_failed(&error))?;
        if let Some(tag) = tag {
            self.core.subject_tag = Some(tag.to_vec());
            self.subject = Subject::Known(subject, Some(tag));
        }
        self.core.r = sealed.r.to_vec();
        self.core.ct_sha256 = sealed.ct_sha256.to_vec();
        self.core.c_root = sealed.c_root.to_vec();
        Ok(Payload { ct: sealed.ct, subject_ref: subject.0 })
    }
}

/// All that sealing needs, so that it can be done elsewhere.
struct Sealing {
    gateway: Arc<Gateway>,
    service: Option<String>,
    class: String,
    day: String,
    subject: Subject,
    request: Bytes,
    response: Bytes,
    request_meta: Vec<u8>,
    response_meta: Vec<u8>,
}

impl Sealing {
    /// Whether nothing must be fetched from the key store for a named subject. Looks it up when that is so.
    fn is_at_hand(&mut self) -> bool {
        let Subject::Named(identifier) = &self.subject else { return true };
        let vault = self.gateway.engine.vault();
        let found = vault.subject_at_hand(self.scope(), identifier, &self.class, &self.day);
        if let Some(subject) = found {
            self.subject = Subject::Known(subject, None);
        }
        found.is_some()
    }

    fn scope(&self) -> &str {
        self.service.as_deref().unwrap_or(UNCLASSIFIED)
    }

    fn run(self) -> Result<(SubjectRef, Option<[u8; 16]>, vault::Sealed), vault::VaultError> {
        let vault = self.gateway.engine.vault();
        let now = u64::try_from(Engine::now_ms()).unwrap_or(0);
        let (named, tag) = match &self.subject {
            Subject::Unnamed => (None, None),
            Subject::Named(identifier) => (Some(vault.subject(self.scope(), identifier, now)?), None),
            Subject::Known(subject, tag) => (Some(*subject), *tag),
        };
        let make_tag = || named.map(|subject| vault.subject_tag(&subject, &self.day, now)).transpose();
        let tag = if tag.is_some() { tag } else { make_tag()? };
        let subject = named.map_or_else(|| vault.anonymous_subject(&self.day), Ok)?;
        let fields: [(u16, &[u8]); 4] = [
            (field::REQUEST, &self.request),
            (field::RESPONSE, &self.response),
            (field::REQUEST_META, &self.request_meta),
            (field::RESPONSE_META, &self.response_meta),
        ];
        let sealed = vault.seal(&self.class, &self.day, &subject, &fields, now)?;
        Ok((subject, tag, sealed))
    }
}

/// Why a record was not taken, in words for a client; paths and the like are for our own log.
fn reason(error: &RecordError) -> &'static str {
    tracing::error!(error = error as &(dyn std::error::Error + 'static), "an inference could not be recorded");
    match error {
        RecordError::Full { .. } => "the gateway's disk is full",
        RecordError::Busy | RecordError::Behind { .. } => "too many records wait to be written",
        RecordError::TooLarge { .. } => "request and answer together are too large for one record",
        _ => "the gateway's record log has stopped",
    }
}

fn sealing_failed(error: &(dyn std::error::Error + 'static)) -> &'static str {
    tracing::error!(error, "the contents of an inference could not be sealed");
    "its contents could not be sealed"
}

fn meta(fields: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(fields).unwrap_or_else(|_| b"{}".to_vec())
}

fn micros(took: std::time::Duration) -> i64 {
    i64::try_from(took.as_micros()).unwrap_or(i64::MAX)
}

/// The day of a time in microseconds, as `yyyy-mm-dd` in UTC (Howard Hinnant's `civil_from_days`).
pub(crate) fn day(us: i64) -> String {
    let days = us.div_euclid(86_400_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_are_those_of_the_calendar() {
        let at = |seconds: i64| day(seconds * 1_000_000);
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(951_782_400), "2000-02-29");
        assert_eq!(at(1_795_392_000 - 1), "2026-11-22");
        assert_eq!(at(1_795_392_000), "2026-11-23");
        assert_eq!(at(-1), "1969-12-31");
    }
}
