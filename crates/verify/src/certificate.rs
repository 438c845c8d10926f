//! Certificates of erasure: what was done to forget a person, each step with the proof that the ledger holds it. The form
//! is specified in `docs/format.md`, section "Certificates of erasure".

use std::collections::{BTreeMap, BTreeSet};

use domain::keys::requests::{ErasureStep, RequestKind};
use domain::people::Vote;
use domain::{Entry, Event};
use merkle::{Checkpoint, VerifierKey, hex};
use serde::{Deserialize, Serialize};

use crate::history::unverified;
use crate::record_proof::EventProof;
use crate::report::{
    Claim::{Completeness, Erasure, Integrity},
    Findings, Report, instant,
};
use crate::{Options, proof};

/// The value of member `format`.
pub const CERTIFICATE: &str = "counterfoil/erasure-certificate@v1";

/// What an erasure is done by, in the words of NIST SP 800-88 revision 2: member `method` of every certificate.
pub const ERASURE_METHOD: &str = "\
Cryptographic erase (NIST SP 800-88r2, technique \"purge\" where the media allow it, else \"clear\"): every key \
of the person is overwritten and the keys that wrapped them are replaced, up to a new root key whose predecessor \
is destroyed. What was sealed under a destroyed key with AES-256-GCM cannot be opened any more, wherever a copy \
of it lies. Sealed contents are then removed from the files in which they lay.";

/// What an erasure does not reach: member `limits` of every certificate.
pub const ERASURE_LIMITS: [&str; 7] = [
    "Solid-state disks keep remnants of overwritten blocks where no program reaches: encrypt the volume that holds the key store.",
    "Copies that were disclosed before, opened, to others are with them: a provider that answered an inference has what it was sent.",
    "Models that were trained on the person's data and are kept, with the reason named above, may still say something of them.",
    "A backup of the key store from before opens nothing once the custodian of the root key has forgotten the old one; where it \
     keeps old versions, until those or the backup expire.",
    "The ledger keeps what happened, with random references and pseudonyms only; it has no key to what they stood for.",
    "Versions of data sets that were stored as being about nobody in particular, or in a form in which nobody can be found, were not \
     searched: whoever is in their rows is there still, until they are destroyed.",
    "What was in this computer's memory or swap during the erasure is beyond what is proven here.",
];

/// How many people must have approved.
const APPROVERS: usize = 2;

/// A certificate. It names nobody: references are random.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`CERTIFICATE`].
    pub format: String,
    /// Whose ledger it is.
    pub organisation: String,
    /// The ledger's name.
    pub origin: String,
    /// The ledger's verifier key, as a C2SP signed-note vkey.
    pub log_vkey: String,
    /// Size of the ledger that all events are proven in.
    pub size: u64,
    /// Its root, hexadecimal.
    pub root: String,
    /// The request.
    pub request: String,
    /// The references of the person, which lead nowhere now.
    pub subjects: Vec<String>,
    /// When it was received, in milliseconds since the epoch.
    pub received_at: i64,
    /// When the erasure was completed.
    pub completed_at: i64,
    /// What it was done by.
    pub method: String,
    /// What it does not reach.
    pub limits: Vec<String>,
    /// What happened, in the order of the ledger.
    pub events: Vec<CertifiedEvent>,
}

/// Something that happened, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedEvent {
    /// Its number in the ledger.
    pub seq: u64,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Its type.
    pub event: String,
    /// The step that it reports, if it reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What that did, by kind of thing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// Keys that are destroyed, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
    /// The model version that it assesses, and what is done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its proof, in the form `counterfoil/event-proof@v1`.
    pub proof: String,
}

impl CertifiedEvent {
    /// What a certificate says of an entry.
    #[must_use]
    pub fn of(entry: &Entry, proof: &EventProof) -> Self {
        let (step, counts, keys) = match &entry.event {
            Event::RequestStep(body) => (Some(body.step.as_str().to_owned()), body.counts.clone(), body.keys.clone()),
            Event::RequestSearched(body) => (None, body.counts.clone(), BTreeSet::new()),
            _ => (None, BTreeMap::new(), BTreeSet::new()),
        };
        let model = match &entry.event {
            Event::RequestAssessed(body) => {
                let (assessment, action) = (body.assessment.as_str(), body.action.as_str());
                Some(format!("{}/{}: {assessment}, {action}, {}", body.model, body.version, body.reference))
            }
            _ => None,
        };
        let (seq, at, event) = (proof.log.index, entry.ts, entry.event.name().to_owned());
        Self { seq, at, event, step, counts, keys, model, proof: proof.to_string() }
    }
}

