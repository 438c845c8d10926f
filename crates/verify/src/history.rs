//! The ledger in a package: its entries, the roots they lead to, and the checkpoints that say so.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Entry, Event};
use merkle::{Checkpoint, Frontier, Hash, Note, VerifierKey, hash_from_hex, hex, leaf_hash};

use crate::Options;
use crate::package::{CHECKPOINT, Package};
use crate::report::{Claim::Integrity, Findings, ROLLBACK, instant};
use crate::seen::{PLACE, Seen};
use crate::trust::{SKEW_MS, witnessed_at};

/// The entries of a package, as bytes and as events.
pub(crate) struct History<'a> {
    /// One for each sequence number; `None` where a bundle cannot be read.
    pub raw: Vec<Option<&'a [u8]>>,
    /// Those that can be read as events, with their sequence numbers.
    pub entries: Vec<(u64, Entry)>,
    /// Roots at the sizes that something in the package speaks of, as far as the entries reach without a gap.
    roots: BTreeMap<u64, Hash>,
}

impl<'a> History<'a> {
    /// Reads and hashes every entry.
    pub fn read(package: &'a Package, options: &Options, findings: &mut Findings) -> Self {
        let raw = package.read_entries(&mut |path, what| findings.fail(Integrity, "entries.missing", path, what));
        let mut entries = Vec::with_capacity(raw.len());
        for (seq, bytes) in raw.iter().enumerate() {
            let Some(bytes) = bytes else { continue };
            let place = format!("entry {seq}");
            match Entry::decode(bytes) {
                Ok(entry) => {
                    if entry.encode().ok().as_deref() != Some(*bytes) {
                        findings.fail(Integrity, "entry.form", place, "it is not compact JSON with sorted keys");
                    }
                    entries.push((seq as u64, entry));
                }
                Err(error) => findings.fail(Integrity, "entry.unreadable", place, error.to_string()),
            }
        }
        let roots = roots_at(&raw, &sizes_spoken_of(&entries, package.manifest().size, options));
        Self { raw, entries, roots }
    }

    /// The event at `seq`.
    pub fn event(&self, seq: u64) -> Option<&Event> {
        let at = self.entries.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        self.entries.get(at).map(|(_, entry)| &entry.event)
    }

    /// Time of the newest entry, in milliseconds since the epoch.
    pub fn newest(&self) -> Option<i64> {
        self.entries.iter().map(|(_, entry)| entry.ts).max()
    }

    /// The root at a size that something in the package speaks of.
    pub fn root(&self, size: u64) -> Option<&Hash> {
        self.roots.get(&size)
    }
}

/// Sizes whose roots are wanted: the package's own, and those named by events and by the auditor's older checkpoint.
fn sizes_spoken_of(entries: &[(u64, Entry)], size: u64, options: &Options) -> BTreeSet<u64> {
    let spoken = entries.iter().filter_map(|(_, entry)| match &entry.event {
        Event::LedgerHeartbeat(beat) => Some(unverified(&beat.checkpoint)?.size),
        Event::ControlRan(run) => Some(run.at_size),
        _ => None,
    });
    let seen = options.seen.as_deref().map(Seen::note_of).and_then(unverified).map(|checkpoint| checkpoint.size);
    spoken.chain(seen).chain([size]).collect()
}

/// A checkpoint as it stands in a note, whoever signed it.
pub(crate) fn unverified(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse(&Note::parse(note).ok()?.text).ok()
}

fn roots_at(raw: &[Option<&[u8]>], sizes: &BTreeSet<u64>) -> BTreeMap<u64, Hash> {
    let mut frontier = Frontier::new();
    let mut roots = BTreeMap::new();
    let mut keep = |frontier: &Frontier| {
        if sizes.contains(&frontier.size()) {
            roots.insert(frontier.size(), frontier.root());
        }
    };
    keep(&frontier);
    for bytes in raw.iter().map_while(|entry| *entry) {
        frontier.push(leaf_hash(bytes));
        keep(&frontier);
    }
    roots
}

/// What is known of the log that a package is of.
pub(crate) struct Log {
    /// Whether the key came from the auditor, not from the package.
    pub pinned: bool,
    /// The key that it signs with, when one could be read.
    pub key: Option<VerifierKey>,
    /// The package's checkpoint as a note, if it is one.
    pub note: Option<Note>,
}

