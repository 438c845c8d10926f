//! Moments: absolute and in UTC wherever they stand, relative on hover.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// A moment, in milliseconds since the epoch. Renders as a `time` element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub i64);

impl Instant {
    /// The same, for templates, which have a reference.
    pub(crate) fn at(ms: &i64) -> Self {
        Self(*ms)
    }

    /// `2026-11-22 20:54:09`, in UTC.
    pub(crate) fn plain(self) -> String {
        self.date().format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// RFC 3339 in UTC, with milliseconds.
    pub(crate) fn rfc3339(self) -> String {
        self.date().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    fn date(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact, shown) = (self.rfc3339(), self.plain());
        write!(f, r#"<time datetime="{exact}" title="{} ({exact})">{shown}</time>"#, ago(clock() - self.0))
    }
}

impl HtmlSafe for Instant {}

/// Now, in milliseconds since the epoch.
pub(crate) fn clock() -> i64 {
    Utc::now().timestamp_millis()
}

/// Reads a moment as forms (`2026-11-22` or `2026-11-22T20:54`), SQL answers and the API write it, in milliseconds
/// since the epoch. A moment without an offset is in UTC.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.timestamp_millis());
    }
    let midnight = format!("{text}T00:00:00");
    let minute = format!("{text}:00");
    [text, &minute, &midnight].into_iter().find_map(|candidate| {
        let date = NaiveDateTime::parse_from_str(&candidate.replace(' ', "T"), "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(date.and_utc().timestamp_millis())
    })
}

/// A span in the largest unit that fits, as seen from now: `3 minutes ago`, `in 2 hours`.
pub(crate) fn ago(span_ms: i64) -> String {
    let seconds = span_ms.unsigned_abs() / 1000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    match span_ms {
        ..0 => format!("in {count} {unit}{plural}"),
        _ => format!("{count} {unit}{plural} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_absolute_in_its_text() {
        let html = Instant(1_795_380_849_000).to_string();
        assert!(html.starts_with(r#"<time datetime="2026-11-22T20:54:09.000Z" title=""#), "{html}");
        assert!(html.ends_with(">2026-11-22 20:54:09</time>"), "{html}");
    }

    #[test]
    fn every_way_of_writing_an_instant_is_read() {
        let whole_minute = 1_795_380_840_000;
        for text in ["2026-11-22T20:54", "2026-11-22 20:54:00", "2026-11-22T20:54:00.000Z", "2026-11-22T21:54:00+01:00"]
        {
            assert_eq!(parse_instant(text), Some(whole_minute), "{text}");
        }
        assert_eq!(parse_instant("2026-11-22"), Some(1_795_305_600_000));
        assert_eq!(parse_instant("yesterday"), None);
        assert_eq!(parse_instant(""), None);
    }

    #[test]
    fn spans_are_told_in_the_largest_unit() {
        assert_eq!(ago(1_000), "1 second ago");
        assert_eq!(ago(3 * 60_000), "3 minutes ago");
        assert_eq!(ago(-2 * 3_600_000), "in 2 hours");
        assert_eq!(ago(86_400_000 * 40), "40 days ago");
    }
}
