use std::error::Error as _;

use proptest::prelude::*;

use super::*;
use crate::cosignature::CosignerKey;
use crate::key::SignerKey;
use crate::path::inclusion_proof_of;
use crate::tree::root_of;
use crate::tree::tests::numbered;

const SIZE: u64 = 21;

fn log() -> SignerKey {
    SignerKey::ed25519("example.com/fancylog", &[1; 32]).unwrap()
}

fn witness() -> CosignerKey {
    CosignerKey::new("witness1.example", &[2; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "example.com/fancylog".to_owned(),
        size: SIZE,
        root: root_of(&numbered(SIZE as usize)),
        extensions: vec![],
    }
}

/// A proof of `leaf <index>` in a log of 21, cosigned by one witness.
fn proof(index: u64) -> TlogProof {
    let text = checkpoint().to_text();
    let mut note = Note::new(text.as_str()).unwrap();
    note.signatures = vec![log().sign_note(&text), witness().sign(&text, 1_700_000_000)];
    TlogProof {
        extra: None,
        index,
        hashes: inclusion_proof_of(&numbered(SIZE as usize), index).unwrap(),
        checkpoint: note.to_string(),
    }
}

fn verify(proof: &TlogProof, entry: &str, policy: Option<&Policy>) -> Result<Checkpoint, TlogProofError> {
    proof.verify(entry.as_bytes(), log().verifier_key(), policy)
}

/// The head of the example of C2SP tlog-proof, whose signatures are shortened there.
const SPEC_HEAD: &str = "c2sp.org/tlog-proof@v1\n\
    index 73894\n\
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
    EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n\
    RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
    AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n";

#[test]
fn the_format_is_that_of_the_specification() {
    let note = proof(0).checkpoint;
    let text = format!("{SPEC_HEAD}\n{note}");
    let read = TlogProof::parse(&text).unwrap();
    assert_eq!((read.index, read.hashes.len(), &read.extra), (73_894, 5, &None));
    assert_eq!(b64(&read.hashes[4]), "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=");
    assert_eq!(read.checkpoint, note);
    assert_eq!(read.to_string(), text);

    let text = text.replace("index", "extra YWdlLXYxLjIuMQ==\nindex");
    let read: TlogProof = text.parse().unwrap();
    assert_eq!(read.extra.as_deref(), Some(b"age-v1.2.1".as_slice()));
    assert_eq!(read.to_string(), text);
}

#[test]
fn every_entry_is_proven_and_no_other() {
    for index in 0..SIZE {
        let proof = TlogProof::parse(&proof(index).to_string()).unwrap();
        assert_eq!(verify(&proof, &format!("leaf {index}"), None), Ok(checkpoint()));
        assert_eq!(
            verify(&proof, "leaf 99", None),
            Err(TlogProofError::Inclusion { index, source: ProofError::RootMismatch })
        );
    }
    let other = SignerKey::ed25519("example.com/fancylog", &[9; 32]).unwrap();
    let error = proof(3).verify(b"leaf 3", other.verifier_key(), None).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint of the proof is not by the log");
    assert!(error.source().unwrap().to_string().starts_with("the note is not signed by `example.com/fancylog+"));
}

#[test]
fn the_policy_has_the_last_word() {
    let policy = |text: String| Policy::parse(&text).unwrap();
    let check = |policy: Policy, expected: Result<(), &str>| {
        let result = verify(&proof(3), "leaf 3", Some(&policy));
        assert_eq!(result.map(drop).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    };
    let (l, w) = (log(), witness());
    let (l, w) = (l.verifier_key(), w.verifier_key());
    let other_log = SignerKey::ed25519("example.com/other", &[8; 32]).unwrap();
    let other_witness = CosignerKey::new("witness2.example", &[8; 32]).unwrap();
    let both = format!("witness one {w}\nwitness two {}\ngroup g all one two\n", other_witness.verifier_key());
    check(policy("quorum none\n".to_owned()), Ok(()));
    check(policy(format!("log {l}\nwitness one {w}\nquorum one\n")), Ok(()));
    check(policy(format!("{both}quorum one\n")), Ok(()));
    check(
        policy(format!("log {}\nquorum none\n", other_log.verifier_key())),
        Err("the policy does not list the log `example.com/fancylog` with the key that signed"),
    );
    check(policy(format!("{both}quorum g\n")), Err("the policy asks for more witnesses; these cosigned: `one`"));
}

#[test]
fn what_is_not_a_proof_is_refused_with_a_reason() {
    let note = proof(0).checkpoint;
    let check = |text: String, expected: TlogProofError| assert_eq!(TlogProof::parse(&text), Err(expected), "{text}");
    let bad_line = |line: &str| TlogProofError::BadLine(line.to_owned());
    check("".to_owned(), TlogProofError::NoCheckpoint);
    check(SPEC_HEAD.to_owned(), TlogProofError::NoCheckpoint);
    check(format!("{SPEC_HEAD}{note}"), bad_line("example.com/fancylog"));
    check(format!("c2sp.org/tlog-proof@v2\nindex 0\n\n{note}"), TlogProofError::NotAProof);
    check(format!("{HEADER}\n\n{note}"), bad_line(""));
    check(format!("{HEADER}\nindex 00\n\n{note}"), bad_line("index 00"));
    check(format!("{HEADER}\nindex -1\n\n{note}"), bad_line("index -1"));
    check(format!("{HEADER}\nextra A\nindex 0\n\n{note}"), bad_line("A"));
    check(format!("{HEADER}\nindex 0\nextra AAAA\n\n{note}"), bad_line("extra AAAA"));
    check(format!("{HEADER}\nindex 0\nAAAA\n\n{note}"), bad_line("AAAA"));
    let hash = format!("{}\n", b64(&[0; 32]));
    check(format!("{HEADER}\nindex 0\n{}\n{note}", hash.repeat(65)), TlogProofError::TooManyHashes);
    check(format!("{HEADER}\nindex 0\n\ncheckpoint\n"), TlogProofError::Note(NoteError::NoSignatures));
    check(" ".repeat(MAX_PROOF_BYTES + 1), TlogProofError::TooLong { bytes: MAX_PROOF_BYTES + 1 });
}

proptest! {
    #[test]
    fn proofs_round_trip(index: u64, hashes in prop::collection::vec(any::<Hash>(), 0..=64), extra: Option<Vec<u8>>) {
        let proof = TlogProof { extra, index, hashes, checkpoint: proof(0).checkpoint };
        prop_assert_eq!(TlogProof::parse(&proof.to_string()), Ok(proof));
    }

    /// One changed byte anywhere: the proof is refused, or the byte was in what nobody relies on.
    #[test]
    fn a_changed_byte_is_noticed(place: prop::sample::Index, byte in b' '..=b'~') {
        let proof = proof(5);
        let original = proof.to_string();
        let mut changed = original.clone().into_bytes();
        let place = place.index(changed.len());
        changed[place] = byte;
        let Ok(changed) = String::from_utf8(changed) else { return Ok(()) };
        let cosignature = original.rfind("— witness1").unwrap();
        prop_assume!(changed != original && place < cosignature);
        let verdict = TlogProof::parse(&changed).and_then(|proof| verify(&proof, "leaf 5", None));
        prop_assert!(verdict.is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_read_without_panic(text: String) {
        for text in [text.clone(), format!("{HEADER}\nindex 1\n{text}")] {
            if let Ok(proof) = TlogProof::parse(&text) {
                prop_assert_eq!(proof.to_string(), text);
            }
        }
    }
}
