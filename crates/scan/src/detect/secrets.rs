//! Keys, tokens and passwords: by the forms that those who issue them gave them, and by names such as `api_key` in front.
//! What has too little disorder for chance is left, and so are the examples and blanks of manuals.

use std::sync::LazyLock;

use super::kinds::Kind;
use super::text::{Text, is_ascii_word};
use super::walk::Finder;
use crate::keys;

/// What the characters behind a prefix may be.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// Letters and digits.
    Alnum,
    /// Capital letters and digits.
    Upper,
    /// Hexadecimal digits in small letters.
    Hex,
    /// Letters, digits, `-` and `_`.
    Url,
    /// Those and `.`, `+`, `/`, `=`, `~`.
    Dotted,
}

/// Which characters, how many at least and at most, the score, and the prefixes that they stand behind.
pub(crate) type Rule = (Of, usize, usize, i32, &'static str);

const MOST: usize = 400;

const RULES: &[Rule] = &[
    // Clouds and platforms
    (Of::Upper, 16, 16, 430, "AKIA ASIA ABIA ACCA"),
    (Of::Url, 35, 35, 430, "AIza"),
    (Of::Url, 20, MOST, 430, "ya29. GOCSPX- tskey-"),
    (Of::Hex, 64, 64, 460, "dop_v1_ doo_v1_ dor_v1_"),
    (Of::Hex, 32, 36, 430, "dapi shpat_ shpss_ shpca_ shppa_"),
    (Of::Url, 24, MOST, 430, "hvs. hvb. hvr. pscale_tkn_ pscale_pw_ sq0csp- sq0atp-"),
    (Of::Alnum, 12, 20, 200, "LTAI AKID"),
    // Code and packages
    (Of::Alnum, 36, 255, 460, "ghp_ gho_ ghu_ ghs_ ghr_ npm_"),
    (Of::Url, 36, 255, 460, "github_pat_"),
    (Of::Url, 20, 255, 440, "glpat- glptt- gldt- glrt- glsa_ glc_ sntrys_ sntryu_ dckr_pat_ dckr_oat_"),
    (Of::Url, 50, MOST, 440, "pypi- ATATT3 ATCTT3 PMAK-"),
    (Of::Upper, 27, 27, 440, "NRAK-"),
    (Of::Alnum, 32, 64, 430, "lin_api_ ntn_ rdme_"),
    (Of::Url, 40, 60, 430, "figd_"),
    // Payments and messages
    (Of::Alnum, 16, 255, 440, "sk_live_ sk_test_ rk_live_ rk_test_ whsec_"),
    (Of::Url, 20, 255, 440, "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xapp-"),
    (Of::Dotted, 60, 70, 440, "SG."),
    (Of::Hex, 32, 32, 160, "key- SK"),
    // Models
    (Of::Url, 32, MOST, 450, "sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1-"),
    (Of::Alnum, 32, 64, 350, "sk-"),
    (Of::Alnum, 30, 120, 430, "hf_ r8_ gsk_ pplx- xai-"),
    (Of::Url, 40, 120, 430, "nvapi- tgp_v1_"),
    // Keys of files
    (Of::Upper, 58, 58, 460, "AGE-SECRET-KEY-1"),
    // In headers
    (Of::Dotted, 20, 4_000, 200, "Bearer\u{20}"),
];

/// The rules by the first byte of their prefixes.
pub(crate) type Rules = [Vec<(&'static [u8], &'static Rule)>; 128];

static BY_FIRST: LazyLock<Rules> = LazyLock::new(|| {
    let mut rules = [const { Vec::new() }; 128];
    for rule in RULES {
        // A prefix that ends in a space stands alone in its rule.
        let prefixes = if rule.4.ends_with(' ') { vec![rule.4] } else { rule.4.split(' ').collect() };
        for prefix in prefixes {
            let of_first = prefix.bytes().next().and_then(|first| rules.get_mut(usize::from(first)));
            of_first.into_iter().for_each(|of_first| of_first.push((prefix.as_bytes(), rule)));
        }
    }
    rules
});

/// The rules, for [`prefixed`].
pub(crate) fn rules() -> &'static Rules {
    &BY_FIRST
}

