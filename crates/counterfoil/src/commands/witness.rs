//! `counterfoil witness`: vouch for somebody else's ledger (C2SP tlog-witness).

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use ledger::vfs::RealVfs;
use ledger::witness::{Answer, WitnessStore};
use merkle::witness::{MAX_REQUEST_BYTES, format_cosignatures};
use merkle::{AddCheckpoint, WitnessDecision};
use serde_json::json;
use tokio::net::TcpListener;

use super::serve;
use crate::client::Connect;
use crate::output::{self, Failure};
use crate::server::stop_signal;
use crate::witness::{key, server};

/// What a witness does.
#[derive(Subcommand)]
pub enum Witness {
    /// Make a signing key and print its verifier key, which goes into the policies of those who trust this witness
    Keygen(Keygen),
    /// Answer logs over HTTP
    Serve(Serve),
    /// Cosign one checkpoint from a file, for witnesses without a network
    Cosign(Cosign),
}

/// Which key to make.
#[derive(Args)]
pub struct Keygen {
    /// Name of the witness, such as witness.example/w1
    #[arg(long)]
    name: String,
    /// File for the key; it must not exist
    #[arg(long, short)]
    output: PathBuf,
}

/// Who the witness is and what it watches.
#[derive(Args)]
struct Identity {
    /// File with the witness's key
    #[arg(long)]
    key: PathBuf,
    /// Verifier key of a log to watch; give it once for each log
    #[arg(long = "log", required = true, value_name = "VKEY")]
    logs: Vec<String>,
    /// Directory for what was cosigned; it must outlive every restart and never go back in time
    #[arg(long)]
    state: PathBuf,
}

/// Where to answer.
#[derive(Args)]
pub struct Serve {
    /// Address and port to listen on
    #[arg(long)]
    listen: String,
    #[command(flatten)]
    identity: Identity,
}

/// What to cosign.
#[derive(Args)]
pub struct Cosign {
    /// File with a request: `old <size>`, the lines of the consistency proof, an empty line, the checkpoint
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// File for the cosignature; standard output by default
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
}

impl Witness {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Keygen(keygen) => keygen.run(json),
            Self::Serve(serve) => serve.run(json, connect).await,
            Self::Cosign(cosign) => cosign.run(json),
        }
    }
}

impl Identity {
    fn open(&self) -> Result<server::Witness, Failure> {
        let key = key::read(&self.key)?;
        let store = WitnessStore::open(Arc::new(RealVfs), &self.state).map_err(|e| Failure::io(with_cause(&e)))?;
        server::Witness::new(store, key, &self.logs)
    }
}

impl Keygen {
    fn run(&self, json: bool) -> Result<(), Failure> {
        let key = key::generate(&self.name, &self.output)?;
        let vkey = key.verifier_key().to_string();
        match json {
            true => output::json(&json!({"vkey": vkey, "key": self.output})),
            false => output::line(vkey),
        }
    }
}

impl Serve {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        serve::logging(&connect.config()?);
        let witness = Arc::new(self.identity.open()?);
        let mut stop = stop_signal()?;
        let listener = TcpListener::bind(&self.listen).await;
        let listener = listener.map_err(|e| Failure::io(format!("cannot listen on {}: {e}", self.listen)))?;
        let url = format!("http://{}", listener.local_addr()?);
        let vkey = witness.verifier_key().to_string();
        match json {
            true => output::json(&json!({"listening": url, "vkey": vkey, "logs": self.identity.logs.len()}))?,
            false => output::line(format!("witness {vkey} listens on {url} for {} logs", self.identity.logs.len()))?,
        }
        let stopped = async move {
            // An error says that nobody can ask to stop any more, which is as good as asking.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        axum::serve(listener, server::router(witness)).with_graceful_shutdown(stopped).await?;
        Ok(())
    }
}

impl Cosign {
    fn run(&self, json: bool) -> Result<(), Failure> {
        let path = self.input.display();
        let long = || Failure::usage(format!("`{path}` is longer than the {MAX_REQUEST_BYTES} bytes of any request"));
        let bytes = read_at_most(&self.input, MAX_REQUEST_BYTES)?.ok_or_else(long)?;
        let request = AddCheckpoint::parse(&bytes).map_err(|e| Failure::usage(format!("`{path}`: {e}")))?;
        let line = match self.identity.open()?.answer(&request).map_err(|e| Failure::io(with_cause(&e)))? {
            Answer::Cosigned(line) => format_cosignatures(&[line]),
            Answer::Refused(refused) => return Err(refusal(&refused)),
        };
        if let Some(path) = &self.output {
            std::fs::write(path, &line).map_err(|e| Failure::io(format!("{}: {e}", path.display())))?;
        }
        match json {
            true => output::json(&json!({"cosignature": line, "file": self.output})),
            false if self.output.is_none() => output::text(line),
            false => Ok(()),
        }
    }
}

/// A refusal as the failure of a command. A history that does not continue is an integrity failure.
fn refusal(refused: &WitnessDecision) -> Failure {
    let message = server::reason(refused);
    match refused {
        WitnessDecision::BadProof => Failure::new(1, "bad_proof", message),
        WitnessDecision::Conflict { .. } => Failure::refused("conflict", message),
        WitnessDecision::NotFound => Failure::refused("unknown_log", message),
        WitnessDecision::BadSignature => Failure::new(1, "bad_signature", message),
        WitnessDecision::Malformed | WitnessDecision::Cosign { .. } => Failure::usage(message),
    }
}

/// The whole file, or `None` when it is longer than `max` bytes.
fn read_at_most(path: &std::path::Path, max: usize) -> Result<Option<Vec<u8>>, Failure> {
    use std::io::Read;
    let failed = |e: std::io::Error| Failure::io(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() <= max).then_some(bytes))
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
