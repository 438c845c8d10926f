//! Tokens as a provider, and as whoever would like to be taken for one, would send them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::*;

const ISSUER: &str = "https://id.example.com/tenant";
const NOW: i64 = 1_795_380_000;

/// A provider with one key.
struct Signer {
    pair: Pair,
    kid: &'static str,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn ec(kid: &'static str) -> Self {
        Self { pair: Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")), kid }
    }

    fn ed(kid: &'static str) -> Self {
        Self { pair: Pair::Ed(Ed25519KeyPair::generate().expect("a key")), kid }
    }

    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": b64(pair.public_key().as_ref())})
            }
        }
    }

    fn keys(&self) -> Keys {
        set(&[self.jwk()])
    }

    fn sign(&self, claims: &Value) -> String {
        let algorithm = match &self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        };
        self.sign_under(&json!({"alg": algorithm, "kid": self.kid}), claims)
    }

    /// Signs, whatever the header says.
    fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = match &self.pair {
            Pair::Ec(pair) => b64(pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signed").as_ref()),
            Pair::Ed(pair) => b64(pair.sign(message.as_bytes()).as_ref()),
        };
        format!("{message}.{signature}")
    }
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn part(value: &Value) -> String {
    b64(value.to_string().as_bytes())
}

fn set(keys: &[Value]) -> Keys {
    Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a set of keys")
}

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, audience: "counterfoil", now: NOW, skew: 60 }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "counterfoil", "exp": NOW + 300, "iat": NOW, "nonce": "n-1",
        "auth_time": NOW - 20, "amr": ["pwd", "otp"], "sid": "08a5019c", "groups": ["ml-deployers", "staff"],
        "email": "anna@example.com", "email_verified": true,
    })
}

/// The claims with some changed; a null takes one away.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[test]
fn given_a_good_token_of_each_kind_of_key_when_checked_then_it_says_who_and_how() {
    for signer in [Signer::ec("k1"), Signer::ed("k2")] {
        let token = IdToken::check(&signer.keys(), &signer.sign(&claims()), &expected(), "n-1").expect("good");
        assert_eq!((token.subject.as_str(), token.session.as_deref()), ("248289761001", Some("08a5019c")));
        assert_eq!((token.authenticated_at, token.mfa), (Some(NOW - 20), true));
        assert_eq!(token.list("groups", 1), ["ml-deployers"], "bounded");
        assert_eq!(token.email_domain().as_deref(), Some("example.com"));
    }
}

#[test]
fn given_claims_that_do_not_fit_when_checked_then_the_reason_is_named() {
    let signer = Signer::ec("k1");
    let keys = signer.keys();
    for (changes, reason) in [
        (json!({"iss": "https://id.example.com/tenant/"}), TokenError::Issuer),
        (json!({"iss": "https://id.example.com/other"}), TokenError::Issuer),
        (json!({"iss": null}), TokenError::Issuer),
        (json!({"aud": "another-app"}), TokenError::Audience),
        (json!({"aud": ["another-app"]}), TokenError::Audience),
        (json!({"aud": ["counterfoil", "another-app"]}), TokenError::Audience),
        (json!({"aud": ["counterfoil", "another-app"], "azp": "another-app"}), TokenError::Audience),
        (json!({"aud": null}), TokenError::Audience),
        (json!({"azp": "another-app"}), TokenError::Audience),
        (json!({"exp": NOW - 60}), TokenError::Time),
        (json!({"exp": null}), TokenError::Time),
        (json!({"exp": "tomorrow"}), TokenError::Time),
        (json!({"iat": NOW + 61}), TokenError::Time),
        (json!({"iat": NOW - 661}), TokenError::Time),
        (json!({"iat": null}), TokenError::Time),
        (json!({"nbf": NOW + 61}), TokenError::Time),
        (json!({"nbf": "later"}), TokenError::Time),
        (json!({"auth_time": NOW + 3600}), TokenError::Time),
        (json!({"nonce": "n-2"}), TokenError::Nonce),
        (json!({"nonce": null}), TokenError::Nonce),
        (json!({"sub": ""}), TokenError::Subject),
        (json!({"sub": null}), TokenError::Subject),
        (json!({"sub": "a\nb"}), TokenError::Subject),
        (json!({"sub": "a".repeat(256)}), TokenError::Subject),
    ] {
        let token = signer.sign(&with(changes.clone()));
        assert_eq!(IdToken::check(&keys, &token, &expected(), "n-1").expect_err("refused"), reason, "{changes}");
    }
    for changes in [
        json!({"aud": ["counterfoil", "another-app"], "azp": "counterfoil"}),
        json!({"exp": NOW - 59}),
        json!({"iat": NOW + 60, "nbf": NOW + 60}),
        json!({"auth_time": null}),
        json!({"iat": NOW as f64 - 0.5}),
    ] {
        let token = signer.sign(&with(changes.clone()));
        IdToken::check(&keys, &token, &expected(), "n-1").unwrap_or_else(|e| panic!("{changes}: {e}"));
    }
}

