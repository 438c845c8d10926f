//! The second verifier, `tests/verifier/verify.py`, was written from `docs/format.md` alone. Both must come to the same
//! verdicts, over whole packages and over damaged ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::Record;
use serde_json::Value;
use verify::{Claim, Disclosure, EventProof, Options, verify_package};

use crate::proofs::{committed, log_proof, record_proof};
use crate::world::{HOUR, HOUR_MS, Parts, World, core, framed, leaves, payload, signer};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier/verify.py")
}

/// Whether the second verifier can run here; says so by name when it cannot.
pub fn available() -> bool {
    let probe = Command::new("python3").args(["-c", "import cryptography"]).output();
    let available = probe.is_ok_and(|output| output.status.success());
    if !available {
        eprintln!("skipped: python3 with `cryptography` is not installed, so tests/verifier/verify.py did not run");
    }
    available
}

/// What the second verifier says of a file: its report and its exit code.
pub fn second_opinion(bytes: &[u8]) -> (Value, i32) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("evidence");
    std::fs::write(&path, bytes).expect("room");
    let key = signer().verifier_key().to_string();
    let output = Command::new("python3").arg(script()).arg(&path).args(["--json", "--key", &key]).output();
    let output = output.expect("python3 runs");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("no report ({error}):\n{}", String::from_utf8_lossy(&output.stderr));
    });
    (report, output.status.code().unwrap_or(-1))
}

#[track_caller]
pub fn agree(bytes: Vec<u8>) {
    let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
    let (second, exit) = second_opinion(&bytes);
    let first = verify_package(bytes, &options);
    for claim in [Claim::Integrity, Claim::Completeness] {
        let verdicts = second["verdicts"].as_array().expect("a list");
        let verdict = verdicts.iter().find(|verdict| verdict["claim"] == claim.as_str()).expect("every claim");
        assert_eq!(verdict["verdict"], first.verdict(claim).as_str(), "{}\n{first}\n{second:#}", claim.as_str());
    }
    assert_eq!(exit, i32::from(first.exit), "{first}\n{second:#}");
}

#[test]
fn both_verifiers_pass_a_whole_package() {
    if !available() {
        return;
    }
    let mut world = World::full();
    (0..300).for_each(|_| world.refuse());
    let (size, sha256) = (world.state.size, "00".repeat(32));
    // Of another revision of the fold: noted by both.
    world.event(domain::Event::StateDigest(domain::infrastructure::StateDigest { size, sha256, fold: None }));
    agree(world.package().zip());
    let (report, exit) = second_opinion(&world.package().zip());
    assert_eq!((&report["verdicts"][0]["verdict"], exit), (&Value::from("pass"), 0), "{report:#}");
}

#[test]
fn both_verifiers_find_the_same_damage() {
    if !available() {
        return;
    }
    let damages: [fn(&mut Parts); 11] = [
        |parts| parts.file("tile/entries/000.p/11")[40] ^= 1,
        |parts| drop(parts.files.remove("tile/entries/000.p/11")),
        |parts| parts.file("checkpoint")[70] ^= 1,
        |parts| parts.manifest.size -= 1,
        |parts| parts.manifest.origin.push('x'),
        |parts| parts.file("segments/n1-1-0/core.tlv")[60] ^= 1,
        |parts| parts.file("segments/n1-1-0/leaves")[60] ^= 1,
        |parts| {
            // A record with its leaf.
            let cores = [0, 1, 9, 3, 4].map(|number| core(number, 1));
            *parts.file("segments/n1-1-0/core.tlv") = framed(&cores.each_ref().map(Record::encode));
            *parts.file("segments/n1-1-0/leaves") = leaves(&cores).concat();
        },
        |parts| parts.file("segments/n1-1-0/core.parquet")[60] ^= 1,
        |parts| *parts.file("segments/n1-1-0/payload.bin") = framed(&[1, 0, 2, 3, 4].map(payload)),
        |parts| parts.file("controls/AI-IN-01/query.sql").push(b';'),
    ];
    for damage in damages {
        let mut parts = World::full().package();
        damage(&mut parts);
        agree(parts.zip());
    }
}

#[test]
fn both_verifiers_hold_the_manifest_to_its_signature() {
    if !available() {
        return;
    }
    let mut parts = World::full().package();
    parts.list_files();
    let signed = parts.note();
    agree(parts.zip_with_note(None));
    agree(parts.zip_with_note(Some(&signed[..signed.len() - 9])));
    agree(parts.zip_with_note(Some(World::full().checkpoint(3).as_bytes())));
    parts.manifest.to -= HOUR_MS;
    let narrowed = parts.zip_with_note(Some(&signed));
    let (report, exit) = second_opinion(&narrowed);
    assert!(exit == 1 && report.to_string().contains("manifest.altered"), "{report:#}");
    agree(narrowed);
}