/// Checks the package's checkpoint against its entries, and every other checkpoint that it or the auditor speaks of.
pub(crate) fn check(package: &Package, history: &History<'_>, options: &Options, findings: &mut Findings) -> Log {
    let (key, pinned) = choose_key(package, history, options, findings);
    let text = package.file(CHECKPOINT);
    if text.is_none() {
        findings.fail(Integrity, "checkpoint.missing", CHECKPOINT, "the package has no checkpoint");
    }
    let note = text.and_then(|text| match Note::parse(text) {
        Ok(note) => Some(note),
        Err(error) => {
            findings.fail(Integrity, "checkpoint.unreadable", CHECKPOINT, error.to_string());
            None
        }
    });
    let before = findings.failures(Integrity);
    let opened = text.zip(key.as_ref()).and_then(|(text, key)| match Checkpoint::open(text, key) {
        Ok((checkpoint, _)) => Some(checkpoint),
        Err(error) => {
            findings.fail(Integrity, "checkpoint.signature", CHECKPOINT, error.to_string());
            None
        }
    });
    if let Some(checkpoint) = &opened {
        check_root(package, history, checkpoint, findings);
    }
    let agrees = opened.is_some() && findings.failures(Integrity) == before;
    if let Some(key) = &key {
        check_heartbeats(history, key, agrees, findings);
        check_accepted(history, key, findings);
        check_seen(history, options, key, agrees, findings);
    }
    Log { pinned, key, note }
}

/// The auditor's key if there is one, then the policy's for this origin, then the one in the package.
fn choose_key(
    package: &Package,
    history: &History<'_>,
    options: &Options,
    findings: &mut Findings,
) -> (Option<VerifierKey>, bool) {
    let manifest = package.manifest();
    let place = "manifest.json";
    let named = manifest.log_vkey.parse::<VerifierKey>().map_err(|error| {
        findings.fail(Integrity, "key.unreadable", place, error.to_string());
    });
    match history.event(0) {
        Some(Event::OrgCreated(org)) => {
            if org.log_vkey != manifest.log_vkey {
                let message = "the ledger began with another key than the manifest names";
                findings.fail(Integrity, "key.changed", place, message);
            }
            if org.origin != manifest.origin {
                let message = format!("the ledger began as `{}`, the manifest says `{}`", org.origin, manifest.origin);
                findings.fail(Integrity, "origin.changed", place, message);
            }
        }
        _ => findings.fail(Integrity, "org.missing", "entry 0", "the ledger does not begin with `org.created`"),
    }
    let listed = options.policy.iter().flat_map(|policy| policy.logs());
    let listed = listed.map(|log| &log.key).find(|key| key.name() == manifest.origin);
    let pinned = options.log_vkey.as_ref().or(listed);
    if let (Some(pinned), Ok(named)) = (pinned, &named)
        && pinned != named
    {
        let message = format!("the package is signed for by `{named}`, you trust `{pinned}`");
        findings.fail(Integrity, "key.untrusted", place, message);
    }
    match pinned {
        Some(key) => (Some(key.clone()), true),
        None => {
            let message = "the log's key was taken from the package itself: compare it with one you got otherwise";
            findings.note(Integrity, "key.unpinned", place, message);
            (named.ok(), false)
        }
    }
}

fn check_root(package: &Package, history: &History<'_>, checkpoint: &Checkpoint, findings: &mut Findings) {
    let manifest = package.manifest();
    if (checkpoint.size, hex(&checkpoint.root)) != (manifest.size, manifest.root.clone()) {
        let message = format!("the manifest speaks of size {}, the checkpoint of {}", manifest.size, checkpoint.size);
        let message = match checkpoint.size == manifest.size {
            true => "the manifest and the checkpoint give different roots".to_owned(),
            false => message,
        };
        findings.fail(Integrity, "checkpoint.manifest", CHECKPOINT, message);
    }
    if checkpoint.origin != manifest.origin {
        let message = format!("it is of log `{}`, the manifest of `{}`", checkpoint.origin, manifest.origin);
        findings.fail(Integrity, "checkpoint.origin", CHECKPOINT, message);
    }
    match history.root(checkpoint.size) {
        Some(root) if *root == checkpoint.root => {}
        Some(_) => {
            let message = "the entries do not lead to the signed root: one was altered, added, removed or moved";
            findings.fail(Integrity, "entries.root", format!("entries 0 to {}", checkpoint.size), message);
        }
        None => {
            let message = format!("not all of the {} entries under it are there", checkpoint.size);
            findings.fail(Integrity, "checkpoint.entries", CHECKPOINT, message);
        }
    }
}

