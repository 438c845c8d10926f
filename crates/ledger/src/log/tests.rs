//! The log as others see it: what is acknowledged stays, what is signed stays true, and what is damaged is refused.

mod crash;
mod interop;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use merkle::cosignature::CosignerKey;
use merkle::{Checkpoint, TileKind, root_of, verify_consistency};

use super::*;
use crate::vfs::RealVfs;
use crate::vfs::sim::SimDisk;
use crate::wal::{Prepare, WalError};

pub(crate) const DIR: &str = "/ledger";
pub(crate) const ORIGIN: &str = "example.com/log";

pub(crate) fn signer() -> SignerKey {
    SignerKey::ed25519(ORIGIN, &[3; 32]).unwrap()
}

/// Small segments, no abort, nothing in the background of the write-ahead log.
pub(crate) fn options(dir: &Path) -> LogOptions {
    let mut options = LogOptions::new(dir, signer());
    options.wal.segment_bytes = 16 << 10;
    options.wal.prepare = Prepare::Inline;
    options.on_fatal = Arc::new(|_| {});
    options
}

pub(crate) fn entry(seq: u64) -> Vec<u8> {
    format!("entry {seq} {}", "x".repeat((seq * 7 % 40) as usize)).into_bytes()
}

/// Opens and checks that the replay gave exactly the entries there should be.
#[track_caller]
pub(crate) fn open_on(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<(Arc<Log>, Recovery), LogError> {
    let mut next = 0;
    let opened = Log::open(vfs, options(dir), &mut |seq, bytes| {
        assert_eq!((seq, bytes), (next, entry(next).as_slice()));
        next += 1;
    })?;
    assert_eq!(opened.1.size, next);
    Ok(opened)
}

pub(crate) fn open(disk: &SimDisk) -> Result<(Arc<Log>, Recovery), LogError> {
    open_on(Arc::new(disk.clone()), Path::new(DIR))
}

/// Appends until there are `size` entries, `step` at a time.
pub(crate) fn grow(log: &Log, size: u64, step: u64) -> Result<(), AppendError> {
    while log.size() < size {
        let first = log.size();
        let entries = (first..size.min(first + step)).map(entry).collect();
        assert_eq!(log.append_and_wait(entries)?, first);
    }
    Ok(())
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|seq| leaf_hash(&entry(seq))).collect()
}

#[test]
fn entries_come_back_from_memory_bundles_and_a_new_process() {
    let disk = SimDisk::new();
    let (log, recovery) = open(&disk).unwrap();
    assert_eq!(recovery, Recovery { size: 0, from_bundles: 0, torn: None });
    grow(&log, 1000, 17).unwrap();
    let check = |log: &Log| {
        assert_eq!(log.size(), 1000);
        for seq in [0, 1, 255, 256, 767, 768, 999] {
            assert_eq!(log.entry(seq).unwrap(), entry(seq));
            assert_eq!(log.leaf_hash(seq).unwrap(), leaf_hash(&entry(seq)));
        }
        assert_eq!(log.entries(200..800).unwrap(), (200..800).map(entry).collect::<Vec<_>>());
        assert!(matches!(log.entry(1000), Err(LogError::BeyondEnd { asked: 1001, size: 1000 })));
        assert!(log.leaf_hash(u64::MAX).is_err() && log.entry(u64::MAX).is_err());
    };
    check(&log);
    log.flush().unwrap();
    check(&log);
    grow(&log, 1000, 1).unwrap();
    drop(log);
    let (log, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.torn, None);
    check(&log);
}

#[test]
fn released_segments_are_replaced_by_bundles() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    for size in (200..5000).step_by(200) {
        grow(&log, size, 50).unwrap();
        log.flush().unwrap();
    }
    grow(&log, 5000, 50).unwrap();
    drop(log);
    let segments = disk.list(&Path::new(DIR).join(WAL_DIR)).unwrap().len();
    assert!(segments < 5, "{segments} segments left of a log that was written to bundles");
    let (log, recovery) = open(&disk).unwrap();
    assert!(recovery.from_bundles > 4000);
    assert_eq!(log.root_at(5000).unwrap(), root_of(&leaves(5000)));
    assert_eq!(log.entry(5).unwrap(), entry(5));
}

