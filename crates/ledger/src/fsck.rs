//! Checking a log's directory offline, without opening it: nothing is written, no key is needed except to check
//! signatures, and what was not checked is said to be so.
//!
//! A directory cannot tell that it is an older copy, restored whole: whoever checks it brings what is known of the log
//! elsewhere.
//!
//! `Quick` reads the write-ahead log, the tiles along the right edge and the signed checkpoints. `Full` derives every
//! leaf, tile and root again from the entries and looks for files that should not be there.

mod records;

use std::path::Path;
use std::sync::Arc;

use domain::{Entry, Event};
use merkle::{Checkpoint, Hash, Note, TILE_WIDTH, TileKind, TilePath, VerifierKey, decode_bundle};

use crate::log::files::Files;
use crate::log::open::{
    CHECKPOINT, HALT, Rebuild, SIGNER, Signed, WAL_DIR, WITNESSED, check_not_rolled_back, read_signed, unwrap_replay,
};
use crate::log::tree::{Tree, full, leaf_end};
use crate::log::{LogError, OtherHistory, halt};
use crate::vfs::Vfs;
use crate::wal::WalError;
use crate::wal::scan::{Scan, scan};

/// Deepest directory below `tile/` that a path of C2SP tlog-tiles has.
const MAX_DEPTH: usize = 8;

/// How thorough to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Time does not grow with the log.
    Quick,
    /// Every byte.
    Full,
}

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something was altered.
    Integrity,
    /// Something is missing.
    Completeness,
    /// Something that was signed for is missing or different.
    Rollback,
    /// Something could not be read.
    Io,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Checked and good.
    Passed,
    /// Checked and not good.
    Failed(Fault),
    /// Could not be checked, or there was nothing to check. Not the same as good.
    NotChecked,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// For a reader: what exactly.
    pub detail: String,
}

/// All checks, in the order they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsckReport {
    /// The checks.
    pub checks: Vec<Check>,
    /// Entries found.
    pub size: u64,
    /// Root of the tree over them, if it could be computed.
    pub root: Option<Hash>,
}

impl FsckReport {
    /// 0 when nothing failed; otherwise by the first failure: 1 integrity, 2 completeness, 3 rollback, 5 could not read.
    pub fn exit_code(&self) -> u8 {
        let first = self.checks.iter().find_map(|check| match check.outcome {
            Outcome::Failed(fault) => Some(fault),
            Outcome::Passed | Outcome::NotChecked => None,
        });
        match first {
            None => 0,
            Some(Fault::Integrity) => 1,
            Some(Fault::Completeness) => 2,
            Some(Fault::Rollback) => 3,
            Some(Fault::Io) => 5,
        }
    }

    fn add(&mut self, name: &'static str, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check { name, outcome, detail: detail.into() });
    }

    /// Notes how a check ended; the detail of a failure is its error.
    fn note<T>(
        &mut self,
        name: &'static str,
        result: Result<T, LogError>,
        detail: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.add(name, Outcome::Passed, detail(&value));
                Some(value)
            }
            Err(error) => {
                self.add(name, Outcome::Failed(fault_of(&error)), error.to_string());
                None
            }
        }
    }
}

/// What to check, and what to hold it against.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// How thorough to be.
    pub level: Level,
    /// The log's public keys, old ones included. Without any, signatures in the directory are not checked, and checkpoints
    /// from elsewhere are by the key that the directory itself names.
    pub keys: &'a [VerifierKey],
    /// The directory of the files of sealed records, which are checked too at [`Level::Full`].
    pub records: Option<&'a Path>,
    /// What is known of the log elsewhere.
    pub outside: &'a [Outside],
}

impl Scope<'_> {
    /// The directory alone.
    #[must_use]
    pub fn alone(level: Level) -> Self {
        Self { level, keys: &[], records: None, outside: &[] }
    }
}

/// Somewhere outside the log's directory that may know a checkpoint of it. An older copy of the directory, restored whole,
/// is consistent in itself: only such can tell.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Where: a file, or the address of a witness.
    pub place: String,
    /// The note that it has, if any; or why that cannot be known.
    pub found: Result<Option<String>, String>,
}

/// Whose log is in `dir`, as its first entry says: origin and verifier key. None when that cannot be read; nothing is
/// checked.
pub fn whose(vfs: &Arc<dyn Vfs>, dir: &Path) -> Option<(String, VerifierKey)> {
    let files = Files::new(Arc::clone(vfs), dir);
    let first = match files.read(&full(TileKind::Entries, 0)).ok()? {
        Some(bundle) => decode_bundle(&bundle).ok()?.first().map(|entry| entry.to_vec()),
        None => {
            let mut first = None;
            let replay: crate::wal::Replay<'_> = &mut |batch| {
                if batch.first_seq == 0 && first.is_none() {
                    first = batch.frames().next().map(|(_, entry)| entry.to_vec());
                }
                Ok(())
            };
            scan(&**vfs, &dir.join(WAL_DIR), None, replay).ok()?;
            first
        }
    };
    match Entry::decode(&first?).ok()?.event {
        Event::OrgCreated(org) => Some((org.origin, org.log_vkey.parse().ok()?)),
        _ => None,
    }
}

