//! Who vouches for the log besides its operator, how recent it is, and what was erased.

use domain::Event;
use merkle::{Note, Policy};

use crate::Options;
use crate::history::{History, Log};
use crate::report::{
    Claim::{Erasure, Freshness, Independence},
    Findings, instant, span,
};

/// How far ahead of the verifier's clock another clock may be.
pub(crate) const SKEW_MS: i64 = 5 * 60 * 1000;

/// How many heartbeats are searched, newest first, for a checkpoint that was witnessed.
const SEARCHED_HEARTBEATS: usize = 100;

const CHECKPOINT: &str = "checkpoint";

/// Checks the witnesses' cosignatures on a checkpoint against the policy.
pub(crate) fn independence(note: Option<&Note>, options: &Options, findings: &mut Findings) {
    let Some(policy) = &options.policy else {
        let others = note.map_or(0, |note| note.signatures.len().saturating_sub(1));
        let message = match others {
            0 => "nobody but the operator vouches for this log: it carries no other signature".to_owned(),
            n => format!("{n} other signatures were not checked: name the witnesses you trust with a policy"),
        };
        return findings.unknown(Independence, "policy.absent", CHECKPOINT, message);
    };
    let Some(note) = note else {
        return findings.fail(Independence, "policy.unmet", CHECKPOINT, "there is no checkpoint to hold to the policy");
    };
    let verdict = policy.evaluate(note);
    let names: Vec<String> = verdict.witnesses.iter().map(|(name, _)| format!("`{name}`")).collect();
    if !policy.logs().is_empty() && !verdict.log_ok {
        findings.fail(Independence, "policy.log", CHECKPOINT, "the policy does not list this log with this key");
    }
    if !verdict.quorum_met {
        let message = match names.as_slice() {
            [] => "none of the policy's witnesses cosigned it".to_owned(),
            names => format!("only {} cosigned it, the policy asks for more", names.join(", ")),
        };
        findings.fail(Independence, "policy.unmet", CHECKPOINT, message);
    } else if !policy.requires_witnesses() {
        let message = "the policy asks for no witness: nobody but the operator vouches for this log";
        findings.unknown(Independence, "policy.empty", CHECKPOINT, message);
    } else {
        findings.summary(Independence, format!("the policy's quorum is met by {}", names.join(", ")));
    }
}

/// Judges the age of a package: of its newest entry by the operator's clock, and of its cosignatures by the witnesses'.
pub(crate) fn freshness(log: &Log, history: &History<'_>, options: &Options, findings: &mut Findings) {
    let newest = history.newest();
    let witnessed = options.policy.as_ref().and_then(|policy| {
        let heartbeats = history.entries.iter().rev().filter_map(|(_, entry)| match &entry.event {
            Event::LedgerHeartbeat(beat) => Note::parse(&beat.checkpoint).ok(),
            _ => None,
        });
        let notes = log.note.clone().into_iter().chain(heartbeats.take(SEARCHED_HEARTBEATS));
        notes.filter_map(|note| witnessed_at(&note, policy)).next()
    });
    judge(newest, witnessed, options, findings);
}

/// When a witness of the policy last cosigned, in milliseconds since the epoch.
pub(crate) fn witnessed_at(note: &Note, policy: &Policy) -> Option<i64> {
    let newest = policy.evaluate(note).witnesses.into_iter().map(|(_, at)| at).max()?;
    Some(i64::try_from(newest).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// Judges the age of something whose newest entry and newest cosignature are of these times.
pub(crate) fn judge(newest: Option<i64>, witnessed: Option<i64>, options: &Options, findings: &mut Findings) {
    let now = options.now_ms;
    let age = |at: i64| now.saturating_sub(at);
    for (whose, at) in [("the newest entry", newest), ("the newest cosignature", witnessed)] {
        let Some(at) = at else { continue };
        findings.summary(Freshness, format!("{whose} is {} old", span(age(at))));
        if age(at) < -SKEW_MS {
            let message = format!("{whose} is dated {}, which is in the future here", instant(at));
            findings.unknown(Freshness, "age.future", CHECKPOINT, message);
        }
        if let Some(most) = options.max_age_ms.filter(|most| age(at) > *most) {
            let message = format!("{whose} is of {}, older than the {} you allow", instant(at), span(most));
            findings.fail(Freshness, "age.stale", CHECKPOINT, message);
        }
    }
    if options.max_age_ms.is_none() {
        findings.unknown(Freshness, "age.unjudged", CHECKPOINT, "no greatest age was given to judge it by");
    } else if witnessed.is_none() {
        let message = "its age is known by the operator's clock only: no witness that you trust dated it";
        findings.unknown(Freshness, "age.unwitnessed", CHECKPOINT, message);
    }
}

/// A proof is of one entry, which says nothing of what is gone.
pub(crate) fn erasure(findings: &mut Findings) {
    let message = "a proof is of one entry: there was nothing to check";
    findings.unknown(Erasure, "erasure.none", "entries", message);
}
