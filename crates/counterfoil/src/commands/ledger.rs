//! `counterfoil ledger`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use ledger::log::{FsckLevel, fsck};
use serde_json::json;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with the ledger.
#[derive(Subcommand)]
pub enum Ledger {
    /// Publish and print a signed checkpoint
    Checkpoint,
    /// Print the proof of one event (C2SP tlog-proof)
    Proof {
        /// The event's sequence number
        #[arg(long)]
        event: u64,
        /// File for the proof; standard output by default
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Print events
    Events {
        /// First sequence number
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Check the ledger's files on disk; the server need not run
    Fsck(Fsck),
}

/// How thoroughly to check.
#[derive(Args)]
pub struct Fsck {
    /// Only signatures, the signer's state, the right edge and the write-ahead log
    #[arg(long)]
    quick: bool,
}

impl Ledger {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Checkpoint => {
                let client = connect.open().await?;
                let answer = client.json(Method::POST, "/api/v1/checkpoint", None).await?;
                client.close().await?;
                match json {
                    true => output::json(&answer),
                    false => print!("{}", answer["checkpoint"].as_str().unwrap_or_default()),
                }
            }
            Self::Proof { event, output } => {
                let client = connect.open().await?;
                let path = format!("/api/v1/events/{event}/proof");
                let proof = client.send(Method::GET, &path, "text/plain", vec![]).await?;
                client.close().await?;
                write_proof(json, output.as_deref(), &proof.body)?;
            }
            Self::Events { from, limit } => {
                let query = format!(
                    "select seq, ts, type, actor, stream, sv, body from events where seq >= {from} order by seq limit {limit}"
                );
                super::sql::print(json, connect, &query).await?;
            }
            Self::Fsck(options) => options.run(json, &connect.data_dir())?,
        }
        Ok(())
    }
}

impl Fsck {
    fn run(&self, json: bool, data: &Path) -> Result<(), Failure> {
        let level = if self.quick { FsckLevel::Quick } else { FsckLevel::Full };
        let report = fsck(&data.join("ledger"), level);
        let lines: Vec<_> = report.checks.iter().collect();
        if json {
            let checks: Vec<_> =
                lines.iter().map(|c| json!({"check": c.name, "ok": c.ok, "detail": c.detail})).collect();
            output::json(&json!({"checks": checks, "exit_code": report.exit_code()}));
        } else {
            for check in lines {
                println!("{}  {:24} {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.detail);
            }
        }
        match report.exit_code() {
            0 => Ok(()),
            code => Err(Failure::new(code, "fsck", "the ledger on disk is not whole: see the checks above")),
        }
    }
}

/// Writes a proof to a file or to standard output.
pub fn write_proof(json: bool, path: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match (path, json) {
        (Some(path), _) => {
            std::fs::write(path, bytes).map_err(|e| Failure::io(format!("{}: {e}", path.display())))?;
            match json {
                true => output::json(&json!({"proof": path.display().to_string()})),
                false => println!("wrote {0}; check it with `counterfoil verify {0}`", path.display()),
            }
        }
        (None, true) => output::json(&json!({"proof": String::from_utf8_lossy(bytes)})),
        (None, false) => print!("{}", String::from_utf8_lossy(bytes)),
    }
    Ok(())
}
