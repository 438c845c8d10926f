use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fingerprint::Fingerprints;
use crate::memory::{MemoryCustodian, MemoryKeys};

const NOW_MS: u64 = 1_795_000_000_000;
const SEALED: usize = CHUNK_BYTES + TAG_BYTES;

fn vault(log_id: &str) -> Vault {
    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[3; 32])));
    Vault::open(log_id, Arc::new(MemoryKeys::default()), root, NOW_MS).expect("a vault in memory")
}

fn put(vault: &Vault, class: &str, plain: &[u8]) -> (ObjectId, Vec<u8>, Written) {
    let (id, mut writer) = vault.object_writer(class, Vec::new(), NOW_MS).expect("a new object");
    writer.write_all(plain).expect("written");
    let (bytes, written) = writer.finish().expect("finished");
    (id, bytes, written)
}

fn get(vault: &Vault, class: &str, id: &ObjectId, bytes: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let mut reader = vault.object_reader(class, id, bytes)?;
    let mut plain = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        plain.extend_from_slice(chunk);
    }
    Ok(plain)
}

fn refused(vault: &Vault, class: &str, id: &ObjectId, bytes: &[u8]) -> &'static str {
    get(vault, class, id, bytes).expect_err("refused").name()
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

#[test]
fn given_objects_of_any_size_when_read_then_they_are_what_was_written() {
    let vault = vault("log.example/1");
    for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5] {
        let plain = pattern(size);
        let (id, bytes, written) = put(&vault, "internal", &plain);
        let chunks = size.div_ceil(CHUNK_BYTES).max(1);
        assert_eq!((written.bytes, written.chunks), (size as u64, chunks as u64));
        let header = ObjectHeader::read(&mut &bytes[..]).expect("a header");
        assert_eq!((header.id, header.commitment), (id, written.commitment));
        assert_eq!(bytes.len(), header.encode().len() + size + chunks * TAG_BYTES);
        assert_eq!(get(&vault, "internal", &id, &bytes).expect("opens"), plain, "{size}");
        let mut read = Vec::new();
        vault.object_reader("internal", &id, &bytes[..]).expect("opens").read_to_end(&mut read).expect("reads");
        assert_eq!(read, plain, "{size}");
    }
}

