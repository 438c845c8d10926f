//! `counterfoil documents`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use engine::MAX_DOCUMENT_BYTES;
use http::Method;
use serde_json::{Value, json};

use super::approvals::settle;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// What to do with documents.
#[derive(Subcommand)]
pub enum Documents {
    /// Publish a document, or its next version; it needs an approval
    Publish(Publish),
    /// Acknowledge the version of a document that is in force, for yourself
    Acknowledge(Acknowledge),
    /// List documents in force, those that you have not acknowledged first
    List,
    /// Print what a document says
    Show {
        /// Its name
        document: String,
    },
    /// List people who hold a role and have not acknowledged what they are to
    Missing,
}

/// A version of a document.
#[derive(Args)]
pub struct Publish {
    /// The file with what it says; 1 MiB at most
    file: PathBuf,
    /// Its name, such as ai-use
    #[arg(long)]
    id: String,
    /// What kind it is
    #[arg(long, value_enum, default_value = "policy")]
    kind: Kind,
    /// Until when it is to be reviewed: a length of time such as 365d, or a date
    #[arg(long)]
    review_due: String,
    /// Everybody who holds a role is to acknowledge it
    #[arg(long)]
    ack_required: bool,
    /// Ask for the approval, giving this reference, such as a ticket's number
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

/// A kind of document.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Says what must be so
    Policy,
    /// Says how it is done
    Procedure,
}

/// What somebody read.
#[derive(Args)]
pub struct Acknowledge {
    /// The document's name
    document: String,
    /// The version that you read
    #[arg(long)]
    version: u64,
}

impl Documents {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        if let Self::Missing = self {
            let now = chrono::Utc::now().format("TIMESTAMP '%Y-%m-%dT%H:%M:%S%.3f'").to_string();
            return super::sql::print(json, connect, &query::unacknowledged(&now)).await;
        }
        let client = connect.open().await?;
        let answer = match self {
            Self::Publish(wish) => wish.publish(&client).await?,
            Self::Acknowledge(read) => {
                let body = json!({"document": read.document, "version": read.version});
                settle(&client, &json!({"command": "document.acknowledge", "body": body}), None).await?
            }
            Self::Show { document } => {
                let path = format!("/api/v1/documents/{document}/text");
                let text = client.send(Method::GET, &path, "application/json", vec![]).await?;
                client.close().await?;
                return output::bytes(&text.body);
            }
            Self::List | Self::Missing => client.json(Method::GET, "/api/v1/documents", None).await?,
        };
        client.close().await?;
        match (json, self) {
            (true, Self::List) => output::json(&answer["documents"]),
            (true, _) => output::json(&answer),
            (false, Self::Publish(wish)) => match answer["approval"].as_str() {
                Some(approval) => output::line(format!("asked for: {approval}")),
                None => output::line(format!("published: {}", wish.id)),
            },
            (false, Self::Acknowledge(read)) => {
                output::line(format!("acknowledged: {} version {}", read.document, read.version))
            }
            (false, _) => output::text(listed(&answer)),
        }
    }
}

impl Publish {
    async fn publish(&self, client: &Client) -> Result<Value, Failure> {
        let file = self.file.display();
        let review_due = output::in_future(&self.review_due)?;
        let bytes = std::fs::read(&self.file).map_err(|e| Failure::io(format!("{file}: {e}")))?;
        if bytes.len() > MAX_DOCUMENT_BYTES {
            let message = format!("{file}: it has {} bytes, and a document {MAX_DOCUMENT_BYTES} at most", bytes.len());
            return Err(Failure::usage(message));
        }
        let known = client.json(Method::GET, "/api/v1/documents", None).await?;
        let mut documents = known["documents"].as_array().into_iter().flatten();
        let known = documents.find(|one| one["published"]["document"] == self.id.as_str());
        let version = known.and_then(|one| one["published"]["version"].as_u64()).unwrap_or(0) + 1;
        let kept = client.send(Method::PUT, "/api/v1/documents", "application/octet-stream", bytes).await?;
        let kept: Value = serde_json::from_slice(&kept.body).map_err(|e| Failure::io(format!("{file}: {e}")))?;
        let kind = match self.kind {
            Kind::Policy => "policy",
            Kind::Procedure => "procedure",
        };
        let body = json!({
            "document": self.id, "kind": kind, "version": version, "sha256": kept["sha256"],
            "review_due": review_due, "ack_required": self.ack_required,
        });
        settle(client, &json!({"command": "document.publish", "body": body}), self.ask.as_deref()).await
    }
}

fn listed(answer: &Value) -> String {
    let mut documents: Vec<&Value> = answer["documents"].as_array().into_iter().flatten().collect();
    let waits = |one: &Value| one["published"]["ack_required"] == true && one["acknowledged_at"].is_null();
    documents.sort_by_key(|one| !waits(one));
    let line = |one: &&Value| {
        let published = &one["published"];
        let word = |name: &str| published[name].as_str().unwrap_or_default();
        let standing = match one["acknowledged_at"].as_i64() {
            Some(at) => format!("acknowledged {}", output::time(at)),
            None if waits(one) => "to be acknowledged".to_owned(),
            None => "no acknowledgement asked".to_owned(),
        };
        let due = output::time(published["review_due"].as_i64().unwrap_or_default());
        format!(
            "{:<20} {:<10} version {:<4} review {due}  {standing}\n",
            word("document"),
            word("kind"),
            published["version"]
        )
    };
    match documents.is_empty() {
        true => "no document is published\n".to_owned(),
        false => documents.iter().map(line).collect(),
    }
}
