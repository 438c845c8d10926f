//! `counterfoil verify`: the auditor's check, without network and without a data directory.

use clap::Args;

use crate::output::Failure;

/// What to verify.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    arguments: verify::Arguments,
}

impl Verify {
    pub fn run(&self, json: bool) -> Result<(), Failure> {
        let (text, code) = verify::run(&self.arguments, json, chrono::Utc::now().timestamp_millis());
        print!("{text}");
        match code {
            0 => Ok(()),
            code => Err(Failure::new(code, "not_verified", "not everything could be verified: see the findings above")),
        }
    }
}
