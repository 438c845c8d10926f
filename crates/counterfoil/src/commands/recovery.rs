//! `counterfoil recovery`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};
use crate::server::Visit;

/// What to do with recovery codes.
#[derive(Subcommand)]
pub enum Recovery {
    /// Make new recovery codes for an administrator and print them, this once; earlier ones are void
    Create(Create),
}

/// By which right codes are made.
#[derive(Args)]
pub struct Create {
    /// Need no key: whoever holds the data directory may, while no server runs on it
    #[arg(long)]
    by_data_directory: bool,
    /// The administrator, with --by-data-directory when there are several
    #[arg(long, requires = "by_data_directory")]
    actor: Option<String>,
}

impl Recovery {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let Self::Create(create) = self;
        let made = match create.by_data_directory {
            true => create.by_directory(connect).await?,
            false => {
                let client = connect.open().await?;
                let made = client.json(Method::POST, "/api/v1/recovery-codes", None).await?;
                client.close().await?;
                made
            }
        };
        if json {
            return output::json(&made);
        }
        let codes: Vec<&str> = made["codes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let actor = made["actor"].as_str().unwrap_or_default();
        output::line(format!("recovery codes of {actor}\n\n{}\n", codes.join("\n")))?;
        output::line(
            "Each is good once, at /recover. They are not kept and cannot be shown again; earlier ones are void.",
        )
    }
}

impl Create {
    async fn by_directory(&self, connect: &Connect) -> Result<Value, Failure> {
        let config = connect.config()?;
        if !config.server.data.join("ledger").is_dir() {
            let data = config.server.data.display();
            return Err(Failure::usage(format!("`{data}` holds no data: name the data directory with --data")));
        }
        let visit = Visit::open(&config).await?;
        let (actor, codes) = visit.recovery_codes(self.actor.as_deref()).await?;
        visit.close().await?;
        Ok(json!({"actor": actor, "codes": codes}))
    }
}
