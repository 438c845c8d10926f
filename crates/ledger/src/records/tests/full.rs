//! A full disk refuses and recovers; a log that is not sealed refuses too.

use super::*;

#[test]
fn a_full_disk_refuses_and_takes_records_again_when_there_is_room() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 1000).unwrap();
    begin(&log, 900).unwrap();
    disk.set_capacity(Some(disk.used()));
    let mut acknowledged = Vec::new();
    let full = loop {
        let number = acknowledged.len() as u64;
        match append(&log, number) {
            Ok(receipt) => acknowledged.push(receipt.node_seq),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, RecordError::Full { .. }) && full.is_retryable());
    assert!(log.stats().full && !acknowledged.is_empty());
    assert!(matches!(begin(&log, 901), Err(RecordError::Full { .. })));
    assert!(matches!(log.seal(true, NOW), Err(RecordError::Full { .. })));
    assert!(matches!(append(&log, 800), Err(RecordError::Full { .. })));
    assert_eq!(log.tail().len(), acknowledged.len(), "refused records leave no trace");

    disk.set_capacity(None);
    // The first one may only find out that there is room.
    let room = (0..10).any(|_| {
        log.settle().unwrap();
        !log.is_full()
    });
    assert!(room, "whoever asks again learns it");
    begin(&log, 902).unwrap();
    assert_eq!(append(&log, 901).unwrap().node_seq, acknowledged.len() as u64);
    append(&log, 902).unwrap();
    append(&log, 900).unwrap();
    assert_eq!((log.stats().in_flight, log.stats().full), (0, false));
    ledger.drain(&log).unwrap();
    assert_eq!(ledger.records(&disk).len(), acknowledged.len() + 3);
}

#[test]
fn a_beginning_without_room_is_refused_and_leaves_no_trace() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 1000).unwrap();
    disk.set_capacity(Some(disk.used() + 4000));
    let accepted = (0..200).filter(|number| begin(&log, *number).is_ok()).count() as u64;
    assert!((1..20).contains(&accepted));
    assert!(matches!(begin(&log, 300), Err(RecordError::Full { .. })));
    append(&log, 500).unwrap();
    assert!(log.is_full() && log.stats().full, "there is no room for a beginning, though the log has some");
    disk.set_capacity(None);
    assert!(!log.is_full() && !log.stats().full, "whoever asks learns of the room");
    begin(&log, 400).unwrap();
    drop(log);
    let (log, recovered) = ledger.open(&disk, 1000).unwrap();
    assert_eq!(recovered.interrupted, accepted + 1, "every accepted beginning is on record");
    ledger.drain(&log).unwrap();
    assert_eq!(ledger.records(&disk).len() as u64, accepted + 2);
}

#[test]
fn a_seal_without_room_changes_nothing_and_is_tried_again() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 1000).unwrap();
    for number in 0..20 {
        append(&log, number).unwrap();
    }
    let (used, leaves) = (disk.used(), segment::leaves(&log.tail()));
    for room in (0..12_000).step_by(500) {
        disk.set_capacity(Some(used + room));
        if let Ok(sealed) = log.seal(true, NOW) {
            assert!(room > 0 && sealed.is_some());
            break;
        }
        assert_eq!(segment::leaves(&log.tail()), leaves);
    }
    disk.set_capacity(None);
    ledger.drain(&log).unwrap();
    assert_eq!(segment::leaves(&ledger.records(&disk)), leaves);
}

#[test]
fn records_that_are_not_sealed_do_not_pile_up() {
    let disk = SimDisk::new();
    let mut ledger = Ledger { incarnation: 1, sealed: Vec::new() };
    let options = RecordOptions { max_unsealed: 3, ..options(1000) };
    let (log, _) = RecordLog::<InferenceCore>::open(Arc::new(disk.clone()), options, Resume::default(), NOW).unwrap();
    log.start_incarnation(1).unwrap();
    for number in 0..3 {
        append(&log, number).unwrap();
    }
    let refused = append(&log, 3).unwrap_err();
    assert!(matches!(refused, RecordError::Behind { unsealed: 3 }) && refused.is_retryable());
    assert!(matches!(begin(&log, 3), Err(RecordError::Behind { .. })));
    ledger.drain(&log).unwrap();
    assert_eq!(append(&log, 3).unwrap().segment, 1);
}
