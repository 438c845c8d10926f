//! Records against a disk that fails: what was acknowledged is sealed, once, in its place.

mod accesses;
mod crash;
mod full;

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use merkle::{consistency_proof_of, hash_from_hex, root_of, verify_consistency};
use serde_json::Value;

use super::*;
use crate::vfs::read_file;
use crate::vfs::sim::SimDisk;
use crate::wal::Prepare;

const DIR: &str = "/data/records";
/// 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000_000_000;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn options(roll: u64) -> RecordOptions {
    RecordOptions {
        roll: Roll { records: roll, ..Roll::default() },
        wal_segment_bytes: 32 << 10,
        prepare: Prepare::Inline,
        on_fatal: Arc::new(|_| {}),
        ..RecordOptions::new(DIR.into(), "test/log", "n1")
    }
}

fn core(number: u64) -> InferenceCore {
    InferenceCore {
        inference_id: format!("id-{number:04}"),
        ts_start: NOW + number as i64,
        ts_end: NOW + 1000 + number as i64,
        door: "openai.chat.completions".into(),
        classification: "internal".into(),
        status: "ok".into(),
        day: "2027-01-15".into(),
        r: vec![7; 24],
        ct_sha256: Sha256::digest(payload(number).ct).to_vec(),
        c_root: vec![9; 32],
        ..InferenceCore::default()
    }
}

fn payload(number: u64) -> Payload {
    Payload { ct: vec![number as u8; 200 + number as usize % 50], subject_ref: [number as u8; 16] }
}

fn append(log: &RecordLog, number: u64) -> Result<Receipt, RecordError> {
    block_on(log.append(core(number), payload(number)))
}

fn begin(log: &RecordLog, number: u64) -> Result<(), RecordError> {
    log.begin(&core(number), &payload(number))
}

/// What the ledger would hold: incarnations and seals. It survives whatever happens to the records' disk.
#[derive(Clone, Default)]
struct Ledger {
    incarnation: u64,
    sealed: Vec<SegmentSealed>,
}

impl Ledger {
    fn resume(&self) -> Resume {
        let last = self.sealed.iter().rfind(|sealed| sealed.incarnation == self.incarnation);
        Resume {
            incarnation: self.incarnation,
            next_segment: last.map_or(0, |sealed| sealed.number + 1),
            sealed_records: last.map_or(0, |sealed| sealed.first + sealed.n),
            prev_root: last.map(|sealed| hash_from_hex(&sealed.root).unwrap()),
        }
    }

    fn open(&self, disk: &SimDisk, roll: u64) -> Result<(Arc<RecordLog>, Recovered), RecordError> {
        RecordLog::open(Arc::new(disk.clone()), options(roll), self.resume(), NOW + 5_000_000)
    }

    /// Seals everything, as a start does.
    fn drain(&mut self, log: &RecordLog) -> Result<(), RecordError> {
        while let Some(sealed) = log.seal(true, NOW)? {
            let number = sealed.number;
            self.sealed.push(sealed);
            log.confirm_sealed(number);
        }
        Ok(())
    }

    fn start(&mut self, disk: &SimDisk, roll: u64) -> Result<(Arc<RecordLog>, Recovered), RecordError> {
        let (log, recovered) = self.open(disk, roll)?;
        self.drain(&log)?;
        self.incarnation += 1;
        log.start_incarnation(self.incarnation)?;
        Ok((log, recovered))
    }