/// Every heartbeat keeps a checkpoint of an earlier size, which must be part of the same history.
fn check_heartbeats(history: &History<'_>, key: &VerifierKey, agrees: bool, findings: &mut Findings) {
    for (seq, entry) in &history.entries {
        let Event::LedgerHeartbeat(beat) = &entry.event else { continue };
        let place = format!("entry {seq}");
        let checkpoint = match Checkpoint::open(&beat.checkpoint, key) {
            Ok((checkpoint, _)) => checkpoint,
            Err(error) => {
                findings.fail(Integrity, "heartbeat.signature", place, error.to_string());
                continue;
            }
        };
        if checkpoint.size > *seq {
            let message = format!("its checkpoint has size {}, more than there was before it", checkpoint.size);
            findings.fail(Integrity, rewritten(agrees, "heartbeat.root"), place, message);
        } else if history.root(checkpoint.size).is_some_and(|root| *root != checkpoint.root) {
            let message = format!("the log signed another history of size {} than the entries show", checkpoint.size);
            findings.fail(Integrity, rewritten(agrees, "heartbeat.root"), place, message);
        }
    }
}

/// Whoever goes on with an older copy names what is given up by a checkpoint that the log signed, and where it goes on.
fn check_accepted(history: &History<'_>, key: &VerifierKey, findings: &mut Findings) {
    for (seq, entry) in &history.entries {
        let Event::RollbackAccepted(body) = &entry.event else { continue };
        let place = format!("entry {seq}");
        match Checkpoint::open(&body.remembered, key) {
            Ok((checkpoint, _)) if (checkpoint.size, *seq) == (body.from_size, body.to_size) => {}
            Ok((checkpoint, _)) => {
                let message = format!(
                    "it says from {} to {} entries; its checkpoint has {}, and {seq} were before it",
                    body.from_size, body.to_size, checkpoint.size
                );
                findings.fail(Integrity, "rollback.size", place, message);
            }
            Err(error) => findings.fail(Integrity, "rollback.signature", place, error.to_string()),
        }
    }
}

/// A checkpoint that the auditor kept must be of the same history.
fn check_seen(history: &History<'_>, options: &Options, key: &VerifierKey, agrees: bool, findings: &mut Findings) {
    let Some(seen) = Seen::read(options, key, findings) else { return };
    let (size, there) = (seen.checkpoint.size, history.raw.len() as u64);
    match history.root(size) {
        Some(root) if *root == seen.checkpoint.root => {
            let message = format!("the first {size} entries are those you saw before");
            findings.note(Integrity, "seen.continued", PLACE, message);
        }
        Some(_) => {
            let message = format!("the log signed another history of size {size} than the entries show");
            findings.fail(Integrity, rewritten(agrees, "seen.root"), PLACE, message);
        }
        None if size > there => match (history.root(there), cut_back(history, &seen, options)) {
            (_, Some(message)) => findings.fail(Integrity, rewritten(agrees, "seen.entries"), PLACE, message),
            (Some(root), None) => seen.check_later("package", there, root, findings),
            (None, None) => seen_beyond(size, there, findings),
        },
        None => seen_beyond(size, there, findings),
    }
}

/// Entries are missing in between, which has been said.
fn seen_beyond(size: u64, there: u64, findings: &mut Findings) {
    let message =
        format!("you saw {size} entries; of the {there} in the package some are missing, so it cannot be compared");
    findings.unknown(Integrity, "seen.entries", PLACE, message);
}

/// A package that has an entry from after the time at which a trusted witness saw more entries than it has is not older:
/// the log went on from fewer.
fn cut_back(history: &History<'_>, seen: &Seen, options: &Options) -> Option<String> {
    let witnessed = options.policy.as_ref().and_then(|policy| witnessed_at(&seen.note, policy))?;
    let newest = history.newest().filter(|newest| newest.saturating_sub(witnessed) > SKEW_MS)?;
    let (at, newest) = (instant(witnessed), instant(newest));
    Some(format!(
        "a witness saw {} entries at {at}, and the package has only {} with one of {newest}: the log went on from fewer",
        seen.checkpoint.size,
        history.raw.len()
    ))
}

/// Two signed roots that cannot both be true mean that history was rewritten, once the entries are known to be as
/// signed; before that they may mean no more than a damaged entry.
fn rewritten(agrees: bool, otherwise: &'static str) -> &'static str {
    if agrees { ROLLBACK } else { otherwise }
}

/// A hash in hexadecimal, as events have it.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    hash_from_hex(text).ok()
}
