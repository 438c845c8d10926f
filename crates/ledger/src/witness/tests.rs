//! A witness follows one history, whatever happens to its disk.

use super::*;
use crate::log::Log;
use crate::log::tests::{ORIGIN, grow, open, signer};
use crate::vfs::sim::{CrashPoint, SimDisk};

const DIR: &str = "/witness";

fn store(disk: &SimDisk) -> WitnessStore {
    WitnessStore::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap()
}

fn cosigner() -> CosignerKey {
    CosignerKey::new("witness.example", &[8; 32]).unwrap()
}

fn log() -> Arc<Log> {
    open(&SimDisk::new()).unwrap().0
}

/// The request of a log at a size, for a witness at `old`.
fn request(log: &Log, old: u64, size: u64) -> AddCheckpoint {
    grow(log, size, 50).unwrap();
    log.publish().unwrap();
    log.witness_request(old).unwrap()
}

fn ask(store: &WitnessStore, request: &AddCheckpoint) -> Result<Answer, WitnessStoreError> {
    store.add_checkpoint(request, signer().verifier_key(), &cosigner(), 1_800_000_000)
}

#[track_caller]
fn assert_cosigned(store: &WitnessStore, request: &AddCheckpoint) {
    assert!(matches!(ask(store, request), Ok(Answer::Cosigned(_))));
    let (checkpoint, note) = Checkpoint::open(store.latest(ORIGIN).unwrap().unwrap(), signer().verifier_key()).unwrap();
    assert!(request.checkpoint.starts_with(&checkpoint.to_text()));
    assert_eq!(cosigner().verifier_key().verify(&note).unwrap().timestamp, Some(1_800_000_000));
}

#[test]
fn it_follows_a_log_and_refuses_to_go_back_or_aside() {
    let disk = SimDisk::new();
    let store = store(&disk);
    let (log, fork) = (log(), log());
    assert_eq!(store.latest(ORIGIN).unwrap(), None);
    let first = request(&log, 0, 100);
    assert_cosigned(&store, &first);
    assert_eq!(ask(&store, &first).unwrap(), Answer::Refused(WitnessDecision::Conflict { size: 100 }));
    let second = request(&log, 100, 300);
    assert_cosigned(&store, &second);
    assert!(matches!(log.witness_request(301), Err(crate::log::LogError::BeyondEnd { .. })));

    fork.append_and_wait(vec![b"another history".to_vec(); 400]).unwrap();
    fork.publish().unwrap();
    let forked = fork.witness_request(300).unwrap();
    assert_eq!(ask(&store, &forked).unwrap(), Answer::Refused(WitnessDecision::BadProof));
    let evidence: Vec<_> = disk.paths().into_iter().filter(|path| path.extension().is_some()).collect();
    let kept = read_file(&disk, &evidence[0], 1 << 20).unwrap().unwrap();
    assert_eq!(kept, forked.to_string().into_bytes());
    assert!(store.latest(ORIGIN).unwrap().unwrap().starts_with("example.com/log\n300\n"));
}

#[test]
fn it_remembers_across_processes_and_lets_one_in_at_a_time() {
    let disk = SimDisk::new();
    let log = log();
    let first = store(&disk);
    assert_cosigned(&first, &request(&log, 0, 10));
    let second = WitnessStore::open(Arc::new(disk.clone()), Path::new(DIR));
    assert!(matches!(second.err(), Some(WitnessStoreError::Locked { .. })));
    drop(first);
    let again = store(&disk);
    assert_eq!(ask(&again, &request(&log, 0, 20)).unwrap(), Answer::Refused(WitnessDecision::Conflict { size: 10 }));
    assert_cosigned(&again, &request(&log, 10, 30));
}

#[test]
fn damaged_state_is_refused() {
    let disk = SimDisk::new();
    let (store, log) = (store(&disk), log());
    assert_cosigned(&store, &request(&log, 0, 10));
    disk.corrupt(&store.path(ORIGIN), 20, 1);
    assert!(matches!(ask(&store, &request(&log, 10, 20)), Err(WitnessStoreError::Corrupt { .. })));
}

#[test]
fn a_crash_at_any_operation_never_forgets_what_was_given_out() {
    let log = log();
    let first = request(&log, 0, 10);
    let second = request(&log, 10, 20);
    let run = |disk: &SimDisk| {
        let Ok(store) = WitnessStore::open(Arc::new(disk.clone()), Path::new(DIR)) else { return 0 };
        [&first, &second]
            .into_iter()
            .take_while(|request| matches!(ask(&store, request), Ok(Answer::Cosigned(_))))
            .count()
    };
    let whole = SimDisk::new();
    assert_eq!(run(&whole), 2);
    for (operation, landed) in (0..whole.operations()).flat_map(|operation| [(operation, false), (operation, true)]) {
        let disk = SimDisk::new();
        disk.crash_at(CrashPoint { operation, landed });
        let given_out = run(&disk);
        for seed in 0..16 {
            let store = store(&disk.crash(seed));
            let latest = store.latest(ORIGIN).unwrap();
            let size = latest.map_or(0, |note| note.lines().nth(1).unwrap().parse().unwrap());
            assert!(size >= 10 * given_out, "operation {operation}, landed {landed}, seed {seed}");
        }
    }
}
