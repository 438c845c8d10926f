//! Passkeys against an authenticator made of software, which can be told to misbehave.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use domain::Event;
use domain::people::ActorKind;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::tests::{events, open, operator};

const ADDRESS: &str = "http://localhost:8600";

/// An authenticator, and the browser that it is plugged into.
struct Authenticator {
    key: SigningKey,
    credential: Vec<u8>,
    handle: String,
    origin: String,
    site: String,
    verifies: bool,
    count: u32,
}

impl Authenticator {
    fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            credential: vec![seed; 32],
            handle: String::new(),
            origin: ADDRESS.into(),
            site: "localhost".into(),
            verifies: true,
            count: 0,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let (challenge, origin) = (&options["challenge"], &self.origin);
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false}).to_string()
    }

    /// What the authenticator signs or attests: the site, flags and the count, and its key when it was just made.
    fn data(&self, attested: &[u8]) -> Vec<u8> {
        let verified = if self.verifies { 4 } else { 0 };
        let flags = 1 | verified | if attested.is_empty() { 0 } else { 0x40 };
        let site = Sha256::digest(self.site.as_bytes());
        [&site[..], &[flags], &self.count.to_be_bytes(), attested].concat()
    }

    fn answer(&self, response: &Value) -> Vec<u8> {
        let id = BASE64.encode(&self.credential);
        let results = json!({});
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": results})
            .to_string()
            .into_bytes()
    }

    fn make(&mut self, options: &Value) -> Vec<u8> {
        self.handle = options["user"]["id"].as_str().expect("a handle").to_owned();
        let length = u16::try_from(self.credential.len()).expect("short");
        // A COSE key: OKP, EdDSA, Ed25519, x.
        let key =
            [&[0xa4_u8, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20][..], &self.key.verifying_key().to_bytes()].concat();
        let data = self.data(&[&[0; 16][..], &length.to_be_bytes(), &self.credential, &key].concat());
        let bytes = u8::try_from(data.len()).expect("short");
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[bytes], &data].concat();
        let client = self.client_data("webauthn.create", options);
        self.answer(&json!({"clientDataJSON": BASE64.encode(client), "attestationObject": BASE64.encode(object)}))
    }

    fn sign(&mut self, options: &Value) -> Vec<u8> {
        let data = self.data(&[]);
        let client = self.client_data("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(client.as_bytes())[..]].concat();
        self.answer(&json!({
            "clientDataJSON": BASE64.encode(client),
            "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(self.key.sign(&signed).to_bytes()),
            "userHandle": self.handle,
        }))
    }
}

/// An engine, its site, and a person who just signed in by link.
struct Rig {
    engine: Arc<Engine>,
    site: Site,
    who: Principal,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        let operator = operator(&engine);
        let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
        let link = engine.create_signin_link(&operator, &actor).await.expect("a link");
        let session = engine.open_session(&link, None).await.expect("a session");
        let who = engine.authenticate_session(&session.secret).expect("known");
        let site = Site::at(ADDRESS).expect("a site");
        Self { engine, site, who, _dir: dir }
    }

    async fn register(&self, device: &mut Authenticator, name: &str) -> Result<String, ExecuteError> {
        let options = self.engine.begin_passkey(&self.site, &self.who).await.expect("options");
        let answer = device.make(&options);
        self.engine.register_passkey(&self.site, &self.who, name, &answer).await
    }

    async fn sign_in(&self, device: &mut Authenticator) -> Result<Principal, NotLetIn> {
        let (browser, options) = self.engine.begin_passkey_signin(&self.site).expect("options");
        let answer = device.sign(&options);
        self.enter(&browser, &answer).await
    }

    async fn enter(&self, browser: &str, answer: &[u8]) -> Result<Principal, NotLetIn> {
        let session = self.engine.sign_in_by_passkey(&self.site, browser, answer, None).await?;
        Ok(self.engine.authenticate_session(&session.secret).expect("known"))
    }

    /// The rules that refusals named, in order.
    fn rules(&self) -> Vec<String> {
        let refused = events(&self.engine).into_iter().filter_map(|entry| match entry.event {
            Event::CommandRefused(refused) => Some(refused.policies.join(" ")),
            _ => None,
        });
        refused.collect()
    }
}

#[track_caller]
fn unproven(result: Result<Principal, NotLetIn>) -> &'static str {
    match result {
        Err(NotLetIn::Unproven(why)) => why,
        other => panic!("it proves nothing: {other:?}"),
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ExecuteError>) -> Refusal {
    match result {
        Err(ExecuteError::Refused(refusal)) => refusal,
        other => panic!("it is refused: {other:?}"),
    }
}

