//! The seeds that fuzzing starts from are a whole package and whole proofs; `UPDATE_SEEDS=1` writes them anew.

use std::path::Path;

use verify::{Claim, EventProof, Options, Verdict, verify_package, verify_proof};

use crate::proofs::{log_proof, record_proof};
use crate::world::{World, signer};

fn seed(name: &str, fresh: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("room");
        std::fs::write(&path, fresh).expect("room");
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE_SEEDS=1", path.display()))
}

#[test]
fn the_seeds_of_the_fuzz_targets_are_whole() {
    let world = World::full();
    let options = Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() };
    let package = seed("package/full.zip", &world.package().zip());
    assert_eq!(verify_package(package, &options).verdict(Claim::Integrity), Verdict::Pass);
    let event = EventProof { entry: world.entries[5].clone(), log: log_proof(&world, 5) };
    for (name, fresh) in [
        ("record_proof/record.txt", record_proof(&world, 0, 3).to_string()),
        ("record_proof/event.txt", event.to_string()),
    ] {
        let text = String::from_utf8(seed(name, fresh.as_bytes())).expect("text");
        let report = verify_proof(&text, None, &options);
        assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    }
    let checkpoint = seed("note/checkpoint.txt", world.checkpoint(world.entries.len()).as_bytes());
    assert!(merkle::Note::parse(checkpoint).is_ok());
    let proof = seed("tlog_proof/proof.txt", log_proof(&world, 5).to_string().as_bytes());
    assert!(merkle::TlogProof::parse(&String::from_utf8(proof).expect("text")).is_ok());
}
