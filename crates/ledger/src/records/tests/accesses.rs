//! Records of accesses: a log of their own beside that of inferences, without payloads.

use domain::people::AccessCore;

use super::*;

fn options() -> RecordOptions {
    RecordOptions { dir: format!("{DIR}/access-log").into(), tables: DIR.into(), ..super::options(100) }
}

fn open(disk: &SimDisk, resume: Resume) -> (Arc<RecordLog<AccessCore>>, Recovered) {
    RecordLog::open(Arc::new(disk.clone()), options(), resume, NOW).unwrap()
}

fn access(number: u64) -> AccessCore {
    AccessCore {
        access_id: format!("id-{number:04}"),
        ts_start: NOW + number as i64,
        ts_end: NOW + number as i64,
        door: "api".into(),
        action: "read".into(),
        object_kind: "ledger".into(),
        decision: "allow".into(),
        occurrences: 1,
        ..AccessCore::default()
    }
}

fn append(log: &RecordLog<AccessCore>, number: u64) -> Receipt {
    block_on(log.append(access(number), Payload::default())).unwrap()
}

#[test]
fn accesses_and_inferences_are_kept_beside_each_other() {
    let disk = SimDisk::new();
    let mut ledger = Ledger::default();
    let (inferences, _) = ledger.start(&disk, 100).unwrap();
    let (accesses, _) = open(&disk, Resume::default());
    accesses.start_incarnation(1).unwrap();
    super::append(&inferences, 0).unwrap();
    (0..3).for_each(|number| assert_eq!(append(&accesses, number).node_seq, number));
    assert_eq!(accesses.tail().iter().map(|core| core.node_seq).collect::<Vec<_>>(), [0, 1, 2]);

    let sealed = accesses.seal(true, NOW).unwrap().unwrap();
    accesses.confirm_sealed(0);
    assert_eq!((sealed.n, sealed.payload.as_ref()), (3, None));
    assert!(sealed.core.path.starts_with("accesses/segment_day=2027-01-15/n1-1-0-"), "{}", sealed.core.path);
    let cores: Vec<AccessCore> = segment::read_core_bytes(file(&disk, &sealed.core)).unwrap();
    assert_eq!(merkle::hex(&root_of(&segment::leaves(&cores))), sealed.root);
    let commit = &commits(&disk, "accesses")[0];
    let metadata = commit.iter().find_map(|action| action.get("metaData")).unwrap();
    assert_eq!(metadata["configuration"], serde_json::json!({}));
    ledger.drain(&inferences).unwrap();
    assert_eq!(ledger.records(&disk).len(), 1);
}

#[test]
fn an_incarnation_that_ended_is_gone_on_with_for_one_command() {
    let disk = SimDisk::new();
    let never = open(&disk, Resume::default()).0;
    assert!(matches!(never.resume_incarnation(), Err(RecordError::CannotStart { .. })));
    never.start_incarnation(1).unwrap();
    append(&never, 0);
    let sealed = never.seal(true, NOW).unwrap().unwrap();
    never.confirm_sealed(0);
    append(&never, 1);
    drop(never);

    let prev_root = Some(hash_from_hex(&sealed.root).unwrap());
    let (log, found) = open(&disk, Resume { incarnation: 1, next_segment: 1, sealed_records: 1, prev_root });
    assert_eq!(found.unsealed, 1);
    log.resume_incarnation().unwrap();
    assert_eq!((append(&log, 2).segment, append(&log, 3).node_seq), (2, 3));
    let mut seals = Vec::new();
    while let Some(sealed) = log.seal(true, NOW).unwrap() {
        log.confirm_sealed(sealed.number);
        seals.push((sealed.number, sealed.first, sealed.n));
    }
    assert_eq!(seals, [(1, 1, 1), (2, 2, 2)], "what was found stays in its segment");
}
