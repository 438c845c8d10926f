//! ZIP archives, with what readers disagree about: two headers for each member, data that no header names, names twice.
//! PyTorch's reader passes over flags and checksums, so members are looked at in spite of them.

use std::collections::HashSet;
use std::io;

use super::archive::{is_bomb, leads_outside};
use super::kind::{self, Kind};
use super::source::{Packing, Part, Source, Stream, bad, bytes, exact, unpack};
use super::{Scan, rules, torch, within};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// How far from the end of a file the end of a directory may be: its own length and the longest comment.
const TAIL: u64 = 22 + 65_535 + 20;

/// Most members.
const MAX_MEMBERS: u64 = 20_000;

/// Most bytes between members that are looked through.
const MAX_GAP: usize = 1 << 20;

/// Bits that say that a member is encrypted or a patch.
const ODD: u16 = 0x1 | 0x20 | 0x40 | 0x2000;

/// The end of the directory.
struct End {
    members: u64,
    /// Where the directory begins and ends.
    start: u64,
    end: u64,
    /// Where the records begin that end the archive.
    tail: u64,
    /// How much stands before the archive; less than nothing when places are counted from before the file.
    before: i64,
    /// Where the archive ends.
    after: u64,
    /// What readers disagree about.
    wrong: Option<&'static str>,
}

/// A member, as the directory has it.
struct Member {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    mode: u32,
    header: u64,
}

