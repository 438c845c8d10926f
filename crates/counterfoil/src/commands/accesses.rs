//! `counterfoil accesses`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// Accesses sent at a time.
const PART: usize = 5_000;

/// What to do with records of accesses.
#[derive(Subcommand)]
pub enum Accesses {
    /// List accesses, the newest first
    List(Filters),
    /// List your own accesses, the newest first
    Mine(Filters),
    /// Print the proof of one access: it is in its segment, and the segment in the ledger
    Proof {
        /// The access's identifier
        access: String,
        /// File for the proof; standard output by default
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Bring in what a storage system saw by itself, to be held against our own records
    Import {
        /// File with one JSON object a line: id, at, action, object_kind, object_id, and actor when known
        file: PathBuf,
        /// Name of the storage system
        #[arg(long)]
        source: String,
    },
}

/// Which accesses to list.
#[derive(Args)]
pub struct Filters {
    /// By this actor, by pseudonym
    #[arg(long)]
    actor: Option<String>,
    /// Denied ones only
    #[arg(long)]
    denied: bool,
    /// Of this kind of object, such as inference_log, artifact, evidence or ledger
    #[arg(long)]
    object: Option<String>,
    /// From this time on, such as 2026-11-22T10:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Before this time
    #[arg(long)]
    to: Option<String>,
}

impl Filters {
    fn query(&self) -> String {
        let denied = self.denied.then(|| "deny".to_owned());
        let all = [
            ("actor", &self.actor),
            ("decision", &denied),
            ("object", &self.object),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let pairs = all.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_deref()?))));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Accesses {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        match self {
            Self::List(filters) => print(json, &client.json(Method::GET, &path("", filters), None).await?)?,
            Self::Mine(filters) => print(json, &client.json(Method::GET, &path("/mine", filters), None).await?)?,
            Self::Proof { access, output } => {
                let path = format!("/api/v1/accesses/{access}/proof");
                let proof = client.send(Method::GET, &path, "text/plain", vec![]).await?;
                super::ledger::write_proof(json, output.as_deref(), &proof.body)?;
            }
            Self::Import { file, source } => {
                let seen = read(file)?;
                for part in seen.chunks(PART) {
                    let body = json!({"source": source, "accesses": part});
                    client.json(Method::POST, "/api/v1/accesses/import", Some(&body)).await?;
                }
                match json {
                    true => output::json(&json!({"source": source, "imported": seen.len()}))?,
                    false => output::line(format!("imported {} accesses that {source} saw", seen.len()))?,
                }
            }
        }
        client.close().await
    }
}

fn path(which: &str, filters: &Filters) -> String {
    format!("/api/v1/accesses{which}?{}", filters.query())
}

fn read(file: &std::path::Path) -> Result<Vec<Value>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::io(format!("{}: {e}", file.display())))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        let wrong =
            |e: serde_json::Error| Failure::usage(format!("{}, line {}: not JSON: {e}", file.display(), at + 1));
        serde_json::from_str(line).map_err(wrong)
    };
    lines.map(read).collect()
}

fn print(json: bool, answer: &Value) -> Result<(), Failure> {
    if json {
        return output::json(answer);
    }
    for access in answer["accesses"].as_array().into_iter().flatten() {
        let text = |name: &str| access[name].as_str().unwrap_or("-").to_owned();
        let why = access["purpose_id"].as_str().or_else(|| access["code"].as_str()).unwrap_or("-");
        output::line(format!(
            "{}  {:<6} {:<20} {:<18} {:<14} {:<12} {}",
            text("ts"),
            text("decision"),
            access["principal_id"].as_str().unwrap_or("(stranger)"),
            text("action"),
            text("object_kind"),
            why,
            text("policy_id"),
        ))?;
    }
    Ok(())
}
