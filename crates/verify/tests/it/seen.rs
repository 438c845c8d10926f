//! A checkpoint that the auditor kept, newer than what is verified: older is not rolled back.

use merkle::{AddCheckpoint, Policy, consistency_proof_of, leaf_hash};
use verify::{Claim, EventProof, Options, Verdict, verify_package, verify_proof};

use crate::damage::{assert_fails, options};
use crate::proofs::log_proof;
use crate::world::{HOUR_MS, World, witness};

#[test]
fn an_older_package_is_no_rollback_and_a_proof_shows_whether_it_is_the_beginning_of_what_was_seen() {
    let older = World::full();
    let size = older.entries.len() as u64;
    let mut newer = older.clone();
    (0..9).for_each(|_| newer.refuse());
    let hashes: Vec<_> = newer.entries.iter().map(|entry| leaf_hash(entry)).collect();
    let checkpoint = newer.checkpoint(newer.entries.len());
    let asked = |old: u64, checkpoint: &str| {
        let proof = consistency_proof_of(&hashes, old).expect("a proof");
        AddCheckpoint { old, proof, checkpoint: checkpoint.to_owned() }.to_string()
    };
    let held_to = |seen: String| {
        let options = Options { seen: Some(seen), ..options(&older) };
        verify_package(older.package().zip(), &options)
    };
    let report = held_to(asked(size, &checkpoint));
    assert_eq!((report.exit, report.has("seen.begins")), (0, true), "{report}");
    assert!(report.to_string().contains("9 entries came after it"), "{report}");
    // Without a proof, or with one from elsewhere, it is unknown: the package is older, and that is all.
    for seen in [checkpoint.clone(), asked(3, &checkpoint)] {
        let report = held_to(seen);
        assert_eq!((report.exit, report.verdict(Claim::Integrity)), (2, Verdict::Unknown), "{report}");
        assert!(report.has("seen.newer") && report.to_string().contains("checkpoint --since 11"), "{report}");
    }
    let mut other = World::new();
    (0..18).for_each(|_| other.refuse());
    let forked = held_to(asked(size, &other.checkpoint(newer.entries.len())));
    assert_fails(&forked, Claim::Integrity, "seen.proof");
    for nonsense in ["old 11\n\nno note\n", "old x\n\n", ""] {
        assert_fails(&held_to(nonsense.to_owned()), Claim::Integrity, "seen.signature");
    }
    // The same for a proof of one entry.
    let proof = EventProof { entry: older.entries[5].clone(), log: log_proof(&older, 5) }.to_string();
    let of_entry = |seen: String| verify_proof(&proof, None, &Options { seen: Some(seen), ..options(&older) });
    assert!(of_entry(asked(size, &checkpoint)).has("seen.begins"));
    assert_eq!(of_entry(checkpoint).verdict(Claim::Integrity), Verdict::Unknown);
    assert!(of_entry(older.checkpoint(3)).has("seen.unconnected"));
}

#[test]
fn a_log_that_went_on_from_fewer_entries_than_a_witness_saw_is_no_older_package() {
    let mut world = World::full();
    let vkey = witness().verifier_key().to_string();
    let policy = Policy::parse(&format!("witness w {vkey}\nquorum w\n")).expect("a policy");
    world.cosigned_at = Some(u64::try_from(world.now / 1000).expect("after 1970"));
    let seen = world.checkpoint(world.entries.len());
    let options = Options { seen: Some(seen), policy: Some(policy), ..options(&world) };
    let mut cut = World::new();
    cut.cosigned_at = world.cosigned_at;
    let older = verify_package(cut.package().zip(), &options);
    assert_eq!((older.exit, older.has("seen.newer")), (2, true), "{older}");
    cut.now = world.now + HOUR_MS;
    cut.refuse();
    let report = verify_package(cut.package().zip(), &options);
    assert_eq!((report.exit, report.has("log.rollback")), (3, true), "{report}");
}
