//! What a file is, by its content. A name makes it stricter: what is named like a pickle is taken for one sooner. Only what is
//! of no known form is taken for numbers by its name, when it has the one that TensorFlow gives to numbers.

use std::io;

use super::source::{Packing, Source, bytes};
use super::{pickle, proto, tar, ubjson, zip};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Pickle,
    Zip,
    Tar,
    Packed(Packing),
    Numpy,
    Hdf5,
    Safetensors,
    Gguf,
    Onnx,
    TensorFlow,
    Ubjson,
    Json,
    Text,
    /// Numbers that TensorFlow reads as such.
    Numbers,
    /// Machine code, of which kind.
    Native(&'static str),
    /// A form that is known and not read.
    Unread(&'static str),
    Unknown,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Pickle => "pickle",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Packed(Packing::Raw) => "deflate",
            Self::Packed(Packing::Zlib) => "zlib",
            Self::Packed(Packing::Gzip) => "gzip",
            Self::Packed(Packing::Zstd) => "zstd",
            Self::Numpy => "numpy",
            Self::Hdf5 => "hdf5",
            Self::Safetensors => "safetensors",
            Self::Gguf => "gguf",
            Self::Onnx => "onnx",
            Self::TensorFlow => "tensorflow",
            Self::Ubjson => "ubjson",
            Self::Json => "json",
            Self::Text => "text",
            Self::Numbers => "numbers",
            Self::Native(_) => "native code",
            Self::Unread(what) => what,
            Self::Unknown => "unknown",
        }
    }
}

/// What begins files of known forms.
const MAGIC: &[(&[u8], Kind)] = &[
    (b"\x93NUMPY", Kind::Numpy),
    (b"GGUF", Kind::Gguf),
    (b"\x89HDF\r\n\x1a\n", Kind::Hdf5),
    (b"\x1f\x8b", Kind::Packed(Packing::Gzip)),
    (b"\x28\xb5\x2f\xfd", Kind::Packed(Packing::Zstd)),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"BZh", Kind::Unread("bzip2")),
    (b"\xfd7zXZ\0", Kind::Unread("xz")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Unread("a 7z archive")),
    (b"Rar!\x1a\x07", Kind::Unread("a RAR archive")),
    (b"\x5d\0\0", Kind::Unread("lzma")),
    (b"\x04\x22\x4d\x18", Kind::Unread("lz4")),
    (b"PAR1", Kind::Unread("Parquet")),
    (b"\x7fELF", Kind::Native("a program or library for Linux (ELF)")),
    (b"MZ", Kind::Native("a program or library for Windows (PE)")),
    (b"\xcf\xfa\xed\xfe", Kind::Native("a program or library for macOS (Mach-O)")),
    (b"\xca\xfe\xba\xbe", Kind::Native("a program or class (Mach-O or Java)")),
    (b"\0asm", Kind::Native("WebAssembly")),
    (b"binf", Kind::Unread("the old binary form of XGBoost")),
    (b"\x89PNG\r\n", Kind::Unread("a picture")),
    (b"\xff\xd8\xff", Kind::Unread("a picture")),
    (b"SQLite format 3\0", Kind::Unread("a SQLite database")),
];

/// Endings of names that pickles have.
const PICKLE_NAMES: [&str; 14] =
    ["pkl", "pickle", "joblib", "p", "pt", "pth", "bin", "ckpt", "dat", "model", "sav", "pk", "data", "dill"];

/// What may stand before a text and is no part of it.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// How much of a file is looked at to tell what it is.
const BEGINNING: usize = 4096;