/// Looks at the word that begins here.
pub(crate) fn prefixed(finder: &mut Finder<'_>, rules: &Rules, start: usize) {
    let text = finder.text;
    let (first, second) = (text.byte(start), text.byte(start + 1));
    for (prefix, (of, least, most, score, _)) in rules.get(usize::from(first)).into_iter().flatten() {
        if prefix.get(1) != Some(&second) || !text.rest(start).starts_with(prefix) {
            continue;
        }
        let body = start + prefix.len();
        let mut end = text.run(body, most + 1, |byte| of.has(byte));
        while end > body && matches!(text.before(end), b'.' | b'-' | b'/') {
            end -= 1;
        }
        let goes_on = is_ascii_word(text.byte(end));
        if (*least..=*most).contains(&(end - body)) && !goes_on && is_random(text.bytes(body, end), 2.8) {
            let from = if prefix.ends_with(b" ") { body } else { start };
            finder.add(Kind::Secret, from, end, *score);
            return;
        }
    }
    if first == b'c' && text.rest(start).get(..keys::LENGTH).is_some_and(keys::is_genuine) {
        finder.add(Kind::Secret, start, start + keys::LENGTH, 600);
    } else if first == b'e' && text.rest(start).starts_with(b"eyJ") {
        signed_token(finder, start);
    }
}

impl Of {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => byte.is_ascii_alphanumeric() || b"-_.+/=~".contains(&byte),
        }
    }
}

/// A JSON web token: three parts in base64url with full stops between, of which the first is an object.
fn signed_token(finder: &mut Finder<'_>, start: usize) {
    let text = finder.text;
    if Of::Dotted.has(text.before(start)) && !matches!(text.before(start), b'=' | b'/') {
        return;
    }
    let (mut at, mut parts) = (start, 0);
    for part in 0..3 {
        let end = text.run(at, 4_096, |byte| Of::Url.has(byte));
        if end - at < 8 {
            break;
        }
        parts += 1;
        at = end;
        if part < 2 {
            if text.byte(end) != b'.' {
                break;
            }
            at += 1;
        }
    }
    if parts == 3 && at - start >= 60 {
        finder.add(Kind::Secret, start, at, 450);
    }
}

/// `-----BEGIN … PRIVATE KEY-----` and what it holds.
pub(crate) fn private_key(finder: &mut Finder<'_>, at: usize) {
    const MOST_BYTES: usize = 16_384;
    let text = finder.text;
    if text.before(at) == b'-' || !text.rest(at).starts_with(b"-----BEGIN ") {
        return;
    }
    let head = text.bytes(at, at + 64);
    let Some(kind) = head.windows(16).position(|bytes| bytes == b"PRIVATE KEY-----") else { return };
    let mut end = at + kind + 16;
    // Where a search has found no end, another need not look again.
    let until = (at + MOST_BYTES).min(text.len());
    let from = finder.no_end_before.max(end);
    let foot = text.bytes(from, until).windows(9).position(|bytes| bytes == b"-----END ");
    match foot {
        Some(foot) => {
            finder.no_end_before = from + foot;
            let foot = from + foot + 9;
            end = foot + text.bytes(foot, foot + 64).windows(5).position(|b| b == b"-----").map_or(0, |at| at + 5);
        }
        None => finder.no_end_before = until.saturating_sub(8).max(from),
    }
    finder.add(Kind::Secret, at, end, 600);
}

/// Ends of names in front of secrets.
const NAMES: [&str; 24] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "accountkey",
    "secretkey",
    "secret_key",
    "secret-key",
    "private_key",
    "privatekey",
    "auth_key",
    "authkey",
    "encryption_key",
    "signing_key",
    "credential",
];

/// Those that people make up, which have less disorder.
const CHOSEN: [&str; 5] = ["password", "passwd", "passphrase", "passcode", "pwd"];

