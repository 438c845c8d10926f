//! HDF5, as older Keras writes models. Its attributes are stored as they are, each in one piece, so the configuration is
//! found wherever it lies; so are links and data that lead to other files, by their form.

use std::io;

use super::source::{Source, bytes};
use super::{Scan, keras, rules, shown};

/// The pieces in which a file is searched, and how much of the next one is seen with each.
const PIECE: usize = 1 << 20;
const OVERLAP: usize = 4096;

pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let classes = keras::anywhere(scan, path, source)?;
    let (mut at, mut promised) = (0_u64, false);
    while at < source.size() {
        let piece = bytes(source, at, PIECE + OVERLAP)?;
        let own = piece.len().min(PIECE);
        promised |= piece.windows(12).any(|name| name == b"model_config");
        for place in 0..own {
            let rest = piece.get(place..).unwrap_or_default();
            match rest {
                [1, 0, 0, 0, ..] if external_data(source, rest)? => {
                    scan.found(&rules::HDF5_EXTERNAL, path, at + place as u64, "numbers of it lie in another file");
                }
                [4, 3, ..] if virtual_data(source, rest)? => {
                    scan.found(
                        &rules::HDF5_EXTERNAL,
                        path,
                        at + place as u64,
                        "numbers of it come from other data sets",
                    );
                }
                [1, flags, 64, ..] if flags & 0xe8 == 8 => {
                    if let Some(target) = external_link(rest) {
                        let reason = format!("it links to `{}`", shown(&target));
                        scan.found(&rules::HDF5_EXTERNAL, path, at + place as u64, reason);
                    }
                }
                _ => {}
            }
        }
        at += own as u64;
    }
    if promised && classes == 0 {
        scan.unread(path, "it has the configuration of a model, which cannot be read");
    }
    Ok(())
}

fn address(rest: &[u8], at: usize) -> u64 {
    rest.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes)
}

/// A list of external files: version 1, slots, and the heap that their names lie in.
fn external_data(source: &dyn Source, rest: &[u8]) -> io::Result<bool> {
    let two = |at: usize| rest.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes);
    let (slots, used, heap) = (two(4), two(6), address(rest, 8));
    if !(1..=4096).contains(&slots) || !(1..=slots).contains(&used) || heap == 0 || heap >= source.size() {
        return Ok(false);
    }
    Ok(bytes(source, heap, 4)? == b"HEAP")
}

/// A virtual layout, of version 4 and class 3, and the collection that says where its parts come from.
fn virtual_data(source: &dyn Source, rest: &[u8]) -> io::Result<bool> {
    let heap = address(rest, 2);
    Ok(heap != 0 && heap < source.size() && bytes(source, heap, 4)? == b"GCOL")
}

/// A link message to another file: `name`, and `file` and `object` each ended by a zero.
fn external_link(rest: &[u8]) -> Option<String> {
    let flags = *rest.get(1)?;
    let mut at = 3 + if flags & 4 != 0 { 8 } else { 0 } + if flags & 16 != 0 { 1 } else { 0 };
    let width = 1_usize << (flags & 3);
    let length = rest.get(at..at + width)?.iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    at += width;
    let name = rest.get(at..at + usize::try_from(length).ok().filter(|length| (1..1024).contains(length))?)?;
    std::str::from_utf8(name).ok().filter(|name| !name.chars().any(char::is_control))?;
    at += name.len();
    let length = usize::from(u16::from_le_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    let value = rest.get(at + 2..at + 2 + length)?;
    let mut parts = value.strip_prefix(b"\0")?.split(|byte| *byte == 0);
    let (file, object, end) = (parts.next()?, parts.next()?, parts.next()?);
    (!file.is_empty() && !object.is_empty() && end.is_empty()).then(|| String::from_utf8_lossy(file).into_owned())
}
