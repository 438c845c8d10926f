//! Verifying one proof file: a record proof, an event proof, or a bare C2SP tlog-proof with its entry beside it.

use domain::people::reviews::ReviewCompleted;
use domain::{Entry, EntryError};
use merkle::{Checkpoint, Note, ProofError, TlogProof, VerifierKey, leaf_hash, verify_inclusion};

use crate::certificate;
use crate::history::unverified;
use crate::record_proof::{
    AnyRecord, EVENT_PROOF, EventProof, ProvenRecord, RECORD_PROOF, RecordProof, RecordProofError,
};
use crate::report::{
    Claim::{Completeness, Integrity},
    Findings, ROLLBACK, Report, instant,
};
use crate::reviews::{REVIEW_LIST, ReviewListProof};
use crate::seen::{PLACE, Seen};
use crate::{Options, trust};

/// Verifies a proof. A bare tlog-proof needs the bytes of its entry; the other kinds bring them.
#[must_use]
pub fn verify_proof(text: &str, entry: Option<&[u8]>, options: &Options) -> Report {
    // A certificate is JSON, and brings many proofs.
    if text.trim_start().starts_with('{') {
        return certificate::verify(text, options);
    }
    let mut findings = Findings::default();
    let subject = match text.split('\n').next() {
        Some(RECORD_PROOF) => record(text, options, &mut findings),
        Some(EVENT_PROOF) => event(text, options, &mut findings),
        Some(REVIEW_LIST) => review(text, options, &mut findings),
        _ => bare(text, entry, options, &mut findings),
    };
    let message = "a proof is of one entry: it says nothing of what else there is";
    findings.unknown(Completeness, "proof.single", "proof", message);
    trust::erasure(&mut findings);
    findings.report(subject)
}

fn refuse(error: &RecordProofError, findings: &mut Findings) {
    findings.fail(Integrity, "proof.broken", "proof", error.to_string());
}

fn record(text: &str, options: &Options, findings: &mut Findings) -> String {
    let subject = "proof of a record".to_owned();
    let proof = match RecordProof::parse(text) {
        Ok(proof) => proof,
        Err(error) => {
            refuse(&error, findings);
            return subject;
        }
    };
    let proven = proof.check();
    let ts = proven.as_ref().ok().map(|proven| proven.ts);
    log_half(&proof.log, &proof.event, ts, options, findings);
    match proven {
        Ok(ProvenRecord { core, sealed, .. }) => {
            findings.summary(Integrity, format!("record {} of segment {}", proof.index, sealed.number));
            if !proof.disclosures.is_empty() {
                findings.summary(Integrity, format!("{} disclosed payload fields", proof.disclosures.len()));
            }
            let what = match &core {
                AnyRecord::Inference(core) => {
                    let ended = instant(core.ts_end.div_euclid(1000));
                    format!("inference {}, {}, ended {ended}", core.inference_id, core.status)
                }
                AnyRecord::Access(core) => {
                    let at = instant(core.ts_end.div_euclid(1000));
                    format!(
                        "access {}, {} of {}, {}, at {at}",
                        core.access_id, core.action, core.object_kind, core.decision
                    )
                }
            };
            format!("{subject}: {what}, on node `{}`", sealed.node)
        }
        Err(error) => {
            refuse(&error, findings);
            subject
        }
    }
}

fn review(text: &str, options: &Options, findings: &mut Findings) -> String {
    let subject = "list of an access review".to_owned();
    let proof = match ReviewListProof::parse(text) {
        Ok(proof) => proof,
        Err(error) => {
            refuse(&error, findings);
            return subject;
        }
    };
    let checked = proof.check();
    let ts = checked.as_ref().ok().map(|(entry, _)| entry.ts);
    log_half(&proof.log, &proof.entry, ts, options, findings);
    match checked {
        Ok((entry, completed)) => {
            let ReviewCompleted { review, kept, removed, gone, .. } = &completed;
            findings.summary(Integrity, "the list that the ledger commits to");
            let done = instant(entry.ts);
            format!("{subject}: `{review}`, {kept} kept, {removed} removed, {gone} gone, completed {done}")
        }
        Err(error) => {
            refuse(&error, findings);
            subject
        }
    }
}

fn event(text: &str, options: &Options, findings: &mut Findings) -> String {
    match EventProof::parse(text) {
        Ok(proof) => entry_in_log(&proof.log, &proof.entry, options, findings),
        Err(error) => {
            refuse(&error, findings);
            "proof of an event".to_owned()
        }
    }
}

