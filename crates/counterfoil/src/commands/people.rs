//! `counterfoil people`.

use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::json;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with people and programs.
#[derive(Subcommand)]
pub enum People {
    /// Register a person or a program; it can do nothing until a role is granted
    Add {
        /// What it is
        #[arg(long, value_enum, default_value = "human")]
        kind: Kind,
    },
    /// Name the person who answers for a program
    Own {
        /// Pseudonym of the program
        actor: String,
        /// Pseudonym of the person
        #[arg(long)]
        owner: String,
    },
    /// List who may act, and since when
    List,
    /// Let somebody sign in with the provider of the setting `oidc.issuer`
    Link {
        /// Pseudonym, such as a_0123456789abcdef
        actor: String,
        /// What the provider knows them by: the claim `sub` of their ID token, which is no e-mail address
        #[arg(long)]
        subject: String,
    },
    /// Note that somebody left: sessions, keys and grants end at once
    Leave {
        /// Pseudonym, such as a_0123456789abcdef
        actor: String,
    },
    /// List the roles that can be granted
    Roles,
    /// List the pairs of roles that nobody may hold together
    Rules,
}

/// A kind of actor.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// A person
    Human,
    /// A program outside Counterfoil
    Service,
}

impl People {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Add { kind } => {
                let kind = match kind {
                    Kind::Human => "human",
                    Kind::Service => "service",
                };
                let client = connect.open().await?;
                let added = client.json(Method::POST, "/api/v1/people", Some(&json!({"kind": kind}))).await?;
                client.close().await?;
                match json {
                    true => output::json(&added)?,
                    false => output::line(added["actor"].as_str().unwrap_or_default())?,
                }
            }
            Self::List => {
                let query = "select principal_id, kind, status, owner_id, owner_because, registered_at, terminated_at from principals order by registered_at";
                super::sql::print(json, connect, query).await?;
            }
            Self::Own { actor, owner } => {
                let client = connect.open().await?;
                let path = format!("/api/v1/people/{actor}/owner");
                let owned = client.json(Method::POST, &path, Some(&json!({"owner": owner}))).await?;
                client.close().await?;
                match json {
                    true => output::json(&owned)?,
                    false => output::line(format!("{owner} answers for {actor}"))?,
                }
            }
            Self::Link { actor, subject } => {
                let client = connect.open().await?;
                let path = format!("/api/v1/people/{actor}/identity");
                let linked = client.json(Method::POST, &path, Some(&json!({"subject": subject}))).await?;
                client.close().await?;
                match json {
                    true => output::json(&linked)?,
                    false => output::line(format!(
                        "{actor} signs in with {}",
                        linked["issuer"].as_str().unwrap_or_default()
                    ))?,
                }
            }
            Self::Leave { actor } => {
                let client = connect.open().await?;
                let left = client.json(Method::POST, &format!("/api/v1/people/{actor}/leave"), None).await?;
                client.close().await?;
                match json {
                    true => output::json(&left)?,
                    false => output::line(format!("{actor} has left; sessions, keys and grants have ended"))?,
                }
            }
            Self::Roles => {
                let roles = &domain::people::roles::ROLES;
                let line = |role: &domain::people::roles::Role| json!({"role": role.name, "duty": role.duty, "privileged": role.privileged});
                match json {
                    true => output::json(&json!(roles.iter().map(line).collect::<Vec<_>>()))?,
                    false => output::text(
                        roles.iter().map(|role| format!("{:<16} {}\n", role.name, role.duty)).collect::<String>(),
                    )?,
                }
            }
            Self::Rules => {
                let query = "select rule, role_a, role_b, why from sod_pairs order by rule, role_a";
                super::sql::print(json, connect, query).await?;
            }
        }
        Ok(())
    }
}
