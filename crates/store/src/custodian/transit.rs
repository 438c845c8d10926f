//! The root key in the Transit engine of OpenBao or HashiCorp Vault: it never leaves there; what it wraps is sent there to
//! be wrapped and unwrapped.
//!
//! The token may encrypt and decrypt with one key, read it, and for the ratchet rotate, configure and trim it. It is read
//! anew for each request, so that whatever renews it may replace the file. Callers wait: the requests run on a thread of
//! their own, and end after two seconds. What is sent and answered passes through buffers of the HTTP client and of TLS,
//! which nobody wipes.

pub mod answer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use vault::{BoxError, Custodian, CustodianInfo, Unreachable};
use zeroize::Zeroizing;

use super::{CustodianError, SecretSource};
use crate::client::{HttpClient, chain, http_client};

/// How long one request may take in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 10;

/// The kind of key that wraps with additional data, and what is made when there is none.
const KIND: &str = "aes256-gcm96";

/// Where the engine is.
#[derive(Clone, Debug)]
pub struct TransitOptions {
    /// Scheme, host and port of the server.
    pub address: String,
    /// Where the engine is mounted, such as `transit`.
    pub mount: String,
    /// Name of the key.
    pub key: String,
    /// The namespace; none when empty.
    pub namespace: String,
    /// Where the token is.
    pub token: SecretSource,
    /// PEM file with the authorities to believe instead of the public ones; the public ones when empty.
    pub ca_file: PathBuf,
}

/// Holds no key, and asks whoever does.
pub struct TransitCustodian {
    key_id: String,
    key: String,
    token: SecretSource,
    asks: UnboundedSender<Ask>,
    /// The version that [`Custodian::advance`] was last sure of. Others can make newer ones at any time (the engine by itself,
    /// an operator, a request that came late), so only what is older than this one is ever forgotten.
    made: AtomicU64,
}

struct Ask {
    method: Method,
    /// Below the mount.
    path: String,
    body: Bytes,
    token: Zeroizing<String>,
    answer: SyncSender<Result<Answer, String>>,
}

struct Answer {
    status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

/// What the requests have in common.
struct Line {
    client: HttpClient,
    /// Up to the mount.
    base: String,
    namespace: String,
}

impl TransitCustodian {
    /// Looks whether the key is there and of the right kind, and makes it when there is none.
    ///
    /// # Errors
    /// [`CustodianError::Elsewhere`]: it cannot be reached, or the key cannot be used.
    pub fn open(options: &TransitOptions) -> Result<Self, CustodianError> {
        let key_id = format!("transit:{}/{}", options.mount.trim_matches('/'), options.key);
        let wrong = |why: String| CustodianError::Elsewhere { key_id: key_id.clone(), why };
        let asks = serve(Line::new(options).map_err(wrong)?).map_err(|e| wrong(e.to_string()))?;
        let (key, token) = (options.key.clone(), options.token.clone());
        let custodian = Self { key_id: key_id.clone(), key, token, asks, made: AtomicU64::new(0) };
        let key = custodian.find_key().map_err(|e| wrong(e.to_string()))?;
        if key.kind != KIND || key.derived {
            let derived = if key.derived { ", derived" } else { "" };
            return Err(wrong(format!("the key is of kind `{}`{derived}: use one of kind `{KIND}`", key.kind)));
        }
        if key.exportable {
            tracing::warn!(key_id, "the root key can be exported from its engine: use one that cannot");
        }
        Ok(custodian)
    }

    fn find_key(&self) -> Result<answer::Key, BoxError> {
        let path = format!("keys/{}", self.key);
        let found = self.ask(Method::GET, path.clone(), Bytes::new())?;
        if found.status == StatusCode::NOT_FOUND && answer::errors(&found.body).is_empty() {
            let made = self.ask(Method::POST, path.clone(), json!({"type": KIND}).to_string().into())?;
            taken(made)?;
            tracing::info!(key_id = self.key_id, "a root key was made in the Transit engine");
            return Ok(answer::key(&taken(self.ask(Method::GET, path, Bytes::new())?)?)?);
        }
        Ok(answer::key(&taken(found)?)?)
    }

    /// Sends a request and waits for the whole answer.
    fn ask(&self, method: Method, path: String, body: Bytes) -> Result<Answer, BoxError> {
        let token = self.token.read("the custodian's token").map_err(|e| Unreachable::error(e.to_string()))?;
        let token = token.ok_or_else(|| Unreachable::error("there is no token for the custodian"))?;
        let (answer, answered) = sync_channel(1);
        let ask = Ask { method, path, body, token, answer };
        self.asks.send(ask).map_err(|_| Unreachable::error("the thread that asks the custodian has ended"))?;
        let answer = answered.recv_timeout(PATIENCE * 2);
        let answer = answer.map_err(|_| Unreachable::error("the thread that asks the custodian gave no answer"))?;
        answer.map_err(Unreachable::error)
    }

