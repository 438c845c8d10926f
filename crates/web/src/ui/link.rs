//! Links that carry filters: the whole state of a table is in its address, so an address can be shared.

use std::fmt;

use askama::filters::HtmlSafe;

/// A path with a query string, percent-encoded as it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link(String);

impl Link {
    /// A link to a path of ours, whose segments need no encoding.
    pub(crate) fn to(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// A link to `parent/segment`, with the segment encoded.
    pub(crate) fn into(parent: &str, segment: &str) -> Self {
        Self(format!("{parent}/{}", Encoded(segment)))
    }

    /// The same link with one more parameter.
    pub(crate) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let joint = if self.0.contains('?') { '&' } else { '?' };
        self.0.push_str(&format!("{joint}{name}={}", Encoded(&value.to_string())));
        self
    }

    /// The same link with one more parameter, if there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('&', "&amp;"))
    }
}

impl HtmlSafe for Link {}

/// Text percent-encoded but for RFC 3986's unreserved characters.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_a_link() {
        let link = Link::into("/controls", "a/b\"").with("q", "1 & 2").maybe("none", None::<&str>).with("r", "é");
        assert_eq!(link.to_string(), "/controls/a%2Fb%22?q=1%20%26%202&amp;r=%C3%A9");
    }
}