#[test]
fn given_a_jobs_token_for_several_when_checked_then_it_is_good_for_each_of_them_and_for_no_other() {
    let signer = Signer::ec("k1");
    let keys = signer.keys();
    for (changes, expected_result) in [
        (json!({"aud": "counterfoil"}), Ok(())),
        (json!({"aud": ["counterfoil"]}), Ok(())),
        (json!({"aud": ["another-app", "counterfoil"]}), Ok(())),
        (json!({"aud": ["another-app", "counterfoil"], "azp": "counterfoil"}), Ok(())),
        (json!({"aud": ["another-app", "counterfoil"], "azp": "another-app"}), Err(TokenError::Audience)),
        (json!({"aud": ["another-app", "a-third"]}), Err(TokenError::Audience)),
        (json!({"aud": [["counterfoil"]]}), Err(TokenError::Audience)),
        (json!({"aud": []}), Err(TokenError::Audience)),
    ] {
        let mut job = with(changes.clone());
        job["jti"] = json!("j-1");
        let token = JobToken::open(&keys, &signer.sign(&job), 60).expect("signed");
        assert_eq!(token.is_good_for(&expected()), expected_result, "{changes}");
    }
}

#[test]
fn given_tokens_that_are_forged_when_opened_then_none_is_taken() {
    let (signer, stranger) = (Signer::ec("k1"), Signer::ec("k1"));
    let keys = signer.keys();
    let good = signer.sign(&claims());
    let body = part(&claims());
    assert_eq!(keys.open(&stranger.sign(&claims())), Err(TokenError::Signature), "another key under the same name");
    assert_eq!(keys.open(&Signer::ec("k9").sign(&claims())), Err(TokenError::UnknownKey));
    let unsigned = format!("{}.{body}.", part(&json!({"alg": "none", "kid": "k1"})));
    assert_eq!(keys.open(&unsigned), Err(TokenError::Algorithm), "no signature at all");
    // The public key as the secret of an HMAC, which whoever takes the algorithm from the token would believe. Whether
    // such a signature would be right does not matter: nothing is computed.
    for algorithm in ["HS256", "HS512", "none", "NONE", "RS1", "es256", ""] {
        let confused = signer.sign_under(&json!({"alg": algorithm, "kid": "k1"}), &claims());
        assert_eq!(keys.open(&confused), Err(TokenError::Algorithm), "{algorithm}");
    }
    // An algorithm for another kind of key.
    let other = signer.sign_under(&json!({"alg": "EdDSA", "kid": "k1"}), &claims());
    assert_eq!(keys.open(&other), Err(TokenError::UnknownKey));
    // The token brings its own key.
    let own = stranger.sign_under(&json!({"alg": "ES256", "kid": "k1", "jwk": stranger.jwk()}), &claims());
    assert_eq!(keys.open(&own), Err(TokenError::Signature));
    let critical = signer.sign_under(&json!({"alg": "ES256", "kid": "k1", "crit": ["exp"]}), &claims());
    assert_eq!(keys.open(&critical), Err(TokenError::Malformed));
    let nameless = signer.sign_under(&json!({"alg": "ES256"}), &claims());
    assert!(keys.open(&nameless).is_ok(), "each key is tried for a token that names none");
    let (head, signature) = (good.split('.').next().expect("a head"), good.rsplit('.').next().expect("a signature"));
    let admin = part(&with(json!({"sub": "1"})));
    for forged in [
        format!("{head}.{admin}.{signature}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{good}.{signature}"),
        String::new(),
        "..".into(),
        "a".repeat(100_000),
    ] {
        assert!(keys.open(&forged).is_err(), "{forged:.80}");
    }
    assert!(keys.open(&good).is_ok());
}

