use proptest::prelude::*;

use super::*;

/// The example of C2SP signed-note.
const POEM: &str = "Ognuno sta solo sul cuor della terra\n\
    trafitto da un raggio di sole:\n\
    \n\
    ed è subito sera.\n\
    \n\
    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const PETER: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH: &str =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

#[test]
fn the_text_ends_at_the_last_empty_line() {
    let note = Note::parse(POEM).unwrap();
    assert_eq!(note.text.lines().count(), 4);
    assert!(note.text.ends_with("ed è subito sera.\n"));
    let [signature] = note.signatures.as_slice() else { panic!("{note:?}") };
    assert_eq!(signature.name, "quasimodo.example/salvatore");
    assert_eq!(signature.key_id, 0x367b_a04b);
    assert_eq!(signature.signature.len(), 64);
    assert_eq!(note.to_string(), POEM);
}

#[test]
fn what_is_not_a_note_is_refused_with_a_reason() {
    let check = |note: &str, expected: NoteError| assert_eq!(Note::parse(note), Err(expected), "{note:?}");
    let bad_line = |line: &str| NoteError::BadSignatureLine(line.to_owned());
    check("", NoteError::NoSignatures);
    check(TEXT, NoteError::NoSignatures);
    check(&format!("\n{TEXT}"), NoteError::NoSignatures);
    check(&format!("{TEXT}\n"), NoteError::NoSignatures);
    check(&format!("{TEXT}{PETER}"), NoteError::NoSignatures);
    check(&format!("{TEXT}\n{}", PETER.trim_end()), NoteError::NoSignatures);
    check(&format!("\u{1}{TEXT}\n{PETER}"), NoteError::NotText);
    check(&format!("{TEXT}\r\n{PETER}"), NoteError::NotText);
    check(&format!("{TEXT}\n{}", PETER.repeat(101)), NoteError::TooManySignatures);
    check(&format!("{TEXT}\n— Peter AAAAAA==\n"), bad_line("— Peter AAAAAA=="));
    check(&format!("{TEXT}\n— Pe+er AAAAAAA=\n"), bad_line("— Pe+er AAAAAAA="));
    check(&format!("{TEXT}\n—  AAAAAAA=\n"), bad_line("—  AAAAAAA="));
    check(&format!("{TEXT}\n- Peter AAAAAAA=\n"), bad_line("- Peter AAAAAAA="));
    check(&format!("{TEXT}\n— Peter\u{2003}x AAAAAAA=\n"), bad_line("— Peter\u{2003}x AAAAAAA="));
    assert_eq!(Note::parse([0xff, b'\n', b'\n']), Err(NoteError::NotText));
    assert_eq!(Note::parse(vec![b'\n'; MAX_NOTE_BYTES + 1]), Err(NoteError::TooLong { bytes: MAX_NOTE_BYTES + 1 }));
    assert_eq!(Note::parse(format!("{TEXT}\n{}", PETER.repeat(100))).unwrap().signatures.len(), 100);
}

#[test]
fn a_text_to_sign_ends_with_a_newline() {
    assert_eq!(Note::new("text"), Err(NoteError::NoFinalNewline));
    assert_eq!(Note::new("te\txt\n"), Err(NoteError::NotText));
    assert_eq!(Note::new(TEXT).unwrap().text, TEXT);
}

/// Notes, and things that nearly are: pieces that matter to the format, put together at random.
fn nearly_a_note() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\n\n",
        " ",
        "— ",
        "+",
        "text\n",
        PETER,
        ENOCH,
        "— a AAAAAAE=\n",
        "AAAA=",
        "\u{85}",
        "\t",
        "é",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn notes_are_judged_as_by_signed_note(note in nearly_a_note()) {
        let ours = Note::parse(&note);
        let theirs = signed_note::Note::from_bytes(note.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", note);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.text.as_bytes(), theirs.text());
            prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
            prop_assert_eq!(ours.to_string(), note);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, text: String) {
        for input in [bytes, text.into_bytes()] {
            if let Ok(note) = Note::parse(&input) {
                prop_assert_eq!(note.to_string().into_bytes(), input);
            }
        }
    }
}