/// Looks around the `:` or `=` that is here.
pub(crate) fn assigned(finder: &mut Finder<'_>, at: usize) {
    let text = finder.text;
    if text.rest(at).starts_with(b"://") {
        in_address(finder, at + 3);
        return;
    }
    let quoted = text.run_back(at, 3, |byte| matches!(byte, b' ' | b'"' | b'\'' | b']'));
    let begins = text.run_back(quoted, 40, |byte| is_ascii_word(byte) || byte == b'-');
    let name = text.bytes(begins, quoted);
    let ends = |of: &&str| -> bool {
        let from = name.len().checked_sub(of.len()).and_then(|from| name.get(from..));
        from.is_some_and(|end| end.eq_ignore_ascii_case(of.as_bytes()))
    };
    if !NAMES.iter().any(ends) {
        return;
    }
    let chosen = CHOSEN.iter().any(ends);
    let mark = text.run(at, 2, |byte| matches!(byte, b':' | b'=' | b'>'));
    let space = text.run(mark, 4, |byte| matches!(byte, b' ' | b'\t'));
    let quote = text.byte(space);
    let start = space + usize::from(matches!(quote, b'"' | b'\'' | b'`'));
    let plain = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'`,;<>()|".contains(&byte) && byte != 0;
    let mut end = text.run(start, MOST, plain);
    while start == space && end > start && matches!(text.before(end), b'.' | b'?' | b'!') {
        end -= 1;
    }
    // In a query of an address the next parameter is not part of it.
    let next = text.bytes(start, end).iter().position(|byte| *byte == b'&');
    if let Some(next) = next.filter(|next| !chosen || text.bytes(start + next, end).contains(&b'=')) {
        end = start + next;
    }
    let value = text.bytes(start, end);
    if !(8..MOST).contains(&value.len()) || text.byte(end) == b'(' || value.iter().any(|byte| b"${}[".contains(byte)) {
        return;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    // Names of code have these marks too: `process.env.KEY`, `Source::None`.
    let marks = value.iter().filter(|byte| !byte.is_ascii_alphanumeric() && !b"._:-".contains(byte)).count();
    let score = match (chosen, value.len()) {
        _ if digits == value.len() || value.starts_with(b"http") || value.starts_with(b"/") => return,
        (true, _) if (digits > 0 || marks > 0) && is_random(value, 2.2) => 180,
        (true, _) if start > space && is_random(value, 2.2) => 20,
        (false, 16..) if digits > 0 && is_random(value, 3.3) => 220,
        (false, _) if digits > 0 && is_random(value, 2.6) => 40,
        _ => return,
    };
    finder.add(Kind::Secret, start, whole(text, end), score);
}

fn whole(text: Text<'_>, mut end: usize) -> usize {
    while !text.0.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// The password of `scheme://user:password@host`.
fn in_address(finder: &mut Finder<'_>, start: usize) {
    let text = finder.text;
    let end = text.run(start, 256, |byte| byte.is_ascii_graphic() && !b"/\"'<>@".contains(&byte));
    let Some(colon) = text.bytes(start, end).iter().position(|byte| *byte == b':') else { return };
    let from = start + colon + 1;
    let password = text.bytes(from, end);
    if text.byte(end) == b'@' && (3..=128).contains(&password.len()) && !password.iter().any(|b| b"${}*".contains(b)) {
        finder.add(Kind::Secret, from, end, 550);
    }
}

/// Words of examples and blanks.
const BLANKS: [&str; 9] = ["example", "xxxx", "your", "changeme", "redacted", "placeholder", "0000000000", "<", "****"];

/// Whether there is enough disorder for chance, in bits a character, and nothing says that it is an example.
fn is_random(body: &[u8], bits: f64) -> bool {
    let mut counts = [0_u32; 128];
    for byte in body {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(body.len()).unwrap_or(u32::MAX));
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum();
    let blank = |word: &&str| body.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    entropy >= bits && !BLANKS.iter().any(blank)
}
