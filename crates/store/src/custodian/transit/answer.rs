//! What a Transit engine answers. Reading it is pure, and believes nothing: whoever sits at the address may send anything.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

/// What goes before the version in a ciphertext of Transit.
const PREFIX: &str = "vault:v";

/// Nonce and tag of AES-GCM: nothing wrapped is shorter.
const LEAST_BYTES: usize = 12 + 16;

/// Most characters of an error that are repeated.
const MOST_WORDS: usize = 200;

/// What an answer lacks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answer is not one of a Transit engine: {0}")]
pub struct Strange(&'static str);

/// A key of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its kind, such as `aes256-gcm96`.
    pub kind: String,
    /// Its newest version.
    pub latest: u64,
    /// The oldest version that is still there; 0 when none was trimmed.
    pub oldest: u64,
    /// Whether other keys are derived from it for each use, which needs a context that we give none of.
    pub derived: bool,
    /// Whether whoever may can get the key itself out of the engine.
    pub exportable: bool,
}

/// Reads the answer about a key.
///
/// # Errors
/// [`Strange`].
pub fn key(bytes: &[u8]) -> Result<Key, Strange> {
    let data = data(bytes)?;
    let number = |name: &str| data.get(name).and_then(Value::as_u64);
    let flag = |name: &str| data.get(name).and_then(Value::as_bool).unwrap_or(false);
    Ok(Key {
        kind: data.get("type").and_then(Value::as_str).ok_or(Strange("the key has no type"))?.to_owned(),
        latest: number("latest_version").ok_or(Strange("the key has no version"))?,
        oldest: number("min_available_version").unwrap_or(0),
        derived: flag("derived"),
        exportable: flag("exportable"),
    })
}

/// Reads what was encrypted, as the bytes that are stored: `u32 LE version ‖ what the engine made`. Text would have several
/// forms that decrypt to the same.
///
/// # Errors
/// [`Strange`].
pub fn wrapped(bytes: &[u8]) -> Result<Vec<u8>, Strange> {
    let data = data(bytes)?;
    let text = data.get("ciphertext").and_then(Value::as_str).ok_or(Strange("there is no ciphertext"))?;
    let (version, body) = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once(':'))
        .ok_or(Strange("the ciphertext has no version"))?;
    let version = version.parse::<u32>().ok().filter(|version| *version > 0);
    let version = version.ok_or(Strange("the ciphertext has no version"))?;
    let body = BASE64_STANDARD.decode(body).ok().filter(|body| body.len() >= LEAST_BYTES);
    let body = body.ok_or(Strange("the ciphertext is not Base64, or too short"))?;
    Ok([&version.to_le_bytes()[..], &body].concat())
}

/// The text by which the engine knows what [`wrapped`] gave; `None` for anything else.
#[must_use]
pub fn ciphertext(wrapped: &[u8]) -> Option<String> {
    let (version, body) = wrapped.split_first_chunk::<4>()?;
    let version = u32::from_le_bytes(*version);
    let whole = version > 0 && body.len() >= LEAST_BYTES;
    whole.then(|| format!("{PREFIX}{version}:{}", BASE64_STANDARD.encode(body)))
}

/// Reads what was decrypted.
///
/// # Errors
/// [`Strange`].
pub fn plaintext(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Strange> {
    let mut data = data(bytes)?;
    let text = match data.get_mut("plaintext").map(Value::take) {
        Some(Value::String(text)) => Zeroizing::new(text),
        _ => return Err(Strange("there is no plaintext")),
    };
    let plain = BASE64_STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
    plain.map_err(|_| Strange("the plaintext is not Base64"))
}

/// What the engine says went wrong, in few printable characters; empty when it says nothing.
#[must_use]
pub fn errors(bytes: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let errors = answer.get("errors").and_then(Value::as_array);
    let words: Vec<&str> = errors.into_iter().flatten().filter_map(Value::as_str).collect();
    words.join("; ").chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect()
}

fn data(bytes: &[u8]) -> Result<Value, Strange> {
    let answer: Value = serde_json::from_slice(bytes).map_err(|_| Strange("it is not JSON"))?;
    match answer {
        Value::Object(mut answer) => answer.remove("data").ok_or(Strange("there are no data")),
        _ => Err(Strange("it is not an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenBao 2.7 answers.
    const ENCRYPTED: &str = r#"{"request_id":"3beed913-0f0a-3a22-b5e5-79d1c6c46de6","lease_id":"","renewable":false,"lease_duration":0,"data":{"ciphertext":"vault:v1:Ct8ujt2P6koFQbN1wzolXcXQj9O2i5NuJUVFBIMJdERT","key_version":1},"wrap_info":null,"warnings":null,"auth":null}"#;
    const KEY: &str = r#"{"data":{"allow_plaintext_backup":false,"deletion_allowed":false,"derived":false,"exportable":false,"keys":{"2":1795862730},"latest_version":2,"min_available_version":2,"min_decryption_version":2,"min_encryption_version":2,"name":"cf","type":"aes256-gcm96"}}"#;

    #[test]
    fn given_answers_of_a_real_engine_when_read_then_they_say_what_they_say() {
        let stored = wrapped(ENCRYPTED.as_bytes()).expect("wrapped");
        assert_eq!((stored.len(), &stored[..4]), (4 + 33, &[1, 0, 0, 0][..]));
        let text = ciphertext(&stored).expect("what the engine made");
        assert!(ENCRYPTED.contains(&text), "{text}");
        let plain = plaintext(br#"{"data":{"plaintext":"aGVsbG8="}}"#).expect("plain");
        assert_eq!(&plain[..], b"hello");
        let key = key(KEY.as_bytes()).expect("a key");
        assert_eq!((key.kind.as_str(), key.latest, key.oldest), ("aes256-gcm96", 2, 2));
        assert_eq!(
            errors(br#"{"errors":["cipher: message authentication failed"]}"#),
            "cipher: message authentication failed"
        );
    }

    #[test]
    fn given_other_answers_when_read_then_each_is_refused() {
        for strange in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{"ciphertext":7}}"#,
            r#"{"data":{"ciphertext":"vault:v0:Ct8ujt2P6koFQbN1wzolXcXQj9O2i5NuJUVFBIMJdERT"}}"#,
            r#"{"data":{"ciphertext":"vault:v1:Ct8u"}}"#,
            r#"{"data":{"ciphertext":"vault:v1"}}"#,
            r#"{"data":{"ciphertext":"Ct8ujt2P6koFQbN1wzolXcXQj9O2i5NuJUVFBIMJdERT"}}"#,
        ] {
            let bytes = strange.as_bytes();
            assert!(wrapped(bytes).is_err() && plaintext(bytes).is_err() && key(bytes).is_err(), "{strange}");
        }
        assert!(plaintext(br#"{"data":{"plaintext":"%"}}"#).is_err());
        assert_eq!(ciphertext(&[1, 0, 0, 0]), None);
        assert_eq!(ciphertext(&[0; 40]), None);
        assert_eq!(errors(b"<html>"), "");
        assert_eq!(errors("{\"errors\":[\"a\\u001b[2Jb\",7]}".as_bytes()), "a[2Jb");
    }
}
