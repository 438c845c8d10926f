//! Personal data of some kinds, for whoever asks for them by name.

pub use crate::detect::{Finding, Kind};

/// What stands in `text` of these kinds, in ascending order, none in another.
#[must_use]
pub fn find(text: &str, kinds: &[Kind]) -> Vec<Finding> {
    crate::Detectors::standard().find_of(text, kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, &str)> {
        find(text, &Kind::ALL).iter().map(|one| (one.kind.as_str(), &text[one.start..one.end])).collect()
    }

    #[test]
    fn given_a_text_when_searched_then_what_has_a_form_is_found_whole() {
        let text = "Ann <ann.o'hara@example.org>, card 4111 1111 1111 1111, TFN 123-456-782; call +61 412 345 678 or \
                    0412 345 678. Medicare 2123 45670 1. Mail bob@example.com.";
        assert_eq!(
            found(text),
            [
                ("email", "ann.o'hara@example.org"),
                ("card", "4111 1111 1111 1111"),
                ("tfn", "123-456-782"),
                ("phone", "+61 412 345 678"),
                ("phone", "0412 345 678"),
                ("medicare", "2123 45670 1"),
                ("email", "bob@example.com"),
            ]
        );
    }

    #[test]
    fn given_numbers_that_are_none_when_searched_then_nothing_is_found() {
        for text in
            ["4111 1111 1111 1112", "order 123456789", "2026-11-28", "v1.2.3", "a@b", "@", "+", "x4111111111111111y"]
        {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
        assert!(find("4111111111111111", &[Kind::Email]).is_empty(), "only what is asked for");
        assert_eq!(found("tel:0412345678"), [("phone", "0412345678")]);
    }

    proptest::proptest! {
        #[test]
        fn given_any_text_when_searched_then_findings_are_ascending_and_lie_in_it(text in "[ -~é]{0,200}") {
            let mut before = 0;
            for one in find(&text, &Kind::ALL) {
                proptest::prop_assert!(before <= one.start && one.start < one.end);
                proptest::prop_assert!(text.get(one.start..one.end).is_some());
                before = one.end;
            }
        }
    }
}