fn u16_at(from: &[u8], at: usize) -> u16 {
    from.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(from: &[u8], at: usize) -> u32 {
    from.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(from: &[u8], at: usize) -> u64 {
    from.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Whether a file that is something else at its beginning is an archive at its end.
pub(crate) fn has_end(source: &dyn Source) -> io::Result<bool> {
    Ok(end(source)?.is_some())
}

/// The end of the directory. Python takes the last 22 bytes when they are one without a comment, and otherwise the last place
/// where its signature stands; others go on to the places before that.
fn end(source: &dyn Source) -> io::Result<Option<End>> {
    let tail_at = source.size().saturating_sub(TAIL);
    let tail = bytes(source, tail_at, TAIL as usize)?;
    let last = tail.len().checked_sub(22).filter(|place| tail.get(*place..).is_some_and(|rest| rest.starts_with(END)));
    let places = (0..tail.len().saturating_sub(21)).rev().filter(|place| tail.get(*place..*place + 4) == Some(END));
    for place in last.into_iter().chain(places) {
        let record = tail.get(place..place + 22).unwrap_or_default();
        if let Some(end) = end_at(source, tail_at + place as u64, record)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// What the end of a directory says that stands at a place.
fn end_at(source: &dyn Source, at: u64, record: &[u8]) -> io::Result<Option<End>> {
    let short = (u64::from(u16_at(record, 10)), u64::from(u32_at(record, 12)), u64::from(u32_at(record, 16)));
    let after = (at + 22 + u64::from(u16_at(record, 20))).min(source.size());
    let (mut said, mut end, mut tail, mut wrong) = (short, at, at, None);
    let locator_at = at.saturating_sub(20);
    let locator = bytes(source, locator_at, 20)?;
    if locator.starts_with(LOCATOR_64) && at >= 20 {
        let told = u64_at(&locator, 8);
        // Python takes the record before the locator, wherever that points; others take the one that it points to.
        let here = locator_at.saturating_sub(56);
        if told != here {
            wrong = Some("its end says in one place that its directory is here, and in another that it is there");
        }
        for place in [here, told] {
            let record = bytes(source, place, 56)?;
            if record.starts_with(END_64) && record.len() == 56 {
                said = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
                (end, tail) = (place, if place == here { place } else { locator_at });
                break;
            }
        }
        let same = |short: u64, long: u64, full: u64| short == long || short == full;
        let (wide, all) = (u64::from(u32::MAX), u64::from(u16::MAX));
        if !(same(short.0, said.0, all) && same(short.1, said.1, wide) && same(short.2, said.2, wide)) {
            wrong = Some("its two ends say different things of the directory");
        }
    }
    let (members, size, offset) = said;
    let Some(start) = end.checked_sub(size) else { return Ok(None) };
    // Places may be counted from before the file: Python adds what is missing.
    let signed = |number: u64| i64::try_from(number).ok();
    let Some(before) = signed(start).zip(signed(offset)).and_then(|(start, offset)| start.checked_sub(offset)) else {
        return Ok(None);
    };
    if (members > 0 || size > 0) && bytes(source, start, 4)? != CENTRAL {
        return Ok(None);
    }
    Ok(Some(End { members, start, end, tail, before, after, wrong }))
}

pub(crate) fn look(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let Some(end) = end(source)? else {
        let reason = "it has no directory that can be read, so that readers disagree about what is in it";
        scan.found(&rules::ARCHIVE_DAMAGED, path, None, reason);
        return without_directory(scan, path, depth, source);
    };
    if let Some(why) = end.wrong {
        scan.found(&rules::ARCHIVE_MISMATCH, path, end.end, why);
    }
    let members = directory(scan, path, source, &end)?;
    // So that the work is bounded by the size of the archive.
    if members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.packed)) > source.size() {
        scan.found(&rules::ARCHIVE_OVERLAP, path, None, "its members take more bytes than it has");
        return Err(bad("its members take more bytes than it has, and were not looked at"));
    }
    let mut names = HashSet::new();
    for member in &members {
        if !names.insert(member.name.as_str()) {
            scan.found(
                &rules::ARCHIVE_DUPLICATE,
                path,
                member.header,
                format!("`{}` is in it twice", super::shown(&member.name)),
            );
        }
    }
    let layout = torch::Layout::of(&members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>());
    let before = std::mem::replace(&mut scan.torchscript, layout.is_script());
    let mut ranges = Vec::new();
    for member in &members {
        if let Err(error) = look_at(scan, path, depth, source, &end, member, &layout, &mut ranges) {
            scan.unread(&within(path, &member.name), error.to_string());
        }
    }
    scan.torchscript = before;
    between(scan, path, depth, source, &end, ranges)
}

fn directory(scan: &mut Scan, path: &str, source: &dyn Source, end: &End) -> io::Result<Vec<Member>> {
    let (mut members, mut at) = (Vec::new(), end.start);
    for _ in 0..end.members.min(MAX_MEMBERS) {
        let head: [u8; 46] = exact(source, at)?;
        if !head.starts_with(CENTRAL) {
            return Err(bad(format!("its directory breaks at byte {at}")));
        }
        let (name, extra) = (usize::from(u16_at(&head, 28)), usize::from(u16_at(&head, 30)));
        let rest = bytes(source, at + 46, name + extra)?;
        let name_bytes = rest.get(..name).ok_or_else(|| bad("its directory ends early"))?;
        let mut member = Member {
            name: String::from_utf8_lossy(name_bytes).into_owned(),
            flags: u16_at(&head, 8),
            method: u16_at(&head, 10),
            crc: u32_at(&head, 16),
            packed: u32_at(&head, 20).into(),
            size: u32_at(&head, 24).into(),
            mode: u32_at(&head, 38) >> 16,
            header: u32_at(&head, 42).into(),
        };
        wide(&mut member, rest.get(name..).unwrap_or_default());
        members.push(member);
        at += 46 + (name + extra) as u64 + u64::from(u16_at(&head, 32));
    }
    if end.members > MAX_MEMBERS {
        scan.unread(path, format!("it has {} members, of which the first {MAX_MEMBERS} were looked at", end.members));
    } else if at != end.end {
        let reason = format!("its directory should end at byte {} and ends at {at}", end.end);
        scan.found(&rules::ARCHIVE_MISMATCH, path, at, reason);
    }
    Ok(members)
}

/// Sizes and places that do not fit in 32 bits.
fn wide(member: &mut Member, mut extra: &[u8]) {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + length).unwrap_or_default();
        if id == 1 {
            let mut at = 0;
            for value in [&mut member.size, &mut member.packed, &mut member.header] {
                if *value == u64::from(u32::MAX) && field.len() >= at + 8 {
                    *value = u64_at(field, at);
                    at += 8;
                }
            }
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
}

#[allow(clippy::too_many_arguments)]
fn look_at(
    scan: &mut Scan,
    path: &str,
    depth: usize,
    source: &dyn Source,
    end: &End,
    member: &Member,
    layout: &torch::Layout,
    ranges: &mut Vec<(u64, u64, bool)>,
) -> io::Result<()> {
    let inside = within(path, &member.name);
    if let Some(why) = leads_outside(&member.name) {
        scan.found(&rules::ARCHIVE_PATH, &inside, None, why);
    }
    if member.mode & 0o170_000 == 0o120_000 {
        scan.found(&rules::ARCHIVE_LINK, &inside, None, "it is a symbolic link");
    }
    let header = member.header.checked_add_signed(end.before).ok_or_else(|| bad("its place is out of proportion"))?;
    let local: [u8; 30] = exact(source, header)?;
    if !local.starts_with(LOCAL) {
        scan.found(&rules::ARCHIVE_MISMATCH, &inside, header, "there is no member where the directory says");
        return Err(bad("it is not where the directory says"));
    }
    let name = bytes(source, header + 30, usize::from(u16_at(&local, 26)))?;
    compare(scan, &inside, header, member, &local, &name);
    let data = header + 30 + u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
    if member.packed > end.start.saturating_sub(data) {
        return Err(bad(format!("it is said to have {} bytes, and the archive has no room for them", member.packed)));
    }
    ranges.push((header, data + member.packed, member.flags & 8 != 0));
    if member.name.ends_with('/') && member.size == 0 && member.packed == 0 {
        return Ok(());
    }
    content(scan, &inside, depth, &Part::new(source, data, member.packed), member, layout)
}

/// What the directory and the member's own header say.
fn compare(scan: &mut Scan, inside: &str, header: u64, member: &Member, local: &[u8], name: &[u8]) {
    let mut differ =
        |what: &str| scan.found(&rules::ARCHIVE_MISMATCH, inside, header, format!("its two headers have {what}"));
    if String::from_utf8_lossy(name) != member.name {
        differ("different names");
    }
    if u16_at(local, 8) != member.method {
        differ("different methods of compression");
    }
    if (u16_at(local, 6) ^ member.flags) & (ODD | 8) != 0 {
        differ("different flags");
    }
    let (packed, size) = (u64::from(u32_at(local, 18)), u64::from(u32_at(local, 22)));
    let later = member.flags & 8 != 0;
    let same = |here: u64, there: u64| here == there || here == u64::from(u32::MAX) || (later && here == 0);
    if !same(packed, member.packed) || !same(size, member.size) {
        differ("different lengths");
    }
}

fn content(
    scan: &mut Scan,
    inside: &str,
    depth: usize,
    data: &Part,
    member: &Member,
    layout: &torch::Layout,
) -> io::Result<()> {
    if member.flags & ODD != 0 {
        // Some readers do not look at the flag: what is there as it is, they load.
        let known = kind::tell(inside, data)?;
        if !matches!(known, Kind::Unknown | Kind::Text | Kind::Empty) {
            scan.look_as(known, inside, depth + 1, data);
        }
        return Err(bad("it is encrypted, or a patch of something"));
    }
    let packing = match member.method {
        0 => {
            let crc = checksum(data)?;
            return checked(scan, inside, depth, data, crc, member, layout);
        }
        8 => Packing::Raw,
        93 => Packing::Zstd,
        12 => return Err(bad("it is compressed by bzip2, which is not read")),
        14 => return Err(bad("it is compressed by lzma, which is not read")),
        other => return Err(bad(format!("it is compressed by method {other}, which is not read"))),
    };
    let opened = unpack(data, packing, &mut scan.expanded);
    if is_bomb(member.packed, opened.source.size()) {
        let reason = format!("{} bytes expand to {}", member.packed, opened.source.size());
        scan.found(&rules::ARCHIVE_BOMB, inside, None, reason);
    }
    let whole = opened.broken.is_none();
    if let Some(why) = opened.broken {
        scan.unread(inside, why);
    }
    let crc = if whole { opened.crc } else { member.crc };
    checked(scan, inside, depth, &*opened.source, crc, member, layout)
}

fn checksum(data: &Part) -> io::Result<u32> {
    let (mut crc, mut piece) = (crc32fast::Hasher::new(), vec![0; 1 << 16]);
    let mut stream = Stream { of: data, at: 0 };
    loop {
        match io::Read::read(&mut stream, &mut piece)? {
            0 => return Ok(crc.finalize()),
            count => crc.update(piece.get(..count).unwrap_or_default()),
        }
    }
}

fn checked(
    scan: &mut Scan,
    inside: &str,
    depth: usize,
    data: &dyn Source,
    crc: u32,
    member: &Member,
    layout: &torch::Layout,
) -> io::Result<()> {
    if data.size() != member.size {
        let reason = format!("it has {} bytes and should have {}", data.size(), member.size);
        scan.found(&rules::ARCHIVE_DAMAGED, inside, None, reason);
    }
    if crc != member.crc {
        scan.found(&rules::ARCHIVE_DAMAGED, inside, None, "its checksum is wrong");
    }
    match layout.role(&member.name) {
        torch::Role::Numbers => scan.numbers(inside, data.size()),
        torch::Role::Code => torch::code(scan, inside, data)?,
        torch::Role::Other => scan.look(inside, depth + 1, data),
    }
    Ok(())
}

/// What lies before, between and behind the members.
fn between(
    scan: &mut Scan,
    path: &str,
    depth: usize,
    source: &dyn Source,
    end: &End,
    mut ranges: Vec<(u64, u64, bool)>,
) -> io::Result<()> {
    ranges.sort_unstable();
    let first = ranges.first().map_or(end.start, |(start, ..)| *start);
    if first > 0 {
        let reason = format!("{first} bytes stand before the archive");
        scan.found(&rules::ARCHIVE_POLYGLOT, path, 0_u64, reason);
        // The beginning alone may tell what it is; the archive in its tail would be found again.
        scan.look(&within(path, "before"), depth + 1, &Part::new(source, 0, first));
    }
    let mut covered = first;
    ranges.push((end.start, end.end, false));
    ranges.push((end.tail, end.tail, false));
    let mut descriptor = false;
    for (start, stop, described) in ranges {
        if start < covered {
            scan.found(&rules::ARCHIVE_OVERLAP, path, start, "a member begins inside of another");
        }
        let gap = start.saturating_sub(covered);
        // Behind a member, its lengths may stand again.
        if gap > if descriptor { 24 } else { 0 } {
            let hidden = bytes(source, covered, usize::try_from(gap).unwrap_or(MAX_GAP).min(MAX_GAP))?;
            if hidden.windows(4).any(|four| four == LOCAL) {
                scan.found(
                    &rules::ARCHIVE_HIDDEN,
                    path,
                    covered,
                    format!("{gap} bytes hold a member that the directory does not name"),
                );
            } else if gap > MAX_GAP as u64 || hidden.iter().any(|byte| *byte != 0) {
                scan.unread(path, format!("{gap} bytes at {covered} belong to no member"));
            }
        }
        covered = covered.max(stop);
        descriptor = described;
    }
    if end.after < source.size() {
        let reason = format!("{} bytes follow the archive", source.size() - end.after);
        scan.found(&rules::ARCHIVE_POLYGLOT, path, end.after, reason);
        scan.look(&within(path, "after"), depth + 1, &Part::new(source, end.after, u64::MAX));
    }
    Ok(())
}

/// Members one after the other, as some readers find them when there is no directory.
fn without_directory(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let layout = torch::Layout::of(&[]);
    let mut at = 0;
    for _ in 0..MAX_MEMBERS {
        let local = bytes(source, at, 30)?;
        if !local.starts_with(LOCAL) || local.len() < 30 {
            break;
        }
        let length = usize::from(u16_at(&local, 26));
        let name = String::from_utf8_lossy(&bytes(source, at + 30, length)?).into_owned();
        let data = at + 30 + length as u64 + u64::from(u16_at(&local, 28));
        let (packed, size) = (u64::from(u32_at(&local, 18)), u64::from(u32_at(&local, 22)));
        let member = Member {
            name,
            flags: u16_at(&local, 6),
            method: u16_at(&local, 8),
            crc: u32_at(&local, 14),
            // A member that does not say how long it is, is looked at to the end.
            packed: if packed == 0 { u64::MAX } else { packed },
            size,
            mode: 0,
            header: at,
        };
        let inside = within(path, &member.name);
        let part = Part::new(source, data, member.packed);
        if let Err(error) = content(scan, &inside, depth, &part, &member, &layout) {
            scan.unread(&inside, error.to_string());
        }
        at = data.saturating_add(part.size());
    }
    Err(bad("it has no directory that can be read"))
}
