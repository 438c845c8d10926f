//! The log against a disk that fails: at every operation, before and after it took effect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::vfs::sim::{CrashPoint, SimDisk};

const DIR: &str = "/log/wal";
const ID: [u8; 16] = [7; 16];

fn options(segment_bytes: u64) -> WalOptions {
    WalOptions { log_id: ID, segment_bytes, prepare: Prepare::Inline }
}

type Found = Vec<(u64, Vec<u8>)>;

/// Opens and returns every frame with its sequence number.
fn open(disk: &SimDisk, segment_bytes: u64) -> Result<(Wal, Recovered, Found), WalError> {
    let mut found = Vec::new();
    let (wal, recovered) = Wal::open(Arc::new(disk.clone()), Path::new(DIR), options(segment_bytes), &mut |batch| {
        let numbered = (batch.first_seq..).zip(batch.frames());
        found.extend(numbered.map(|(seq, (_, bytes))| (seq, bytes.to_vec())));
        Ok(())
    })?;
    Ok((wal, recovered, found))
}

fn payload(seq: u64) -> Vec<u8> {
    let len = (seq * 977 % 1500) as usize;
    (0..len).map(|at| (seq as usize * 31 + at) as u8).collect()
}

/// Appends frames `first..first + n` as one batch.
fn append(wal: &mut Wal, first: u64, n: u64) -> Result<Appended, WalError> {
    let payloads: Vec<Vec<u8>> = (first..first + n).map(payload).collect();
    let frames: Vec<(u8, &[u8])> = payloads.iter().map(|bytes| (KIND_ENTRY, bytes.as_slice())).collect();
    wal.append(1000 + first, first, &frames)
}

fn expected(range: std::ops::Range<u64>) -> Found {
    range.map(|seq| (seq, payload(seq))).collect()
}

fn segment(number: u64) -> PathBuf {
    scan::segment_path(Path::new(DIR), number)
}

#[test]
fn what_is_appended_is_replayed_across_segments() {
    let disk = SimDisk::new();
    let (mut wal, recovered, _) = open(&disk, 16 << 10).unwrap();
    assert_eq!(recovered, Recovered::default());
    for first in (0..100).step_by(5) {
        append(&mut wal, first, 5).unwrap();
    }
    assert!(wal.segment_count() > 3);
    drop(wal);
    let (wal, recovered, found) = open(&disk, 16 << 10).unwrap();
    assert_eq!(found, expected(0..100));
    assert_eq!((recovered.batches, recovered.frames, recovered.first_seq), (20, 100, Some(0)));
    assert_eq!((recovered.torn, wal.next_batch()), (None, 20));
}

#[test]
fn kinds_times_and_empty_frames_come_back() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    wal.append(42, 9, &[(KIND_META, b""), (KIND_RECORD, b"x")]).unwrap();
    wal.append(43, 11, &[]).unwrap();
    drop(wal);
    let mut seen = Vec::new();
    let replay: Replay<'_> = &mut |batch| {
        let frames: Vec<(u8, Vec<u8>)> = batch.frames().map(|(kind, bytes)| (kind, bytes.to_vec())).collect();
        seen.push((batch.number, batch.first_seq, batch.ts_ms, frames));
        Ok(())
    };
    scan::scan(&disk, Path::new(DIR), None, replay).unwrap();
    assert_eq!(seen, [(0, 9, 42, vec![(KIND_META, vec![]), (KIND_RECORD, b"x".to_vec())]), (1, 11, 43, vec![])]);
}

#[test]
fn released_segments_are_used_again_and_do_not_come_back() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    let mut most = 0;
    for first in 0..400 {
        let appended = append(&mut wal, first, 1).unwrap();
        wal.release(appended.batch).unwrap();
        most = most.max(wal.segment_count());
    }
    assert!(most <= 3, "{most} segments for a log that is released at once");
    drop(wal);
    let (_, recovered, found) = open(&disk, 16 << 10).unwrap();
    let first = recovered.first_seq.unwrap();
    assert!(first > 300);
    assert_eq!(found, expected(first..400));
}

