//! The server of C2SP tlog-witness: `POST /add-checkpoint` for logs, and `GET /<SHA-256 of the origin in hex>/checkpoint`
//! for whoever watches the witness. There is no sign-in: what is accepted is what a known log signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ledger::witness::{Answer, WitnessStore, WitnessStoreError};
use merkle::witness::{MAX_REQUEST_BYTES, format_cosignatures};
use merkle::{AddCheckpoint, CosignerKey, KeyAlgorithm, VerifierKey, WitnessDecision, hex};
use sha2::{Digest, Sha256};

use crate::output::Failure;

/// How long the body of a request may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

const TEXT: &str = "text/plain; charset=utf-8";

/// The answer's type when a witness says how far it has come.
const SIZE: &str = "text/x.tlog.size";

/// A witness: its key, its memory and the logs it watches.
pub struct Witness {
    store: WitnessStore,
    cosigner: CosignerKey,
    /// By origin.
    logs: BTreeMap<String, VerifierKey>,
}

impl Witness {
    /// A witness of these logs, given as verifier keys.
    ///
    /// # Errors
    /// When one is not the key of a log, or two are for the same origin.
    pub fn new(store: WitnessStore, cosigner: CosignerKey, logs: &[String]) -> Result<Self, Failure> {
        let mut by_origin = BTreeMap::new();
        for text in logs {
            let key: VerifierKey = text.parse().map_err(|e: merkle::KeyError| Failure::usage(e.to_string()))?;
            if key.algorithm() != KeyAlgorithm::Ed25519 {
                return Err(Failure::usage(format!("`{text}` is the key of a witness; give the key of a log")));
            }
            if let Some(other) = by_origin.insert(key.name().to_owned(), key) {
                return Err(Failure::usage(format!(
                    "log `{}` is given twice; give one key for each log",
                    other.name()
                )));
            }
        }
        Ok(Self { store, cosigner, logs: by_origin })
    }

    /// What others verify its cosignatures with.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.cosigner.verifier_key()
    }

    /// Answers a request; the new checkpoint is durable when it was cosigned.
    ///
    /// # Errors
    /// When the state could not be read or stored; then nothing was cosigned.
    pub fn answer(&self, request: &AddCheckpoint) -> Result<Answer, WitnessStoreError> {
        let Some(log) = self.logs.get(request.origin()) else {
            return Ok(Answer::Refused(WitnessDecision::NotFound));
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let answer = self.store.add_checkpoint(request, log, &self.cosigner, now.as_secs())?;
        if answer == Answer::Refused(WitnessDecision::BadProof) {
            tracing::error!(
                origin = log.name(),
                "a log signed a checkpoint that does not continue its last; the request is kept"
            );
        }
        Ok(answer)
    }

    fn latest(&self, origin_sha256: &str) -> Result<Option<String>, WitnessStoreError> {
        let named = |origin: &&String| hex(&Sha256::digest(origin.as_bytes())) == origin_sha256;
        self.logs.keys().find(named).map_or(Ok(None), |origin| self.store.latest(origin))
    }
}

/// Why a request was refused, in words for whoever runs the log.
pub fn reason(refused: &WitnessDecision) -> String {
    match refused {
        WitnessDecision::Cosign { .. } => "the checkpoint can be cosigned".into(),
        WitnessDecision::Conflict { size } => {
            format!("this witness has cosigned {size} entries; send the proof from there, of the same history")
        }
        WitnessDecision::NotFound => "this witness does not know the log".into(),
        WitnessDecision::BadSignature => "the checkpoint is not signed by the log's key".into(),
        WitnessDecision::BadProof => "the checkpoint does not continue the one that was cosigned last".into(),
        WitnessDecision::Malformed => "not a checkpoint, or one smaller than the old size".into(),
    }
}

/// The paths of a witness.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(latest))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, request: Request) -> Response {
    let body = match read(request.into_body()).await {
        Ok(body) => body,
        Err((status, why)) => return plain(status, why),
    };
    let request = match AddCheckpoint::parse(&body) {
        Ok(request) => request,
        Err(error) => return plain(StatusCode::BAD_REQUEST, error),
    };
    let answer = tokio::task::spawn_blocking(move || witness.answer(&request)).await;
    match answer {
        Ok(Ok(Answer::Cosigned(line))) => typed(StatusCode::OK, TEXT, format_cosignatures(&[line])),
        Ok(Ok(Answer::Refused(WitnessDecision::Conflict { size }))) => {
            typed(StatusCode::CONFLICT, SIZE, format!("{size}\n"))
        }
        Ok(Ok(Answer::Refused(refused))) => {
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
            plain(status, reason(&refused))
        }
        Ok(Err(error)) => failed(&error),
        Err(panicked) => failed(&panicked),
    }
}

async fn latest(State(witness): State<Arc<Witness>>, Path(origin_sha256): Path<String>) -> Response {
    match tokio::task::spawn_blocking(move || witness.latest(&origin_sha256)).await {
        Ok(Ok(Some(note))) => typed(StatusCode::OK, TEXT, note),
        Ok(Ok(None)) => plain(StatusCode::NOT_FOUND, "no checkpoint of such a log was cosigned here"),
        Ok(Err(error)) => failed(&error),
        Err(panicked) => failed(&panicked),
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, (StatusCode, &'static str)> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_REQUEST_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the request is too long, or did not arrive whole")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a request could not be answered");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness could not store or read its state; nothing was cosigned")
}

fn plain(status: StatusCode, message: impl std::fmt::Display) -> Response {
    typed(status, TEXT, format!("{message}\n"))
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

#[cfg(test)]
mod tests;
