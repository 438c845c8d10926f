//! Segments of records: what the ledger sealed, against the leaves, the records, the Parquet file and the payloads that
//! the package brings.

use std::collections::{BTreeMap, HashMap};

use domain::Record;
use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentProgress, SegmentSealed};
use merkle::{Frontier, Hash, hex, leaf_hash, root_of};
use sha2::{Digest, Sha256};

use crate::columns;
use crate::differences::{Difference, differences};
use crate::erasure::{Gone, Removals};
use crate::files::Digests;
use crate::history::{History, hash};
use crate::package::{Package, PackageSegment};
use crate::report::{Claim, Claim::Integrity, Findings};

const HOUR_US: i64 = 3_600_000_000;
const HOUR_MS: i64 = 3_600_000;

/// A segment: kind of its records, node, incarnation, number.
pub(crate) type Name<'h> = (u32, &'h str, u64, u64);

/// What was checked.
#[derive(Default)]
struct Checked {
    segments: u64,
    records: u64,
    payloads: u64,
    /// Payloads that a package with payloads no longer has.
    gone: Gone,
}

/// One segment while it is checked.
struct Segment<'p, R> {
    package: &'p Package,
    listed: &'p PackageSegment,
    sealed: &'p SegmentSealed,
    records: Vec<(Hash, R)>,
    /// The leaves in the order that the ledger sealed, as far as anything in the package leads to its root.
    leaves: Vec<Hash>,
}

/// What segments are held against, and what of it was found.
struct Against<'c, 'h> {
    digests: &'c Digests<'c>,
    removals: &'c Removals<'h>,
    checked: Checked,
}

/// Checks every segment of the package, and returns which payloads it lacks.
pub(crate) fn check(
    package: &Package,
    history: &History<'_>,
    removals: &Removals<'_>,
    digests: &Digests,
    findings: &mut Findings,
) -> Gone {
    let mut against = Against { digests, removals, checked: Checked::default() };
    let mut progress: HashMap<Name<'_>, Vec<(u64, &SegmentProgress)>> = HashMap::new();
    for (seq, entry) in &history.entries {
        if let Some((schema, body)) = entry.event.progress() {
            progress.entry((schema, &body.node, body.incarnation, body.number)).or_default().push((*seq, body));
        }
    }
    for listed in &package.manifest().segments {
        let Some((schema, sealed)) = sealed_event(listed, history, findings) else { continue };
        let name = (schema, listed.node.as_str(), listed.incarnation, listed.number);
        let told = progress.get(&name).map_or(&[][..], Vec::as_slice);
        against.checked.segments += 1;
        removals.not_kept(schema, sealed, &listed.dir, findings);
        let records = match schema {
            AccessCore::SCHEMA => {
                Segment::<AccessCore>::new(package, listed, sealed).check(told, &mut against, findings)
            }
            _ => Segment::<InferenceCore>::new(package, listed, sealed).check(told, &mut against, findings),
        };
        against.checked.records += records;
    }
    let Checked { segments, records, payloads, gone } = against.checked;
    findings.summary(Integrity, format!("{segments} segments with {records} records"));
    if package.manifest().payloads {
        findings.summary(Integrity, format!("{payloads} sealed payloads"));
    }
    gone
}

/// What sealed a listed segment, and of which kind its records are.
fn sealed_event<'h>(
    listed: &PackageSegment,
    history: &'h History<'_>,
    findings: &mut Findings,
) -> Option<(u32, &'h SegmentSealed)> {
    let found = history.event(listed.event).and_then(domain::Event::sealed);
    let expected = listed.expected_dir(found.map_or(InferenceCore::SCHEMA, |(schema, _)| schema));
    if listed.dir != expected {
        let message = format!("the manifest lists it in `{}`, it should be `{expected}`", listed.dir);
        findings.fail(Integrity, "segment.dir", &listed.dir, message);
    }
    match found {
        Some((schema, sealed))
            if (&sealed.node, sealed.incarnation, sealed.number)
                == (&listed.node, listed.incarnation, listed.number) =>
        {
            Some((schema, sealed))
        }
        _ => {
            let message = format!("entry {} does not seal this segment", listed.event);
            findings.fail(Integrity, "segment.unsealed", &listed.dir, message);
            None
        }
    }
}

