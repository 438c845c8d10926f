//! Texts and strings of bytes in pickles: what they are, and whether they are pickles themselves.

use std::io;

use super::How;
use super::value::Value;
use super::vm::{Vm, run};
use crate::artifacts::rules;
use crate::artifacts::source::{Part, Source, bad};

/// Longest text whose content matters.
const MAX_TEXT: u64 = 256;

/// Longest text that is looked through for an encoded pickle.
const MAX_ENCODED: u64 = 1 << 20;

fn length<const N: usize>(vm: &mut Vm) -> io::Result<u64> {
    let bytes = vm.cursor.array::<N>()?;
    Ok(bytes.iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte)))
}

/// A text with its length before it.
pub(super) fn text<const N: usize>(vm: &mut Vm, at: u64) -> io::Result<()> {
    let length = length::<N>(vm)?;
    if length > MAX_TEXT {
        data(vm, length, at)?;
        return vm.state.push(Value::Plain);
    }
    let bytes = vm.cursor.take(usize::try_from(length).unwrap_or(0))?;
    decoded(vm, &bytes, at)?;
    // Python 2's strings are bytes, of which a name can still be made.
    match std::str::from_utf8(&bytes) {
        Ok(text) => {
            let value = vm.state.texts.value(text);
            vm.state.push(value)
        }
        Err(_) => vm.state.push(Value::Plain),
    }
}

/// A string of bytes with its length before it.
pub(super) fn bytes<const N: usize>(vm: &mut Vm, at: u64) -> io::Result<()> {
    let length = length::<N>(vm)?;
    data(vm, length, at)?;
    vm.state.push(Value::Plain)
}

/// Reads over data, and looks at those that begin like a pickle, encoded or not.
fn data(vm: &mut Vm, length: u64, at: u64) -> io::Result<()> {
    let (begin, head) = (vm.cursor.at(), vm.cursor.head()?);
    if length < 8 || !(begins(&head) || like_base64(&head) || like_hex(&head)) || vm.how.depth >= super::MAX_NESTED {
        return vm.cursor.skip(length);
    }
    if length <= MAX_ENCODED {
        let bytes = vm.cursor.take(usize::try_from(length).unwrap_or(0))?;
        return decoded(vm, &bytes, at);
    }
    vm.cursor.skip(length)?;
    let part = Part::new(vm.cursor.source(), begin, length);
    if head.first() == Some(&0x80) {
        inside(vm, &part, at, "bytes in it are a pickle")?;
    }
    Ok(())
}

/// A text on a line of its own, with escapes.
pub(super) fn line(vm: &mut Vm, code: u8, at: u64) -> io::Result<()> {
    let begins = vm.cursor.at();
    let mut line = Vec::new();
    loop {
        match vm.cursor.byte()?.ok_or_else(|| bad("a text has no end"))? {
            b'\n' => break,
            byte if (line.len() as u64) < MAX_ENCODED => line.push(byte),
            _ => {}
        }
    }
    let length = vm.cursor.at() - begins - 1;
    if code == b'S' {
        let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |end| end + 1);
        line.truncate(end);
        let quoted = length < MAX_ENCODED
            && line.len() >= 2
            && matches!(line.first(), Some(b'\'' | b'"'))
            && line.first() == line.last();
        if length < MAX_ENCODED && !quoted {
            return Err(bad("a text is not in quotes"));
        }
        line = line.get(1..line.len().saturating_sub(1)).unwrap_or_default().to_vec();
    }
    let content = unescaped(&line, code == b'S');
    decoded(vm, &content, at)?;
    let value = match (length <= 4 * MAX_TEXT, std::str::from_utf8(&content)) {
        (true, Ok(text)) => vm.state.texts.value(text),
        _ => Value::Plain,
    };
    vm.state.push(value)
}

