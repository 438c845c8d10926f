//! `counterfoil authz`.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::client::Connect;
use crate::output::{self, Failure};

/// Questions of permission.
#[derive(Subcommand)]
pub enum Authz {
    /// Say whether somebody may do something, which policies decide, and which role would change that
    Explain {
        /// Pseudonym of the actor
        #[arg(long)]
        who: String,
        /// The action, such as service.declare; short words such as deploy, train, vote are known
        #[arg(long)]
        action: String,
        /// The thing, such as service/credit-risk
        #[arg(long)]
        resource: String,
    },
    /// List who may do something
    WhoCan {
        /// The action, such as service.declare; short words such as deploy, train, vote are known
        action: String,
        /// The thing, such as service/credit-risk
        resource: String,
    },
}

impl Authz {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let path = match self {
            Self::Explain { who, action, resource } => {
                format!("/api/v1/authz/explain?who={who}&action={action}&resource={resource}")
            }
            Self::WhoCan { action, resource } => format!("/api/v1/authz/who-can?action={action}&resource={resource}"),
        };
        let client = connect.open().await?;
        let answer = client.json(Method::GET, &path, None).await?;
        client.close().await?;
        match (json, self) {
            (true, _) => output::json(&answer),
            (false, Self::Explain { .. }) => explain(&answer),
            (false, Self::WhoCan { .. }) => who_can(&answer),
        }
    }
}

fn explain(answer: &Value) -> Result<(), Failure> {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    let may = if answer["permitted"].as_bool() == Some(true) { "may" } else { "may not" };
    let held = held(&answer["roles"]);
    let mut said = format!("{} {may} do {} on {}\n", text("who"), text("action"), text("resource"));
    said += &format!("roles     {}\npolicies  {}\n", or_none(&held), or_none(&list(&answer["policies"])));
    said += &format!("version   policies {}\n", text("policy_version").chars().take(12).collect::<String>());
    if may == "may not" {
        said += &format!("needs     {}\n", or_none(&list(&answer["would_suffice"])));
    }
    said += &answer["would"].as_array().into_iter().flatten().map(would).collect::<String>();
    output::text(said)
}

fn who_can(answer: &Value) -> Result<(), Failure> {
    let line = |holder: &Value| {
        let text = |name: &str| holder[name].as_str().unwrap_or_default();
        let name = holder["name"].as_str().map(|name| format!("  {name}")).unwrap_or_default();
        format!("{}{name}  {}\n", text("actor"), or_none(&held(&holder["roles"])))
    };
    let mut said: String = answer["holders"].as_array().into_iter().flatten().map(line).collect();
    if said.is_empty() {
        said += "nobody may: `counterfoil authz explain` says what would have to change\n";
    }
    if !answer["approval"].is_null() {
        said += &would(&answer["approval"]);
    }
    output::text(said)
}

/// Roles with their scopes.
fn held(roles: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    roles.as_array().into_iter().flatten().map(|held| format!("{} in {}", text(&held[0]), text(&held[1]))).collect()
}

/// What would have to change, in words.
fn would(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    match text("what") {
        "grant" => match change["kept_apart_by"].as_str() {
            None => format!("          grant `{}`\n", text("role")),
            Some(rule) => format!(
                "          `{}` cannot be granted: rule `{rule}` keeps it from a role they hold\n",
                text("role")
            ),
        },
        "policy" => format!("          policy `{}` would have to change\n", text("policy")),
        _ => format!("approval  {} of {} must approve it first\n", change["quorum"], text("role")),
    }
}

fn list(names: &Value) -> Vec<String> {
    names.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
