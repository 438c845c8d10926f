//! The process stops at every operation of the disk, before and after it took effect, and again while it recovers.

use std::collections::BTreeSet;

use super::*;
use crate::vfs::sim::CrashPoint;

const ROLL: u64 = 4;

/// What the clients know when the machine stops.
#[derive(Clone, Default)]
struct Known {
    ledger: Ledger,
    /// (incarnation, node_seq, id) of what was acknowledged.
    acknowledged: BTreeSet<(u64, u64, String)>,
    /// What was ever handed in.
    begun: BTreeSet<String>,
    /// Beginnings that were taken.
    accepted: BTreeSet<String>,
}

impl Known {
    fn append(&mut self, log: &RecordLog, number: u64) -> Result<(), RecordError> {
        self.begun.insert(core(number).inference_id);
        let receipt = append(log, number)?;
        self.acknowledged.insert((self.ledger.incarnation, receipt.node_seq, core(number).inference_id));
        Ok(())
    }

    fn begin(&mut self, log: &RecordLog, number: u64) -> Result<(), RecordError> {
        self.begun.insert(core(number).inference_id);
        begin(log, number)?;
        self.accepted.insert(core(number).inference_id);
        Ok(())
    }

    fn seal(&mut self, log: &RecordLog, force: bool) -> Result<(), RecordError> {
        if let Some(sealed) = log.seal(force, NOW)? {
            let number = sealed.number;
            self.ledger.sealed.push(sealed);
            log.confirm_sealed(number);
            log.settle()?;
        }
        Ok(())
    }

    /// A day in the life of a node; stops at the first error.
    fn script(&mut self, disk: &SimDisk, offset: u64) -> Result<(), RecordError> {
        let (log, _) = self.ledger.start(disk, ROLL)?;
        self.begin(&log, offset + 50)?;
        self.begin(&log, offset + 51)?;
        for number in 0..6 {
            self.begin(&log, offset + number)?;
            self.append(&log, offset + number)?;
        }
        self.seal(&log, false)?;
        self.append(&log, offset + 6)?;
        self.begin(&log, offset + 52)?;
        self.seal(&log, true)?;
        self.append(&log, offset + 52)?;
        // 50 was begun long ago and is still in flight; what is left of the log is not sealed.
        Ok(())
    }

    /// Seals everything that is found and compares it with what is known; `killed` says that the machine went on.
    fn check(mut self, disk: &SimDisk, killed: bool) {
        let (log, _) = self.ledger.open(disk, ROLL).unwrap();
        self.ledger.drain(&log).unwrap();
        drop(log);
        let (log, again) = self.ledger.open(disk, ROLL).unwrap();
        assert_eq!((again.unsealed, again.interrupted), (0, 0), "recovery leaves nothing to recover");
        drop(log);
        let records = self.ledger.records(disk);
        let places: BTreeSet<(u64, u64, String)> = records
            .iter()
            .map(|core| (core.incarnation as u64, core.node_seq as u64, core.inference_id.clone()))
            .collect();
        assert!(self.acknowledged.is_subset(&places), "{:?}", self.acknowledged.difference(&places));
        let ids: BTreeSet<String> = records.iter().map(|core| core.inference_id.clone()).collect();
        assert_eq!(ids.len(), records.len(), "one record for each inference");
        assert!(ids.is_subset(&self.begun));
        assert!(!killed || self.accepted.is_subset(&ids), "{:?}", self.accepted.difference(&ids));
        let acknowledged: BTreeSet<&str> = self.acknowledged.iter().map(|(.., id)| id.as_str()).collect();
        for core in records.iter().filter(|core| core.status == "interrupted") {
            assert!(!acknowledged.contains(core.inference_id.as_str()));
            assert_eq!((core.error_code.as_deref(), core.ts_end), (Some("interrupted"), NOW + 5_000_000));
        }
    }
}

