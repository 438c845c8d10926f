//! What holds for any text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use scan::Detectors;
use scan::detect::{Class, Kind, Own};

fn check(detectors: &Detectors, text: &str) {
    let mut before = 0;
    for one in detectors.find(text) {
        assert!(before <= one.start && one.start < one.end, "{one:?} begins in another or is empty");
        assert!(text.get(one.start..one.end).is_some(), "{one:?} cuts a character of {text:?}");
        assert!((300..=999).contains(&one.score_permille));
        before = one.end;
    }
}

/// Pieces that detectors stop at, so that they meet in all orders.
const PIECES: [&str; 40] = [
    "4111 1111 1111 1111",
    "+61 412 345 678",
    "(02) ",
    "123 456 782",
    "2123 45670 1",
    "/2",
    "a@b.co",
    "@",
    "::",
    ":",
    "=",
    "-",
    "'",
    ".",
    " ",
    "\n",
    "TFN ",
    "DOB ",
    "12/03/1985",
    "1985-",
    "PO Box 1, ",
    "12 Hay St, ",
    "Perth WA 6000",
    "Jack ",
    "Smith",
    "é",
    "\u{200b}",
    "１",
    "–",
    "2001:db8:",
    "00:1b:44:",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "-----END ",
    "password=",
    "eyJ",
    "DE89 3704 ",
    "AB 12 34 56 C",
    "\\n",
    "Nov 3, ",
];

proptest! {
    #[test]
    fn given_any_text_when_searched_then_findings_ascend_and_do_not_overlap(text in "\\PC{0,200}") {
        check(&Detectors::standard(), &text);
    }

    #[test]
    fn given_pieces_of_values_when_searched_then_findings_ascend_and_do_not_overlap(
        pieces in prop::collection::vec(0..PIECES.len(), 0..40),
    ) {
        let own = Own::words("own", Class::Internal, ["smith é", "１"]);
        let detectors = Detectors::standard().with(&own).expect("words");
        let text: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        check(&detectors, &text);
        let _ = detectors.column(&text, [text.as_str()].into_iter());
        for kind in Kind::ALL {
            prop_assert!(detectors.find_of(&text, &[kind]).iter().all(|one| one.kind == kind));
        }
    }
}

/// The best of a few rounds for so many bytes of a piece.
fn took(piece: &str, bytes: usize) -> Duration {
    let (detectors, text) = (Detectors::standard(), piece.repeat(bytes / piece.len()));
    let round = |_| {
        let begun = Instant::now();
        let _ = detectors.find(&text);
        begun.elapsed()
    };
    (0..3).map(round).min().unwrap_or_default()
}

#[test]
fn given_eight_times_the_text_when_searched_then_it_takes_about_eight_times_as_long() {
    let pieces = PIECES.iter().copied().chain([
        "1 ",
        "1",
        "A",
        "A ",
        "a.",
        "1-",
        "eyJ-",
        "sk-ant-",
        "Bearer ",
        "1 A ",
        "-----BEGIN PRIVATE KEY-----",
    ]);
    for piece in pieces {
        let (small, large) = (took(piece, 8 << 10), took(piece, 64 << 10));
        // Squares would take 64 times as long; the machine may be busy.
        let most = small.max(Duration::from_micros(500)) * 32;
        assert!(large < most, "`{piece}`: {small:?}, and {large:?} for eight times as much");
    }
}
