//! `counterfoil contracts`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::outside::Import;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// What to do with contracts.
#[derive(Subcommand)]
pub enum Contracts {
    /// Read a contract, try its SQL, and list what it checks; changes nothing
    Try {
        /// The file; `-` for standard input
        file: PathBuf,
    },
    /// Make a contract of a file of another tool, and list what it does not say; nothing is sent
    Import(Import),
    /// Publish a contract, or its next version; it needs an approval
    Publish(Publish),
    /// Print the newest version of a contract
    Show {
        /// Its name
        contract: String,
        /// List what it checks instead
        #[arg(long)]
        checks: bool,
    },
    /// List contracts
    List,
    /// Put a contract out of force; it needs an approval
    Retire(Retire),
}

/// A contract to publish.
#[derive(Args)]
pub struct Publish {
    /// The file; `-` for standard input
    file: PathBuf,
    /// Ask for the approval, giving this reference, such as a ticket's number
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

/// A contract to retire.
#[derive(Args)]
pub struct Retire {
    /// Its name
    contract: String,
    /// Where the reason is written down, such as a ticket's number
    #[arg(long)]
    reference: String,
    /// Ask for the approval
    #[arg(long)]
    ask: bool,
}

impl Contracts {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        if let Self::Import(wish) = self {
            return wish.run(json);
        }
        let answer = connect.asked(async |client| self.ask(client).await).await?;
        let word = |name: &str| answer[name].as_str().unwrap_or_default();
        match (json, self) {
            (true, Self::List) => output::json(&answer["contracts"]),
            (true, _) => output::json(&answer),
            (false, Self::Try { .. } | Self::Show { checks: true, .. }) => output::text(checks(&answer["checks"])),
            (false, Self::Show { .. }) => output::text(word("text")),
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Publish(_) | Self::Retire(_)) if answer["approval"].is_string() => {
                output::line(format!("asked for: {}", word("approval")))
            }
            (false, Self::Publish(_)) => {
                output::line(format!("published: {} version {}", word("contract"), answer["version"]))
            }
            (false, Self::Retire(wish)) => output::line(format!("retired: {}", wish.contract)),
            (false, Self::Import(_)) => Ok(()),
        }
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let at = |rest: &str| format!("/api/v1/contracts{rest}");
        let named = |name: &str| form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        let of_file = |file: &PathBuf, mut failure: Failure| {
            if failure.message.starts_with("line ") || failure.message.starts_with("rule ") {
                failure.message = format!("{}: {}", file.display(), failure.message);
            }
            failure
        };
        match self {
            Self::Try { file } => {
                let body = json!({"text": output::read(file)?});
                client.json(Method::POST, &at("/try"), Some(&body)).await.map_err(|failure| of_file(file, failure))
            }
            Self::Publish(wish) => {
                let mut body = json!({"text": output::read(&wish.file)?});
                if let Some(reference) = &wish.ask {
                    body["ask"] = json!(reference);
                }
                let asked = client.json(Method::POST, &at(""), Some(&body)).await;
                asked.map_err(|failure| of_file(&wish.file, failure))
            }
            Self::Show { contract, .. } => client.json(Method::GET, &at(&format!("/{}", named(contract))), None).await,
            Self::List => client.json(Method::GET, &at(""), None).await,
            Self::Import(_) => Ok(Value::Null),
            Self::Retire(wish) => {
                let body = json!({"reference": wish.reference, "ask": wish.ask});
                client.json(Method::POST, &at(&format!("/{}/retire", named(&wish.contract))), Some(&body)).await
            }
        }
    }
}

fn listed(answer: &Value) -> String {
    let line = |one: &Value| {
        let word = |name: &str| one[name].as_str().unwrap_or_default();
        let at = output::time(one["published_at"].as_i64().unwrap_or_default());
        let standing = if one["retired_at"].is_null() { "" } else { "  retired" };
        format!(
            "{:<24} version {:<4} data set {:<24} {at}{standing}\n",
            word("contract"),
            one["version"],
            word("dataset")
        )
    };
    match answer["contracts"].as_array() {
        Some(contracts) if !contracts.is_empty() => contracts.iter().map(line).collect(),
        _ => "no contract is published\n".to_owned(),
    }
}

fn checks(checks: &Value) -> String {
    let line = |one: &Value| {
        let word = |name: &str| one[name].as_str().unwrap_or_default();
        let blocks = if one["blocking"] == true { "blocking" } else { "warning" };
        format!("{:<13} {blocks:<9} {}\n", word("dimension"), word("rule"))
    };
    checks.as_array().into_iter().flatten().map(line).collect()
}