#[test]
fn a_quiet_end_leaves_one_interrupted_call() {
    let disk = SimDisk::new();
    let mut known = Known::default();
    known.script(&disk, 0).unwrap();
    let (log, recovered) = known.ledger.open(&disk, ROLL).unwrap();
    assert_eq!((recovered.unsealed, recovered.interrupted), (3, 2));
    let tail = log.tail();
    assert!(tail[1..].iter().all(|core| core.status == "interrupted"));
    assert!(tail[1..].iter().map(|core| core.inference_id.as_str()).is_sorted());
    drop(log);
    known.check(&disk, true);
}

#[test]
fn a_stop_anywhere_loses_nothing_acknowledged() {
    let disk = SimDisk::new();
    Known::default().script(&disk, 0).unwrap();
    let operations = disk.operations();
    assert!(operations > 60);
    for operation in 0..operations {
        for landed in [false, true] {
            let disk = SimDisk::new();
            disk.crash_at(CrashPoint { operation, landed });
            let mut known = Known::default();
            // Whether it got to its end does not matter: the check does.
            let _ = known.script(&disk, 0);
            known.clone().check(&disk.crash(operation * 2 + u64::from(landed)), false);
            known.check(&disk.snapshot(), true);
        }
    }
}

#[test]
fn a_stop_during_recovery_is_recovered_from() {
    let disk = SimDisk::new();
    let mut before = Known::default();
    before.script(&disk, 0).unwrap();
    let found = disk.crash(1);
    before.accepted.clear();
    let counted = found.crash(1);
    before.clone().script(&counted, 100).unwrap();
    for operation in 0..counted.operations() {
        let disk = found.crash(1);
        disk.crash_at(CrashPoint { operation, landed: operation % 2 == 0 });
        let mut known = before.clone();
        let _ = known.script(&disk, 100);
        known.clone().check(&disk.crash(operation), false);
        known.check(&disk.snapshot(), true);
    }
}

#[test]
fn a_seal_that_was_not_confirmed_is_repeated_with_the_same_root() {
    let disk = SimDisk::new();
    let mut known = Known::default();
    let (log, _) = known.ledger.start(&disk, ROLL).unwrap();
    begin(&log, 9).unwrap();
    (0..3).for_each(|number| known.append(&log, number).unwrap());
    let before = log.seal(true, NOW).unwrap().unwrap();
    drop(log);
    let disk = disk.snapshot();
    let (log, recovered) = known.ledger.open(&disk, ROLL).unwrap();
    assert_eq!((recovered.unsealed, recovered.interrupted), (4, 1));
    assert_eq!(log.seal(false, NOW).unwrap(), Some(before), "files and entries are taken as they are");
    drop(log);
    known.begun.insert(core(9).inference_id);
    known.check(&disk, true);
}

#[test]
fn a_call_in_flight_outlives_the_files_it_began_in() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 1000).unwrap();
    begin(&log, 5000).unwrap();
    begin(&log, 5001).unwrap();
    for round in 0..20 {
        for number in 0..20 {
            append(&log, round * 20 + number).unwrap();
        }
        ledger.drain(&log).unwrap();
        log.settle().unwrap();
    }
    assert!(log.stats().wal_segments < 6, "the room is given back all the same");
    append(&log, 5001).unwrap();
    drop(log);
    let (log, recovered) = ledger.open(&disk, 1000).unwrap();
    assert_eq!((recovered.unsealed, recovered.interrupted), (2, 1));
    assert!(log.tail().iter().map(|core| core.inference_id.as_str()).eq(["id-5001", "id-5000"]));
}

#[test]
fn a_failed_sync_stops_the_log_and_answers_nobody() {
    let disk = SimDisk::new();
    let (log, _) = Ledger::default().start(&disk, ROLL).unwrap();
    append(&log, 0).unwrap();
    disk.fail_next_sync();
    assert!(matches!(append(&log, 1), Err(RecordError::Stopped)));
    assert!(matches!(append(&log, 2), Err(RecordError::Stopped)));
    assert!(matches!(begin(&log, 3), Err(RecordError::Stopped)));
    assert!(matches!(log.seal(true, NOW), Err(RecordError::Stopped)));
}