    /// Sends what must be understood.
    fn post(&self, path: String, body: &serde_json::Value) -> Result<Zeroizing<Vec<u8>>, BoxError> {
        taken(self.ask(Method::POST, path, body.to_string().into())?)
    }
}

/// The body of an answer that is none of refusal. What the engine refuses by itself has status 400; whatever else it says
/// is about the token, the mount or its own state, and may be over tomorrow.
fn taken(answer: Answer) -> Result<Zeroizing<Vec<u8>>, BoxError> {
    let Answer { status, body } = answer;
    if status.is_success() {
        return Ok(body);
    }
    let words = answer::errors(&body);
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    match status {
        StatusCode::BAD_REQUEST => Err(format!("it was refused{words}").into()),
        _ => Err(Unreachable::error(format!("it answered {status}{words}"))),
    }
}

impl Custodian for TransitCustodian {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let plain = Zeroizing::new(BASE64_STANDARD.encode(plaintext));
        let body = json!({"plaintext": plain.as_str(), "associated_data": BASE64_STANDARD.encode(aad)});
        // Before it is asked: what it answers may have been on its way while a version was made.
        let least = self.made.load(Ordering::Acquire);
        let answer = self.post(format!("encrypt/{}", self.key), &body)?;
        let wrapped = answer::wrapped(&answer)?;
        let version = wrapped.first_chunk().map_or(0, |version| u64::from(u32::from_le_bytes(*version)));
        match version < least {
            // A node that has not heard of the newest version yet.
            true => Err(Unreachable::error(format!("it wrapped by version {version}, which is an older one"))),
            false => Ok(wrapped),
        }
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let ciphertext = answer::ciphertext(wrapped).ok_or("it was not wrapped by a Transit engine")?;
        let body = json!({"ciphertext": ciphertext, "associated_data": BASE64_STANDARD.encode(aad)});
        let answer = self.post(format!("decrypt/{}", self.key), &body)?;
        Ok(answer::plaintext(&answer)?.to_vec())
    }

    fn key_id(&self) -> String {
        self.key_id.clone()
    }

    fn advance(&self) -> Result<String, BoxError> {
        self.post(format!("keys/{}/rotate", self.key), &json!({}))?;
        self.made.fetch_max(self.find_key()?.latest, Ordering::AcqRel);
        Ok(self.key_id())
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        let key = self.find_key()?;
        let least = self.made.load(Ordering::Acquire).min(key.latest);
        if least <= 1 || key.oldest >= least {
            return Ok(());
        }
        // A version can be trimmed only when nothing may be encrypted or decrypted with it any more.
        let allowed = json!({"min_decryption_version": least, "min_encryption_version": least});
        self.post(format!("keys/{}/config", self.key), &allowed)?;
        self.post(format!("keys/{}/trim", self.key), &json!({"min_available_version": least}))?;
        Ok(())
    }

    fn describe(&self) -> CustodianInfo {
        CustodianInfo { kind: "transit", key_id: self.key_id(), forgets: true }
    }
}

impl Line {
    fn new(options: &TransitOptions) -> Result<Self, String> {
        let base = format!("{}/v1/{}", options.address.trim_end_matches('/'), options.mount.trim_matches('/'));
        base.parse::<Uri>().map_err(|e| format!("`{base}` is no address: {e}"))?;
        let client = http_client(&options.ca_file, PATIENCE)?;
        Ok(Self { client, base, namespace: options.namespace.clone() })
    }

    async fn send(&self, ask: &Ask) -> Result<Answer, String> {
        let mut token = header::HeaderValue::from_str(&ask.token).map_err(|_| "the token is not one line of text")?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}/{}", self.base, ask.path))
            .header("x-vault-token", token)
            .header("x-vault-request", "true")
            .header(header::CONTENT_TYPE, "application/json");
        if !self.namespace.is_empty() {
            request = request.header("x-vault-namespace", &self.namespace);
        }
        let request = request.body(Full::new(ask.body.clone())).map_err(|e| e.to_string())?;
        // Redirects are not followed: no other address was named.
        let response = self.client.request(request).await.map_err(|e| chain(&e))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|e| format!("its answer broke off, or is too long: {e}"))?;
        Ok(Answer { status, body: Zeroizing::new(body.to_bytes().to_vec()) })
    }
}

/// Sends requests on a thread of their own, until nobody can ask any more.
fn serve(line: Line) -> std::io::Result<UnboundedSender<Ask>> {
    let (asks, mut asked) = unbounded_channel::<Ask>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let line = Arc::new(line);
    let work = async move {
        while let Some(ask) = asked.recv().await {
            let line = Arc::clone(&line);
            tokio::spawn(async move {
                let answer = tokio::time::timeout(PATIENCE, line.send(&ask)).await;
                let silent = |_| format!("no answer within {} s", PATIENCE.as_secs());
                // Whoever asked may be gone.
                let _ = ask.answer.send(answer.unwrap_or_else(|e| Err(silent(e))));
            });
        }
    };
    std::thread::Builder::new().name("custodian".into()).spawn(move || runtime.block_on(work))?;
    Ok(asks)
}

#[cfg(test)]
mod tests;
