use std::error::Error as _;

use proptest::prelude::*;

use super::*;
use crate::cosignature::CosignerKey;
use crate::cosignature::tests::{LOG, WITNESSED, WITNESSES};
use crate::key::SignerKey;

const TEXT: &str = "example.com/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn log() -> SignerKey {
    SignerKey::ed25519("example.com/log", &[100; 32]).unwrap()
}

/// Witness number `n`, counted from zero.
fn witness(n: u8) -> CosignerKey {
    CosignerKey::new(&format!("witness.example/{n}"), &[n; 32]).unwrap()
}

/// A checkpoint signed by the log and cosigned by these witnesses, each at the time 1000 + its number.
fn note(cosigners: &[u8]) -> Note {
    let mut note = Note::new(TEXT).unwrap();
    note.signatures.push(log().sign_note(TEXT));
    note.signatures.extend(cosigners.iter().map(|n| witness(*n).sign(TEXT, 1000 + u64::from(*n))));
    note
}

/// The example policy of the specification, with keys.
fn two_organisations() -> String {
    let key = |n: u8| witness(n).verifier_key().to_string();
    format!(
        "# two organisations\n\
         log {}\n\
         \n\
         witness X1 {}\n\
         witness X2 {} https://witness.example/x2\n\
         \twitness  X3 {}\t\n\
         group X-witnesses 2 X1 X2 X3\n\
         \n\
         witness Y1 {}\n\
         witness Y2 {}\n\
         witness Y3 {}\n\
         group Y-witnesses any Y1 Y2 Y3\n\
         \n\
         group X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n",
        log().verifier_key(),
        key(0),
        key(1),
        key(2),
        key(3),
        key(4),
        key(5),
    )
}

#[test]
fn the_example_of_the_specification_asks_for_two_of_x_and_one_of_y() {
    let policy = Policy::parse(&two_organisations()).unwrap();
    assert_eq!(policy.logs().len(), 1);
    assert_eq!(policy.witnesses().len(), 6);
    assert!(policy.requires_witnesses());
    assert_eq!(policy.witnesses()[1].url.as_deref(), Some("https://witness.example/x2"));
    for subset in 0..64_u8 {
        let cosigners: Vec<u8> = (0..6).filter(|n| subset >> n & 1 == 1).collect();
        let verdict = policy.evaluate(&note(&cosigners));
        let enough = (subset & 0b111).count_ones() >= 2 && subset >> 3 != 0;
        assert_eq!(verdict.quorum_met, enough, "{cosigners:?}");
        assert!(verdict.log_ok);
        let times: Vec<u64> = verdict.witnesses.iter().map(|(_, time)| *time).collect();
        assert_eq!(times, cosigners.iter().map(|n| 1000 + u64::from(*n)).collect::<Vec<_>>());
    }
    let verdict = policy.evaluate(&note(&[5]));
    assert_eq!(verdict.witnesses, [("Y3".to_owned(), 1005)]);
}

#[test]
fn public_witnesses_make_a_quorum() {
    let [a, b, c, d] = WITNESSES;
    let text =
        format!("log {LOG}\nwitness a {a}\nwitness b {b}\nwitness c {c}\nwitness d {d}\ngroup g 3 a b c d\nquorum g");
    let verdict = Policy::parse(&text).unwrap().evaluate(&Note::parse(WITNESSED).unwrap());
    assert!(verdict.log_ok && verdict.quorum_met);
    assert_eq!(verdict.witnesses.len(), 4);
}

#[test]
fn quorum_none_needs_no_witness_but_a_checkpoint() {
    let policy: Policy = "quorum none".parse().unwrap();
    assert!(!policy.requires_witnesses());
    let verdict = policy.evaluate(&note(&[0]));
    assert_eq!(verdict, PolicyVerdict { log_ok: false, quorum_met: true, witnesses: vec![] });
    assert!(!policy.evaluate(&Note::new("text\n").unwrap()).quorum_met);
}

