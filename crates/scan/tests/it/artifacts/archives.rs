//! Archives and compressed forms: what readers disagree about, what leads outside, what expands.

use super::build::{Member, deflated, evil, gzip, member, tar, zip, zlib};
use super::{fails, incomplete, look, passes};

#[test]
fn given_a_pickle_in_containers_when_scanned_then_it_is_found_and_its_place_is_told() {
    let inner = zip(&[member("a/data.pkl", &evil())]);
    for (name, bytes) in [
        ("stored", inner.clone()),
        ("zip in zip", zip(&[member("inner.zip", &inner)])),
        ("tar", tar(&[("m/model.pkl", b'0', &evil())])),
        ("tar.gz", gzip(&tar(&[("m/model.pkl", b'0', &evil())]))),
        ("zlib", zlib(&evil())),
        ("gzip", gzip(&evil())),
        ("zstd", zstd::encode_all(evil().as_slice(), 3).expect("memory")),
    ] {
        let report = fails(name, &bytes, "pickle-code");
        assert!(report.findings[0].path.contains('!'), "{:?}", report.findings[0]);
    }
    let packed = deflated(&evil());
    let one = Member {
        method: 8,
        crc: Some(crc32fast::hash(&evil())),
        size: Some(evil().len() as u32),
        ..member("x", &packed)
    };
    fails("deflated", &zip(&[one]), "pickle-code");
}

#[test]
fn given_a_damaged_archive_that_some_read_all_the_same_when_scanned_then_the_payload_is_found() {
    for flags in [0x1, 0x20, 0x40] {
        // Encrypted, a patch, strongly encrypted, and in truth none of them.
        fails("flag", &zip(&[Member { flags, ..member("m/data.pkl", &evil()) }]), "pickle-code");
        fails(
            "one flag",
            &zip(&[Member { flags, local_flags: Some(0), ..member("m/data.pkl", &evil()) }]),
            "archive-mismatch",
        );
    }
    fails("crc", &zip(&[Member { crc: Some(1), ..member("m/data.pkl", &evil()) }]), "pickle-code");
    fails("crc", &zip(&[Member { crc: Some(1), ..member("notes.txt", b"notes") }]), "archive-damaged");
    let other = Member { local_name: Some("m/data.txt"), ..member("m/data.pkl", b"\x80\x04N.") };
    fails("names", &zip(&[other]), "archive-mismatch");
    let mut cut = zip(&[member("m/data.pkl", &evil())]);
    cut.truncate(cut.len() - 22);
    fails("no directory", &cut, "pickle-code");
}

#[test]
fn given_an_encrypted_member_when_scanned_then_it_was_not_read() {
    let secret = b"\xd1\x8e\x03\x9f\x10\xaa\xbb\xcc\xdd\xee\xff\x00\x11";
    incomplete("a.zip", &zip(&[Member { flags: 1, ..member("m/data.pkl", secret) }]), "encrypted");
}

#[test]
fn given_members_that_lead_outside_when_scanned_then_they_fail() {
    for name in ["../../etc/cron.d/x", "/etc/passwd", "..\\x", "C:\\x", "a/../../b"] {
        fails("a.zip", &zip(&[member(name, b"text")]), "archive-path");
        fails("a.tar", &tar(&[(name, b'0', b"text")]), "archive-path");
    }
    fails("a.zip", &zip(&[Member { mode: 0o120_777, ..member("link", b"/etc/passwd") }]), "archive-link");
    fails("a.tar", &tar(&[("link", b'2', b"")]), "archive-link");
    fails("a.tar", &tar(&[("link", b'1', b"")]), "archive-link");
    fails("a.tar", &tar(&[("dev", b'3', b"")]), "archive-link");
    let long = b"../../x\0".as_slice();
    fails("a.tar", &tar(&[("././@LongLink", b'L', long), ("x", b'0', b"text")]), "archive-path");
    fails("a.tar", &tar(&[("PaxHeader", b'x', b"16 path=../../x\n"), ("x", b'0', b"text")]), "archive-path");
}

#[test]
fn given_a_directory_with_data_in_a_tar_when_scanned_then_what_python_finds_in_them_is_found() {
    let mut inner = tar(&[("m/model.pkl", b'0', &evil())]);
    inner.truncate(inner.len() - 1024);
    for (name, kind) in [("m/", b'5'), ("m/", 0), ("link", b'1'), ("pipe", b'6')] {
        let archive = tar(&[(name, kind, &inner)]);
        fails("a.tar", &archive, "pickle-code");
        fails("a.tar", &archive, "archive-mismatch");
    }
    passes("a.tar", &tar(&[("m/", b'5', b""), ("m/notes.txt", b'0', b"notes")]));
}

