//! `counterfoil policies`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with policies.
#[derive(Subcommand)]
pub enum Policies {
    /// Print the policies in force, or an earlier version of them
    Show {
        /// The version, as `history` numbers them
        #[arg(long)]
        version: Option<u64>,
    },
    /// Say who would gain or lose what if a file came into force
    Diff(Text),
    /// Ask for an approval to put a file into force
    Propose(Propose),
    /// Approve what was proposed
    Approve {
        /// The request's identifier, such as p_0123456789abcdef
        approval: String,
    },
    /// Put what was approved into force
    Install(Install),
    /// List the versions there were, and who agreed to them
    History,
}

/// A file with Cedar source.
#[derive(Args)]
pub struct Text {
    /// The file; `-` for standard input
    file: PathBuf,
}

/// What to propose.
#[derive(Args)]
pub struct Propose {
    #[command(flatten)]
    text: Text,
    /// Where the reason is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
    /// What speaks for it: a digest such as sha256:…, an entry such as event/12; give it once for each piece
    #[arg(long)]
    evidence: Vec<String>,
    /// When the request ends: a length of time such as 7d, or a date; 30 days at most
    #[arg(long, default_value = "7d")]
    until: String,
}

/// What to install: exactly one of both.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Install {
    /// The approval of the text, such as p_0123456789abcdef
    approval: Option<String>,
    /// The text itself, which must be the one that was approved
    #[arg(long, short)]
    file: Option<PathBuf>,
}

/// How many are named who gain and lose the same.
const NAMED: usize = 8;

const HISTORY: &str = "select version, sha256, installed_at, installed_by, superseded_at, approval_id, approved_by, stood_in \
                       from policy_versions order by version";

impl Policies {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (path, body) = match self {
            Self::Show { version: Some(version) } => return earlier(json, connect, *version).await,
            Self::Show { version: None } => {
                let client = connect.open().await?;
                let answer = client.json(Method::GET, "/api/v1/policies", None).await?;
                client.close().await?;
                return print_text(json, &answer);
            }
            Self::History => return super::sql::print(json, connect, HISTORY).await,
            Self::Diff(text) => ("/api/v1/policies/diff".to_owned(), Some(json!({"text": output::read(&text.file)?}))),
            Self::Propose(wish) => {
                let body = json!({
                    "text": output::read(&wish.text.file)?, "evidence": wish.evidence,
                    "expires_at": output::in_future(&wish.until)?, "reference": wish.reference,
                });
                ("/api/v1/policies/proposals".to_owned(), Some(body))
            }
            Self::Approve { approval } => {
                (format!("/api/v1/approvals/{approval}/vote"), Some(json!({"vote": "approve"})))
            }
            Self::Install(Install { approval: Some(approval), .. }) => {
                (format!("/api/v1/approvals/{approval}/carry-out"), None)
            }
            Self::Install(Install { file, .. }) => {
                let file = file.as_ref().ok_or_else(|| Failure::usage("name an approval, or a file with --file"))?;
                ("/api/v1/policies/install".to_owned(), Some(json!({"text": output::read(file)?})))
            }
        };
        let client = connect.open().await?;
        let answer = client.json(Method::POST, &path, body.as_ref()).await.map_err(|failure| self.of_file(failure))?;
        client.close().await?;
        let word = |name: &str| answer[name].as_str().unwrap_or_default();
        match (json, self) {
            (true, _) => output::json(&answer),
            (false, Self::Diff(_)) => output::text(gains_and_losses(&answer)),
            (false, Self::Propose(_)) => {
                let asked = format!("asked for: {}\n", word("approval"));
                output::text(asked + &gains_and_losses(&answer["diff"]))
            }
            (false, Self::Approve { .. }) => output::line(format!("{}: {}", word("approval"), word("standing"))),
            (false, _) => output::line("the policies are in force"),
        }
    }
}

impl Policies {
    /// Says which file has policies that cannot be used.
    fn of_file(&self, mut failure: Failure) -> Failure {
        let file = match self {
            Self::Diff(text) => Some(&text.file),
            Self::Propose(wish) => Some(&wish.text.file),
            Self::Install(install) => install.file.as_ref(),
            _ => None,
        };
        if let Some(file) = file.filter(|_| failure.message.starts_with("the policies ")) {
            failure.message = format!("{}: {}", file.display(), failure.message);
        }
        failure
    }
}

fn print_text(json: bool, policies: &Value) -> Result<(), Failure> {
    match json {
        true => output::json(policies),
        false => output::text(policies["text"].as_str().unwrap_or_default()),
    }
}

async fn earlier(json: bool, connect: &Connect, version: u64) -> Result<(), Failure> {
    let client = connect.open().await?;
    let query = format!("select version, sha256, text from policy_versions where version = {version}");
    let rows = client.json(Method::POST, "/api/v1/sql", Some(&json!({"query": query}))).await?;
    client.close().await?;
    match rows.get(0) {
        Some(found) => print_text(json, found),
        None => Err(Failure::usage(format!("there is no version {version}: see `counterfoil policies history`"))),
    }
}

/// What other policies would change, as text; nothing when there is no diff.
pub(super) fn gains_and_losses(diff: &Value) -> String {
    let Some(from) = diff["from"].as_str() else { return String::new() };
    let each = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let mut said = format!("policies {} -> {}\n", short(from), short(diff["to"].as_str().unwrap_or_default()));
    said.extend(each(&diff["warnings"]).iter().map(|warning| format!("WARNING: {warning}\n")));
    let groups = diff["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    for group in groups {
        let who = each(&group["who"]);
        let more = who.len().saturating_sub(NAMED);
        said += &who[..who.len() - more].join(", ");
        said += &if more == 0 { "\n".to_owned() } else { format!(" and {more} more\n") };
        for (member, sign) in [("gains", '+'), ("losses", '-')] {
            said.extend(each(&group[member]).iter().map(|line| format!("  {sign} {line}\n")));
        }
    }
    if groups.is_empty() {
        said += "nobody gains or loses anything\n";
    }
    said
}
