//! `counterfoil people`.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::roster;
use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with people and programs.
#[derive(Subcommand)]
pub enum People {
    /// Register a person or a program; it can do nothing until a role is granted
    Add(Add),
    /// Name the person who answers for a program
    Own {
        /// Pseudonym of the program
        actor: String,
        /// Pseudonym of the person
        #[arg(long)]
        owner: String,
    },
    /// List who may act, with names for those who may know them
    List(List),
    /// Show what is known of somebody, what they hold and which groups they are in
    Show(Named),
    /// Write down what somebody is called; it lies sealed beside the ledger
    Set(Set),
    /// Let somebody sign in with the provider of the setting `oidc.issuer`
    Link {
        /// Pseudonym, such as a_0123456789abcdef
        actor: String,
        /// What the provider knows them by: the claim `sub` of their ID token, which is no e-mail address
        #[arg(long)]
        subject: String,
    },
    /// Note that somebody left: sessions, keys and grants end at once
    Leave(Named),
    /// Let somebody back in who had left; what they held does not come back
    Return(Named),
    /// Register and describe people from a CSV file with the columns user_name, name and email
    Import(roster::Import),
    /// List the roles that can be granted
    Roles,
    /// List the pairs of roles that nobody may hold together
    Rules,
}

/// Whom to register.
#[derive(Args)]
pub struct Add {
    /// What it is; a person, if it is not said
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    #[command(flatten)]
    known: Known,
}

/// What somebody is called.
#[derive(Args)]
struct Known {
    /// What to call them
    #[arg(long)]
    name: Option<String>,
    /// Where to write to
    #[arg(long)]
    email: Option<String>,
    /// What their directory calls them; nobody else can have it
    #[arg(long)]
    user_name: Option<String>,
}

impl Known {
    fn json(&self) -> serde_json::Map<String, Value> {
        let all = [("name", &self.name), ("email", &self.email), ("user_name", &self.user_name)];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))).collect()
    }
}

/// Whom to list.
#[derive(Args)]
pub struct List {
    /// Only those whose name, address or pseudonym has this in it
    #[arg(long, default_value = "")]
    search: String,
    /// Leave out so many from the beginning
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    count: usize,
}

/// Somebody.
#[derive(Args)]
pub struct Named {
    /// Pseudonym, such as a_0123456789abcdef
    actor: String,
}

/// What to write down.
#[derive(Args)]
pub struct Set {
    /// Pseudonym, such as a_0123456789abcdef
    actor: String,
    #[command(flatten)]
    known: Known,
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
            Self::Add(add) => {
                let mut body = add.known.json();
                if body.is_empty() && add.kind.is_none() {
                    let message = "whom to register: give --name, --email or --user-name; or --kind human for a person \
                                   who is known by a pseudonym alone";
                    return Err(Failure::usage(message));
                }
                let kind = match add.kind {
                    None | Some(Kind::Human) => "human",
                    Some(Kind::Service) => "service",
                };
                body.insert("kind".to_owned(), kind.into());
                let added = one(connect, Method::POST, "/api/v1/people", Some(&body.into())).await?;
                said(json, &added, added["actor"].as_str().unwrap_or_default())
            }
            Self::List(list) => roster::list(json, connect, &list.search, list.skip, list.count).await,
            Self::Show(Named { actor }) => {
                let known = one(connect, Method::GET, &format!("/api/v1/people/{actor}"), None).await?;
                said(json, &known, &roster::described(&known))
            }
            Self::Set(Set { actor, known }) => {
                let body = known.json();
                if body.is_empty() {
                    return Err(Failure::usage("nothing to write down: give --name, --email or --user-name"));
                }
                let path = format!("/api/v1/people/{actor}");
                let known = one(connect, Method::PATCH, &path, Some(&body.into())).await?;
                said(json, &known, &format!("written down for {actor}"))
            }
            Self::Leave(Named { actor }) => {
                let left = one(connect, Method::POST, &format!("/api/v1/people/{actor}/leave"), None).await?;
                said(json, &left, &format!("{actor} has left; sessions, keys and grants have ended"))
            }
            Self::Own { actor, owner } => {
                let path = format!("/api/v1/people/{actor}/owner");
                let owned = one(connect, Method::POST, &path, Some(&json!({"owner": owner}))).await?;
                said(json, &owned, &format!("{owner} answers for {actor}"))
            }
            Self::Link { actor, subject } => {
                let path = format!("/api/v1/people/{actor}/identity");
                let linked = one(connect, Method::POST, &path, Some(&json!({"subject": subject}))).await?;
                let issuer = linked["issuer"].as_str().unwrap_or_default();
                said(json, &linked, &format!("{actor} signs in with {issuer}"))
            }
            Self::Return(Named { actor }) => {
                let back = one(connect, Method::POST, &format!("/api/v1/people/{actor}/return"), None).await?;
                said(json, &back, &format!("{actor} is back, with nothing that they held before"))
            }
            Self::Import(import) => import.run(json, connect).await,
            Self::Roles => {
                let own = one(connect, Method::GET, "/api/v1/org", None).await?["roles"].take();
                roles(json, own.as_object().into_iter().flatten().map(|(role, _)| role.as_str()))
            }
            Self::Rules => {
                let query = "select rule, role_a, role_b, why from sod_pairs where role_a < role_b and until is null \
                             order by rule, role_a";
                super::sql::print(json, connect, query).await
            }
        }
    }
}

/// The roles that the program brings, and those of the organisation's own.
fn roles<'a>(json: bool, own: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let brought = domain::people::roles::ROLES.iter();
    if json {
        let brought = brought
            .map(|role| json!({"role": role.name, "duty": role.duty, "privileged": role.privileged, "own": false}));
        let own = own.map(|role| json!({"role": role, "own": true}));
        return output::json(&json!(brought.chain(own).collect::<Vec<_>>()));
    }
    let brought = brought.map(|role| format!("{:<16} {}\n", role.name, role.duty));
    let own = own.map(|role| format!("{role:<16} one of your own: `counterfoil roles list` says what it permits\n"));
    output::text(brought.chain(own).collect::<String>())
}

/// Asks one thing.
pub(super) async fn one(connect: &Connect, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let client = connect.open().await?;
    let answer = client.json(method, path, body).await?;
    client.close().await?;
    Ok(answer)
}

/// Prints an answer as it is, or what it comes to in words.
pub(super) fn said(json: bool, answer: &Value, words: &str) -> Result<(), Failure> {
    match json {
        true => output::json(answer),
        false => output::line(words),
    }
}
