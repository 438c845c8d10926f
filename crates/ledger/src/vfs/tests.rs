//! The two disks agree where they must, and the simulated one loses what it may.

use std::path::Path;

use super::sim::SimDisk;
use super::*;

const FILE: &str = "/d/file";

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

fn content(vfs: &dyn Vfs, path: &Path) -> Option<Vec<u8>> {
    read_file(vfs, path, 1 << 20).unwrap()
}

#[track_caller]
fn check_behaviour(vfs: &dyn Vfs, dir: &Path) {
    let sub = dir.join("a/b");
    vfs.create_dir_all(&sub).unwrap();
    let path = sub.join("x");
    assert!(!vfs.exists(&path).unwrap());
    write_atomic(vfs, &path, b"one").unwrap();
    write_atomic(vfs, &path, b"second").unwrap();
    assert_eq!(content(vfs, &path).unwrap(), b"second");
    assert!(read_file(vfs, &path, 3).is_err());

    let zeros = vfs.preallocate(&sub.join("z"), 3 << 20, &|| {}).unwrap();
    assert_eq!(zeros.size().unwrap(), 3 << 20);
    zeros.write_at(b"!", (3 << 20) - 1).unwrap();
    let mut last = [9; 2];
    read_exact_at(&*zeros, &mut last, (3 << 20) - 2).unwrap();
    assert_eq!(&last, b"\0!");
    assert!(read_exact_at(&*zeros, &mut last, (3 << 20) - 1).is_err());

    vfs.rename(&sub.join("z"), &sub.join("y")).unwrap();
    vfs.set_read_only(&path).unwrap();
    let names: Vec<String> = vfs.list(&sub).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(vfs.list(&dir.join("a")).unwrap(), [Entry { name: "b".into(), is_dir: true }]);
    vfs.remove(&sub.join("y")).unwrap();
    assert!(content(vfs, &sub.join("y")).is_none());

    let lock = vfs.lock(&dir.join("LOCK")).unwrap();
    assert_eq!(vfs.lock(&dir.join("LOCK")).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    vfs.lock(&dir.join("LOCK")).unwrap();
}

#[test]
fn both_disks_behave_the_same() {
    check_behaviour(&disk(), Path::new("/d"));
    check_behaviour(&RealVfs, tempfile::tempdir().unwrap().path());
}

#[test]
fn what_was_synced_survives_every_crash() {
    let disk = disk();
    let file = disk.create(Path::new(FILE)).unwrap();
    file.write_at(&[1; 2048], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    for seed in 0..64 {
        assert_eq!(content(&disk.crash(seed), Path::new(FILE)).unwrap(), [1; 2048]);
    }
}

#[test]
fn what_was_not_synced_may_be_lost_or_torn() {
    let disk = disk();
    let file = disk.preallocate(Path::new(FILE), 2048, &|| {}).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_at(&[7; 2048], 0).unwrap();
    disk.create(Path::new("/d/unsynced")).unwrap();
    let (mut kept, mut lost, mut torn, mut named) = (0, 0, 0, 0);
    for seed in 0..64 {
        let next = disk.crash(seed);
        let bytes = content(&next, Path::new(FILE)).unwrap();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        match bytes.iter().filter(|byte| **byte == 7).count() {
            0 => lost += 1,
            2048 => kept += 1,
            _ => torn += 1,
        }
        named += u32::from(next.exists(Path::new("/d/unsynced")).unwrap());
    }
    assert!(kept > 0 && lost > 0 && torn > 0 && named > 0 && named < 64);
}

#[test]
fn after_a_failed_sync_a_second_one_lies() {
    let disk = disk();
    let file = disk.preallocate(Path::new(FILE), 512, &|| {}).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_at(&[7; 512], 0).unwrap();
    disk.fail_next_sync();
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok());
    assert_eq!(content(&disk.crash(1), Path::new(FILE)).unwrap(), [0; 512]);
}

#[test]
fn a_full_disk_refuses_growth_but_not_overwriting() {
    let disk = disk();
    let file = disk.preallocate(Path::new(FILE), 1024, &|| {}).unwrap();
    disk.set_capacity(Some(1024));
    file.write_at(&[1; 1024], 0).unwrap();
    assert_eq!(file.write_at(&[1], 1024).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(disk.preallocate(Path::new("/d/more"), 1, &|| {}).is_err());
    assert!(!disk.exists(Path::new("/d/more")).unwrap());
    disk.set_capacity(None);
    file.write_at(&[1], 1024).unwrap();
}

#[test]
fn a_planned_crash_stops_everything_after_it() {
    let disk = disk();
    let file = disk.preallocate(Path::new(FILE), 512, &|| {}).unwrap();
    let at = sim::CrashPoint { operation: disk.operations(), landed: true };
    disk.crash_at(at);
    assert!(file.write_at(&[5; 512], 0).is_err());
    assert!(disk.is_down());
    assert!(file.sync_data().is_err());
    let outcomes = (0..64).map(|seed| disk.crash(seed)).filter_map(|next| content(&next, Path::new(FILE)));
    assert!(outcomes.into_iter().any(|bytes| bytes == [5; 512]));
}
