//! GGUF: a header of named values, among them a chat template, and where tensors lie.

use std::io;

use super::source::{Cursor, Source, bad};
use super::{Scan, rules, shown, template};

/// Longest template that is read.
const MAX_TEMPLATE: u64 = 1 << 20;

/// Longest name.
const MAX_NAME: u64 = 1 << 16;

/// How much is read as numbers of one type: so many in so many bytes.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
}

pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let mut cursor = Cursor::new(source, 4);
    match read(scan, path, &mut cursor) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            scan.found(&rules::GGUF_BOUNDS, path, cursor.at(), error.to_string());
            Ok(())
        }
        other => other,
    }
}

fn number(cursor: &mut Cursor, version: u32) -> io::Result<u64> {
    Ok(if version == 1 { u32::from_le_bytes(cursor.array()?).into() } else { u64::from_le_bytes(cursor.array()?) })
}

fn read(scan: &mut Scan, path: &str, cursor: &mut Cursor) -> io::Result<()> {
    let version = u32::from_le_bytes(cursor.array()?);
    if !(1..=3).contains(&version) {
        scan.unread(
            path,
            format!("it is GGUF of version {version}, or of the other order of bytes, which is not read"),
        );
        return Ok(());
    }
    let (tensors, values) = (number(cursor, version)?, number(cursor, version)?);
    // A value takes thirteen bytes at least, a tensor twenty-four.
    if values > cursor.left() / 9 || tensors > cursor.left() / 20 {
        return Err(bad(format!(
            "{values} values and {tensors} tensors are announced, for which the file is too short"
        )));
    }
    let (mut names, mut alignment) = (std::collections::HashSet::new(), 32_u64);
    for _ in 0..values {
        let name = name(cursor, version)?;
        let kind = u32::from_le_bytes(cursor.array()?);
        if kind == 8 && name.starts_with("tokenizer.chat_template") {
            let length = number(cursor, version)?;
            let at = cursor.at();
            if length > MAX_TEMPLATE {
                scan.unread(path, format!("its template has {length} bytes, which are more than are read"));
                cursor.skip(length)?;
            } else {
                let text = cursor.take(usize::try_from(length).unwrap_or(0))?;
                template::judge(scan, path, Some(at), &String::from_utf8_lossy(&text));
            }
        } else if name == "general.alignment" && kind == 4 {
            alignment = u32::from_le_bytes(cursor.array()?).into();
        } else {
            value(cursor, version, kind, 0)?;
        }
        if !names.insert(name.clone()) {
            return Err(bad(format!("`{}` stands in it twice", shown(&name))));
        }
    }
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(bad(format!("its alignment is {alignment}")));
    }
    places(scan, path, cursor, version, tensors, alignment)
}

fn name(cursor: &mut Cursor, version: u32) -> io::Result<String> {
    let length = number(cursor, version)?;
    if length > MAX_NAME {
        return Err(bad(format!("a name is said to have {length} bytes")));
    }
    Ok(String::from_utf8_lossy(&cursor.take(usize::try_from(length).unwrap_or(0))?).into_owned())
}

fn value(cursor: &mut Cursor, version: u32, kind: u32, depth: usize) -> io::Result<()> {
    let width = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => {
            let length = number(cursor, version)?;
            return cursor.skip(length);
        }
        9 if depth < 4 => {
            let kind = u32::from_le_bytes(cursor.array()?);
            let count = number(cursor, version)?;
            if count > cursor.left() {
                return Err(bad(format!(
                    "a list is said to have {count} values, and {} bytes are left",
                    cursor.left()
                )));
            }
            for _ in 0..count {
                value(cursor, version, kind, depth + 1)?;
            }
            return Ok(());
        }
        _ => return Err(bad(format!("there is no type {kind}"))),
    };
    cursor.skip(width)
}

fn places(
    scan: &mut Scan,
    path: &str,
    cursor: &mut Cursor,
    version: u32,
    tensors: u64,
    alignment: u64,
) -> io::Result<()> {
    let mut ends = Vec::new();
    for _ in 0..tensors {
        let name = name(cursor, version)?;
        let dimensions = u32::from_le_bytes(cursor.array()?);
        if dimensions > 8 {
            return Err(bad(format!("`{}` has {dimensions} dimensions", shown(&name))));
        }
        let mut elements = 1_u64;
        for _ in 0..dimensions {
            let length = number(cursor, version)?;
            elements = elements
                .checked_mul(length)
                .ok_or_else(|| bad(format!("the shape of `{}` overflows", shown(&name))))?;
        }
        let kind = u32::from_le_bytes(cursor.array()?);
        let offset = u64::from_le_bytes(cursor.array()?);
        let Some((count, width)) = block(kind) else {
            scan.unread(path, format!("`{}` is of type {kind}, which is not known", shown(&name)));
            continue;
        };
        let size = elements.div_ceil(count).checked_mul(width);
        let end = size.and_then(|size| offset.checked_add(size));
        let end = end.ok_or_else(|| bad(format!("the place of `{}` overflows", shown(&name))))?;
        ends.push((end, name));
    }
    let data = cursor.at().next_multiple_of(alignment);
    let room = cursor.source().size().saturating_sub(data);
    match ends.into_iter().max() {
        Some((end, name)) if end > room => {
            Err(bad(format!("`{}` ends at {end}, and there are {room} bytes", shown(&name))))
        }
        _ => Ok(()),
    }
}