#[test]
fn a_torn_tail_is_cut_off_and_told() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 64 << 10).unwrap();
    append(&mut wal, 0, 5).unwrap();
    let last = append(&mut wal, 5, 5).unwrap();
    let at = wal.current.offset - align(last.bytes);
    drop(wal);
    disk.corrupt(&segment(0), at + last.bytes - 1, 0x10);

    let (mut wal, recovered, found) = open(&disk, 64 << 10).unwrap();
    assert_eq!(found, expected(0..5));
    assert_eq!(recovered.torn, Some(Torn { path: segment(0), offset: at, bytes: last.bytes }));
    append(&mut wal, 5, 2).unwrap();
    drop(wal);
    let (_, recovered, found) = open(&disk, 64 << 10).unwrap();
    assert_eq!((recovered.torn, found), (None, expected(0..7)));
}

#[test]
fn any_damage_before_the_last_batch_is_refused_and_named() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    for first in (0..60).step_by(3) {
        append(&mut wal, first, 3).unwrap();
    }
    let last_segment = wal.current.header.number;
    drop(wal);
    assert!(last_segment >= 2);
    for (number, offset) in [(0, 0), (0, 20), (0, 66), (0, 4096), (0, 4100), (1, 50), (1, 5000), (last_segment, 40)] {
        let copy = disk.snapshot();
        copy.corrupt(&segment(number), offset, 1);
        match open(&copy, 16 << 10).err() {
            Some(WalError::Corrupt { path, .. }) => assert_eq!(path, segment(number)),
            other => panic!("segment {number} offset {offset}: {other:?}"),
        }
    }
    let copy = disk.snapshot();
    copy.remove(&segment(1)).unwrap();
    let error = open(&copy, 16 << 10).err().unwrap();
    assert!(error.to_string().contains("0000000001") && error.to_string().contains("missing"), "{error}");
}

#[test]
fn another_logs_files_are_refused() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    append(&mut wal, 0, 1).unwrap();
    drop(wal);
    let other = WalOptions { log_id: [8; 16], ..options(16 << 10) };
    let opened = Wal::open(Arc::new(disk), Path::new(DIR), other, &mut |_| Ok(()));
    assert!(matches!(opened.err(), Some(WalError::OtherLog { .. })));
}

#[test]
fn a_full_disk_refuses_before_anything_is_written_and_recovers() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    disk.set_capacity(Some(40 << 10));
    let mut done = 0;
    let error = loop {
        match append(&mut wal, done, 1) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WalError::Full { .. }));
    assert!(matches!(append(&mut wal, done, 1), Err(WalError::Full { .. })));
    let (_, _, found) = open(&disk.crash(3), 16 << 10).unwrap();
    assert_eq!(found, expected(0..done));

    disk.set_capacity(None);
    append(&mut wal, done, 1).unwrap();
    drop(wal);
    assert_eq!(open(&disk, 16 << 10).unwrap().2, expected(0..done + 1));
}

#[test]
fn a_batch_that_can_never_fit_is_refused() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    let big = vec![0; 16 << 10];
    assert!(matches!(wal.append(0, 0, &[(1, &big)]), Err(WalError::TooLarge { max: 12288, .. })));
    wal.append(0, 0, &[(1, &big[..12288 - 49])]).unwrap();
}

#[test]
fn after_a_failed_sync_nothing_more_is_accepted() {
    let disk = SimDisk::new();
    let (mut wal, ..) = open(&disk, 16 << 10).unwrap();
    append(&mut wal, 0, 1).unwrap();
    disk.fail_next_sync();
    assert!(matches!(append(&mut wal, 1, 1), Err(WalError::Fatal { .. })));
    assert!(matches!(append(&mut wal, 1, 1), Err(WalError::Fatal { .. })));
    let (_, _, found) = open(&disk.crash(0), 16 << 10).unwrap();
    assert_eq!(found, expected(0..1));
}

