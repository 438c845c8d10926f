//! Protocol buffers without a schema: fields one after the other, read at their places and never held.

use std::io;

use super::kind::Kind;
use super::source::{Cursor, Source, bad};

/// What a field holds: a number, or bytes between two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Number(u64),
    Bytes(u64, u64),
    /// Four or eight bytes, which nobody asks for.
    Fixed,
}

/// A message under way: where to read, and where it ends.
pub(crate) fn next(cursor: &mut Cursor, end: u64) -> io::Result<Option<(u64, Held)>> {
    if cursor.at() >= end {
        return Ok(None);
    }
    let tag = varint(cursor)?;
    let held = match tag & 7 {
        0 => Held::Number(varint(cursor)?),
        1 => {
            cursor.skip(8)?;
            Held::Fixed
        }
        5 => {
            cursor.skip(4)?;
            Held::Fixed
        }
        2 => {
            let length = varint(cursor)?;
            let start = cursor.at();
            let stop = start.checked_add(length).filter(|stop| *stop <= end);
            let stop = stop.ok_or_else(|| {
                bad(format!("a field at byte {start} is said to have {length} bytes, which are not there"))
            })?;
            cursor.seek(stop);
            Held::Bytes(start, stop)
        }
        _ => return Err(bad(format!("a field at byte {} has no known form", cursor.at()))),
    };
    match tag >> 3 != 0 && cursor.at() <= end {
        true => Ok(Some((tag >> 3, held))),
        false => Err(bad(format!("a field at byte {} is none", cursor.at()))),
    }
}

fn varint(cursor: &mut Cursor) -> io::Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = cursor.byte()?.ok_or_else(|| bad("it ends early"))?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(bad(format!("a number at byte {} has no end", cursor.at())))
}

/// Goes through the fields of a message that lies between two places.
pub(crate) fn each(
    cursor: &mut Cursor,
    (start, end): (u64, u64),
    of: &mut dyn FnMut(&mut Cursor, u64, Held) -> io::Result<()>,
) -> io::Result<()> {
    cursor.seek(start);
    while let Some((field, held)) = next(cursor, end)? {
        let after = cursor.at();
        of(cursor, field, held)?;
        cursor.seek(after);
    }
    Ok(())
}

/// Longest text that is taken from a field.
const MAX_TEXT: u64 = 4096;

/// The text that a field holds; of a longer one, its beginning.
pub(crate) fn text(cursor: &mut Cursor, held: Held) -> io::Result<String> {
    let Held::Bytes(start, end) = held else { return Ok(String::new()) };
    cursor.seek(start);
    let bytes = cursor.take(usize::try_from((end - start).min(MAX_TEXT)).unwrap_or(0))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Most fields that are read to tell what a message is.
const TRIED: usize = 100_000;

/// What a message is by the fields at its top, when it is one to its end.
pub(crate) fn tell(source: &dyn Source) -> io::Result<Option<Kind>> {
    let (mut cursor, mut numbers, mut bytes) = (Cursor::new(source, 0), 0_u64, 0_u64);
    for _ in 0..TRIED {
        match next(&mut cursor, source.size()) {
            Ok(Some((field @ 1..64, Held::Number(_)))) => numbers |= 1_u64 << field,
            Ok(Some((field @ 1..64, Held::Bytes(..)))) => bytes |= 1_u64 << field,
            Ok(Some(_)) => return Ok(None),
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let only = |mask: u64, allowed: &[u64]| allowed.iter().fold(mask, |mask, field| mask & !(1_u64 << field)) == 0;
    let has = |mask: u64, field: u64| mask & (1_u64 << field) != 0;
    // ONNX: a version of the form, and a graph.
    if has(numbers, 1) && has(bytes, 7) && only(numbers, &[1, 5]) && only(bytes, &[2, 3, 4, 6, 7, 8, 14, 20, 25, 26]) {
        return Ok(Some(Kind::Onnx));
    }
    // A SavedModel: a version and graphs. A graph or metadata of Keras: parts, perhaps a library and a version.
    let saved = has(numbers, 1) && has(bytes, 2) && only(numbers, &[1]) && only(bytes, &[2]);
    let graph = has(bytes, 1) && only(numbers, &[3]) && only(bytes, &[1, 2, 4, 5]);
    Ok((saved || graph).then_some(Kind::TensorFlow))
}