#[test]
fn given_an_object_when_parts_of_it_are_read_then_each_is_what_was_written_there() {
    let vault = vault("log.example/1");
    for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5] {
        let plain = pattern(size);
        let (id, bytes, _) = put(&vault, "internal", &plain);
        let length = bytes.len() as u64;
        let pieces = vault.object_pieces("internal", &id, bytes, length).expect("opens");
        assert_eq!(pieces.bytes(), size as u64);
        for (from, to) in
            [(0, size), (size / 2, size), (size.saturating_sub(1), size), (size / 3, size / 2), (size, size)]
        {
            let mut part = vec![0; to - from];
            pieces.read_at(from as u64, &mut part).expect("reads");
            assert_eq!(part, plain[from..to], "{from} to {to} of {size}");
        }
        let beyond = pieces.read_at(size as u64, &mut [0]).expect_err("nothing is there");
        assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn given_an_object_that_was_changed_when_parts_of_it_are_read_then_the_end_is_proven_first_and_each_chunk_by_itself() {
    let vault = vault("log.example/1");
    let (id, bytes, _) = put(&vault, "confidential", &pattern(3 * CHUNK_BYTES + 5));
    let open = |bytes: Vec<u8>| {
        let length = bytes.len() as u64;
        vault.object_pieces("confidential", &id, bytes, length)
    };
    let name = |bytes: Vec<u8>| open(bytes).map(drop).expect_err("refused").name();
    let head = bytes.len() - 3 * SEALED - 5 - TAG_BYTES;
    assert_eq!(name(bytes[..head].to_vec()), "truncated");
    assert_eq!(name(bytes[..head + 2 * SEALED].to_vec()), "broken_end", "the end of what is left is no end");
    assert_eq!(name(bytes[..bytes.len() - 1].to_vec()), "broken_end");
    assert_eq!(name([bytes.as_slice(), b"x"].concat()), "broken_end");
    assert_eq!(name(b"plain text".to_vec()), "not_an_object");
    let mut changed = bytes;
    changed[head + SEALED + 7] ^= 1;
    let pieces = open(changed).expect("its end is good");
    let mut part = [0; 10];
    pieces.read_at(0, &mut part).expect("the first chunk is good");
    assert!(
        pieces
            .read_at(CHUNK_BYTES as u64 - 5, &mut part)
            .expect_err("the second is not")
            .to_string()
            .contains("chunk 1")
    );
    let once = vault.fingerprints("loans", NOW_MS).expect("a key");
    let print = |of: &Fingerprints, label: &str| {
        let mut print = of.begin(label);
        std::io::Write::write_all(&mut print, b"a,b").expect("never fails");
        print.finish()
    };
    let again = vault.fingerprints("loans", NOW_MS).expect("a key");
    assert_eq!(print(&once, "bytes"), print(&again, "bytes"), "the same content is known again");
    assert_ne!(print(&once, "bytes"), print(&once, "group"));
    let other = vault.fingerprints("calls", NOW_MS).expect("a key");
    assert_ne!(print(&once, "bytes"), print(&other, "bytes"), "and not outside its data set");
}

#[test]
fn given_an_object_when_it_is_not_as_it_was_written_then_it_is_refused_by_name() {
    let vault = vault("log.example/1");
    let (id, bytes, _) = put(&vault, "confidential", &pattern(3 * CHUNK_BYTES + 5));
    let (other, _, _) = put(&vault, "confidential", b"other");
    let head = bytes.len() - 3 * SEALED - 5 - TAG_BYTES;
    let refuse = |bytes: &[u8]| refused(&vault, "confidential", &id, bytes);

    assert_eq!(refused(&vault, "internal", &id, &bytes), "wrong_class");
    assert_eq!(refused(&vault, "confidential", &other, &bytes), "wrong_object");
    assert_eq!(refuse(b"plain text"), "not_an_object");
    assert_eq!(refuse(&bytes[..20]), "header");
    assert_eq!(refuse(&bytes[..head]), "truncated");
    assert_eq!(refuse(&bytes[..head + SEALED]), "truncated");
    assert_eq!(refuse(&bytes[..head + SEALED + 3]), "truncated");
    assert_eq!(refuse(&bytes[..head + 2 * SEALED - 7]), "broken_end");
    assert_eq!(refuse(&bytes[..bytes.len() - 1]), "broken_end");

    let changed = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        changed
    };
    assert_eq!(refuse(&changed(8)), "newer");
    assert_eq!(refuse(&changed(head - 1)), "wrong_key");
    assert_eq!(refuse(&changed(head + SEALED + 9)), "changed");
    assert_eq!(refuse(&changed(bytes.len() - 1)), "broken_end");

    let mut swapped = bytes.clone();
    swapped[head..head + 2 * SEALED].rotate_left(SEALED);
    assert_eq!(refuse(&swapped), "changed");
    let without_second = [&bytes[..head + SEALED], &bytes[head + 2 * SEALED..]].concat();
    assert_eq!(refuse(&without_second), "changed");
    // A last chunk that is not full does not show where it ends; one that is full does.
    assert_eq!(refuse(&[&bytes[..], b"x"].concat()), "broken_end");
    let (full, bytes, _) = put(&vault, "confidential", &pattern(CHUNK_BYTES));
    assert_eq!(refused(&vault, "confidential", &full, &[&bytes[..], b"x"].concat()), "trailing");
}

