//! Record proofs, event proofs and bare tlog-proofs.

use domain::serving::InferenceCore;
use domain::{Entry, Record};
use hmac::{Hmac, KeyInit, Mac};
use merkle::{Hash, TlogProof, inclusion_proof_of, leaf_hash};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use verify::{
    AnyRecord, CERTIFICATE, Certificate, CertifiedEvent, Claim, Disclosure, ERASURE_LIMITS, ERASURE_METHOD, EventProof,
    Options, RecordProof, Verdict, verify_proof,
};

use crate::world::{ORIGIN, World, leaves, signer};

pub fn log_proof(world: &World, index: u64) -> TlogProof {
    let hashes: Vec<Hash> = world.entries.iter().map(|entry| leaf_hash(entry)).collect();
    let checkpoint = world.checkpoint(hashes.len());
    TlogProof { extra: None, index, hashes: inclusion_proof_of(&hashes, index).expect("an entry"), checkpoint }
}

pub fn record_proof(world: &World, segment: usize, index: u64) -> RecordProof {
    let segment = &world.segments[segment];
    RecordProof {
        schema: 1,
        record: segment.cores[index as usize].encode(),
        index,
        hashes: inclusion_proof_of(&leaves(&segment.cores), index).expect("a record"),
        event: world.entries[segment.seq as usize].clone(),
        commitments: vec![],
        disclosures: vec![],
        log: log_proof(world, segment.seq),
    }
}

fn keyed() -> Options {
    Options { log_vkey: Some(signer().verifier_key().clone()), ..Options::default() }
}

#[test]
fn every_record_is_proven_and_prints_back() {
    let world = World::full();
    for (segment, sealed) in world.segments.iter().enumerate() {
        for index in 0..sealed.body.n {
            let text = record_proof(&world, segment, index).to_string();
            let proof = RecordProof::parse(&text).expect("it parses");
            assert_eq!(proof.to_string(), text);
            let core = AnyRecord::Inference(Box::new(sealed.cores[index as usize].clone()));
            assert_eq!(proof.check().expect("it holds").core, core);
            let report = verify_proof(&text, None, &keyed());
            assert_eq!((report.verdict(Claim::Integrity), report.exit), (Verdict::Pass, 0), "{report}");
        }
    }
}

#[test]
fn a_proof_of_another_record_place_or_event_fails() {
    let world = World::full();
    let check = |change: &dyn Fn(&mut RecordProof)| {
        let mut proof = record_proof(&world, 0, 2);
        change(&mut proof);
        let report = verify_proof(&proof.to_string(), None, &keyed());
        assert_eq!((report.verdict(Claim::Integrity), report.exit), (Verdict::Fail, 1), "{report}");
    };
    check(&|proof| proof.record = world.segments[0].cores[1].encode());
    check(&|proof| proof.index = 1);
    check(&|proof| proof.hashes[0][0] ^= 1);
    check(&|proof| proof.event = world.entries[world.segments[1].seq as usize].clone());
    check(&|proof| proof.event = world.entries[0].clone());
    check(&|proof| proof.log = log_proof(&world, 0));
    check(&|proof| proof.record.truncate(40));
}