    /// Every sealed record, checked against its seal, its file's hash, its payload and its neighbours.
    fn records(&self, disk: &SimDisk) -> Vec<InferenceCore> {
        let mut all = Vec::new();
        let mut ends: BTreeMap<u64, (u64, u64, Option<String>)> = BTreeMap::new();
        for sealed in &self.sealed {
            let cores: Vec<InferenceCore> = segment::read_core_bytes(file(disk, &sealed.core)).unwrap();
            assert_eq!(merkle::hex(&root_of(&segment::leaves(&cores))), sealed.root);
            let (number, first, prev) = ends.remove(&sealed.incarnation).unwrap_or_default();
            assert_eq!((sealed.number, sealed.first, &sealed.prev), (number, first, &prev));
            assert!(cores.iter().map(|core| core.node_seq as u64).eq(first..first + sealed.n));
            assert_eq!(sealed.hours.iter().map(|(_, n)| n).sum::<u64>(), sealed.n);
            ends.insert(sealed.incarnation, (number + 1, first + sealed.n, Some(sealed.root.clone())));
            let payloads =
                segment::read_payloads_bytes(file(disk, sealed.payload.as_ref().unwrap()), |_| true).unwrap();
            for (core, payload) in cores.iter().zip(&payloads) {
                assert_eq!(core.ct_sha256, Sha256::digest(&payload.ct).to_vec());
                assert_eq!((core.node_seq, &core.inference_id), (payload.node_seq, &payload.inference_id));
            }
            assert_eq!(payloads.len(), cores.len());
            all.extend(cores);
        }
        self.check_tables(disk);
        all
    }

    /// Each table's log adds each sealed file once, with the right length.
    fn check_tables(&self, disk: &SimDisk) {
        for (table, of) in [("inferences", true), ("payloads", false)] {
            let adds = commits(disk, table).into_iter().flatten().filter_map(|action| action.get("add").cloned());
            let found: Vec<(String, u64)> = adds
                .map(|add| (format!("{table}/{}", add["path"].as_str().unwrap()), add["size"].as_u64().unwrap()))
                .collect();
            let files =
                self.sealed.iter().map(|sealed| if of { &sealed.core } else { sealed.payload.as_ref().unwrap() });
            let expected: Vec<(String, u64)> = files.map(|file| (file.path.clone(), file.len)).collect();
            assert_eq!(found, expected);
        }
    }
}

fn file(disk: &SimDisk, file: &domain::serving::SegmentFile) -> Vec<u8> {
    let bytes = read_file(disk, &Path::new(DIR).join(&file.path), u64::MAX).unwrap().unwrap();
    assert_eq!((merkle::hex(&Sha256::digest(&bytes)), bytes.len() as u64), (file.sha256.clone(), file.len));
    bytes
}

/// The actions of each commit of a table.
fn commits(disk: &SimDisk, table: &str) -> Vec<Vec<Value>> {
    let dir = Path::new(DIR).join(table).join("_delta_log");
    let paths = (0..).map(|version: u64| dir.join(format!("{version:020}.json")));
    let bytes = paths.map_while(|path| read_file(disk, &path, u64::MAX).unwrap());
    bytes
        .map(|bytes| {
            bytes
                .split(|b| *b == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect()
        })
        .collect()
}

#[test]
fn records_are_numbered_kept_and_sealed() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, recovered) = ledger.start(&disk, 100).unwrap();
    assert_eq!(recovered, Recovered::default());
    assert_eq!(log.seal(true, NOW).unwrap(), None);
    let receipts: Vec<Receipt> = (0..5).map(|number| append(&log, number).unwrap()).collect();
    assert!(receipts.iter().map(|receipt| (receipt.node_seq, receipt.segment)).eq((0..5).map(|seq| (seq, 0))));
    let tail = log.tail();
    assert_eq!(segment::leaves(&tail), receipts.iter().map(|receipt| receipt.leaf).collect::<Vec<_>>());
    assert_eq!((tail[4].node.as_str(), tail[4].incarnation, tail[4].node_seq), ("n1", 1, 4));

    let sealed = log.seal(true, NOW).unwrap().unwrap();
    assert_eq!(log.seal(false, NOW).unwrap().as_ref(), Some(&sealed), "the same until confirmed");
    assert_eq!((sealed.n, sealed.t0, sealed.t1, sealed.prev.clone()), (5, NOW + 1000, NOW + 1004, None));
    assert_eq!(sealed.hours, [(NOW / 1000, 5)]);
    assert_eq!(log.tail().len(), 5);
    log.confirm_sealed(7);
    assert_eq!(log.tail().len(), 5, "another number changes nothing");
    log.confirm_sealed(0);
    assert_eq!((log.tail().len(), log.stats().unsealed, log.progress()), (0, 0, None));
    ledger.sealed.push(sealed);
    append(&log, 5).unwrap();
    ledger.drain(&log).unwrap();
    assert_eq!(ledger.records(&disk).len(), 6);
}

