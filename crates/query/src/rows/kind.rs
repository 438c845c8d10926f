//! What the text of a value says of its type. A column has the narrowest type that all its values have.
//!
//! Text stays text unless it is written in one plain way: a number with a leading zero or a plus is an identifier, and so is a
//! whole number that 64 bits do not hold.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The type of a column of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No value was seen.
    Unknown,
    Boolean,
    Integer,
    Number,
    Date,
    Timestamp,
    Text,
    /// An object or an array of JSON, as text.
    Json,
}

/// A value that is written as a point in time.
pub(super) enum Time {
    /// It is not.
    Other,
    /// It is, and there is no such day or hour, or none in the years 1 to 9999.
    Impossible,
    /// Days since the epoch.
    Date(i32),
    /// Microseconds since the epoch, in UTC.
    Timestamp(i64),
}

impl Kind {
    /// The type of a value that is not empty; `Err` for a time that there is none of.
    pub(super) fn of(text: &str) -> Result<Self, ()> {
        if integer(text).is_some() {
            return Ok(Self::Integer);
        }
        if number(text).is_some() {
            return Ok(Self::Number);
        }
        if boolean(text).is_some() {
            return Ok(Self::Boolean);
        }
        Self::of_text(text)
    }

    /// The type of a value that is text for certain.
    pub(super) fn of_text(text: &str) -> Result<Self, ()> {
        match time(text) {
            Time::Date(_) => Ok(Self::Date),
            Time::Timestamp(_) => Ok(Self::Timestamp),
            Time::Impossible => Err(()),
            Time::Other => Ok(Self::Text),
        }
    }

    /// The narrowest type of both.
    pub(super) fn and(self, other: Self) -> Self {
        use Kind::{Date, Integer, Number, Text, Timestamp, Unknown};
        match (self, other) {
            (one, same) if one == same => one,
            (Unknown, one) | (one, Unknown) => one,
            (Integer, Number) | (Number, Integer) => Number,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            _ => Text,
        }
    }

    /// The type that a query sees.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Unknown | Self::Text | Self::Json => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The type of a word for it.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Text, Self::Boolean, Self::Integer, Self::Number, Self::Date, Self::Timestamp, Self::Json];
        all.into_iter().find(|kind| kind.word() == word)
    }

    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unknown | Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
        }
    }
}

/// The word for a type that a file has itself.
pub(super) fn word_of(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "boolean",
        kind if kind.is_integer() => "integer",
        kind if kind.is_floating() => "number",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "decimal"
        }
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Duration(_) | DataType::Interval(_) => "duration",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::Dictionary(_, values) => word_of(values),
        DataType::RunEndEncoded(_, values) => word_of(values.data_type()),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => "list",
        DataType::Struct(_) => "struct",
        DataType::Map(..) => "map",
        DataType::Union(..) => "union",
        _ => "text",
    }
}

/// A whole number as it is written plainly.
pub(super) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let leading = digits.starts_with('0') && (digits.len() > 1 || digits.len() < text.len());
    if plain && !leading { text.parse().ok() } else { None }
}

