//! An authenticator made of software, and each way in which its answers can be wrong.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::options::encode;
use super::*;

const CHALLENGE: &[u8] = &[5; 32];

fn site() -> Site {
    Site::at("https://audit.example.com").expect("a site")
}

fn bytes(of: impl AsRef<[u8]>) -> Vec<u8> {
    of.as_ref().to_vec()
}

/// A private key of each kind.
enum Private {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair, Algorithm),
    Rsa(RsaKeyPair),
}

impl Private {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")),
            Algorithm::Es256 => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
                Self::Ecdsa(key, algorithm)
            }
            Algorithm::Es384 => {
                let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).expect("a key");
                Self::Ecdsa(key, algorithm)
            }
            Algorithm::Rs256 => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let chance = SystemRandom::new();
        match self {
            Self::Ed25519(key) => bytes(key.sign(message)),
            Self::Ecdsa(key, _) => bytes(key.sign(&chance, message).expect("signed")),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &chance, message, &mut signature).expect("signed");
                signature
            }
        }
    }

    /// The public key in COSE.
    fn cose(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => {
                // {1: 1, 3: -8, -1: 6, -2: x}
                [vec![0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32], bytes(key.public_key())].concat()
            }
            Self::Ecdsa(key, algorithm) => {
                let point = bytes(key.public_key());
                let (x, y) = point[1..].split_at(point.len() / 2);
                let length = u8::try_from(x.len()).expect("short");
                // {1: 2, 3: algorithm, -1: curve, -2: x, -3: y}
                let head: &[u8] = match algorithm {
                    Algorithm::Es256 => &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58],
                    _ => &[0xa5, 1, 2, 3, 0x38, 34, 0x20, 2, 0x21, 0x58],
                };
                [head, &[length], x, &[0x22, 0x58, length], y].concat()
            }
            Self::Rsa(key) => {
                // The modulus of 2,048 bits in DER of PKCS #1, after two headers and a zero.
                let public = bytes(key.public_key());
                // {1: 3, 3: -257, -1: n, -2: e}
                let head: [u8; 11] = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0];
                [&head[..], &public[9..265], &[0x21, 0x43, 1, 0, 1]].concat()
            }
        }
    }
}

/// An authenticator and the browser that it is plugged into. Each member can be made wrong.
struct Device {
    key: Private,
    credential: Vec<u8>,
    claimed: Vec<u8>,
    site: &'static str,
    flags: u8,
    sign_count: u32,
    extensions: Vec<u8>,
    kind: &'static str,
    client: Value,
}

impl Device {
    fn new(algorithm: Algorithm, kind: &'static str) -> Self {
        let client = json!({
            "type": kind,
            "challenge": encode(CHALLENGE),
            "origin": "https://audit.example.com",
            "crossOrigin": false,
            "more": {"is": "ignored"},
        });
        Self {
            key: Private::new(algorithm),
            credential: vec![1; 16],
            claimed: vec![1; 16],
            site: "audit.example.com",
            flags: 5,
            sign_count: 7,
            extensions: vec![],
            kind,
            client,
        }
    }

    fn data(&self, attested: &[u8]) -> Vec<u8> {
        let site = Sha256::digest(self.site.as_bytes());
        let attests = if attested.is_empty() { 0 } else { 1 << 6 };
        let flags = self.flags | attests;
        [&site[..], &[flags], &self.sign_count.to_be_bytes(), attested, &self.extensions].concat()
    }

