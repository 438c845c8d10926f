//! Whether anything is missing: chains of segments, records against what the gateway counted where answers leave, and
//! signs of life. What cannot be compared yet is said to be unknown, not assumed to be well.

use std::collections::{BTreeMap, BTreeSet};

use domain::serving::{GatewayCountLost, GatewayCounted, InferenceCore, SegmentSealed};
use domain::{Entry, Event, Record};

use crate::erasure::Removals;
use crate::history::History;
use crate::package::{MANIFEST, Manifest, Package};
use crate::report::{Claim::Completeness, Findings, instant, span};
use crate::segments::Name;

const HOUR_MS: i64 = 3_600_000;

/// The ledger must give a sign of life at least so often while a node is up.
const SILENCE_MS: i64 = HOUR_MS;

/// So long after its end, all records of an hour have been sealed.
const SETTLED_MS: i64 = HOUR_MS;

/// Segments with the entries that seal them, by kind of record, node and incarnation.
type Sealed<'h> = BTreeMap<(u32, &'h str, u64), Vec<(u64, &'h SegmentSealed)>>;

/// What the events say of nodes and their segments.
#[derive(Default)]
struct Told<'h> {
    /// Newest incarnation of each node.
    nodes: BTreeMap<&'h str, u64>,
    /// Segments that were sealed.
    sealed: Sealed<'h>,
    /// Furthest progress of each segment: how many records, and the entry that says so.
    progress: BTreeMap<Name<'h>, (u64, u64)>,
    /// The newest count of each hour, and when it was made.
    counted: BTreeMap<(&'h str, u64, i64), (i64, &'h GatewayCounted)>,
    /// Hours whose count died with its process.
    lost: BTreeMap<(&'h str, u64, i64), &'h GatewayCountLost>,
}

/// Checks everything that could show a gap.
pub(crate) fn check(package: &Package, history: &History<'_>, removals: &Removals<'_>, findings: &mut Findings) {
    let missing = history.raw.iter().filter(|entry| entry.is_none()).count() as u64;
    let missing = missing + package.manifest().size.saturating_sub(history.raw.len() as u64);
    if missing > 0 {
        let message = format!("{missing} of {} entries are not in the package", package.manifest().size);
        findings.fail(Completeness, "entries.gap", "entries", message);
    }
    let told = Told::gather(&history.entries, findings);
    for ((_, node, incarnation), sealed) in &told.sealed {
        check_chain(node, *incarnation, sealed, findings);
    }
    check_present(package.manifest(), &told, removals, findings);
    check_progress(&told, findings);
    check_counts(package.manifest(), &told, history.newest().unwrap_or(0), findings);
    check_heartbeats(package.manifest(), &history.entries, findings);
    check_rollbacks(package.manifest(), &history.entries, findings);
    if !history.entries.is_empty() {
        findings.summary(Completeness, format!("{} entries without a gap", history.entries.len()));
    }
}

impl<'h> Told<'h> {
    fn gather(entries: &'h [(u64, Entry)], findings: &mut Findings) -> Self {
        let mut told = Self::default();
        for (seq, entry) in entries {
            match &entry.event {
                Event::NodeJoined(body) => {
                    let before = told.nodes.insert(&body.node, body.incarnation).unwrap_or(0);
                    if before.checked_add(1) != Some(body.incarnation) {
                        let message = format!("node `{}` joined as {} after {before}", body.node, body.incarnation);
                        findings.fail(Completeness, "node.incarnation", format!("entry {seq}"), message);
                    }
                }
                Event::GatewayCounted(body) => {
                    told.counted.insert((&body.node, body.incarnation, body.hour), (entry.ts, body));
                }
                Event::GatewayCountLost(body) => {
                    told.lost.insert((&body.node, body.incarnation, body.hour), body);
                }
                event => {
                    if let Some((schema, body)) = event.sealed() {
                        told.sealed.entry((schema, &body.node, body.incarnation)).or_default().push((*seq, body));
                    }
                    if let Some((schema, body)) = event.progress() {
                        let name = (schema, body.node.as_str(), body.incarnation, body.number);
                        let furthest = told.progress.entry(name).or_default();
                        *furthest = (*furthest).max((body.n, *seq));
                    }
                }
            }
        }
        told
    }

    /// Whether the node has started again since.
    fn has_ended(&self, node: &str, incarnation: u64) -> bool {
        self.nodes.get(node).is_some_and(|newest| *newest > incarnation)
    }

    /// How many inference records of each hour were sealed.
    fn sealed_by_hour(&self) -> BTreeMap<(&'h str, u64, i64), u64> {
        let mut hours = BTreeMap::new();
        let inferences = self.sealed.iter().filter(|((schema, ..), _)| *schema == InferenceCore::SCHEMA);
        for ((_, node, incarnation), sealed) in inferences {
            for (hour, n) in sealed.iter().flat_map(|(_, body)| &body.hours) {
                let sum: &mut u64 = hours.entry((*node, *incarnation, *hour)).or_default();
                *sum = sum.saturating_add(*n);
            }
        }
        hours
    }
}

/// Segments of an incarnation follow each other by number, by record and by root.
fn check_chain(node: &str, incarnation: u64, sealed: &[(u64, &SegmentSealed)], findings: &mut Findings) {
    let (mut number, mut first, mut root) = (0_u64, 0_u64, None);
    for (seq, body) in sealed {
        if (body.number, body.first, body.prev.as_ref()) != (number, first, root) {
            let message = format!(
                "segment {} of node `{node}`, incarnation {incarnation}, begins at record {}; expected segment {number} \
                 from record {first}, after the root before it",
                body.number, body.first
            );
            findings.fail(Completeness, "segment.chain", format!("entry {seq}"), message);
        }
        number = body.number.saturating_add(1);
        first = body.first.saturating_add(body.n);
        root = Some(&body.root);
    }
}

/// Every segment with a record that ended in the window is in the package, or an entry says that its records went.
fn check_present(manifest: &Manifest, told: &Told<'_>, removals: &Removals<'_>, findings: &mut Findings) {
    let listed: BTreeSet<u64> = manifest.segments.iter().map(|segment| segment.event).collect();
    let (from, to) = (manifest.from.saturating_mul(1000), manifest.to.saturating_mul(1000));
    let mut overlapping = 0_u64;
    let sealed = told.sealed.iter().flat_map(|((schema, ..), sealed)| sealed.iter().map(move |one| (*schema, one)));
    for (schema, (seq, body)) in sealed {
        if body.t1 < from || body.t0 >= to {
            continue;
        }
        overlapping += 1;
        if !listed.contains(seq) && !removals.explains(schema, body, findings) {
            let name = format!("{}-{}-{}", body.node, body.incarnation, body.number);
            let message = format!("segment {name} has records of the window, and the package lacks it");
            findings.fail(Completeness, "segment.absent", MANIFEST, message);
        }
    }
    findings.summary(Completeness, format!("{overlapping} segments of the window in chains without a gap"));
}

/// No more records were reported while a segment was open than were sealed.
fn check_progress(told: &Told<'_>, findings: &mut Findings) {
    for ((schema, node, incarnation, number), (n, seq)) in &told.progress {
        let what = if *schema == InferenceCore::SCHEMA { "segment" } else { "accesses" };
        let place = format!("{what} {node}-{incarnation}-{number}");
        let sealed = told.sealed.get(&(*schema, *node, *incarnation)).map_or(&[][..], Vec::as_slice);
        let this = sealed.iter().find(|(_, body)| body.number == *number);
        let later = sealed.iter().any(|(_, body)| body.number > *number);
        match this {
            Some((_, body)) if body.n >= *n => {}
            Some((_, body)) => {
                let message = format!("entry {seq} reported {n} records, {} were sealed: some were dropped", body.n);
                findings.fail(Completeness, "progress.dropped", place, message);
            }
            None if later || told.has_ended(node, *incarnation) => {
                let message = format!("entry {seq} reported {n} records, and it was never sealed");
                findings.fail(Completeness, "progress.unsealed", place, message);
            }
            None => {
                let message = format!("{n} records were not sealed yet at the size of the package");
                findings.unknown(Completeness, "progress.open", place, message);
            }
        }
    }
}

/// In every hour of the window, as many requests were answered as records were made and sealed.
fn check_counts(manifest: &Manifest, told: &Told<'_>, now: i64, findings: &mut Findings) {
    let sealed = told.sealed_by_hour();
    let hours = sealed.keys().chain(told.counted.keys()).chain(told.lost.keys());
    let hours: BTreeSet<(&str, u64, i64)> = hours.copied().collect();
    let mut compared = 0_u64;
    for name in hours {
        let (node, incarnation, hour) = name;
        if hour >= manifest.to || hour.saturating_add(HOUR_MS) <= manifest.from {
            continue;
        }
        let place = format!("node `{node}`, hour {}", instant(hour));
        let counted = told.counted.get(&name);
        let (requests, logged) = counted.map_or((0, 0), |(_, body)| (body.requests, body.logged));
        let sealed = sealed.get(&name).copied().unwrap_or(0);
        if requests != logged {
            let message = format!("{requests} requests were answered, {logged} of them have a record");
            findings.fail(Completeness, "count.unrecorded", place.clone(), message);
        }
        if let Some(lost) = told.lost.get(&name) {
            check_lost(place, lost, logged, sealed, findings);
            continue;
        }
        let end = hour.saturating_add(HOUR_MS);
        let ended = told.has_ended(node, incarnation);
        // A count made before the hour ended is not the last one, unless the process ended without making it.
        let is_last = counted.is_some_and(|(at, _)| *at >= end);
        let settled = end.saturating_add(SETTLED_MS) <= now;
        let message = format!("{logged} records were counted, {sealed} are sealed");
        match sealed.cmp(&logged) {
            std::cmp::Ordering::Equal => compared += 1,
            std::cmp::Ordering::Less if ended || settled => {
                findings.fail(Completeness, "count.missing", place, message + ": records are missing");
            }
            std::cmp::Ordering::Greater if is_last && settled => {
                findings.fail(Completeness, "count.surplus", place, message + ": more than were counted");
            }
            std::cmp::Ordering::Greater if ended => {
                let message = message + ": the process ended before it could report its count";
                findings.unknown(Completeness, "count.lost", place, message);
            }
            _ => findings.unknown(Completeness, "count.open", place, message + ": it cannot be compared yet"),
        }
    }
    findings
        .summary(Completeness, format!("{compared} hours with equal counts of requests, records and sealed records"));
}

/// Of an hour whose count died with its process it is known how many records there must be, but not how many requests.
fn check_lost(place: String, lost: &GatewayCountLost, logged: u64, sealed: u64, findings: &mut Findings) {
    let known = lost.records.max(logged);
    if sealed < known {
        let message = format!("{known} records were found or counted, {sealed} are sealed: records are missing");
        return findings.fail(Completeness, "count.missing", place, message);
    }
    let message = format!(
        "{sealed} records are sealed; what was counted died with the process, so requests without a record would not show"
    );
    findings.unknown(Completeness, "count.lost", place, message);
}

/// While a node was up, there were signs of life.
fn check_heartbeats(manifest: &Manifest, entries: &[(u64, Entry)], findings: &mut Findings) {
    let mut last: Option<i64> = None;
    for (index, (seq, entry)) in entries.iter().enumerate() {
        let sign = matches!(entry.event, Event::LedgerHeartbeat(_) | Event::NodeJoined(_));
        if !sign && index + 1 < entries.len() {
            continue;
        }
        let since = last.replace(entry.ts).unwrap_or(entry.ts);
        let silence = entry.ts.saturating_sub(since);
        if silence <= SILENCE_MS || entry.ts < manifest.from || since >= manifest.to {
            continue;
        }
        let place = format!("entry {seq}");
        let between = format!("no sign of life for {} from {}", span(silence), instant(since));
        if matches!(entry.event, Event::NodeJoined(_)) {
            let message = between + ", then a node started: it was stopped, or cut off";
            findings.note(Completeness, "heartbeat.stopped", place, message);
        } else {
            findings.unknown(Completeness, "heartbeat.gap", place, between + ", though a node was up");
        }
    }
}

/// What an older copy that was gone on with lacks was written between the entry before and the acceptance; and what witnesses
/// remember that are not asked any more.
fn check_rollbacks(manifest: &Manifest, entries: &[(u64, Entry)], findings: &mut Findings) {
    let mut before = i64::MIN;
    for (seq, entry) in entries {
        let since = std::mem::replace(&mut before, entry.ts);
        let (code, message) = match &entry.event {
            Event::RollbackAccepted(body) => {
                let (to, from) = (body.to_size, body.from_size);
                let message = format!(
                    "an older copy was gone on with, from {to} entries instead of {from}: what the others said is not here"
                );
                ("rollback.accepted", message)
            }
            Event::LedgerResumed(body) if !body.unnamed.is_empty() => {
                let message = format!(
                    "{} witnesses remembered another history, and the ledger goes on without asking them again: what that says \
                     is not here",
                    body.unnamed.len()
                );
                ("ledger.resumed", message)
            }
            _ => continue,
        };
        let place = format!("entry {seq}");
        match entry.ts < manifest.from || since >= manifest.to {
            true => findings.note(Completeness, code, place, message),
            false => findings.unknown(Completeness, code, place, message),
        }
    }
}
