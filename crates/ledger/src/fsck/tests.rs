//! A healthy directory passes, and one flipped byte in any kind of file does not.

use std::path::PathBuf;

use merkle::SignerKey;

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
    fsck(&vfs, Path::new(DIR), &Scope { keys, ..Scope::alone(level) })
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
        assert_eq!(not_checked.len(), 2, "{not_checked:?}");
        assert_eq!((not_checked[0].name, not_checked[0].detail.as_str()), (WITNESSED, "there is none"));
        assert!(not_checked[1].detail.contains("an older copy of all of it would pass"), "{not_checked:?}");
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

/// A log that begins as an organisation's ledger does, and so many entries more.
fn organised(disk: &SimDisk, size: u64) -> String {
    let options = crate::log::tests::options(Path::new(DIR));
    let (log, _) = crate::log::Log::open(Arc::new(disk.clone()), options, &mut |_, _| {}).unwrap();
    if log.size() == 0 {
        let vkey = key().to_string();
        let created = format!(
            r#"{{"actor":"a_system","body":{{"log_vkey":"{vkey}","name":"Test","origin":"{}","retention_days":30}},"id":"018f3c2e-7d4b-7000-8000-000000000000","stream":"org","sv":1,"t":"org.created","ts":1793400000000,"v":1}}"#,
            key().name()
        );
        log.append_and_wait(vec![created.into_bytes()]).unwrap();
    }
    while log.size() < size {
        log.append_and_wait(vec![vec![b'x'; 40]; 10]).unwrap();
    }
    log.flush().unwrap();
    log.publish().unwrap()
}

#[test]
fn given_a_whole_older_copy_when_something_elsewhere_is_known_then_it_is_named_and_else_it_is_said_that_nothing_is() {
    // Its first entry is in the write-ahead log alone, or in a bundle.
    for (before, after) in [(20, 60), (2000, 2300)] {
        let disk = SimDisk::new();
        let older = organised(&disk, before);
        let copy = disk.snapshot();
        let newer = organised(&disk, after);
        let check = |disk: &SimDisk, found: &[Result<Option<String>, String>]| {
            let place = |n: usize| format!("https://w{n}.example");
            let outside: Vec<Outside> =
                found.iter().enumerate().map(|(n, found)| Outside { place: place(n), found: found.clone() }).collect();
            let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
            assert_eq!(whose(&vfs, Path::new(DIR)), Some((key().name().to_owned(), key())));
            fsck(&vfs, Path::new(DIR), &Scope { outside: &outside, ..Scope::alone(Level::Quick) })
        };
        let outcome = |report: &FsckReport, n: usize| {
            let named = report.checks.iter().filter(|check| check.name == "known elsewhere").nth(n);
            named.map(|check| check.outcome)
        };
        let newest = Ok(Some(newer.clone()));
        let report = check(&copy, &[Ok(Some(older.clone())), newest.clone(), Err("it does not answer".into())]);
        let outcomes: Vec<_> = (0..4).map_while(|n| outcome(&report, n)).collect();
        assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed(Fault::Rollback), Outcome::NotChecked], "{report:#?}");
        assert_eq!(report.exit_code(), 3, "{report:#?}");
        assert_eq!(check(&disk, std::slice::from_ref(&newest)).exit_code(), 0);
        // What somebody else signed says nothing; and nothing is no proof of anything.
        let foreign = newer.replace("example.com", "example.org");
        for nothing in [vec![], vec![Ok(None)], vec![Ok(Some(foreign))]] {
            let report = check(&copy, &nothing);
            assert_eq!(report.exit_code(), 0, "{report:#?}");
            let said = report.checks.iter().any(|check| check.detail.contains("an older copy of all of it would pass"));
            assert!(said, "{report:#?}");
        }
        // The same name and another key: this directory, or what is known elsewhere, is made up.
        let another = SignerKey::ed25519(key().name(), &[99; 32]).unwrap();
        let text = Note::parse(&newer).unwrap().text;
        let made_up = Note { signatures: vec![another.sign_note(&text)], text }.to_string();
        assert_eq!(check(&disk, &[Ok(Some(made_up))]).exit_code(), 3);
        let given = [another.verifier_key().clone()];
        let outside = [Outside { place: "kept".into(), found: newest }];
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let scope = Scope { keys: &given, outside: &outside, ..Scope::alone(Level::Quick) };
        let report = fsck(&vfs, Path::new(DIR), &scope);
        let named = report.checks.iter().find(|check| check.name == "known elsewhere");
        assert_eq!(named.map(|check| check.outcome), Some(Outcome::Failed(Fault::Rollback)), "{report:#?}");
        let told = "https://w.example\nit has more\n";
        crate::vfs::write_atomic(&copy, &Path::new(DIR).join(HALT), told.as_bytes()).unwrap();
        assert_eq!(check(&copy, &[]).exit_code(), 3);
    }
}