#[test]
fn roots_and_proofs_are_those_of_the_whole_tree() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    let leaves = leaves(700);
    for (size, flush) in [(1, false), (255, false), (257, true), (600, false), (700, true)] {
        grow(&log, size, 64).unwrap();
        if flush {
            log.flush().unwrap();
        }
        for at in [0, 1, 2, 7, 255, 256, 257, 511, 512, 513, 600, 699, 700].into_iter().filter(|at| *at <= size) {
            let of = &leaves[..at as usize];
            let root = log.root_at(at).unwrap();
            assert_eq!(root, root_of(of));
            let new = log.root_at(size).unwrap();
            let proof = log.consistency_proof(at, size).unwrap();
            verify_consistency(at, &root, size, &new, &proof).unwrap();
            for index in [0, 100, 256, at.saturating_sub(1)].into_iter().filter(|index| *index < at) {
                let proof = log.inclusion_proof(index, at).unwrap();
                assert_eq!(proof, merkle::inclusion_proof_of(of, index).unwrap());
            }
        }
        assert!(log.root_at(size + 1).is_err() && log.inclusion_proof(0, size + 1).is_err());
        assert!(matches!(log.inclusion_proof(size, size), Err(LogError::Proof(_))));
    }
}

#[test]
fn calls_order_the_entries_and_each_is_answered_once() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    let (answer, answers) = mpsc::channel();
    for call in 0..500_u64 {
        let answer = answer.clone();
        let entries = vec![entry(2 * call), entry(2 * call + 1)];
        log.append(entries, move |result| answer.send((call, result)).unwrap());
    }
    drop(answer);
    let answers: Vec<_> = answers.iter().collect();
    assert_eq!(answers, (0..500).map(|call| (call, Ok(2 * call))).collect::<Vec<_>>());
    assert_eq!(log.append_and_wait(Vec::new()), Ok(1000));
}

#[test]
fn what_can_never_be_stored_is_refused_at_once() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    let long = AppendError::EntryTooLong { bytes: 60_001, max: 60_000 };
    assert_eq!(log.append_and_wait(vec![vec![0; 60_001]]), Err(long));
    let too_large = log.append_and_wait(vec![vec![0; 7000]; 2]);
    assert_eq!(too_large, Err(AppendError::TooLarge { bytes: 14_010, max: 12_244 }));
    assert_eq!(log.append_and_wait(vec![vec![0; 12_239]]), Ok(0));
}

#[test]
fn checkpoints_are_signed_consistent_and_repeated_to_the_byte() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    assert_eq!(log.latest_checkpoint(), None);
    assert!(matches!(log.tlog_proof(0), Err(LogError::NotPublished { seq: 0 })));
    grow(&log, 300, 100).unwrap();
    let first = log.publish().unwrap();
    assert_eq!(log.publish().unwrap(), first);
    let (checkpoint, _) = Checkpoint::open(&first, signer().verifier_key()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (300, root_of(&leaves(300))));
    grow(&log, 301, 1).unwrap();
    assert!(matches!(log.tlog_proof(300), Err(LogError::NotPublished { seq: 300 })));
    let proof = log.tlog_proof(299).unwrap();
    proof.verify(&entry(299), signer().verifier_key(), None).unwrap();
    assert!(proof.verify(&entry(298), signer().verifier_key(), None).is_err());
    drop(log);
    let (log, _) = open(&disk).unwrap();
    assert_eq!(log.latest_checkpoint(), Some(first.clone()));
    assert_ne!(log.publish().unwrap(), first);
}

