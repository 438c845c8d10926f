use proptest::prelude::*;
use signed_note::{Signer as _, StandardSigner, StandardVerifier, Verifier as _, VerifierList};

use super::*;

/// The verifier key, text and signature that C2SP signed-note gives as test vectors.
const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\
    \n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The keys and the note that the Go module `sumdb/note` is tested with (BSD licence).
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const SIGNED: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn vkey(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

#[test]
fn the_vectors_of_the_specification_hold() {
    let key = vkey(SPEC_KEY);
    assert_eq!(key.name(), "example.com/foo");
    assert_eq!(key.key_id(), 0x530d_903a);
    assert_eq!(key.algorithm(), KeyAlgorithm::Ed25519);
    assert_eq!(crate::hex(key.public_key()), "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4");
    assert_eq!(key.to_string(), SPEC_KEY);
    let note = Note::parse(SPEC_NOTE).unwrap();
    assert_eq!(key.verify(&note), Ok(Verified { timestamp: None }));
}

#[test]
fn the_go_checksum_database_is_verified() {
    let key = vkey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
    let note = Note::parse(
        "go.sum database tree\n\
         3784599\n\
         7uvxIZ67TZygcq/AehTD8iHYt81Ih+Zl2Y7vXZbfszQ=\n\
         \n\
         — sum.golang.org Az3grn972wXskjQrsZhVGc93fTU2uOsmSTiId1Wn1lxDCup5z4ggl1/4gaUqOkMa6cMbYvjB7hn7yemNr7Zqanol/go=\n",
    );
    assert_eq!(key.verify(&note.unwrap()), Ok(Verified { timestamp: None }));
}

#[test]
fn signing_is_that_of_the_reference_implementation() {
    let typed = unb64(PETER_SECRET.splitn(5, '+').last().unwrap()).unwrap();
    let seed = typed[1..].try_into().unwrap();
    let signer = SignerKey::ed25519("PeterNeumann", &seed).unwrap();
    assert_eq!(signer.verifier_key().to_string(), PETER);
    let mut note = Note::new(TEXT).unwrap();
    note.signatures.push(signer.sign_note(TEXT));
    assert_eq!(note.to_string(), SIGNED);
    assert_eq!(format!("{signer:?}"), format!("SignerKey {{ verifier: {PETER:?}, .. }}"));
}

#[test]
fn only_the_own_signatures_count_and_all_of_them_must_hold() {
    let note = Note::parse(SIGNED).unwrap();
    assert_eq!(vkey(PETER).verify(&note), Ok(Verified { timestamp: None }));
    assert_eq!(vkey(ENOCH).verify(&note), Err(NoteError::NotSigned { key: "EnochRoot+af0cfe78".to_owned() }));
    let bad = Err(NoteError::BadSignature { key: "PeterNeumann+c74f20a3".to_owned() });
    let mut other_text = note.clone();
    other_text.text.insert(0, ' ');
    assert_eq!(vkey(PETER).verify(&other_text), bad);
    let mut one_bad = note.clone();
    one_bad.signatures.push(note.signatures[0].clone());
    one_bad.signatures[1].signature[5] ^= 1;
    assert_eq!(vkey(PETER).verify(&one_bad), bad);
    let mut short = note;
    short.signatures[0].signature.pop();
    assert_eq!(vkey(PETER).verify(&short), bad);
}

#[test]
fn what_is_not_a_verifier_key_is_refused_with_a_reason() {
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<VerifierKey>().unwrap_err().to_string(), expected);
    };
    let malformed = |text: &str| format!("`{text}` is not a verifier key; write it as `name+8 hex digits+base64`");
    for text in ["", "a", "a+00000000", "a+00000000+", "a+0000000+AQ==", "a+0000000G+AQ==", "a+00000000+AQ"] {
        check(text, &malformed(text));
    }
    check(
        "a b+00000000+AQ==",
        "`a b` can't name a key; use a name without spaces and plus signs, such as `example.com/log`",
    );
    check(
        &SPEC_KEY.replace("530d", "540d"),
        "the id in `example.com/foo+540d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnK…` should be `530d903a`; \
         the name or the key was mistyped",
    );
    let with_key = |byte: u8, key: &[u8]| {
        let typed = [&[byte], key].concat();
        format!("a+{:08x}+{}", key_id("a", byte, key), b64(&typed))
    };
    let text = with_key(6, &[9]);
    check(&text, &format!("`{text}` is for signature type 0x06; only 0x01 and 0x04, both with Ed25519, are supported"));
    // Too short; and the neutral element, with which anybody could sign.
    let neutral = [&[1], [0; 31].as_slice()].concat();
    for key in [[1; 31].as_slice(), &neutral] {
        let text = with_key(1, key);
        assert_eq!(text.parse::<VerifierKey>(), Err(KeyError::BadKey(shorten(&text))));
    }
    assert_eq!(SignerKey::ed25519("a+b", &[0; 32]).unwrap_err(), KeyError::BadName("a+b".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn keys_and_signatures_interoperate_with_signed_note(
        seed: [u8; 32],
        name in "[a-z.é/]{1,20}",
        line in "[^\\p{Cc}]{0,40}",
        place: prop::sample::Index,
    ) {
        let text = format!("{line}\n");
        let ours = SignerKey::ed25519(&name, &seed).unwrap();
        let vkey = ours.verifier_key().to_string();
        let typed = [&[1], seed.as_slice()].concat();
        let skey = format!("PRIVATE+KEY+{name}+{:08x}+{}", ours.verifier_key().key_id(), b64(&typed));

        // What we sign, they verify.
        let mut note = Note::new(text.as_str()).unwrap();
        note.signatures.push(ours.sign_note(&text));
        let list = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
        let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        prop_assert_eq!(theirs.verify(&list).unwrap().0.len(), 1);

        // What they sign, we verify, and it is the same.
        let signer = StandardSigner::new(&skey).unwrap();
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(signer.key_id(), ours.verifier_key().key_id());
        let mut read = Note::parse(theirs.to_bytes()).unwrap();
        prop_assert_eq!(&read, &note);
        prop_assert!(ours.verifier_key().verify(&read).is_ok());

        // One flipped bit, and neither takes it.
        let bit = place.index(64 * 8);
        read.signatures[0].signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(ours.verifier_key().verify(&read).is_err());
        let verifier = StandardVerifier::new(&vkey).unwrap();
        prop_assert!(!verifier.verify(text.as_bytes(), &read.signatures[0].signature));
    }

    #[test]
    fn any_text_is_read_without_panic(text: String, near in "[a+]{1,3}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}") {
        for text in [text, near] {
            if let Ok(key) = text.parse::<VerifierKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
