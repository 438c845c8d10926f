//! `counterfoil evidence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with evidence.
#[derive(Subcommand)]
pub enum Evidence {
    /// Write an evidence package that an auditor can verify offline
    Export(Export),
    /// List packages that were handed out
    List,
}

/// What goes into a package.
#[derive(Args)]
pub struct Export {
    /// Start of the window
    #[arg(long)]
    pub from: String,
    /// End of the window; by default now
    #[arg(long)]
    pub to: Option<String>,
    /// File for the package
    #[arg(long, short)]
    pub output: PathBuf,
    /// Include sealed payloads; they stay unreadable without keys
    #[arg(long)]
    pub payloads: bool,
}

impl Evidence {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Export(export) => {
                let written = export.export(connect).await?;
                match json {
                    true => output::json(&written),
                    false => {
                        let (path, bytes) = (export.output.display(), &written["bytes"]);
                        output::line(format!("wrote {path} ({bytes} bytes); check it with `counterfoil verify {path}`"))
                    }
                }
            }
            Self::List => {
                let query = "select seq, ts, body from events where type = 'evidence.exported' order by seq";
                super::sql::print(json, connect, query).await
            }
        }
    }
}

impl Export {
    /// Writes the package and returns where and how large.
    pub async fn export(&self, connect: &Connect) -> Result<Value, Failure> {
        let from = output::parse_time(&self.from).map_err(Failure::usage)?;
        let to = match &self.to {
            Some(text) => output::parse_time(text).map_err(Failure::usage)?,
            None => chrono::Utc::now().timestamp_millis() + 1,
        };
        let client = connect.open().await?;
        let body = json!({"from": from, "to": to, "payloads": self.payloads}).to_string().into_bytes();
        let answer = client.send(Method::POST, "/api/v1/evidence", "application/json", body).await?;
        client.close().await?;
        let path = self.output.display().to_string();
        std::fs::write(&self.output, &answer.body).map_err(|e| Failure::io(format!("{path}: {e}")))?;
        Ok(json!({"package": path, "bytes": answer.body.len()}))
    }
}
