//! `counterfoil verify`: the auditor's check, without network and without a data directory.

use clap::Args;

use crate::output::{self, Failure};

/// What to verify.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    arguments: verify::Arguments,
}

impl Verify {
    pub fn run(&self, json: bool) -> Result<(), Failure> {
        let report = verify::verify(&self.arguments, chrono::Utc::now().timestamp_millis())
            .map_err(|e| Failure::new(verify::EXIT_IO, "io", e.to_string()))?;
        output::text(if json { report.to_json() } else { report.to_string() })?;
        match report.exit {
            0 => Ok(()),
            code => Err(Failure::new(code, "not_verified", "not everything could be verified: see the findings above")),
        }
    }
}
