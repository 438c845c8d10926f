//! The record of one request, from its arrival until it is durable. There is exactly one for each request that reaches
//! an inference door, whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::serving::{InferenceCore, Status, WhenUnrecordable};
use engine::Engine;
use ledger::records::{Payload, RecordError};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use vault::{Sealed, Signet, SubjectRef, VaultError};

use crate::Gateway;
use crate::guard::Tally;
use crate::problem::Problem;

/// Classification of requests that belong to no service.
const UNCLASSIFIED: &str = "unclassified";

/// Bodies from this size on are sealed, and looked through, on a thread of their own.
pub(crate) const HEAVY: usize = 128 << 10;

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
    /// What it takes to seal for them.
    Known(Arc<Signet>),
}

/// A JSON object that is only ever added to, each name once.
#[derive(Default)]
pub(crate) struct Meta(Vec<u8>);

impl Meta {
    /// Adds a field.
    pub(crate) fn put(&mut self, name: &'static str, value: impl Serialize) {
        let before = self.0.len();
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        let written = serde_json::to_writer(&mut self.0, name).and_then(|()| {
            self.0.push(b':');
            serde_json::to_writer(&mut self.0, &value)
        });
        if written.is_err() {
            self.0.truncate(before);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let begun: &[u8] = if self.0.is_empty() { b"{" } else { &self.0 };
        [begun, b"}"].concat()
    }
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
    pub(crate) request_meta: Meta,
    /// What else is known of the answer.
    pub(crate) response_meta: Meta,
    /// What happens when recording is impossible.
    pub(crate) when_unrecordable: WhenUnrecordable,
    subject: Subject,
    /// When the provider or model was called.
    called: Option<Instant>,
    begun: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Draft {
    /// Opens the record of a request that has just arrived. It is boxed: it goes through many hands, and futures copy
    /// what they are given.
    pub(crate) fn new(gateway: Arc<Gateway>, door: &'static str, permit: Option<OwnedSemaphorePermit>) -> Box<Self> {
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
        Box::new(Self {
            gateway,
            core,
            door,
            request: Bytes::new(),
            response: Bytes::new(),
            request_meta: Meta::default(),
            response_meta: Meta::default(),
            when_unrecordable: WhenUnrecordable::Refuse,
            subject: Subject::Unnamed,
            called: None,
            begun: false,
            permit,
        })
    }

    /// Names whom the request concerns.
    pub(crate) fn concerns(&mut self, subject: Option<String>) {
        if let Some(identifier) = subject.filter(|identifier| !identifier.trim().is_empty()) {
            self.subject = Subject::Named(identifier);
        }
    }

    /// Notes what the guard found in the request.
    pub(crate) fn request_guarded(&mut self, tally: &Tally) {
        (self.core.pii_in, self.core.pii_in_action) = (Some(tally.found()), tally.least());
        self.request_meta.put("guard", tally.by_kind());
    }

    /// Notes what the guard found in the answer.
    pub(crate) fn answer_guarded(&mut self, tally: &Tally) {
        (self.core.pii_out, self.core.pii_out_action) = (Some(tally.found()), tally.least());
        self.response_meta.put("guard", tally.by_kind());
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
        // What is recorded could not be sealed any more, and what is not recorded would go on without end.
        if self.gateway.engine.log().halted().is_some() {
            let why = "a witness remembers another history of the ledger, so nothing is written to it any more";
            return Err(Problem::Unrecordable(why));
        }
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
        let payload = self.seal(None).await?;
        self.gateway.engine.records().begin(&self.core, &payload).map_err(|error| reason(&error))
    }

    /// Whether the answer may go out although its record failed.
    pub(crate) fn may_go_unrecorded(&self) -> bool {
        self.when_unrecordable == WhenUnrecordable::Answer
    }

    /// Completes the record; it is durable when this returns without an error. Call once, at the end of the request.
    pub(crate) async fn close(mut self: Box<Self>, outcome: Outcome) -> Result<(), Problem> {
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

    async fn append(&mut self) -> Result<(), &'static str> {
        let answer = (self.response.clone(), self.response_meta.bytes());
        let payload = self.seal(Some(answer)).await?;
        let durable = self.gateway.engine.records().append(std::mem::take(&mut self.core), payload);
        self.gateway.bell.sleep(durable).await.map(drop).map_err(|error| reason(&error))
    }

    /// Seals the contents, with the answer and what is known of it once there is one, and fills the core's fields that
    /// depend on it.
    async fn seal(&mut self, answer: Option<(Bytes, Vec<u8>)>) -> Result<Payload, &'static str> {
        if let Subject::Named(identifier) = &self.subject {
            let (vault, core) = (self.gateway.engine.vault(), &self.core);
            let found = vault.signet_at_hand(scope(core), identifier, &core.classification, &core.day);
            if let Some(signet) = found {
                self.subject = Subject::Known(signet);
            }
        }
        let contents = Contents { request: self.request.clone(), request_meta: self.request_meta.bytes(), answer };
        let heavy = self.request.len() + self.response.len() >= HEAVY;
        let sealed = match &self.subject {
            Subject::Known(signet) if !heavy => {
                signet.seal(&contents.fields()).map(|sealed| (signet.subject(), sealed))
            }
            Subject::Unnamed if !heavy => self.sealing(contents).unnamed(),
            // The first use of a subject writes its key to disk; large bodies take long to compress.
            _ => {
                let work = self.sealing(contents);
                let worked = tokio::task::spawn_blocking(move || work.run()).await;
                worked.map_err(|error| sealing_failed(&error))?.map(|(signet, subject, sealed)| {
                    self.subject = signet.map_or(Subject::Unnamed, Subject::Known);
                    (subject, sealed)
                })
            }
        };
        let (subject, sealed) = sealed.map_err(|error| sealing_failed(&error))?;
        if let Subject::Known(signet) = &self.subject {
            self.core.subject_tag = Some(signet.tag().to_vec());
        }
        self.core.r = sealed.r.to_vec();
        self.core.ct_sha256 = sealed.ct_sha256.to_vec();
        self.core.c_root = sealed.c_root.to_vec();
        Ok(Payload { ct: sealed.ct, subject_ref: subject.0 })
    }

    fn sealing(&self, contents: Contents) -> Sealing {
        Sealing {
            gateway: self.gateway.clone(),
            scope: scope(&self.core).to_owned(),
            class: self.core.classification.clone(),
            day: self.core.day.clone(),
            subject: self.subject.clone(),
            contents,
        }
    }
}

/// In which identifiers of subjects are unique.
fn scope(core: &InferenceCore) -> &str {
    core.service.as_deref().unwrap_or(UNCLASSIFIED)
}

/// What is sealed.
struct Contents {
    request: Bytes,
    request_meta: Vec<u8>,
    /// The answer and what else is known of it.
    answer: Option<(Bytes, Vec<u8>)>,
}

impl Contents {
    fn fields(&self) -> Vec<(u16, &[u8])> {
        let request = [(field::REQUEST, &self.request[..]), (field::REQUEST_META, &self.request_meta)];
        let answer = self.answer.as_ref();
        let answer = answer.map(|(body, meta)| [(field::RESPONSE, &body[..]), (field::RESPONSE_META, &meta[..])]);
        let mut fields: Vec<_> = request.into_iter().chain(answer.into_iter().flatten()).collect();
        fields.sort_unstable_by_key(|(number, _)| *number);
        fields
    }
}

/// All that sealing needs, so that it can be done elsewhere.
struct Sealing {
    gateway: Arc<Gateway>,
    scope: String,
    class: String,
    day: String,
    subject: Subject,
    contents: Contents,
}

impl Sealing {
    fn run(self) -> Result<(Option<Arc<Signet>>, SubjectRef, Sealed), VaultError> {
        let signet = match &self.subject {
            Subject::Unnamed => return self.unnamed().map(|(subject, sealed)| (None, subject, sealed)),
            Subject::Named(identifier) => {
                self.gateway.engine.vault().signet(&self.scope, identifier, &self.class, &self.day, now_ms())?
            }
            Subject::Known(signet) => signet.clone(),
        };
        let sealed = signet.seal(&self.contents.fields())?;
        Ok((Some(signet.clone()), signet.subject(), sealed))
    }

    fn unnamed(&self) -> Result<(SubjectRef, Sealed), VaultError> {
        let vault = self.gateway.engine.vault();
        let subject = vault.anonymous_subject(&self.day)?;
        let sealed = vault.seal(&self.class, &self.day, &subject, &self.contents.fields(), now_ms())?;
        Ok((subject, sealed))
    }
}

fn now_ms() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
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
    match error.downcast_ref() {
        Some(VaultError::Custodian { .. }) => {
            "the custodian of the root key cannot be reached, and keys are not held for longer than `custodian.grace_seconds`"
        }
        _ => "its contents could not be sealed",
    }
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
    use super::{Meta, day};

    #[test]
    fn what_is_noted_is_one_json_object() {
        let mut meta = Meta::default();
        assert_eq!(meta.bytes(), b"{}");
        meta.put("model", "a \"b\"");
        meta.put("unwritable", std::collections::HashMap::from([(vec![1], 2)]));
        meta.put("status", 200);
        assert_eq!(meta.bytes(), br#"{"model":"a \"b\"","status":200}"#);
    }

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
