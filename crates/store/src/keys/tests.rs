use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::*;
use crate::custodian::FileCustodian;
use vault::memory::MemoryCustodian;
use vault::{Custodian, SecretKey, Vault};

const DAY: &str = "2026-11-22";
const NOW_MS: u64 = 1_795_000_000_000;

vault::key_store_conformance!(|| {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteKeys::open(&dir.path().join("keys.db")).unwrap();
    (dir, store)
});

/// A vault over real files in `dir`.
fn open_vault(dir: &Path) -> (Arc<SqliteKeys>, Vault) {
    let root = dir.join("root.key");
    let custodian = match FileCustodian::create(&root) {
        Ok(custodian) => custodian,
        Err(_) => FileCustodian::open(&root).unwrap(),
    };
    let custodian: Arc<dyn Custodian> = Arc::new(custodian);
    let keys = Arc::new(SqliteKeys::open(&dir.join("keys.db")).unwrap());
    let vault = Vault::open("log.example/1", keys.clone(), custodian, NOW_MS).unwrap();
    (keys, vault)
}

/// Everything the key store has on disk.
fn bytes_on_disk(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("keys.db") {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

/// How many of the secrets have a part of 16 bytes on disk.
fn traces(dir: &Path, secrets: &[Vec<u8>]) -> usize {
    let bytes = bytes_on_disk(dir);
    let on_disk: HashSet<&[u8]> = bytes.windows(16).collect();
    secrets.iter().filter(|secret| secret.windows(16).any(|part| on_disk.contains(part))).count()
}

fn wrapped(keys: &SqliteKeys, name: &KeyName) -> Vec<u8> {
    match keys.get(name).unwrap() {
        Some(Stored::Live(key)) => key.wrapped,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_vault_on_files_opens_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (_, vault) = open_vault(dir.path());
    let subject = vault.subject("email", "anna@example.org", NOW_MS).unwrap();
    let sealed = vault.seal("pii", DAY, &subject, &[(1, b"prompt")], NOW_MS).unwrap();
    drop(vault);

    let (_, vault) = open_vault(dir.path());
    assert_eq!(vault.subject("email", "anna@example.org", NOW_MS).unwrap(), subject);
    let opened = vault.open_sealed("pii", DAY, &subject, &sealed.as_ref()).unwrap();
    assert_eq!(opened, [(1, b"prompt".to_vec())]);
    assert!(traces(dir.path(), &[b"anna@example.org".to_vec()]) == 0);

    vault.destroy_subject(&subject, NOW_MS).unwrap();
    drop(vault);
    let (_, vault) = open_vault(dir.path());
    let gone = vault.open_sealed("pii", DAY, &subject, &sealed.as_ref()).unwrap_err();
    assert!(gone.is_destroyed());
}

#[test]
fn no_trace_of_destroyed_and_replaced_keys_stays_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, vault) = open_vault(dir.path());
    // Given enough neighbours in one bucket for many pages, in an order that splits index pages.
    let neighbour = |i: u8| SubjectRef(std::array::from_fn(|at| if at == 0 { 7 } else { i.wrapping_mul(91) }));
    let mut idx_rows = Vec::new();
    for i in 0..=255 {
        let subject = neighbour(i);
        vault.seal("pii", DAY, &subject, &[(1, b"x")], NOW_MS).unwrap();
        let idx: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ i.wrapping_mul(91));
        keys.bind_subject("user", &idx, &subject).unwrap();
        idx_rows.push([&idx[..], &subject.0].concat());
    }
    let bucket = KeyName::subject("pii", &neighbour(0)).parent().unwrap();
    let live_now = || -> Vec<Vec<u8>> {
        let children = keys.children(&bucket).unwrap().into_iter().map(|key| key.wrapped);
        children.chain([wrapped(&keys, &bucket)]).collect()
    };
    assert_eq!(traces(dir.path(), &live_now()), 257, "the search finds what is there");
    let find_row = |row: &[u8]| bytes_on_disk(dir.path()).windows(48).any(|part| part == row);
    assert!(find_row(&idx_rows[1]), "and finds index rows");

    // When several of them are destroyed, one after the other,
    let mut gone = Vec::new();
    for i in [0, 1, 2, 100, 200, 255] {
        gone.extend(live_now());
        vault.destroy_subject(&neighbour(i), NOW_MS).unwrap();
        // then nothing is left of what was wrapped before, destroyed or replaced.
        assert_eq!(traces(dir.path(), &gone), 0, "after destroying {i}");
        assert!(!find_row(&idx_rows[usize::from(i)]), "index row of {i}");
    }
    assert_eq!(traces(dir.path(), &live_now()), 251);
    assert_eq!(std::fs::metadata(dir.path().join("keys.db-wal")).unwrap().len(), 0);
}

