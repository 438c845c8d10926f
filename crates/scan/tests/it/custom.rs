//! Detectors of somebody's own.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use scan::Detectors;
use scan::detect::{BadDetector, Class, Own};

fn staff() -> Own {
    Own::pattern("staff_number", Class::Personal, r"\bST-\d{5}\b")
}

fn with(own: &Own) -> Detectors {
    Detectors::standard().with(own).expect("a detector")
}

/// What detectors find in a text: name, value and score.
fn found<'a>(detectors: &'a Detectors, text: &'a str) -> Vec<(&'a str, &'a str, u16)> {
    let found = detectors.find(text);
    found.iter().map(|one| (detectors.name(one.kind), &text[one.start..one.end], one.score_permille)).collect()
}

#[test]
fn given_words_and_patterns_when_searched_then_they_are_found_by_their_names() {
    let words = Own::words("project", Class::Confidential, ["Blue Heron", "Σίγμα", "blue heron two"]);
    let detectors = with(&words).with(&staff()).expect("two detectors");
    let text = "BLUE heron and blue herons, σίγμα; ST-12345 but not ST-123456. Blue Heron Two";
    let expected =
        [("project", "BLUE heron"), ("project", "σίγμα"), ("staff_number", "ST-12345"), ("project", "Blue Heron Two")];
    assert_eq!(found(&detectors, text), expected.map(|(name, value)| (name, value, 970)));
    let (kind, score) = detectors.column("x", ["ST-12345", "ST-54321", "ST-11111"].into_iter()).expect("a kind");
    assert!(detectors.name(kind) == "staff_number" && detectors.class(kind) == Class::Personal && score > 900);
    assert_eq!(detectors.longest_own(), "blue heron two".len().max("ST-00000".len() + 5 * 3));
}

#[test]
fn given_words_beside_a_match_when_searched_then_they_make_it_surer() {
    let mut own = Own::pattern("desk", Class::Internal, r"\b\d{4}\b");
    (own.score_permille, own.context, own.columns) = (100, vec!["Desk".into()], vec!["seat_no".into()]);
    let detectors = with(&own);
    assert!(found(&detectors, "room 1234").is_empty());
    assert_eq!(found(&detectors, "at desk no. 1234"), [("desk", "1234", 881)]);
    assert_eq!(found(&detectors, "1234 is my desk"), [("desk", "1234", 881)]);
    assert!(found(&detectors, "I like my desk. 1234").is_empty(), "another sentence");
    let in_column = |name: &str| detectors.find_in(name, "1234").len();
    assert_eq!(
        ["seatNo", "old seat no", "desk", "seat", "number"].map(in_column),
        [1, 1, 1, 0, 0],
        "by all words of a column's name, or one of context"
    );
    let empty = detectors.column("seat_no", std::iter::empty());
    assert!(empty.is_some_and(|(kind, score)| detectors.name(kind) == "desk" && score < 700), "{empty:?}");
    let unnamed = detectors.column("count", std::iter::repeat_n("1234", 400));
    assert!(unnamed.is_none_or(|(_, score)| score < 500), "{unnamed:?}");
}

#[test]
fn given_a_long_line_when_searched_then_no_match_is_missed_and_none_is_made_by_a_cut() {
    let detectors = with(&staff());
    for before in 4_050..4_110 {
        let text = format!("{} ST-12345 {} ST-678901", "x".repeat(before), "y".repeat(4_000));
        assert_eq!(found(&detectors, &text), [("staff_number", "ST-12345", 970)], "{before}");
    }
}

#[test]
fn given_a_detector_that_cannot_be_when_added_then_the_refusal_says_why() {
    let pattern = |pattern: &str| {
        let own = Own::pattern("x", Class::Internal, pattern);
        Detectors::standard().with(&own).expect_err("refused").to_string()
    };
    assert_eq!(pattern("a(b"), "the pattern is wrong at character 2: unclosed group");
    assert!(pattern("(a{1000}){1000}").contains("repeat less"));
    assert!(pattern("a*").contains("matches nothing at all") && pattern(r"\b").contains("matches nothing at all"));
    assert!(pattern("[a&&b]").contains("nothing there is"));
    assert!(pattern(r"ST-\d+").contains("more than 1024 bytes") && pattern("a{2000}").contains("{1,20}"));
    assert!(pattern(&"a".repeat(2_000)).contains("1000 bytes"));
    let words = |name: &str, words: &[&str]| {
        Detectors::standard().with(&Own::words(name, Class::Internal, words.iter().copied())).map(|_| ())
    };
    for wrong in [&[][..], &[" "][..], &["a", "\u{200b}"][..]] {
        assert!(matches!(words("x", wrong), Err(BadDetector::Words(_))), "{wrong:?}");
    }
    for name in ["email", "personal", "X y", "", "9x", "email_1", "undeclared", "a-b"] {
        assert!(matches!(words(name, &["a"]), Err(BadDetector::Name(_))), "{name}");
    }
    let twice = with(&Own::words("x", Class::Internal, ["a"]));
    assert!(matches!(twice.with(&Own::words("x", Class::Internal, ["b"])), Err(BadDetector::Name(_))));
    let around = |change: fn(&mut Own)| {
        let mut own = staff();
        change(&mut own);
        Detectors::standard().with(&own)
    };
    let refused = [
        around(|own| own.score_permille = 1_000),
        around(|own| own.score_permille = 0),
        around(|own| own.context = vec!["two words".into()]),
        around(|own| own.columns = vec!["-".into()]),
        around(|own| own.context = vec!["a".into(); 65]),
    ];
    assert!(refused.iter().all(|one| matches!(one, Err(BadDetector::Around(_)))));
}

