//! E-mail addresses: something before an `@`, and a domain behind it.

use super::kinds::Kind;
use super::text::Text;
use super::walk::Finder;

/// Longest part before the `@` and longest domain: RFC 5321.
const LOCAL: usize = 64;
const DOMAIN: usize = 253;

/// Ends of file names that people write behind an `@`, as in `logo@2x.png`.
const FILES: [&str; 10] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "html", "json", "yaml"];

/// Looks around the `@` that is here.
pub(crate) fn find(finder: &mut Finder<'_>, at: usize) {
    let text = finder.text;
    let mut start = text.run_back(at, LOCAL, is_local);
    // Quotation marks and full stops before it are none of its own.
    while start < at && (matches!(text.byte(start), b'.' | b'\'' | b'-' | b'+') || !text.0.is_char_boundary(start)) {
        start += 1;
    }
    if start == at || text.before(at) == b'.' {
        return;
    }
    start = without_marks(text, start, at);
    let domain = text.run(at + 1, DOMAIN, is_domain);
    let written = text.bytes(at + 1, domain);
    let dots = written.iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
    let name = written.get(..written.len() - dots).unwrap_or_default();
    let Some((host, top)) = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.split_at_checked(dot))
    else {
        return;
    };
    let top = top.get(1..).unwrap_or_default();
    let fits = (2..=24).contains(&top.len()) && top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    let labels = host.split(|byte| *byte == b'.');
    let whole = labels.clone().all(|label| !label.is_empty() && label.first() != Some(&b'-'));
    let file = FILES.iter().any(|end| end.as_bytes().eq_ignore_ascii_case(top));
    if !fits || !whole || file || start >= at {
        return;
    }
    // `git@github.com:owner/repository` is where something lies, not whom to write to.
    let end = at + 1 + name.len();
    let place = text.byte(end) == b':' && text.byte(end + 1).is_ascii_alphabetic();
    finder.add(Kind::Email, start, end, if place { -200 } else { 500 });
}

/// Where it begins when quotation marks and the like are left out, and letters of scripts that have no spaces.
fn without_marks(text: Text<'_>, start: usize, at: usize) -> usize {
    let local = text.0.get(start..at).unwrap_or_default();
    let mark = local.char_indices().rev().find(|(_, c)| !c.is_ascii() && (!c.is_alphanumeric() || *c >= '\u{2e80}'));
    mark.map_or(start, |(offset, c)| start + offset + c.len_utf8())
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._%+-'&".contains(&byte) || byte >= 0x80
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}