/// A key of 2048 bits, and what OpenSSL signed with it.
const RSA_N: &str = "sJ2mlApDWBo6IGiIEDzs5zNqrKvHArzNd9p6lOjV-IVwrXMvNwx7qGRNpd5RbFf4BVfoGZ6L96mZY_nlb-QPLRtRUiJB0j9JgCy8odL3f9PLbsrvSoQLkLHLD-nU0OqdZQS-iLnBfaVyrMDR_4QJcMg9QEQdaEoOuIv2TwRiWoCTOggXabO__bNWBquyeAPax9KQI47qGwL93zZmJGBUSHRbvqv5Jr3AktUQqFwedMzsD_EjgUlA0iF6GC2tULTZRKVDAC8vMsJYuLc3hD_bZ8UZ1aJFzjU5D4xvQtcd-6LBprJnqWhXkQSg1k3jUyM01uAiXupR2pmY-nlkUSAQCw";
const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIn0.eyJzdWIiOiJhbm5hIn0.eRobr7fte8L-Hi0Hj_j90H8CMwHP-a4_aME3-jCB4dgWonjUJx4wjJlRlCDNAAQxnM2ItT-J2PbV1wxeymTOt2uBFrlqxcFs8S5IA1lIdkjYe6fz92qYE9rm60SWL3H6i1mhU0AI8lttt_1Cnlo4ylwGQmYp6GYx_6fQgHYqFjlmOmrGEdzhp4TQlT_Y0SBzh_kIBmIenXIMV5NGsxhjEYTzrWjfq42AH1615be5BzC2An1KfQWFPAWEOI2DQPGKlMrfGWWbzUrazVRCPSQQxhdqF22s-kvfvgnGtzCP0xhthen1gT7Wn3rDoUBIdvZUI9jMLPkL8njE2UDshHlUog";
const PS256: &str = "eyJhbGciOiJQUzI1NiIsImtpZCI6InIxIn0.eyJzdWIiOiJhbm5hIn0.n0ZeqLpMKLvunUIoQnYqzkJnVn0hOxSoHOVyglK8rhp7-mq3kZc2q8Pt7v1bWWps0P5iU4Qs_9tllpEwfLD2Utz_uEd9hjBFr-Twz2UsKa207YKxEvMu8lb-wTDb6fAfNHYTE2xuRYyfZ-kCJGsQO7qI0JZszc7fCchNIQB4SFwxw09ZbKqgQ6KNo2muNkxTgq6LJtLPQXH-ac6qK_qD-_m32fY6dgEhdyCFjkTuXqXpjJ-v9gNyKKGk4WIab2aNBMrfNt5cTX6bOuzo6S9j4UIvGkzdzETPT3d5M6392SjPWtpFFU8G1ODB6PqqYNjrj9bc9ZjYSq-OQkOtTczriA";

#[test]
fn given_tokens_that_others_signed_with_rsa_when_opened_then_both_paddings_are_told_apart() {
    let key = |n: &str, algorithm: Option<&str>| {
        let mut key = json!({"kty": "RSA", "kid": "r1", "n": n, "e": "AQAB"});
        if let Some(algorithm) = algorithm {
            key["alg"] = json!(algorithm);
        }
        set(&[key])
    };
    for token in [RS256, PS256] {
        assert_eq!(key(RSA_N, None).open(token).expect("good")["sub"], "anna");
    }
    let zero = BASE64_URL_SAFE_NO_PAD.decode(RSA_N).expect("base64");
    assert!(key(&b64(&[&[0_u8][..], zero.as_slice()].concat()), None).open(RS256).is_ok(), "a zero before the number");
    assert_eq!(key(RSA_N, Some("PS256")).open(RS256), Err(TokenError::UnknownKey), "the key is for the other only");
    let swapped =
        RS256.replacen(&part(&json!({"alg": "RS256", "kid": "r1"})), &part(&json!({"alg": "PS256", "kid": "r1"})), 1);
    assert_eq!(key(RSA_N, None).open(&swapped), Err(TokenError::Signature));
}