#[test]
fn given_examples_when_they_do_not_hold_then_it_is_said_which_and_not_what_it_says() {
    let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let proven = |yes: &[&str], no: &[&str]| staff().proven(&texts(yes), &texts(no)).map_err(|why| why.to_string());
    assert_eq!(proven(&["ST-12345", "I am ST-00001."], &["ST-123456", "st-12345"]), Ok(()));
    assert_eq!(proven(&["ST-12345", "ST-1"], &[]), Err("example 2 is not found by it".into()));
    assert_eq!(proven(&[], &["ST-1", "ST-12345"]), Err("near miss 2 is found by it".into()));
    let mut weak = staff();
    (weak.score_permille, weak.context) = (200, vec!["staff".into()]);
    assert_eq!(weak.proven(&texts(&["staff ST-12345"]), &texts(&["ST-12345"])), Ok(()), "unsure without the word");
}

/// What is built so that a matcher has the most to do, in the worst text for it.
#[test]
fn given_costly_detectors_when_searched_then_the_work_is_bounded() {
    let all = "a ".repeat(60);
    let chain = Own::words("x", Class::Internal, (1..60).map(|n| &all[..2 * n - 1]));
    let mut nested = Own::pattern("y", Class::Internal, "(?:a|aa|b[ab]c?){1,200}c");
    nested.context = vec!["z".into()];
    let late = Own::pattern("z", Class::Internal, "a[ab ]{0,900}d|a");
    for own in [chain, nested, late] {
        let detectors = with(&own);
        let begun = Instant::now();
        for text in ["a ab aa", "a "] {
            let _ = detectors.find(&text.repeat(4_000));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{}: {:?}", own.name, begun.elapsed());
    }
}

proptest! {
    #[test]
    fn given_any_text_when_searched_then_a_pattern_finds_what_its_regex_does(
        text in "[a-cST\\- \n]{0,80}|[éSTab-]{0,40}", repeats in 1_usize..60,
    ) {
        let text = text.repeat(repeats);
        let regex = regex::Regex::new(r"ST-?[ab]{1,3}|S[ab]").expect("a pattern");
        let detectors = with(&Own::pattern("x", Class::Internal, regex.as_str()));
        let expected: Vec<(usize, usize)> = regex.find_iter(&text).map(|one| (one.start(), one.end())).collect();
        let found = detectors.find(&text);
        // Another kind may have won where both found something.
        let own = found.iter().filter(|one| detectors.name(one.kind) == "x").map(|one| (one.start, one.end));
        for one in own {
            prop_assert!(expected.contains(&one), "{one:?} in {text:?}");
        }
        for (start, end) in expected {
            prop_assert!(found.iter().any(|one| one.start < end && start < one.end), "{start}..{end} in {text:?}");
        }
    }

    #[test]
    fn given_any_words_when_searched_then_each_that_stands_alone_is_found(
        words in proptest::collection::vec("[a-cé]{1,4}( [a-c]{1,3})?", 1..20), text in "[a-cé ,.]{0,120}",
    ) {
        let detectors = with(&Own::words("x", Class::Internal, words.iter().map(String::as_str)));
        let alone = |start: usize, end: usize| {
            let before = text[..start].chars().next_back();
            let after = text[end..].chars().next();
            ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        };
        let found = detectors.find(&text);
        for word in &words {
            for (start, _) in text.match_indices(word.as_str()).filter(|(at, word)| alone(*at, at + word.len())) {
                let end = start + word.len();
                prop_assert!(found.iter().any(|one| one.start < end && start < one.end), "{word} in {text:?}");
            }
        }
        for one in &found {
            prop_assert!(alone(one.start, one.end));
        }
    }
}
