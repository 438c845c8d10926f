//! `counterfoil-verify`: the verifier alone, for auditors who want nothing else on their machine.

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

/// Verify an evidence package or a proof, offline
///
/// Exit codes: 0 nothing speaks against it, 1 integrity, 2 completeness or freshness, 3 history was rewritten,
/// 4 the witness policy is not met, 5 a file cannot be read. Claims that are `unknown` were not proven.
#[derive(Parser)]
#[command(name = "counterfoil-verify", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    arguments: verify::Arguments,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    // Whoever reads may have seen enough, as `head` has; the exit code says the same.
    match verify::run(&cli.arguments, cli.json, now_ms) {
        Ok((report, exit)) => {
            let _ = std::io::stdout().write_all(report.as_bytes());
            ExitCode::from(exit)
        }
        Err(error) => {
            let _ = std::io::stderr().write_all(error.as_bytes());
            ExitCode::from(verify::EXIT_IO)
        }
    }
}
