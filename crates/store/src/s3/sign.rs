//! AWS Signature Version 4: how an S3 server knows who asks, and that nobody changed the request.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Who signs, and for which region.
pub struct Signer<'a> {
    /// Public name of the key.
    pub access_key: &'a str,
    /// The key.
    pub secret_key: &'a str,
    /// Region of the bucket.
    pub region: &'a str,
}

/// What is signed of a request.
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, encoded as it is sent.
    pub path: &'a str,
    /// The query, encoded and sorted as it is sent, without its question mark.
    pub query: &'a str,
    /// Names in lower case and values of the headers, sorted.
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, in hexadecimal.
    pub body_sha256: &'a str,
    /// The time, such as `20130524T000000Z`, which is in the header `x-amz-date` as well.
    pub time: &'a str,
}

impl Signer<'_> {
    /// The value of the header `authorization`.
    #[must_use]
    pub fn authorization(&self, request: &Signed<'_>) -> String {
        let day = request.time.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let lines: String = request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names = request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let Signed { method, path, query, body_sha256, time, .. } = request;
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_sha256}");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let first = format!("AWS4{}", self.secret_key).into_bytes();
        let key = [day, self.region, "s3", "aws4_request"].iter().fold(first, |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &to_sign));
        format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.access_key)
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text as it stands in a path or a query: all but letters, digits and `-._~` in per cent; a slash stays in a path.
#[must_use]
pub fn encoded(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in the documentation of Amazon S3, "Signature Calculations for the Authorization Header".
    const SIGNER: Signer<'_> = Signer {
        access_key: "AKIAIOSFODNN7EXAMPLE",
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
    };
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
    const TIME: &str = "20130524T000000Z";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn signature(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body_sha256: &str) -> String {
        let signed = Signed { method, path, query, headers, body_sha256, time: TIME };
        let line = SIGNER.authorization(&signed);
        let (start, signature) = line.split_once(",Signature=").expect("a signature");
        assert!(
            start.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,")
        );
        signature.to_owned()
    }

    #[test]
    fn given_the_published_examples_when_signed_then_the_signatures_are_those_published() {
        let (sha, date) = (("x-amz-content-sha256", NOTHING), ("x-amz-date", TIME));
        let range = [HOST, ("range", "bytes=0-9"), sha, date];
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(signature("GET", "/test.txt", "", &range, NOTHING), expected);

        let body = hex(&Sha256::digest(b"Welcome to Amazon S3."));
        let class = ("x-amz-storage-class", "REDUCED_REDUNDANCY");
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), HOST, ("x-amz-content-sha256", &body), date, class];
        let path = format!("/{}", encoded("test$file.text", true));
        let expected = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert_eq!(signature("PUT", &path, "", &put, &body), expected);

        let expected = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        assert_eq!(signature("GET", "/", "lifecycle=", &[HOST, sha, date], NOTHING), expected);
    }

    #[test]
    fn given_a_path_when_encoded_then_only_plain_characters_and_its_slashes_stay() {
        assert_eq!(encoded("a/day=2026-11-22/n 1~.x", true), "a/day%3D2026-11-22/n%201~.x");
        assert_eq!(encoded("a/ü", false), "a%2F%C3%BC");
    }
}
