//! Addresses of networks: of the Internet Protocol, versions 4 and 6, and of network cards.

use core::net::Ipv6Addr;

use super::groups::Groups;
use super::kinds::Kind;
use super::text::{Text, is_ascii_word};
use super::walk::Finder;

/// Longest address of version 6, with one of version 4 in its end.
const LONGEST: usize = 45;

/// `192.168.12.7`: four numbers below 256.
pub(crate) fn four(finder: &mut Finder<'_>, groups: &Groups) {
    let (text, start) = (finder.text, groups.start);
    let (mut parts, mut end, mut from) = ([0_u32; 4], start, 0);
    for (at, part) in parts.iter_mut().enumerate() {
        let Some((length, separator, ends)) = groups.group(at) else { return };
        let digits = groups.all().get(from..from + length).unwrap_or_default();
        // Longer ones are none, and do not fit.
        *part = digits.iter().take(3).fold(0, |part, digit| part * 10 + u32::from(*digit));
        let padded = length > 1 && digits.first() == Some(&0);
        if length > 3 || padded || *part > 255 || (at > 0 && separator != b'.') {
            return;
        }
        (end, from) = (ends, from + length);
    }
    let goes_on = groups.group(4).is_some_and(|group| matches!(group.1, b'.' | b'-'));
    // Nobody's: this host, no host, all hosts, and masks.
    let nobody = matches!(parts[0], 0 | 127) || (parts[0] == 255 && parts[1] == 255);
    if goes_on || nobody || is_ascii_word(text.byte(end)) || (groups.joined_before && text.before(start) != b':') {
        return;
    }
    // Small numbers are as often a version or the number of a section.
    let small = if parts.iter().all(|part| *part < 20) { -150 } else { 0 };
    finder.add(Kind::Ip, start, end, 220 + small);
}

/// Looks at the hexadecimal digits from here on, behind which a `:`, `-` or `.` stands.
pub(crate) fn hexadecimal(finder: &mut Finder<'_>, start: usize, end: usize) {
    let text = finder.text;
    if matches!(text.before(start), b':' | b'-' | b'.') && is_hex(start.checked_sub(1).map_or(0, |at| text.before(at)))
    {
        return;
    }
    match end - start {
        2 => card(finder, start, 6, 2),
        4 if text.byte(end) == b'.' => card(finder, start, 3, 4),
        _ => {}
    }
    if text.byte(end) == b':' {
        six(finder, start);
    }
}

/// `2001:db8::1`, from its first digit or from `::`.
pub(crate) fn six(finder: &mut Finder<'_>, start: usize) {
    let text = finder.text;
    let before = text.before(start);
    if is_ascii_word(before) || before == b':' {
        return;
    }
    let mut end = text.run(start, LONGEST + 1, |byte| is_hex(byte) || matches!(byte, b':' | b'.'));
    while matches!(text.before(end), b'.' | b':') && !text.bytes(start, end).ends_with(b"::") {
        end -= 1;
    }
    if is_ascii_word(text.byte(end)) || end - start > LONGEST {
        return;
    }
    let Some(address) = text.0.get(start..end).and_then(|text| text.parse::<Ipv6Addr>().ok()) else { return };
    let groups = text.bytes(start, end).split(|byte| *byte == b':').filter(|group| !group.is_empty()).count();
    let known = matches!(address.segments()[0], 0x2000..=0x3fff | 0xfe80..=0xfebf | 0xfc00..=0xfdff | 0xff00..);
    if address.is_loopback() || address.is_unspecified() || (groups < 2 && !known) {
        return;
    }
    let score = match (known, groups) {
        (true, 3..) | (_, 8) => 300,
        (true, _) => 180,
        _ => -150,
    };
    finder.add(Kind::Ip, start, end, score);
}

/// `00:1b:44:11:3a:b7`: groups of hexadecimal digits with one separator.
fn card(finder: &mut Finder<'_>, start: usize, groups: usize, digits: usize) {
    let text = finder.text;
    let separator = text.byte(start + digits);
    let (mut at, mut letters, mut whole, mut same) = (start, false, true, true);
    for group in 0..groups {
        let written = text.bytes(at, at + digits);
        whole &= written.len() == digits && written.iter().all(|byte| is_hex(*byte));
        letters |= written.iter().any(u8::is_ascii_alphabetic);
        same &= written == text.bytes(start, start + digits);
        at += digits;
        if group + 1 < groups {
            whole &= text.byte(at) == separator;
            at += 1;
        }
    }
    let goes_on = is_ascii_word(text.byte(at)) || (text.byte(at) == separator && is_hex(text.byte(at + 1)));
    // All the same: nobody and everybody.
    if !whole || goes_on || same || is_ascii_word(text.before(start)) {
        return;
    }
    let score = match (separator, letters) {
        (b':', _) => 260,
        (_, true) => 220,
        _ => -200,
    };
    finder.add(Kind::Mac, start, at, score);
}

pub(crate) fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Whether all of these are hexadecimal digits.
pub(crate) fn all_hex(text: Text<'_>, start: usize, end: usize) -> bool {
    text.bytes(start, end).iter().all(|byte| is_hex(*byte))
}
