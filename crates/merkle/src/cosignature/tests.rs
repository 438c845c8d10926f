use super::*;
use crate::key::Verified;
use crate::note::{Note, NoteError};

/// A checkpoint that a public Certificate Transparency log served, with the cosignatures of four public witnesses.
pub(crate) const WITNESSED: &str = "arche2025h1.staging.ct.transparency.dev\n\
    1432088532\n\
    U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\
    \n\
    — arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n\
    — arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n\
    — transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n\
    — witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n\
    — remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n\
    — witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n";

pub(crate) const LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";

/// The keys those witnesses publish.
pub(crate) const WITNESSES: [&str; 4] = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
];

const CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

#[test]
fn public_witnesses_are_verified() {
    let note = Note::parse(WITNESSED).unwrap();
    for witness in WITNESSES {
        let key: VerifierKey = witness.parse().unwrap();
        assert_eq!(key.to_string(), witness);
        assert_eq!(key.algorithm(), KeyAlgorithm::CosignatureV1);
        let verified = Verified { timestamp: Some(0x6a12_2120) };
        assert_eq!(key.verify(&note), Ok(verified));
    }
    let mut other = note;
    other.text = other.text.replace("1432088532", "1432088533");
    for witness in WITNESSES {
        let key: VerifierKey = witness.parse().unwrap();
        assert!(matches!(key.verify(&other), Err(NoteError::BadSignature { .. })));
    }
}

#[test]
fn the_signed_message_is_that_of_the_specification() {
    assert_eq!(
        String::from_utf8(message(CHECKPOINT, 1_679_315_147)).unwrap(),
        "cosignature/v1\n\
         time 1679315147\n\
         example.com/behind-the-sofa\n\
         20852163\n\
         CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    );
    // The time in the example signature of the specification.
    let line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let line: NoteSignature = line.parse().unwrap();
    let (timestamp, signature) = split(&line.signature).unwrap();
    assert_eq!((timestamp, signature.len()), (1_679_315_147, 64));
}

#[test]
fn a_cosignature_holds_for_its_text_and_its_time() {
    let witness = CosignerKey::new("witness.example/w1", &[7; 32]).unwrap();
    let mut note = Note::new(CHECKPOINT).unwrap();
    note.signatures.push(witness.sign(CHECKPOINT, 1_700_000_000));
    note.signatures.push(witness.sign(CHECKPOINT, 1_600_000_000));
    let key = witness.verifier_key();
    assert_eq!(key.verify(&note), Ok(Verified { timestamp: Some(1_700_000_000) }));
    let mut other_time = note.clone();
    other_time.signatures[0].signature[7] ^= 1;
    assert!(key.verify(&other_time).is_err());
    let mut other_text = note.clone();
    other_text.text.push_str("extension\n");
    assert!(key.verify(&other_text).is_err());
    // The same seed as a log's key does not verify a cosignature, and the other way round.
    let log = SignerKey::ed25519("witness.example/w1", &[7; 32]).unwrap();
    assert_ne!(log.verifier_key().key_id(), key.key_id());
    assert!(matches!(log.verifier_key().verify(&note), Err(NoteError::NotSigned { .. })));
}

#[test]
fn times_beyond_63_bits_are_refused() {
    let witness = CosignerKey::new("witness.example/w1", &[7; 32]).unwrap();
    let mut note = Note::new(CHECKPOINT).unwrap();
    note.signatures.push(witness.sign(CHECKPOINT, MAX_TIMESTAMP));
    assert!(witness.verifier_key().verify(&note).is_ok());
    note.signatures.push(witness.sign(CHECKPOINT, MAX_TIMESTAMP + 1));
    assert!(matches!(witness.verifier_key().verify(&note), Err(NoteError::BadSignature { .. })));
}