#[test]
fn the_publisher_follows_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_on(Arc::new(RealVfs), dir.path()).unwrap();
    log.start_publisher(Duration::from_millis(5)).unwrap();
    grow(&log, 10, 3).unwrap();
    while log.latest_checkpoint().is_none_or(|note| !note.starts_with("example.com/log\n10\n")) {
        std::thread::yield_now();
    }
    let on_disk = std::fs::read_to_string(dir.path().join(CHECKPOINT)).unwrap();
    assert_eq!(log.latest_checkpoint(), Some(on_disk));
}

#[test]
fn cosignatures_gather_until_the_policy_is_met() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    let witness = |name: &str, seed: u8| CosignerKey::new(name, &[seed; 32]).unwrap();
    let (one, two, stranger) = (witness("w1.example", 1), witness("w2.example", 2), witness("w3.example", 9));
    let policy = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\ngroup both all w1 w2\nquorum both\n",
        signer().verifier_key(),
        one.verifier_key(),
        two.verifier_key()
    );
    let policy = Policy::parse(&policy).unwrap();
    grow(&log, 5, 5).unwrap();
    let note = log.publish().unwrap();
    let text = &note[..note.find("\n\n").unwrap() + 1];
    assert!(!log.add_cosignatures(&note, &[one.sign(text, 100)], &policy).unwrap());
    assert_eq!(log.witnessed_checkpoint(), None);
    let refused = log.add_cosignatures(&note, &[stranger.sign(text, 100)], &policy);
    assert!(matches!(refused, Err(LogError::Cosignature { name }) if name == "w3.example"));
    assert!(log.add_cosignatures(&note, &[two.sign(text, 101)], &policy).unwrap());
    let witnessed = log.witnessed_checkpoint().unwrap();
    assert_eq!(witnessed.lines().filter(|line| line.starts_with('—')).count(), 3);
    log.tlog_proof(4).unwrap().verify(&entry(4), signer().verifier_key(), Some(&policy)).unwrap();
    drop(log);
    assert_eq!(open(&disk).unwrap().0.witnessed_checkpoint(), Some(witnessed));
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_on(Arc::new(RealVfs), dir.path()).unwrap();
    let second = open_on(Arc::new(RealVfs), dir.path());
    assert!(matches!(second.err(), Some(LogError::Locked { path }) if path.ends_with(".state/LOCK")));
    drop(first);
    open_on(Arc::new(RealVfs), dir.path()).unwrap();
}

#[test]
fn an_older_copy_is_refused_as_rolled_back() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 400, 40).unwrap();
    drop(log);
    let older = disk.snapshot();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 500, 40).unwrap();
    log.publish().unwrap();
    drop(log);
    // The older copy, with only what was signed since put back: once the signer's own file, once the public one.
    for name in [SIGNER, CHECKPOINT] {
        let restored = older.snapshot();
        let path = Path::new(DIR).join(name);
        let newer = crate::vfs::read_file(&disk, &path, 4096).unwrap().unwrap();
        crate::vfs::write_atomic(&restored, &path, &newer).unwrap();
        let error = open(&restored).err().unwrap();
        assert!(matches!(error, LogError::RolledBack { signed: 500, .. }), "{error}");
        assert!(error.to_string().contains("rolled back"));
    }
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 20, 5).unwrap();
    log.publish().unwrap();
    drop(log);
    let signed = crate::vfs::read_file(&disk, &Path::new(DIR).join(SIGNER), 4096).unwrap().unwrap();
    let forged = SimDisk::new();
    let (log, _) = open(&forged).unwrap();
    log.append_and_wait((0..20).map(|seq| entry(seq + 1)).collect()).unwrap();
    drop(log);
    crate::vfs::write_atomic(&forged, &Path::new(DIR).join(SIGNER), &signed).unwrap();
    let opened = Log::open(Arc::new(forged), options(Path::new(DIR)), &mut |_, _| {});
    assert!(matches!(opened.err(), Some(LogError::RolledBack { found, .. }) if found.contains("another root")));
}

