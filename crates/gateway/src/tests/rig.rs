//! What the tests stand on: an engine, a gateway with a listener, and a provider that says what a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::Command;
use domain::people::KeyScope;
use domain::serving::{InferenceCore, ServiceDeclared};
use domain::vendors::ProviderDeclared;
use engine::{Engine, EngineOptions, Principal};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::{Gateway, Limits, router};

/// What the provider does with a call: pieces of bytes, pauses, and the way it ends.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Say(String),
    /// Says nothing until the test opens the gate.
    Gate(Arc<Notify>),
    /// Says nothing any more.
    Hang,
    /// Says the same again and again, until the other side has had enough.
    Forever(String),
    /// Closes the connection.
    HangUp,
}

/// A response in one piece.
pub(super) fn whole(status: u16, headers: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n");
    vec![Act::Say(head + body)]
}

/// The head of a stream of events that ends with its connection.
pub(super) fn stream_head() -> Act {
    Act::Say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".into())
}

/// A stream of events in one piece each.
pub(super) fn stream(frames: &[&str]) -> Vec<Act> {
    let says = frames.iter().map(|frame| Act::Say((*frame).to_owned()));
    [stream_head()].into_iter().chain(says).chain([Act::HangUp]).collect()
}

/// A call as the provider saw it: head and body.
pub(super) type Seen = (String, String);

pub(super) struct Rig {
    pub(super) engine: Arc<Engine>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) key: String,
    pub(super) key_id: String,
    script: Arc<Mutex<Vec<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _dir: tempfile::TempDir,
}

pub(super) fn administrator() -> Principal {
    // Nobody has been given these duties, so whoever administers stands in for them.
    let stands_in = vec!["deployer".to_owned(), "model_trainer".to_owned()];
    let roles = vec![("administrator".to_owned(), "org".to_owned())];
    Principal { actor: "a_test".into(), roles, stands_in, ..Principal::default() }
}

