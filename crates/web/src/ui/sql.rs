//! Values written into SQL. The queries of our pages are shown to the reader and can be run again as they stand, so
//! they hold their values instead of parameters; this is the only place where a value becomes SQL.

use super::Instant;

/// A string literal. The one character with a meaning inside it is the quote, which is doubled.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// A string literal for `LIKE` that finds `text` anywhere, with the wildcards in it taken literally.
pub(crate) fn pattern(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    literal(&format!("%{escaped}%"))
}

/// A timestamp literal, in UTC.
pub(crate) fn timestamp(ms: i64) -> String {
    format!("TIMESTAMP '{}'", Instant(ms).rfc3339().trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_a_value() {
        assert_eq!(literal("x' OR 1=1 --"), "'x'' OR 1=1 --'");
        assert_eq!(pattern("50%_\\'"), "'%50\\%\\_\\\\''%'");
        assert_eq!(timestamp(0), "TIMESTAMP '1970-01-01T00:00:00.000'");
    }
}
