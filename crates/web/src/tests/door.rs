//! The doors as clients see them: requests to the whole router over a real engine in a temporary directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use domain::Command;
use domain::people::{Algorithm, PasskeyRegistered, PasskeyUsed, Proof};
use engine::{Engine, EngineOptions, Proven};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use merkle::{TlogProof, VerifierKey};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::rules;
use crate::App;

/// A server with its operator's key.
pub(super) struct World {
    router: axum::Router,
    pub(super) engine: Arc<Engine>,
    pub(super) token: String,
    _dir: tempfile::TempDir,
}

/// How a request proves who sends it.
#[derive(Clone)]
pub(super) enum As {
    Nobody,
    Operator,
    /// By a session's cookie, from one of our pages or not.
    Session {
        cookie: String,
        ours: bool,
    },
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: crate::Settings) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(options(dir.path())).await.expect("a new data directory");
        let token = std::fs::read_to_string(dir.path().join("operator.token")).expect("the operator's key");
        let db = Arc::new(assurance::database(&engine, query::Limits::default()).expect("a database over the engine"));
        let app = App::new(Arc::clone(&engine), db, Registry::default(), settings).expect("good settings");
        Self { router: crate::router(app), engine, token: token.trim().to_owned(), _dir: dir }
    }

    pub(super) async fn send(&self, method: Method, path: &str, who: &As, body: impl Into<Body>) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8600");
        request = match who {
            As::Nobody => request,
            As::Operator => request.header(header::AUTHORIZATION, format!("Bearer {}", self.token)),
            As::Session { cookie, ours } => {
                let origin = if *ours { "http://127.0.0.1:8600" } else { "http://evil.example" };
                request.header(header::COOKIE, cookie).header(header::ORIGIN, origin)
            }
        };
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body.into()).expect("a request");
        self.router.clone().oneshot(request).await.expect("the router always answers")
    }

    /// Sends a form of one of our pages that needs no session.
    pub(super) async fn form(&self, path: &str, form: &str) -> Response {
        let request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "127.0.0.1:8600");
        let request = request.header(header::ORIGIN, "http://127.0.0.1:8600");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form.to_owned())).expect("a request");
        self.router.clone().oneshot(request).await.expect("the router always answers")
    }

    pub(super) async fn get(&self, path: &str, who: &As) -> Response {
        self.send(Method::GET, path, who, Body::empty()).await
    }

    pub(super) async fn json(&self, method: Method, path: &str, who: &As, body: &Value) -> (StatusCode, Value) {
        let response = self.send(method, path, who, body.to_string()).await;
        let status = response.status();
        let bytes = bytes(response).await;
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{path}: {e}: {bytes:?}")))
    }

    /// Signs the operator in as a person would, and returns the cookie.
    pub(super) async fn sign_in(&self) -> String {
        self.sign_in_by_link(&json!({})).await
    }

    /// Signs in by a link that the operator makes, for whoever it names.
    pub(super) async fn sign_in_by_link(&self, wish: &Value) -> String {
        let (status, link) = self.json(Method::POST, "/api/v1/signin-links", &As::Operator, wish).await;
        assert_eq!(status, StatusCode::OK, "{link}");
        let url = link["url"].as_str().expect("a link");
        let path = url.strip_prefix("http://127.0.0.1:8600").expect("an address of ours");
        assert_eq!(self.get(path, &As::Nobody).await.status(), StatusCode::OK, "looking does not use the link up");
        let foreign = As::Session { cookie: String::new(), ours: false };
        assert_eq!(self.send(Method::POST, path, &foreign, "").await.status(), StatusCode::FORBIDDEN);
        let ours = As::Session { cookie: String::new(), ours: true };
        let opened = self.send(Method::POST, path, &ours, "").await;
        assert_eq!(opened.status(), StatusCode::SEE_OTHER);
        let set = opened.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
        assert!(set.contains("HttpOnly; SameSite=Strict"), "{set}");
        assert_eq!(self.send(Method::POST, path, &ours, "").await.status(), StatusCode::NOT_FOUND, "a link works once");
        set.split(';').next().expect("a cookie").to_owned()
    }
}

fn settings() -> crate::Settings {
    crate::Settings { public_url: "http://127.0.0.1:8600".to_owned(), ..crate::Settings::default() }
}