/// The one route of the service: `assistant`, answered by `gpt-x` of the provider.
pub(super) fn assistant() -> Value {
    json!([{"name": "assistant", "target": {"provider": {"provider": "acme", "model": "gpt-x"}}}])
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default(), 60_000).await
    }

    /// With limits, and with how long to wait for the provider in milliseconds.
    pub(super) async fn with(limits: Limits, patience_ms: u64) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(options(dir.path())).await.expect("a new engine opens");
        let (script, seen, accepted) = (Arc::default(), Arc::default(), Arc::default());
        let provider = provider(Arc::clone(&script), Arc::clone(&seen), Arc::clone(&accepted)).await;
        let spec = json!({"kind": "openai", "base_url": format!("http://{provider}/v1"), "region": "au",
            "first_byte_timeout_ms": patience_ms, "idle_timeout_ms": patience_ms});
        let spec = serde_json::from_value(spec).expect("a provider");
        let declared = ProviderDeclared { provider: "acme".into(), spec };
        engine.execute(&administrator(), Command::DeclareProvider(declared)).await.expect("a provider");
        let gateway = Gateway::new(engine.clone(), limits, &mut Registry::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let app = router(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (key, key_id) = (String::new(), String::new());
        let mut rig = Self { engine, gateway, key, key_id, script, seen, accepted, address, client, _dir: dir };
        rig.declare(assistant()).await;
        let scope = KeyScope::Service("support".into());
        let later = Engine::now_ms() + 3_600_000;
        let key = rig.engine.create_key(&administrator(), scope, later).await.expect("a key");
        (rig.key, rig.key_id) = (key.secret, key.key);
        rig
    }

    /// Declares the service `support` with these routes.
    pub(super) async fn declare(&self, routes: Value) {
        self.declare_as(routes, "refuse").await;
    }

    /// Declares the service `support`, also with what happens when recording is impossible.
    pub(super) async fn declare_as(&self, routes: Value, when_unrecordable: &str) {
        let spec = json!({"owner": "team-support", "purpose": "support", "risk_tier": "low",
            "classification": "internal", "routes": routes, "when_unrecordable": when_unrecordable});
        let spec = serde_json::from_value(spec).expect("a service");
        let declared = ServiceDeclared { service: "support".into(), spec };
        self.engine.execute(&administrator(), Command::DeclareService(declared)).await.expect("a service");
    }

    /// Makes every record of the service fail from now on, by destroying the key of its class and of this day.
    pub(super) fn make_unrecordable(&self) {
        let now_ms = u64::try_from(Engine::now_ms()).expect("after 1970");
        let day = crate::record::day(Engine::now_us());
        self.engine.vault().destroy_day("internal", &day, now_ms).expect("destroyed");
    }

    /// What the provider shall do with every call from now on.
    pub(super) fn script(&self, acts: Vec<Act>) {
        *self.script.lock().expect("not poisoned") = acts;
    }

    /// The calls that the provider saw.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// How many connections the provider was asked for.
    pub(super) fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Sends a request with the key and these headers, and returns its answer with the body still to come.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        self.client.request(request).await.expect("an answer")
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (StatusCode, HeaderMap, String) {
        let (head, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    pub(super) async fn post(&self, path: &str, body: impl Into<Bytes>) -> (StatusCode, HeaderMap, String) {
        self.send(Method::POST, path, &[], body).await
    }

    pub(super) async fn chat(&self, body: impl Into<Bytes>) -> (StatusCode, HeaderMap, String) {
        self.post("/v1/chat/completions", body).await
    }

    /// Opens a connection of its own, for clients that behave badly.
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.trim_start_matches("http://")).await.expect("a connection")
    }

    /// The one record there must be, once the gateway has come to rest.
    pub(super) async fn record(&self) -> InferenceCore {
        let records = self.records().await;
        let [record] = records.try_into().expect("exactly one record");
        record
    }

    /// Every record, once the gateway has come to rest.
    pub(super) async fn records(&self) -> Vec<InferenceCore> {
        self.gateway.rest().await;
        self.engine.records().tail()
    }
}

fn options(dir: &std::path::Path) -> EngineOptions {
    EngineOptions {
        dir: dir.to_owned(),
        state: None,
        organisation: "test".into(),
        origin: None,
        retention_days: 365,
        node: "n1".into(),
        program: "test 0".into(),
        roll_records: 65_536,
        roll_bytes: 64 << 20,
        roll_after: Duration::from_secs(3600),
        outbound: engine::Outbound::default(),
        sessions: engine::SessionLimits::default(),
        custody: engine::CustodyOptions::default(),
        archive: None,
        objects: None,
        columnar: None,
    }
}

async fn provider(script: Arc<Mutex<Vec<Act>>>, seen: Arc<Mutex<Vec<Seen>>>, accepted: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(converse(connection, Arc::clone(&script), Arc::clone(&seen)));
        }
    });
    address
}

/// Plays the script for every request of a connection.
async fn converse(mut connection: TcpStream, script: Arc<Mutex<Vec<Act>>>, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Some(call) = read_request(&mut connection).await {
        seen.lock().expect("not poisoned").push(call);
        let acts = script.lock().expect("not poisoned").clone();
        for act in acts {
            let said = match act {
                Act::Say(text) => connection.write_all(text.as_bytes()).await,
                Act::Gate(gate) => {
                    gate.notified().await;
                    Ok(())
                }
                Act::Hang => std::future::pending().await,
                Act::Forever(text) => loop {
                    if let Err(error) = connection.write_all(text.as_bytes()).await {
                        break Err(error);
                    }
                },
                Act::HangUp => return,
            };
            if said.is_err() {
                return;
            }
        }
    }
}

async fn read_request(connection: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            while bytes.len() < end + 4 + length {
                if connection.read_buf(&mut bytes).await.ok()? == 0 {
                    return None;
                }
            }
            let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
            return Some((head, body));
        }
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
