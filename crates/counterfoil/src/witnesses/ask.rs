//! Asking one witness for its cosignature (C2SP tlog-witness, add-checkpoint), as a client that believes nothing: the
//! answer is bounded in time and size, and what is in it counts only when a key of the policy signed it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::log::{Log, LogError};
use merkle::note::MAX_NOTE_BYTES;
use merkle::witness::parse_cosignatures;
use merkle::{AddCheckpoint, NoteSignature, Policy, hex};
use sha2::{Digest, Sha256};

use crate::tls::trust::Trust;

/// How long a witness may take for one answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A checkpoint to be cosigned.
#[derive(Clone)]
pub struct Asked {
    /// The signed note.
    pub note: Arc<str>,
    /// Its tree size.
    pub size: u64,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("it cannot be reached: {0}")]
    Unreachable(hyper_util::client::legacy::Error),
    #[error("it did not answer within {} seconds", ANSWER_TIME.as_secs())]
    Silent,
    #[error("its answer broke off or is too long")]
    Broken,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer makes no sense")]
    Nonsense,
    #[error("its cosignature is by no witness of the policy; check that the policy has the witness's present key")]
    NotInPolicy,
    #[error("it has cosigned {theirs} entries of this log, but only {ours} are here")]
    Ahead { theirs: u64, ours: u64 },
    #[error("it has cosigned another history of this log with {0} entries")]
    Forked(u64),
    #[error("it was shown another checkpoint meanwhile, and has cosigned {0} entries of this log now")]
    Moved(u64),
    #[error("the checkpoint or its cosignature could not be handled: {0}")]
    Log(#[from] LogError),
    #[error("the request could not be made")]
    Request,
}

impl Trouble {
    /// Whether the witness remembers another history. That is no matter of networks: this ledger was rolled back, or
    /// somebody else signs with its key.
    pub fn is_another_history(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Forked(_))
    }

    /// Logs the trouble.
    pub fn report(&self, witness: &Uri) {
        match self.is_another_history() {
            true => tracing::error!(%witness, error = %self, "a witness remembers another history of this ledger"),
            false => tracing::warn!(%witness, error = %self, "a witness did not cosign; it will be asked again"),
        }
    }
}

/// Calls witnesses.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// # Errors
/// When those to be believed cannot be read.
pub fn client(trust: &Trust) -> Result<HttpClient, String> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(ANSWER_TIME));
    Ok(Client::builder(TokioExecutor::new()).build(trust.connector(tcp)?))
}

/// The newest checkpoint that a witness shows to have cosigned of a log, if it shows any.
///
/// # Errors
/// Why that cannot be known.
pub async fn shown(url: &str, origin: &str, trust: &Trust) -> Result<Option<String>, String> {
    let address = format!("{}/{}/checkpoint", url.trim_end_matches('/'), hex(&Sha256::digest(origin.as_bytes())));
    let request = Request::get(address)
        .header(header::USER_AGENT, concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let client = client(trust)?;
    let answer = async {
        let response = client.request(request).await.map_err(|error| Trouble::Unreachable(error).to_string())?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(Trouble::Status(status).to_string()),
        }
        let body = Limited::new(response.into_body(), MAX_NOTE_BYTES).collect().await;
        let body = body.map_err(|_| Trouble::Broken.to_string())?.to_bytes();
        String::from_utf8(body.to_vec()).map(Some).map_err(|_| Trouble::Nonsense.to_string())
    };
    tokio::time::timeout(ANSWER_TIME, answer).await.map_err(|_| Trouble::Silent.to_string())?
}

/// Asks witnesses, and keeps what they cosigned.
pub struct Asker {
    log: Arc<Log>,
    policy: Arc<Policy>,
    client: HttpClient,
}

impl Asker {
    /// Asks by `client`; only cosignatures by witnesses of the policy count.
    pub fn new(log: Arc<Log>, policy: Policy, client: HttpClient) -> Self {
        Self { log, policy: Arc::new(policy), client }
    }