/// Checks the log in `dir`.
pub fn fsck(vfs: &Arc<dyn Vfs>, dir: &Path, scope: &Scope<'_>) -> FsckReport {
    let Scope { level, keys, records, outside } = *scope;
    let mut report = FsckReport { checks: Vec::new(), size: 0, root: None };
    let found = scan(&**vfs, &dir.join(WAL_DIR), None, &mut |_| Ok(())).map_err(LogError::Wal);
    let detail = |found: &Scan| {
        let torn = found.end.as_ref().and_then(|end| end.torn.as_ref());
        let torn = torn.map_or(String::new(), |torn| format!(", and an unfinished one of {} bytes", torn.bytes));
        format!("{} batches with {} entries{torn}", found.batches, found.frames)
    };
    let Some(found) = report.note("write-ahead log", found, detail) else { return report };
    let mut named = records::Named::default();
    let tree = match level {
        Level::Quick => quick_tree(vfs, dir, &found),
        Level::Full => full_tree(vfs, dir, &mut |_, entry| {
            if records.is_some() {
                named.take(entry);
            }
        }),
    };
    let name = match level {
        Level::Quick => "right edge of the tree",
        Level::Full => "entries and tiles",
    };
    let Some(tree) = report.note(name, tree, |tree| format!("{} entries", tree.size())) else { return report };
    report.size = tree.size();
    let root = tree.root_at(report.size);
    report.root = report.note("root", root, |root| merkle::b64(root));
    for name in [SIGNER, CHECKPOINT, WITNESSED] {
        check_signed(&mut report, &tree, name, keys);
    }
    // A directory that was made up says itself whose it is: a key that was given counts for more.
    let own: Vec<VerifierKey> = match keys {
        [] => whose(vfs, dir).map(|(_, key)| key).into_iter().collect(),
        keys => keys.to_vec(),
    };
    check_outside(&mut report, &tree, &own, outside);
    match halt::read(&**vfs, &dir.join(HALT)) {
        Ok(told) => {
            for OtherHistory { by, why } in told {
                let detail = LogError::OtherHistory { by, why }.to_string();
                report.add("what witnesses told", Outcome::Failed(Fault::Rollback), detail);
            }
        }
        Err(error) => report.add("what witnesses told", Outcome::Failed(fault_of(&error)), error.to_string()),
    }
    if level == Level::Full {
        let strays = find_strays(&**vfs, dir, report.size);
        report.note("no other files", strays, |count| format!("{count} files below `tile`, all of the tree"));
        if let Some(records) = records {
            let (outcome, detail) = named.check(&**vfs, records);
            report.add("files of records", outcome, detail);
        }
    }
    report
}

/// The tree from the tiles along the right edge and the write-ahead log.
fn quick_tree(vfs: &Arc<dyn Vfs>, dir: &Path, found: &Scan) -> Result<Tree, LogError> {
    let files = Files::new(Arc::clone(vfs), dir);
    let tree = Tree::from_files(files, found.first_seq.unwrap_or(0).next_multiple_of(TILE_WIDTH))?;
    let ignore = &mut |_: u64, _: &[u8]| {};
    replay(vfs, dir, Rebuild::after_bundles(&tree, ignore))?;
    Ok(tree)
}

/// The tree from all entries, compared with every tile on the way.
fn full_tree(vfs: &Arc<dyn Vfs>, dir: &Path, each: &mut dyn FnMut(u64, &[u8])) -> Result<Tree, LogError> {
    let tree = Tree::new(Files::new(Arc::clone(vfs), dir));
    replay(vfs, dir, Rebuild::new(&tree, each))?;
    compare_written_early(&tree)?;
    Ok(tree)
}

fn replay(vfs: &Arc<dyn Vfs>, dir: &Path, mut rebuild: Rebuild<'_>) -> Result<(), LogError> {
    let replay: crate::wal::Replay<'_> = &mut |batch| Ok(rebuild.batch(batch)?);
    scan(&**vfs, &dir.join(WAL_DIR), None, replay).map_err(unwrap_replay)?;
    Ok(())
}

/// Tiles and bundles that are files although the write-ahead log still has their entries must agree with it.
fn compare_written_early(tree: &Tree) -> Result<(), LogError> {
    let bundles = tree.tail().waiting_bundles();
    let tiles = tree.tail().waiting_tiles(u64::MAX);
    let mut expected: Vec<(TilePath, Arc<[u8]>)> = tiles;
    for index in bundles {
        let path = full(TileKind::Entries, index);
        if let Some(bytes) = tree.tile(&path)? {
            expected.push((path, bytes.into()));
        }
    }
    for (path, bytes) in expected {
        if tree.files.read(&path)?.is_some_and(|there| there != bytes) {
            let what = "it differs from what the write-ahead log gives";
            return Err(LogError::corrupt(&tree.files.path(&path), what));
        }
    }
    Ok(())
}