#[test]
fn damage_in_the_middle_is_refused_and_named() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    for size in [500, 1000, 1500] {
        grow(&log, size, 20).unwrap();
        log.flush().unwrap();
    }
    grow(&log, 1600, 20).unwrap();
    drop(log);
    let names = [("tile/entries/001", 700), ("tile/0/000", 31), ("tile/0/002", 8000)];
    for (name, offset) in names {
        let copy = disk.snapshot();
        copy.corrupt(&Path::new(DIR).join(name), offset, 4);
        let error = open_any(&copy).err().unwrap();
        assert!(matches!(&error, LogError::Corrupt { .. }), "{name}: {error}");
        let last = name.rsplit('/').next().unwrap();
        assert!(error.to_string().contains(last), "{error} should name {name}");
    }
    let copy = disk.snapshot();
    copy.remove(&Path::new(DIR).join("tile/entries/000")).unwrap();
    assert!(open_any(&copy).err().unwrap().to_string().contains("missing"));
    let copy = disk.snapshot();
    let wal = Path::new(DIR).join(WAL_DIR);
    let segment = copy.list(&wal).unwrap().remove(0).name;
    copy.corrupt(&wal.join(&segment), 5000, 4);
    let error = open_any(&copy).err().unwrap();
    assert!(matches!(&error, LogError::Wal(WalError::Corrupt { .. })) && error.to_string().contains(&segment));
}

/// Opens without looking at the entries, which may be damaged.
fn open_any(disk: &SimDisk) -> Result<(Arc<Log>, Recovery), LogError> {
    Log::open(Arc::new(disk.clone()), options(Path::new(DIR)), &mut |_, _| {})
}

#[test]
fn after_a_failed_sync_the_handler_is_called_and_nobody_is_answered() {
    let disk = SimDisk::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let mut options = options(Path::new(DIR));
    let counted = Arc::clone(&calls);
    options.on_fatal = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let (log, _) = Log::open(Arc::new(disk.clone()), options, &mut |_, _| {}).unwrap();
    grow(&log, 3, 1).unwrap();
    disk.fail_next_sync();
    let (answer, answers) = mpsc::channel::<Result<u64, AppendError>>();
    log.append(vec![entry(3)], move |result| answer.send(result).unwrap());
    assert!(answers.recv().is_err(), "the callback must be dropped, not called");
    while calls.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(log.append_and_wait(vec![entry(3)]), Err(AppendError::Closed));
    assert_eq!(log.size(), 3);
    drop(log);
    let (log, _) = open(&disk.crash(5)).unwrap();
    assert_eq!(log.size(), 3);
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 10, 1).unwrap();
    disk.set_capacity(Some(disk.used()));
    let refused = grow(&log, 2000, 20);
    assert_eq!(refused, Err(AppendError::Full));
    let size = log.size();
    assert!(size >= 10);
    assert!(log.publish().is_err());
    assert_eq!(log.entry(size - 1).unwrap(), entry(size - 1));
    disk.set_capacity(None);
    grow(&log, size + 300, 20).unwrap();
    log.publish().unwrap();
    log.flush().unwrap();
    drop(log);
    assert_eq!(open(&disk).unwrap().1.size, size + 300);
}

#[test]
fn tiles_of_a_real_directory_are_read_only_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_on(Arc::new(RealVfs), dir.path()).unwrap();
    grow(&log, 600, 100).unwrap();
    log.flush().unwrap();
    for name in ["tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"] {
        let path = dir.path().join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(log.tile(&name.parse().unwrap()).unwrap().unwrap(), std::fs::read(&path).unwrap());
    }
    assert!(!dir.path().join("tile/0/002").exists());
}