#[test]
fn the_tables_are_what_delta_readers_expect() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 100).unwrap();
    append(&log, 0).unwrap();
    ledger.drain(&log).unwrap();
    let commit = &commits(&disk, "inferences")[0];
    let action = |name: &str| commit.iter().find_map(|action| action.get(name)).unwrap().clone();
    assert_eq!(action("protocol"), serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2}));
    let metadata = action("metaData");
    assert_eq!(metadata["partitionColumns"], serde_json::json!(["segment_day"]));
    assert_eq!(metadata["configuration"], serde_json::json!({}));
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    assert_eq!(schema["fields"].as_array().unwrap().len(), segment::core_schema::<InferenceCore>().fields().len());
    assert_eq!((&schema["fields"][1]["name"], &schema["fields"][1]["type"]), (&"ts_start".into(), &"timestamp".into()));
    assert_eq!(action("txn")["appId"], "counterfoil/n1-1");
    let add = action("add");
    assert_eq!(add["tags"]["root"], ledger.sealed[0].root.as_str());
    assert_eq!(add["partitionValues"]["segment_day"], "2027-01-15");
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!((&stats["numRecords"], &stats["maxValues"]["ts_end"]), (&1.into(), &"2027-01-15T08:00:00.001Z".into()));
    let payloads = &commits(&disk, "payloads")[0];
    let configuration = payloads.iter().find_map(|action| action.pointer("/metaData/configuration")).unwrap();
    assert_eq!(configuration, &serde_json::json!({}), "payloads of the forgotten are removed");
}

#[test]
fn a_file_of_records_goes_from_its_table_once_and_sealing_goes_on() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 100).unwrap();
    append(&log, 0).unwrap();
    ledger.drain(&log).unwrap();
    let core = ledger.sealed[0].core.clone();
    assert_eq!(log.core_days(&Default::default()).unwrap(), ["2027-01-15".to_owned()].into());
    assert!(log.has_core(&core).unwrap());
    log.remove_core(&core, 7).unwrap();
    log.remove_core(&core, 7).unwrap();
    assert!(!log.has_core(&core).unwrap());
    assert!(log.core_days(&Default::default()).unwrap().is_empty());
    let told = commits(&disk, "inferences");
    assert_eq!(told.len(), 2, "once");
    let gone = told[1].iter().find_map(|action| action.get("remove")).unwrap();
    assert_eq!(core.path, format!("inferences/{}", gone["path"].as_str().unwrap()));
    let other = domain::serving::SegmentFile { path: "inferences/segment_day=x/../../LOCK".into(), ..core };
    assert!(log.remove_core(&other, 7).is_err(), "nothing else is removed");
    append(&log, 1).unwrap();
    ledger.drain(&log).unwrap();
    assert_eq!(log.core_days(&Default::default()).unwrap().len(), 1);
}

#[test]
fn a_full_segment_is_followed_by_the_next() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 4).unwrap();
    let segments: Vec<u64> = (0..10).map(|number| append(&log, number).unwrap().segment).collect();
    assert_eq!(segments, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    let mut numbers = Vec::new();
    while let Some(sealed) = log.seal(false, 0).unwrap() {
        numbers.push((sealed.number, sealed.n));
        log.confirm_sealed(sealed.number);
        ledger.sealed.push(sealed);
    }
    assert_eq!(numbers, [(0, 4), (1, 4)], "the last one is neither large nor old");
    let later = i64::MAX / 2;
    assert_eq!(log.seal(false, later).unwrap().unwrap().n, 2, "now it is old");
    log.confirm_sealed(2);
}

