//! A program that is told things by webhook, on loopback. It verifies signatures by itself, from the words of Standard
//! Webhooks and RFC 2104, not with what signed them.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::http::RUNTIME;
use super::incoming::Incoming;

/// The secret that it shares with the sender.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes ...";

/// A message that came, good or not, and how it was answered.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    pub event: Value,
    pub answered: u16,
}

/// A receiver; it stops listening when it is dropped.
pub struct Receiver {
    pub address: String,
    told: Arc<Mutex<Vec<Told>>>,
    listening: JoinHandle<()>,
}

impl Receiver {
    /// Listens at an address (`127.0.0.1:0` for a free port) and answers the first message of the kind `fails` with 500.
    #[track_caller]
    pub fn start(address: &str, fails: Option<&'static str>) -> Self {
        let listener = super::eventually("the port is free", || RUNTIME.block_on(TcpListener::bind(address)).ok());
        let address = listener.local_addr().expect("an address").to_string();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let kept = Arc::clone(&told);
        let listening = RUNTIME.spawn(async move {
            let mut fails = fails;
            while let Ok((connection, _)) = listener.accept().await {
                // One after the other, so that it is certain which one fails.
                if let Some(message) = take(connection, fails).await {
                    fails = fails.filter(|_| message.answered == 200);
                    kept.lock().expect("not poisoned").push(message);
                }
            }
        });
        Self { address, told, listening }
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://{}/hook?from=counterfoil", self.address)
    }

    /// All that came so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("not poisoned").clone()
    }

    /// What was taken of a kind.
    pub fn of(&self, kind: &str) -> Vec<Told> {
        let kind = format!("counterfoil.notification.{kind}");
        self.told().into_iter().filter(|told| told.answered == 200 && told.event["type"] == kind.as_str()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The secret as a settings file has it.
pub fn secret() -> String {
    format!("whsec_{}\n", BASE64_STANDARD.encode(SECRET))
}

async fn take(mut connection: TcpStream, fails: Option<&str>) -> Option<Told> {
    let incoming = Incoming::read(&mut connection).await?;
    let (head, body, header) = (&incoming.head, &incoming.body[..], |name| incoming.header(name));
    let (id, seconds) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signed = [id.as_bytes(), b".", seconds.as_bytes(), b".", body].concat();
    let expected = format!("v1,{}", BASE64_STANDARD.encode(hmac(SECRET, &signed)));
    assert_eq!(header("webhook-signature"), Some(expected.as_str()), "{head}");
    assert!(head.starts_with("POST /hook?from=counterfoil "), "{head}");
    let kind = header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/cloudevents+json"), "{head}");
    let event: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(event["id"], id);
    let answer = if fails.is_some_and(|kind| event["data"]["kind"] == kind) { 500 } else { 200 };
    let reason = if answer == 200 { "OK" } else { "Oops" };
    let answered = format!("HTTP/1.1 {answer} {reason}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    connection.write_all(answered.as_bytes()).await.ok()?;
    Some(Told { id: id.to_owned(), event, answered: answer })
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