#[test]
fn no_trace_of_a_destroyed_day_stays_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, vault) = open_vault(dir.path());
    let subject = vault.anonymous_subject(DAY).unwrap();
    vault.seal("pii", DAY, &subject, &[(1, b"x")], NOW_MS).unwrap();
    vault.seal("pii", "2026-11-23", &subject, &[(1, b"x")], NOW_MS).unwrap();
    let day = KeyName::day("pii", DAY);
    let old = [&day, &KeyName::day("pii", "2026-11-23"), &day.parent().unwrap()].map(|n| wrapped(&keys, n));
    assert_eq!(traces(dir.path(), &old), 3);
    vault.destroy_day("pii", DAY, NOW_MS).unwrap();
    assert_eq!(traces(dir.path(), &old), 0);
}

#[test]
fn no_trace_of_rotated_and_ratcheted_keys_stays_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[1; 32])));
    let keys = Arc::new(SqliteKeys::open(&dir.path().join("keys.db")).unwrap());
    let vault = Vault::open("log.example/1", keys.clone(), root.clone(), NOW_MS).unwrap();
    let subject = |i: u8| SubjectRef(std::array::from_fn(|at| if at == 0 { i % 5 } else { i.wrapping_mul(91) }));
    let seal = |i| vault.seal("pii", DAY, &subject(i), &[(1, b"x")], NOW_MS).unwrap();
    let sealed: Vec<_> = (0..200).map(seal).collect();
    let opens = |vault: &Vault| {
        let mut all = sealed.iter().zip(0..200);
        all.all(|(sealed, i)| vault.open_sealed("pii", DAY, &subject(i), &sealed.as_ref()).is_ok())
    };
    let live_now = || -> Vec<Vec<u8>> {
        let names = keys.list().unwrap().into_iter().filter(|key| key.state == KeyState::Live);
        let names = names.map(|key| KeyName { kind: key.kind, class: key.class, unit: key.id });
        names.map(|name| wrapped(&keys, &name)).collect()
    };
    // Given a class with six bucket keys, 200 subjects and a day, and the class of links.
    let before = live_now();
    assert_eq!(before.len(), 1 + 6 + 200 + 1 + 1);
    assert_eq!(traces(dir.path(), &before), before.len(), "the search finds what is there");

    // When the class is rotated, then all of it is wrapped anew, and nothing is left of what was.
    let turned = vault.rotate_class("pii", NOW_MS).unwrap();
    assert_eq!((turned.version, turned.buckets, turned.rewrapped), (2, 6, 201));
    let after = live_now();
    assert_eq!(after.len(), before.len());
    let unchanged = before.iter().filter(|key| after.contains(key)).count();
    assert_eq!((unchanged, traces(dir.path(), &before)), (1, 1), "the class of links");
    assert!(opens(&vault));
    assert_eq!(std::fs::metadata(dir.path().join("keys.db-wal")).unwrap().len(), 0);

    // When the root is ratcheted, then that goes for the class keys.
    let roots: Vec<_> = keys.wrapped_by_root().unwrap().into_iter().map(|key| key.wrapped).collect();
    assert_eq!(vault.ratchet().unwrap().rewrapped, 2);
    assert_eq!(traces(dir.path(), &roots), 0);
    drop(vault);
    let vault = Vault::open("log.example/1", keys.clone(), root, NOW_MS).unwrap();
    assert!(opens(&vault));
    assert_eq!(vault.rotate_class("pii", NOW_MS).unwrap().version, 3);
    assert!(opens(&vault));
}

#[test]
fn a_reader_that_blocks_the_scrub_is_reported_and_the_next_try_scrubs() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, vault) = open_vault(dir.path());
    keys.lock().busy_timeout(Duration::from_millis(10)).unwrap();
    let subject = vault.anonymous_subject(DAY).unwrap();
    vault.seal("pii", DAY, &subject, &[(1, b"x")], NOW_MS).unwrap();
    let old = [wrapped(&keys, &KeyName::subject("pii", &subject))];

    let reader = Connection::open(dir.path().join("keys.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM key").unwrap();
    let error = vault.destroy_subject(&subject, NOW_MS).unwrap_err();
    let cause = std::error::Error::source(&error).expect("the driver's error").to_string();
    assert!(cause.starts_with("keys are destroyed, but"), "{cause}");
    let refused = vault.seal("pii", DAY, &subject, &[], NOW_MS).unwrap_err();
    assert!(refused.is_destroyed(), "destroyed nevertheless, and not cached");

    drop(reader);
    vault.destroy_subject(&subject, NOW_MS).unwrap();
    assert_eq!(traces(dir.path(), &old), 0);
}

#[test]
fn two_connections_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (_, first) = open_vault(dir.path());
    let (_, second) = open_vault(dir.path());
    let anna = first.subject("email", "anna@example.org", NOW_MS).unwrap();
    assert_eq!(second.subject("email", "anna@example.org", NOW_MS).unwrap(), anna);
    let sealed = second.seal("pii", DAY, &anna, &[(1, b"x")], NOW_MS).unwrap();
    assert!(first.open_sealed("pii", DAY, &anna, &sealed.as_ref()).is_ok());
}