fn bare(text: &str, entry: Option<&[u8]>, options: &Options, findings: &mut Findings) -> String {
    let subject = "proof of an entry".to_owned();
    if !text.starts_with("c2sp.org/tlog-proof@") {
        let message = "the file is neither an evidence package nor a proof: its first line names no kind of proof";
        findings.fail(Integrity, "proof.broken", "proof", message);
        return "neither a package nor a proof".to_owned();
    }
    match (TlogProof::parse(text), entry) {
        (Ok(proof), Some(entry)) => return entry_in_log(&proof, entry, options, findings),
        (Ok(_), None) => {
            let message = "this kind of proof does not bring its entry: give the entry's bytes too";
            findings.unknown(Integrity, "proof.entry", "proof", message);
        }
        (Err(error), _) => refuse(&RecordProofError::Log(error), findings),
    }
    subject
}

fn entry_in_log(proof: &TlogProof, bytes: &[u8], options: &Options, findings: &mut Findings) -> String {
    let entry = Entry::decode(bytes);
    log_half(proof, bytes, entry.as_ref().ok().map(|entry| entry.ts), options, findings);
    match entry {
        Ok(entry) => {
            let (name, ts) = (entry.event.name(), instant(entry.ts));
            format!("proof of entry {}: {name} of {ts} in stream `{}`", proof.index, entry.stream)
        }
        Err(EntryError::Unknown(_)) => format!("proof of entry {}, of a type unknown to this program", proof.index),
        Err(error) => {
            refuse(&RecordProofError::Event(error), findings);
            format!("proof of entry {}", proof.index)
        }
    }
}

/// The half that any C2SP tool can check: the entry is under a checkpoint that the log signed.
fn log_half(proof: &TlogProof, entry: &[u8], ts: Option<i64>, options: &Options, findings: &mut Findings) {
    let signed = included(proof, entry, options, findings);
    if let Some(Checkpoint { origin, size, .. }) = &signed {
        findings.summary(Integrity, format!("entry {} of {size} in log `{origin}`", proof.index));
    }
    judge(&proof.checkpoint, signed.as_ref(), ts, options, findings);
}

/// The checkpoint that the entry is under, when the log's key signed it.
pub(crate) fn included(
    proof: &TlogProof,
    entry: &[u8],
    options: &Options,
    findings: &mut Findings,
) -> Option<Checkpoint> {
    let claimed = unverified(&proof.checkpoint);
    if let Some(key) = key_for(claimed.as_ref(), options) {
        return match proof.verify(entry, key, None) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                refuse(&RecordProofError::Log(error), findings);
                None
            }
        };
    }
    let index = proof.index;
    let included = claimed.ok_or(ProofError::RootMismatch).and_then(|checkpoint| {
        verify_inclusion(&leaf_hash(entry), index, checkpoint.size, &proof.hashes, &checkpoint.root)
    });
    if let Err(error) = included {
        findings.fail(Integrity, "proof.broken", "proof", format!("the entry is not at index {index}: {error}"));
    }
    let message = "who signed it was not checked: give the log's key, `--key \"$(counterfoil ledger key)\"`, or a policy \
                   that lists the log";
    findings.unknown(Integrity, "key.absent", "checkpoint", message);
    None
}

/// Judges a checkpoint by what is known from elsewhere, and the age of the newest entry that is proven in it.
pub(crate) fn judge(
    checkpoint: &str,
    signed: Option<&Checkpoint>,
    ts: Option<i64>,
    options: &Options,
    findings: &mut Findings,
) {
    if let Some((signed, key)) = signed.zip(key_for(signed, options)) {
        check_seen(signed, key, options, findings);
    }
    let note = Note::parse(checkpoint).ok();
    let witnessed =
        note.as_ref().zip(options.policy.as_ref()).and_then(|(note, policy)| trust::witnessed_at(note, policy));
    trust::judge(ts, witnessed, options, findings);
    trust::independence(note.as_ref(), options, findings);
}

fn key_for<'o>(claimed: Option<&Checkpoint>, options: &'o Options) -> Option<&'o VerifierKey> {
    let origin = &claimed?.origin;
    let listed = || options.policy.as_ref()?.logs().iter().map(|log| &log.key).find(|key| key.name() == origin);
    options.log_vkey.as_ref().or_else(listed)
}

/// Without the entries, only a checkpoint of the same size can be compared with one that was kept, or a later one that
/// came with its proof.
fn check_seen(checkpoint: &Checkpoint, key: &VerifierKey, options: &Options, findings: &mut Findings) {
    let Some(seen) = Seen::read(options, key, findings) else { return };
    let (size, kept) = (checkpoint.size, seen.checkpoint.size);
    if kept > size {
        seen.check_later("proof", size, &checkpoint.root, findings);
    } else if kept < size {
        let message = format!("it has size {kept}, the proof {size}: only a package can connect them");
        findings.note(Integrity, "seen.unconnected", PLACE, message);
    } else if seen.checkpoint.root != checkpoint.root {
        let message = format!("the log signed two histories of size {size}");
        findings.fail(Integrity, ROLLBACK, PLACE, message);
    }
}
