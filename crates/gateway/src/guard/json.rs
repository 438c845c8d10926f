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

/// The longest front of a URL that holds its contents: `data:`, the type, `;base64`.
const LONGEST_FRONT: usize = 128;

/// Gives each text of `document`, which must be JSON, to `edit`, with the name of the member that it belongs to, and puts what
/// that gives in its place. `None` when nothing changed. Names of members are not texts. What is no text, as it has half of a
/// surrogate pair, is given as `None`.
///
/// # Errors
/// What `edit` says; it is not asked again then.
pub(super) fn edit_texts<E>(
    document: &str,
    mut edit: impl FnMut(&str, Option<&str>) -> Result<Option<String>, E>,
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
                } else {
                    let member = open.last().map_or("", |(_, name)| *name);
                    let plain: Result<String, _>;
                    let text = if inside.contains('\\') {
                        plain = serde_json::from_str(document.get(at..=end).unwrap_or_default());
                        plain.as_deref().ok()
                    } else {
                        Some(inside)
                    };
                    if is_words(member, text)
                        && let Some(new) = edit(member, text)?
                    {
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

fn is_words(member: &str, text: Option<&str>) -> bool {
    !STRUCTURE.contains(&member) && text.is_none_or(|text| !text.is_empty() && !is_embedded(text))
}

/// Whether this is a URL that holds its contents, `data:TYPE/SUBTYPE;base64,` and base64 to the end: pictures and sound, in
/// which there is no text to read.
fn is_embedded(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("data:") else { return false };
    let Some(front) = rest.bytes().take(LONGEST_FRONT).position(|byte| byte == b',') else { return false };
    let (front, contents) = rest.split_at(front);
    let name =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._=".contains(&b));
    let Some((kind, subtype)) = front.strip_suffix(";base64").and_then(|front| front.split_once('/')) else {
        return false;
    };
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    name(kind) && subtype.split(';').all(name) && contents.bytes().skip(1).all(base64)
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
        let edit = |_: &str, text: Option<&str>| {
            Ok::<_, ()>(text.filter(|text| text.contains("ann")).map(|text| text.replace("ann", "[\"A\"]")))
        };
        edit_texts(document, edit).expect("no error")
    }

    #[test]
    fn given_text_anywhere_when_edited_then_only_it_changes() {
        let document = r#"{"model":"ann", "messages" : [{"role":"ann","content":"ann\nsaid"},
            {"content":[{"type":"ann","text":"h\u0069 ann"},{"image_url":{"url":"data:a/b;base64,ann"}}]}],"n":1e3,"ann":null,"user":"ann"}"#;
        let changed = shouted(document).expect("changed");
        let want = r#"{"model":"ann", "messages" : [{"role":"ann","content":"[\"A\"]\nsaid"},
            {"content":[{"type":"ann","text":"hi [\"A\"]"},{"image_url":{"url":"data:a/b;base64,ann"}}]}],"n":1e3,"ann":null,"user":"[\"A\"]"}"#;
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

    #[test]
    fn given_what_begins_with_data_when_it_is_not_base64_alone_then_it_is_read() {
        for read in [
            "data: ann",
            "data:text/plain,ann",
            "data:a/b;base64,ann said",
            "data:a b/c;base64,ann",
            "data:;base64,ann",
        ] {
            assert!(shouted(&serde_json::json!({ "text": read }).to_string()).is_some(), "{read}");
        }
        for passed in ["data:image/png;base64,ann+/8=", "data:audio/x-wav;rate=8;base64,ann"] {
            assert_eq!(shouted(&serde_json::json!({ "text": passed }).to_string()), None, "{passed}");
        }
        assert_eq!(shouted(r#"{"url":"data:image\/png;base64,ann\/"}"#), None, "as some write a slash");
    }

    #[test]
    fn given_half_a_surrogate_when_edited_then_it_is_said_to_be_no_text() {
        let edited =
            edit_texts(r#"{"a":"\ud800 ann\u0040example.org"}"#, |_, text| text.map(|_| None).ok_or("no text"));
        assert_eq!(edited, Err("no text"));
    }

    proptest::proptest! {
        #[test]
        fn given_any_json_when_nothing_is_edited_then_each_text_is_seen_as_it_reads(texts in proptest::collection::vec(".{0,12}", 0..6)) {
            let document = serde_json::json!({ "input": texts, "nested": { "deep": [[texts]] } }).to_string();
            let mut seen = Vec::new();
            let edited = edit_texts(&document, |_, text| { seen.extend(text.map(str::to_owned)); Ok::<_, ()>(None) });
            proptest::prop_assert_eq!(edited, Ok(None));
            let words: Vec<String> = texts.iter().filter(|t| !t.is_empty()).cloned().collect();
            proptest::prop_assert_eq!(seen, [words.clone(), words].concat());
        }
    }
}
