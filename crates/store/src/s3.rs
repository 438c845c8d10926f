//! A bucket of an S3 server. Of a write-once one: objects are created and never replaced, with a lock that the server
//! keeps, and read back. Of an ordinary one: `ordinary`.
//!
//! Requests are signed ([`sign`]) and carry the SHA-256 of what they bring, which the server checks. Addresses have the
//! bucket in their path. The secret key is read anew for each request, so that whatever renews it may replace the file.
//! Requests and answers are bounded in time and bytes; nothing is tried again here, for callers know when.

mod ordinary;
pub mod sign;
mod xml;

pub use ordinary::{MOST_PARTS, Upload, Versioning};

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use sha2::{Digest, Sha256};

use crate::client::{HttpClient, chain, http_client};
use crate::custodian::SecretSource;
use sign::{Signed, Signer, encoded, hex};

/// How long a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long one request may take in all: a file of tens of megabytes over a slow line.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes of an answer that says why something was refused.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// Most characters of a server's own word that are passed on.
const MOST_CODE_CHARS: usize = 64;

/// Which bucket, and who asks.
#[derive(Clone, Debug)]
pub struct BucketOptions {
    /// Scheme, host and port of the server.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with; empty, or ends with a slash.
    pub prefix: String,
    /// Public name of the key that signs.
    pub access_key: String,
    /// Where that key is.
    pub secret_key: SecretSource,
    /// PEM file with the authorities to believe instead of the public ones; the public ones when empty.
    pub ca_file: PathBuf,
}

/// Why a bucket did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// No answer, or none that means anything; it may be there tomorrow.
    #[error("the bucket's server cannot be reached: {0}")]
    Unreachable(String),
    /// It said no.
    #[error("the bucket's server refused to {what} `{name}`: {status} {code}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Of which object.
        name: String,
        /// Status of the answer.
        status: u16,
        /// The server's own word, such as `AccessDenied`.
        code: String,
    },
    /// The secret key cannot be read.
    #[error("{0}")]
    Secret(String),
}

/// Until when an object cannot be deleted, and whether anybody can lift that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// `COMPLIANCE`: nobody; `GOVERNANCE`: whoever holds a right of their own.
    pub mode: String,
    /// Milliseconds since the epoch.
    pub until_ms: i64,
}

/// What the server says of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Which version it is; none in a bucket without versions.
    pub version: Option<String>,
    /// Its lock, if it has one.
    pub lock: Option<Lock>,
    /// SHA-256 of its bytes, where the server tells it.
    pub sha256: Option<[u8; 32]>,
    /// How many bytes it has.
    pub bytes: Option<u64>,
    /// The server's mark of these bytes, which others have another of.
    pub etag: Option<String>,
}

/// What became of an object that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was.
    Created,
    /// There is one of that name.
    Exists,
}

/// What became of a version that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The server said no.
    Refused,
    /// The server said that it is done.
    Done,
}

/// A bucket; one connection or a few are held open.
pub struct Bucket {
    options: BucketOptions,
    client: HttpClient,
    /// Scheme and authority.
    base: String,
    /// What the server is called in requests.
    host: String,
}

struct Ask<'a> {
    what: &'static str,
    method: Method,
    /// The object below the prefix; none for the bucket itself.
    name: Option<&'a str>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    most_bytes: usize,
}

impl<'a> Ask<'a> {
    fn of(what: &'static str, method: Method, name: &'a str) -> Self {
        let (query, headers, body) = Default::default();
        Self { what, method, name: Some(name), query, headers, body, most_bytes: 0 }
    }

    fn version(mut self, version: Option<&str>) -> Self {
        self.query.extend(version.map(|version| ("versionId", version.to_owned())));
        self
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Bucket {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the address is none, or there are no authorities to believe.
    pub fn new(options: &BucketOptions) -> Result<Self, String> {
        let base = options.endpoint.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|e| format!("`{base}` is no address: {e}"))?;
        let host = uri.host().ok_or_else(|| format!("`{base}` names no host"))?;
        // The port is left out where it goes without saying: what is signed must be what is sent.
        let host = match (uri.scheme_str(), uri.port_u16()) {
            (_, None) | (Some("https"), Some(443)) | (Some("http"), Some(80)) => host.to_owned(),
            (_, Some(port)) => format!("{host}:{port}"),
        };
        let client = http_client(&options.ca_file, CONNECT_PATIENCE)?;
        Ok(Self { options: options.clone(), client, base, host })
    }

    /// Which bucket it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.bucket
    }