/// Verifies a certificate.
#[must_use]
pub(crate) fn verify(text: &str, options: &Options) -> Report {
    let mut findings = Findings::default();
    let certificate: Certificate = match serde_json::from_str(text) {
        Ok(certificate) => certificate,
        Err(error) => {
            findings.fail(Integrity, "certificate.unreadable", "certificate", error.to_string());
            return findings.report("certificate that cannot be read".to_owned());
        }
    };
    if certificate.format != CERTIFICATE {
        let message = format!("`{}` is not `{CERTIFICATE}`", certificate.format);
        findings.fail(Integrity, "certificate.format", "format", message);
    }
    same_texts(&certificate, &mut findings);
    let options = &Options { log_vkey: key_of(&certificate, options, &mut findings), ..options.clone() };
    let mut entries = Vec::new();
    let (mut proven, mut last) = (0, None);
    for event in &certificate.events {
        let Some((entry, checkpoint, signed)) = checked(event, &certificate, options, &mut findings) else { continue };
        proven += usize::from(signed.is_some());
        last = Some((checkpoint, signed));
        entries.push(entry);
    }
    // All are proven in the same checkpoint: it is judged once.
    if let Some((checkpoint, signed)) = &last {
        if let Some(Checkpoint { origin, size, .. }) = signed {
            findings.summary(Integrity, format!("{proven} entries of {size} in log `{origin}`"));
        }
        let newest = entries.iter().map(|entry| entry.ts).max();
        proof::judge(checkpoint, signed.as_ref(), newest, options, &mut findings);
    }
    in_order(&certificate, &mut findings);
    owner(&certificate, &entries, &mut findings);
    whole(&certificate, &entries, &mut findings);
    if findings.failures(Integrity) == 0 && findings.failures(Erasure) == 0 {
        let keys: BTreeSet<&String> = certificate.events.iter().flat_map(|event| &event.keys).collect();
        findings.summary(Erasure, format!("{} keys destroyed, every step proven in its order", keys.len()));
        let message = "a certificate proves what the ledger holds; that no copy of a key was kept elsewhere is for the \
                       operator's word, and its limits say what the erasure does not reach";
        findings.note(Erasure, "erasure.unproven", "limits", message);
    }
    let Certificate { request, origin, completed_at, .. } = &certificate;
    findings.report(format!("certificate of erasure `{request}` of `{origin}`, completed {}", instant(*completed_at)))
}

/// What stands in every certificate is no word of whoever hands one on.
fn same_texts(certificate: &Certificate, findings: &mut Findings) {
    if certificate.method != ERASURE_METHOD {
        let message = "it says another method than an erasure is done by";
        findings.fail(Integrity, "certificate.method", "method", message);
    }
    if certificate.limits != ERASURE_LIMITS {
        let message = "it says other limits than an erasure has";
        findings.fail(Integrity, "certificate.limits", "limits", message);
    }
}

/// Whose ledger it is, as its first entry says.
fn owner(certificate: &Certificate, entries: &[Entry], findings: &mut Findings) {
    let first = certificate.events.first().is_some_and(|event| event.seq == 0);
    let Some(Event::OrgCreated(org)) = entries.first().map(|entry| &entry.event).filter(|_| first) else {
        let message = "nothing proves whose ledger it is: its first event is not the ledger's `org.created`";
        return findings.fail(Integrity, "certificate.organisation", "organisation", message);
    };
    for (code, place, differs) in [
        ("certificate.organisation", "organisation", org.name != certificate.organisation),
        ("certificate.origin", "origin", org.origin != certificate.origin),
        ("certificate.key", "log_vkey", org.log_vkey != certificate.log_vkey),
    ] {
        if differs {
            findings.fail(Integrity, code, place, format!("the ledger began with another `{place}` than it says"));
        }
    }
}

