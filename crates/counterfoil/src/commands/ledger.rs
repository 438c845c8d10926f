//! `counterfoil ledger`.

mod archive;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use domain::Event;
use http::Method;
use ledger::fsck::{FsckReport, Level, Outcome, Outside, Scope, fsck, whose};
use ledger::vfs::{RealVfs, Vfs};
use merkle::{Checkpoint, Note, VerifierKey};
use serde_json::json;
use std::sync::Arc;

use crate::client::Connect;
use crate::config::Config;
use crate::output::{self, Failure};
use crate::server::Server;
use crate::tls::trust::Trust;
use crate::witnesses;

/// What to do with the ledger.
#[derive(Subcommand)]
pub enum Ledger {
    /// Publish and print a signed checkpoint
    Checkpoint {
        /// Print it as the request by which it is shown to a witness, with the proof that it extends the ledger of SIZE:
        /// for `counterfoil witness cosign`, and for `counterfoil verify --seen` of what is older
        #[arg(long, value_name = "SIZE")]
        since: Option<u64>,
    },
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
    /// Print the log's verifier key, for auditors and witnesses
    Key,
    /// Check the ledger's files on disk, and against what is known of it elsewhere; the server need not run
    Fsck(Fsck),
    /// Copies of what must not change, in a write-once bucket
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Go on with an older copy of the data directory on purpose; the ledger will always tell
    AcceptRollback(AcceptRollback),
}

/// Which copy to go on with, and where it is written down why.
#[derive(Args)]
pub struct AcceptRollback {
    /// Where the reason is written down, such as a ticket's number; it stays in the ledger for good
    #[arg(long)]
    reference: String,
    /// Directory that remembers the ledger, as the refusal named it; by default the one of the settings
    #[arg(long)]
    state: Option<String>,
}

/// How thoroughly to check.
#[derive(Args)]
pub struct Fsck {
    /// Only signatures, the signer's state, the right edge and the write-ahead log
    #[arg(long)]
    quick: bool,
    /// The log's verifier key, to check signatures with; see `counterfoil ledger key`. Without it, what is known elsewhere is
    /// checked by the key that the directory itself names
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// A checkpoint of this ledger that was kept elsewhere, such as one that a witness cosigned; may be given more than once
    #[arg(long, value_name = "FILE")]
    seen: Vec<PathBuf>,
}

impl Ledger {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Checkpoint { since } => {
                let client = connect.open().await?;
                let path = match since {
                    Some(since) => format!("/api/v1/checkpoint?since={since}"),
                    None => "/api/v1/checkpoint".to_owned(),
                };
                let answer = client.json(Method::POST, &path, None).await?;
                client.close().await?;
                let shown = if since.is_some() { "request" } else { "checkpoint" };
                match json {
                    true => output::json(&answer)?,
                    false => output::text(answer[shown].as_str().unwrap_or_default())?,
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
            Self::Key => {
                let client = connect.open().await?;
                let answer = client.json(Method::GET, "/api/v1/ledger", None).await?;
                client.close().await?;
                let key = answer["vkey"].as_str().unwrap_or_default();
                match json {
                    true => output::json(&json!({"vkey": key, "origin": answer["origin"]}))?,
                    false => output::line(key)?,
                }
            }
            Self::Archive(command) => command.run(json, connect).await?,
            Self::Fsck(options) => options.run(json, &connect.config()?).await?,
            Self::AcceptRollback(options) => options.run(json, connect).await?,
        }
        Ok(())
    }
}

impl AcceptRollback {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let mut config = connect.config()?;
        if let Some(state) = &self.state {
            config.server.state.clone_from(state);
        }
        let data = config.server.data.clone();
        if !data.join("ledger").is_dir() {
            return Err(Failure::usage(format!(
                "`{}` holds no ledger: name the restored copy in --data",
                data.display()
            )));
        }
        let token = connect.token(&data)?;
        let (server, event) = Server::accept_rollback(config, &token, &self.reference).await?;
        server.close().await?;
        let Event::RollbackAccepted(body) = &event.event else {
            return Err(Failure::io(format!("`{}` was written instead of the acceptance", event.event.name())));
        };
        match json {
            true => output::json(&json!({
                "event": body.to_size, "from_size": body.from_size, "to_size": body.to_size, "reference": body.reference,
            })),
            false => output::line(format!(
                "the ledger goes on from {} entries; {} were remembered, and what they said beyond is given up. \
                 Event {0} says so",
                body.to_size, body.from_size
            )),
        }
    }
}

