//! The byte form of a record: fields in ascending order as `u16 id, u32 length, bytes`, all little-endian.
//!
//! A record's leaf is `SHA-256(0x00 || tlv)`. The form can be rebuilt from a row of a table in any language: whole
//! numbers and times are 8 bytes of two's complement, text is UTF-8, an absent optional field is left out.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A whole number, i64.
    Int,
    /// Microseconds since 1970-01-01T00:00:00Z, i64.
    Time,
    /// Bytes.
    Bytes,
}

/// A field of a kind of record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its number in the byte form, never used for anything else.
    pub id: u16,
    /// Its name as a column.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means.
    pub doc: &'static str,
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number or a time.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A place that a value can be put into; how a typed record is filled from columns or from bytes.
#[derive(Debug)]
pub enum Slot<'a> {
    /// Text that must be there.
    Text(&'a mut String),
    /// A number that must be there.
    Int(&'a mut i64),
    /// Bytes that must be there.
    Bytes(&'a mut Vec<u8>),
    /// Text that may be absent.
    OptText(&'a mut Option<String>),
    /// A number that may be absent.
    OptInt(&'a mut Option<i64>),
    /// Bytes that may be absent.
    OptBytes(&'a mut Option<Vec<u8>>),
}

impl Slot<'_> {
    /// Puts `value` in; false when it is of another kind.
    #[must_use]
    pub fn put(self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(slot), Value::Text(text)) => text.clone_into(slot),
            (Self::OptText(slot), Value::Text(text)) => *slot = Some(text.to_owned()),
            (Self::Int(slot), Value::Int(int)) => *slot = int,
            (Self::OptInt(slot), Value::Int(int)) => *slot = Some(int),
            (Self::Bytes(slot), Value::Bytes(bytes)) => bytes.clone_into(slot),
            (Self::OptBytes(slot), Value::Bytes(bytes)) => *slot = Some(bytes.to_vec()),
            _ => return false,
        }
        true
    }
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// They end inside a field.
    #[error("record ends inside a field at byte {0}")]
    Truncated(usize),
    /// A field comes out of order or twice.
    #[error("field {0} is out of order")]
    Order(u16),
    /// A field that this version does not know.
    #[error("field {0} is not one of this kind of record")]
    Unknown(u16),
    /// A field of the wrong length or not UTF-8.
    #[error("field {0} does not hold what it should")]
    Malformed(u16),
    /// A field that must be there is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
}

/// Appends one field.
pub fn write(id: u16, value: Value<'_>, out: &mut Vec<u8>) {
    let number;
    let bytes: &[u8] = match value {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        Value::Int(int) => {
            number = int.to_le_bytes();
            &number
        }
    };
    // The gateway bounds every field far below 4 GiB; a longer one would be cut here and fail its proof, not panic.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes.get(..len as usize).unwrap_or(bytes));
}

/// Calls `each` with the number and bytes of every field, in order.
///
/// # Errors
/// [`TlvError::Truncated`], [`TlvError::Order`], or what `each` returns.
pub fn read<'a>(bytes: &'a [u8], mut each: impl FnMut(u16, &'a [u8]) -> Result<(), TlvError>) -> Result<(), TlvError> {
    let mut rest = bytes;
    let mut last = None;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (id, after) = rest.split_first_chunk::<2>().ok_or(TlvError::Truncated(at))?;
        let (len, after) = after.split_first_chunk::<4>().ok_or(TlvError::Truncated(at))?;
        let (id, len) = (u16::from_le_bytes(*id), u32::from_le_bytes(*len) as usize);
        let (value, after) = after.split_at_checked(len).ok_or(TlvError::Truncated(at))?;
        if last.is_some_and(|last| last >= id) {
            return Err(TlvError::Order(id));
        }
        each(id, value)?;
        last = Some(id);
        rest = after;
    }
    Ok(())
}

/// Reads a field's bytes as a value of `kind`.
///
/// # Errors
/// [`TlvError::Malformed`] when they are not one.
pub fn value<'a>(field: &Field, bytes: &'a [u8]) -> Result<Value<'a>, TlvError> {
    let malformed = TlvError::Malformed(field.id);
    match field.kind {
        Kind::Text => core::str::from_utf8(bytes).map(Value::Text).map_err(|_| malformed),
        Kind::Bytes => Ok(Value::Bytes(bytes)),
        Kind::Int | Kind::Time => {
            let number: [u8; 8] = bytes.try_into().map_err(|_| malformed)?;
            Ok(Value::Int(i64::from_le_bytes(number)))
        }
    }
}
