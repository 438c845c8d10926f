//! TAR archives, with the extensions of POSIX and GNU.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::archive::leads_outside;
use super::source::{Part, Source, bad, bytes, exact};
use super::{Scan, rules, shown, within};

const BLOCK: u64 = 512;

/// Most members.
const MAX_MEMBERS: usize = 20_000;

/// Longest extension header.
const MAX_EXTENSION: u64 = 1 << 20;

/// Whether a block is a header: its checksum is right.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK as usize) else { return false };
    let Some(written) = block.get(148..156).and_then(octal) else { return false };
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let unsigned: u64 = block.iter().enumerate().map(byte).map(u64::from).sum();
    let signed: i64 = block.iter().enumerate().map(byte).map(|byte| i64::from(byte.cast_signed())).sum();
    written > 8 * 32 && (unsigned == written || i64::try_from(written) == Ok(signed))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

/// A number in octal digits, or in binary when its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let rest = field
                .iter()
                .skip(1)
                .try_fold(u64::from(first & 0x7f), |sum, byte| sum.checked_mul(256).map(|sum| sum | u64::from(*byte)));
            rest.filter(|_| first & 0x40 == 0)
        }
        _ => octal(field),
    }
}

fn word(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

pub(crate) fn look(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let (mut at, mut names) = (0, HashSet::new());
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..MAX_MEMBERS {
        if at >= source.size() {
            return Ok(());
        }
        let block: [u8; BLOCK as usize] = exact(source, at)?;
        if block.iter().all(|byte| *byte == 0) {
            return behind(scan, path, depth, source, at);
        }
        if !is_header(&block) {
            return Err(bad(format!("it breaks at byte {at}: no header is there")));
        }
        let field = |start: usize, end: usize| block.get(start..end).unwrap_or_default();
        let mut size = number(field(124, 136)).ok_or_else(|| bad(format!("a length at byte {at} cannot be read")))?;
        let kind = block.get(156).copied().unwrap_or(0);
        let extension = matches!(kind, b'x' | b'g' | b'L' | b'K' | b'X');
        if let Some(told) = said.get("size").filter(|_| !extension) {
            size = told.parse().map_err(|_| bad("a length in an extended header cannot be read"))?;
        }
        // Links, devices, directories and pipes have no data: Python's reader skips none, whatever length is written.
        let old = kind == 0 && word(field(0, 100)).ends_with('/');
        let empty = matches!(kind, b'1'..=b'6') || old;
        let claimed = if empty { std::mem::take(&mut size) } else { 0 };
        let data = Part::new(source, at + BLOCK, size);
        if data.size() < size {
            return Err(bad(format!("it is said to have {size} bytes at {at}, and ends before")));
        }
        let header = at;
        at = (at + BLOCK)
            .checked_add(size.div_ceil(BLOCK) * BLOCK)
            .ok_or_else(|| bad("a length is out of proportion"))?;
        if kind == b'g' {
            let mut all = BTreeMap::new();
            extend(&mut all, kind, &data)?;
            let moves = |key: &&String| matches!(key.as_str(), "size" | "path") || key.starts_with("GNU.sparse");
            if let Some(key) = all.keys().find(moves) {
                let reason = format!("a header says `{}` of all members, which readers take differently", shown(key));
                scan.found(&rules::ARCHIVE_MISMATCH, path, header, reason);
            }
            continue;
        }
        if extension {
            extend(&mut said, kind, &data)?;
            continue;
        }
        let prefix = if field(257, 262) == b"ustar" { word(field(345, 500)) } else { String::new() };
        let plain = word(field(0, 100));
        let name = if prefix.is_empty() { plain } else { format!("{prefix}/{plain}") };
        let name = said.remove("path").unwrap_or(name);
        let sparse = said.keys().any(|key| key.starts_with("GNU.sparse"));
        said.clear();
        let inside = within(path, &name);
        if let Some(why) = leads_outside(&name) {
            scan.found(&rules::ARCHIVE_PATH, &inside, None, why);
        }
        if !names.insert(name) {
            scan.found(&rules::ARCHIVE_DUPLICATE, &inside, None, "it is in the archive twice");
        }
        if claimed > 0 {
            let reason = format!("it has no data, and is said to have {claimed} bytes");
            scan.found(&rules::ARCHIVE_MISMATCH, &inside, None, reason);
        }
        match kind {
            0 if old => {}
            b'0' | 0 | b'7' if !sparse => scan.look(&inside, depth + 1, &data),
            b'5' => {}
            b'1' | b'2' => {
                let target = word(field(157, 257));
                scan.found(&rules::ARCHIVE_LINK, &inside, None, format!("it is a link to `{}`", shown(&target)));
            }
            b'3' | b'4' | b'6' => scan.found(&rules::ARCHIVE_LINK, &inside, None, "it is a device or a pipe"),
            _ => scan.unread(&inside, "it is a member of a kind that is not read"),
        }
    }
    Err(bad(format!("it has more than {MAX_MEMBERS} members")))
}

/// What an extension header says of the next member.
fn extend(said: &mut BTreeMap<String, String>, kind: u8, data: &Part) -> io::Result<()> {
    if data.size() > MAX_EXTENSION {
        return Err(bad("an extended header is out of proportion"));
    }
    let text = bytes(data, 0, MAX_EXTENSION as usize)?;
    match kind {
        b'L' => drop(said.insert("path".to_owned(), word(&text))),
        b'K' => {}
        _ => {
            let mut rest = text.as_slice();
            while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
                let length: Option<usize> =
                    rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                let length = length.filter(|length| *length > space + 1 && *length <= rest.len());
                let length = length.ok_or_else(|| bad("an extended header cannot be read"))?;
                let record = String::from_utf8_lossy(rest.get(space + 1..length - 1).unwrap_or_default()).into_owned();
                if let Some((key, value)) = record.split_once('=') {
                    said.insert(key.to_owned(), value.to_owned());
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
    Ok(())
}

/// What follows the end of the archive: nothing but zeroes.
fn behind(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source, at: u64) -> io::Result<()> {
    let mut from = at;
    while from < source.size() {
        let piece = bytes(source, from, 1 << 16)?;
        if let Some(place) = piece.iter().position(|byte| *byte != 0) {
            scan.look(&within(path, "after"), depth + 1, &Part::new(source, from + place as u64, u64::MAX));
            return Ok(());
        }
        from += piece.len().max(1) as u64;
    }
    Ok(())
}
