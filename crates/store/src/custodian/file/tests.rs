use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::secret_file::SecretFileError;

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn refusal(path: &Path) -> String {
    FileCustodian::open(path).err().expect("must be refused").to_string()
}

fn passphrase(text: &str) -> Option<Passphrase> {
    Some(Zeroizing::new(text.to_owned()))
}

fn new() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.key");
    (dir, path)
}

#[test]
fn the_file_custodian_keeps_the_contract() {
    let (_dir, path) = new();
    vault::custodian_conformance::check(&FileCustodian::create(&path).unwrap());
}

#[test]
fn a_created_key_opens_what_it_wrapped_after_a_restart() {
    let (_dir, path) = new();
    let created = FileCustodian::create(&path).unwrap();
    let wrapped = created.wrap(b"class key", b"aad").unwrap();
    let opened = FileCustodian::open(&path).unwrap();
    assert_eq!(opened.key_id(), created.key_id());
    assert_eq!(opened.unwrap(&wrapped, b"aad").unwrap(), b"class key");
    assert!(opened.unwrap(&wrapped, b"other").is_err());
    assert!(opened.unwrap(&wrapped[1..], b"aad").is_err());
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let parts: Vec<&str> = text.trim_end().split(' ').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("counterfoil-root-key-1", 64, 16));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let (_dir, path) = new();
    write(&path, b"precious");
    assert!(matches!(FileCustodian::create(&path), Err(CustodianError::File(SecretFileError::Exists(_)))));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let (_dir, path) = new();
    FileCustodian::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let message = refusal(&path);
        assert!(message.ends_with(&format!("run `chmod 600 {}`", path.display())), "{message}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(FileCustodian::open(&path).is_ok());
}

#[test]
fn given_a_ratchet_when_restarted_at_each_step_then_the_file_has_what_it_takes() {
    let (dir, path) = new();
    let custodian = FileCustodian::create(&path).unwrap();
    let old = custodian.wrap(b"class key", b"aad").unwrap();
    let before = std::fs::read(&path).unwrap();
    custodian.advance().unwrap();

    let again = FileCustodian::open(&path).unwrap();
    assert_eq!(again.key_id(), custodian.key_id());
    assert_eq!(again.unwrap(&old, b"aad").unwrap(), b"class key");
    let new = again.wrap(b"class key", b"aad").unwrap();
    again.forget_older().unwrap();

    let after = FileCustodian::open(&path).unwrap();
    assert_eq!(after.unwrap(&new, b"aad").unwrap(), b"class key");
    assert!(after.unwrap(&old, b"aad").is_err(), "the key that wrapped it is gone");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), before.len(), "one key is one line again");
    assert_ne!(bytes, before);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing lies beside it");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn given_versions_that_nobody_forgets_when_there_are_many_then_there_are_no_more() {
    let (_dir, path) = new();
    let custodian = FileCustodian::create(&path).unwrap();
    for _ in 1..MOST_VERSIONS {
        custodian.advance().unwrap();
    }
    let refused = custodian.advance().expect_err("there are enough").to_string();
    assert!(refused.contains("forget the older ones"), "{refused}");
    assert!(FileCustodian::open(&path).is_ok());
    custodian.forget_older().unwrap();
    assert!(custodian.advance().is_ok());
}

#[test]
fn given_a_passphrase_when_opened_then_it_is_the_only_one_and_no_key_stands_in_the_file() {
    let (_dir, path) = new();
    let plain = FileCustodian::create(&path).unwrap();
    let wrapped = plain.wrap(b"class key", b"aad").unwrap();
    let key = std::fs::read_to_string(&path).unwrap()[23..87].to_owned();
    plain.set_passphrase(passphrase("correct horse")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("counterfoil-root-key-2 argon2id 65536 3 4 ") && !text.contains(&key), "{text}");

    assert!(refusal(&path).contains("custodian.passphrase_file"));
    let wrong = FileCustodian::open_under(&path, passphrase("battery staple")).err().expect("another");
    assert!(wrong.to_string().contains("does not open with this passphrase"), "{wrong}");
    let opened = FileCustodian::open_under(&path, passphrase("correct horse")).unwrap();
    assert_eq!(opened.unwrap(&wrapped, b"aad").unwrap(), b"class key");

    opened.advance().unwrap();
    let again = FileCustodian::open_under(&path, passphrase("correct horse")).unwrap();
    assert_eq!(again.unwrap(&wrapped, b"aad").unwrap(), b"class key");
    again.set_passphrase(None).unwrap();
    assert_eq!(FileCustodian::open(&path).unwrap().unwrap(&wrapped, b"aad").unwrap(), b"class key");
    let unused = FileCustodian::open_under(&path, passphrase("correct horse")).err().expect("under none");
    assert!(unused.to_string().contains("is under no passphrase"), "{unused}");
}

/// Every file that is shorter, or has one bit changed, is refused, and nothing is made of it.
#[track_caller]
fn refuses_every_damage(path: &Path, passphrase: Option<&str>) {
    let whole = std::fs::read(path).unwrap();
    let read = |bytes: &[u8]| key_file::read(bytes, passphrase).err();
    assert_eq!(read(&whole), None);
    for len in 0..whole.len() {
        assert_eq!(read(&whole[..len]), Some(Unreadable::Damaged("it is cut short")), "{len} bytes");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(matches!(read(&changed), Some(Unreadable::Damaged(_))), "byte {at} bit {bit}");
        }
    }
    assert!(matches!(read(&[whole.as_slice(), b"x"].concat()), Some(Unreadable::Damaged(_))));
}

#[test]
fn truncated_and_changed_files_of_every_kind_are_refused() {
    let (_dir, path) = new();
    let custodian = FileCustodian::create(&path).unwrap();
    refuses_every_damage(&path, None);
    custodian.advance().unwrap();
    refuses_every_damage(&path, None);
    custodian.set_passphrase(passphrase("correct horse")).unwrap();
    refuses_every_damage(&path, Some("correct horse"));
}

#[test]
fn missing_damaged_and_strange_files_are_refused() {
    let (dir, path) = new();
    assert!(refusal(&path).contains("does not exist"));
    assert!(refusal(dir.path()).contains("not a regular file"));
    write(&path, b"counterfoil-root-key-1 ab");
    assert!(refusal(&path).contains("cut short"));
    write(&path, &vec![0xff; 1 << 20]);
    assert!(refusal(&path).contains("not text"));
    write(&path, &[b'a'; 200]);
    assert!(refusal(&path).contains("does not begin like a root key file"));
}
