//! The little XML that S3 servers answer with: elements by name, without attributes that mean anything. What is written
//! otherwise than this expects is not found, and whoever asked is told that the answer says nothing.

/// What stands between the marks of each element of that name, in order. Elements of one name are never inside each other.
pub fn all<'x>(text: &'x str, name: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(open.as_str()) {
        let Some((inside, next)) = after.split_once(close.as_str()) else { break };
        found.push(inside);
        rest = next;
    }
    found
}

/// The text of the first element of that name.
pub fn text(text: &str, name: &str) -> Option<String> {
    all(text, name).first().map(|inside| unescaped(inside))
}

/// Text as it stands in XML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", "\"").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_list_when_read_then_each_element_is_found_and_escapes_are_undone() {
        let list = "<?xml version=\"1.0\"?><L xmlns=\"x\"><Version><Key>a</Key><VersionId>1&amp;2</VersionId></Version>\
                    <DeleteMarker><Key>b</Key></DeleteMarker><Version><Key>c</Key></Version><IsTruncated>false</IsTruncated></L>";
        let versions = all(list, "Version");
        assert_eq!(versions.len(), 2);
        assert_eq!(text(versions[0], "VersionId").as_deref(), Some("1&2"));
        assert_eq!(text(list, "IsTruncated").as_deref(), Some("false"));
        assert_eq!(text(list, "NextKeyMarker"), None);
        assert!(all("<Key>never closed", "Key").is_empty());
        assert_eq!(unescaped(&escaped("\"<&>'")), "\"<&>'");
    }
}
