//! What commands print and the codes they exit with.
//!
//! Answers go to standard output, everything else to standard error. Exit codes are stable ([`EXIT_CODES`]).

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// The codes, as the help says them.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 integrity is broken or a model failed its scan, 2 something \
                              is incomplete or a control failed, 3 the ledger was rolled back, 4 a witness policy is not met, 5 input or output \
                              failed, 64 the command was wrong, 65 it was refused, 69 the server cannot be reached";

/// How a command failed.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// A stable word for programs.
    pub kind: String,
    /// What happened, to what, and what to do next.
    pub message: String,
    /// Policies and rules that the server named when it refused.
    pub policies: Vec<String>,
}

impl Failure {
    /// A failure with a code and a word of its own.
    pub fn new(code: u8, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, kind: kind.into(), message: message.into(), policies: Vec::new() }
    }

    /// Input or output failed.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(5, "io", message)
    }

    /// The command makes no sense as given.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(64, "usage", message)
    }

    /// The server refused.
    pub fn refused(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(65, kind, message)
    }

    /// The server cannot be reached.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(69, "unreachable", message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::io(error.to_string())
    }
}

/// Prints a failure and gives its exit code.
pub fn failure(json: bool, failure: &Failure) -> ExitCode {
    let said = match json {
        true => {
            let mut error = serde_json::json!({"code": failure.kind, "message": failure.message});
            if !failure.policies.is_empty() {
                error["policies"] = failure.policies.clone().into();
            }
            serde_json::json!({ "error": error }).to_string()
        }
        false => format!("error: {}", failure.message),
    };
    // There is nobody left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{said}");
    ExitCode::from(failure.code)
}

/// Prints what is wrong with a command line, or the help or version that it asked for, and gives the exit code.
pub fn not_understood(json: bool, error: &clap::Error) -> ExitCode {
    if json && error.use_stderr() {
        return failure(true, &Failure::usage(in_one_line(error)));
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 64 } else { 0 })
}

/// What is wrong with a command line, without the usage below it.
fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing: `--help` lists them".to_owned();
    }
    let text = error.render().to_string();
    let said = text.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = said.map(words).collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

/// Says something beside the answer.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

/// Prints bytes as they are. A reader that has seen enough, as `head` has, is no failure.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::io(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// Prints text as it is.
pub fn text(text: impl Display) -> Result<(), Failure> {
    bytes(text.to_string().as_bytes())
}

/// Prints a line.
pub fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints a value as JSON on one line.
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    line(value)
}

/// A time in milliseconds since the epoch as RFC 3339 in UTC.
pub fn time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

/// Reads a text file; `-` is standard input.
pub fn read(path: &std::path::Path) -> Result<String, Failure> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    text.map_err(|e| Failure::io(format!("{}: {e}", path.display())))
}

/// Reads a time to come: a length of time from now, such as `90d`, or a time; in milliseconds since the epoch.
pub fn in_future(text: &str) -> Result<i64, Failure> {
    let now = chrono::Utc::now().timestamp_millis();
    let time = parse_duration(text).map(|ms| now.saturating_add(ms)).or_else(|_| parse_time(text));
    let more = |wrong| Failure::usage(format!("{wrong}, or a length of time from now, such as `90d`"));
    time.map_err(more)
}

/// Reads a time: RFC 3339, or a date (midnight UTC), in milliseconds since the epoch.
pub fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis());
    }
    Err(format!("`{text}` is not a time: write `2026-11-22` or `2026-11-22T10:00:00Z`"))
}

/// Reads a length of time such as `90d`, `12h`, `30m` or `45s`, in milliseconds.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a length of time: write a number and d, h, m or s, such as `90d`");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let ms = match unit {
        'd' => 86_400_000,
        'h' => 3_600_000,
        'm' => 60_000,
        's' => 1_000,
        _ => return Err(wrong()),
    };
    let number: i64 = text.strip_suffix(unit).unwrap_or(text).parse().map_err(|_| wrong())?;
    number.checked_mul(ms).filter(|ms| *ms > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_times_as_people_write_them_when_read_then_they_are_milliseconds_in_utc() {
        assert_eq!(parse_time("1970-01-02"), Ok(86_400_000));
        assert_eq!(parse_time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(parse_time("yesterday").is_err());
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn given_lengths_of_time_when_read_then_units_count_and_nonsense_is_refused() {
        assert_eq!(parse_duration("90d"), Ok(90 * 86_400_000));
        assert_eq!(parse_duration("15m"), Ok(900_000));
        for wrong in ["", "d", "5", "-1d", "0h", "1y", "9223372036854775807d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
