//! Artifacts: malicious ones of every class, put together here with payloads that do nothing, and honest ones.

mod archives;
mod build;
mod calls;
mod formats;
mod honest;
mod large;
mod pickles;
mod tricks;

use scan::artifacts::{Report, Verdict, scan};

/// Scans bytes under a name.
fn look(name: &str, bytes: &[u8]) -> Report {
    scan(name, &bytes)
}

/// It fails by this rule, among others perhaps.
#[track_caller]
fn fails(name: &str, bytes: &[u8], rule: &str) -> Report {
    let report = look(name, bytes);
    assert_eq!(report.verdict(), Verdict::Fail, "{name}: {report:#?}");
    assert!(report.findings.iter().any(|one| one.rule.id == rule), "{name}: no {rule} in {report:#?}");
    report
}

/// Nothing bad was found, and something was not read, for a reason with this in it.
#[track_caller]
fn incomplete(name: &str, bytes: &[u8], reason: &str) -> Report {
    let report = look(name, bytes);
    assert_eq!(report.verdict(), Verdict::Incomplete, "{name}: {report:#?}");
    assert!(report.unread.iter().any(|one| one.reason.contains(reason)), "{name}: {report:#?}");
    report
}

#[track_caller]
fn passes(name: &str, bytes: &[u8]) -> Report {
    let report = look(name, bytes);
    assert_eq!(report.verdict(), Verdict::Pass, "{name}: {report:#?}");
    report
}