fn check_signed(report: &mut FsckReport, tree: &Tree, name: &'static str, keys: &[VerifierKey]) {
    let signed = match read_signed(&*tree.files.vfs, &tree.files.dir.join(name)) {
        Ok(Some(signed)) => signed,
        Ok(None) => return report.add(name, Outcome::NotChecked, "there is none"),
        Err(error) => return report.add(name, Outcome::Failed(fault_of(&error)), error.to_string()),
    };
    let kept = check_not_rolled_back(tree, &signed);
    report.note(name, kept, |()| format!("the first {} entries are those it vouches for", signed.checkpoint.size));
    let (outcome, detail) = check_signature(&signed, keys);
    report.add("its signature", outcome, detail);
}

/// Holds the log against what is known of it elsewhere. A checkpoint of another log says nothing of it; one of the same
/// name that none of the log's keys has signed says that one of the two is not what it claims to be.
fn check_outside(report: &mut FsckReport, tree: &Tree, keys: &[VerifierKey], outside: &[Outside]) {
    let name = "known elsewhere";
    let mut compared = false;
    for Outside { place, found } in outside {
        let opened = match found {
            Err(why) => Err((Outcome::NotChecked, why.clone())),
            Ok(None) => Err((Outcome::NotChecked, "it has none".to_owned())),
            Ok(Some(note)) => open_outside(note, keys),
        };
        let (checkpoint, note) = match opened {
            Ok(opened) => opened,
            Err((outcome, why)) => {
                report.add(name, outcome, format!("`{place}`: {why}"));
                continue;
            }
        };
        compared = true;
        let signed = Signed { path: place.into(), checkpoint, note };
        let kept = check_not_rolled_back(tree, &signed);
        report.note(name, kept, |()| {
            format!("`{place}`: the first {} entries are those it vouches for", signed.checkpoint.size)
        });
    }
    if !compared {
        let detail = "nothing outside this directory could be compared, so an older copy of all of it would pass";
        report.add(name, Outcome::NotChecked, detail);
    }
}

/// The checkpoint in a note from elsewhere; or how the check of it ends, and why.
fn open_outside(note: &str, keys: &[VerifierKey]) -> Result<(Checkpoint, Note), (Outcome, String)> {
    let mut why = "the first entry does not tell the log's key, so nobody can say whose it is".to_owned();
    for key in keys {
        match Checkpoint::open(note, key) {
            Ok(opened) => return Ok(opened),
            Err(error) => why = error.to_string(),
        }
    }
    let claimed = Note::parse(note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
    match claimed.filter(|claimed| keys.iter().any(|key| key.name() == claimed.origin)) {
        Some(Checkpoint { origin, .. }) => {
            let why = format!("it is in the name of `{origin}` too, but not signed by this log's key: {why}");
            Err((Outcome::Failed(Fault::Rollback), why))
        }
        None => Err((Outcome::NotChecked, why)),
    }
}

/// Any one key of the log will do: after a change of keys older checkpoints still bear the old one's signature.
fn check_signature(signed: &Signed, keys: &[VerifierKey]) -> (Outcome, String) {
    if keys.is_empty() {
        return (Outcome::NotChecked, "no key of the log was given".into());
    }
    let origin = &signed.checkpoint.origin;
    let mut why = format!("the origin `{origin}` is the name of none of the given keys");
    for key in keys.iter().filter(|key| key.name() == origin) {
        match key.verify(&signed.note) {
            Ok(_) => return (Outcome::Passed, format!("by `{origin}`")),
            Err(error) => why = error.to_string(),
        }
    }
    (Outcome::Failed(Fault::Integrity), format!("`{}`: {why}", signed.path.display()))
}

/// Counts the files below `tile`; an error names the first that does not belong there.
fn find_strays(vfs: &dyn Vfs, dir: &Path, size: u64) -> Result<usize, LogError> {
    let mut count = 0;
    let mut open = vec![("tile".to_owned(), 0)];
    while let Some((name, depth)) = open.pop() {
        let path = dir.join(&name);
        if depth == 0 && !vfs.exists(&path).map_err(|source| LogError::io("read", &path, source))? {
            continue;
        }
        for entry in vfs.list(&path).map_err(|source| LogError::io("list", &path, source))? {
            let name = format!("{name}/{}", entry.name);
            let stray = || LogError::corrupt(&dir.join(&name), "it is not a file of this log");
            if entry.is_dir && depth < MAX_DEPTH {
                open.push((name, depth + 1));
                continue;
            }
            // A crash can leave a temporary file; it is written anew when its turn comes.
            let tile: TilePath = name.strip_suffix(".tmp").unwrap_or(&name).parse().map_err(|_| stray())?;
            if u64::from(tile.width) != TILE_WIDTH || leaf_end(&tile).is_none_or(|end| end > size) {
                return Err(stray());
            }
            count += 1;
        }
    }
    Ok(count)
}

fn fault_of(error: &LogError) -> Fault {
    match error {
        LogError::RolledBack { .. } => Fault::Rollback,
        LogError::Missing { .. } => Fault::Completeness,
        LogError::Io { .. } | LogError::Wal(WalError::Io { .. }) => Fault::Io,
        _ => Fault::Integrity,
    }
}

#[cfg(test)]
mod tests;