/// A number with a point or an exponent.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let first = *digits.first()?;
    if !(first.is_ascii_digit() || first == b'.') || (first == b'0' && digits.get(1).is_some_and(u8::is_ascii_digit)) {
        return None;
    }
    let fractional = digits.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    let plain = digits.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !fractional || !plain {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A date as `2026-11-22`, or a time as `2026-11-22T20:30:00.5+11:00`: with a space for the `T`, without seconds, fraction
/// or zone, which is UTC then.
pub(super) fn time(text: &str) -> Time {
    let bytes = text.as_bytes();
    let dashed = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let parts = (digits(bytes, 0, 4), digits(bytes, 5, 2), digits(bytes, 8, 2));
    let (true, (Some(year), Some(month), Some(day))) = (dashed, parts) else {
        return if is_far_year(bytes) { Time::Impossible } else { Time::Other };
    };
    let rest = &bytes[10..];
    let clock = match rest.first() {
        None => None,
        Some(b'T' | b't' | b' ') => match clock(&rest[1..]) {
            Some(clock) => Some(clock),
            None => return Time::Other,
        },
        Some(_) => return Time::Other,
    };
    let Some(days) = days(year, month, day) else { return Time::Impossible };
    let Some((hour, minute, second, micros, zone_minutes)) = clock else {
        return i32::try_from(days).map_or(Time::Impossible, Time::Date);
    };
    // A leap second is counted as the second after it.
    if hour > 23 || minute > 59 || second > 60 || zone_minutes.abs() > 18 * 60 {
        return Time::Impossible;
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - zone_minutes * 60;
    Time::Timestamp(seconds * 1_000_000 + micros)
}

/// Whether it is a date with more digits of a year than there are years.
fn is_far_year(bytes: &[u8]) -> bool {
    let signed = bytes.first().is_some_and(|b| matches!(b, b'+' | b'-'));
    let year = &bytes[usize::from(signed)..];
    let length = year.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = &year[length..];
    (4..=9).contains(&length)
        && (length > 4 || signed)
        && rest.len() >= 6
        && rest[0] == b'-'
        && rest[3] == b'-'
        && digits(rest, 1, 2).is_some()
        && digits(rest, 4, 2).is_some()
        && !rest.get(6).is_some_and(u8::is_ascii_digit)
}

fn digits(bytes: &[u8], at: usize, length: usize) -> Option<i64> {
    let digits = bytes.get(at..at + length)?;
    let digit = |value: i64, b: &u8| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0'));
    digits.iter().try_fold(0, digit)
}

/// Hour, minute, second, microseconds, minutes east of UTC.
fn clock(bytes: &[u8]) -> Option<(i64, i64, i64, i64, i64)> {
    let (hour, minute) = (digits(bytes, 0, 2)?, digits(bytes, 3, 2)?);
    if bytes[2] != b':' {
        return None;
    }
    let (mut second, mut micros, mut rest) = (0, 0, &bytes[5..]);
    if rest.first() == Some(&b':') {
        (second, rest) = (digits(rest, 1, 2)?, &rest[3..]);
        if rest.first() == Some(&b'.') {
            let length = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let kept = length.min(6);
            micros = digits(rest, 1, kept)? * 10_i64.pow(6 - u32::try_from(kept).ok()?);
            rest = &rest[1 + length..];
        }
    }
    let zone = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let minutes = match zone.len() {
                2 => digits(zone, 0, 2)? * 60,
                4 => digits(zone, 0, 2)? * 60 + digits(zone, 2, 2)?,
                5 if zone[2] == b':' => digits(zone, 0, 2)? * 60 + digits(zone, 3, 2)?,
                _ => return None,
            };
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    Some((hour, minute, second, micros, zone))
}

/// Days since the epoch of a day in the years 1 to 9999, if there is one.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_values_when_looked_at_then_only_plain_ones_are_more_than_text() {
        for (text, kind) in [
            ("0", Kind::Integer),
            ("-12", Kind::Integer),
            ("9223372036854775807", Kind::Integer),
            ("9223372036854775808", Kind::Text),
            ("007", Kind::Text),
            ("-0", Kind::Text),
            ("+61 400", Kind::Text),
            ("1.5", Kind::Number),
            ("-.5e3", Kind::Number),
            ("1e999", Kind::Text),
            ("NaN", Kind::Text),
            ("TRUE", Kind::Boolean),
            ("yes", Kind::Text),
            ("2024-02-29", Kind::Date),
            ("2026-11-22T20:30", Kind::Timestamp),
            ("2026-11-22 20:30:00.123456789+11:00", Kind::Timestamp),
            ("2026-11-22T20:30:00x", Kind::Text),
            ("20-11-2026", Kind::Text),
        ] {
            assert_eq!(Kind::of(text), Ok(kind), "{text}");
        }
        for text in ["2023-02-29", "2026-13-01", "0000-01-01", "2026-11-22T25:00:00Z", "+292278-01-01", "12026-01-01"] {
            assert_eq!(Kind::of(text), Err(()), "{text}");
        }
    }

    #[test]
    fn given_times_when_counted_then_they_are_from_the_epoch_in_utc() {
        let date = |text| if let Time::Date(days) = time(text) { Some(days) } else { None };
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2000-03-01"), Some(11_017));
        assert_eq!(date("1969-12-31"), Some(-1));
        let stamp = |text| if let Time::Timestamp(micros) = time(text) { Some(micros) } else { None };
        assert_eq!(stamp("1970-01-01T01:00:00.25+01:00"), Some(250_000));
        assert_eq!(stamp("1970-01-02 00:00"), Some(86_400_000_000));
    }
}
