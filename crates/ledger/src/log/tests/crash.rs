//! A scripted life of a log, stopped at each of its disk operations, before and after it took effect.

use merkle::Checkpoint;

use super::*;
use crate::vfs::sim::CrashPoint;

/// What the outside world was told before the crash.
#[derive(Default)]
struct Told {
    acknowledged: u64,
    tried: u64,
    checkpoints: Vec<Checkpoint>,
}

/// Two lives of a log with appends, tiles and checkpoints. Stops at the first failure.
fn scripted_run(disk: &SimDisk, told: &mut Told) -> Option<()> {
    for _life in 0..2 {
        let (log, _) = open(disk).ok()?;
        for step in 0..9_u64 {
            let first = log.size();
            let n = 14 + step * 6;
            told.tried = first + n;
            log.append_and_wait((first..first + n).map(entry).collect()).ok()?;
            told.acknowledged = first + n;
            if step % 3 == 2 {
                log.flush().ok()?;
            }
            if step % 3 == 1 {
                let note = log.publish().ok()?;
                told.checkpoints.push(Checkpoint::open(note, signer().verifier_key()).unwrap().0);
            }
        }
    }
    Some(())
}

#[track_caller]
fn check_recovered(next: &SimDisk, told: &Told, context: &str) {
    // Opening checks that the entries are a prefix of what was appended, and the root the signer vouches for.
    let (log, recovery) = open(next).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(recovery.size >= told.acknowledged, "{context}: lost entries: {recovery:?}");
    assert!(recovery.size <= told.tried, "{context}: {} entries were never appended", recovery.size - told.tried);
    for checkpoint in &told.checkpoints {
        assert_eq!(log.root_at(checkpoint.size).unwrap(), checkpoint.root, "{context}");
    }
    grow(&log, recovery.size + 3, 2).unwrap();
    log.publish().unwrap();
    log.flush().unwrap();
    assert_eq!(log.entry(recovery.size + 2).unwrap(), entry(recovery.size + 2), "{context}");
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_told() {
    let whole = SimDisk::new();
    let mut told = Told::default();
    scripted_run(&whole, &mut told).unwrap();
    assert_eq!(told.checkpoints.len(), 6);
    let operations = whole.operations();
    assert!(operations > 120);
    for (operation, landed) in (0..operations).flat_map(|operation| [(operation, false), (operation, true)]) {
        let disk = SimDisk::new();
        disk.crash_at(CrashPoint { operation, landed });
        let mut told = Told::default();
        if scripted_run(&disk, &mut told).is_some() {
            continue;
        }
        let context = format!("operation {operation}, landed {landed}");
        check_recovered(&disk.crash(operation), &told, &context);
    }
}
