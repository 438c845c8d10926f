//! A provider that hands out whatever tokens a test likes, and what the doors make of them.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::Engine;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::door::{As, World, text};
use crate::{OidcSettings, Settings};

/// A provider on this machine.
struct Stub {
    issuer: String,
    key: EcdsaKeyPair,
    /// What it answers to the next code.
    token: Arc<Mutex<String>>,
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(key: &EcdsaKeyPair) -> Value {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": b64(x), "y": b64(y) })
}

fn sign(key: &EcdsaKeyPair, claims: &Value) -> String {
    sign_as("ES256", key, claims)
}

fn sign_as(algorithm: &str, key: &EcdsaKeyPair, claims: &Value) -> String {
    let part = |value: &Value| b64(value.to_string().as_bytes());
    let message = format!("{}.{}", part(&json!({ "alg": algorithm, "kid": "k" })), part(claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
    format!("{message}.{}", b64(signature.as_ref()))
}

impl Stub {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let (key, token) = (new_key(), Arc::new(Mutex::new(String::new())));
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "end_session_endpoint": format!("{issuer}/logout"),
            "authorization_response_iss_parameter_supported": true,
        });
        let (keys, answered) = (json!({ "keys": [jwk(&key)] }), Arc::clone(&token));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(move || async move { Json(document) }))
            .route("/keys", get(move || async move { Json(keys) }))
            .route(
                "/token",
                post(move || async move { Json(json!({ "id_token": *answered.lock().expect("no panic") })) }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, key, token }
    }

    fn settings(&self) -> Settings {
        let oidc = OidcSettings {
            issuer: self.issuer.clone(),
            client_id: "counterfoil".into(),
            client_secret: None,
            label: "Example".into(),
            scopes: vec![],
            groups_claim: "groups".into(),
            clock_skew: std::time::Duration::from_secs(60),
            email_domains: vec![],
            register: true,
            hosts: vec![],
            authorities: vec![],
        };
        Settings { public_url: "http://127.0.0.1:8600".into(), oidc: Some(oidc), ..Settings::default() }
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = Engine::now_ms() / 1000;
        json!({ "iss": self.issuer, "sub": "anna", "aud": "counterfoil", "iat": now, "exp": now + 300, "nonce": nonce,
            "auth_time": now, "sid": "p-1" })
    }
}

/// A sign-in that began.
struct Begun {
    cookie: String,
    state: String,
    nonce: String,
}

impl Begun {
    async fn new(world: &World, path: &str) -> Self {
        let sent = world.get(path, &As::Nobody).await;
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        let address = sent.headers()[header::LOCATION].to_str().expect("text").to_owned();
        let value = |name: &str| {
            let query = address.split_once('?').expect("a query").1;
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.expect("it is there").to_owned()
        };
        let set = sent.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
        assert!(set.contains("HttpOnly; SameSite=Lax"), "{set}");
        Self {
            cookie: set.split(';').next().expect("a cookie").to_owned(),
            state: value("state"),
            nonce: value("nonce"),
        }
    }

    async fn come_back(&self, world: &World, issuer: &str) -> axum::response::Response {
        let who = As::Session { cookie: self.cookie.clone(), ours: false };
        world.get(&format!("/signin/oidc/callback?code=c&state={}&iss={issuer}", self.state), &who).await
    }
}

/// Cookies that an answer sets.
fn cookies(answer: &axum::response::Response) -> Vec<String> {
    let set = answer.headers().get_all(header::SET_COOKIE).into_iter();
    set.map(|value| value.to_str().expect("text").split(';').next().expect("a cookie").to_owned()).collect()
}

