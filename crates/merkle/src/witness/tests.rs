use proptest::prelude::*;

use super::*;
use crate::cosignature::CosignerKey;
use crate::encoding::{hash_from_hex, unhex};
use crate::key::SignerKey;
use crate::path::consistency_proof_of;
use crate::tree::root_of;
use crate::tree::tests::numbered;

/// The example request of C2SP tlog-witness.
const SPEC_REQUEST: &str = "old 20852014\n\
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
    5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
    /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
    \n\
    example.com/behind-the-sofa\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    \n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

/// Its example answer.
const SPEC_ANSWER: &str = "— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==\n\
    — witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==\n\
    — witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==\n";

const ORIGIN: &str = "example.com/log";

fn log() -> SignerKey {
    SignerKey::ed25519(ORIGIN, &[1; 32]).unwrap()
}

fn root(size: usize) -> Hash {
    root_of(&numbered(size))
}

fn stored(size: usize) -> Option<(u64, Hash)> {
    Some((size as u64, root(size)))
}

fn signed(key: &SignerKey, text: &str) -> String {
    let mut note = Note::new(text).unwrap();
    note.signatures.push(key.sign_note(text));
    note.to_string()
}

fn text(size: u64, root: Hash) -> String {
    Checkpoint { origin: ORIGIN.to_owned(), size, root, extensions: vec![] }.to_text()
}

/// An honest request to go from one size to another.
fn request(old: usize, new: usize) -> AddCheckpoint {
    AddCheckpoint {
        old: old as u64,
        proof: consistency_proof_of(&numbered(new), old as u64).unwrap(),
        checkpoint: signed(&log(), &text(new as u64, root(new))),
    }
}

#[track_caller]
fn check(stored: Option<(u64, Hash)>, request: &AddCheckpoint, status: u16) {
    let decision = decide(stored, request, log().verifier_key());
    assert_eq!(decision.status(), status, "{decision:?}");
    match decision {
        WitnessDecision::Cosign { checkpoint } => assert!(request.checkpoint.starts_with(&checkpoint.to_text())),
        WitnessDecision::Conflict { size } => assert_eq!(size, stored.map_or(0, |(size, _)| size)),
        _ => {}
    }
}

#[test]
fn the_examples_of_the_specification_are_read() {
    let request = AddCheckpoint::parse(SPEC_REQUEST).unwrap();
    assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
    assert_eq!(request.origin(), "example.com/behind-the-sofa");
    assert_eq!(Note::parse(&request.checkpoint).unwrap().signatures.len(), 2);
    assert_eq!(request.to_string(), SPEC_REQUEST);

    let lines = parse_cosignatures(SPEC_ANSWER).unwrap();
    assert!(lines.iter().all(|line| line.signature.len() == 72));
    assert_eq!(format_cosignatures(&lines), SPEC_ANSWER);
}

#[test]
fn honest_steps_are_cosigned() {
    check(None, &request(0, 5), 200);
    check(None, &request(0, 0), 200);
    check(stored(5), &request(5, 5), 200);
    for old in 0..20 {
        check(stored(old), &request(old, 20), 200);
    }
}

#[test]
fn a_stale_old_size_is_told_the_stored_one() {
    check(stored(7), &request(5, 9), 409);
    check(stored(5), &request(7, 9), 409);
    check(stored(5), &request(0, 9), 409);
    check(None, &request(5, 9), 409);
}

#[test]
fn the_same_size_with_another_root_is_a_conflict() {
    let mut forked = request(5, 5);
    forked.checkpoint = signed(&log(), &text(5, root(6)));
    check(stored(5), &forked, 409);
    let mut not_empty = request(0, 0);
    not_empty.checkpoint = signed(&log(), &text(0, root(6)));
    check(None, &not_empty, 409);
}

#[test]
fn a_rewritten_history_is_refused() {
    check(Some((5, root(6))), &request(5, 9), 422);
    let mut padded = request(0, 5);
    padded.proof.push([0; 32]);
    check(None, &padded, 422);
    let mut padded = request(5, 5);
    padded.proof.push([0; 32]);
    check(stored(5), &padded, 422);
    let mut cut = request(5, 9);
    cut.proof.pop();
    check(stored(5), &cut, 422);
}

