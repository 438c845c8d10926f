//! Certificates of erasure: made from the ledger alone, so that whoever doubts one makes it again.

use std::sync::Arc;

use domain::keys::requests::{ErasureStep, Request};
use domain::{Entry, Event};
use engine::Engine;
use merkle::TlogProof;
use verify::{CERTIFICATE, Certificate, CertifiedEvent, ERASURE_LIMITS, ERASURE_METHOD, EventProof};

use crate::AssuranceError;
use crate::pdf::{self, Line};

/// The certificate of an erasure that is completed, with the proof of each step. Blocks.
///
/// # Errors
/// When there is no such request, or its erasure is not completed.
pub fn certificate(engine: &Arc<Engine>, request: &str) -> Result<Certificate, AssuranceError> {
    let known = engine.request(request).map_err(|refusal| AssuranceError::NotFound(refusal.message))?;
    let Some(completed_at) = completed(&known) else {
        let message = format!("the erasure of request `{request}` is not completed: there is nothing to certify yet");
        return Err(AssuranceError::NotFound(message));
    };
    let entries = entries_of(engine, request)?;
    engine.log().publish().map_err(io)?;
    let absent = || io("its events are not in the ledger");
    let (last, ..) = entries.last().ok_or_else(absent)?;
    // Others are published meanwhile: all events are proven in the one that covers the last.
    let checkpoint = engine.log().tlog_proof(*last).map_err(io)?.checkpoint;
    let (size, root) = size_and_root(&checkpoint).ok_or_else(absent)?;
    let mut events = Vec::with_capacity(entries.len());
    for (seq, bytes, entry) in entries {
        let hashes = engine.log().inclusion_proof(seq, size).map_err(io)?;
        let log = TlogProof { extra: None, index: seq, hashes, checkpoint: checkpoint.clone() };
        events.push(CertifiedEvent::of(&entry, &EventProof { entry: bytes, log }));
    }
    Ok(Certificate {
        format: CERTIFICATE.to_owned(),
        organisation: engine.org().name,
        origin: engine.log().origin().to_owned(),
        log_vkey: engine.log_vkey().to_owned(),
        size,
        root,
        request: request.to_owned(),
        subjects: known.received.subjects,
        received_at: known.received.received_at,
        completed_at,
        method: ERASURE_METHOD.to_owned(),
        limits: ERASURE_LIMITS.map(str::to_owned).to_vec(),
        events,
    })
}

/// The same for people to read and file.
#[must_use]
pub fn certificate_pdf(certificate: &Certificate) -> Vec<u8> {
    pdf::write("Certificate of erasure", &lines(certificate))
}

fn completed(request: &Request) -> Option<i64> {
    request.steps.iter().find(|(step, _)| *step == ErasureStep::Completed).map(|(_, at)| *at)
}

/// The event that says whose ledger it is, those of a request, and those of the approval that it was carried out with, in
/// the order of the ledger.
fn entries_of(engine: &Engine, request: &str) -> Result<Vec<(u64, Vec<u8>, Entry)>, AssuranceError> {
    let stream = format!("request/{request}");
    let approval = engine.read(|state| {
        let used = state.approvals.values().filter(|known| known.consumed.is_some());
        used.map(|known| &known.requested)
            .find(|asked| asked.command == "request.execute" && asked.resource == stream)
            .map(|asked| asked.approval.clone())
    });
    let approved = approval.map(|approval| format!("approval/{approval}"));
    let mut found = Vec::new();
    let each = &mut |seq: u64, bytes: &[u8]| {
        let Ok(entry) = Entry::decode(bytes) else { return };
        let said = matches!(entry.event, Event::ApprovalCommented(_));
        let whose = matches!(entry.event, Event::OrgCreated(_));
        if whose || entry.stream == stream || (Some(&entry.stream) == approved.as_ref() && !said) {
            found.push((seq, bytes.to_vec(), entry));
        }
    };
    engine.log().for_each_entry(0..engine.log().size(), each).map_err(io)?;
    Ok(found)
}

/// The second and third line of a checkpoint; the root is base64 there.
fn size_and_root(checkpoint: &str) -> Option<(u64, String)> {
    let note = merkle::Note::parse(checkpoint).ok()?;
    let checkpoint = merkle::Checkpoint::parse(&note.text).ok()?;
    Some((checkpoint.size, merkle::hex(&checkpoint.root)))
}

fn lines(certificate: &Certificate) -> Vec<Line> {
    let mut lines = vec![
        Line::text(format!("Organisation: {}", certificate.organisation)),
        Line::text(format!("Request: {}", certificate.request)),
        Line::text(format!("Received: {}", pdf::time(certificate.received_at))),
        Line::text(format!("Completed: {}", pdf::time(certificate.completed_at))),
        Line::text(format!("Ledger: {}, {} entries", certificate.origin, certificate.size)),
        Line::text(format!("Root: {}", certificate.root)),
        Line::text(format!("Key of the ledger: {}", certificate.log_vkey)),
        Line::head("References of the person"),
    ];
    lines.extend(certificate.subjects.iter().map(Line::text));
    lines.push(Line::head("Method"));
    lines.push(Line::text(&certificate.method));
    lines.push(Line::head("What happened"));
    for event in &certificate.events {
        let step = event.step.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
        let counts: Vec<String> = event.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        let counts = if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
        lines.push(Line::text(format!("entry {}, {}: {}{step}{counts}", event.seq, pdf::time(event.at), event.event)));
        lines.extend(event.model.iter().map(|model| Line::text(format!("    model {model}"))));
        lines.extend(event.keys.iter().map(|key| Line::text(format!("    {key}"))));
    }
    lines.push(Line::head("What it does not reach"));
    lines.extend(certificate.limits.iter().map(Line::text));
    lines.push(Line::head("How to verify it"));
    lines.push(Line::text(
        "Each entry above has a proof of inclusion in the JSON form of this certificate. `counterfoil verify \
         certificate.json --key KEY` checks all of them offline; take KEY from where you trust it.",
    ));
    lines
}

fn io(error: impl std::fmt::Display) -> AssuranceError {
    AssuranceError::Io(error.to_string())
}