#[test]
fn given_another_key_or_log_when_an_object_is_opened_then_it_is_refused_by_name() {
    let vault = vault("log.example/1");
    let (id, bytes, _) = put(&vault, "internal", b"weights");
    let elsewhere = self::vault("log.example/2");
    assert_eq!(refused(&elsewhere, "internal", &id, &bytes), "key", "that key was never there");
    let (foreign, _, _) = put(&elsewhere, "internal", b"weights");
    let mut header = ObjectHeader::read(&mut &bytes[..]).expect("a header");
    let rest = &bytes[header.encode().len()..];
    header.id = foreign;
    let renamed = [&header.encode()[..], rest].concat();
    assert_eq!(refused(&elsewhere, "internal", &foreign, &renamed), "wrong_key");

    vault.destroy_object("internal", &id, NOW_MS + 1).expect("destroyed");
    vault.destroy_object("internal", &id, NOW_MS + 2).expect("again");
    assert_eq!(refused(&vault, "internal", &id, &bytes), "key_destroyed");
}

#[test]
fn given_an_object_that_is_destroyed_when_others_are_read_then_they_still_open() {
    let vault = vault("log.example/1");
    let kept: Vec<_> = (0..40).map(|n| put(&vault, "internal", &[n; 10])).collect();
    let (gone, bytes, _) = put(&vault, "internal", b"gone");
    vault.destroy_object("internal", &gone, NOW_MS).expect("destroyed");
    assert_eq!(refused(&vault, "internal", &gone, &bytes), "key_destroyed");
    for (n, (id, bytes, _)) in kept.iter().enumerate() {
        assert_eq!(get(&vault, "internal", id, bytes).expect("opens"), [n as u8; 10]);
    }
}

#[test]
fn given_the_same_bytes_twice_when_written_then_nothing_shows_that_they_are_the_same() {
    let vault = vault("log.example/1");
    let (_, one, first) = put(&vault, "personal", b"Ann,1980");
    let (_, two, second) = put(&vault, "personal", b"Ann,1980");
    assert_ne!(first.commitment, second.commitment);
    assert_ne!(one[one.len() - 24..], two[two.len() - 24..]);
}

#[test]
fn given_many_identifiers_when_looked_up_at_once_then_they_are_the_subjects_of_one_by_one() {
    let vault = vault("log.example/1");
    let alone = vault.subject("email", "ann@example.com", NOW_MS).expect("a subject");
    let given = ["bob@example.com", " ", "Ann@Example.com", "bob@example.com"];
    let found = vault.subjects("email", &given, NOW_MS).expect("found");
    assert_eq!((found[1], found[2]), (None, Some(alone)));
    assert_eq!(found[0], found[3]);
    assert_eq!(found[0], vault.known_subject("email", "bob@example.com", NOW_MS).expect("known"));
    vault.hold("loans/1", &[alone]).expect("held");
    vault.destroy_subject(&alone, NOW_MS).expect("destroyed");
    assert!(vault.holders(&alone).expect("asked").is_empty());
    assert_ne!(vault.subjects("email", &given, NOW_MS).expect("found")[2], Some(alone));
}

#[test]
fn given_the_sample_for_fuzzing_when_probed_then_it_opens() {
    let plain = pattern(CHUNK_BYTES + 3);
    assert_eq!(probe(&sample(&plain).expect("made")).expect("opens"), plain);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn given_any_bytes_written_in_any_pieces_when_read_then_they_come_back(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..8)
    ) {
        let vault = vault("log.example/1");
        let (id, mut writer) = vault.object_writer("internal", Vec::new(), NOW_MS).expect("a new object");
        for piece in &pieces {
            writer.write_all(piece).expect("written");
        }
        let (bytes, _) = writer.finish().expect("finished");
        prop_assert_eq!(get(&vault, "internal", &id, &bytes).expect("opens"), pieces.concat());
    }

    #[test]
    fn given_any_object_when_one_bit_changes_or_the_end_goes_then_it_does_not_open_whole(
        size in 0..3 * CHUNK_BYTES, at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()
    ) {
        let vault = vault("log.example/1");
        let (id, mut bytes, _) = put(&vault, "internal", &pattern(size));
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        prop_assert!(get(&vault, "internal", &id, &bytes).is_err());
    }

    #[test]
    fn given_any_bytes_when_read_as_an_object_then_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = probe(&[MAGIC, &bytes[..]].concat());
        let _ = probe(&bytes);
    }
}