/// Waits until a refusal is in the ledger.
async fn on_record(world: &World, door: &str, reason: &str) {
    for _ in 0..600 {
        let log = world.engine.log();
        let entries = log.entries(0..log.size()).expect("readable");
        let told = |bytes: &Vec<u8>| {
            let entry: Value = serde_json::from_slice(bytes).expect("JSON");
            entry["t"] == "signin.refused" && entry["body"]["door"] == door && entry["body"]["reason"] == reason
        };
        if entries.iter().any(told) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{door}: {reason} did not come on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_good_token_when_it_comes_back_then_it_signs_in_once_and_leads_where_it_began() {
    let stub = Stub::start().await;
    let world = World::with(stub.settings()).await;
    let begun = Begun::new(&world, "/signin/oidc?return=%2Fsessions").await;
    *stub.token.lock().expect("no panic") = sign(&stub.key, &stub.claims(&begun.nonce));
    let came = begun.come_back(&world, &stub.issuer).await;
    assert_eq!(came.status(), StatusCode::OK);
    let set = cookies(&came);
    assert_eq!(set[0], "counterfoil_oidc=", "used up");
    let cookie = set[1].clone();
    assert!(text(came).await.contains("url=/sessions"));
    let who = As::Session { cookie: cookie.clone(), ours: true };
    assert_eq!(world.get("/sessions", &who).await.status(), StatusCode::OK);
    // Signing out leads on to the provider.
    let left = world.send(Method::POST, "/signout", &who, "").await;
    let page = text(left).await;
    assert!(page.contains(&format!("{}/logout?client_id=counterfoil", stub.issuer)), "{page}");
    assert_eq!(world.get("/sessions", &who).await.status(), StatusCode::SEE_OTHER);
    // The same answer in another sign-in is another's: its nonce does not fit.
    let again = Begun::new(&world, "/signin/oidc").await;
    let replayed = again.come_back(&world, &stub.issuer).await;
    assert_eq!(replayed.status(), StatusCode::BAD_REQUEST);
    on_record(&world, "oidc", "nonce").await;
}

/// A way to make a token of claims.
type Forge<'a> = Box<dyn Fn(Value) -> String + 'a>;

fn forge<'a>(how: impl Fn(Value) -> String + 'a) -> Forge<'a> {
    Box::new(how)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_forged_tokens_when_they_come_back_then_each_is_refused_with_its_reason_on_record() {
    let stub = Stub::start().await;
    let (now, stub) = (Engine::now_ms() / 1000, &stub);
    let key = &stub.key;
    let with = |name: &'static str, value: Value| {
        forge(move |mut claims| {
            claims[name] = value.clone();
            sign(key, &claims)
        })
    };
    let cases = [
        ("issuer", with("iss", json!("https://evil.example"))),
        ("audience", with("aud", json!("another-app"))),
        ("time", with("exp", json!(now - 3600))),
        ("nonce", with("nonce", json!("of another sign-in"))),
        ("subject", with("sub", json!(""))),
        ("signature", forge(|claims| sign(&new_key(), &claims))),
        ("algorithm", forge(|claims| sign_as("HS256", &stub.key, &claims))),
        ("malformed", forge(|_| "not a token".to_owned())),
    ];
    for (reason, forge) in cases {
        // A world for each: after ten in a row from one address one waits.
        let world = World::with(stub.settings()).await;
        let begun = Begun::new(&world, "/signin/oidc").await;
        *stub.token.lock().expect("no panic") = forge(stub.claims(&begun.nonce));
        let came = begun.come_back(&world, &stub.issuer).await;
        assert_eq!((came.status(), cookies(&came).len()), (StatusCode::BAD_REQUEST, 0), "{reason}");
        assert!(text(came).await.contains("did not come to an end that can be trusted"), "all read the same: {reason}");
        on_record(&world, "oidc", reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_account_that_is_not_let_in_when_it_comes_back_then_a_plain_address_offers_another() {
    let stub = Stub::start().await;
    let mut settings = stub.settings();
    settings.oidc.iter_mut().for_each(|oidc| oidc.register = false);
    let world = World::with(settings).await;
    let begun = Begun::new(&world, "/signin/oidc").await;
    *stub.token.lock().expect("no panic") = sign(&stub.key, &stub.claims(&begun.nonce));
    let came = begun.come_back(&world, &stub.issuer).await;
    assert_eq!((came.status(), cookies(&came).len()), (StatusCode::SEE_OTHER, 0));
    assert_eq!(came.headers()[header::LOCATION], "/signin?refused=1");
    let html = text(world.get("/signin?refused=1", &As::Nobody).await).await;
    assert!(html.contains("not let in") && html.contains("another account") && html.contains("fresh=1"), "{html}");
    on_record(&world, "oidc", "unknown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_answers_that_fit_no_sign_in_when_they_come_then_the_provider_is_not_even_asked() {
    let stub = Stub::start().await;
    let world = World::with(stub.settings()).await;
    let begun = Begun::new(&world, "/signin/oidc").await;
    *stub.token.lock().expect("no panic") = sign(&stub.key, &stub.claims(&begun.nonce));
    let other = Begun::new(&world, "/signin/oidc").await;
    let crossed = Begun { cookie: other.cookie, state: begun.state.clone(), nonce: String::new() };
    assert_eq!(crossed.come_back(&world, &stub.issuer).await.status(), StatusCode::BAD_REQUEST, "another browser's");
    assert_eq!(begun.come_back(&world, "https://evil.example").await.status(), StatusCode::BAD_REQUEST, "mixed up");
    let who = As::Session { cookie: begun.cookie.clone(), ours: false };
    let denied = format!("/signin/oidc/callback?error=access_denied&state={}&iss={}", begun.state, stub.issuer);
    assert_eq!(world.get(&denied, &who).await.status(), StatusCode::BAD_REQUEST);
    for reason in ["state", "issuer", "declined"] {
        on_record(&world, "oidc", reason).await;
    }
    // Too many in a row, and whoever comes from there waits.
    for _ in 0..12 {
        crossed.come_back(&world, &stub.issuer).await;
    }
    let late = crossed.come_back(&world, &stub.issuer).await;
    assert_eq!(late.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(late.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_the_providers_word_that_somebody_signed_out_then_it_counts_once_and_for_them_only() {
    let stub = Stub::start().await;
    let world = World::with(stub.settings()).await;
    let mut sessions = Vec::new();
    for (sub, sid) in [("anna", "p-1"), ("anna", "p-2"), ("ben", "p-3")] {
        let begun = Begun::new(&world, "/signin/oidc").await;
        let mut claims = stub.claims(&begun.nonce);
        (claims["sub"], claims["sid"]) = (json!(sub), json!(sid));
        *stub.token.lock().expect("no panic") = sign(&stub.key, &claims);
        sessions.push(cookies(&begun.come_back(&world, &stub.issuer).await)[1].clone());
    }
    let now = Engine::now_ms() / 1000;
    let word = |jti: &str, sid: Option<&str>, sub: Option<&str>| {
        let event = "http://schemas.openid.net/event/backchannel-logout";
        let mut claims = json!({ "iss": stub.issuer, "aud": "counterfoil", "iat": now, "exp": now + 60, "jti": jti,
            "events": { event: {} } });
        if let Some(sid) = sid {
            claims["sid"] = json!(sid);
        }
        if let Some(sub) = sub {
            claims["sub"] = json!(sub);
        }
        sign(&stub.key, &claims)
    };
    let tell =
        async |token: &str| world.form("/signin/oidc/backchannel-logout", &format!("logout_token={token}")).await;
    let open = async |cookie: &String| {
        let who = As::Session { cookie: cookie.clone(), ours: true };
        world.get("/sessions", &who).await.status() == StatusCode::OK
    };
    let first = word("j-1", Some("p-1"), Some("anna"));
    assert_eq!(tell(&first).await.status(), StatusCode::OK);
    assert!(!open(&sessions[0]).await && open(&sessions[1]).await && open(&sessions[2]).await);
    assert_eq!(tell(&first).await.status(), StatusCode::BAD_REQUEST, "once");
    let empty = world.form("/signin/oidc/backchannel-logout", "token=x").await;
    assert_eq!(empty.status(), StatusCode::BAD_REQUEST, "without the field");
    assert!(text(empty).await.contains("\"error\":\"invalid_request\""));
    // Ben's session, said to be Anna's; a stranger; an ID token.
    assert_eq!(tell(&word("j-2", Some("p-3"), Some("anna"))).await.status(), StatusCode::OK);
    assert_eq!(tell(&word("j-3", None, Some("nobody"))).await.status(), StatusCode::OK);
    assert_eq!(tell(&sign(&stub.key, &stub.claims("n"))).await.status(), StatusCode::BAD_REQUEST);
    assert!(open(&sessions[1]).await && open(&sessions[2]).await);
    assert_eq!(tell(&word("j-4", None, Some("anna"))).await.status(), StatusCode::OK);
    assert!(!open(&sessions[1]).await && open(&sessions[2]).await);
    on_record(&world, "logout", "events").await;
    // By the frame of the front channel.
    let frame = format!("/signin/oidc/frontchannel-logout?iss={}&sid=p-3", stub.issuer);
    assert_eq!(world.get(&frame, &As::Nobody).await.status(), StatusCode::OK);
    assert!(!open(&sessions[2]).await);
}
