//! Folding the ledger again: stream versions without gaps, and the state that the ledger says it came to.

use std::collections::BTreeMap;

use domain::people::reviews::population_root;
use domain::{Entry, Event, State};

use crate::history::History;
use crate::report::{Claim::Integrity, Findings};

/// Times are folded when they lie in years 0 to 9999: no honest clock is elsewhere, and sums of them cannot overflow.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// Checks streams, times and recorded digests of the state.
pub(crate) fn check(history: &History<'_>, findings: &mut Findings) {
    let mut fold = Some(State::default());
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut backwards, mut newest, mut digests, mut others) = (0_u64, i64::MIN, 0_u64, 0_u64);
    for (seq, entry) in &history.entries {
        let place = format!("entry {seq}");
        check_stream(entry, &place, &mut versions, findings);
        backwards += u64::from(entry.ts < newest);
        newest = newest.max(entry.ts);
        let Some(state) = fold.as_mut().filter(|state| state.size == *seq) else {
            fold = None;
            continue;
        };
        if let Event::StateDigest(digest) = &entry.event {
            // What another revision of the fold comes to is not known here, so it is neither right nor wrong.
            let ours = digest.fold == Some(State::FOLD);
            *(if ours { &mut digests } else { &mut others }) += 1;
            if digest.size != state.size || (ours && state.digest().ok().as_ref() != Some(&digest.sha256)) {
                let message = "the entries before it fold to another state than it says";
                findings.fail(Integrity, "state.digest", place.clone(), message);
            }
        }
        check_review(state, entry, &place, findings);
        if can_be_folded(entry) {
            state.apply(entry);
        } else {
            findings.fail(Integrity, "entry.range", place, "it holds a time or a count that cannot be");
            fold = None;
        }
    }
    if backwards > 0 {
        let message = format!("{backwards} entries are dated before an earlier one: the clock was set back");
        findings.note(Integrity, "entry.time", "entries", message);
    }
    if others > 0 {
        let message = format!("{others} state digests were taken by another revision of the fold, and not recomputed");
        findings.note(Integrity, "state.revision", "entries", message);
    }
    match (&fold, digests) {
        (Some(_), 0) => {}
        (Some(_), digests) => findings.summary(Integrity, format!("{digests} state digests recomputed")),
        (None, _) => {
            let message = "the state could not be folded to the end, so later digests of it were not checked";
            findings.note(Integrity, "state.unfolded", "entries", message);
        }
    }
}

fn check_stream<'h>(entry: &'h Entry, place: &str, versions: &mut BTreeMap<&'h str, u64>, findings: &mut Findings) {
    if entry.stream != entry.event.stream() {
        let message = format!("it is in stream `{}`, a {} belongs elsewhere", entry.stream, entry.event.name());
        findings.fail(Integrity, "stream.name", place, message);
    }
    let version = versions.entry(&entry.stream).or_insert(0);
    let expected = version.saturating_add(1);
    if entry.sv != expected {
        let message = format!("version {} of stream `{}` should be {expected}", entry.sv, entry.stream);
        findings.fail(Integrity, "stream.version", place, message);
    }
    *version = entry.sv;
}

/// Reviews commit to what was held when they started, and to what had been decided when they were completed.
fn check_review(state: &State, entry: &Entry, place: &str, findings: &mut Findings) {
    match &entry.event {
        Event::ReviewStarted(body) => {
            let held = state.held_in(&body.scope, body.credentials, entry.ts);
            let root = population_root(&held).ok();
            let fits = (held.len() as u64, root.as_ref(), state.size)
                == (body.population, Some(&body.population_root), body.at_size);
            if !fits {
                let message = "the population that it commits to is not what was held in its scope then";
                findings.fail(Integrity, "review.population", place, message);
            }
        }
        Event::ReviewCompleted(body) => {
            let list = state.reviews.get(&body.review).map(|review| state.review_list(review, entry.ts));
            let digest = list.and_then(|list| domain::canonical::digest(&list).ok());
            if digest.as_ref() != Some(&body.list_sha256) {
                let message = "the list that it commits to is not what the entries before it say was decided";
                findings.fail(Integrity, "review.list", place, message);
            }
        }
        _ => {}
    }
}

/// Whether the fold of an entry stays within the range of its numbers.
fn can_be_folded(entry: &Entry) -> bool {
    let counts = entry.event.sealed().is_none_or(|(_, sealed)| sealed.first.checked_add(sealed.n).is_some());
    counts && TIMES.contains(&entry.ts)
}
