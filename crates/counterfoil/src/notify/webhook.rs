//! Posting messages to a program: CloudEvents 1.0 in structured mode, signed as Standard Webhooks asks
//! (<https://www.standardwebhooks.com/>), so that stock libraries read and verify them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::people::Channel;
use engine::{Fault, Message, Messenger, Sending, Undelivered};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{AWAY, SENDING_TIME, attempts_fit, is_loopback, undelivered, variable_fits};
use crate::client::chain;
use crate::config::{NotifyWebhook, Wrong};
use crate::doors::secret;
use crate::tls::trust::Trust;

const SECTION: &str = "notify_webhook";

/// How long a signing secret is, in bytes, as Standard Webhooks asks.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where messages are posted.
pub struct Webhook {
    address: Uri,
    secret: Vec<u8>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    attempts: u64,
    /// What the messages say that they come from.
    source: String,
}

pub fn check(settings: &NotifyWebhook) -> Result<(), Wrong> {
    let NotifyWebhook { url, secret_file, secret_env, .. } = settings;
    if url.is_empty() {
        return Ok(());
    }
    attempts_fit(SECTION, settings.attempts)?;
    address(url).map_err(|why| (SECTION, "url", why))?;
    variable_fits(SECTION, "secret_env", secret_env)?;
    match (secret_file.is_empty(), secret_env.is_empty()) {
        (true, true) => {
            let why = "messages are signed: name a file with a secret, `whsec_` and 24 to 64 bytes in Base64";
            Err((SECTION, "secret_file", why.to_owned()))
        }
        (false, false) => Err((SECTION, "secret_env", "the secret is in a file already: name one place".to_owned())),
        _ => Ok(()),
    }
}

/// An address at https, or on this machine.
fn address(url: &str) -> Result<Uri, String> {
    let wrong = || format!("`{url}` is not an address at https, nor on this machine");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    let secure = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host));
    // A password in an address would be shown wherever settings are.
    let plain = !url.contains(['#', ' ']) && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if secure && plain { Ok(uri) } else { Err(wrong()) }
}

impl Webhook {
    /// # Errors
    /// What is wrong with the settings, and with the files that they name.
    pub fn new(settings: &NotifyWebhook, source: &str) -> Result<Self, Wrong> {
        let address = address(&settings.url).map_err(|why| (SECTION, "url", why))?;
        let (file, env) =
            (("secret_file", settings.secret_file.as_str()), ("secret_env", settings.secret_env.as_str()));
        let text = secret(file, env).map_err(|(key, why)| (SECTION, key, why))?.unwrap_or_default();
        let key = if settings.secret_file.is_empty() { "secret_env" } else { "secret_file" };
        let secret = text.trim().strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        let secret = secret
            .filter(|secret| SECRET_BYTES.contains(&secret.len()))
            .ok_or_else(|| (SECTION, key, "the secret is not `whsec_` and 24 to 64 bytes in Base64".to_owned()))?;
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(SENDING_TIME));
        let connector = Trust::from_file(&settings.ca_file).connector(tcp).map_err(|why| (SECTION, "ca_file", why))?;
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { address, secret, client, attempts: settings.attempts, source: source.to_owned() })
    }

    async fn post(&self, message: &Message) -> Result<(), Undelivered> {
        let body = event(message, &self.source).to_string();
        let seconds = Utc::now().timestamp().to_string();
        let signature = sign(&self.secret, &message.notification, &seconds, &body);
        let request = Request::post(self.address.clone())
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header(header::USER_AGENT, concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.notification)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(Full::from(body))
            .map_err(|e| undelivered("request", e.to_string(), Fault::Lasting))?;
        // Redirects are not followed, and what the answer says besides its status and when to come back is not read.
        let answered = tokio::time::timeout(SENDING_TIME, self.client.request(request)).await;
        let silent = |_| undelivered("timeout", format!("no answer within {} s", SENDING_TIME.as_secs()), AWAY);
        let response = answered.map_err(silent)?.map_err(|e| undelivered("unreachable", chain(&e), AWAY))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => {
                let word = format!("status_{}", status.as_u16());
                let fault = fault(status, response.headers(), Utc::now());
                Err(undelivered(word, format!("it answered {status}"), fault))
            }
        }
    }
}

