//! `counterfoil approvals`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// How much of a document's text is shown beside a request.
const SHOWN_CHARS: usize = 4000;

/// What to do with approvals.
#[derive(Subcommand)]
pub enum Approvals {
    /// List requests that are open, those that wait for you first
    List,
    /// Show a request: what exactly is asked, what it would change, and who said what
    Show(Named),
    /// Ask for an approval of a command
    Request(Request),
    /// Approve what is asked
    Approve(Vote),
    /// Decline what is asked; one such vote ends the request
    Decline(Vote),
    /// Take a request back
    Withdraw(Named),
    /// Say something about a request
    Comment {
        /// The request's identifier, such as p_0123456789abcdef
        approval: String,
        /// What to say; it is sealed, and can be forgotten
        text: String,
    },
    /// Do what was approved, to the letter
    CarryOut(Named),
    /// Hand the votes of a role to somebody else for a time
    Delegate(Delegate),
    /// End that before its time
    EndDelegation {
        /// Its identifier, such as v_0123456789abcdef
        delegation: String,
    },
    /// List which commands need an approval, by whom, and by how many
    Rules,
}

/// A request.
#[derive(Args)]
pub struct Named {
    /// Its identifier, such as p_0123456789abcdef
    approval: String,
}

/// A vote on a request.
#[derive(Args)]
pub struct Vote {
    /// The request's identifier, such as p_0123456789abcdef
    approval: String,
    /// Whose vote it is, when more than one was handed to you
    #[arg(long, value_name = "ACTOR")]
    on_behalf_of: Option<String>,
}

/// What to ask for.
#[derive(Args)]
pub struct Request {
    /// File with the command, as `POST /api/v1/commands` takes it; `-` for standard input
    #[arg(long, short)]
    file: PathBuf,
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

/// To whom votes go.
#[derive(Args)]
pub struct Delegate {
    /// Who votes instead, by pseudonym
    #[arg(long)]
    to: String,
    /// The votes of which of your roles
    #[arg(long)]
    role: String,
    /// When it ends: a length of time such as 7d, or a date; 30 days at most
    #[arg(long, default_value = "7d")]
    until: String,
}

impl Approvals {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let vote = |vote: &Vote, word: &str| {
            let body = json!({"vote": word, "on_behalf_of": vote.on_behalf_of});
            (Method::POST, format!("/api/v1/approvals/{}/vote", vote.approval), Some(body))
        };
        let on =
            |named: &Named, what: &str| (Method::POST, format!("/api/v1/approvals/{}/{what}", named.approval), None);
        let (method, path, body) = match self {
            Self::List => (Method::GET, "/api/v1/approvals".to_owned(), None),
            Self::Show(named) => (Method::GET, format!("/api/v1/approvals/{}", named.approval), None),
            Self::Rules => (Method::GET, "/api/v1/approvals/rules".to_owned(), None),
            Self::Request(request) => (Method::POST, "/api/v1/approvals".to_owned(), Some(request.body()?)),
            Self::Approve(voted) => vote(voted, "approve"),
            Self::Decline(voted) => vote(voted, "decline"),
            Self::Withdraw(named) => on(named, "withdraw"),
            Self::Comment { approval, text } => {
                (Method::POST, format!("/api/v1/approvals/{approval}/comments"), Some(json!({"text": text})))
            }
            Self::CarryOut(named) => on(named, "carry-out"),
            Self::Delegate(wish) => {
                let body = json!({"to": wish.to, "role": wish.role, "ends_at": output::in_future(&wish.until)?});
                (Method::POST, "/api/v1/delegations".to_owned(), Some(body))
            }
            Self::EndDelegation { delegation } => (Method::DELETE, format!("/api/v1/delegations/{delegation}"), None),
        };
        let client = connect.open().await?;
        let answer = client.json(method, &path, body.as_ref()).await?;
        client.close().await?;
        match (json, self) {
            (true, _) => output::json(&answer),
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Show(_)) => output::text(shown(&answer)),
            (false, Self::Rules) => output::text(rules(&answer)),
            (false, Self::Request(_)) => output::line(format!("asked for: {}", word(&answer, "approval"))),
            (false, Self::Delegate(_)) => output::line(format!("handed on: {}", word(&answer, "delegation"))),
            (false, Self::Comment { .. }) => output::line(format!("said: {}", word(&answer, "comment"))),
            (false, Self::EndDelegation { delegation }) => output::line(format!("ended: {delegation}")),
            (false, _) => output::line(format!("{}: {}", word(&answer, "approval"), word(&answer, "standing"))),
        }
    }
}

