//! What is gone: payloads that were taken out of segments, and days whose keys were destroyed. A payload may be missing
//! when entries say that as many were taken out of its segment, and no payload may be there of a day that was disposed of.

use std::collections::BTreeMap;

use domain::keys::requests::ErasureStep;
use domain::keys::retention::{Kind, PayloadCompacted, RetentionDisposing, SegmentGone};
use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentSealed};
use domain::{Event, Record, record};

use crate::history::History;
use crate::report::{Claim::Erasure, Claim::Integrity, Findings};

/// How a file of payloads was written anew, with the entries that say so.
type Compactions<'h> = Vec<(u64, &'h PayloadCompacted)>;

/// What the entries say was taken away.
#[derive(Default)]
pub(crate) struct Removals<'h> {
    /// By segment: node, incarnation and number.
    compacted: BTreeMap<(&'h str, u64, u64), Compactions<'h>>,
    /// Disposals that are done, by class and day.
    disposed: BTreeMap<(&'h str, &'h str), &'h RetentionDisposing>,
    disposals: u64,
    /// Segments whose records went, by kind of records, node, incarnation and number.
    went: BTreeMap<(u32, &'h str, u64, u64), Went<'h>>,
    /// Steps of erasures by request, in the order of the history.
    erasures: BTreeMap<&'h str, Vec<ErasureStep>>,
    /// Entries that say of payloads that they were taken out because of something that was not under way.
    uncaused: Vec<(u64, String)>,
    /// The same, and not why: entries from before that was said.
    unexplained: u64,
}

/// How the records of a segment went.
struct Went<'h> {
    /// The entry that says so.
    seq: u64,
    /// The rule of the disposal, when that began.
    rule: Option<&'h str>,
    gone: &'h SegmentGone,
}

/// Payloads that a package with payloads lacks.
#[derive(Default)]
pub(crate) struct Gone {
    /// Because their day was disposed of, by the rule that says so.
    by_rule: BTreeMap<String, u64>,
    /// By another entry.
    otherwise: u64,
}

impl<'h> Removals<'h> {
    pub fn read(history: &'h History<'_>) -> Self {
        let (mut removals, mut begun) = (Self::default(), BTreeMap::new());
        for (seq, entry) in &history.entries {
            match &entry.event {
                Event::PayloadCompacted(body) => {
                    removals.unexplained += u64::from(body.because.is_empty());
                    let wrong = body.because.iter().filter(|cause| !removals.accounts(&begun, cause));
                    let wrong: Vec<(u64, String)> = wrong.map(|cause| (*seq, cause.clone())).collect();
                    removals.uncaused.extend(wrong);
                    let segment = (body.node.as_str(), body.incarnation, body.number);
                    removals.compacted.entry(segment).or_default().push((*seq, body));
                }
                Event::RequestStep(body) => {
                    removals.erasures.entry(body.request.as_str()).or_default().push(body.step);
                }
                Event::RetentionDisposing(body) => {
                    begun.insert(body.disposal.as_str(), body);
                }
                Event::SegmentsDisposed(body) => {
                    let schema = if body.kind == Kind::AccessCore { AccessCore::SCHEMA } else { InferenceCore::SCHEMA };
                    let rule = begun.get(body.disposal.as_str()).map(|disposing| disposing.rule.as_str());
                    for gone in &body.segments {
                        let name = (schema, gone.node.as_str(), gone.incarnation, gone.number);
                        removals.went.insert(name, Went { seq: *seq, rule, gone });
                    }
                }
                Event::RetentionDisposed(done) => {
                    removals.disposals += 1;
                    if let (Some(body), Some(day)) = (begun.get(done.disposal.as_str()), &done.item.day) {
                        removals.disposed.insert((done.item.class.as_str(), day.as_str()), *body);
                    }
                }
                _ => {}
            }
        }
        removals
    }

    /// Whether something that payloads are said to be taken out because of is under way.
    fn accounts(&self, begun: &BTreeMap<&str, &RetentionDisposing>, cause: &str) -> bool {
        match cause.split_once('/') {
            Some(("disposal", id)) => begun.contains_key(id),
            // Each step is told once it is done, so this one is the next.
            Some(("request", id)) => {
                let before = ErasureStep::ALL.iter().take_while(|step| **step != ErasureStep::PayloadRowsRemoved);
                self.erasures.get(id).is_some_and(|steps| steps.iter().eq(before))
            }
            _ => false,
        }
    }

    /// The newest entry that says what is left of a segment's payloads, and the root over them.
    pub fn left(&self, sealed: &SegmentSealed) -> Option<(u64, &'h str)> {
        let told = self.compacted.get(&(sealed.node.as_str(), sealed.incarnation, sealed.number))?;
        let (seq, body) = told.last()?;
        Some((*seq, body.left.as_deref()?))
    }

