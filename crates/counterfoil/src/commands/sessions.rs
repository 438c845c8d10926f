//! `counterfoil sessions`.

use clap::Subcommand;
use http::Method;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with sessions.
#[derive(Subcommand)]
pub enum Sessions {
    /// List where the token's owner is signed in
    List,
    /// End a session: one's own; an administrator or security lead may end anybody's
    Revoke {
        /// Its public identifier, such as s_0123456789abcdef
        session: String,
    },
}

impl Sessions {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        let (answer, said) = match self {
            Self::List => {
                let answer = client.json(Method::GET, "/api/v1/sessions", None).await?;
                let lines: Vec<String> = answer["sessions"].as_array().into_iter().flatten().map(line).collect();
                let said = if lines.is_empty() { "nowhere".to_owned() } else { lines.join("\n") };
                (answer, said)
            }
            Self::Revoke { session } => {
                let path = format!("/api/v1/sessions/{session}");
                (client.json(Method::DELETE, &path, None).await?, format!("revoked {session}"))
            }
        };
        client.close().await?;
        match json {
            true => output::json(&answer),
            false => output::line(said),
        }
    }
}

fn line(session: &serde_json::Value) -> String {
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    let time = |name: &str| session[name].as_i64().map(output::time).unwrap_or_default();
    format!(
        "{}  by {}, proven {}, last used {}, until {}",
        text("session"),
        text("proof"),
        time("authenticated_at"),
        time("used_at"),
        time("expires_at")
    )
}