/// What makes an authenticator's answer wrong, and the word for what is found.
type Spoil = (fn(&mut Authenticator), &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn given_a_passkey_when_registered_then_it_signs_in_with_two_factors_and_its_name_is_sealed() {
    let rig = Rig::new().await;
    let mut device = Authenticator::new(1);
    let passkey = rig.register(&mut device, "  Zoë's phone ").await.expect("registered");
    let back = rig.sign_in(&mut device).await.expect("signed in");
    let visit = back.session.as_ref().expect("a session");
    assert_eq!((&back.actor, visit.proof, visit.mfa), (&rig.who.actor, Proof::Passkey, true));
    let known = rig.engine.passkeys(&back.actor).await.expect("listed");
    let [(known, name)] = &known[..] else { panic!("one passkey: {known:?}") };
    assert_eq!((&known.registered.passkey, name.as_deref()), (&passkey, Some("Zoë's phone")));
    assert!(known.used_at.is_some());
    let entries = events(&rig.engine);
    assert!(entries.iter().all(|entry| !String::from_utf8_lossy(&entry.encode().expect("fits")).contains("phone")));

    // A second one, and the browser is told which there are, so that none is made twice on one device.
    rig.register(&mut Authenticator::new(2), "key on the ring").await.expect("registered");
    let options = rig.engine.begin_passkey(&rig.site, &rig.who).await.expect("options");
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(2));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert!(!options["user"]["id"].to_string().contains(&rig.who.actor), "the handle is not the pseudonym");

    // Its removal ends what it opened, and not the session by link beside it.
    let proofs =
        || rig.engine.sessions_of(&back.actor).into_iter().map(|(session, _)| session.proof).collect::<Vec<_>>();
    assert_eq!(proofs().len(), 2);
    rig.engine.remove_passkey(&rig.who, &passkey).await.expect("removed");
    assert_eq!(unproven(rig.sign_in(&mut device).await), "unknown");
    assert_eq!(proofs(), [Proof::Link]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_proofs_that_are_forged_replayed_or_for_others_when_shown_then_each_is_turned_away() {
    let rig = Rig::new().await;
    let mut device = Authenticator::new(1);
    device.count = 5;
    rig.register(&mut device, "phone").await.expect("registered");
    let begin = || rig.engine.begin_passkey_signin(&rig.site).expect("options");
    device.count = 6;
    let (browser, options) = begin();
    let answer = device.sign(&options);
    assert_eq!(unproven(rig.enter("another browser", &answer).await), "challenge");
    rig.enter(&browser, &answer).await.expect("the right browser");
    assert_eq!(unproven(rig.enter(&browser, &answer).await), "challenge", "replayed");
    let (later, _) = begin();
    assert_eq!(unproven(rig.enter(&later, &answer).await), "challenge", "an older challenge's");

    let spoils: [Spoil; 8] = [
        (|device| device.origin = "https://localhost:8600".into(), "origin"),
        (|device| device.origin = "http://localhost:8600.evil.example".into(), "origin"),
        (|device| device.site = "evil.example".into(), "site"),
        (|device| device.verifies = false, "user_not_verified"),
        (|device| device.key = SigningKey::from_bytes(&[9; 32]), "signature"),
        (|device| device.credential = vec![3; 32], "unknown"),
        (|device| device.handle = BASE64.encode([7; 32]), "unknown"),
        (|device| device.count = 6, "counter"),
    ];
    for (spoil, why) in spoils {
        let mut wrong =
            Authenticator { key: device.key.clone(), handle: device.handle.clone(), ..Authenticator::new(1) };
        wrong.count = 7;
        spoil(&mut wrong);
        assert_eq!(unproven(rig.sign_in(&mut wrong).await), why);
    }
    for garbage in [&b"{}"[..], b"", b"[]", &vec![b' '; webauthn::MAX_ANSWER_BYTES + 1]] {
        assert_eq!(unproven(rig.enter(&begin().0, garbage).await), "form");
    }
    // What was made for a registration proves nothing at a sign-in.
    let (browser, mut options) = begin();
    options["user"] = json!({"id": device.handle});
    let made = device.make(&options);
    assert_eq!(unproven(rig.enter(&browser, &made).await), "form");
    assert_eq!(rig.rules(), [COUNTER_RULE], "a count that stands still names the passkey's owner in the ledger");
    device.count = 7;
    rig.sign_in(&mut device).await.expect("the real one still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_passkeys_that_are_not_made_as_asked_when_registered_then_they_are_refused_and_recorded() {
    let rig = Rig::new().await;
    let spoils: [Spoil; 3] = [
        (|device| device.origin = "https://evil.example".into(), "passkey-origin"),
        (|device| device.site = "evil.example".into(), "passkey-site"),
        (|device| device.verifies = false, "passkey-user-not-verified"),
    ];
    for (spoil, rule) in spoils {
        let mut device = Authenticator::new(1);
        spoil(&mut device);
        assert_eq!(refused(rig.register(&mut device, "phone").await).policies, [rule]);
    }
    for name in ["", "   ", "a\u{7}b", "a\u{202e}b", &"é".repeat(MAX_NAME_CHARS + 1)] {
        assert_eq!(
            refused(rig.register(&mut Authenticator::new(1), name).await).code,
            RefusalCode::Invalid,
            "{name:?}"
        );
    }
    let mut device = Authenticator::new(1);
    let options = rig.engine.begin_passkey(&rig.site, &rig.who).await.expect("options");
    let answer = device.make(&options);
    rig.engine.register_passkey(&rig.site, &rig.who, "phone", &answer).await.expect("registered");
    let again = rig.engine.register_passkey(&rig.site, &rig.who, "phone", &answer).await;
    assert_eq!(refused(again).policies, ["passkey-challenge"], "a challenge is good once");
    assert_eq!(refused(rig.register(&mut device, "phone").await).code, RefusalCode::Exists);
    // The names of what was refused are not kept.
    let notes = std::fs::read_dir(rig.engine.data_dir().join("notes")).expect("a directory");
    let kept: usize =
        notes.map(|dir| std::fs::read_dir(dir.expect("an entry").path()).expect("a directory").count()).sum();
    assert_eq!(kept, 1);

    let mut stale = rig.who.clone();
    if let Some(visit) = &mut stale.session {
        visit.authenticated_at -= domain::people::sessions::FRESH_MS + 1;
    }
    let refusal = refused(rig.engine.begin_passkey(&rig.site, &stale).await);
    assert_eq!(refusal.code, RefusalCode::ReauthenticationRequired);
    let by_key = Principal { session: None, ..rig.who.clone() };
    assert_eq!(refused(rig.engine.begin_passkey(&rig.site, &by_key).await).code, RefusalCode::Forbidden);
}