impl<'p, R: Record> Segment<'p, R> {
    fn new(package: &'p Package, listed: &'p PackageSegment, sealed: &'p SegmentSealed) -> Self {
        Self { package, listed, sealed, records: Vec::new(), leaves: Vec::new() }
    }

    /// Checks everything about it, and returns how many records it has. `told` is what was said of its progress.
    fn check(
        mut self,
        told: &[(u64, &SegmentProgress)],
        against: &mut Against<'_, '_>,
        findings: &mut Findings,
    ) -> u64 {
        self.read_leaves(findings);
        self.read_records(findings);
        self.check_contents(findings);
        self.check_parquet(against.digests, findings);
        if R::PAYLOADS.is_some() {
            self.check_payloads(against, findings);
        }
        self.check_progress(told, findings);
        self.records.len() as u64
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.listed.dir)
    }

    fn file(&self, name: &str, findings: &mut Findings) -> Option<&'p [u8]> {
        let file = self.package.segment_file(self.listed, name);
        if file.is_none() {
            findings.fail(Integrity, "segment.missing", self.path(name), "the file is missing");
        }
        file
    }

    /// What a record is called in findings.
    fn name(&self, at: usize, core: Option<&R>) -> String {
        match core {
            Some(core) => format!("record {at} (node_seq {}, {} `{}`)", core.place().1, R::NOUN, core.id()),
            None => format!("record {at} (node_seq {})", self.sealed.first.saturating_add(at as u64)),
        }
    }

    fn read_leaves(&mut self, findings: &mut Findings) {
        let Some(file) = self.file("leaves", findings) else { return };
        let (leaves, rest) = file.as_chunks::<32>();
        let leaves = leaves.to_vec();
        if !rest.is_empty() || leaves.len() as u64 != self.sealed.n || Some(root_of(&leaves)) != hash(&self.sealed.root)
        {
            let message = format!("its {} leaves do not lead to the root that the ledger sealed", leaves.len());
            findings.fail(Integrity, "segment.leaves", self.path("leaves"), message);
        }
        self.leaves = leaves;
    }

    /// Reads the records and holds them against the leaves.
    fn read_records(&mut self, findings: &mut Findings) {
        let path = self.path("core.tlv");
        let Some(file) = self.file("core.tlv", findings) else { return };
        let (frames, whole) = frames(file);
        if !whole {
            findings.fail(Integrity, "records.framing", path.clone(), "the file ends within a record");
        }
        let hashes: Vec<Hash> = frames.iter().map(|tlv| leaf_hash(tlv)).collect();
        let sealed = hash(&self.sealed.root);
        let mut cores = Vec::with_capacity(frames.len());
        for (at, tlv) in frames.iter().enumerate() {
            match R::decode(tlv) {
                Ok(core) => cores.push(Some(core)),
                Err(error) => {
                    let place = format!("{path} {}", self.name(at, None));
                    findings.fail(Integrity, "record.unreadable", place, error.to_string());
                    cores.push(None);
                }
            }
        }
        let right = Some(root_of(&hashes)) == sealed;
        if right && Some(root_of(&self.leaves)) != sealed {
            // The file of leaves is the damaged one, and has been named.
            self.leaves.clone_from(&hashes);
        }
        let names = |at: usize| self.name(at, cores.get(at).and_then(Option::as_ref));
        name_differences(
            &path,
            ["record.altered", "record.added", "record.removed", "record.moved"],
            &differences(&self.leaves, &hashes),
            &names,
            findings,
        );
        if !right {
            let message = "its records do not lead to the root that the ledger sealed";
            findings.fail(Integrity, "segment.records", path, message);
        }
        self.records = hashes.into_iter().zip(cores).filter_map(|(leaf, core)| Some((leaf, core?))).collect();
    }

    /// Whether the records are what the sealing event says of them.
    fn check_contents(&self, findings: &mut Findings) {
        let path = self.path("core.tlv");
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, (_, core)) in self.records.iter().enumerate() {
            *hours.entry(core.ended_us().div_euclid(HOUR_US) * HOUR_MS).or_insert(0) += 1;
            let expected = (self.sealed.node.as_str(), i64::try_from(self.sealed.incarnation).ok());
            let (incarnation, node_seq) = core.place();
            if (core.node_name(), Some(incarnation)) != expected {
                let message = format!("it names node `{}`, incarnation {incarnation}", core.node_name());
                findings.fail(Integrity, "record.node", format!("{path} {}", self.name(at, Some(core))), message);
            }
            let number = self.sealed.first.saturating_add(at as u64);
            if u64::try_from(node_seq) != Ok(number) {
                let message = format!("its number should be {number}: records are missing or out of order");
                let place = format!("{path} {}", self.name(at, Some(core)));
                findings.fail(Claim::Completeness, "record.number", place, message);
            }
        }
        let times = || self.records.iter().map(|(_, core)| core.ended_us());
        let said = (self.sealed.n, Some(self.sealed.t0), Some(self.sealed.t1), &self.sealed.hours);
        let hours = hours.into_iter().collect();
        if (self.records.len() as u64, times().min(), times().max(), &hours) != said {
            let message = "the ledger's summary of the segment (n, t0, t1, hours) is not that of its records";
            findings.fail(Integrity, "segment.summary", format!("entry {}", self.listed.event), message);
        }
    }

    fn check_parquet(&self, digests: &Digests, findings: &mut Findings) {
        let path = self.path("core.parquet");
        let Some(file) = self.package.segment_core_parquet(self.listed) else {
            return findings.fail(Integrity, "segment.missing", path, "the file is missing");
        };
        let digest = digests.get(path.as_str()).map(|digest| hex(digest));
        if digest.as_ref() != Some(&self.sealed.core.sha256) || file.len() as u64 != self.sealed.core.len {
            let message = "it is not the file that the ledger sealed";
            findings.fail(Integrity, "parquet.digest", path.clone(), message);
        }
        let rows: Vec<columns::Row<R>> = match columns::rows(file, self.sealed.n.saturating_mul(2).clamp(1024, 1 << 20))
        {
            Ok(rows) => rows,
            Err(what) => return findings.fail(Integrity, "parquet.unreadable", path, what),
        };
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.leaf_fits) {
            let place = format!("{path} {}", self.name(at, Some(&row.core)));
            findings.fail(Integrity, "parquet.leaf", place, "its column `leaf` is not the hash of the row");
        }
        let found: Vec<Hash> = rows.iter().map(|row| row.leaf).collect();
        let names = |at: usize| self.name(at, rows.get(at).map(|row| &row.core));
        name_differences(
            &path,
            ["parquet.altered", "parquet.added", "parquet.removed", "parquet.moved"],
            &differences(&self.leaves, &found),
            &names,
            findings,
        );
    }

    fn check_payloads(&self, against: &mut Against<'_, '_>, findings: &mut Findings) {
        let path = self.path("payload.bin");
        let file = self.package.segment_file(self.listed, "payload.bin");
        let Some(file) = file else {
            if self.package.manifest().payloads {
                findings.fail(Integrity, "segment.missing", path, "the file is missing");
            }
            return;
        };
        let Against { removals, checked, .. } = against;
        let taken_out = removals.taken_out(self.sealed, &self.listed.dir, findings);
        let mut missing = 0_u64;
        let (payloads, whole) = frames(file);
        if !whole || payloads.len() != self.records.len() {
            let message = format!("it holds {} payloads for {} records", payloads.len(), self.records.len());
            findings.fail(Integrity, "payload.framing", path.clone(), message);
        }
        let owners: HashMap<&[u8], usize> =
            self.records.iter().enumerate().map(|(at, (_, core))| (core.sealed_sha256(), at)).collect();
        for (at, (payload, (_, core))) in payloads.iter().zip(&self.records).enumerate() {
            let rule = removals.rule(core);
            if payload.is_empty() {
                missing += 1;
                if missing <= taken_out {
                    checked.gone.add(rule);
                }
                continue;
            }
            if let Some(rule) = rule {
                let place = format!("{path} {}", self.name(at, Some(core)));
                let message = format!("its day was disposed of by rule `{rule}`, and its payload is still here");
                findings.fail(Claim::Erasure, "payload.kept", place, message);
            }
            checked.payloads += 1;
            let digest = Sha256::digest(payload);
            if &digest[..] == core.sealed_sha256() {
                continue;
            }
            let place = format!("{path} {}", self.name(at, Some(core)));
            match owners.get(&digest[..]) {
                Some(owner) => {
                    let message = format!("it has the payload of record {owner}");
                    findings.fail(Integrity, "payload.swapped", place, message);
                }
                None => findings.fail(Integrity, "payload.altered", place, "its payload is not the one it sealed"),
            }
        }
        if let Some((seq, root)) = removals.left(self.sealed) {
            let left = payloads.iter().filter(|payload| !payload.is_empty()).map(|payload| leaf_hash(payload));
            if hex(&root_of(&left.collect::<Vec<_>>())) != root {
                let message = format!("the payloads that are here are not those that were left, as entry {seq} says");
                findings.fail(Integrity, "payload.left", path.clone(), message);
            }
        }
        if missing > taken_out {
            let message =
                format!("{missing} payloads are missing, and entries say of {taken_out} that they were taken out");
            findings.fail(Integrity, "payload.missing", path, message);
        } else if missing < taken_out {
            let message = format!(
                "entries say of {taken_out} payloads that they were taken out, and only {missing} are missing: what was to \
                 be gone is still here"
            );
            findings.fail(Claim::Erasure, "payload.kept", path, message);
        }
    }

    /// Whether the segment grew as the ledger was told while it was open.
    fn check_progress(&self, progress: &[(u64, &SegmentProgress)], findings: &mut Findings) {
        let mut told: Vec<_> = progress.iter().filter(|(_, body)| body.n <= self.leaves.len() as u64).collect();
        told.sort_by_key(|(_, body)| body.n);
        let mut frontier = Frontier::new();
        let mut leaves = self.leaves.iter();
        for (seq, body) in told {
            while frontier.size() < body.n
                && let Some(leaf) = leaves.next()
            {
                frontier.push(*leaf);
            }
            if hex(&frontier.root()) != body.root {
                let message = format!("entry {seq} was told another root of its first {} records", body.n);
                findings.fail(Integrity, "segment.progress", &self.listed.dir, message);
            }
        }
    }
}

/// Pieces of a file, each with its length before it as u32, little end first; and whether the last one is whole.
fn frames(mut file: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut frames = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk::<4>() {
        let Some((frame, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        frames.push(frame);
        file = rest;
    }
    (frames, file.is_empty())
}

fn name_differences(
    path: &str,
    [altered, added, removed, moved]: [&'static str; 4],
    differences: &[Difference],
    name: &dyn Fn(usize) -> String,
    findings: &mut Findings,
) {
    for difference in differences {
        let (code, at, message) = match difference {
            Difference::Altered(at) => (altered, *at, "it is not the record that was sealed at this place".to_owned()),
            Difference::Added(at) => (added, *at, "it was not among the records that were sealed".to_owned()),
            Difference::Moved { at, from } => (moved, *at, format!("it was sealed at place {from}")),
            Difference::Removed(at) => {
                let message = "the record that was sealed there is missing";
                findings.fail(Integrity, removed, format!("{path} place {at}"), message);
                continue;
            }
        };
        findings.fail(Integrity, code, format!("{path} {}", name(at)), message);
    }
}