#[test]
fn a_witness_may_be_the_quorum_and_a_bad_cosignature_does_not_count() {
    let text = format!("witness w {}\nquorum w\n", witness(0).verifier_key());
    let policy = Policy::parse(&text).unwrap();
    assert!(policy.evaluate(&note(&[0])).quorum_met);
    let mut bad = note(&[0]);
    bad.signatures[1].signature[20] ^= 1;
    let verdict = policy.evaluate(&bad);
    assert!(!verdict.quorum_met && verdict.witnesses.is_empty());
}

#[test]
fn a_log_signs_under_its_own_origin_only() {
    let text = format!("log {}\nquorum none\n", log().verifier_key());
    let policy = Policy::parse(&text).unwrap();
    assert!(policy.evaluate(&note(&[])).log_ok);
    let other = TEXT.replace("example.com/log", "example.com/other");
    let mut forged = Note::new(other.as_str()).unwrap();
    forged.signatures.push(log().sign_note(&other));
    assert!(!policy.evaluate(&forged).log_ok);
}

#[test]
fn what_is_not_a_policy_is_refused_with_line_and_reason() {
    let (l, a) = (log().verifier_key().to_string(), witness(0).verifier_key().to_string());
    let b = witness(1).verifier_key().to_string();
    let same_key = CosignerKey::new("witness.example/again", &[0; 32]).unwrap();
    let base = format!("witness a {a}\nwitness b {b}\n");
    let check = |text: String, line: usize, expected: &str| {
        let error = Policy::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), format!("line {line} of the policy is wrong"), "{text}");
        assert_eq!(error.source().unwrap().to_string(), expected, "{text}");
    };
    let kinds = "`log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>...` or `quorum <name>`";
    for line in ["logs x", "log", "log x y z", "quorum", "quorum a b", "group g", "group g any", "witness a"] {
        check(line.to_owned(), 1, &format!("`{line}` should be {kinds}"));
    }
    check("# a\n\r\n".to_owned(), 2, "control characters other than tab are not allowed");
    check("log x".to_owned(), 1, "`x` is not a verifier key; write it as `name+8 hex digits+base64`");
    let wrong_type = |name: &str| {
        format!("the key of `{name}` has the wrong type: a log needs a key of type 0x01, a witness one of type 0x04")
    };
    check(format!("log {a}"), 1, &wrong_type("witness.example/0"));
    check(format!("witness w {l}"), 1, &wrong_type("example.com/log"));
    check(format!("log {l}\nlog {l}"), 2, "the public key of `example.com/log` is listed already");
    check(
        format!("{base}witness c {}", same_key.verifier_key()),
        3,
        "the public key of `witness.example/again` is listed already",
    );
    check(format!("witness a {a}\nwitness a {b}"), 2, "`a` is defined already");
    check(format!("witness none {a}"), 1, "`none` is defined already");
    check(format!("{base}group b any a"), 3, "`b` is defined already");
    check("quorum a".to_owned(), 1, "`a` is not defined on a line above");
    check(format!("{base}group g any none"), 3, "`none` is not defined on a line above");
    check(format!("{base}group g any g"), 3, "`g` is not defined on a line above");
    let twice = "`a` is a member of a group already; a name counts once";
    check(format!("{base}group g any a a"), 3, twice);
    check(format!("{base}group g any a\ngroup h any a b"), 4, twice);
    for threshold in ["0", "3", "01", "some"] {
        check(
            format!("{base}group g {threshold} a b"),
            3,
            &format!("`{threshold}` is not a threshold for a group of 2; use `any`, `all` or a number from 1 to 2"),
        );
    }
    check("quorum none\nquorum none".to_owned(), 2, "the quorum is set already; keep one quorum line");
    assert_eq!(Policy::parse(&base), Err(PolicyError::NoQuorum));
    assert_eq!(
        Policy::parse(&" ".repeat(MAX_POLICY_BYTES + 1)),
        Err(PolicyError::TooLong { bytes: MAX_POLICY_BYTES + 1 })
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(
        text: String,
        lines in prop::collection::vec("(log|witness|group|quorum|#)( (a|b|none|any|all|1)){0,4}", 0..6),
    ) {
        for text in [text, lines.join("\n")] {
            if let Ok(policy) = Policy::parse(&text) {
                prop_assert!(policy.evaluate(&note(&[])).quorum_met != policy.requires_witnesses());
            }
        }
    }
}
