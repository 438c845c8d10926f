//! `counterfoil grants`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with grants of roles.
#[derive(Subcommand)]
pub enum Grants {
    /// Ask for a role for somebody; it holds once somebody else has approved it
    Request(Request),
    /// Approve a role that was asked for
    Approve(Named),
    /// Decline a role that was asked for
    Decline(Named),
    /// Take a request back
    Withdraw(Named),
    /// Take a role away before its time
    Revoke(Named),
    /// List grants, those that wait first
    List,
}

/// A role to ask for.
#[derive(Args)]
pub struct Request {
    /// Who is to hold it, by pseudonym
    #[arg(long)]
    actor: String,
    /// The role; `counterfoil people roles` lists them
    #[arg(long)]
    role: String,
    /// Where it holds: `org`, which is everywhere, `service/NAME`, `environment/NAME` of services, or `dataset/NAME`
    #[arg(long, default_value = "org")]
    scope: String,
    /// When it ends: a length of time such as 90d, or a date; 366 days at most
    #[arg(long, default_value = "90d")]
    until: String,
    /// Where the reason is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
}

/// A grant.
#[derive(Args)]
pub struct Named {
    /// Its identifier, such as g_0123456789abcdef
    grant: String,
}

impl Grants {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (path, body, said) = match self {
            Self::List => {
                let query = "select grant_id, principal_id, role, scope, requested_by, approved_by, granted_at, expires_at, revoked_at, ended_because, reference \
                    from role_grants order by granted_at is not null, requested_at";
                return super::sql::print(json, connect, query).await;
            }
            Self::Request(wish) => {
                let ends_at = output::in_future(&wish.until)?;
                let body = json!({
                    "actor": wish.actor, "role": wish.role, "scope": wish.scope,
                    "ends_at": ends_at, "reference": wish.reference,
                });
                ("/api/v1/grants".to_owned(), Some(body), "asked for")
            }
            Self::Approve(named) => (format!("/api/v1/grants/{}/approve", named.grant), None, "approved"),
            Self::Decline(named) => end(named, "declined"),
            Self::Withdraw(named) => end(named, "withdrawn"),
            Self::Revoke(named) => end(named, "revoked"),
        };
        let client = connect.open().await?;
        let answer = client.json(Method::POST, &path, body.as_ref()).await?;
        client.close().await?;
        match json {
            true => output::json(&answer),
            false => output::line(format!("{said}: {}", answer["grant"].as_str().unwrap_or_default())),
        }
    }
}

fn end(named: &Named, reason: &'static str) -> (String, Option<serde_json::Value>, &'static str) {
    (format!("/api/v1/grants/{}/end", named.grant), Some(json!({"reason": reason})), reason)
}