/// Carries a command out, or asks for an approval of it with a reference.
pub(super) async fn settle(client: &Client, command: &Value, ask: Option<&str>) -> Result<Value, Failure> {
    let Some(reference) = ask else {
        return client.json(Method::POST, "/api/v1/commands", Some(command)).await;
    };
    let request = json!({"command": command, "reference": reference});
    client.json(Method::POST, "/api/v1/approvals", Some(&request)).await
}

impl Request {
    fn body(&self) -> Result<Value, Failure> {
        let text = output::read(&self.file)?;
        let name = self.file.display();
        let command: Value = serde_json::from_str(&text).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        let expires_at = output::in_future(&self.until)?;
        Ok(json!({
            "command": command, "evidence": self.evidence, "expires_at": expires_at, "reference": self.reference,
        }))
    }
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn listed(answer: &Value) -> String {
    let mut open: Vec<&Value> = answer["approvals"].as_array().into_iter().flatten().collect();
    open.sort_by_key(|one| one["can_vote"] != true);
    let line = |one: &&Value| {
        let (asked, yours) = (&one["asked"], if one["can_vote"] == true { "your vote" } else { "" });
        format!(
            "{}  {:<9} {:<10} {} of {} by {:<15} {} on {}\n",
            word(one, "approval"),
            yours,
            if one["stale"] == true { "stale".to_owned() } else { word(one, "standing") },
            one["votes_for"],
            asked["quorum"],
            word(asked, "role"),
            word(asked, "command"),
            word(asked, "resource"),
        )
    };
    match open.is_empty() {
        true => "nothing is open\n".to_owned(),
        false => open.iter().map(line).collect(),
    }
}

fn rules(answer: &Value) -> String {
    let rules = answer["rules"].as_array().into_iter().flatten();
    rules
        .map(|rule| {
            let from = rule["risk_tier"].as_str().map(|tier| format!(" from risk {tier} on")).unwrap_or_default();
            format!("{:<20} {} of {}{from}\n", word(rule, "command"), rule["quorum"], word(rule, "role"))
        })
        .collect()
}

fn shown(answer: &Value) -> String {
    let asked = &answer["asked"];
    let list = |value: &Value| {
        let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    let mut said = format!("{} on {}: {}\n", word(asked, "command"), word(asked, "resource"), word(answer, "standing"));
    if answer["stale"] == true {
        said +=
            "stale      what it would change has changed since, so it can lead to nothing: withdraw it and ask anew\n";
    }
    said += &format!(
        "asked by   {}\nreference  {}\ndigest     {}\n",
        word(answer, "requested_by"),
        word(asked, "reference"),
        word(asked, "digest")
    );
    said += &format!(
        "evidence   {}\nquorum     {} of {}\n",
        list(&asked["evidence"]),
        asked["quorum"],
        word(asked, "role")
    );
    let time = |value: &Value| value.as_i64().map(output::time).unwrap_or_default();
    said += &format!("asked at   {}\nends at    {}\n", time(&answer["requested_at"]), time(&asked["expires_at"]));
    if asked["trained_by"].as_array().is_some_and(|list| !list.is_empty()) {
        said += &format!("trained by {}, who may not vote\n", list(&asked["trained_by"]));
    }
    for vote in answer["votes"].as_array().into_iter().flatten() {
        let whose = vote["on_behalf_of"].as_str().map(|actor| format!(" for {actor}")).unwrap_or_default();
        said += &format!("vote       {} {}{whose}\n", word(vote, "vote"), word(vote, "by"));
    }
    for comment in answer["comments"].as_array().into_iter().flatten() {
        let text = comment["text"].as_str().unwrap_or("(forgotten)");
        said += &format!("comment    {}: {text}\n", word(comment, "by"));
    }
    if answer["differences"].is_null() {
        said += "changes    unknown: what was asked is not in the object store any more\n";
    } else if !matches!(word(answer, "standing").as_str(), "waiting" | "approved") {
        said += "compared   with what was in force when it was asked for\n";
    }
    for difference in answer["differences"].as_array().into_iter().flatten() {
        let is_time =
            difference["member"].as_str().is_some_and(|member| member.ends_with("_at") || member == "review_due");
        let side = |name: &str| {
            let text = difference[name].as_str().unwrap_or("unset");
            text.parse::<i64>().ok().filter(|_| is_time).map_or_else(|| text.to_owned(), output::time)
        };
        said += &format!("changes    {}: {} -> {}\n", word(difference, "member"), side("from"), side("to"));
    }
    if let Some(text) = answer["text"].as_str() {
        let more = text.chars().count().saturating_sub(SHOWN_CHARS);
        said += &format!("what it says:\n{}\n", text.chars().take(SHOWN_CHARS).collect::<String>());
        if more > 0 {
            said += &format!("… and {more} more characters: `counterfoil --json approvals show` has them all\n");
        }
    }
    said + &super::policies::gains_and_losses(&answer["policies"])
}
