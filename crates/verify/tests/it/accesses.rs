//! Records of accesses: the same checks as for inferences, in both verifiers.

use domain::Record;
use merkle::inclusion_proof_of;
use verify::{AnyRecord, Claim, RecordProof, Report, Verdict, verify_package};

use crate::proofs::log_proof;
use crate::python::{agree, available, second_opinion};
use crate::world::{Parts, World, framed, leaves, signer};

const DIR: &str = "accesses/n1-1-0";

fn world() -> World {
    let mut world = World::full();
    world.seal_accesses(2, 5);
    world.seal_accesses(3, 3);
    world.beat();
    world.digest_state();
    world
}

fn verify(bytes: Vec<u8>) -> Report {
    let options = verify::Options { log_vkey: Some(signer().verifier_key().clone()), ..verify::Options::default() };
    verify_package(bytes, &options)
}

/// Damage must be found by its name, and by the second verifier too.
#[track_caller]
fn damaged(claim: Claim, code: &str, damage: impl FnOnce(&mut Parts)) {
    let mut parts = world().package();
    damage(&mut parts);
    let bytes = parts.zip();
    let report = verify(bytes.clone());
    assert_eq!(report.verdict(claim), Verdict::Fail, "{report}");
    assert!(report.has(code), "no finding `{code}` in:\n{report}");
    if available() {
        agree(bytes);
    }
}

fn pieces(of: impl Iterator<Item = i64>) -> Vec<u8> {
    framed(&of.map(|number| crate::world::access(number, 1).encode()).collect::<Vec<_>>())
}

#[test]
fn a_package_with_accesses_is_whole() {
    let bytes = world().package().zip();
    let report = verify(bytes.clone());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    assert_eq!(report.verdict(Claim::Completeness), Verdict::Pass, "{report}");
    assert!(report.to_string().contains("4 segments with 16 records"), "{report}");
    if available() {
        agree(bytes);
    }
}

#[test]
fn accesses_that_were_changed_added_or_taken_away_are_found() {
    use Claim::{Completeness, Integrity};
    damaged(Integrity, "record.altered", |parts| {
        let file = parts.file(&format!("{DIR}/core.tlv"));
        let at = file.windows(5).position(|word| word == b"audit").expect("a purpose");
        file[at] = b'x';
    });
    damaged(Integrity, "record.removed", |parts| {
        *parts.file(&format!("{DIR}/core.tlv")) = pieces([0, 1, 3, 4].into_iter());
    });
    damaged(Integrity, "record.added", |parts| *parts.file(&format!("{DIR}/core.tlv")) = pieces(0..6));
    damaged(Integrity, "segment.leaves", |parts| parts.file(&format!("{DIR}/leaves"))[0] ^= 1);
    damaged(Integrity, "parquet.digest", |parts| *parts.file(&format!("{DIR}/core.parquet")) = vec![1, 2, 3]);
    damaged(Integrity, "segment.missing", |parts| drop(parts.files.remove(&format!("{DIR}/core.tlv"))));
    damaged(Completeness, "segment.absent", |parts| {
        parts.files.retain(|path, _| !path.starts_with(DIR));
        parts.manifest.segments.retain(|segment| segment.dir != DIR);
    });
    damaged(Integrity, "segment.dir", |parts| {
        let moved = |dir: &str| dir.replace("accesses/n1-1-0", "segments/n1-1-9");
        parts.manifest.segments.iter_mut().for_each(|segment| segment.dir = moved(&segment.dir));
        parts.files = std::mem::take(&mut parts.files).into_iter().map(|(path, file)| (moved(&path), file)).collect();
    });
}

#[test]
fn a_chain_of_accesses_with_a_gap_and_progress_that_was_not_kept_are_found() {
    let mut gap = world();
    gap.state.nodes.get_mut("n1").expect("the node").sealed_accesses += 1;
    gap.seal_accesses(1, 2);
    let report = verify(gap.package().zip());
    assert!(report.has("segment.chain"), "{report}");
    let mut dropped = World::full();
    dropped.seal_accesses(5, 5);
    let last = dropped.entries.len() - 1;
    dropped.entries.truncate(last);
    dropped.state.nodes.get_mut("n1").expect("the node").sealed_accesses = 0;
    dropped.state.nodes.get_mut("n1").expect("the node").last_accesses = None;
    dropped.state.size = last as u64;
    dropped.accesses.clear();
    let open = verify(dropped.package().zip());
    assert!(open.has("progress.open"), "{open}");
    if available() {
        agree(dropped.package().zip());
        agree(gap.package().zip());
    }
}

#[test]
fn one_access_is_proven_and_only_as_what_it_is() {
    let world = world();
    let segment = &world.accesses[0];
    let proof = RecordProof {
        schema: 2,
        record: segment.cores[3].encode(),
        index: 3,
        hashes: inclusion_proof_of(&leaves(&segment.cores), 3).expect("it is there"),
        event: world.entries[segment.seq as usize].clone(),
        commitments: vec![],
        disclosures: vec![],
        log: log_proof(&world, segment.seq),
    };
    let text = proof.to_string();
    assert_eq!(RecordProof::parse(&text).expect("it reads back"), proof);
    match proof.check().expect("it holds").core {
        AnyRecord::Access(core) => assert_eq!(*core, segment.cores[3]),
        other => panic!("{other:?}"),
    }
    assert!(RecordProof { schema: 1, ..proof.clone() }.check().is_err(), "it is no inference");
    let options = verify::Options { log_vkey: Some(signer().verifier_key().clone()), ..verify::Options::default() };
    let report = verify::verify_proof(&text, None, &options);
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    if available() {
        assert_eq!(second_opinion(text.as_bytes()).0["verdicts"][0]["verdict"], "pass");
        let wrong = text.replace("schema 2", "schema 1");
        assert_eq!(second_opinion(wrong.as_bytes()).0["verdicts"][0]["verdict"], "fail");
    }
}