#[test]
fn given_a_whole_older_copy_when_opened_then_the_memory_refuses_it_until_its_history_is_given_up() {
    let disk = SimDisk::new();
    let memory = Path::new("/state/example.checkpoint");
    let open = |dir: &str, accept_rollback: bool| {
        let options = LogOptions { memory: Some(memory.into()), accept_rollback, ..options(Path::new(dir)) };
        Log::open(Arc::new(disk.clone()), options, &mut |_, _| {}).map(|(log, _)| log)
    };
    let log = open("/older", false).unwrap();
    grow(&log, 10, 5).unwrap();
    log.publish().unwrap();
    drop(log);
    // The same log elsewhere, which went further.
    let log = open("/newer", false);
    assert!(matches!(log, Err(LogError::RolledBack { signed: 10, .. })), "an empty one is older, too");
    let log = open("/newer", true).unwrap();
    grow(&log, 30, 5).unwrap();
    log.give_up_other_history();
    let newest = log.publish().unwrap();
    drop(log);

    match open("/older", false) {
        Err(LogError::RolledBack { signed_in, signed: 30, .. }) => assert_eq!(signed_in, memory),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an older copy was opened"),
    }
    let log = open("/older", true).unwrap();
    assert_eq!(log.other_history(), Some(newest));
    grow(&log, 12, 1).unwrap();
    log.publish().unwrap();
    assert!(log.other_history().is_some(), "kept until it is given up");
    log.give_up_other_history();
    log.publish().unwrap();
    drop(log);
    let log = open("/older", false).unwrap();
    assert_eq!((log.size(), log.other_history()), (12, None));
}

#[test]
fn given_another_history_that_somebody_remembers_when_told_then_nothing_is_appended_or_signed_until_it_goes_on() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk).unwrap();
    grow(&log, 10, 5).unwrap();
    let note = log.publish().unwrap();
    let told = OtherHistory { by: "https://w.example".into(), why: "it has more".into() };
    log.halt(OtherHistory { why: "it has\nmore".into(), ..told.clone() }).unwrap();
    match log.append_and_wait(vec![entry(10)]) {
        Err(AppendError::OtherHistory(why)) => {
            assert!(why.contains("rolled back") && why.contains("w.example"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(log.publish(), Err(LogError::OtherHistory { .. })));
    assert!(matches!(log.state("kind/v1", &[]), Err(LogError::OtherHistory { .. })));
    assert_eq!((log.size(), log.latest_checkpoint()), (10, Some(note)), "it can be read");
    drop(log);
    assert!(matches!(open(&disk), Err(LogError::OtherHistory { .. })), "whoever opens it later is told, too");
    let asking = |disk: &SimDisk| {
        let options = LogOptions { asks: true, ..options(Path::new(DIR)) };
        Log::open(Arc::new(disk.clone()), options, &mut |_, _| {}).unwrap().0
    };
    let log = asking(&disk);
    assert_eq!(log.halted(), Some(told.clone()));
    assert!(log.append_and_wait(vec![entry(10)]).is_err());
    // Another one that tells so is kept beside; one that tells again is not kept twice.
    let other = OtherHistory { by: "https://v.example".into(), why: "it has others".into() };
    log.halt(told.clone()).unwrap();
    log.halt(other.clone()).unwrap();
    drop(log);
    let log = asking(&disk);
    assert_eq!(log.other_histories(), [told, other]);
    log.go_on();
    grow(&log, 20, 5).unwrap();
    drop(log);
    assert!(open(&disk).is_err(), "it is not on record yet");
    let log = asking(&disk);
    log.go_on();
    log.forget_stop().unwrap();
    drop(log);
    let (log, _) = open(&disk).unwrap();
    assert_eq!((log.size(), log.halted()), (20, None));
    // A file that says nothing stops it all the same; and where none can be written, this process stops.
    drop(log);
    crate::vfs::write_atomic(&disk, &Path::new(DIR).join(HALT), b"").unwrap();
    assert!(open(&disk).is_err());
    let log = asking(&disk);
    log.go_on();
    log.forget_stop().unwrap();
    assert!(log.forget_stop().is_err(), "there is nothing to remove");
}