    /// Whether a segment of the window that a package lacks is one whose records went by a rule. What says so must be of the
    /// segment that was sealed, and its disposal must have begun.
    pub fn explains(&self, schema: u32, sealed: &SegmentSealed, findings: &mut Findings) -> bool {
        let name = (schema, sealed.node.as_str(), sealed.incarnation, sealed.number);
        let Some(Went { seq, rule, gone }) = self.went.get(&name) else { return false };
        let place = format!("segment {}-{}-{}", sealed.node, sealed.incarnation, sealed.number);
        match rule {
            Some(rule) if (&gone.root, gone.n, &gone.core) == (&sealed.root, sealed.n, &sealed.core) => {
                let message = format!("its {} records were disposed of by rule `{rule}` (event {seq})", sealed.n);
                findings.note(Erasure, "segment.disposed", place, message);
            }
            Some(_) => {
                let message = format!("entry {seq} says of another segment than was sealed that its records went");
                findings.fail(Integrity, "segment.disposal", place, message);
            }
            None => {
                let message = format!("entry {seq} says that its records went by a disposal that never began");
                findings.fail(Integrity, "segment.disposal", place, message);
            }
        }
        true
    }

    /// Names a segment whose records are in a package although an entry says that they went.
    pub fn not_kept(&self, schema: u32, sealed: &SegmentSealed, dir: &str, findings: &mut Findings) {
        let name = (schema, sealed.node.as_str(), sealed.incarnation, sealed.number);
        if let Some(Went { seq, .. }) = self.went.get(&name) {
            let message = format!("entry {seq} says that its records were disposed of, and they are still here");
            findings.fail(Erasure, "segment.kept", dir, message);
        }
    }

    /// How many payloads were taken out of a segment. Each file must be the one that was written before it.
    pub fn taken_out(&self, sealed: &SegmentSealed, dir: &str, findings: &mut Findings) -> u64 {
        let told = self.compacted.get(&(sealed.node.as_str(), sealed.incarnation, sealed.number));
        let mut standing = sealed.payload.as_ref().map(|file| file.sha256.as_str());
        let mut rows = 0_u64;
        for (seq, body) in told.into_iter().flatten() {
            if standing != Some(body.old.sha256.as_str()) {
                let message = format!("entry {seq} wrote another file of payloads anew than the one that stood");
                findings.fail(Integrity, "payload.replaced", dir, message);
            }
            standing = body.new.as_ref().map(|file| file.sha256.as_str());
            rows = rows.saturating_add(body.rows_removed);
        }
        rows
    }

    /// The rule by which the day of a record was disposed of.
    pub fn rule<R: Record>(&self, core: &R) -> Option<&'h str> {
        let text = |name: &str| {
            let field = R::FIELDS.iter().find(|field| field.name == name)?;
            match core.get(field.id) {
                Some(record::Value::Text(text)) => Some(text),
                _ => None,
            }
        };
        self.disposed.get(&(text("classification")?, text("day")?)).map(|body| body.rule.as_str())
    }

    /// Concludes what can be said of erasure from a package.
    pub fn conclude(&self, gone: &Gone, payloads: bool, findings: &mut Findings) {
        for (rule, n) in &gone.by_rule {
            let message = format!("{n} payloads were disposed of by rule `{rule}`: their day's key was destroyed");
            findings.note(Erasure, "payload.disposed", "segments", message);
        }
        if gone.otherwise > 0 {
            let message = format!("{} payloads were taken out of their segments, as entries say", gone.otherwise);
            findings.note(Erasure, "payload.erased", "segments", message);
        }
        for (seq, cause) in &self.uncaused {
            let message = format!("payloads were taken out because of `{cause}`, which was not under way");
            findings.fail(Integrity, "payload.cause", format!("entry {seq}"), message);
        }
        if self.unexplained > 0 {
            let message = format!("{} entries say of payloads that they were taken out, and not why", self.unexplained);
            findings.unknown(Erasure, "payload.unexplained", "entries", message);
        }
        let completed = self.completed(findings);
        if self.compacted.is_empty() && self.disposals == 0 && self.erasures.is_empty() {
            let message = "no entry tells of anything erased, disposed of or taken out: there was nothing to check";
            return findings.unknown(Erasure, "erasure.none", "entries", message);
        }
        let told = format!(
            "{completed} erasures completed, {} disposals, {} segments with payloads taken out",
            self.disposals,
            self.compacted.len()
        );
        match payloads {
            true => findings.summary(Erasure, format!("{told}; none of it is in the package")),
            false => {
                let message =
                    format!("{told}; the package was made without payloads, so it cannot show that they are gone");
                findings.unknown(Erasure, "erasure.unseen", "manifest.json", message);
            }
        }
    }
}

impl Removals<'_> {
    /// How many erasures are completed. The steps of each are the beginning of the order that its events promise.
    fn completed(&self, findings: &mut Findings) -> usize {
        let mut completed = 0;
        for (request, steps) in &self.erasures {
            if !ErasureStep::ALL.starts_with(steps) {
                let message = "its steps are not those of an erasure, each once and in their order";
                findings.fail(Erasure, "erasure.steps", format!("request/{request}"), message);
            } else if steps.len() == ErasureStep::ALL.len() {
                completed += 1;
            } else {
                let message = format!("{} of {} steps are done", steps.len(), ErasureStep::ALL.len());
                findings.note(Erasure, "erasure.under_way", format!("request/{request}"), message);
            }
        }
        completed
    }
}

impl Gone {
    /// Counts one, by the rule of its day if there is one.
    pub fn add(&mut self, rule: Option<&str>) {
        match rule {
            Some(rule) => *self.by_rule.entry(rule.to_owned()).or_default() += 1,
            None => self.otherwise += 1,
        }
    }
}