/// The key that signed: the one that is known from elsewhere, else the one that came with the certificate, which shows
/// only that the certificate agrees with itself.
fn key_of(certificate: &Certificate, options: &Options, findings: &mut Findings) -> Option<VerifierKey> {
    let named = match certificate.log_vkey.parse::<VerifierKey>() {
        Ok(named) => Some(named),
        Err(error) => {
            let message = format!("its key cannot be read: {error}");
            findings.fail(Integrity, "certificate.key", "log_vkey", message);
            None
        }
    };
    let listed = options.policy.iter().flat_map(|policy| policy.logs()).map(|log| &log.key);
    let mut listed = listed.filter(|key| key.name() == certificate.origin);
    let pinned = options.log_vkey.as_ref().or_else(|| listed.next());
    match (pinned, named) {
        (Some(pinned), named) => {
            if let Some(named) = named.filter(|named| named != pinned) {
                let message = format!("the certificate names `{named}`, you trust `{pinned}`");
                findings.fail(Integrity, "key.untrusted", "log_vkey", message);
            }
            Some(pinned.clone())
        }
        (None, named) => {
            let message = "signed by a key that came with the certificate, so anybody could have made it: give the log's key, \
                           `--key`, from where you trust it";
            findings.unknown(Integrity, "key.absent", "log_vkey", message);
            named
        }
    }
}

/// One event, held to its own proof; when that can be read, its entry, and the checkpoint as a note and as the log's key
/// signed it.
fn checked(
    event: &CertifiedEvent,
    certificate: &Certificate,
    options: &Options,
    findings: &mut Findings,
) -> Option<(Entry, String, Option<Checkpoint>)> {
    let place = format!("event {}", event.seq);
    let proof = match EventProof::parse(&event.proof) {
        Ok(proof) => proof,
        Err(error) => {
            findings.fail(Integrity, "certificate.proof", place, error.to_string());
            return None;
        }
    };
    let before = findings.failures(Integrity);
    let signed = proof::included(&proof.log, &proof.entry, options, findings);
    if findings.failures(Integrity) > before {
        findings.fail(Integrity, "certificate.proof", place.clone(), "its proof does not hold");
    }
    let claimed = unverified(&proof.log.checkpoint);
    if let Some(Checkpoint { origin, size, root, .. }) = claimed {
        if origin != certificate.origin {
            let message = format!("its proof is of another ledger than `{}`", certificate.origin);
            findings.fail(Integrity, "certificate.origin", place.clone(), message);
        }
        if (size, hex(&root)) != (certificate.size, certificate.root.clone()) {
            let message = "size and root are not those of the checkpoint that it is proven in";
            findings.fail(Integrity, "certificate.differs", place.clone(), message);
        }
    }
    let entry = match Entry::decode(&proof.entry) {
        Ok(entry) => entry,
        Err(error) => {
            findings.fail(Integrity, "certificate.entry", place, error.to_string());
            return None;
        }
    };
    let proven = CertifiedEvent::of(&entry, &proof);
    for (member, differs) in [
        ("seq", proven.seq != event.seq),
        ("at", proven.at != event.at),
        ("event", proven.event != event.event),
        ("step", proven.step != event.step),
        ("counts", proven.counts != event.counts),
        ("keys", proven.keys != event.keys),
        ("model", proven.model != event.model),
    ] {
        if differs {
            let message = format!("the certificate says another `{member}` than the entry that it proves");
            findings.fail(Integrity, "certificate.differs", place.clone(), message);
        }
    }
    Some((entry, proof.log.checkpoint, signed))
}

fn in_order(certificate: &Certificate, findings: &mut Findings) {
    if !certificate.events.is_sorted_by(|a, b| a.seq < b.seq) {
        findings.fail(Integrity, "certificate.order", "events", "events are not in the order of the ledger, each once");
    }
}