#[test]
fn only_checkpoints_of_the_log_are_considered() {
    let mut other = request(0, 5);
    let other_log = SignerKey::ed25519("example.com/other", &[1; 32]).unwrap();
    let other_text = text(5, root(5)).replace(ORIGIN, "example.com/other");
    other.checkpoint = signed(&other_log, &other_text);
    check(None, &other, 404);
    // The right key may not speak for another log either.
    other.checkpoint = signed(&log(), &other_text);
    check(None, &other, 404);

    let mut forged = request(0, 5);
    forged.checkpoint = signed(&other_log, &text(5, root(5)));
    check(None, &forged, 403);
    forged.checkpoint = request(0, 5).checkpoint.replace("\n5\n", "\n6\n");
    check(None, &forged, 403);

    let mut smaller = request(0, 5);
    smaller.old = 6;
    check(stored(6), &smaller, 400);
    let mut nonsense = request(0, 5);
    nonsense.checkpoint = signed(&log(), &format!("{ORIGIN}\nfive\n"));
    check(None, &nonsense, 400);
    nonsense.checkpoint = String::new();
    check(None, &nonsense, 400);
}

/// The run of requests that litewitness is tested with (`testdata/litewitness.txt`, ISC licence), with signatures that
/// sigsum made, of a log whose leaf hashes are `2a00..`, `2a01..` and so on.
#[test]
fn a_witness_of_another_implementation_decides_the_same() {
    let origin = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
    let public = unhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f").unwrap();
    let log = log_key(origin, &public);
    let leaf = |n: u8| {
        let mut leaf = [0; 32];
        (leaf[0], leaf[1]) = (0x2a, n);
        leaf
    };
    let leaves: Vec<Hash> = (0..5).map(leaf).collect();
    let request = |old: u64, size: u64, root: &str, signature: &str| {
        let text = format!("{origin}\n{size}\n{}\n", b64(&unhex(root).unwrap()));
        let mut note = Note::new(text).unwrap();
        note.signatures.push(NoteSignature {
            name: origin.to_owned(),
            key_id: log.key_id(),
            signature: unhex(signature).unwrap(),
        });
        AddCheckpoint {
            old,
            proof: consistency_proof_of(&leaves[..size as usize], old).unwrap(),
            checkpoint: note.to_string(),
        }
    };
    let root_3 = "45c088d4d939e9971298811f227d1295eaad57bbafae55cd71c171e7de48c25d";
    let signature_3 = "655bb4871d15bc05032d67eece88900c4863a27f190393b99176391577f5def9\
        71b023d9a418c3226b7b7ea47b33686d9b3849451dadc6b07c007c595af1ea0a";
    let one = request(
        0,
        1,
        "2a00000000000000000000000000000000000000000000000000000000000000",
        "b7cf653aa9c565a1ca359db81bd3bc656ab2890c6ea4c0aec42295e80aa05049\
         423505026434f987923ccdf07d440c152cd59e736e5914d8ada8d7a4d51b2106",
    );
    let three = request(1, 3, root_3, signature_3);
    let forged = request(1, 3, root_3, &signature_3.replace("ea0a", "ea0b"));
    let five = |old: u64| {
        request(
            old,
            5,
            "42bb57ad06420afa4882c4a63ac6a1ec77480b330b2f20dfc53a0caa5f564e36",
            "0fc43899968b48b5150b0e8fe7ad07b17c21c7056a6fe381deb0cd19ece103d5\
             9b2119b5dbe5d54d8a1262ce67f01245c5898b4b56f747495804a17a2eec0f0c",
        )
    };
    let state = |size: usize| Some((size as u64, root_of(&leaves[..size])));
    let status = |stored, request: &AddCheckpoint| decide(stored, request, &log).status();
    assert_eq!(status(None, &one), 200);
    assert_eq!(status(state(1), &forged), 403);
    let mut without_proof = three.clone();
    without_proof.proof.clear();
    assert_eq!(status(state(1), &without_proof), 422);
    let mut wrong_proof = three.clone();
    wrong_proof.proof[1][31] = 1;
    assert_eq!(status(state(1), &wrong_proof), 422);
    assert_eq!(status(state(1), &three), 200);
    assert_eq!(status(state(3), &five(1)), 409);
    assert_eq!(status(state(3), &five(3)), 200);
    assert_eq!(root_of(&leaves[..3]), hash_from_hex(root_3).unwrap());
}