pub(crate) fn tell(path: &str, source: &dyn Source) -> io::Result<Kind> {
    let head = bytes(source, 0, BEGINNING)?;
    if head.is_empty() {
        return Ok(Kind::Empty);
    }
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        // `MZ` is two letters, `BZh` three: a text may begin so.
        let short = head.starts_with(b"MZ") || head.starts_with(b"BZh") || head.starts_with(b"binf");
        if !(short && text(&head)) {
            return Ok(*kind);
        }
    }
    if head.get(4..8) == Some(b"TFL3".as_slice()) {
        return Ok(Kind::Unread("TensorFlow Lite"));
    }
    if compiled_python(&head) {
        return Ok(Kind::Native("compiled Python"));
    }
    // Before pickles: the length of a header may read as a pickle's first two bytes. A pickle made to look like this one
    // announces a header that is longer than any file.
    if safetensors(&head, source) {
        return Ok(Kind::Safetensors);
    }
    let named =
        path.rsplit(['/', '!']).next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_lowercase());
    let like_a_pickle = named.as_deref().is_some_and(|ending| PICKLE_NAMES.contains(&ending));
    if matches!(head.as_slice(), [0x80, 0..=5, ..]) || pickle::looks_like(source, like_a_pickle)? {
        return Ok(Kind::Pickle);
    }
    if tar::is_header(&head) {
        return Ok(Kind::Tar);
    }
    if matches!(head.as_slice(), [0x78, second, ..] if (0x7800 | u16::from(*second)) % 31 == 0) && !text(&head) {
        return Ok(Kind::Packed(Packing::Zlib));
    }
    if is_hdf5(source, NEAR)? {
        return Ok(Kind::Hdf5);
    }
    // Before texts: the few bytes that hold a short one together may be letters.
    let message = proto::tell(source)?;
    if message.is_none() && text(&head) {
        // Whoever opens a text by its end finds an archive all the same.
        let begins = head.strip_prefix(BOM).unwrap_or(&head).iter().find(|byte| !byte.is_ascii_whitespace());
        return Ok(match begins {
            _ if is_hdf5(source, u64::MAX)? => Kind::Hdf5,
            _ if zip::has_end(source)? => Kind::Zip,
            // A short graph without numbers is all letters.
            _ if named.as_deref() == Some("pb") && proto::tell(source)?.is_some() => Kind::TensorFlow,
            // One that breaks may not break in every reader.
            _ if like_a_pickle && pickle::begins(source) => Kind::Pickle,
            Some(b'{' | b'[') => Kind::Json,
            _ => Kind::Text,
        });
    }
    if let Some(kind) = message {
        return Ok(kind);
    }
    if head.starts_with(b"{") && ubjson::begins(&head) {
        return Ok(Kind::Ubjson);
    }
    if is_hdf5(source, u64::MAX)? {
        return Ok(Kind::Hdf5);
    }
    if zip::has_end(source)? {
        return Ok(Kind::Zip);
    }
    // The index of TensorFlow's variables says so in its name and at its end; the variables are numbers and nothing else,
    // whatever they are, to the only one who reads files of that name.
    let name = path.rsplit(['/', '!']).next().unwrap_or_default();
    let ended = bytes(source, source.size().saturating_sub(8), 8)? == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb";
    let index = ended && name.ends_with(".index");
    let shard = name.split_once(".data-").is_some_and(|(_, part)| part.len() == 14 && part.get(5..9) == Some("-of-"));
    Ok(if index || shard { Kind::Numbers } else { Kind::Unknown })
}

/// How far into a file HDF5 is looked for in any form. Further on, what is compressed had to be opened once more.
pub(crate) const NEAR: u64 = 1 << 20;

/// Whether HDF5 begins behind a block of somebody's own, whose length is a power of two from 512 on, up to the most.
pub(crate) fn is_hdf5(source: &dyn Source, most: u64) -> io::Result<bool> {
    let mut place = 512_u64;
    while place < source.size() && place <= most {
        if bytes(source, place, 8)? == b"\x89HDF\r\n\x1a\n" {
            return Ok(true);
        }
        place = place.saturating_mul(2);
    }
    Ok(false)
}

/// A header of eight bytes that gives the length of the JSON behind it.
fn safetensors(head: &[u8], source: &dyn Source) -> bool {
    let length = head.get(..8).and_then(|length| length.try_into().ok()).map_or(0, u64::from_le_bytes);
    // One that claims too much is one all the same: the JSON begins where it must.
    head.get(8) == Some(&b'{') && head.get(9) == Some(&b'"') && (length > 0 && source.size() > 8)
}

/// A magic number of Python, then a zero in the flags, then `c`-like marshalled code.
fn compiled_python(head: &[u8]) -> bool {
    head.get(2..4) == Some(b"\r\n".as_slice())
        && matches!(head.get(16), Some(0xe3 | 0x63))
        && head.get(1).is_some_and(|high| (0x0c..0x10).contains(high))
}

/// Whether bytes are text: UTF-8, but for a character that is cut at the end, without control characters.
pub(crate) fn text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && !valid.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}'))
}