    fn answer(&self, response: &Value) -> Vec<u8> {
        let id = encode(&self.claimed);
        let answer = json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
        });
        answer.to_string().into_bytes()
    }

    fn make(&self) -> Vec<u8> {
        let length = u16::try_from(self.credential.len()).expect("short").to_be_bytes();
        let data = self.data(&[&[0; 16][..], &length, &self.credential, &self.key.cose()].concat());
        let length = u16::try_from(data.len()).expect("short").to_be_bytes();
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"[..], &length, &data].concat();
        let client = encode(self.client.to_string().as_bytes());
        self.answer(&json!({"clientDataJSON": client, "attestationObject": encode(&object), "transports": ["usb"]}))
    }

    fn show(&self) -> Vec<u8> {
        let (data, client) = (self.data(&[]), self.client.to_string());
        let signed = [&data[..], &Sha256::digest(client.as_bytes())[..]].concat();
        self.answer(&json!({
            "clientDataJSON": encode(client.as_bytes()),
            "authenticatorData": encode(&data),
            "signature": encode(&self.key.sign(&signed)),
            "userHandle": encode(&[9; 32]),
        }))
    }

    /// What becomes of the answer: a count, or what is wrong.
    fn judged(&self, key: &PublicKey) -> Result<u32, Flaw> {
        match self.kind {
            "webauthn.create" => Ok(Creation::parse(&self.make())?.verify(&site(), CHALLENGE)?.sign_count),
            _ => Assertion::parse(&self.show())?.verify(&site(), CHALLENGE, key, false),
        }
    }
}

#[test]
fn given_each_algorithm_when_a_passkey_is_made_then_it_is_shown_well_and_by_no_other_key() {
    for algorithm in Algorithm::ALL {
        let mut device = Device::new(algorithm, "webauthn.create");
        let made = Creation::parse(&device.make()).expect("well-formed").verify(&site(), CHALLENGE).expect("made");
        assert_eq!((made.key.algorithm, made.sign_count, made.synced), (algorithm, 7, false));
        assert_eq!(made.credential, device.credential);
        device.client["type"] = json!("webauthn.get");
        let proof = Assertion::parse(&device.show()).expect("well-formed");
        assert_eq!((&proof.credential, &proof.handle), (&made.credential, &vec![9; 32]));
        assert_eq!(proof.verify(&site(), CHALLENGE, &made.key, false), Ok(7));
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let key = PublicKey { algorithm: other, bytes: made.key.bytes.clone() };
            assert_eq!(proof.verify(&site(), CHALLENGE, &key, false), Err(Flaw::Signature), "{algorithm:?} {other:?}");
        }
    }
}

/// What makes a device's answer wrong, and what is found.
type Spoil = (fn(&mut Device), Flaw);

#[test]
fn given_an_answer_that_is_wrong_in_one_place_when_verified_then_that_is_what_is_found() {
    let spoils: [Spoil; 15] = [
        (|device| device.client["challenge"] = json!(encode(&[6; 32])), Flaw::Challenge),
        (|device| device.client["challenge"] = json!(""), Flaw::Challenge),
        (|device| device.client["type"] = json!("payment.get"), Flaw::Form),
        (|device| device.client["origin"] = json!("http://audit.example.com"), Flaw::Origin),
        (|device| device.client["origin"] = json!("https://audit.example.com.evil.example"), Flaw::Origin),
        (|device| device.client["crossOrigin"] = json!(true), Flaw::Origin),
        (|device| device.client["topOrigin"] = json!("https://evil.example"), Flaw::Origin),
        (|device| device.client = json!([]), Flaw::Form),
        (|device| device.site = "example.com", Flaw::Site),
        (|device| device.flags = 1, Flaw::UserNotVerified),
        (|device| device.flags = 4, Flaw::UserNotVerified),
        (|device| device.flags = 5 | 1 << 4, Flaw::Form),
        (|device| device.extensions = vec![0xa0], Flaw::Form),
        (|device| (device.flags, device.extensions) = (5 | 1 << 7, vec![0]), Flaw::Form),
        (|device| device.claimed = vec![], Flaw::Form),
    ];
    for kind in ["webauthn.create", "webauthn.get"] {
        let good = Device::new(Algorithm::Ed25519, kind);
        let key = PublicKey::from_cose(&cbor::Reader::new(&good.key.cose()).item().expect("CBOR")).expect("a key");
        assert_eq!(good.judged(&key), Ok(7));
        for (number, (spoil, flaw)) in spoils.iter().enumerate() {
            let mut device = Device::new(Algorithm::Ed25519, kind);
            spoil(&mut device);
            assert_eq!(device.judged(&key), Err(*flaw), "{kind} {number}");
        }
        let mut extended = Device::new(Algorithm::Ed25519, kind);
        (extended.flags, extended.extensions) = (5 | 1 << 7, b"\xa1\x6bcredProtect\x03".to_vec());
        assert_eq!(extended.judged(&key), Ok(7), "extensions that come unasked tell nothing");
    }
    let mut renamed = Device::new(Algorithm::Ed25519, "webauthn.create");
    renamed.claimed = vec![2; 16];
    assert_eq!(
        Creation::parse(&renamed.make()).map(|made| made.verify(&site(), CHALLENGE)).ok(),
        Some(Err(Flaw::Form))
    );
}

