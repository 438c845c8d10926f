//! Detectors of somebody's own.

use scan::Detectors;
use scan::detect::{BadDetector, Class};

#[test]
fn given_words_and_patterns_when_searched_then_they_are_found_by_their_names() {
    let detectors = Detectors::standard()
        .with_words("project", Class::Confidential, ["Blue Heron", "Σίγμα"])
        .and_then(|detectors| detectors.with_pattern("staff_number", Class::Personal, r"\bST-\d{5}\b"))
        .expect("two detectors");
    let text = "BLUE heron and blue herons, σίγμα; ST-12345 but not ST-123456.";
    let found: Vec<_> = detectors
        .find(text)
        .iter()
        .map(|one| (detectors.name(one.kind).to_owned(), &text[one.start..one.end]))
        .collect();
    let expected = [("project", "BLUE heron"), ("project", "σίγμα"), ("staff_number", "ST-12345")];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    let (kind, score) = detectors.column("x", ["ST-12345", "ST-54321", "ST-11111"].into_iter()).expect("a kind");
    assert!(detectors.name(kind) == "staff_number" && detectors.class(kind) == Class::Personal && score > 300);
}

#[test]
fn given_a_detector_that_cannot_be_when_added_then_the_refusal_says_why() {
    let pattern = |pattern: &str| {
        Detectors::standard().with_pattern("x", Class::Internal, pattern).expect_err("refused").to_string()
    };
    assert_eq!(pattern("a(b"), "the pattern is wrong at character 2: unclosed group");
    assert!(pattern("(a{1000}){1000}").contains("repeat less"));
    assert!(pattern("a*").contains("matches nothing"));
    assert!(pattern(&"a".repeat(2_000)).contains("1000 bytes"));
    let words = |name: &str, words: &[&str]| {
        Detectors::standard().with_words(name, Class::Internal, words.iter().copied()).map(|_| ())
    };
    assert!(
        matches!(words("x", &[]), Err(BadDetector::Words(_)))
            && matches!(words("x", &[" "]), Err(BadDetector::Words(_)))
    );
    assert!(
        matches!(words("email", &["a"]), Err(BadDetector::Name(_)))
            && matches!(words("X y", &["a"]), Err(BadDetector::Name(_)))
    );
    let twice = Detectors::standard().with_words("x", Class::Internal, ["a"]).expect("one");
    assert!(matches!(twice.with_words("x", Class::Internal, ["b"]), Err(BadDetector::Name(_))));
}
