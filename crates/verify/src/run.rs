//! The command: arguments, what they name, and the report as text. Two programs share it, `counterfoil verify` and
//! `counterfoil-verify`; it opens the files it is given and nothing else.

use std::path::{Path, PathBuf};

use clap::Args;
use merkle::{Policy, VerifierKey};

use crate::{Options, Report, verify_package, verify_proof};

/// Exit code when a file could not be read, or an argument makes no sense.
pub const EXIT_IO: u8 = 5;

/// What to verify, and what to hold it to.
#[derive(Args, Clone, Debug, Default)]
pub struct Arguments {
    /// An evidence package, a record proof, an event proof or a C2SP tlog-proof
    pub file: PathBuf,
    /// The log's verifier key, or a file that holds it; without it the key in the package is used, and said so
    #[arg(long, value_name = "VKEY")]
    pub key: Option<String>,
    /// A trust policy (C2SP tlog-policy): which witnesses must have cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A checkpoint of the same log that you kept, cosigned or not; a newer one than what is verified needs a proof, as
    /// `counterfoil ledger checkpoint --since SIZE` prints it
    #[arg(long, value_name = "FILE")]
    pub seen: Option<PathBuf>,
    /// Greatest age of what is verified, such as 90m, 24h or 7d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_age: Option<i64>,
    /// The entry of a C2SP tlog-proof, which does not bring its own
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file could not be read.
    #[error("could not read `{path}`: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is text, but not UTF-8.
    #[error("`{0}` is neither a package nor a proof")]
    NotText(String),
    /// The key could not be understood.
    #[error("the key given with --key: {0}")]
    Key(#[from] merkle::KeyError),
    /// The policy could not be understood.
    #[error("the policy `{path}`: {source}{}", detail(source))]
    Policy {
        /// Which file.
        path: String,
        /// Why.
        source: merkle::PolicyError,
    },
}

fn detail(error: &merkle::PolicyError) -> String {
    std::error::Error::source(error).map_or_else(String::new, |problem| format!(": {problem}"))
}

/// Verifies what the arguments name at `now_ms`, milliseconds since the epoch.
///
/// # Errors
/// [`RunError`] when it cannot be read; a damaged file is not an error but a finding.
pub fn verify(args: &Arguments, now_ms: i64) -> Result<Report, RunError> {
    let options = Options {
        log_vkey: args.key.as_deref().map(read_key).transpose()?,
        policy: args.policy.as_deref().map(read_policy).transpose()?,
        seen: args.seen.as_deref().map(read_text).transpose()?,
        now_ms,
        max_age_ms: args.max_age,
    };
    let entry = args.entry.as_deref().map(read).transpose()?;
    let bytes = read(&args.file)?;
    let first = bytes.get(..4).unwrap_or_default();
    // A package begins with a local header of ZIP, or with the end of the directory when it is empty.
    if first.starts_with(b"PK") || str::from_utf8(&bytes).is_err() {
        return Ok(verify_package(bytes, &options));
    }
    let text = String::from_utf8(bytes).map_err(|_| RunError::NotText(args.file.display().to_string()))?;
    Ok(verify_proof(&text, entry.as_deref(), &options))
}

/// Runs the command: the report as text and the exit code that goes with it.
///
/// # Errors
/// What to print to standard error, with exit code [`EXIT_IO`].
pub fn run(args: &Arguments, json: bool, now_ms: i64) -> Result<(String, u8), String> {
    match verify(args, now_ms) {
        Ok(report) if json => Ok((report.to_json(), report.exit)),
        Ok(report) => Ok((report.to_string(), report.exit)),
        Err(error) if json => {
            let error = serde_json::json!({"error": {"code": "io", "message": error.to_string()}});
            Err(format!("{error}\n"))
        }
        Err(error) => Err(format!("error: {error}\n")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|source| RunError::Read { path: path.display().to_string(), source })
}

fn read_text(path: &Path) -> Result<String, RunError> {
    String::from_utf8(read(path)?).map_err(|_| RunError::NotText(path.display().to_string()))
}

fn read_key(key: &str) -> Result<VerifierKey, RunError> {
    match key.contains('+') {
        true => Ok(key.parse()?),
        false => Ok(read_text(Path::new(key))?.trim().parse()?),
    }
}

fn read_policy(path: &Path) -> Result<Policy, RunError> {
    let text = read_text(path)?;
    Policy::parse(&text).map_err(|source| RunError::Policy { path: path.display().to_string(), source })
}

/// A number with one of the units s, m, h and d, in milliseconds.
fn parse_age(text: &str) -> Result<i64, String> {
    let units = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let read = |(unit, ms): (char, i64)| Some(i64::from(text.strip_suffix(unit)?.parse::<u32>().ok()?) * ms);
    units
        .into_iter()
        .find_map(read)
        .ok_or_else(|| format!("`{text}` is not an age: write a number and s, m, h or d, such as 24h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(parse_age("90m"), Ok(5_400_000));
        assert_eq!(parse_age("7d"), Ok(604_800_000));
        for bad in ["", "24", "h", "-1h", "1w", "99999999999d"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn given_a_file_that_is_not_there_when_run_then_the_error_says_so_in_both_forms() {
        let args = Arguments { file: "/nonexistent/package.zip".into(), ..Arguments::default() };
        let text = run(&args, false, 0).expect_err("nothing to read");
        assert!(text.starts_with("error: could not read `/nonexistent/package.zip`"), "{text}");
        let text = run(&args, true, 0).expect_err("nothing to read");
        let error: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(error["error"]["code"], "io", "{error}");
    }
}
