//! `counterfoil services`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::approvals::settle;
use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with the register of services.
#[derive(Subcommand)]
pub enum Services {
    /// Register a service: who answers for it, with the risk that it is declared with; it needs an approval
    Register(Register),
    /// List services with who answers for each, and who agreed to that
    List,
}

/// A registration.
#[derive(Args)]
pub struct Register {
    /// The service, as it is declared
    service: String,
    /// The person who answers for it, by pseudonym
    #[arg(long)]
    owner: String,
    /// Ask for the approval, giving this reference, such as a ticket's number
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

const LIST: &str =
    "select service_id, status, risk_tier, team, owner_id, approved_at, approved_by from services order by service_id";

impl Services {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let Self::Register(wish) = self else {
            // Whoever may not ask the ledger still sees what is declared.
            return match super::sql::print(json, connect, LIST).await {
                Err(refused) if refused.kind == "forbidden" => declared(json, connect).await,
                printed => printed,
            };
        };
        let client = connect.open().await?;
        let declared = client.json(Method::GET, "/api/v1/org", None).await?;
        let Some(risk) = declared["services"][&wish.service]["risk_tier"].as_str() else {
            let message = format!("there is no service `{}`: declare it first, with `counterfoil apply`", wish.service);
            return Err(Failure::usage(message));
        };
        let body = json!({"service": wish.service, "owner": wish.owner, "risk_tier": risk});
        let command = json!({"command": "service.register", "body": body});
        let answer = settle(&client, &command, wish.ask.as_deref()).await?;
        client.close().await?;
        match (json, answer["approval"].as_str()) {
            (true, _) => output::json(&answer),
            (false, Some(approval)) => output::line(format!("asked for: {approval}")),
            (false, None) => output::line(format!("{} answers for {} ({risk} risk)", wish.owner, wish.service)),
        }
    }
}

/// Lists services as they are declared, with who is registered to answer for each.
async fn declared(json: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    let org = client.json(Method::GET, "/api/v1/org", None).await?;
    client.close().await?;
    let services = org["services"].as_object().into_iter().flatten();
    let rows: Vec<Value> = services
        .map(|(name, spec)| {
            let owner = &org["registrations"][name]["owner"];
            json!({"service_id": name, "risk_tier": spec["risk_tier"], "team": spec["owner"], "owner_id": owner})
        })
        .collect();
    if json {
        return output::json(&Value::Array(rows));
    }
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let line = |row: &Value| {
        let [service, risk, team, owner] = ["service_id", "risk_tier", "team", "owner_id"].map(|name| word(row, name));
        format!("{service:<24} {risk:<8} {team:<16} {owner}\n")
    };
    output::text(rows.iter().map(line).collect::<String>())
}
