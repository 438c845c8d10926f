//! A healthy directory passes, and one flipped byte in any kind of file does not.

use std::path::PathBuf;

use super::*;
use crate::log::tests::{DIR, grow, open, signer};
use crate::vfs::sim::SimDisk;

/// A log with bundles, tiles of two levels, a released and a live part of the write-ahead log, and a checkpoint.
fn disk() -> SimDisk {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    for size in (500..=3000).step_by(500) {
        grow(&log, size, 40).unwrap();
        log.flush().unwrap();
    }
    grow(&log, 3100, 40).unwrap();
    log.publish().unwrap();
    drop(log);
    disk
}

fn run(disk: &SimDisk, level: Level, keys: &[VerifierKey]) -> FsckReport {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    fsck(&vfs, Path::new(DIR), level, keys)
}

fn key() -> VerifierKey {
    signer().verifier_key().clone()
}

#[test]
fn a_healthy_log_passes_and_says_what_was_not_checked() {
    let disk = disk();
    let writes = disk.operations();
    for level in [Level::Quick, Level::Full] {
        let report = run(&disk, level, &[key()]);
        assert_eq!((report.exit_code(), report.size), (0, 3100), "{report:#?}");
        let not_checked: Vec<&Check> = report.checks.iter().filter(|check| check.outcome != Outcome::Passed).collect();
        assert_eq!(not_checked.len(), 1, "{not_checked:?}");
        assert_eq!((not_checked[0].name, not_checked[0].detail.as_str()), (WITNESSED, "there is none"));
    }
    assert_eq!(run(&disk, Level::Quick, &[]).root, run(&disk, Level::Full, &[]).root);
    let without_key = run(&disk, Level::Full, &[]);
    let unsigned = without_key.checks.iter().filter(|check| check.detail.contains("no key of the log"));
    assert!(unsigned.map(|check| check.outcome).eq([Outcome::NotChecked, Outcome::NotChecked]));
    assert_eq!(disk.operations(), writes, "fsck must not write");
}

#[test]
fn a_flipped_byte_in_any_file_is_found() {
    let disk = disk();
    let live = |path: &PathBuf| !path.ends_with("spare");
    let paths: Vec<PathBuf> = disk.paths().into_iter().filter(live).collect();
    assert!(paths.len() > 24, "{paths:?}");
    for path in paths {
        let text = path.to_str().unwrap();
        // In the write-ahead log inside the first batch; elsewhere at the start, inside, and near the end.
        let offsets: &[u64] = if text.contains("/wal/") { &[9, 4096 + 50] } else { &[0, 20, 100] };
        for offset in offsets {
            let copy = disk.snapshot();
            copy.corrupt(&path, *offset, 1);
            let report = run(&copy, Level::Full, &[key()]);
            assert_ne!(report.exit_code(), 0, "{text} at {offset}: {report:#?}");
        }
    }
}

#[test]
fn missing_extra_and_older_files_have_their_own_codes() {
    let disk = disk();
    let at = |name: &str| Path::new(DIR).join(name);
    let copy = disk.snapshot();
    copy.remove(&at("tile/entries/002")).unwrap();
    assert_eq!(run(&copy, Level::Full, &[]).exit_code(), 2);

    let copy = disk.snapshot();
    crate::vfs::write_atomic(&copy, &at("tile/0/999"), b"x").unwrap();
    let report = run(&copy, Level::Full, &[]);
    assert_eq!(report.exit_code(), 1);
    assert!(report.checks.last().unwrap().detail.contains("tile/0/999"));

    let newer = disk.snapshot();
    let (log, _) = open(&newer).unwrap();
    grow(&log, 3200, 40).unwrap();
    log.publish().unwrap();
    drop(log);
    let signed = crate::vfs::read_file(&newer, &at(SIGNER), 4096).unwrap().unwrap();
    crate::vfs::write_atomic(&disk, &at(SIGNER), &signed).unwrap();
    for level in [Level::Quick, Level::Full] {
        assert_eq!(run(&disk, level, &[]).exit_code(), 3);
    }
    assert_eq!(run(&SimDisk::new(), Level::Quick, &[]).exit_code(), 5);
}
