//! Where queries read from: a running engine, or an evidence package.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Engine;
use merkle::{Hash, leaf_hash, root_of};
use query::{Database, EachEntry, Limits, QueryError, Source, Tail};
use verify::Package;

use crate::AssuranceError;

/// The database over an engine's ledger and records.
///
/// # Errors
/// When the records directory cannot be read.
pub fn database(engine: &Arc<Engine>, limits: Limits) -> Result<Database, QueryError> {
    Database::new(Arc::new(Live(Arc::clone(engine))), limits)
}

/// The database over an evidence package. It holds what the package's ledger says; records of segments that are not in
/// the package are missing from it, which the package's window tells.
///
/// # Errors
/// When the package cannot be read.
pub fn package_database(path: &Path, limits: Limits) -> Result<Database, AssuranceError> {
    let packed = Packed::open(path)?;
    Ok(Database::new(Arc::new(packed), limits)?)
}

struct Live(Arc<Engine>);

impl Source for Live {
    fn size(&self) -> u64 {
        // The state may lag behind the log by a batch; what is folded is what was decided upon.
        self.0.read(|state| state.size)
    }

    fn known_until(&self) -> i64 {
        Engine::now_ms()
    }

    fn entries(&self, range: Range<u64>, each: EachEntry<'_>) -> Result<(), String> {
        let mut failed = None;
        let walked = self.0.log().for_each_entry(range, &mut |seq, bytes| {
            if failed.is_none() {
                failed = each(seq, bytes).err();
            }
        });
        match failed {
            Some(why) => Err(why),
            None => walked.map_err(|e| e.to_string()),
        }
    }

    fn root_at(&self, size: u64) -> Result<Hash, String> {
        self.0.log().root_at(size).map_err(|e| e.to_string())
    }

    fn records_dir(&self) -> PathBuf {
        self.0.data_dir().join("records")
    }

    fn tail(&self) -> Tail {
        Tail { inferences: self.0.records().tail(), accesses: self.0.accesses().tail() }
    }
}

/// A package's entries, and its core files unpacked where the engine can read them.
struct Packed {
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
    dir: tempfile::TempDir,
}

impl Packed {
    fn open(path: &Path) -> Result<Self, AssuranceError> {
        let io = |e: &dyn std::fmt::Display| AssuranceError::Io(format!("{}: {e}", path.display()));
        let package = Package::open(path).map_err(|e| io(&e))?;
        let entries: Vec<Vec<u8>> = package.entries().map_err(|e| io(&e))?.into_iter().map(<[u8]>::to_vec).collect();
        let leaves = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let dir = tempfile::tempdir().map_err(|e| io(&e))?;
        for segment in &package.manifest().segments {
            let index = usize::try_from(segment.event).unwrap_or(usize::MAX);
            let entry = entries.get(index).and_then(|bytes| domain::Entry::decode(bytes).ok());
            let Some((_, sealed)) = entry.as_ref().and_then(|entry| entry.event.sealed()) else { continue };
            let Some(bytes) = package.file(&format!("{}/core.parquet", segment.dir)) else { continue };
            let target = dir.path().join(safe(&sealed.core.path).map_err(|e| io(&e))?);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(|e| io(&e))?;
            }
            std::fs::write(target, bytes).map_err(|e| io(&e))?;
        }
        Ok(Self { entries, leaves, dir })
    }
}

/// A relative path that stays below where it is put.
fn safe(path: &str) -> Result<&Path, String> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain { Ok(path) } else { Err(format!("`{}` is not a path inside a package", path.display())) }
}

impl Source for Packed {
    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What happened after its last entry the package does not say.
    fn known_until(&self) -> i64 {
        self.entries.last().and_then(|bytes| domain::Entry::decode(bytes).ok()).map_or(0, |entry| entry.ts)
    }

    fn entries(&self, range: Range<u64>, each: EachEntry<'_>) -> Result<(), String> {
        for seq in range {
            let index = usize::try_from(seq).map_err(|e| e.to_string())?;
            let entry = self.entries.get(index).ok_or_else(|| format!("entry {seq} is not in the package"))?;
            each(seq, entry)?;
        }
        Ok(())
    }

    fn root_at(&self, size: u64) -> Result<Hash, String> {
        let size = usize::try_from(size).map_err(|e| e.to_string())?;
        let leaves = self.leaves.get(..size).ok_or_else(|| format!("the package has {} entries", self.leaves.len()))?;
        Ok(root_of(leaves))
    }

    fn records_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// A package holds the segments of its window and no others.
    fn holds(&self, path: &str) -> bool {
        safe(path).is_ok_and(|path| self.dir.path().join(path).is_file())
    }

    fn tail(&self) -> Tail {
        Tail::default()
    }
}