#[test]
fn given_a_header_for_all_members_of_a_tar_when_it_moves_them_then_it_fails() {
    for said in ["10 size=0\n", "10 path=x\n", "22 GNU.sparse.size=10\n"] {
        let members = [("pax_global", b'g', said.as_bytes()), ("a.txt", b'0', b"notes"), ("b.txt", b'0', b"notes")];
        fails("a.tar", &tar(&members), "archive-mismatch");
    }
    passes("a.tar", &tar(&[("pax_global", b'g', b"16 comment=0123\n"), ("a.txt", b'0', b"notes")]));
}

#[test]
fn given_one_name_twice_when_scanned_then_it_fails() {
    fails("a.zip", &zip(&[member("data.pkl", b"\x80\x04N."), member("data.pkl", &evil())]), "archive-duplicate");
    fails("a.tar", &tar(&[("x", b'0', b"text"), ("x", b'0', b"text")]), "archive-duplicate");
}

#[test]
fn given_data_before_behind_and_between_when_scanned_then_they_are_looked_at() {
    let archive = zip(&[member("notes.txt", b"notes")]);
    // Behind: another form at the end. Before: an archive behind a pickle, with places counted from its own beginning.
    fails("behind", &[archive.clone(), evil()].concat(), "pickle-code");
    fails("before", &[evil(), archive.clone()].concat(), "pickle-code");
    fails("text before", &[b"just a text\n".to_vec(), archive.clone()].concat(), "archive-polyglot");
    // A member that the directory does not name.
    let two = zip(&[member("hidden.pkl", &evil()), member("notes.txt", b"notes")]);
    let start = two.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    let first = 46 + "hidden.pkl".len();
    let mut hidden = two.clone();
    hidden.drain(start..start + first);
    let end = hidden.len() - 22;
    hidden[end + 8] = 1;
    hidden[end + 10] = 1;
    let size = u32::from_le_bytes(hidden[end + 12..end + 16].try_into().expect("four")) - first as u32;
    hidden[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    fails("hidden", &hidden, "pickle-code");
    fails("zlib", &[zlib(b"a text"), evil()].concat(), "pickle-code");
}

#[test]
fn given_members_that_share_bytes_when_scanned_then_they_fail() {
    let mut bytes = zip(&[member("a", b"text"), member("b", b"text")]);
    let second = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").expect("a directory");
    bytes[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    fails("a.zip", &bytes, "archive-overlap");
}

#[test]
fn given_numbers_that_claim_gigabytes_when_scanned_then_nothing_is_allocated_for_them() {
    let mut claim = zip(&[member("a", b"text")]);
    let entry = claim.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    for at in [entry + 20, entry + 24] {
        claim[at..at + 4].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    }
    assert_ne!(look("a.zip", &claim).verdict().as_str(), "pass");
    let mut tarred = tar(&[("a", b'0', b"text")]);
    tarred[124..135].copy_from_slice(b"77777777777");
    tarred[148..156].copy_from_slice(b"        ");
    let sum: u32 = tarred[..512].iter().map(|byte| u32::from(*byte)).sum();
    tarred[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    incomplete("a.tar", &tarred, "ends before");
    incomplete("a", b"\x80\x04B\xff\xff\xff\xfftext", "ends early");
    incomplete("a", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7ftext", "ends early");
    fails("a.gguf", b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f", "gguf-bounds");
    fails("a.safetensors", b"\xff\xff\xff\xff\0\0\0\0{\"a\":1}", "safetensors-header");
    fails("a.ubj", b"{L\0\0\0\0\0\0\0\x01x[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff\0\xff", "ubjson-bounds");
}

#[test]
fn given_archives_in_archives_when_too_deep_then_what_was_not_opened_is_told() {
    let mut deep = zip(&[member("a.txt", b"text")]);
    for _ in 0..12 {
        deep = zip(&[member("a.zip", &deep)]);
    }
    incomplete("a.zip", &deep, "deeper");
}

#[test]
fn given_something_that_expands_when_scanned_then_it_is_a_bomb() {
    let zeroes = vec![0; 1 << 20];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..300 {
        std::io::Write::write_all(&mut encoder, &zeroes).expect("memory");
    }
    fails("a.gz", &encoder.finish().expect("memory"), "archive-bomb");
}

#[test]
fn given_containers_that_are_not_read_when_scanned_then_that_is_told() {
    for (magic, what) in [
        (b"7z\xbc\xaf\x27\x1c\0\x04".as_slice(), "7z"),
        (b"Rar!\x1a\x07\x01\0".as_slice(), "RAR"),
        (b"BZh91AY&SY\x00\x01".as_slice(), "bzip2"),
        (b"\xfd7zXZ\0\0\x04".as_slice(), "xz"),
        (b"\x1c\0\0\0TFL3\0\0".as_slice(), "Lite"),
    ] {
        incomplete("a.pkl", magic, what);
    }
    incomplete("a", b"\x00\x01\x02\x03", "no form");
    passes("empty", b"");
}
