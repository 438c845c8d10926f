//! `counterfoil passkeys`.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with passkeys; they are made in a browser, on the page `/passkeys`.
#[derive(Subcommand)]
pub enum Passkeys {
    /// List the passkeys of the token's owner
    List,
    /// Remove a passkey: one's own; an administrator or security lead may remove anybody's
    Remove {
        /// Its public identifier, such as p_0123456789abcdef
        passkey: String,
    },
}

impl Passkeys {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        let (answer, said) = match self {
            Self::List => {
                let answer = client.json(Method::GET, "/api/v1/passkeys", None).await?;
                let lines: Vec<String> = answer["passkeys"].as_array().into_iter().flatten().map(line).collect();
                let said = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
                (answer, said)
            }
            Self::Remove { passkey } => {
                let path = format!("/api/v1/passkeys/{passkey}");
                (client.json(Method::DELETE, &path, None).await?, format!("removed {passkey}"))
            }
        };
        client.close().await?;
        match json {
            true => output::json(&answer),
            false => output::line(said),
        }
    }
}

fn line(passkey: &Value) -> String {
    let text = |name: &str| passkey[name].as_str().unwrap_or("unnamed").to_owned();
    let time = |name: &str| passkey[name].as_i64().map_or_else(|| "never".to_owned(), output::time);
    format!("{}  {}, made {}, last used {}", text("passkey"), text("name"), time("registered_at"), time("used_at"))
}
