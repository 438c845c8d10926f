//! `counterfoil keys scan`: leaked keys in files, found by their form and checksum. Secrets do not leave the machine: the
//! server is asked by their digests, and told a secret only when it is to end the key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ::scan::keys::{Finding, Scanner};
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::Connect;
use crate::output::{self, Failure};

/// How many findings are reported; more are as bad.
const MAX_FINDINGS: usize = 1000;

/// How deep directories are followed.
const MAX_DEPTH: usize = 64;

/// Where to look, and what to do.
#[derive(Args)]
pub struct Scan {
    /// A file, a directory, or - for standard input
    path: PathBuf,
    /// Ask no server: say what was found, not whether it is live
    #[arg(long)]
    offline: bool,
    /// End each live key that was found, at once
    #[arg(long, conflicts_with = "offline")]
    revoke: bool,
}

/// A finding with its file, and how the key stands.
struct Found {
    file: String,
    finding: Finding,
    key: Option<String>,
    status: String,
}

impl Scan {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let mut found = Vec::new();
        match self.path.to_str() {
            Some("-") => read("-", io::stdin().lock(), &mut found)?,
            _ => walk(&self.path, MAX_DEPTH, &mut found)?,
        }
        if !self.offline && !found.is_empty() {
            self.ask(connect, &mut found).await?;
        }
        let live = found.iter().filter(|found| matches!(found.status.as_str(), "live" | "ending")).count();
        if json {
            let told: Vec<Value> = found.iter().map(told).collect();
            output::json(&json!({"found": told, "live": live}))?;
        } else {
            for Found { file, finding, key, status } in &found {
                let shown: String = finding.secret.chars().take(10).collect();
                let key = key.as_deref().map(|key| format!(" {key}")).unwrap_or_default();
                output::line(format!("{file}:{}:{}: {shown}…{key} {status}", finding.line, finding.column))?;
            }
            output::line(format!("{} found, {live} live", found.len()))?;
        }
        match found.is_empty() {
            true => Ok(()),
            false => {
                Err(Failure::new(2, "keys_found", "there are keys in what was read: remove them, and rotate them"))
            }
        }
    }

    /// Asks how the keys stand, and ends those that are live when that is wanted.
    async fn ask(&self, connect: &Connect, found: &mut [Found]) -> Result<(), Failure> {
        let client = connect.open().await?;
        let digest = |secret: &str| merkle::hex(&Sha256::digest(secret.as_bytes()));
        let digests: Vec<String> = found.iter().map(|found| digest(&found.finding.secret)).collect();
        let answer = client.json(Method::POST, "/api/v1/keys/lookup", Some(&json!({"sha256": digests}))).await?;
        let known: BTreeMap<&str, &Value> = answer["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|key| Some((key["sha256"].as_str()?, key)))
            .collect();
        for (found, digest) in found.iter_mut().zip(&digests) {
            let text = |name: &str| known.get(digest.as_str()).and_then(|key| key[name].as_str()).map(str::to_owned);
            (found.key, found.status) = (text("key"), text("status").unwrap_or_else(|| "not of this ledger".into()));
            if self.revoke && matches!(found.status.as_str(), "live" | "ending") {
                let body = json!({"secret": found.finding.secret});
                client.json(Method::POST, "/api/v1/keys/leaked", Some(&body)).await?;
                found.status = "ended now".into();
            }
        }
        client.close().await
    }
}

fn told(found: &Found) -> Value {
    let Found { file, finding, key, status } = found;
    json!({"file": file, "line": finding.line, "column": finding.column, "key": key, "status": status})
}

/// Links are not followed: what they lead to is looked at where it is.
fn walk(path: &Path, depth: usize, found: &mut Vec<Found>) -> Result<(), Failure> {
    let name = path.display().to_string();
    let failed = |e: io::Error| Failure::io(format!("{name}: {e}"));
    let kind = std::fs::symlink_metadata(path).map_err(failed)?.file_type();
    if kind.is_file() {
        return read(&name, File::open(path).map_err(failed)?, found);
    }
    if kind.is_dir() && depth > 0 {
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            inside.push(entry.map_err(failed)?.path());
        }
        inside.sort();
        for path in inside {
            walk(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn read(name: &str, mut from: impl Read, found: &mut Vec<Found>) -> Result<(), Failure> {
    let mut scanner = Scanner::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut piece).map_err(|e| Failure::io(format!("{name}: {e}")))?;
        if length == 0 {
            return Ok(());
        }
        for finding in scanner.push(&piece[..length]) {
            if found.len() == MAX_FINDINGS {
                return Err(Failure::new(
                    2,
                    "keys_found",
                    format!("more than {MAX_FINDINGS} keys were found: look at fewer files at once"),
                ));
            }
            found.push(Found { file: name.to_owned(), finding, key: None, status: "not asked".into() });
        }
    }
}