/// A record that commits to two payload fields, and a world that sealed it alone.
pub fn committed() -> (World, [Hash; 2], Hash) {
    let mac = |key: &[u8], parts: &[&[u8]]| -> Hash {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let salts = [1_u16, 2].map(|field| mac(&[5; 32], &[&field.to_le_bytes()]));
    let commitments = [mac(&salts[0], &[&[1, 0], b"declined"]), mac(&salts[1], &[&[2, 0], b""])];
    let root = Sha256::new().chain_update(b"cf/c/v1").chain_update([2, 0]).chain_update(commitments.as_flattened());
    let mut world = World::full();
    let segment = &mut world.segments[1];
    segment.cores[0].c_root = root.finalize().to_vec();
    segment.body.root = merkle::hex(&merkle::root_of(&leaves(&segment.cores)));
    let event = domain::Event::SegmentSealed(segment.body.clone());
    let mut entry = domain::Entry::decode(&world.entries[segment.seq as usize]).expect("an entry");
    entry.event = event;
    world.entries[segment.seq as usize] = entry.encode().expect("fits");
    (world, commitments, salts[0])
}

#[test]
fn a_disclosed_field_is_the_one_that_was_sealed() {
    let (world, commitments, salt) = committed();
    let mut proof = record_proof(&world, 1, 0);
    proof.commitments = commitments.to_vec();
    proof.disclosures = vec![Disclosure { field: 1, salt, value: b"declined".to_vec() }];
    assert_eq!(RecordProof::parse(&proof.to_string()).expect("it parses"), proof);
    let report = verify_proof(&proof.to_string(), None, &keyed());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    assert!(report.to_string().contains("1 disclosed payload fields"), "{report}");

    let check = |change: &dyn Fn(&mut RecordProof)| {
        let mut proof = proof.clone();
        change(&mut proof);
        let report = verify_proof(&proof.to_string(), None, &keyed());
        assert_eq!(report.verdict(Claim::Integrity), Verdict::Fail, "{report}");
    };
    check(&|proof| proof.disclosures[0].value = b"accepted".to_vec());
    check(&|proof| proof.disclosures[0].field = 2);
    check(&|proof| proof.commitments.swap(0, 1));
    check(&|proof| proof.commitments.clear());
}

#[test]
fn given_a_certificate_when_it_says_otherwise_than_is_fixed_or_proven_then_that_is_named() {
    let world = World::full();
    let size = world.entries.len();
    let proven = |size: usize| {
        let hashes: Vec<Hash> = world.entries[..size].iter().map(|entry| leaf_hash(entry)).collect();
        let hashes = inclusion_proof_of(&hashes, 0).expect("an entry");
        let log = TlogProof { extra: None, index: 0, hashes, checkpoint: world.checkpoint(size) };
        let entry = world.entries[0].clone();
        CertifiedEvent::of(&Entry::decode(&entry).expect("an entry"), &EventProof { entry, log })
    };
    let whole = Certificate {
        format: CERTIFICATE.into(),
        organisation: "Example Lending".into(),
        origin: ORIGIN.into(),
        log_vkey: signer().verifier_key().to_string(),
        size: size as u64,
        root: merkle::hex(&world.root(size)),
        request: "q_1".into(),
        subjects: vec![],
        received_at: 0,
        completed_at: 0,
        method: ERASURE_METHOD.into(),
        limits: ERASURE_LIMITS.map(str::to_owned).to_vec(),
        events: vec![proven(size)],
    };
    let report = |change: &dyn Fn(&mut Certificate)| {
        let mut certificate = whole.clone();
        change(&mut certificate);
        verify_proof(&serde_json::to_string(&certificate).expect("JSON"), None, &keyed())
    };
    let alone = report(&|_| ());
    assert_eq!(
        (alone.verdict(Claim::Integrity), alone.verdict(Claim::Erasure)),
        (Verdict::Pass, Verdict::Fail),
        "{alone}"
    );
    let refused = |code: &str, change: &dyn Fn(&mut Certificate)| {
        let report = report(change);
        assert!(report.has(code) && report.exit == 1, "{code}: {report}");
    };
    refused("certificate.method", &|of| of.method.push('.'));
    refused("certificate.limits", &|of| drop(of.limits.pop()));
    refused("certificate.organisation", &|of| of.organisation.push('.'));
    refused("certificate.organisation", &|of| of.events.clear());
    refused("certificate.key", &|of| of.log_vkey.push('A'));
    refused("certificate.differs", &|of| of.events = vec![proven(size - 1)]);
}

#[test]
fn an_event_is_proven_with_a_key_and_unknown_without() {
    let world = World::full();
    let proof = EventProof { entry: world.entries[5].clone(), log: log_proof(&world, 5) };
    let text = proof.to_string();
    assert_eq!(EventProof::parse(&text).expect("it parses"), proof);
    let report = verify_proof(&text, None, &keyed());
    assert_eq!((report.verdict(Claim::Integrity), report.exit), (Verdict::Pass, 0), "{report}");
    assert_eq!(report.verdict(Claim::Completeness), Verdict::Unknown);
    let report = verify_proof(&text, None, &Options::default());
    assert_eq!((report.verdict(Claim::Integrity), report.exit), (Verdict::Unknown, 2), "{report}");

    let bare = log_proof(&world, 5).to_string();
    let report = verify_proof(&bare, Some(&world.entries[5]), &keyed());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Pass, "{report}");
    let report = verify_proof(&bare, Some(&world.entries[4]), &keyed());
    assert_eq!(report.verdict(Claim::Integrity), Verdict::Fail, "{report}");
    assert_eq!(verify_proof(&bare, None, &keyed()).verdict(Claim::Integrity), Verdict::Unknown);
}

#[test]
fn lines_out_of_place_are_named() {
    let text = record_proof(&World::full(), 0, 2).to_string();
    for (from, to, expected) in [
        ("schema 1", "schema 3", "expected `schema"),
        ("index 2\n", "index 02\n", "expected `index` and a number in line 4"),
        ("event ", "evnt ", "expected a hash in base64, or `event` and base64 in line 8"),
        ("\n\nc2sp", "\ndisclose 1\n\nc2sp", "expected `commits` and base64 of 32 bytes for each field in line 9"),
        ("\n\n", "\n", "expected"),
    ] {
        let error = RecordProof::parse(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "(counterfoil/(record|event)-proof@v1\n)?(schema 1\n)?(record |entry |index )?[A-Za-z0-9+/= \n]{0,80}") {
        prop_assert!(verify_proof(&text, None, &Options::default()).exit > 0);
    }

    #[test]
    fn any_flipped_character_of_a_proof_is_noticed(at in any::<prop::sample::Index>(), to in 0x20..0x7f_u8) {
        let whole = record_proof(&World::full(), 1, 1).to_string();
        let mut bytes = whole.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(text) = String::from_utf8(bytes) && text != whole {
            prop_assert_ne!(verify_proof(&text, None, &keyed()).verdict(Claim::Integrity), Verdict::Pass);
        }
    }
}

#[test]
fn a_record_that_names_another_place_is_refused() {
    let mut world = World::full();
    let odd = InferenceCore { node_seq: 77, ..world.segments[1].cores[0].clone() };
    world.segments[1].cores[0] = odd;
    let segment = &mut world.segments[1];
    segment.body.root = merkle::hex(&merkle::root_of(&leaves(&segment.cores)));
    let mut entry = domain::Entry::decode(&world.entries[segment.seq as usize]).expect("an entry");
    entry.event = domain::Event::SegmentSealed(segment.body.clone());
    world.entries[segment.seq as usize] = entry.encode().expect("fits");
    let report = verify_proof(&record_proof(&world, 1, 0).to_string(), None, &keyed());
    assert!(report.to_string().contains("number 77"), "{report}");
}
