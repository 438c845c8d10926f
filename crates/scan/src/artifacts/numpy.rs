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
        let Some(size) = size else {
            scan.unread(path, "how many bytes its elements take is not known, so that the rest was not read");
            return Ok(());
        };
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
    let (element, rest) = kind(descr, 0)?;
    let own = quotes(descr) - quotes(rest);
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
    if element.objects {
        return Ok((true, None));
    }
    let size = element.size.map(|size| elements.checked_mul(size).ok_or("its shape overflows"));
    size.transpose().map(|size| (false, size))
}

/// What one element is.
struct Element {
    objects: bool,
    /// How many bytes it takes, when that is known.
    size: Option<u64>,
}

/// Most types that lie in one another.
const MAX_DEPTH: usize = 16;

/// The type that a text begins with, a code or a list of fields, and what follows it.
///
/// Python reads more than NumPy writes, such as `object` and `(2,)O`: what is not as NumPy writes it is wrong.
fn kind(text: &str, depth: usize) -> Result<(Element, &str), &'static str> {
    if depth > MAX_DEPTH {
        return Err("its types lie too deep in one another");
    }
    let Some(mut rest) = text.strip_prefix('[').map(str::trim_start) else {
        let (code, rest) = quoted(text).ok_or("its type is no text")?;
        return Ok((coded(code)?, rest));
    };
    let mut whole = Element { objects: false, size: Some(0) };
    while let Some(field) = rest.strip_prefix('(') {
        let (element, count, left) = field_of(field, depth)?;
        whole.objects |= element.objects;
        let size = element.size.zip(count).map(|(size, count)| size.checked_mul(count));
        let sum = whole.size.zip(size).map(|(sum, size)| size.and_then(|size| sum.checked_add(size)));
        whole.size = sum.map(|sum| sum.ok_or("its type is out of proportion")).transpose()?;
        rest = left.strip_prefix(',').unwrap_or(left).trim_start();
    }
    rest.strip_prefix(']').map(|rest| (whole, rest)).ok_or("its type is no list of fields")
}

/// A field behind its opening bracket: its type, how often it stands there, and what follows it.
fn field_of(text: &str, depth: usize) -> Result<(Element, Option<u64>, &str), &'static str> {
    let comma = |text: &'_ str| text.trim_start().strip_prefix(',').map(|rest| text.len() - rest.trim_start().len());
    let wrong = "its type has a field that is none";
    let named = match text.strip_prefix('(') {
        // A title and a name.
        Some(pair) => {
            let (_, rest) = quoted(pair).ok_or(wrong)?;
            let rest = rest.get(comma(rest).ok_or(wrong)?..).ok_or(wrong)?;
            quoted(rest).and_then(|(_, rest)| rest.strip_prefix(')')).ok_or(wrong)?
        }
        None => quoted(text).ok_or(wrong)?.1,
    };
    let (element, rest) = kind(named.get(comma(named).ok_or(wrong)?..).ok_or(wrong)?, depth + 1)?;
    if let Some(rest) = rest.strip_prefix(')') {
        return Ok((element, Some(1), rest));
    }
    let shape = rest.get(comma(rest).ok_or(wrong)?..).ok_or(wrong)?;
    let (lengths, rest) = match shape.strip_prefix('(') {
        Some(tuple) => tuple.split_once(')').ok_or(wrong)?,
        None => shape.split_at(shape.find(')').ok_or(wrong)?),
    };
    let mut count = Some(1_u64);
    for length in lengths.split(',').map(str::trim).filter(|length| !length.is_empty()) {
        let length: u64 = length.trim_end_matches('L').parse().map_err(|_| wrong)?;
        count = count.and_then(|count| count.checked_mul(length));
    }
    let rest = rest.trim_start().strip_prefix(')').ok_or(wrong)?;
    Ok((element, count, rest))
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

/// What a code such as `<f8` says.
fn coded(code: &str) -> Result<Element, &'static str> {
    let wrong = "its type is unknown";
    let code = code.strip_prefix(['<', '>', '=', '|']).unwrap_or(code);
    let (letter, rest) = code.split_at_checked(1).ok_or(wrong)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, unit) = rest.split_at(digits);
    let timed = matches!(letter, "M" | "m") && unit.starts_with('[') && unit.find(']') == Some(unit.len() - 1);
    if !(unit.is_empty() || timed) || !(digits.is_empty() || digits.len() < 19) {
        return Err(wrong);
    }
    let width: Option<u64> = digits.parse().ok();
    let size = match letter {
        "O" => return Ok(Element { objects: true, size: None }),
        "b" | "i" | "u" | "f" | "c" | "S" | "V" | "M" | "m" | "a" => width,
        "?" => Some(width.unwrap_or(1)),
        "U" => width.map(|width| width.checked_mul(4).ok_or("its type is out of proportion")).transpose()?,
        _ => return Err(wrong),
    };
    Ok(Element { objects: false, size })
}
