//! `counterfoil records`.

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with records.
#[derive(Subcommand)]
pub enum Records {
    /// Seal what was recorded so far into a segment, now
    Seal,
    /// Print the proof of one inference: it is in its segment, and the segment in the ledger
    Proof {
        /// The inference's identifier, as in the header `x-counterfoil-inference`
        inference: String,
        /// File for the proof; standard output by default
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

impl Records {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        match self {
            Self::Seal => {
                let sealed = client.json(Method::POST, "/api/v1/segments/seal", None).await?;
                match json {
                    true => output::json(&sealed)?,
                    false => output::line(format!("sealed {} segments", sealed["segments"]))?,
                }
            }
            Self::Proof { inference, output } => {
                let path = format!("/api/v1/inferences/{inference}/proof");
                let proof = client.send(Method::GET, &path, "text/plain", vec![]).await?;
                super::ledger::write_proof(json, output.as_deref(), &proof.body)?;
            }
        }
        client.close().await
    }
}
