//! The auditor's verifier: evidence packages and proofs, offline. It knows nothing of everything that writes; what it
//! checks is specified in `docs/format.md`.
//!
//! A report has five separate verdicts and no overall one. Whatever bytes it is given, the verifier answers with
//! findings that name files, entries and records; it does not panic, and it opens no connection.

mod archive;
mod certificate;
mod columns;
mod completeness;
mod controls;
mod differences;
mod erasure;
mod files;
mod fold;
mod history;
mod package;
mod proof;
mod record_proof;
mod report;
mod reviews;
mod run;
mod seen;
mod segments;
mod trust;

use merkle::{Policy, VerifierKey};

pub use archive::{Archive, ArchiveError, Fault, MAX_ENTRIES};
pub use certificate::{CERTIFICATE, Certificate, CertifiedEvent, ERASURE_LIMITS, ERASURE_METHOD};
pub use package::{
    CHECKPOINT, MANIFEST, MANIFEST_NOTE, Manifest, PACKAGE_STATEMENT, Package, PackageError, PackageFile,
    PackageSegment,
};
pub use proof::verify_proof;
pub use record_proof::{
    AnyRecord, Disclosure, EVENT_PROOF, EventProof, MAX_PROOF_BYTES, ProvenRecord, RECORD_PROOF, RecordProof,
    RecordProofError,
};
pub use report::{Claim, Conclusion, Finding, Report, Verdict, Weight};
pub use reviews::{REVIEW_LIST, ReviewListProof};
pub use run::{Arguments, EXIT_IO, RunError, run, verify};

use report::{Findings, instant};

/// What the auditor knows from elsewhere, and asks for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The log's key. Without it, the key in the package is used, which shows only that the package agrees with itself.
    pub log_vkey: Option<VerifierKey>,
    /// Which witnesses must have cosigned.
    pub policy: Option<Policy>,
    /// A signed checkpoint of the same log that was kept: older than what is verified, or newer, then best as the request
    /// by which it is shown to a witness, whose proof leads to it.
    pub seen: Option<String>,
    /// The time of verification, in milliseconds since the epoch.
    pub now_ms: i64,
    /// The greatest age allowed, in milliseconds; without it, freshness is not judged.
    pub max_age_ms: Option<i64>,
}

/// Verifies an evidence package.
#[must_use]
pub fn verify_package(bytes: Vec<u8>, options: &Options) -> Report {
    let mut findings = Findings::default();
    let package = match Package::from_bytes(bytes) {
        Ok(package) => package,
        Err(error) => {
            findings.fail(Claim::Integrity, "package.unreadable", "package", error.to_string());
            return findings.report("evidence package that cannot be opened".to_owned());
        }
    };
    let digests = files::check(&package, &mut findings);
    let history = history::History::read(&package, options, &mut findings);
    findings.summary(Claim::Integrity, format!("{} entries", history.entries.len()));
    let log = history::check(&package, &history, options, &mut findings);
    if let Some(key) = &log.key {
        files::check_note(&package, key, &mut findings);
    }
    fold::check(&history, &mut findings);
    let removals = erasure::Removals::read(&history);
    let gone = segments::check(&package, &history, &removals, &digests, &mut findings);
    controls::check(&package, &history, &mut findings);
    reviews::check(&package, &history, &mut findings);
    completeness::check(&package, &history, &removals, &mut findings);
    trust::freshness(&log, &history, options, &mut findings);
    trust::independence(log.note.as_ref(), options, &mut findings);
    removals.conclude(&gone, package.manifest().payloads, &mut findings);
    if !log.pinned {
        findings.summary(Claim::Integrity, "signed by a key that came with the package");
    }
    findings.report(subject(package.manifest()))
}

fn subject(manifest: &Manifest) -> String {
    let Manifest { package, origin, size, from, to, .. } = manifest;
    let (from, to) = (instant(*from), instant(*to));
    format!("evidence package {package} of `{origin}`: {size} ledger entries, records from {from} to {to}")
}
