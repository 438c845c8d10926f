//! `counterfoil keys`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Create a key; its secret is shown once
    Create(Create),
    /// List keys
    List,
    /// Withdraw a key
    Revoke {
        /// Its public identifier, such as k_0123456789abcdef
        key: String,
    },
}

/// For whom a key is, and for how long.
#[derive(Args)]
pub struct Create {
    /// The service whose inferences the key opens
    #[arg(long, required_unless_present = "actor", conflicts_with = "actor")]
    pub service: Option<String>,
    /// Pseudonym of the actor for whom the key opens the management API
    #[arg(long)]
    pub actor: Option<String>,
    /// When it expires: a length of time such as 90d, or a date
    #[arg(long, default_value = "90d")]
    pub expires: String,
}

impl Create {
    /// Creates the key and returns the API's answer, secret included.
    pub async fn create(&self, connect: &Connect) -> Result<Value, Failure> {
        let expires_at = output::in_future(&self.expires)?;
        let client = connect.open().await?;
        let body = json!({"service": self.service, "actor": self.actor, "expires_at": expires_at});
        let created = client.json(Method::POST, "/api/v1/keys", Some(&body)).await?;
        client.close().await?;
        Ok(created)
    }
}

impl Keys {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Create(create) => {
                let created = create.create(connect).await?;
                if json {
                    output::json(&created)?;
                } else {
                    let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
                    let expires = created["expires_at"].as_i64().map(output::time).unwrap_or_default();
                    output::line(format!("key      {}\nsecret   {}\nexpires  {expires}", text("key"), text("secret")))?;
                    output::line("\nThe secret is not kept and cannot be shown again.")?;
                }
            }
            Self::List => {
                let query = "select credential_id, service_id, principal_id, kind, created_at, expires_at, revoked_at from credentials order by created_at";
                super::sql::print(json, connect, query).await?;
            }
            Self::Revoke { key } => {
                let client = connect.open().await?;
                client.json(Method::DELETE, &format!("/api/v1/keys/{key}"), None).await?;
                client.close().await?;
                match json {
                    true => output::json(&json!({"key": key, "revoked": true}))?,
                    false => output::line(format!("revoked {key}"))?,
                }
            }
        }
        Ok(())
    }
}