#[test]
fn given_a_set_of_keys_when_read_then_what_is_of_no_use_is_passed_over() {
    let signer = Signer::ec("k1");
    let shared = json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0", "alg": "HS256"});
    let sealing = {
        let mut jwk = Signer::ec("k1").jwk();
        jwk["use"] = json!("enc");
        jwk
    };
    let unknown = json!({"kty": "XYZ", "kid": "k7"});
    let keys = set(&[shared.clone(), sealing.clone(), unknown.clone(), json!(5), signer.jwk()]);
    assert!(keys.open(&signer.sign(&claims())).is_ok());
    let none = json!({"keys": [shared, sealing, unknown]}).to_string();
    assert_eq!(Keys::parse(none.as_bytes()).expect_err("useless"), KeyError::Empty);
    assert!(matches!(Keys::parse(b"[]"), Err(KeyError::Malformed(_))));
    assert!(matches!(Keys::parse(&vec![b' '; MAX_BYTES + 1]), Err(KeyError::Malformed(_))));
}

fn logout() -> Value {
    json!({
        "iss": ISSUER, "aud": "counterfoil", "iat": NOW, "exp": NOW + 60, "jti": "j-1", "sid": "08a5019c", "sub": "24",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    })
}

#[test]
fn given_logout_tokens_when_checked_then_only_those_are_taken_that_are_such() {
    let signer = Signer::ec("k1");
    let keys = signer.keys();
    let check = |claims: &Value| LogoutToken::check(&keys, &signer.sign(claims), &expected());
    let token = check(&logout()).expect("good");
    assert_eq!((token.id.as_str(), token.until), ("j-1", NOW + 120));
    assert_eq!((token.subject.as_deref(), token.session.as_deref()), (Some("24"), Some("08a5019c")));
    assert_eq!(check(&claims()), Err(TokenError::Events), "an ID token is none");
    let changed = |change: fn(&mut Value)| {
        let mut claims = logout();
        change(&mut claims);
        claims
    };
    for (claims, reason) in [
        (changed(|c| c["nonce"] = json!("n")), TokenError::Events),
        (changed(|c| c["events"] = json!({})), TokenError::Events),
        (changed(|c| c["iss"] = json!("https://evil.example")), TokenError::Issuer),
        (changed(|c| c["aud"] = json!("other")), TokenError::Audience),
        (changed(|c| c["exp"] = json!(NOW - 60)), TokenError::Time),
        (changed(|c| c["iat"] = json!(NOW - 181)), TokenError::Time),
        (changed(|c| c["iat"] = json!("now")), TokenError::Time),
        (changed(|c| c["jti"] = json!("")), TokenError::Malformed),
    ] {
        assert_eq!(check(&claims).expect_err("refused"), reason, "{claims}");
    }
    let mut nobody = logout();
    nobody.as_object_mut().expect("an object").retain(|name, _| name != "sub" && name != "sid");
    assert_eq!(check(&nobody), Err(TokenError::Subject));
}

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example.com/authorize?tenant=1",
        "token_endpoint": "https://id.example.com/token",
        "jwks_uri": "https://id.example.com/keys",
        "end_session_endpoint": "https://id.example.com/logout",
        "response_types_supported": ["code", "id_token"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn discovered() -> Provider {
    Provider::parse(ISSUER, document().to_string().as_bytes()).expect("a provider")
}

#[test]
fn given_a_discovery_document_when_read_then_it_must_be_the_issuers_own_and_safe() {
    let provider = discovered();
    assert!(provider.secret_in_body && provider.names_issuer);
    assert_eq!(Provider::address(ISSUER), format!("{ISSUER}/.well-known/openid-configuration"));
    let parse = |change: fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        Provider::parse(ISSUER, document.to_string().as_bytes())
    };
    let other = parse(|d| d["issuer"] = json!("https://id.example.com"));
    assert_eq!(other, Err(DiscoveryError::Issuer("https://id.example.com".into())));
    for address in [
        "http://id.example.com/token",
        "ftp://id.example.com/token",
        "https://user:secret@id.example.com/token",
        "https:///token",
        "https://id.example.com/a b",
        "http://localhost.evil.example/token",
        "http://127.0.0.1@evil.example/token",
        "javascript:alert(1)",
    ] {
        let mut document = document();
        document["token_endpoint"] = json!(address);
        let parsed = Provider::parse(ISSUER, document.to_string().as_bytes());
        assert_eq!(parsed, Err(DiscoveryError::Insecure("token_endpoint")), "{address}");
    }
    assert!(parse(|d| d["jwks_uri"] = json!("http://127.0.0.1:9/keys")).is_ok());
    assert!(parse(|d| d["jwks_uri"] = json!("http://[::1]:9/keys")).is_ok());
    let plain = parse(|d| d["code_challenge_methods_supported"] = json!(["plain"]));
    assert_eq!(plain, Err(DiscoveryError::Unsupported("PKCE with `S256`")));
    assert!(matches!(
        parse(|d| d["response_types_supported"] = json!(["id_token"])),
        Err(DiscoveryError::Unsupported(_))
    ));
    assert!(matches!(Provider::parse(ISSUER, b"<html>"), Err(DiscoveryError::Malformed(_))));
}

