//! Controls and evidence, up to the auditor's desk and a copy that was tampered with.

use std::io::{Cursor, Read, Write};

use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::support::{Run, World};

/// A package with some traffic in it, and the directory it came from gone.
fn package() -> (World, Vec<u8>) {
    let mut world = World::new();
    for route in ["chat", "chat", "limited", "chat", "reset", "chat"] {
        world.chat(route);
    }
    world.json(&["records", "seal"]);
    world.json(&["controls", "run"]);
    let pack = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "--payloads", "-o", &pack]);
    world.stop();
    std::fs::remove_dir_all(&world.data).expect("verify needs no data directory");
    let bytes = std::fs::read(&pack).expect("a package");
    (world, bytes)
}

/// The files of a package, by path.
fn unpack(package: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(package)).expect("a ZIP file");
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("an entry");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("readable");
        files.push((file.name().expect("UTF-8").into_owned(), bytes));
    }
    files
}

/// A package of these files, with checksums that are right again: whoever tampers can do that, too.
fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), stored).expect("begun");
        writer.write_all(bytes).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

fn verify(world: &World, bytes: &[u8]) -> Run {
    let path = world.path("copy.zip");
    std::fs::write(&path, bytes).expect("written");
    world.cli(&["--json", "verify", &path.display().to_string()])
}

#[track_caller]
fn codes(run: &Run) -> Vec<String> {
    let report = run.json();
    let findings = report["findings"].as_array().expect("findings").iter();
    let against = findings.filter(|finding| finding["weight"] == "fail");
    against.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn given_a_package_when_verified_offline_then_it_is_whole_and_any_changed_byte_is_found() {
    let (world, bytes) = package();
    let run = verify(&world, &bytes);
    assert_eq!(run.code, 0, "{run:?}");
    let report = run.json();
    let verdicts: Vec<&str> =
        report["verdicts"].as_array().expect("five").iter().map(|v| v["verdict"].as_str().expect("text")).collect();
    assert_eq!((verdicts.len(), verdicts[0]), (5, "pass"), "{report}");
    assert_ne!(verdicts[1], "fail", "{report}");

    let files = unpack(&bytes);
    for (index, (name, content)) in files.iter().enumerate().filter(|(_, (_, content))| !content.is_empty()) {
        let mut changed = files.clone();
        changed[index].1[content.len() / 2] ^= 1;
        let run = verify(&world, &pack(&changed));
        assert_eq!(run.code, 1, "a byte in the middle of {name} was changed: {run:?}");
        let removed: Vec<_> = files.iter().filter(|(other, _)| other != name).cloned().collect();
        let run = verify(&world, &pack(&removed));
        assert!(matches!(run.code, 1 | 2 | 5), "{name} was removed: {run:?}");
    }
    for end in [0, 1, bytes.len() / 3, bytes.len() - 1] {
        let run = verify(&world, &bytes[..end]);
        assert!(matches!(run.code, 1 | 2 | 5), "only {end} bytes are left: {run:?}");
    }
}

#[test]
fn given_a_tampered_package_when_the_manifest_is_made_to_fit_then_verify_still_names_the_record() {
    let (world, bytes) = package();
    let mut files = unpack(&bytes);
    let records = files
        .iter()
        .position(|(name, _)| name.starts_with("segments/") && name.ends_with("/core.tlv"))
        .expect("records");
    let at = files[records].1.windows(7).position(|window| window == b"support").expect("the service's name");
    files[records].1[at] = b'S';
    refit(&mut files);
    let run = verify(&world, &pack(&files));
    assert_eq!(run.code, 1, "{run:?}");
    let codes = codes(&run);
    assert!(codes.iter().any(|code| code == "record.altered"), "{codes:?}");
    assert!(!codes.iter().any(|code| code == "file.digest"), "the manifest fits: {codes:?}");
}

#[test]
fn given_a_package_with_a_missing_record_when_the_manifest_is_made_to_fit_then_verify_names_what_is_missing() {
    let (world, bytes) = package();
    let mut files = unpack(&bytes);
    let records = files
        .iter()
        .position(|(name, _)| name.starts_with("segments/") && name.ends_with("/core.tlv"))
        .expect("records");
    let first = u32::from_le_bytes(files[records].1[..4].try_into().expect("four bytes"));
    let first = if first < 1 << 16 { first as usize } else { first.swap_bytes() as usize };
    files[records].1.drain(..4 + first);
    refit(&mut files);
    let run = verify(&world, &pack(&files));
    assert_eq!(run.code, 1, "{run:?}");
    let codes = codes(&run);
    assert!(codes.iter().any(|code| code.starts_with("record")), "{codes:?}");
}

/// Makes the manifest's digests and lengths those of the files, as whoever tampers would.
fn refit(files: &mut [(String, Vec<u8>)]) {
    use sha2::{Digest, Sha256};
    let place = files.iter().position(|(name, _)| name == "manifest.json").expect("a manifest");
    let mut manifest: Value = serde_json::from_slice(&files[place].1).expect("JSON");
    for listed in manifest["files"].as_array_mut().expect("files") {
        let (_, bytes) = files.iter().find(|(name, _)| Some(name.as_str()) == listed["path"].as_str()).expect("listed");
        listed["sha256"] = merkle::hex(&Sha256::digest(bytes)).into();
        listed["len"] = bytes.len().into();
    }
    files[place].1 = manifest.to_string().into_bytes();
}

#[test]
fn given_a_package_when_asked_in_sql_then_it_answers_as_the_server_did() {
    let (world, _) = package();
    let pack = world.path("pack.zip").display().to_string();
    let rows = world.json(&[
        "sql",
        "--package",
        &pack,
        "select status, count(*) as n from inference_records group by 1 order by 1",
    ]);
    assert_eq!(rows.to_string(), r#"[{"status":"error","n":2},{"status":"ok","n":4}]"#);
    let run = world.cli(&["--json", "sql", "--package", &pack, "select nonsense"]);
    assert_eq!(run.code, 64, "{run:?}");
}

#[test]
fn given_controls_when_run_then_each_says_over_what_and_a_run_at_a_past_size_gives_the_same_again() {
    let world = World::new();
    let org = world.org() + "[controls]\nin_scope = [\"AI-IN-01\", \"AI-IN-02\", \"AI-LG-01\"]\n";
    let file = world.file("scoped.toml", &org);
    world.json(&["apply", "-f", &file, "--yes"]);
    for _ in 0..3 {
        assert_eq!(world.chat("chat").status, 200);
    }
    world.json(&["records", "seal"]);
    let first = world.json(&["controls", "run"]);
    let runs = first["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 3, "{first}");
    for run in runs {
        assert!(matches!(run["outcome"].as_str(), Some("pass" | "fail" | "not_tested")), "{run}");
        if run["outcome"] == "not_tested" {
            assert!(run["reason"].is_string(), "{run}");
        }
    }
    let size = first["at_size"].to_string();
    let again = world.json(&["controls", "run", "--at", &size]);
    assert_eq!(again["at_root"], first["at_root"]);
    for (before, after) in runs.iter().zip(again["runs"].as_array().expect("runs")) {
        for part in ["control", "logic_sha256", "population", "at_root"] {
            assert_eq!(before[part], after[part], "{part}");
        }
    }
}