#[test]
fn both_verifiers_find_the_same_gaps() {
    if !available() {
        return;
    }
    let gaps: [fn(&mut World); 12] = [
        |world| world.join(3),
        |world| world.count(9, 8),
        |world| world.count(9, 9),
        |world| world.progress(2, 1, 1),
        |world| {
            world.seal(1);
            world.join(2);
        },
        |world| {
            world.count(9, 9);
            world.join(2);
        },
        |world| {
            world.now += HOUR_MS + 60_000;
            world.beat();
        },
        |world| world.lose_count(8),
        |world| world.lose_count(9),
        |world| {
            world.seal(1);
            world.lose_count(9);
        },
        |world| world.accept_rollback(4),
        |world| {
            // Before the window, so what is lost is not of it.
            world.now = HOUR - 2 * HOUR_MS;
            world.accept_rollback(4);
        },
    ];
    for gap in gaps {
        let mut world = World::full();
        gap(&mut world);
        agree(world.package().zip());
    }
}

#[test]
fn both_verifiers_judge_what_is_gone_alike() {
    if !available() {
        return;
    }
    let mut world = World::full();
    world.segments[0].payloads[2].clear();
    agree(world.package().zip());
    world.take_out(&[2]);
    let mut other = world.clone();
    other.take_out(&[4]);
    other.segments[0].payloads[4] = crate::world::payload(4);
    other.segments[0].payloads[3].clear();
    agree(other.package().zip());
    let mut other = world.clone();
    other.because = vec!["request/rq_9".into()];
    other.take_out(&[4]);
    agree(other.package().zip());
    let mut unexplained = world.clone();
    unexplained.because.clear();
    unexplained.take_out(&[4]);
    agree(unexplained.package().zip());
    let package = world.package().zip();
    assert_eq!(second_opinion(&package).0["verdicts"][4]["verdict"], "pass");
    agree(package);
    world.dispose("2026-10-30");
    let package = world.package().zip();
    assert_eq!(second_opinion(&package).0["verdicts"][4]["verdict"], "fail");
    agree(package);
    for wrong in [false, true] {
        let mut world = World::full();
        world.dispose_first(|gone| gone.n += u64::from(wrong));
        let package = world.package().zip();
        let (report, _) = second_opinion(&package);
        let verdicts = [0, 1].map(|at| report["verdicts"][at]["verdict"].clone());
        assert_eq!(verdicts, [Value::from(if wrong { "fail" } else { "pass" }), "pass".into()], "{report:#}");
        agree(package);
    }
}

#[test]
fn both_verifiers_fold_every_kind_of_event_to_the_same_state() {
    if !available() {
        return;
    }
    let golden = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/golden/events.jsonl"));
    let mut world = World::full();
    for line in golden.expect("the golden events").lines() {
        let entry = domain::Entry::decode(line.as_bytes()).expect("an entry");
        let of_the_log_itself = matches!(
            entry.event,
            domain::Event::OrgCreated(_)
                | domain::Event::LedgerHeartbeat(_)
                | domain::Event::RollbackAccepted(_)
                | domain::Event::SegmentSealed(_)
                | domain::Event::SegmentProgress(_)
                | domain::Event::StateDigest(_)
                | domain::Event::ControlRan(_)
                | domain::Event::NodeJoined(_)
                // What these commit to is recomputed, and follows from other entries than these.
                | domain::Event::ReviewStarted(_)
                | domain::Event::ReviewCompleted(_)
                // These must have a cause that other entries tell of; worlds of their own have them.
                | domain::Event::PayloadCompacted(_)
                | domain::Event::SegmentsDisposed(_)
        );
        if !of_the_log_itself {
            world.event(entry.event);
            world.digest_state();
        }
    }
    let package = world.package().zip();
    let (report, _) = second_opinion(&package);
    assert_eq!(report["verdicts"][0]["verdict"], "pass", "{report:#}");
    agree(package);
}

#[test]
fn the_second_verifier_checks_proofs() {
    if !available() {
        return;
    }
    let (world, commitments, salt) = committed();
    let mut proof = record_proof(&world, 1, 0);
    proof.commitments = commitments.to_vec();
    proof.disclosures = vec![Disclosure { field: 1, salt, value: b"declined".to_vec() }];
    let event = EventProof { entry: world.entries[5].clone(), log: log_proof(&world, 5) };
    for whole in [proof.to_string(), event.to_string(), record_proof(&world, 0, 3).to_string()] {
        let (report, exit) = second_opinion(whole.as_bytes());
        assert_eq!((&report["verdicts"][0]["verdict"], exit), (&Value::from("pass"), 0), "{report:#}");
    }
    proof.disclosures[0].value = b"accepted".to_vec();
    let mut moved = record_proof(&world, 0, 3);
    moved.index = 2;
    for broken in [proof.to_string(), moved.to_string(), event.to_string().replacen("index 5", "index 4", 1)] {
        let (report, exit) = second_opinion(broken.as_bytes());
        assert_eq!((&report["verdicts"][0]["verdict"], exit), (&Value::from("fail"), 1), "{report:#}");
    }
}
