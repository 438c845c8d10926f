//! What is looked at in all text as it is read: that it is UTF-8, without NUL, and that no row is longer than memory allows.

use std::io::{self, Read};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};

use super::kind::{Kind, Time, boolean, integer, time};
use super::read::{Cursor, MAX_ROW_BYTES};
use super::{RangeRead, RowsError};

/// Rows of text that are one group: what a row group is in other forms.
pub(super) const GROUP_ROWS: u64 = 131_072;

/// Text of a batch after which it ends early, in bytes.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Reads text. What comes out of it is valid, but for a character that is cut at the end of what was read so far.
pub(super) struct Guard {
    from: Cursor,
    /// Whether the bytes are looked at; what was surveyed once is not.
    looks: bool,
    /// How much may be read until a row ends.
    left: usize,
    read: u64,
    lines: u64,
    quotes: u64,
    /// The beginning of a character whose rest was not read yet.
    cut: Vec<u8>,
}

impl Guard {
    pub(super) fn new(bytes: &Arc<dyn RangeRead>, looks: bool) -> Self {
        let from = Cursor::new(bytes, 0);
        Self { from, looks, left: MAX_ROW_BYTES, read: 0, lines: 0, quotes: 0, cut: Vec::new() }
    }

    /// A row has ended.
    pub(super) fn row_ended(&mut self) {
        self.left = MAX_ROW_BYTES;
    }

    /// Whether every quote that was opened was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.quotes.is_multiple_of(2)
    }

    fn refuse(&self, before: &[u8], why: &str) -> io::Error {
        let line = self.lines + 1 + memchr::memchr_iter(b'\n', before).count() as u64;
        let byte = self.read + before.len() as u64;
        io::Error::other(RowsError::Malformed(format!("line {line}, byte {byte}: {why}")))
    }

    fn look(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Some(at) = memchr::memchr(0, piece) {
            return Err(self.refuse(&piece[..at], "a NUL, which is no text"));
        }
        let whole = std::mem::take(&mut self.cut);
        let begun = whole.len();
        let joined;
        let text = if begun == 0 {
            piece
        } else {
            joined = [whole.as_slice(), piece].concat();
            &joined
        };
        if let Err(error) = std::str::from_utf8(text) {
            let good = error.valid_up_to();
            match error.error_len() {
                None => self.cut = text[good..].to_vec(),
                Some(_) => {
                    let before = &piece[..good.saturating_sub(begun)];
                    return Err(self.refuse(before, "no UTF-8: write the text as UTF-8"));
                }
            }
        }
        self.lines += memchr::memchr_iter(b'\n', piece).count() as u64;
        self.quotes += memchr::memchr_iter(b'"', piece).count() as u64;
        Ok(())
    }
}

impl Read for Guard {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.refuse(&[], "the row before this is longer than 16 MiB: are its quotes closed?"));
        }
        let most = to.len().min(self.left);
        let read = self.from.read(&mut to[..most])?;
        if self.looks {
            if read == 0 && !self.cut.is_empty() {
                return Err(self.refuse(&[], "the text ends within a character of UTF-8"));
            }
            self.look(&to[..read])?;
        }
        self.left -= read;
        self.read += read as u64;
        Ok(read)
    }
}

/// What was seen of a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: Kind,
    /// The first line with a time that there is none of.
    pub(super) impossible: Option<u64>,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { kind: Kind::Unknown, impossible: None };

    /// The type, now that all is seen. A column of times must have no impossible one; in other text it is text.
    pub(super) fn settle(self, column: &str) -> Result<Kind, RowsError> {
        match (self.kind, self.impossible) {
            (Kind::Date | Kind::Timestamp, Some(line)) => Err(RowsError::Malformed(format!(
                "line {line}: column `{column}` has times, and here one that is none, or out of range: years are 1 to 9999"
            ))),
            (Kind::Unknown, Some(_)) => Ok(Kind::Text),
            (kind, Some(_)) => Ok(kind.and(Kind::Text)),
            (kind, None) => Ok(kind),
        }
    }
}

/// Makes a column of values that are written as text.
pub(super) enum Building {
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Building {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Unknown | Kind::Text | Kind::Json => Self::Text(StringBuilder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
        }
    }

    /// Adds a value; `false` when it is of another type than was seen before.
    pub(super) fn push(&mut self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            match self {
                Self::Text(values) => values.append_null(),
                Self::Boolean(values) => values.append_null(),
                Self::Integer(values) => values.append_null(),
                Self::Number(values) => values.append_null(),
                Self::Date(values) => values.append_null(),
                Self::Timestamp(values) => values.append_null(),
            }
            return true;
        };
        match self {
            Self::Text(values) => values.append_value(text),
            Self::Boolean(values) => match boolean(text) {
                Some(value) => values.append_value(value),
                None => return false,
            },
            Self::Integer(values) => match integer(text) {
                Some(value) => values.append_value(value),
                None => return false,
            },
            Self::Number(values) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => values.append_value(value),
                _ => return false,
            },
            Self::Date(values) => match time(text) {
                Time::Date(days) => values.append_value(days),
                _ => return false,
            },
            Self::Timestamp(values) => match time(text) {
                Time::Timestamp(micros) => values.append_value(micros),
                Time::Date(days) => values.append_value(i64::from(days) * 86_400_000_000),
                _ => return false,
            },
        }
        true
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Number(values) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Timestamp(values) => Arc::new(values.finish()),
        }
    }
}
