//! `counterfoil notifications`.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with notifications.
#[derive(Subcommand)]
pub enum Notifications {
    /// Send a test message to the token's owner by each channel, and say what became of it
    Test,
    /// List what people were told, and what could not be told them, newest first
    List,
}

const LIST: &str = "select settled_at, kind, about, channel, principal_id, delivery, attempts, reason, notification_id \
                    from notifications order by seq desc limit 200";

impl Notifications {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::List => super::sql::print(json, connect, LIST).await,
            Self::Test => test(json, connect).await,
        }
    }
}

async fn test(json: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::POST, "/api/v1/notifications/test", None).await?;
    client.close().await?;
    let tried: Vec<&Value> = answer["tried"].as_array().into_iter().flatten().collect();
    match json {
        true => output::json(&answer)?,
        false => tried.iter().try_for_each(|one| output::line(line(one)))?,
    }
    let failed = tried.iter().filter(|one| one["delivery"] != "delivered").filter_map(|one| one["channel"].as_str());
    let failed: Vec<&str> = failed.collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(2, "not_delivered", format!("no test message arrived by {}", failed.join(", ")))),
    }
}

fn line(tried: &Value) -> String {
    let text = |name: &str| tried[name].as_str();
    let (channel, delivery) = (text("channel").unwrap_or_default(), text("delivery").unwrap_or_default());
    let why = [text("reason"), text("detail")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    if why.is_empty() { format!("{channel}: {delivery}") } else { format!("{channel}: {delivery}: {why}") }
}