/// Whether the proven entries are a whole erasure of this request.
fn whole(certificate: &Certificate, entries: &[Entry], findings: &mut Findings) {
    let mut steps = Vec::new();
    let (mut received, mut confirmed, mut started, mut approvers) = (false, false, false, BTreeSet::new());
    let (mut approval, mut consumed, mut voters) = (None, false, BTreeSet::new());
    let (mut models, mut assessed) = (None, BTreeSet::new());
    for entry in entries {
        let about = match &entry.event {
            Event::RequestReceived(body) => {
                received = body.kind == RequestKind::Erasure && body.subjects == certificate.subjects;
                received &= body.received_at == certificate.received_at;
                &body.request
            }
            Event::RequestIdentityChecked(body) => {
                confirmed = body.result == domain::keys::requests::IdentityResult::Confirmed;
                &body.request
            }
            Event::RequestSearched(body) => {
                models = Some(&body.models);
                &body.request
            }
            Event::RequestAssessed(body) => {
                assessed.insert(format!("{}/{}", body.model, body.version));
                &body.request
            }
            Event::RequestStarted(body) => {
                started = confirmed && models.is_some_and(|models| models.is_subset(&assessed));
                &body.request
            }
            Event::RequestStep(body) => {
                steps.push(body.step);
                if body.step == ErasureStep::Completed && entry.ts != certificate.completed_at {
                    let message = "`completed_at` is not when the ledger says";
                    findings.fail(Integrity, "certificate.differs", "completed_at", message);
                }
                &body.request
            }
            Event::RequestClosed(body) => &body.request,
            Event::OrgCreated(_) => continue,
            Event::ApprovalRequested(body)
                if body.command == "request.execute" && body.resource == format!("request/{}", certificate.request) =>
            {
                (approval, consumed) = (Some(body.approval.clone()), false);
                approvers.clear();
                voters.clear();
                continue;
            }
            Event::ApprovalVoted(body) if approval.as_ref() == Some(&body.approval) => {
                if body.vote == Vote::Approve {
                    voters.insert(entry.actor.clone());
                    approvers.insert(body.on_behalf_of.clone().unwrap_or_else(|| entry.actor.clone()));
                }
                continue;
            }
            Event::ApprovalConsumed(body) if approval.as_ref() == Some(&body.approval) => {
                consumed = approvers.len().min(voters.len()) >= APPROVERS;
                continue;
            }
            _ => {
                let message = format!("a `{}` has no place in a certificate", entry.event.name());
                findings.fail(Integrity, "certificate.foreign", "events", message);
                continue;
            }
        };
        if *about != certificate.request {
            let message = format!("a `{}` of another request is among the events", entry.event.name());
            findings.fail(Integrity, "certificate.foreign", "events", message);
        }
    }
    let done = ErasureStep::ALL.iter().filter(|step| steps.contains(step)).count();
    findings.summary(Completeness, format!("{done} of {} steps of the erasure are there", ErasureStep::ALL.len()));
    let message = "a certificate is of one request: it says nothing of what else there is";
    findings.unknown(Completeness, "proof.single", "certificate", message);
    let missing = |holds: bool, code: &'static str, what: &str, findings: &mut Findings| {
        if !holds {
            findings.fail(Erasure, code, "events", format!("nothing proves {what}"));
        }
    };
    missing(received, "erasure.received", "that these people asked for an erasure, at that time", findings);
    missing(confirmed, "erasure.identity", "that it was confirmed who asked", findings);
    missing(consumed, "erasure.approved", "that two people approved it, in the approval that was used", findings);
    let begun = "that it was begun after it was confirmed who asked, a search, and a decision of each model version";
    missing(started, "erasure.started", begun, findings);
    missing(steps == ErasureStep::ALL, "erasure.steps", "that every step was done once, in its order", findings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn given_what_is_no_certificate_when_verified_then_it_is_a_finding_and_nothing_passes() {
        for text in ["{", "{}", r#"{"format":"another"}"#] {
            let report = verify(text, &Options::default());
            assert_eq!(report.verdict(Integrity), Verdict::Fail, "{text}: {report}");
            assert!(report.has("certificate.unreadable") && report.exit == 1, "{text}: {report}");
        }
    }

    #[test]
    fn given_the_texts_of_certificates_when_looked_up_in_the_specification_then_they_stand_there_to_the_letter() {
        let specified = include_str!("../../../docs/format.md");
        for text in ERASURE_LIMITS.into_iter().chain([ERASURE_METHOD]) {
            assert!(specified.contains(&format!("\n> {text}\n")), "{text}");
        }
    }

    #[test]
    fn given_a_certificate_of_nothing_when_verified_then_it_is_named_what_it_lacks() {
        let empty = Certificate {
            format: "another".into(),
            organisation: String::new(),
            origin: "test.example/log".into(),
            log_vkey: "no key".into(),
            size: 0,
            root: String::new(),
            request: "q_1".into(),
            subjects: vec![],
            received_at: 0,
            completed_at: 0,
            method: String::new(),
            limits: vec![],
            events: vec![CertifiedEvent {
                seq: 0,
                at: 0,
                event: "request.received".into(),
                step: None,
                counts: [].into(),
                keys: [].into(),
                model: None,
                proof: "no proof".into(),
            }],
        };
        let text = serde_json::to_string(&empty).expect("JSON");
        let report = verify(&text, &Options::default());
        let lacks = ["erasure.received", "erasure.identity", "erasure.approved", "erasure.started", "erasure.steps"];
        let form = ["format", "key", "proof", "method", "limits", "organisation"].map(|of| format!("certificate.{of}"));
        for code in lacks.map(str::to_owned).into_iter().chain(form) {
            assert!(report.has(&code), "{code}: {report}");
        }
        assert_eq!((report.verdict(Integrity), report.verdict(Erasure)), (Verdict::Fail, Verdict::Fail));
    }
}