    /// Asks for the cosignature and keeps it. `size` is how many entries the witness is thought to have cosigned; it is
    /// set right by what the witness says.
    ///
    /// A conflict alone says no more than that the witness has another size than was sent: it may be slow, or somebody else
    /// shows it this log, too. It remembers another history only when it has more than there is, or refuses the proof from
    /// a size that it named itself.
    pub async fn ask(&self, address: &Uri, size: &mut u64, asked: &Asked) -> Result<(), Trouble> {
        let (mut status, mut body) = self.post(address, *size, asked).await?;
        if status == StatusCode::CONFLICT {
            *size = self.told(&body, asked)?;
            (status, body) = self.post(address, *size, asked).await?;
        }
        match status {
            StatusCode::OK => {}
            // A size that is not 0 is one that it named, or cosigned here: it holds another tree of that size.
            StatusCode::UNPROCESSABLE_ENTITY if *size > 0 => return Err(Trouble::Forked(*size)),
            StatusCode::CONFLICT => match self.told(&body, asked)? {
                told if told == *size && told > 0 => return Err(Trouble::Forked(told)),
                told => return Err(Trouble::Moved(told)),
            },
            status => return Err(Trouble::Status(status)),
        }
        self.keep(&body, asked).await?;
        *size = asked.size;
        Ok(())
    }

    /// The size that a conflict names, when it is one to prove the checkpoint from.
    fn told(&self, body: &[u8], asked: &Asked) -> Result<u64, Trouble> {
        let (told, ours) = (told_size(body)?, self.log.size());
        match told {
            told if told > ours => Err(Trouble::Ahead { theirs: told, ours }),
            // A newer checkpoint than this one; the next round shows a newer one, too.
            told if told > asked.size => Err(Trouble::Moved(told)),
            told => Ok(told),
        }
    }

    async fn post(&self, address: &Uri, old: u64, asked: &Asked) -> Result<(StatusCode, Bytes), Trouble> {
        let (log, for_log) = (Arc::clone(&self.log), asked.clone());
        // Proofs are read from disk.
        let request = tokio::task::spawn_blocking(move || request(&log, old, &for_log)).await;
        let request = request.map_err(|_| Trouble::Request)??.to_string();
        let request = Request::post(address.clone())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::USER_AGENT, concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(request))
            .map_err(|_| Trouble::Request)?;
        let answer = async {
            let response = self.client.request(request).await.map_err(Trouble::Unreachable)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_NOTE_BYTES).collect().await;
            Ok((status, body.map_err(|_| Trouble::Broken)?.to_bytes()))
        };
        tokio::time::timeout(ANSWER_TIME, answer).await.map_err(|_| Trouble::Silent)?
    }

    /// Keeps the cosignatures by witnesses of the policy; others are ignored, as the specification asks.
    async fn keep(&self, body: &[u8], asked: &Asked) -> Result<(), Trouble> {
        let text = str::from_utf8(body).map_err(|_| Trouble::Nonsense)?;
        let mut lines = parse_cosignatures(text).map_err(|_| Trouble::Nonsense)?;
        lines.retain(|line| self.known(line));
        if lines.is_empty() {
            return Err(Trouble::NotInPolicy);
        }
        let (log, policy, note) = (Arc::clone(&self.log), Arc::clone(&self.policy), Arc::clone(&asked.note));
        let kept = tokio::task::spawn_blocking(move || log.add_cosignatures(&note, &lines, &policy)).await;
        kept.map_err(|_| Trouble::Request)?.map(drop).map_err(Trouble::Log)
    }

    fn known(&self, line: &NoteSignature) -> bool {
        let mut keys = self.policy.witnesses().iter().map(|witness| &witness.key);
        keys.any(|key| (key.name(), key.key_id()) == (line.name.as_str(), line.key_id))
    }
}

/// The proof from what the witness has to the checkpoint that all witnesses are asked about, which need not be the
/// newest any more.
fn request(log: &Log, old: u64, asked: &Asked) -> Result<AddCheckpoint, LogError> {
    let proof = if old == 0 { Vec::new() } else { log.consistency_proof(old, asked.size)? };
    Ok(AddCheckpoint { old, proof, checkpoint: asked.note.to_string() })
}

/// The size in the body of a conflict: decimal, and a newline.
fn told_size(body: &[u8]) -> Result<u64, Trouble> {
    let text = str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
    text.and_then(|text| text.parse().ok()).ok_or(Trouble::Nonsense)
}
