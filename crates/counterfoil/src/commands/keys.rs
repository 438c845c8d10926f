//! `counterfoil keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::scan::Scan;
use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Create a key; its secret is shown once
    Create(Create),
    /// List keys: what they open, for whom, how they stand and when they were last used
    List,
    /// Make a key that opens the same, and end the old one after an overlap
    Rotate(Rotate),
    /// Withdraw a key
    Revoke {
        /// Its public identifier, such as k_0123456789abcdef
        key: String,
    },
    /// Exchange a CI job's token for a key that lives minutes, and print the key
    Exchange(Exchange),
    /// Find leaked keys in files, and say which of them are live
    Scan(Scan),
}

/// For whom a key is, and for how long.
#[derive(Args, Default)]
pub struct Create {
    /// A service whose inferences the key opens; may be given again
    #[arg(long, required_unless_present = "actor", conflicts_with = "actor")]
    pub service: Vec<String>,
    /// An environment that the key is for, such as prod; by default those of the services
    #[arg(long, requires = "service")]
    pub environment: Vec<String>,
    /// A purpose that the key is for; by default those of the services
    #[arg(long, requires = "service")]
    pub purpose: Vec<String>,
    /// Pseudonym of the service account that the key belongs to
    #[arg(long, requires = "service")]
    pub account: Option<String>,
    /// Pseudonym of the actor for whom the key opens the management API
    #[arg(long)]
    pub actor: Option<String>,
    /// When it expires: a length of time such as 90d, or a date
    #[arg(long, default_value = "90d")]
    pub expires: String,
}

/// Which key is replaced, and how.
#[derive(Args)]
pub struct Rotate {
    /// Its public identifier, such as k_0123456789abcdef
    key: String,
    /// How long the old key goes on beside the new one, such as 24h; 0 ends it at once
    #[arg(long, default_value = "24h")]
    overlap: String,
    /// When the new key expires; by default after as long as the old one was made for
    #[arg(long)]
    expires: Option<String>,
}

/// What is exchanged, and by which rule.
#[derive(Args)]
pub struct Exchange {
    /// File with the token, or - for standard input
    #[arg(default_value = "-")]
    token: PathBuf,
    /// The rule (`[workload.NAME]`) to exchange by, when the token fits several
    #[arg(long)]
    workload: Option<String>,
}

impl Exchange {
    async fn exchange(&self, connect: &Connect) -> Result<Value, Failure> {
        let path = self.token.display().to_string();
        let read = match path.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()),
            _ => std::fs::read_to_string(&self.token),
        };
        let token = read.map_err(|e| Failure::io(format!("{path}: {e}")))?;
        let fields = [
            ("grant_type", Some("urn:ietf:params:oauth:grant-type:token-exchange")),
            ("subject_token", Some(token.trim())),
            ("subject_token_type", Some("urn:ietf:params:oauth:token-type:jwt")),
            ("scope", self.workload.as_deref()),
        ];
        let fields = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
        let form = fields.collect::<Vec<_>>().join("&").into_bytes();
        let client = connect.at(&connect.address()?, String::new())?;
        let answer = client.send(Method::POST, "/oauth2/token", "application/x-www-form-urlencoded", form).await?;
        serde_json::from_slice(&answer.body).map_err(|e| Failure::io(format!("the answer is not JSON: {e}")))
    }
}

/// Text as a form holds it.
fn encoded(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Create {
    /// Creates the key and returns the API's answer, secret included.
    pub async fn create(&self, connect: &Connect) -> Result<Value, Failure> {
        let expires_at = output::in_future(&self.expires)?;
        let client = connect.open().await?;
        let body = match &self.actor {
            Some(actor) => json!({"actor": actor, "expires_at": expires_at}),
            None => json!({
                "services": self.service, "environments": self.environment, "purposes": self.purpose,
                "account": self.account, "expires_at": expires_at,
            }),
        };
        let created = client.json(Method::POST, "/api/v1/keys", Some(&body)).await?;
        client.close().await?;
        Ok(created)
    }
}

impl Rotate {
    async fn rotate(&self, connect: &Connect) -> Result<Value, Failure> {
        let overlap_ms = match self.overlap.as_str() {
            "0" => 0,
            length => output::parse_duration(length).map_err(Failure::usage)?,
        };
        let expires_at = self.expires.as_deref().map(output::in_future).transpose()?;
        let client = connect.open().await?;
        let body = json!({"overlap_ms": overlap_ms, "expires_at": expires_at});
        let rotated = client.json(Method::POST, &format!("/api/v1/keys/{}/rotate", self.key), Some(&body)).await?;
        client.close().await?;
        Ok(rotated)
    }
}

impl Keys {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Create(create) => show(json, &create.create(connect).await?),
            Self::Rotate(rotate) => show(json, &rotate.rotate(connect).await?),
            Self::List => {
                let query = "select credential_id, status, service_id, env, purpose_id, principal_id, owner_id, kind, prefix, created_at, expires_at, last_used_at, replaced_by, revoked_at from credentials order by created_at";
                super::sql::print(json, connect, query).await
            }
            Self::Revoke { key } => {
                let client = connect.open().await?;
                client.json(Method::DELETE, &format!("/api/v1/keys/{key}"), None).await?;
                client.close().await?;
                match json {
                    true => output::json(&json!({"key": key, "revoked": true})),
                    false => output::line(format!("revoked {key}")),
                }
            }
            Self::Exchange(exchange) => {
                let answer = exchange.exchange(connect).await?;
                match json {
                    true => output::json(&answer),
                    false => output::line(answer["access_token"].as_str().unwrap_or_default()),
                }
            }
            Self::Scan(scan) => scan.run(json, connect).await,
        }
    }
}

/// Shows a new key, with its secret.
fn show(json: bool, created: &Value) -> Result<(), Failure> {
    if json {
        return output::json(created);
    }
    let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
    let time = |name: &str| created[name].as_i64().map(output::time).unwrap_or_default();
    output::line(format!("key      {}\nsecret   {}\nexpires  {}", text("key"), text("secret"), time("expires_at")))?;
    if created["replaces"].is_string() {
        output::line(format!("replaces {}, which ends {}", text("replaces"), time("ends_at")))?;
    }
    output::line("\nThe secret is not kept and cannot be shown again.")
}
