//! Placeholders: values out of a text and back into it. `[PERSON_1]` stands for the same value wherever it is, within one
//! call; the map from one to the other is the caller's, and is kept nowhere.

use std::collections::BTreeMap;

use crate::personal::{self, Kind};

/// Most characters of a kind's name.
const MAX_KIND: usize = 32;

/// A text without the values, and what stands for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The text with placeholders.
    pub text: String,
    /// Value by placeholder.
    pub map: BTreeMap<String, String>,
}

/// Puts placeholders in the place of `values`, each with the name of its kind, and of all that is found of `kinds`.
/// Numbers count from 1 in the order of the text. Where two values overlap, the longer one goes; a value that stands
/// within a longer word is left, so that `Ann` does not take `Annual` apart.
///
/// # Errors
/// A kind that is not up to 32 letters and `_`, an empty value, or a text in which a placeholder stands already: it could
/// not be told from ours.
pub fn place(text: &str, values: &[(String, String)], kinds: &[Kind]) -> Result<Placed, String> {
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    for (kind, value) in values {
        let plain = |c: char| c.is_ascii_alphabetic() || c == '_';
        if kind.is_empty() || kind.len() > MAX_KIND || !kind.chars().all(plain) {
            return Err(format!("a kind is named with up to {MAX_KIND} letters and `_`, such as `person`"));
        }
        if value.trim().is_empty() {
            return Err(format!("a value of kind `{kind}` is empty"));
        }
        let whole = |(at, _): &(usize, &str)| stands_alone(text, *at, at + value.len());
        let places = text.match_indices(value.as_str()).filter(whole);
        found.extend(places.map(|(at, _)| (at, at + value.len(), kind.to_ascii_uppercase())));
    }
    let detected = personal::find(text, kinds).into_iter();
    found.extend(detected.map(|one| (one.start, one.end, one.kind.as_str().to_ascii_uppercase())));
    if text.match_indices('[').any(|(at, _)| placeholder(text, at).is_some()) {
        return Err(
            "the text holds something like `[PERSON_1]` already, which could not be told from a placeholder".into()
        );
    }
    // The first, and of those at one place the longest; then those that begin within it are passed over.
    found.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
    let (mut placed, mut at) = (Placed::default(), 0);
    let (mut names, mut counts) = (BTreeMap::<(String, String), String>::new(), BTreeMap::<String, u64>::new());
    for (start, end, kind) in found {
        let (Some(before), Some(value)) = (text.get(at..start), text.get(start..end)) else { continue };
        let name = names.entry((kind.clone(), value.to_owned())).or_insert_with(|| {
            let count = counts.entry(kind.clone()).or_default();
            *count = count.saturating_add(1);
            format!("[{kind}_{count}]")
        });
        placed.text.push_str(before);
        placed.text.push_str(name);
        placed.map.insert(name.clone(), value.to_owned());
        at = end;
    }
    placed.text.push_str(text.get(at..).unwrap_or_default());
    Ok(placed)
}

/// Puts the values of a map back. Placeholders that it does not know stay as they are.
#[must_use]
pub fn restore(text: &str, map: &BTreeMap<String, String>) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (start, _) in text.match_indices('[') {
        let known = placeholder(text, start).and_then(|name| map.get(name).map(|value| (name, value)));
        let (Some((name, value)), Some(before)) = (known, text.get(at..start)) else { continue };
        out.push_str(before);
        out.push_str(value);
        at = start + name.len();
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The placeholder that begins at a byte: `[KIND_n]`.
fn placeholder(text: &str, at: usize) -> Option<&str> {
    let inner = text.get(at..)?.strip_prefix('[')?;
    let end = inner.bytes().take(MAX_KIND + 24).position(|b| b == b']')?;
    let (kind, number) = inner.get(..end)?.rsplit_once('_')?;
    let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (named && numbered).then(|| text.get(at..at + end + 2)).flatten()
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    ![before, after].into_iter().flatten().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn given_values_and_detectors_when_placed_then_each_value_has_one_placeholder_and_all_come_back() {
        let text = "Ann Lee (ann@example.org) met Bo. Ann Lee's annual card: 4111 1111 1111 1111. Ann";
        let placed = place(text, &values(&[("person", "Ann"), ("person", "Ann Lee"), ("person", "Bo")]), &Kind::ALL);
        let placed = placed.expect("placed");
        assert_eq!(
            placed.text,
            "[PERSON_1] ([EMAIL_1]) met [PERSON_2]. [PERSON_1]'s annual card: [CARD_1]. [PERSON_3]"
        );
        assert_eq!(restore(&placed.text, &placed.map), text);
        assert_eq!(restore("For [PERSON_2] and [PERSON_9]", &placed.map), "For Bo and [PERSON_9]");
    }

    #[test]
    fn given_what_cannot_be_placed_when_asked_then_it_is_refused_in_words() {
        assert!(place("x", &values(&[("per son", "x")]), &[]).is_err());
        assert!(place("x", &values(&[("person", " ")]), &[]).is_err());
        assert!(place("see [PERSON_1]", &[], &[]).expect_err("ambiguous").contains("already"));
        assert_eq!(place("see [1] and [A]", &[], &[]).expect("no placeholder").text, "see [1] and [A]");
    }

    proptest::proptest! {
        #[test]
        fn given_any_text_when_placed_then_it_comes_back(text in "[ -~é]{0,120}", value in "[a-z@.]{1,8}") {
            if let Ok(placed) = place(&text, &values(&[("person", &value)]), &Kind::ALL) {
                proptest::prop_assert_eq!(restore(&placed.text, &placed.map), text);
            }
        }
    }
}