impl Messenger for Webhook {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    fn attempts(&self) -> u64 {
        self.attempts
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.post(message))
    }
}

/// What an answer lies with. Who may not, must wait, or finds nobody there does so with whatever is sent; a program that
/// breaks down does so too, as far as anybody knows. The rest is about what was sent.
fn fault(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Fault {
    match status.as_u16() {
        410 => Fault::Lasting,
        429 | 503 => Fault::Channel(retry_after(headers, now)),
        code @ 400..=499 if !matches!(code, 401 | 403 | 404 | 405 | 407 | 408 | 421) => Fault::Message,
        _ => AWAY,
    }
}

/// How long the receiver asks to be left alone: a number of seconds, or until a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Duration {
    let text = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let until = || DateTime::parse_from_rfc2822(text).ok().and_then(|at| (at.to_utc() - now).to_std().ok());
    text.parse::<u64>().ok().map(Duration::from_secs).or_else(until).unwrap_or_default()
}

/// A message as a CloudEvent.
fn event(message: &Message, source: &str) -> Value {
    let time = |ms: i64| DateTime::from_timestamp_millis(ms).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    let mut event = json!({
        "specversion": "1.0",
        "id": message.notification,
        "source": source,
        "type": format!("counterfoil.notification.{}", message.kind.as_str()),
        "subject": message.about,
        "datacontenttype": "application/json",
        "data": {
            "kind": message.kind,
            "about": message.about,
            "what": message.what,
            "until": message.until.and_then(time),
            "link": message.link,
            "to": message.to,
        },
    });
    // A CloudEvent may have no time, and then has no such field.
    if let Some(at) = message.at.and_then(time) {
        event["time"] = at.into();
    }
    event
}

/// The signature of a message: over its identifier, the time of this try in Unix seconds, and the body.
pub fn sign(secret: &[u8], id: &str, seconds: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_message_when_it_becomes_an_event_then_its_time_is_of_what_happened_or_is_not_there() {
        let mut message = Message {
            notification: "n_1".into(),
            kind: domain::people::NotificationKind::EmergencyDeclared,
            about: "emergency/e_1".into(),
            what: "deployer in org".into(),
            until: None,
            link: "https://c.example/emergencies#e_1".into(),
            to: vec!["a_1".into()],
            address: None,
            subject: String::new(),
            text: String::new(),
            at: Some(1500),
        };
        assert_eq!(event(&message, "https://c.example")["time"], "1970-01-01T00:00:01.500Z");
        message.at = None;
        assert_eq!(event(&message, "https://c.example").get("time"), None);
    }

    #[test]
    fn given_an_answer_when_it_is_not_about_the_message_then_the_channel_pauses_as_long_as_it_asks() {
        let now = DateTime::from_timestamp(784_111_777, 0).expect("a time");
        let seconds = |seconds| Fault::Channel(Duration::from_secs(seconds));
        for (status, asked, expected) in [
            (410, "", Fault::Lasting),
            (400, "60", Fault::Message),
            (422, "", Fault::Message),
            (401, "", AWAY),
            (302, "", AWAY),
            (500, "60", AWAY),
            (502, "", AWAY),
            (429, "", AWAY),
            (429, "120", seconds(120)),
            (503, " 7 ", seconds(7)),
            (503, "Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            (503, "Sun, 06 Nov 1994 08:00:00 GMT", AWAY),
            (503, "-1", AWAY),
            (503, "soon", AWAY),
            (503, "99999999999999999999", AWAY),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, asked.parse().expect("a value"));
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(fault(status, &headers, now), expected, "{status} {asked}");
        }
    }
}