#[test]
fn many_writers_share_batches_and_nobody_is_lost() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 50).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..25 {
                    log.begin(&core(writer * 100 + number), &payload(number)).unwrap();
                    append(log, writer * 100 + number).unwrap();
                }
            });
        }
    });
    assert_eq!((log.stats().in_flight, log.stats().appended), (0, 200));
    ledger.drain(&log).unwrap();
    let mut ids: Vec<String> = ledger.records(&disk).into_iter().map(|core| core.inference_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[test]
fn progress_extends_to_the_sealed_root() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.start(&disk, 100).unwrap();
    let mut leaves = Vec::new();
    let mut seen = Vec::new();
    for number in 0..20 {
        leaves.push(append(&log, number).unwrap().leaf);
        seen.push(log.progress().unwrap());
    }
    let sealed = log.seal(true, NOW).unwrap().unwrap();
    let root = hash_from_hex(&sealed.root).unwrap();
    for progress in seen {
        let earlier = hash_from_hex(&progress.root).unwrap();
        let proof = consistency_proof_of(&leaves, progress.n).unwrap();
        verify_consistency(progress.n, &earlier, sealed.n, &root, &proof).unwrap();
    }
}

#[test]
fn an_incarnation_starts_only_when_all_before_it_is_sealed() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (log, _) = ledger.open(&disk, 100).unwrap();
    assert!(matches!(append(&log, 0), Err(RecordError::NotStarted)));
    assert!(matches!(begin(&log, 0), Err(RecordError::NotStarted)));
    assert!(matches!(ledger.open(&disk, 100), Err(RecordError::Locked { .. })));
    drop(log);

    let (log, _) = ledger.start(&disk, 100).unwrap();
    append(&log, 0).unwrap();
    assert!(matches!(log.start_incarnation(2), Err(RecordError::CannotStart { .. })));
    drop(log);
    let (log, recovered) = ledger.open(&disk, 100).unwrap();
    assert_eq!((recovered.unsealed, recovered.interrupted), (1, 0));
    assert!(matches!(log.start_incarnation(2), Err(RecordError::CannotStart { .. })));
    ledger.drain(&log).unwrap();
    assert!(matches!(log.start_incarnation(1), Err(RecordError::CannotStart { .. })));
    ledger.incarnation = 2;
    log.start_incarnation(2).unwrap();
    assert_eq!(append(&log, 1).unwrap().node_seq, 0);
    ledger.drain(&log).unwrap();
    drop(log);
    let records = ledger.records(&disk);
    assert!(records.iter().map(|core| (core.incarnation, core.node_seq)).eq([(1, 0), (2, 0)]));

    let behind = Resume { incarnation: 1, ..Resume::default() };
    let opened = RecordLog::<InferenceCore>::open(Arc::new(disk), options(100), behind, NOW);
    assert!(matches!(opened, Err(RecordError::Inconsistent { .. })), "an older ledger does not know these records");
}

#[test]
fn names_and_sizes_are_checked() {
    let disk = SimDisk::new();
    for node in ["", "../x", ".x", "a/b", "ä"] {
        let options = RecordOptions { node: node.into(), ..options(1) };
        let opened = RecordLog::<InferenceCore>::open(Arc::new(disk.clone()), options, Resume::default(), NOW);
        assert!(matches!(opened, Err(RecordError::BadNode { .. })), "`{node}`");
    }
    let (log, _) = Ledger::default().start(&disk, 100).unwrap();
    let huge = Payload { ct: vec![0; 32 << 10], subject_ref: [0; 16] };
    assert!(matches!(log.begin(&core(0), &huge), Err(RecordError::TooLarge { .. })));
    assert!(matches!(block_on(log.append(core(0), huge)), Err(RecordError::TooLarge { .. })));
    append(&log, 1).unwrap();
}