impl Fsck {
    async fn run(&self, json: bool, config: &Config) -> Result<(), Failure> {
        let level = if self.quick { Level::Quick } else { Level::Full };
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
        let keys = self.key.as_deref().map(str::parse).transpose();
        let keys: Vec<VerifierKey> = keys.map_err(|e| Failure::usage(format!("--key: {e}")))?.into_iter().collect();
        let (dir, records) = (config.server.data.join("ledger"), config.server.data.join("records"));
        let log = match keys.first() {
            Some(key) => Some((key.name().to_owned(), key.clone())),
            None => whose(&vfs, &dir),
        };
        let outside = self.outside(config, log).await?;
        let report = fsck(&vfs, &dir, &Scope { level, keys: &keys, records: Some(&records), outside: &outside });
        show(json, &report)?;
        match report.exit_code() {
            0 => Ok(()),
            code => Err(Failure::new(code, "fsck", "the ledger on disk is not whole: see the checks above")),
        }
    }

    /// What a start would be held against, too: the memory outside the data directory and the witnesses; and what was given.
    /// `log` is the name and the key of it, as far as they are known.
    async fn outside(&self, config: &Config, log: Option<(String, VerifierKey)>) -> Result<Vec<Outside>, Failure> {
        let read = |path: &Path| match std::fs::read_to_string(path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        let mut outside = Vec::new();
        for path in &self.seen {
            let note = read(path).and_then(|note| note.ok_or_else(|| "there is no such file".to_owned()));
            let note = note.map_err(|why| Failure::io(format!("{}: {why}", path.display())))?;
            let seen = Note::parse(&note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
            // Somebody wants it compared: that it cannot be must not pass for a comparison.
            if seen.is_none_or(|seen| log.as_ref().is_some_and(|(origin, _)| seen.origin != *origin)) {
                let message = format!("--seen: `{}` is no checkpoint of this ledger", path.display());
                return Err(Failure::usage(message));
            }
            outside.push(Outside { place: path.display().to_string(), found: Ok(Some(note)) });
        }
        let Some((origin, key)) = log else { return Ok(outside) };
        if let Some(state) = config.state_dir(|variable| std::env::var(variable).ok()) {
            let path = engine::memory(&state, &key.to_string());
            outside.push(Outside { place: path.display().to_string(), found: read(&path) });
        }
        let trust = Trust::from_file(&config.witnesses.ca);
        for url in &config.witnesses.urls {
            outside.push(Outside { place: url.clone(), found: witnesses::shown(url, &origin, &trust).await });
        }
        Ok(outside)
    }
}

fn show(json: bool, report: &FsckReport) -> Result<(), Failure> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "FAILED",
        Outcome::NotChecked => "not checked",
    };
    if json {
        let checks = report.checks.iter();
        let checks: Vec<_> =
            checks.map(|c| json!({"check": c.name, "outcome": word(&c.outcome), "detail": c.detail})).collect();
        return output::json(&json!({"checks": checks, "size": report.size, "exit_code": report.exit_code()}));
    }
    for check in &report.checks {
        output::line(format!("{:12} {:24} {}", word(&check.outcome), check.name, check.detail))?;
    }
    Ok(())
}

/// Writes a proof to a file or to standard output.
pub fn write_proof(json: bool, path: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match (path, json) {
        (Some(path), _) => {
            std::fs::write(path, bytes).map_err(|e| Failure::io(format!("{}: {e}", path.display())))?;
            match json {
                true => output::json(&json!({"proof": path.display().to_string()})),
                false => output::line(format!("wrote {0}; check it with `counterfoil verify {0}`", path.display())),
            }
        }
        (None, true) => output::json(&json!({"proof": String::from_utf8_lossy(bytes)})),
        (None, false) => output::bytes(bytes),
    }
}