    /// Where its objects are: server, bucket and what their names begin with, each after a slash.
    #[must_use]
    pub fn place(&self) -> String {
        let place = format!("{}/{}/{}", self.host.to_ascii_lowercase(), self.options.bucket, self.options.prefix);
        place.trim_end_matches('/').to_owned()
    }

    /// Creates an object that is locked, unless there is one of its name.
    ///
    /// # Errors
    /// [`BucketError`]. When it is unreachable, the object may have been created all the same.
    pub async fn create(&self, name: &str, bytes: Vec<u8>, sha256: [u8; 32], lock: &Lock) -> Result<Put, BucketError> {
        let until = DateTime::from_timestamp_millis(lock.until_ms).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("if-none-match", "*".to_owned()),
            ("x-amz-checksum-sha256", BASE64_STANDARD.encode(sha256)),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-object-lock-mode", lock.mode.clone()),
            ("x-amz-object-lock-retain-until-date", until.to_rfc3339_opts(SecondsFormat::Secs, true)),
        ];
        let ask = Ask { headers, body: bytes.into(), ..Ask::of("create", Method::PUT, name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::PRECONDITION_FAILED => Ok(Put::Exists),
            status if status.is_success() => Ok(Put::Created),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// What the server says of the newest version of an object, or of a certain one; none when there is no such.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn head(&self, name: &str, version: Option<&str>) -> Result<Option<Head>, BucketError> {
        let headers = vec![("x-amz-checksum-mode", "ENABLED".to_owned())];
        let ask = Ask { headers, ..Ask::of("look at", Method::HEAD, name) }.version(version);
        let answer = self.send(&ask).await?;
        match answer.status {
            // A mark in place of a version answers 405.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            status if status.is_success() => Ok(Some(head_of(&answer.headers))),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// The bytes of the newest version of an object; none when there is no such.
    ///
    /// # Errors
    /// [`BucketError`]; also when it has more than `most` bytes.
    pub async fn get(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, BucketError> {
        let ask = Ask { most_bytes: most, ..Ask::of("read", Method::GET, name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.body.to_vec())),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// A part of an object that is there, and has the mark `etag` still, if one is given.
    ///
    /// # Errors
    /// [`BucketError`]; also when the object was changed, or the server sends another part.
    pub async fn get_range(
        &self,
        name: &str,
        range: std::ops::Range<u64>,
        etag: Option<&str>,
    ) -> Result<Vec<u8>, BucketError> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut headers = vec![("range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))];
        headers.extend(etag.map(|etag| ("if-match", etag.to_owned())));
        let ask = Ask { headers, most_bytes: length, ..Ask::of("read a part of", Method::GET, name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT if answer.body.len() == length => Ok(answer.body.to_vec()),
            status if status.is_success() => {
                Err(BucketError::Unreachable(format!("it sent another part of `{name}` than was asked for")))
            }
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// Asks for the end of one version. Whether it is gone is for [`Self::head`] to say.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn delete_version(&self, name: &str, version: &str) -> Result<Deletion, BucketError> {
        let ask = Ask::of("delete", Method::DELETE, name).version(Some(version));
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(Deletion::Refused),
            // Some servers refuse what is locked by a status of their own.
            status if status.is_client_error() && code_of(&answer.body).contains("Lock") => Ok(Deletion::Refused),
            status if status.is_success() => Ok(Deletion::Done),
            _ => Err(refused(&ask, &answer)),
        }
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Answer, BucketError> {
        unless_away(self.send_any(ask).await?)
    }

    /// The same, whatever the answer is.
    async fn send_any(&self, ask: &Ask<'_>) -> Result<Answer, BucketError> {
        let request = self.request(ask, Utc::now())?;
        let unreachable = |why: String| BucketError::Unreachable(why);
        let work = async {
            // Redirects are not followed: no other address was named.
            let response = self.client.request(request).await.map_err(|e| unreachable(chain(&e)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ask.most_bytes.max(MOST_ERROR_BYTES)).collect().await;
            let body = body.map_err(|e| unreachable(format!("its answer broke off, or is too long: {e}")))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let answer = tokio::time::timeout(PATIENCE, work).await;
        answer.map_err(|_| unreachable(format!("no answer within {} s", PATIENCE.as_secs())))?
    }

    fn request(&self, ask: &Ask<'_>, now: DateTime<Utc>) -> Result<Request<Full<Bytes>>, BucketError> {
        let secret = self.options.secret_key.read("the bucket's secret key");
        let secret = secret.map_err(|e| BucketError::Secret(e.to_string()))?;
        let secret = secret.ok_or_else(|| BucketError::Secret("there is no secret key for the bucket".into()))?;
        let (time, body_sha256) = (now.format("%Y%m%dT%H%M%SZ").to_string(), hex(&Sha256::digest(&ask.body)));
        let path = match ask.name {
            Some(name) => format!("/{}/{}{name}", self.options.bucket, self.options.prefix),
            None => format!("/{}", self.options.bucket),
        };
        let path = encoded(&path, true);
        let mut query: Vec<String> =
            ask.query.iter().map(|(name, value)| format!("{name}={}", encoded(value, false))).collect();
        query.sort_unstable();
        let query = query.join("&");
        let mut headers: Vec<(&str, &str)> = ask.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.extend([("host", self.host.as_str()), ("x-amz-content-sha256", &body_sha256), ("x-amz-date", &time)]);
        headers.sort_unstable();
        let signer = Signer { access_key: &self.options.access_key, secret_key: &secret, region: &self.options.region };
        let method = ask.method.as_str();
        let signed =
            Signed { method, path: &path, query: &query, headers: &headers, body_sha256: &body_sha256, time: &time };
        let authorization = signer.authorization(&signed);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request =
            Request::builder().method(ask.method.clone()).uri(format!("{}{path}{mark}{query}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.header(header::AUTHORIZATION, authorization).body(Full::new(ask.body.clone()));
        request.map_err(|e| BucketError::Unreachable(format!("no request could be made: {e}")))
    }
}

/// The answer, unless it says that the server cannot serve now.
fn unless_away(answer: Answer) -> Result<Answer, BucketError> {
    match answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
        true => Err(BucketError::Unreachable(format!("it answered {} {}", answer.status, code_of(&answer.body)))),
        false => Ok(answer),
    }
}

fn head_of(headers: &HeaderMap) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let until = text("x-amz-object-lock-retain-until-date").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let lock = text("x-amz-object-lock-mode").zip(until);
    let sha256 = text("x-amz-checksum-sha256").and_then(|text| BASE64_STANDARD.decode(text).ok());
    Head {
        // A version that is called null is the one of a bucket without versions.
        version: text("x-amz-version-id").filter(|version| *version != "null").map(str::to_owned),
        lock: lock.map(|(mode, until)| Lock { mode: mode.to_owned(), until_ms: until.timestamp_millis() }),
        sha256: sha256.and_then(|bytes| bytes.try_into().ok()),
        bytes: text("content-length").and_then(|text| text.parse().ok()),
        etag: text("etag").map(str::to_owned),
    }
}

fn refused(ask: &Ask<'_>, answer: &Answer) -> BucketError {
    BucketError::Refused {
        what: ask.what,
        name: ask.name.unwrap_or("the bucket").to_owned(),
        status: answer.status.as_u16(),
        code: code_of(&answer.body),
    }
}

/// What stands between the marks of the code in an answer of refusal; nothing when it has none. Only plain characters:
/// it goes to logs.
fn code_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    code.chars().filter(char::is_ascii_alphanumeric).take(MOST_CODE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_answer_when_its_headers_are_read_then_lock_version_and_digest_are_known() {
        let mut headers = HeaderMap::new();
        assert_eq!(head_of(&headers), Head::default());
        for (name, value) in [
            ("x-amz-version-id", "v.1"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2033-11-22T00:00:00.000Z"),
            ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let head = head_of(&headers);
        assert_eq!(head.version.as_deref(), Some("v.1"));
        assert_eq!(head.lock, Some(Lock { mode: "COMPLIANCE".into(), until_ms: 2_016_230_400_000 }));
        assert_eq!(head.sha256, Some(Sha256::digest(b"").into()));
        headers.insert("x-amz-version-id", "null".parse().expect("a value"));
        headers.remove("x-amz-object-lock-mode");
        assert_eq!((head_of(&headers).version, head_of(&headers).lock), (None, None));
    }

    #[test]
    fn given_a_refusal_when_told_then_only_its_code_is_passed_on() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>x</Message></Error>";
        assert_eq!(code_of(xml), "AccessDenied");
        assert_eq!(code_of(b"<Code>a\nb</Code>"), "ab");
        assert_eq!(code_of(b"<html>"), "");
    }
}