#[test]
fn the_file_is_private_and_set_up_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.db");
    let keys = SqliteKeys::open(&path).unwrap();
    keys.bind_subject("user", &[1; 32], &SubjectRef([2; 16])).unwrap();
    for file in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let connection = keys.lock();
    let pragma = |name: &str| -> String {
        let sql = format!("SELECT cast({name} AS TEXT) FROM pragma_{name}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("secure_delete"), "1");
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| SqliteKeys::open(path).err().expect("must be refused").to_string();

    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(refusal(&other).ends_with("is not a counterfoil key store"));

    let newer = dir.path().join("newer.db");
    drop(SqliteKeys::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 5).unwrap();
    assert!(refusal(&newer).contains("has schema 5, this program knows 4"));

    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, b"not a database, but long enough to look at").unwrap();
    refusal(&garbage);
    assert_eq!(std::fs::read(&garbage).unwrap(), b"not a database, but long enough to look at");

    assert!(refusal(&dir.path().join("no/such/dir.db")).contains("could not be created"));
}

#[test]
fn a_row_of_an_unknown_kind_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, vault) = open_vault(dir.path());
    keys.lock().execute("UPDATE key SET kind = 'strange'", []).unwrap();
    assert!(vault.inventory().is_err());
}

/// Pages of an index are split in the middle, and a copy of what moved away may stay where it was. So nothing that a guess
/// could be held against is in an index whole.
#[test]
fn no_trace_of_how_somebody_was_found_stays_on_disk_however_often_pages_are_split() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.db");
    let keys = SqliteKeys::open(&path).unwrap();
    // As an older program made it; it goes when the file is opened, with whatever lies in its pages.
    let older =
        "DROP INDEX blind_beginning; CREATE UNIQUE INDEX blind_idx ON blind (scope, idx); PRAGMA user_version = 3;";
    keys.lock().execute_batch(older).unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut live: Vec<([u8; 32], SubjectRef)> = Vec::new();
    let mut gone: Vec<[u8; 32]> = Vec::new();
    let mut round = |keys: &SqliteKeys| {
        for scope in ["email", "phone", "the-support-assistant-of-the-bank"] {
            let mut words = || -> Vec<u8> { (0..6).flat_map(|_| chance().to_be_bytes()).collect() };
            let mut row = || {
                let of = words();
                let idx: [u8; 32] = of[..32].try_into().unwrap();
                let subject: [u8; 16] = of[32..].try_into().unwrap();
                (idx, SubjectRef(subject))
            };
            let rows: Vec<([u8; 32], SubjectRef)> = (0..30).map(|_| row()).collect();
            keys.bind_subjects(scope, &rows).unwrap();
            assert_eq!(keys.find_subject(scope, &rows[7].0).unwrap(), Some(rows[7].1));
            live.extend(rows);
        }
        let some: Vec<_> = (0..30).map(|_| live.swap_remove(chance() as usize % live.len())).collect();
        keys.write(|tx| some.iter().try_for_each(|(_, subject)| forget_subject(tx, subject, NOW_MS))).unwrap();
        gone.extend(some.into_iter().map(|(idx, _)| idx));
    };
    (0..20).for_each(|_| round(&keys));
    drop(keys);
    let keys = SqliteKeys::open(&path).unwrap();
    (0..20).for_each(|_| round(&keys));
    keys.scrub().unwrap();
    let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'blind' AND sql NOT LIKE '%substr(idx, 1, 2))'";
    assert_eq!(keys.lock().query_row(indexes, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let bytes = bytes_on_disk(dir.path());
    let on_disk: HashSet<&[u8]> = bytes.windows(8).collect();
    let found = |idx: &[u8; 32]| idx.windows(8).any(|part| on_disk.contains(part));
    assert!(live.iter().all(|(idx, _)| found(idx)), "the search finds what is there");
    assert_eq!((gone.iter().filter(|idx| found(idx)).count(), gone.len()), (0, 1200));
}

#[test]
fn a_key_store_of_the_first_schema_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.db");
    let alice = SubjectRef([0x11; 16]);
    SqliteKeys::open(&path).unwrap().bind_subject("user", &[1; 32], &alice).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE held; PRAGMA user_version = 1;").unwrap();
    drop(old);
    for _ in 0..2 {
        let keys = SqliteKeys::open(&path).unwrap();
        assert_eq!(keys.find_subject("user", &[1; 32]).unwrap(), Some(alice));
        keys.hold("dataset/loans/1", &[alice]).unwrap();
        assert_eq!(keys.holders(&alice).unwrap(), ["dataset/loans/1"]);
    }
}
