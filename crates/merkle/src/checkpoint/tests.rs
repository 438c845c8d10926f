use proptest::prelude::*;

use super::*;
use crate::cosignature::tests::{LOG, WITNESSED};
use crate::key::SignerKey;

const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

#[test]
fn the_example_of_the_specification_is_read() {
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(crate::hex(&checkpoint.root), "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
    assert_eq!(checkpoint.extensions, Vec::<String>::new());
    assert_eq!(checkpoint.to_text(), TEXT);
}

#[test]
fn extensions_are_kept_in_order() {
    let text = format!("{TEXT}one\ntwo\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.extensions, ["one", "two"]);
    assert_eq!(checkpoint.to_text(), text);
}

#[test]
fn what_is_not_a_checkpoint_is_refused_with_a_reason() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let check = |text: &str, expected: CheckpointError| assert_eq!(Checkpoint::parse(text), Err(expected), "{text:?}");
    for text in [
        "".to_owned(),
        "\n".to_owned(),
        "a\n1\n".to_owned(),
        format!("a\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("a\n1\n{root}\n\n"),
        format!("a\n1\n{root}\n\nx\n"),
        format!("a\n1\n{root}\nx"),
    ] {
        check(&text, CheckpointError::MissingLines);
    }
    for size in ["01", "-1", "0x10", "1 ", "18446744073709551616"] {
        check(&format!("a\n{size}\n{root}\n"), CheckpointError::BadSize(size.to_owned()));
    }
    for root in ["AAAA", &root[..43], "0ac5186a91863e8e1d90c808014aa89b"] {
        check(&format!("a\n1\n{root}\n"), CheckpointError::BadRoot(root.to_owned()));
    }
}

#[test]
fn a_checkpoint_of_a_public_log_opens_with_its_key() {
    let (checkpoint, note) = Checkpoint::open(WITNESSED, &LOG.parse().unwrap()).unwrap();
    assert_eq!(checkpoint.size, 1_432_088_532);
    assert_eq!(note.signatures.len(), 6);
}

#[test]
fn a_key_opens_only_checkpoints_of_its_own_log() {
    let sign = |key: &SignerKey, text: &str| {
        let mut note = Note::new(text).unwrap();
        note.signatures.push(key.sign_note(text));
        note.to_string()
    };
    let log = SignerKey::ed25519("example.com/behind-the-sofa", &[1; 32]).unwrap();
    let other = SignerKey::ed25519("example.com/other", &[1; 32]).unwrap();
    let open = |note: String, key: &SignerKey| Checkpoint::open(note, key.verifier_key()).map(|(found, _)| found.size);
    assert_eq!(open(sign(&log, TEXT), &log), Ok(20_852_163));
    assert_eq!(
        open(sign(&log, TEXT), &other).unwrap_err().to_string(),
        format!("the note is not signed by `example.com/other+{:08x}`", other.verifier_key().key_id())
    );
    assert_eq!(
        open(sign(&other, TEXT), &other),
        Err(CheckpointError::WrongOrigin {
            origin: "example.com/behind-the-sofa".to_owned(),
            expected: "example.com/other".to_owned(),
        })
    );
    assert_eq!(open(sign(&log, "text\n"), &log), Err(CheckpointError::MissingLines));
}

proptest! {
    #[test]
    fn checkpoints_round_trip_and_are_those_of_tlog_tiles(
        origin in "[^\\p{Cc}]{1,30}",
        size: u64,
        root: Hash,
        extensions in prop::collection::vec("[^\\p{Cc}]{1,10}", 0..4),
    ) {
        let checkpoint = Checkpoint { origin, size, root, extensions };
        let text = checkpoint.to_text();
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        prop_assert_eq!(theirs.origin(), &checkpoint.origin);
        prop_assert_eq!(theirs.size(), size);
        prop_assert_eq!(theirs.hash().0, root);
        prop_assert_eq!(String::from_utf8(theirs.to_bytes()).unwrap(), text.clone());
        prop_assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
    }

    #[test]
    fn any_text_is_read_without_panic(text: String, near in "[a\n]{0,3}[0-9]{1,3}\n[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\n[b\n]{0,3}") {
        for text in [text, near] {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_text(), text);
            }
        }
    }
}