fn options(dir: &Path) -> EngineOptions {
    EngineOptions {
        dir: dir.to_owned(),
        state: None,
        organisation: "Example Bank".into(),
        origin: Some("counterfoil.example/test".into()),
        retention_days: 400,
        node: "n1".into(),
        program: "counterfoil test".into(),
        roll_records: 65_536,
        roll_bytes: 64 << 20,
        roll_after: Duration::from_secs(60),
        outbound: engine::Outbound::default(),
        sessions: engine::SessionLimits::default(),
        custody: engine::CustodyOptions::default(),
        archive: None,
        objects: None,
        columnar: Some(Arc::new(ingest::Columnar)),
    }
}

async fn bytes(response: Response) -> Vec<u8> {
    response.into_body().collect().await.expect("a whole body").to_bytes().to_vec()
}

pub(super) async fn text(response: Response) -> String {
    String::from_utf8(bytes(response).await).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn given_nobody_then_pages_lead_to_the_sign_in_and_the_api_refuses() {
    let world = World::new().await;
    let page = world.get("/ledger", &As::Nobody).await;
    assert_eq!(
        (page.status(), &page.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/signin?return=%2Fledger".parse().expect("a value"))
    );
    let (status, error) = world.json(Method::GET, "/api/v1/org", &As::Nobody, &json!(null)).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")));
    for path in ["/healthz", "/readyz", "/metrics", "/signin"] {
        assert_eq!(world.get(path, &As::Nobody).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_session_then_every_page_is_whole_and_ends_with_it() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let who = As::Session { cookie: cookie.clone(), ours: true };
    let pages = [
        "/",
        "/ledger",
        "/ledger?type=org.created&q=Bank",
        "/ledger/0",
        "/inferences",
        "/inferences?status=error&from=2026-11-22",
        "/controls",
        "/controls?outcome=fail&sort=ran",
        "/controls/AI-IN-01",
        "/criteria",
        "/evidence",
        "/services",
        "/data",
        "/data/lineage",
        "/data/lineage?node=dataset%2Floans&column=age",
        "/tokens",
        "/documents",
        "/sql",
        "/sql?query=select+seq,+type+from+events",
    ];
    for path in pages {
        let page = world.get(path, &who).await;
        let (status, policy) = (page.status(), page.headers()[header::CONTENT_SECURITY_POLICY].clone());
        let html = text(page).await;
        assert_eq!(status, StatusCode::OK, "{path}: {html}");
        assert!(policy.to_str().expect("text").starts_with("default-src 'none'"), "{path}");
        assert_eq!(rules::broken(&html), Vec::<String>::new(), "{path}");
    }
    let missing = world.get("/ledger/999999", &who).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.get("/nowhere", &who).await.status(), StatusCode::NOT_FOUND);

    let foreign = As::Session { cookie, ours: false };
    assert_eq!(world.send(Method::POST, "/signout", &foreign, "").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.send(Method::POST, "/signout", &who, "").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.get("/", &who).await.status(), StatusCode::SEE_OTHER, "the session is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_commands_then_they_change_the_state_once_and_refusals_say_why() {
    let world = World::new().await;
    let provider = json!({ "command": "provider.declare", "body": { "provider": "openai",
        "spec": { "kind": "openai", "base_url": "https://api.openai.com/v1" } } });
    let (status, done) = world.json(Method::POST, "/api/v1/commands", &As::Operator, &provider).await;
    assert_eq!((status, &done["events"][0]["t"]), (StatusCode::OK, &json!("provider.declared")), "{done}");
    let (_, again) = world.json(Method::POST, "/api/v1/commands", &As::Operator, &provider).await;
    assert_eq!(again["events"], json!([]));
    let (_, org) = world.json(Method::GET, "/api/v1/org", &As::Operator, &json!(null)).await;
    assert_eq!(org["providers"]["openai"]["base_url"], "https://api.openai.com/v1");

    let unknown = json!({ "command": "provider.retire", "body": { "provider": "nobody" } });
    let (status, error) = world.json(Method::POST, "/api/v1/commands", &As::Operator, &unknown).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let evidence = json!({ "command": "ledger.beat", "body": { "checkpoint": "", "signed_at": 0 } });
    let (status, error) = world.json(Method::POST, "/api/v1/commands", &As::Operator, &evidence).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let (status, error) =
        world.json(Method::POST, "/api/v1/commands", &As::Operator, &json!({ "command": "no.such" })).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("malformed")));

    let cookie = world.sign_in().await;
    let foreign = As::Session { cookie, ours: false };
    let (status, error) = world.json(Method::POST, "/api/v1/commands", &foreign, &provider).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::FORBIDDEN, &json!("cross_origin")));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_event_then_its_proof_verifies_with_the_logs_key() {
    let world = World::new().await;
    let (_, event) = world.json(Method::GET, "/api/v1/events/1", &As::Operator, &json!(null)).await;
    let entry = merkle::unb64(event["bytes"].as_str().expect("bytes")).expect("base64");
    assert_eq!(event["leaf_hash"], merkle::hex(&merkle::leaf_hash(&entry)));
    let proof = text(world.get("/api/v1/events/1/proof", &As::Operator).await).await;
    let (head, log) = proof.split_once("\n\n").expect("two halves");
    assert_eq!(head, format!("counterfoil/event-proof@v1\nentry {}", merkle::b64(&entry)));
    let proof = TlogProof::parse(log).expect("a proof");
    let key: VerifierKey = world.engine.org().log_vkey.parse().expect("the log's key");
    proof.verify(&entry, &key, None).expect("the proof holds");
    let (status, _) = world.json(Method::GET, "/api/v1/events/424242/proof", &As::Operator, &json!(null)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_size_when_a_checkpoint_is_asked_for_then_it_comes_with_the_proof_from_there() {
    let world = World::new().await;
    let asked = async |since: u64| {
        let path = format!("/api/v1/checkpoint?since={since}");
        world.json(Method::POST, &path, &As::Operator, &json!(null)).await
    };
    let (status, answer) = asked(3).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let asking = merkle::AddCheckpoint::parse(answer["request"].as_str().expect("text")).expect("a request");
    let key: VerifierKey = world.engine.org().log_vkey.parse().expect("the log's key");
    let (checkpoint, _) = merkle::Checkpoint::open(&asking.checkpoint, &key).expect("signed");
    let root = world.engine.log().root_at(3).expect("a root");
    merkle::verify_consistency(3, &root, checkpoint.size, &checkpoint.root, &asking.proof).expect("it holds");
    let (status, error) = asked(1 << 40).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_witness_that_remembers_otherwise_then_commands_are_refused_and_the_server_is_not_ready() {
    let world = World::new().await;
    let told = ledger::log::OtherHistory { by: "https://w.example".into(), why: "it has more".into() };
    world.engine.log().halt(told).expect("kept");
    let size = world.engine.log().size();
    let ready = world.get("/readyz", &As::Nobody).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready = text(ready).await;
    assert!(ready.contains("another history") && !ready.contains("w.example"), "{ready}");
    let retire = json!({ "command": "provider.retire", "body": { "provider": "p" } });
    for (path, body) in [("/api/v1/commands", retire), ("/api/v1/checkpoint", json!(null))] {
        let (status, error) = world.json(Method::POST, path, &As::Operator, &body).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("rolled_back")),
            "{error}"
        );
    }
    assert_eq!(world.engine.log().size(), size);
    let (status, _) = world.json(Method::GET, "/api/v1/ledger", &As::Operator, &json!(null)).await;
    assert_eq!(status, StatusCode::OK, "it can be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_the_log_door_then_hashes_are_public_and_entries_are_not() {
    let world = World::new().await;
    world.send(Method::POST, "/api/v1/checkpoint", &As::Operator, "").await;
    let note = text(world.get("/log/checkpoint", &As::Nobody).await).await;
    let size: u64 = note.lines().nth(1).expect("a size").parse().expect("a number");
    let hashes = world.get(&format!("/log/tile/0/000.p/{size}"), &As::Nobody).await;
    assert_eq!(hashes.status(), StatusCode::OK);
    assert_eq!(bytes(hashes).await.len() as u64, size * 32);
    let bundle = format!("/log/tile/entries/000.p/{size}");
    assert_eq!(world.get(&bundle, &As::Nobody).await.status(), StatusCode::UNAUTHORIZED);
    let entries = bytes(world.get(&bundle, &As::Operator).await).await;
    assert_eq!(merkle::decode_bundle(&entries).expect("a bundle").len() as u64, size);
    assert_eq!(world.get("/log/tile/0/x000/000", &As::Nobody).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_sql_then_the_same_size_gives_the_same_rows_in_each_format() {
    let world = World::new().await;
    let ask = |query: &str, format: &str| json!({ "query": query, "format": format, "at": 2 });
    let sql = "select seq, type from events order by seq";
    let (_, rows) = world.json(Method::POST, "/api/v1/sql", &As::Operator, &ask(sql, "json")).await;
    assert_eq!(rows[0], json!({ "seq": 0, "type": "org.created" }));
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    let csv = world.send(Method::POST, "/api/v1/sql", &As::Operator, ask(sql, "csv").to_string()).await;
    assert_eq!(csv.headers()["x-counterfoil-size"], "2");
    assert!(text(csv).await.starts_with("seq,type\n0,org.created\n"));
    let parquet = world.send(Method::POST, "/api/v1/sql", &As::Operator, ask(sql, "parquet").to_string()).await;
    assert!(bytes(parquet).await.starts_with(b"PAR1"));
    let (status, error) = world.json(Method::POST, "/api/v1/sql", &As::Operator, &ask("select nothing", "json")).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("query")));
    let (_, tables) = world.json(Method::GET, "/api/v1/tables", &As::Operator, &json!(null)).await;
    assert!(tables["tables"].as_array().is_some_and(|tables| tables.iter().any(|table| table["name"] == "inferences")));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_key_for_an_application_then_it_opens_nothing_here() {
    let world = World::new().await;
    let service = json!({ "command": "service.declare", "body": { "service": "credit-risk", "spec": {
        "owner": "lending", "purpose": "credit-scoring", "risk_tier": "high", "classification": "confidential" } } });
    world.json(Method::POST, "/api/v1/commands", &As::Operator, &service).await;
    let wish = json!({ "service": "credit-risk", "expires_at": Engine::now_ms() + 60_000 });
    let (status, key) = world.json(Method::POST, "/api/v1/keys", &As::Operator, &wish).await;
    assert_eq!(status, StatusCode::OK, "{key}");
    let application = World { token: key["secret"].as_str().expect("a secret").to_owned(), ..world };
    for path in ["/api/v1/org", "/api/v1/controls", "/api/v1/ledger", "/api/v1/tables", "/api/v1/evidence"] {
        let (status, error) = application.json(Method::GET, path, &As::Operator, &json!(null)).await;
        assert_eq!((status, &error["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
    }
    let both = json!({ "service": "a", "actor": "b", "expires_at": 0 });
    let (status, _) = application.json(Method::POST, "/api/v1/keys", &As::Operator, &both).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_sessions_by_link_and_passkey_when_the_passkey_is_removed_then_the_next_request_with_the_second_is_refused()
 {
    let world = World::new().await;
    let by_link = world.sign_in().await;
    let (name, secret) = by_link.split_once('=').expect("a cookie");
    let who = world.engine.authenticate_session(secret).expect("signed in");
    let registered = PasskeyRegistered {
        passkey: "p_1".into(),
        actor: who.actor.clone(),
        credential: "c0".into(),
        algorithm: Algorithm::Ed25519,
        public_key: "ab".repeat(32),
        sign_count: 0,
        synced: false,
        name_sha256: "ab".repeat(32),
    };
    world.engine.execute(&who, Command::RegisterPasskey(registered)).await.expect("registered");
    let proven = Proven {
        actor: who.actor.clone(),
        proof: Proof::Passkey,
        authenticated_at: Engine::now_ms(),
        mfa: true,
        passkey: Some(PasskeyUsed { passkey: "p_1".into(), actor: who.actor.clone(), sign_count: 0 }),
        ..Proven::default()
    };
    let opened = world.engine.admit(proven, None).await.expect("a session");
    let by_passkey = As::Session { cookie: format!("{name}={}", opened.secret), ours: true };
    let by_link = As::Session { cookie: by_link.clone(), ours: true };
    assert_eq!(world.get("/sessions", &by_passkey).await.status(), StatusCode::OK);
    let removed = world.send(Method::DELETE, "/api/v1/passkeys/p_1", &As::Operator, "").await;
    assert_eq!(removed.status(), StatusCode::OK);
    assert_eq!(world.get("/sessions", &by_passkey).await.status(), StatusCode::SEE_OTHER, "led to the sign-in");
    assert_eq!(world.get("/sessions", &by_link).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_documents_then_everybody_may_list_them_and_only_who_publishes_may_upload_one() {
    let world = World::new().await;
    let (status, listed) = world.json(Method::GET, "/api/v1/documents", &As::Operator, &json!(null)).await;
    assert_eq!((status, listed), (StatusCode::OK, json!({ "documents": [] })));
    let (status, error) = world.json(Method::PUT, "/api/v1/documents", &As::Operator, &json!("text")).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let (status, error) = world.json(Method::GET, "/api/v1/documents/none/text", &As::Operator, &json!(null)).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let nobody = world.get("/api/v1/documents", &As::Nobody).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let acknowledge = json!({ "command": "document.acknowledge", "body": { "document": "none", "version": 1 } });
    let (status, _) = world.json(Method::POST, "/api/v1/commands", &As::Operator, &acknowledge).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
