//! `counterfoil groups`.

use clap::{Args, Subcommand};
use domain::people::MappedRole;
use domain::people::roles::ORG;
use http::Method;
use serde_json::{Value, json};

use super::people::{one, said};
use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with groups of people. A group is named by its identifier, or by its name.
#[derive(Subcommand)]
pub enum Groups {
    /// List groups, and the roles that being in one asks for
    List,
    /// Show a group with its members
    Show(Named),
    /// Make a group
    Add(Add),
    /// Call a group something else
    Rename(Rename),
    /// Delete a group: what its members hold by it ends at once
    Remove(Named),
    /// Put people into a group
    Join(Members),
    /// Take people out of a group: what they hold by it ends at once
    Go(Members),
    /// Say which roles being in a group asks for; somebody else approves that, or each grant
    Map(Map),
    /// Approve the mapping of a group, and what waits by it
    Approve(Named),
}

/// A group.
#[derive(Args)]
pub struct Named {
    /// Identifier, such as gr_0123456789abcdef, or name
    group: String,
}

/// A group to be made.
#[derive(Args)]
pub struct Add {
    /// What to call it
    name: String,
    /// What the company's sign-in or directory calls it in its own way, such as a GUID
    #[arg(long)]
    external_id: Option<String>,
}

/// A new name.
#[derive(Args)]
pub struct Rename {
    /// Identifier or name
    group: String,
    /// What to call it from now on
    name: String,
}

/// People and a group.
#[derive(Args)]
pub struct Members {
    /// Identifier or name
    group: String,
    /// Pseudonyms
    #[arg(required = true)]
    actors: Vec<String>,
}

/// A mapping.
#[derive(Args)]
pub struct Map {
    /// Identifier or name
    group: String,
    /// A role, everywhere or in one scope: `deployer` or `deployer@service/credit-risk` or `deployer@environment/prod` or `data_steward@dataset/loans`; none ends the mapping
    #[arg(long = "role")]
    roles: Vec<String>,
    /// For how many days each grant holds
    #[arg(long, default_value_t = 90)]
    days: u16,
}

impl Groups {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (method, path, body, words) = match self {
            Self::List => return list(json, connect).await,
            Self::Show(Named { group }) => return show(json, connect, group).await,
            Self::Add(Add { name, external_id }) => {
                let mut body = json!({ "name": name });
                if let Some(id) = external_id {
                    body["external_id"] = json!(id);
                }
                let added = one(connect, Method::POST, "/api/v1/groups", Some(&body)).await?;
                return said(json, &added, added["group"].as_str().unwrap_or_default());
            }
            Self::Rename(Rename { group, name }) => {
                (Method::PATCH, at(group), Some(json!({ "name": name })), "renamed")
            }
            Self::Remove(Named { group }) => (Method::DELETE, at(group), None, "deleted"),
            Self::Join(Members { group, actors }) => {
                (Method::POST, format!("{}/members", at(group)), Some(json!({ "add": actors })), "they are in it")
            }
            Self::Go(Members { group, actors }) => (
                Method::POST,
                format!("{}/members", at(group)),
                Some(json!({ "remove": actors })),
                "they are out of it",
            ),
            Self::Map(Map { group, roles, days }) => {
                let body = json!({ "roles": roles.iter().map(|role| mapped(role)).collect::<Vec<_>>(), "days": days });
                let words = "mapped; somebody else approves it with `counterfoil groups approve`, or each grant";
                (Method::PUT, format!("{}/roles", at(group)), Some(body), words)
            }
            Self::Approve(Named { group }) => (Method::POST, format!("{}/roles/approve", at(group)), None, "approved"),
        };
        let answer = one(connect, method, &path, body.as_ref()).await?;
        said(json, &answer, words)
    }
}

/// Where a group of this name, or identifier, is.
pub(super) fn at(group: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(group.as_bytes()).collect();
    format!("/api/v1/groups/{}", encoded.replace('+', "%20"))
}

/// A role with its scope, as people write it.
pub(super) fn mapped(role: &str) -> MappedRole {
    let (role, scope) = role.split_once('@').unwrap_or((role, ORG));
    MappedRole { role: role.to_owned(), scope: scope.to_owned() }
}

fn roles(group: &Value) -> String {
    let mapping = &group["mapping"];
    let role = |held: &Value| Some(format!("{} in {}", held["role"].as_str()?, held["scope"].as_str()?));
    let roles: Vec<String> = mapping["roles"].as_array().into_iter().flatten().filter_map(role).collect();
    match (roles.is_empty(), mapping["approved_by"].as_str()) {
        (true, _) => "asks for nothing".to_owned(),
        (false, Some(by)) => format!("asks for {}, approved by {by}", roles.join(", ")),
        (false, None) => format!("asks for {}, each grant waits for an approver", roles.join(", ")),
    }
}

async fn list(json: bool, connect: &Connect) -> Result<(), Failure> {
    let found = one(connect, Method::GET, "/api/v1/groups", None).await?;
    if json {
        return output::json(&found["groups"]);
    }
    let line = |group: &Value| {
        let word = |of: &str| group[of].as_str().unwrap_or("-").to_owned();
        format!("{:<21} {:>5} {:<28} {}\n", word("group"), group["members"], word("name"), roles(group))
    };
    output::text(found["groups"].as_array().into_iter().flatten().map(line).collect::<String>())
}

async fn show(json: bool, connect: &Connect, group: &str) -> Result<(), Failure> {
    let found = one(connect, Method::GET, &at(group), None).await?;
    let word = |of: &Value, key: &str| of[key].as_str().unwrap_or("-").to_owned();
    let mut text = format!("{} {}: {}", word(&found, "group"), word(&found, "name"), roles(&found));
    for member in found["members"].as_array().into_iter().flatten() {
        text += &format!("\n  {:<20} {}", word(member, "actor"), word(member, "name"));
    }
    said(json, &found, &text)
}
