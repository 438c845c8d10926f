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

/// How many places are listed in one message.
const MOST_PLACES: usize = 8;

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
    /// The records of `core.tlv` that can be read.
    records: Vec<R>,
    /// The leaves that the ledger sealed: those of the first file that leads to the segment's root.
    leaves: Option<Vec<Hash>>,
}

/// What the three files of a segment each say its leaves are; none for a file that is missing or cannot be read.
struct Told {
    leaves: Option<Vec<Hash>>,
    records: Option<Vec<Hash>>,
    rows: Option<Vec<Hash>>,
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
        Self { package, listed, sealed, records: Vec::new(), leaves: None }
    }

    /// Checks everything about it, and returns how many records it has. `progress` is what the ledger was told of it while
    /// it was open.
    fn check(
        mut self,
        progress: &[(u64, &SegmentProgress)],
        against: &mut Against<'_, '_>,
        findings: &mut Findings,
    ) -> u64 {
        let leaves = self.read_leaves(findings);
        let (records, cores) = self.read_records(findings).unzip();
        let rows = self.read_rows(against.digests, findings);
        let hashes = |rows: &Vec<columns::Row<R>>| rows.iter().map(|row| row.leaf).collect();
        let told = Told { leaves, records, rows: rows.as_ref().map(hashes) };
        let cores: Vec<Option<R>> = cores.unwrap_or_default();
        self.settle(&told, progress, findings);
        self.compare(&told, &cores, rows.as_deref().unwrap_or_default(), findings);
        self.records = cores.into_iter().flatten().collect();
        self.check_contents(findings);
        if R::PAYLOADS.is_some() {
            self.check_payloads(against, findings);
        }
        self.check_progress(progress, findings);
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

    fn read_leaves(&self, findings: &mut Findings) -> Option<Vec<Hash>> {
        let (leaves, rest) = self.file("leaves", findings)?.as_chunks::<32>();
        if !rest.is_empty() {
            findings.fail(Integrity, "segment.leaves", self.path("leaves"), "the file ends within a leaf");
        }
        Some(leaves.to_vec())
    }

    /// The leaves of the records, and those of them that can be read.
    fn read_records(&self, findings: &mut Findings) -> Option<(Vec<Hash>, Vec<Option<R>>)> {
        let path = self.path("core.tlv");
        let (frames, whole) = frames(self.file("core.tlv", findings)?);
        if !whole {
            findings.fail(Integrity, "records.framing", path.clone(), "the file ends within a record");
        }
        let decode = |(at, tlv): (usize, &&[u8])| match R::decode(tlv) {
            Ok(core) => Some(core),
            Err(error) => {
                let place = format!("{path} {}", self.name(at, None));
                findings.fail(Integrity, "record.unreadable", place, error.to_string());
                None
            }
        };
        let cores = frames.iter().enumerate().map(decode).collect();
        Some((frames.iter().map(|tlv| leaf_hash(tlv)).collect(), cores))
    }

    fn read_rows(&self, digests: &Digests, findings: &mut Findings) -> Option<Vec<columns::Row<R>>> {
        let path = self.path("core.parquet");
        let Some(file) = self.package.segment_core_parquet(self.listed) else {
            findings.fail(Integrity, "segment.missing", path, "the file is missing");
            return None;
        };
        let digest = digests.get(path.as_str()).map(|digest| hex(digest));
        if digest.as_ref() != Some(&self.sealed.core.sha256) || file.len() as u64 != self.sealed.core.len {
            let message = "it is not the file that the ledger sealed";
            findings.fail(Integrity, "parquet.digest", path.clone(), message);
        }
        let rows = columns::rows(file, self.sealed.n.saturating_mul(2).clamp(1024, 1 << 20));
        let rows: Vec<columns::Row<R>> =
            rows.map_err(|what| findings.fail(Integrity, "parquet.unreadable", path.clone(), what)).ok()?;
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.leaf_fits) {
            let place = format!("{path} {}", self.name(at, Some(&row.core)));
            findings.fail(Integrity, "parquet.leaf", place, "its column `leaf` is not the hash of the row");
        }
        Some(rows)
    }

    /// Finds the leaves that were sealed. Whatever leads to the root is what was sealed, so the other files are held against
    /// it. When nothing does, none of them can be blamed alone, and it is said what is known.
    fn settle(&mut self, told: &Told, progress: &[(u64, &SegmentProgress)], findings: &mut Findings) {
        let root = hash(&self.sealed.root);
        let files = [&told.leaves, &told.records, &told.rows];
        let right = |leaves: &&Vec<Hash>| leaves.len() as u64 == self.sealed.n && Some(root_of(leaves)) == root;
        self.leaves = files.into_iter().flatten().find(right).cloned();
        if self.leaves.is_some() {
            return;
        }
        let unknown = "none of its files leads to the root that the ledger sealed, so records were changed, and which cannot be told for sure";
        let mut message = unknown.to_owned();
        let begins = |leaves: &Vec<Hash>| told_beginning(leaves, progress);
        if let Some((n, seq)) = told.records.as_ref().or(told.leaves.as_ref()).and_then(begins) {
            message += &format!("; its first {n} records are those that entry {seq} tells of");
        }
        message += &match apart(&files.into_iter().flatten().collect::<Vec<_>>()) {
            places if places.is_empty() => "; its files agree with each other".to_owned(),
            places => format!("; its files differ from each other at records {}", places.join(", ")),
        };
        findings.fail(Integrity, "segment.unsettled", &self.listed.dir, message);
    }

    /// Holds each file against the leaves that were sealed, and names what differs.
    fn compare(&self, told: &Told, cores: &[Option<R>], rows: &[columns::Row<R>], findings: &mut Findings) {
        let wrong = |leaves: &&Vec<Hash>| self.leaves.as_ref() != Some(*leaves);
        if let Some(found) = told.leaves.as_ref().filter(wrong) {
            let places = self.leaves.iter().flat_map(|sealed| apart(&[sealed, found])).collect::<Vec<_>>();
            let which = if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) };
            let message = format!("its {} leaves do not lead to the root that the ledger sealed{which}", found.len());
            findings.fail(Integrity, "segment.leaves", self.path("leaves"), message);
        }
        if let Some(found) = told.records.as_ref().filter(wrong) {
            let path = self.path("core.tlv");
            let names = |at: usize| self.name(at, cores.get(at).and_then(Option::as_ref));
            let codes = ["record.altered", "record.added", "record.removed", "record.moved"];
            self.name_differences(&path, codes, found, &names, findings);
            let message = "its records do not lead to the root that the ledger sealed";
            findings.fail(Integrity, "segment.records", path, message);
        }
        if let Some(found) = told.rows.as_ref().filter(wrong) {
            let path = self.path("core.parquet");
            let names = |at: usize| self.name(at, rows.get(at).map(|row| &row.core));
            let codes = ["parquet.altered", "parquet.added", "parquet.removed", "parquet.moved"];
            self.name_differences(&path, codes, found, &names, findings);
            let message = "its rows do not lead to the root that the ledger sealed";
            findings.fail(Integrity, "parquet.rows", path, message);
        }
    }

    fn name_differences(
        &self,
        path: &str,
        [altered, added, removed, moved]: [&'static str; 4],
        found: &[Hash],
        name: &dyn Fn(usize) -> String,
        findings: &mut Findings,
    ) {
        let Some(sealed) = &self.leaves else { return };
        for difference in differences(sealed, found) {
            let (code, at, message) = match difference {
                Difference::Altered(at) => {
                    (altered, at, "it is not the record that was sealed at this place".to_owned())
                }
                Difference::Added(at) => (added, at, "it was not among the records that were sealed".to_owned()),
                Difference::Moved { at, from } => (moved, at, format!("it was sealed at place {from}")),
                Difference::Removed(at) => {
                    let message = "the record that was sealed there is missing";
                    findings.fail(Integrity, removed, format!("{path} place {at}"), message);
                    continue;
                }
            };
            findings.fail(Integrity, code, format!("{path} {}", name(at)), message);
        }
    }

    /// Whether the records are what the sealing event says of them.
    fn check_contents(&self, findings: &mut Findings) {
        let path = self.path("core.tlv");
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, core) in self.records.iter().enumerate() {
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
        let times = || self.records.iter().map(|core| core.ended_us());
        let said = (self.sealed.n, Some(self.sealed.t0), Some(self.sealed.t1), &self.sealed.hours);
        let hours = hours.into_iter().collect();
        if (self.records.len() as u64, times().min(), times().max(), &hours) != said {
            let message = "the ledger's summary of the segment (n, t0, t1, hours) is not that of its records";
            findings.fail(Integrity, "segment.summary", format!("entry {}", self.listed.event), message);
        }
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
            self.records.iter().enumerate().map(|(at, core)| (core.sealed_sha256(), at)).collect();
        for (at, (payload, core)) in payloads.iter().zip(&self.records).enumerate() {
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
        let Some(leaves) = &self.leaves else { return };
        for (seq, n, _) in grown(leaves, progress).into_iter().filter(|(_, _, fits)| !fits) {
            let message = format!("entry {seq} was told another root of its first {n} records");
            findings.fail(Integrity, "segment.progress", &self.listed.dir, message);
        }
    }
}

/// What the ledger was told of a segment while it was open: number of the entry, how many records, and whether these
/// leaves begin so.
fn grown(leaves: &[Hash], progress: &[(u64, &SegmentProgress)]) -> Vec<(u64, u64, bool)> {
    let mut told: Vec<_> = progress.iter().filter(|(_, body)| body.n <= leaves.len() as u64).collect();
    told.sort_by_key(|(_, body)| body.n);
    let mut frontier = Frontier::new();
    let mut leaves = leaves.iter();
    let fits = |(seq, body): &(u64, &SegmentProgress)| {
        while frontier.size() < body.n
            && let Some(leaf) = leaves.next()
        {
            frontier.push(*leaf);
        }
        (*seq, body.n, hex(&frontier.root()) == body.root)
    };
    told.into_iter().map(fits).collect()
}

/// The longest beginning of these leaves that the ledger was told of, and by which entry.
fn told_beginning(leaves: &[Hash], progress: &[(u64, &SegmentProgress)]) -> Option<(u64, u64)> {
    let fitting = grown(leaves, progress).into_iter().filter(|(_, n, fits)| *fits && *n > 0);
    fitting.map(|(seq, n, _)| (n, seq)).max()
}

/// The first places at which leaves are not the same in all of these files.
fn apart(files: &[&Vec<Hash>]) -> Vec<String> {
    let longest = files.iter().map(|leaves| leaves.len()).max().unwrap_or(0);
    let differ = |at: &usize| files.windows(2).any(|pair| matches!(pair, [a, b] if a.get(*at) != b.get(*at)));
    let mut places: Vec<String> = (0..longest).filter(differ).take(MOST_PLACES + 1).map(|at| at.to_string()).collect();
    if let Some(last) = places.get_mut(MOST_PLACES) {
        *last = "…".to_owned();
    }
    places
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
