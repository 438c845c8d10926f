//! Snapshots of the state, so that a start need not fold the whole ledger.
//!
//! A snapshot is a cache: it is used only when the ledger has, right after the events that it is a fold of, an event with
//! the digest of just this state. Anything wrong with it means that it is ignored and the ledger is folded from the
//! beginning, so whoever can write to the directory but not to the ledger cannot slip a state in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::State;
use serde::{Deserialize, Serialize};

/// How many snapshots are kept.
const KEEP: usize = 2;

/// The version of the state's form; a snapshot of another version is ignored.
const VERSION: u32 = 3;

/// A state as it was after `state.size` events.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    /// The state.
    pub state: State,
}

impl Snapshot {
    /// A snapshot to be written.
    pub fn new(state: State) -> Self {
        Self { version: VERSION, state }
    }

    /// Writes the snapshot and removes old ones.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{:020}.json", self.state.size));
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &path)?;
        for old in newest_first(dir).into_iter().skip(KEEP) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The snapshots that can be read, newest first.
    pub fn read_all(dir: &Path) -> impl Iterator<Item = Self> {
        newest_first(dir).into_iter().filter_map(|path| {
            let snapshot: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            (snapshot.version == VERSION).then_some(snapshot)
        })
    }
}

fn newest_first(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort_unstable_by(|a, b| b.cmp(a));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_three_snapshots_when_read_then_the_newest_two_remain_and_a_damaged_one_is_passed_over() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for size in [1, 20, 300] {
            let state = State { size, ..State::default() };
            Snapshot::new(state).write(dir.path()).expect("written");
        }
        let sizes: Vec<u64> = Snapshot::read_all(dir.path()).map(|s| s.state.size).collect();
        assert_eq!(sizes, [300, 20]);
        fs::write(dir.path().join(format!("{:020}.json", 300)), "{").expect("damaged");
        assert_eq!(Snapshot::read_all(dir.path()).map(|s| s.state.size).collect::<Vec<_>>(), [20]);
    }
}
