//! NumPy's `.npy`: a header that is a literal of Python, and numbers, or a pickle when the elements are objects.

use std::io;

use super::source::{Part, Source, bad, bytes, exact};
use super::{Scan, pickle, rules, shown, within};

/// Longest header that NumPy reads without being told to.
const MAX_HEADER: usize = 10_000;

/// Most arrays in one file.
const MAX_ARRAYS: usize = 1_000;

pub(crate) fn look(scan: &mut Scan, path: &str, depth: usize, source: &dyn Source) -> io::Result<()> {
    let mut at = 0;
    for _ in 0..MAX_ARRAYS {
        if at >= source.size() {
            return Ok(());
        }
        if bytes(source, at, 6)? != b"\x93NUMPY" {
            scan.look(&within(path, "after"), depth + 1, &Part::new(source, at, u64::MAX));
            return Ok(());
        }
        let (header, data) = header(source, at)?;
        let (objects, size) = match array(&header) {
            Ok(array) => array,
            Err(why) => {
                scan.found(&rules::NUMPY_HEADER, path, at, format!("its header is wrong: {why}: `{}`", shown(&header)));
                return Ok(());
            }
        };
        if objects {
            scan.found(&rules::NUMPY_OBJECTS, path, at, "its elements are Python objects");
            return pickle::look(scan, path, depth, &Part::new(source, data, u64::MAX));
        }
        // Where elements have names, their sizes are not added up: the rest is theirs.
        let Some(size) = size else { return Ok(()) };
        let left = source.size().saturating_sub(data);
        if size > left {
            scan.found(
                &rules::NUMPY_HEADER,
                path,
                at,
                format!("its elements are said to take {size} bytes, and {left} are left"),
            );
            return Ok(());
        }
        at = data + size;
    }
    Err(bad(format!("it has more than {MAX_ARRAYS} arrays")))
}

fn header(source: &dyn Source, at: u64) -> io::Result<(String, u64)> {
    let head: [u8; 12] = exact(source, at)?;
    let (length, start) = match head {
        [_, _, _, _, _, _, 1, _, low, high, ..] => (usize::from(u16::from_le_bytes([low, high])), at + 10),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d] => {
            (usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX), at + 12)
        }
        _ => return Err(bad("it is of a version of the format that is not known")),
    };
    if length > MAX_HEADER {
        return Err(bad(format!("its header is said to have {length} bytes")));
    }
    let text = bytes(source, start, length)?;
    if text.len() < length {
        return Err(bad("its header ends early"));
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), start + length as u64))
}

/// Whether the elements are objects, and how many bytes all of them take.
///
/// The header must be as NumPy writes it. Python reads other literals, too, in which a key stands twice, or is put together.
fn array(header: &str) -> Result<(bool, Option<u64>), &'static str> {
    let plain =
        |c: char| (c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '#')) || c == ' ' || c == '\n' || !c.is_ascii();
    if !header.starts_with('{') || !header.trim_end().ends_with('}') || !header.chars().all(plain) {
        return Err("it is no dictionary");
    }
    let after = |name: &str| header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let (descr, shape) = (after("descr").ok_or("it has no type")?, after("shape").ok_or("it has no shape")?);
    let quotes = |text: &str| text.matches('\'').count();
    let own = if descr.starts_with('[') { quotes(list(descr).ok_or("its type has no end")?) } else { 2 };
    if after("fortran_order").is_none() || quotes(header) != own + 6 {
        return Err("it has other keys than it should");
    }
    let shape = shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or("its shape is no tuple")?.0;
    let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
    let elements =
        lengths.map(|length| length.trim_end_matches('L').parse::<u64>()).try_fold(1_u64, |count, length| {
            count
                .checked_mul(length.map_err(|_| "its shape has something else than numbers")?)
                .ok_or("its shape overflows")
        })?;
    if descr.starts_with('[') {
        let types = list(descr).unwrap_or(descr).split('\'').skip(1).step_by(2);
        let objects = types
            .map(|code| code.trim_start_matches(['<', '>', '=', '|']))
            .any(|code| code.starts_with('O') && code.len() <= 2);
        return Ok((objects, None));
    }
    let code = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).ok_or("its type is no text")?.0;
    let code = code.trim_start_matches(['<', '>', '=', '|']);
    if code.starts_with('O') {
        return Ok((true, None));
    }
    let (kind, rest) = code.split_at_checked(1).ok_or("its type is empty")?;
    let width: u64 = rest.split('[').next().unwrap_or_default().parse().map_err(|_| "its type is unknown")?;
    let width = match kind {
        "b" | "i" | "u" | "f" | "c" | "S" | "V" | "M" | "m" | "a" => width,
        "U" => width.checked_mul(4).ok_or("its type is out of proportion")?,
        _ => return Err("its type is unknown"),
    };
    elements.checked_mul(width).map(|size| (false, Some(size))).ok_or("its shape overflows")
}

/// The list that a text begins with.
fn list(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return text.get(..=at),
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}