#[test]
fn given_a_passkey_that_is_kept_on_one_device_when_it_comes_from_another_then_it_is_not_taken() {
    let mut device = Device::new(Algorithm::Ed25519, "webauthn.create");
    device.flags |= 3 << 3;
    let made = Creation::parse(&device.make()).expect("well-formed").verify(&site(), CHALLENGE).expect("made");
    assert!(made.synced);
    device.client["type"] = json!("webauthn.get");
    let proof = Assertion::parse(&device.show()).expect("well-formed");
    assert_eq!(proof.verify(&site(), CHALLENGE, &made.key, true), Ok(7));
    assert_eq!(proof.verify(&site(), CHALLENGE, &made.key, false), Err(Flaw::Form));
}

#[test]
fn given_an_answer_that_was_changed_on_the_way_when_verified_then_its_signature_does_not_hold() {
    let device = Device::new(Algorithm::Es256, "webauthn.get");
    let cose = device.key.cose();
    let key = PublicKey::from_cose(&cbor::Reader::new(&cose).item().expect("CBOR")).expect("a key");
    let mut counted: Value = serde_json::from_slice(&device.show()).expect("JSON");
    let mut higher = Device::new(Algorithm::Es256, "webauthn.get");
    higher.sign_count = 8;
    counted["response"]["authenticatorData"] = json!(encode(&higher.data(&[])));
    let proof = Assertion::parse(counted.to_string().as_bytes()).expect("well-formed");
    assert_eq!(proof.verify(&site(), CHALLENGE, &key, false), Err(Flaw::Signature));
    for cut in [&cose[..cose.len() - 1], &cose[..10], b"\xa0", b"\x01"] {
        assert!(cbor::Reader::new(cut).item().and_then(|item| PublicKey::from_cose(&item)).is_none());
    }
}

#[test]
fn options_name_the_site_and_ask_for_a_user_who_is_verified() {
    let user = User { handle: &[1, 2, 3], name: "a_1", display_name: "Zoë" };
    let made = ask_to_make(&site(), "Counterfoil", &user, CHALLENGE, &[vec![255; 4]]);
    assert_eq!(made["rp"], json!({"id": "audit.example.com", "name": "Counterfoil"}));
    assert_eq!((&made["user"]["id"], &made["excludeCredentials"][0]["id"]), (&json!("AQID"), &json!("_____w")));
    assert_eq!(made["authenticatorSelection"]["userVerification"], "required");
    let shown = ask_for_any(&site(), CHALLENGE);
    assert_eq!((&shown["rpId"], &shown["allowCredentials"]), (&json!("audit.example.com"), &json!([])));
    assert_eq!(shown["userVerification"], "required");
    assert_eq!(shown["challenge"], json!(encode(CHALLENGE)));
}

proptest! {
    /// Whatever is sent, it is judged.
    #[test]
    fn any_bytes_are_judged(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        client in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let key = PublicKey { algorithm: Algorithm::Ed25519, bytes: vec![0; 32] };
        let (data, client) = (encode(&data), encode(&client));
        let made = json!({"id": "AQ", "type": "public-key", "response": {
            "clientDataJSON": client, "attestationObject": data}});
        if let Ok(made) = Creation::parse(made.to_string().as_bytes()) {
            prop_assert!(made.verify(&site(), CHALLENGE).is_err());
        }
        let shown = json!({"id": "AQ", "type": "public-key", "response": {
            "clientDataJSON": client, "authenticatorData": data, "signature": "", "userHandle": ""}});
        let shown = Assertion::parse(shown.to_string().as_bytes()).expect("well-formed");
        prop_assert!(shown.verify(&site(), CHALLENGE, &key, false).is_err());
        let _ = data::Data::parse(data.as_bytes());
        let _ = cbor::Reader::new(data.as_bytes()).item();
    }
}