/// The verifier key of a log, from its public key.
fn log_key(origin: &str, public: &[u8]) -> VerifierKey {
    let typed = [&[1], public].concat();
    let id = signed_note::key_id(origin, &typed);
    format!("{origin}+{id:08x}+{}", b64(&typed)).parse().unwrap()
}

#[test]
fn an_answer_is_merged_into_the_checkpoint() {
    let request = request(0, 5);
    let mut note = Note::parse(&request.checkpoint).unwrap();
    let witness = CosignerKey::new("witness.example/w1", &[2; 32]).unwrap();
    let answer = format_cosignatures(&[witness.sign(&note.text, 7)]);
    note.signatures.extend(parse_cosignatures(&answer).unwrap());
    let verified = witness.verifier_key().verify(&Note::parse(note.to_string()).unwrap()).unwrap();
    assert_eq!(verified.timestamp, Some(7));
}

#[test]
fn what_is_not_a_request_or_answer_is_refused_with_a_reason() {
    let check = |body: &str, expected: WitnessError| assert_eq!(AddCheckpoint::parse(body), Err(expected), "{body}");
    let (_, note) = SPEC_REQUEST.split_once("\n\n").unwrap();
    check("", WitnessError::NoCheckpoint);
    check("old 1\n", WitnessError::NoCheckpoint);
    check(&format!("\n\n{note}"), WitnessError::BadOldSize(String::new()));
    check(&format!("old 01\n\n{note}"), WitnessError::BadOldSize("old 01".to_owned()));
    check(&format!("old  1\n\n{note}"), WitnessError::BadOldSize("old  1".to_owned()));
    check(&format!("old 1\nAAAA\n\n{note}"), WitnessError::BadHash("AAAA".to_owned()));
    check("old 1\n\ntext\n", WitnessError::Note(NoteError::NoSignatures));
    let hash = format!("{}\n", b64(&[0; 32]));
    let body = |count: usize| format!("old 1\n{}\n{note}", hash.repeat(count));
    assert_eq!(AddCheckpoint::parse(body(63)).unwrap().proof.len(), 63);
    check(&body(64), WitnessError::TooManyHashes);
    let bytes = MAX_REQUEST_BYTES + 1;
    assert_eq!(AddCheckpoint::parse(vec![b'\n'; bytes]), Err(WitnessError::TooLong { bytes }));
    assert_eq!(AddCheckpoint::parse([0xff]), Err(WitnessError::NoCheckpoint));

    assert_eq!(parse_cosignatures(""), Err(NoteError::NoSignatures));
    assert_eq!(parse_cosignatures("\n"), Err(NoteError::BadSignatureLine(String::new())));
    assert_eq!(parse_cosignatures(SPEC_ANSWER.trim_end()), Err(NoteError::NoSignatures));
    assert_eq!(parse_cosignatures(&SPEC_ANSWER.repeat(34)), Err(NoteError::TooManySignatures));
}

proptest! {
    #[test]
    fn requests_round_trip(old: u64, proof in prop::collection::vec(any::<Hash>(), 0..=63)) {
        let request = AddCheckpoint { old, proof, checkpoint: request(0, 1).checkpoint };
        prop_assert_eq!(AddCheckpoint::parse(request.to_string()), Ok(request));
    }

    #[test]
    fn any_body_is_read_without_panic(body: Vec<u8>, text: String) {
        for body in [body, format!("old 1\n{text}").into_bytes()] {
            if let Ok(request) = AddCheckpoint::parse(&body) {
                prop_assert_eq!(request.to_string().into_bytes(), body);
            }
        }
        if let Ok(lines) = parse_cosignatures(&text) {
            prop_assert_eq!(format_cosignatures(&lines), text);
        }
    }
}