/// Escapes as Python writes them in these lines; all of them in quoted text, `\u` and `\U` in others.
fn unescaped(line: &[u8], quoted: bool) -> Vec<u8> {
    if !line.contains(&b'\\') {
        return line.to_vec();
    }
    let (mut out, mut at) = (Vec::new(), 0);
    let number = |at: usize, digits: usize, base: u32| {
        let digits = line.get(at..at + digits).and_then(|digits| std::str::from_utf8(digits).ok())?;
        u32::from_str_radix(digits, base).ok().and_then(char::from_u32)
    };
    while let Some(byte) = line.get(at) {
        let next = line.get(at + 1).copied().unwrap_or(0);
        let (character, length) = match (byte, next) {
            (b'\\', b'x') if quoted => (number(at + 2, 2, 16), 4),
            (b'\\', b'0'..=b'7') if quoted => {
                let digits = line.iter().skip(at + 1).take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                (number(at + 1, digits, 8), 1 + digits)
            }
            (b'\\', b'u') if !quoted => (number(at + 2, 4, 16), 6),
            (b'\\', b'U') if !quoted => (number(at + 2, 8, 16), 10),
            (b'\\', b'n') if quoted => (Some('\n'), 2),
            (b'\\', b't') if quoted => (Some('\t'), 2),
            (b'\\', b'r') if quoted => (Some('\r'), 2),
            (b'\\', b'a' | b'b' | b'f' | b'v') if quoted => (Some('\u{7}'), 2),
            (b'\\', b'\\' | b'\'' | b'"') if quoted => (Some(char::from(next)), 2),
            _ => {
                out.push(*byte);
                at += 1;
                continue;
            }
        };
        match character {
            Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.push(b'\\'),
        }
        at += if character.is_some() { length } else { 1 };
    }
    out
}

/// Whether bytes begin as a pickle would.
fn begins(head: &[u8]) -> bool {
    matches!(head, [0x80, 0..=5, ..] | [b'c' | b'(' | b'i' | b']' | b'}', ..])
}

/// In base64, `\x80` and a protocol read `gA`, and the instructions that others begin with `Y`, `K`, `X`, `f`, `a`.
fn like_base64(head: &[u8]) -> bool {
    matches!(head, [b'g', b'A', ..] | [b'Y' | b'K' | b'X' | b'f' | b'a', ..])
}

fn like_hex(head: &[u8]) -> bool {
    matches!(head, [b'8', b'0', b'0', b'0'..=b'5', ..] | [b'6' | b'2' | b'5' | b'7', b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..])
}

/// Looks at a text as at a pickle, as it is and in base64 and hexadecimal.
fn decoded(vm: &mut Vm, text: &[u8], at: u64) -> io::Result<()> {
    if text.len() < 8 || vm.how.depth >= super::MAX_NESTED {
        return Ok(());
    }
    if may_name(text) {
        inside(vm, &text.to_vec(), at, "data in it are a pickle")?;
    }
    if let Some(bytes) = like_base64(text).then(|| base64(text)).flatten().filter(|bytes| may_name(bytes)) {
        inside(vm, &bytes, at, "a text in it is a pickle in base64")?;
    }
    if let Some(bytes) = like_hex(text).then(|| hex(text)).flatten().filter(|bytes| may_name(bytes)) {
        inside(vm, &bytes, at, "a text in it is a pickle in hexadecimal")?;
    }
    Ok(())
}

/// Whether bytes begin like a pickle and have what is needed to name something: two lines or an instruction of their own.
fn may_name(bytes: &[u8]) -> bool {
    begins(bytes) && (bytes.contains(&0x93) || bytes.iter().filter(|byte| **byte == b'\n').nth(1).is_some())
}

fn inside(vm: &mut Vm, source: &dyn Source, at: u64, what: &str) -> io::Result<()> {
    vm.tries = vm.tries.checked_sub(1).ok_or_else(|| bad("more in it begins like a pickle than is looked at"))?;
    let outcome = run(source, 0, How { depth: vm.how.depth + 1, most: 1 << 20, ..vm.how });
    // Data that merely begin like a pickle break before they make anything.
    let convincing = outcome.ran || outcome.broke.is_none();
    let worse = outcome.found.into_iter().filter(|(rule, ..)| convincing && rule.severity > rules::Severity::Low);
    for (_, _, reason) in worse {
        vm.found(&rules::PICKLE_NESTED, at, format!("{what}, and {reason}"));
    }
    Ok(())
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut count) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    };
    text.trim_ascii().chunks(2).map(pair).collect()
}
