//! `counterfoil roles`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::approvals::settle;
use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with roles of an organisation's own.
#[derive(Subcommand)]
pub enum Roles {
    /// Define a role by what its holders may do; it needs an approval
    Define(Define),
    /// Take a role away that nobody holds
    Retire {
        /// Its name
        role: String,
    },
    /// List them, and what each permits
    List,
}

/// A role.
#[derive(Args)]
pub struct Define {
    /// Its name: a-z and `_`
    role: String,
    /// An action that it permits, such as read; give it once for each
    #[arg(long = "action", required = true)]
    actions: Vec<String>,
    /// Ask for the approval, giving this reference, such as a ticket's number
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

impl Roles {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        let answer = match self {
            Self::List => client.json(Method::GET, "/api/v1/org", None).await?["roles"].take(),
            Self::Retire { role } => {
                let command = json!({"command": "role.retire", "body": {"role": role}});
                client.json(Method::POST, "/api/v1/commands", Some(&command)).await?
            }
            Self::Define(define) => {
                let mut actions = define.actions.clone();
                actions.sort_unstable();
                actions.dedup();
                let command = json!({"command": "role.define", "body": {"role": define.role, "actions": actions}});
                settle(&client, &command, define.ask.as_deref()).await?
            }
        };
        client.close().await?;
        match (json, self) {
            (true, _) => output::json(&answer),
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Retire { role }) => output::line(format!("retired: {role}")),
            (false, Self::Define(define)) => match answer["approval"].as_str() {
                Some(approval) => output::line(format!("asked for: {approval}")),
                None => output::line(format!("defined: {}", define.role)),
            },
        }
    }
}

fn listed(roles: &Value) -> String {
    let line = |(role, defined): (&String, &Value)| {
        let actions = defined["actions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        format!("{role:<20} {}\n", actions.collect::<Vec<_>>().join(", "))
    };
    roles.as_object().into_iter().flatten().map(line).collect()
}