#[test]
fn a_background_thread_prepares_the_next_segment() {
    let disk = SimDisk::new();
    let options = WalOptions { prepare: Prepare::Background, ..options(16 << 10) };
    let open = || {
        let mut found = 0;
        let counted = &mut |batch: &Batch<'_>| {
            found += u64::from(batch.count);
            Ok(())
        };
        let (wal, _) = Wal::open(Arc::new(disk.clone()), Path::new(DIR), options.clone(), counted).unwrap();
        (wal, found)
    };
    let (mut wal, _) = open();
    for first in 0..200 {
        let appended = append(&mut wal, first, 1).unwrap();
        wal.release(appended.batch.saturating_sub(40)).unwrap();
    }
    drop(wal);
    assert!(open().1 >= 40);
}

/// Appends, releases and reopens until the planned crash; returns how many frames were acknowledged.
fn scripted_run(disk: &SimDisk) -> Result<u64, u64> {
    let mut done = 0;
    for round in 0..3 {
        let (mut wal, _, found) = open(disk, 12 << 10).map_err(|_| done)?;
        assert_eq!(found.last().map_or(0, |(seq, _)| seq + 1), done);
        for step in 0..12 {
            let n = 1 + (round + step) % 4;
            let appended = append(&mut wal, done, n).map_err(|_| done)?;
            done += n;
            if step % 5 == 4 {
                wal.release(appended.batch.saturating_sub(3)).map_err(|_| done)?;
            }
        }
    }
    Ok(done)
}

#[test]
fn a_crash_at_any_operation_keeps_what_was_acknowledged_and_nothing_in_between() {
    let whole = SimDisk::new();
    scripted_run(&whole).unwrap();
    let operations = whole.operations();
    assert!(operations > 100);
    for (operation, landed) in (0..operations).flat_map(|operation| [(operation, false), (operation, true)]) {
        let disk = SimDisk::new();
        disk.crash_at(CrashPoint { operation, landed });
        let Err(acknowledged) = scripted_run(&disk) else { continue };
        for seed in 0..6 {
            let context = format!("operation {operation}, landed {landed}, seed {seed}");
            let next = disk.crash(seed);
            let (mut wal, recovered, found) = open(&next, 12 << 10).unwrap_or_else(|e| panic!("{context}: {e}"));
            let first = recovered.first_seq.unwrap_or(acknowledged);
            let end = first + found.len() as u64;
            assert_eq!(found, expected(first..end), "{context}: not a run of what was appended");
            assert!(end >= acknowledged, "{context}: {acknowledged} acknowledged, {end} recovered");
            assert!(end <= acknowledged + 4, "{context}: more recovered than was ever tried");
            append(&mut wal, end, 2).unwrap();
            drop(wal);
            let (_, _, found) = open(&next.crash(seed), 12 << 10).unwrap();
            assert_eq!(found.last().unwrap().0, end + 1, "{context}: an append after recovery was lost");
        }
    }
}

proptest! {
    #[test]
    fn decoding_never_panics_and_agrees_with_encoding(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        salt: [u8; 16],
        flip in any::<prop::sample::Index>(),
    ) {
        let borrowed: Vec<(u8, &[u8])> = frames.iter().map(|(kind, bytes)| (*kind, bytes.as_slice())).collect();
        let mut bytes = Vec::new();
        encode_batch(&mut bytes, &salt, (3, 4, 5), &borrowed).unwrap();
        prop_assert_eq!(bytes.len(), batch_bytes(&borrowed));
        let (batch, len) = Batch::decode(&bytes, &salt).unwrap();
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(batch.frames().collect::<Vec<_>>(), borrowed);
        let at = flip.index(bytes.len());
        bytes[at] ^= 1;
        prop_assert!(Batch::decode(&bytes, &salt).is_none());
        bytes[at] ^= 1;
        prop_assert!(Batch::decode(&bytes[..at], &salt).is_none());
        let mut other = salt;
        other[0] ^= 1;
        prop_assert!(Batch::decode(&bytes, &other).is_none());
    }

    #[test]
    fn arbitrary_bytes_are_refused_quietly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Batch::decode(&bytes, &[0; 16]).is_none());
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }
}
