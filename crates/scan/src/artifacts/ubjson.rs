//! UBJSON, as XGBoost writes models: every length is held against what is there.

use std::io;

use super::source::{Cursor, Source};

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Whether this begins an object of UBJSON: a bracket and the type of a length, or of what it holds.
pub(crate) fn begins(head: &[u8]) -> bool {
    matches!(head, [b'{', b'i' | b'U' | b'I' | b'l' | b'L' | b'$' | b'#' | b'}', ..])
}

/// Reads it to its end; what is wrong, and where.
pub(crate) fn look(source: &dyn Source) -> Result<(), (u64, String)> {
    let mut cursor = Cursor::new(source, 0);
    let read = one(&mut cursor);
    let at = cursor.at();
    match read {
        Err(why) => Err((at, why)),
        Ok(()) if at < source.size() => Err((at, format!("{} bytes follow it", source.size() - at))),
        Ok(()) => Ok(()),
    }
}

type Read<T> = Result<T, String>;

fn said(error: io::Error) -> String {
    error.to_string()
}

fn one(cursor: &mut Cursor) -> Read<()> {
    let kind = marker(cursor)?;
    value(cursor, kind, 0)
}

/// The next mark that is not a no-op.
fn marker(cursor: &mut Cursor) -> Read<u8> {
    loop {
        match cursor.byte().map_err(said)? {
            Some(b'N') => {}
            Some(kind) => return Ok(kind),
            None => return Err("it ends early".to_owned()),
        }
    }
}

/// How many bytes a value of a fixed width has.
fn width(kind: u8) -> Option<u64> {
    match kind {
        b'Z' | b'T' | b'F' => Some(0),
        b'i' | b'U' | b'C' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

fn length(cursor: &mut Cursor) -> Read<u64> {
    let kind = marker(cursor)?;
    length_of(cursor, kind)
}

fn length_of(cursor: &mut Cursor, kind: u8) -> Read<u64> {
    let number = match kind {
        b'i' => i64::from(i8::from_be_bytes(cursor.array().map_err(said)?)),
        b'U' => i64::from(u8::from_be_bytes(cursor.array().map_err(said)?)),
        b'I' => i64::from(i16::from_be_bytes(cursor.array().map_err(said)?)),
        b'l' => i64::from(i32::from_be_bytes(cursor.array().map_err(said)?)),
        b'L' => i64::from_be_bytes(cursor.array().map_err(said)?),
        _ => return Err("a length is no number".to_owned()),
    };
    u64::try_from(number).map_err(|_| "a length is negative".to_owned())
}

fn skip(cursor: &mut Cursor, count: u64) -> Read<()> {
    cursor.skip(count).map_err(said)
}

fn value(cursor: &mut Cursor, kind: u8, depth: usize) -> Read<()> {
    if depth > MAX_DEPTH {
        return Err(format!("it lies deeper than {MAX_DEPTH} lists"));
    }
    if let Some(width) = width(kind) {
        return skip(cursor, width);
    }
    match kind {
        b'S' | b'H' => {
            let length = length(cursor)?;
            skip(cursor, length)
        }
        b'[' | b'{' => container(cursor, kind == b'{', depth),
        other => Err(format!("there is no type {other:#04x}")),
    }
}

fn container(cursor: &mut Cursor, named: bool, depth: usize) -> Read<()> {
    let (mut typed, mut count) = (None, None);
    let mut next = marker(cursor)?;
    if next == b'$' {
        typed = Some(cursor.byte().map_err(said)?.ok_or("it ends early")?);
        next = marker(cursor)?;
        if next != b'#' {
            return Err("a list of one type has no length".to_owned());
        }
    }
    if next == b'#' {
        count = Some(length(cursor)?);
    }
    match (typed, count) {
        (typed, Some(count)) => {
            if let (Some(width), false) = (typed.and_then(width), named) {
                let bytes = count.checked_mul(width).ok_or("a length is out of proportion")?;
                return skip(cursor, bytes);
            }
            if count > cursor.left() {
                return Err(format!("{count} values are announced and {} bytes are left", cursor.left()));
            }
            for _ in 0..count {
                if named {
                    let length = length(cursor)?;
                    skip(cursor, length)?;
                }
                let kind = typed.map_or_else(|| marker(cursor), Ok)?;
                value(cursor, kind, depth + 1)?;
            }
            Ok(())
        }
        (_, None) => {
            let end = if named { b'}' } else { b']' };
            while next != end {
                if named {
                    let length = length_of(cursor, next)?;
                    skip(cursor, length)?;
                    next = marker(cursor)?;
                }
                value(cursor, next, depth + 1)?;
                next = marker(cursor)?;
            }
            Ok(())
        }
    }
}
