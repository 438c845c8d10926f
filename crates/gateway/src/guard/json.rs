//! The text in a JSON document, changed in place: everything else stays byte for byte as it came.

use serde_json::Value;

/// Members whose text is a name in the protocol and nobody's words. What is under them is neither read nor changed.
const STRUCTURE: [&str; 20] = [
    "model",
    "role",
    "type",
    "id",
    "object",
    "status",
    "finish_reason",
    "tool_call_id",
    "call_id",
    "item_id",
    "response_id",
    "previous_response_id",
    "encoding_format",
    "detail",
    "format",
    "system_fingerprint",
    "service_tier",
    "obfuscation",
    "encrypted_content",
    "b64_json",
];

/// Contents as a URL that holds them: pictures and sound, in which there is no text to read.
const EMBEDDED: &str = "data:";

/// Gives each text of `document`, which must be JSON, to `edit`, and puts what that gives in its place. `None` when nothing
/// changed. Names of members are not texts.
///
/// # Errors
/// What `edit` says; it is not asked again then.
pub(super) fn edit_texts<E>(
    document: &str,
    mut edit: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    let bytes = document.as_bytes();
    // Each open object or array: whether it is an object, and the name of the member that its values belong to.
    let mut open: Vec<(bool, &str)> = Vec::new();
    let (mut at, mut kept, mut names) = (0, 0, false);
    let mut out = String::new();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => {
                open.push((true, open.last().map_or("", |(_, name)| *name)));
                names = true;
            }
            b'[' => {
                open.push((false, open.last().map_or("", |(_, name)| *name)));
                names = false;
            }
            b'}' | b']' => {
                open.pop();
                names = false;
            }
            b',' => names = open.last().is_some_and(|(object, _)| *object),
            b'"' => {
                let end = end_of_text(bytes, at);
                let inside = document.get(at + 1..end).unwrap_or_default();
                if std::mem::take(&mut names) {
                    if let Some((_, name)) = open.last_mut() {
                        *name = inside;
                    }
                } else if is_words(open.last().map_or("", |(_, name)| *name), inside) {
                    let plain: Result<String, _>;
                    let text = if inside.contains('\\') {
                        // Half of a surrogate pair is no text; it is read as it is written.
                        plain = serde_json::from_str(document.get(at..=end).unwrap_or_default());
                        plain.as_deref().unwrap_or(inside)
                    } else {
                        inside
                    };
                    if let Some(new) = edit(text)? {
                        out.push_str(document.get(kept..at).unwrap_or_default());
                        out.push_str(&Value::from(new).to_string());
                        kept = end + 1;
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Ok(None);
    }
    out.push_str(document.get(kept..).unwrap_or_default());
    Ok(Some(out))
}

fn is_words(member: &str, inside: &str) -> bool {
    !inside.is_empty() && !STRUCTURE.contains(&member) && !inside.starts_with(EMBEDDED)
}

/// Where the quote is that ends the text which begins at `start`; the end of the document when there is none.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        if bytes.get(at + found) == Some(&b'"') {
            return at + found;
        }
        at += found + 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shouted(document: &str) -> Option<String> {
        let edit = |text: &str| Ok::<_, ()>(text.contains("ann").then(|| text.replace("ann", "[\"A\"]")));
        edit_texts(document, edit).expect("no error")
    }

    #[test]
    fn given_text_anywhere_when_edited_then_only_it_changes() {
        let document = r#"{"model":"ann", "messages" : [{"role":"ann","content":"ann\nsaid"},
            {"content":[{"type":"ann","text":"h\u0069 ann"},{"image_url":{"url":"data:ann"}}]}],"n":1e3,"ann":null,"user":"ann"}"#;
        let changed = shouted(document).expect("changed");
        let want = r#"{"model":"ann", "messages" : [{"role":"ann","content":"[\"A\"]\nsaid"},
            {"content":[{"type":"ann","text":"hi [\"A\"]"},{"image_url":{"url":"data:ann"}}]}],"n":1e3,"ann":null,"user":"[\"A\"]"}"#;
        assert_eq!(changed, want);
    }

    #[test]
    fn given_nothing_to_edit_when_edited_then_none() {
        assert!(shouted(r#"{"a":"b","c":["d",{"e":"\"ann"}]}"#).is_some());
        for document in [r#"{"a":"b","c":["d",{}],"ann":1}"#, "[]", r#""""#, r#"{"a":"\\"}"#] {
            assert_eq!(shouted(document), None, "{document}");
        }
    }

    #[test]
    fn given_what_is_no_json_when_edited_then_it_ends() {
        for document in [r#"{"a":"ann"#, r#"{"a":"\"#, r#"}}]],"ann""#, r#"{"a":"\ud800 ann"}"#] {
            let _ = shouted(document);
        }
    }

    proptest::proptest! {
        #[test]
        fn given_any_json_when_nothing_is_edited_then_each_text_is_seen_as_it_reads(texts in proptest::collection::vec(".{0,12}", 0..6)) {
            let document = serde_json::json!({ "input": texts, "nested": { "deep": [[texts]] } }).to_string();
            let mut seen = Vec::new();
            let edited = edit_texts(&document, |text| { seen.push(text.to_owned()); Ok::<_, ()>(None) });
            proptest::prop_assert_eq!(edited, Ok(None));
            let words: Vec<String> = texts.iter().filter(|t| !t.is_empty() && !t.starts_with("data:")).cloned().collect();
            proptest::prop_assert_eq!(seen, [words.clone(), words].concat());
        }
    }
}
