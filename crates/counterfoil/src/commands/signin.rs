//! `counterfoil signin`.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// For whom the link is.
#[derive(Args)]
pub struct Signin {
    /// Pseudonym of the actor; by default whoever the token belongs to
    #[arg(long)]
    actor: Option<String>,
}

impl Signin {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let link = link(connect, self.actor.as_deref()).await?;
        match json {
            true => output::json(&link),
            false => {
                let expires = link["expires_at"].as_i64().map(output::time).unwrap_or_default();
                output::line(format!("{}\n\nGood once, until {expires}.", link["url"].as_str().unwrap_or_default()))
            }
        }
    }
}

/// Makes a sign-in link and returns the API's answer.
pub async fn link(connect: &Connect, actor: Option<&str>) -> Result<Value, Failure> {
    let client = connect.open().await?;
    let body = actor.map_or_else(|| json!({}), |actor| json!({"actor": actor}));
    let link = client.json(Method::POST, "/api/v1/signin-links", Some(&body)).await?;
    client.close().await?;
    Ok(link)
}