#[test]
fn given_a_sign_in_when_sent_then_all_that_comes_back_follows_from_its_secret() {
    let (provider, flow) = (discovered(), Flow::new("secret-1"));
    let scopes = ["email".to_owned()];
    let request = Request { client_id: "a b", redirect_uri: "https://c.example/cb", scopes: &scopes, max_age: 0 };
    let address = flow.address(&provider, &request);
    assert!(
        address.starts_with("https://id.example.com/authorize?tenant=1&response_type=code&client_id=a%20b&"),
        "{address}"
    );
    for part in [
        "scope=openid%20email",
        "code_challenge_method=S256",
        "prompt=login",
        "redirect_uri=https%3A%2F%2Fc.example%2Fcb",
    ] {
        assert!(address.contains(part), "{part} in {address}");
    }
    for (secret, shown) in [(flow.verifier(), false), (flow.nonce(), true), (flow.state(), true)] {
        assert_eq!(address.contains(&secret), shown);
    }
    assert!(flow.is_of(&flow.state()) && !flow.is_of("") && !flow.is_of(&Flow::new("secret-2").state()));
    let (body, header) = provider.exchange(&flow, "c&d", "https://c.example/cb", ("id", Some("s:1")));
    assert!(header.is_none() && body.contains("client_secret=s%3A1") && body.contains("code=c%26d"), "{body}");
    let basic = Provider { secret_in_body: false, ..provider };
    let (body, header) = basic.exchange(&flow, "c", "https://c.example/cb", ("id", Some("s:1")));
    assert!(!body.contains("s%3A1"));
    assert_eq!(header.as_deref(), Some("Basic aWQ6cyUzQTE="));
    let address = basic.sign_out_address("id", "https://c.example/").expect("offered");
    assert_eq!(
        address,
        "https://id.example.com/logout?client_id=id&post_logout_redirect_uri=https%3A%2F%2Fc.example%2F"
    );
}

#[test]
fn the_challenge_is_the_one_of_the_specification() {
    // RFC 7636, appendix B.
    let challenge = Flow::challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn an_address_that_only_looks_like_the_companys_has_no_domain_of_it() {
    let signer = Signer::ec("k1");
    let keys = signer.keys();
    let domain = |changes: Value| {
        let token = IdToken::check(&keys, &signer.sign(&with(changes)), &expected(), "n-1").expect("good");
        token.email_domain()
    };
    assert_eq!(domain(json!({"email": "Anna@EXAMPLE.com"})).as_deref(), Some("example.com"));
    for changes in [
        // Cyrillic letters that look like Latin ones, and a full stop that is none.
        json!({"email": "anna@ex\u{0430}mple.com"}),
        json!({"email": "anna@example\u{ff0e}com"}),
        json!({"email": "anna@example.com", "email_verified": false}),
        json!({"email": "anna@example.com", "email_verified": "true"}),
        json!({"email": "example.com"}),
        json!({"email": "@example.com"}),
        json!({"email": null}),
    ] {
        assert_eq!(domain(changes.clone()), None, "{changes}");
    }
}

proptest! {
    #[test]
    fn any_change_of_a_signed_token_is_noticed(at in 0..600usize, bit in 0..8u8) {
        thread_local! { static WORLD: (Keys, String) = {
            let signer = Signer::ed("k1");
            (signer.keys(), signer.sign(&claims()))
        } }
        WORLD.with(|(keys, token)| {
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(keys.open(&changed).is_err(), "{changed}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Provider::parse(ISSUER, &bytes);
        let _ = Keys::parse(&bytes);
        let _ = Signer::ed("k").keys().open(&String::from_utf8_lossy(&bytes));
    }
}
