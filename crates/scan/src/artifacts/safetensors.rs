//! safetensors: a length, JSON, and numbers. The numbers must lie one after the other and fill the file.

use std::io;

use super::json::{self, Json};
use super::source::{Source, bytes, exact};
use super::{Scan, rules, shown};

/// Longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

/// Longest header that is read.
const MAX_READ: u64 = 32 << 20;

pub(crate) fn look(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<()> {
    let mut wrong = Vec::new();
    let unread = check(source, &mut wrong)?;
    wrong.into_iter().for_each(|(offset, reason)| scan.found(&rules::SAFETENSORS_HEADER, path, offset, reason));
    unread.into_iter().for_each(|reason| scan.unread(path, reason));
    Ok(())
}

/// What is wrong, and where; and why it was not read, if it was not.
fn check(source: &dyn Source, wrong: &mut Vec<(Option<u64>, String)>) -> io::Result<Option<String>> {
    let length = u64::from_le_bytes(exact(source, 0)?);
    let left = source.size().saturating_sub(8);
    if length > MAX_HEADER || length > left {
        wrong.push((Some(0), format!("the header is said to have {length} bytes, and {left} are left")));
        return Ok(None);
    }
    if length > MAX_READ {
        return Ok(Some(format!("its header has {length} bytes, which are more than are read")));
    }
    let text = bytes(source, 8, usize::try_from(length).unwrap_or(0))?;
    // JSON has them as escapes; a text that holds them as they are is made for another reader.
    if let Some(at) = in_text(&text, |byte| *byte < 0x20) {
        wrong.push((Some(8 + at as u64), "a text in the header has a control character".to_owned()));
    }
    let header = match json::whole(&text) {
        Ok(header) => header,
        Err(bad) => {
            wrong.push((Some(8 + bad.at as u64), format!("the header is no JSON: {}", bad.why)));
            return Ok(None);
        }
    };
    let (mut names, mut places) = (std::collections::HashSet::new(), Vec::new());
    for (name, tensor) in header.entries() {
        if !names.insert(name) {
            wrong.push((None, format!("`{}` stands in the header twice", shown(name))));
        }
        if name == "__metadata__" {
            if tensor.entries().iter().any(|(_, value)| value.text().is_none()) {
                wrong.push((None, "its metadata are not all texts".to_owned()));
            }
            continue;
        }
        match placed(tensor) {
            Ok(place) => places.push((place, name)),
            Err(why) => wrong.push((None, format!("`{}`: {why}", shown(name)))),
        }
    }
    places.sort_unstable();
    let mut end = 0;
    for ((start, stop), name) in places {
        if start != end {
            let what =
                if start < end { "overlaps the tensor before" } else { "leaves bytes before it that belong to none" };
            wrong.push((None, format!("`{}` {what}", shown(name))));
        }
        end = end.max(stop);
    }
    let data = left - length;
    if end != data {
        wrong.push((None, format!("its tensors take {end} bytes, and the file has {data} for them")));
    }
    Ok(None)
}

/// The first byte like this within a text of JSON.
fn in_text(json: &[u8], wanted: impl Fn(&u8) -> bool) -> Option<usize> {
    let (mut inside, mut escaped) = (false, false);
    json.iter().position(|byte| {
        let found = inside && wanted(byte);
        inside ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        found
    })
}

/// Where a tensor lies, when that fits its shape.
fn placed(tensor: &Json) -> Result<(u64, u64), &'static str> {
    let bits: u64 = match tensor.get("dtype").and_then(Json::text) {
        Some("F64" | "I64" | "U64" | "C64") => 64,
        Some("F32" | "I32" | "U32") => 32,
        Some("F16" | "BF16" | "I16" | "U16") => 16,
        Some("I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ") => 8,
        Some("F6_E2M3" | "F6_E3M2") => 6,
        Some("F4") => 4,
        _ => return Err("its type is unknown"),
    };
    let shape = tensor.get("shape").map(Json::items).ok_or("it has no shape")?;
    let elements = shape
        .iter()
        .try_fold(1_u64, |count, length| count.checked_mul(length.whole()?))
        .ok_or("its shape is out of proportion")?;
    let size = elements.checked_mul(bits).ok_or("its shape is out of proportion")?;
    match tensor.get("data_offsets").map(Json::items) {
        Some([start, stop]) => match (start.whole(), stop.whole()) {
            (Some(start), Some(stop)) if start <= stop && (stop - start).checked_mul(8) == Some(size) => {
                Ok((start, stop))
            }
            _ => Err("its place does not fit its shape"),
        },
        _ => Err("it has no place"),
    }
}
