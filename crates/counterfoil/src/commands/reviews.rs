//! `counterfoil reviews`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with access reviews.
#[derive(Subcommand)]
pub enum Reviews {
    /// Start a review of what is held in a scope now
    Start(Start),
    /// List reviews, the newest due first
    List,
    /// Show a review and what is in it
    Show(Named),
    /// List what waits for whom
    Due,
    /// Decide of one item: keep it, or take it away at once
    Decide(Decide),
    /// Hand a review on to somebody else
    Assign(Assign),
    /// Complete a review in which everything is settled
    Complete(Named),
    /// Print the list of a completed review with its proof; `counterfoil verify` checks it
    Export(Export),
}

/// A review to start.
#[derive(Args)]
pub struct Start {
    /// What is reviewed: `org`, which is everything, `service/NAME`, `environment/NAME` of services, or `dataset/NAME`
    #[arg(long, default_value = "org")]
    scope: String,
    /// Who reviews, by pseudonym
    #[arg(long)]
    reviewer: String,
    /// Who reviews what the reviewer holds
    #[arg(long)]
    alternate: Option<String>,
    /// Review keys and passkeys too, of people and of programs
    #[arg(long)]
    credentials: bool,
    /// By when: a length of time such as 14d, or a date; 92 days at most
    #[arg(long, default_value = "14d")]
    due: String,
}

/// A review.
#[derive(Args)]
pub struct Named {
    /// Its identifier, such as r_0123456789abcdef
    review: String,
}

/// A decision.
#[derive(Args)]
pub struct Decide {
    /// The review
    review: String,
    /// The grant, key or passkey, or ACTOR/ROLE for a role that an actor began with
    item: String,
    /// Why: `needed` keeps it, every other reason takes it away
    #[arg(long, value_enum)]
    reason: Reason,
    /// Where more is written down, such as a ticket's number; needed to take something away
    #[arg(long)]
    reference: Option<String>,
}

/// Why it stays or goes.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Reason {
    /// Keep it: the duty is still theirs
    Needed,
    /// Nobody needs it any more
    NotNeeded,
    /// They do something else now
    Moved,
    /// They left
    Gone,
    /// It holds in more places than it should
    TooBroad,
    /// It was not known that they hold it
    Unknown,
}

/// Who reviews from here on.
#[derive(Args)]
pub struct Assign {
    /// The review
    review: String,
    /// Who reviews
    #[arg(long)]
    reviewer: String,
    /// Who reviews what the reviewer holds
    #[arg(long)]
    alternate: Option<String>,
}

/// A list to export.
#[derive(Args)]
pub struct Export {
    /// The review
    review: String,
    /// File for the list; standard output by default
    #[arg(long, short)]
    output: Option<PathBuf>,
}

impl Reviews {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        if let Self::List = self {
            let query = "select review_id, scope, reviewer_id, due_at, completed_at, population_count, kept, removals_done, \
                gone, open_items, overdue from access_reviews order by due_at desc";
            return super::sql::print(json, connect, query).await;
        }
        let client = connect.open().await?;
        match self {
            Self::List => {}
            Self::Start(start) => {
                let due_at = output::in_future(&start.due)?;
                let body = json!({
                    "scope": start.scope, "reviewer": start.reviewer, "alternate": start.alternate,
                    "credentials": start.credentials, "due_at": due_at,
                });
                let started = client.json(Method::POST, "/api/v1/reviews", Some(&body)).await?;
                say(json, &started, started["review"].as_str().unwrap_or_default())?;
            }
            Self::Show(named) => {
                let review = client.json(Method::GET, &path(&named.review, ""), None).await?;
                if json { output::json(&review)? } else { print(&review)? }
            }
            Self::Due => {
                let due = client.json(Method::GET, "/api/v1/reviews/due", None).await?;
                if json { output::json(&due)? } else { print_due(&due)? }
            }
            Self::Decide(decide) => {
                let reason = decide.reason.to_possible_value().map(|value| value.get_name().to_owned());
                let body = json!({"item": decide.item, "reason": reason, "reference": decide.reference});
                let done = client.json(Method::POST, &path(&decide.review, "/decide"), Some(&body)).await?;
                say(json, &done, &format!("{}: {}", decide.item, done["verdict"].as_str().unwrap_or_default()))?;
            }
            Self::Assign(assign) => {
                let body = json!({"reviewer": assign.reviewer, "alternate": assign.alternate});
                let done = client.json(Method::POST, &path(&assign.review, "/assign"), Some(&body)).await?;
                say(json, &done, &format!("{} is reviewed by {}", assign.review, assign.reviewer))?;
            }
            Self::Complete(named) => {
                let done = client.json(Method::POST, &path(&named.review, "/complete"), None).await?;
                say(json, &done, &format!("completed: {}", named.review))?;
            }
            Self::Export(export) => {
                let list = client.send(Method::GET, &path(&export.review, "/list"), "text/plain", vec![]).await?;
                super::ledger::write_proof(json, export.output.as_deref(), &list.body)?;
            }
        }
        client.close().await
    }
}

fn path(review: &str, rest: &str) -> String {
    format!("/api/v1/reviews/{review}{rest}")
}

fn say(json: bool, answer: &Value, text: &str) -> Result<(), Failure> {
    if json { output::json(answer) } else { output::line(text) }
}

fn print(review: &Value) -> Result<(), Failure> {
    let text = |name: &str| review[name].as_str().unwrap_or("-").to_owned();
    // Names come for those who may know people by name.
    let called = |actor: String| match review["names"][actor.as_str()].as_str() {
        Some(name) => format!("{name} ({actor})"),
        None => actor,
    };
    output::line(format!("{} of {}, reviewed by {}", text("review"), text("scope"), called(text("reviewer"))))?;
    for item in review["items"].as_array().into_iter().flatten() {
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        // A credential has a kind, and a role none.
        let what = if item["role"].is_string() { "role" } else { "kind" };
        output::line(format!(
            "{:<8} {:<22} {:<20} {:<16} {:<20} {}",
            text("outcome"),
            text("item"),
            called(text("actor")),
            text(what),
            text("scope"),
            text("reason"),
        ))?;
    }
    Ok(())
}

fn print_due(due: &Value) -> Result<(), Failure> {
    for one in due["due"].as_array().into_iter().flatten() {
        let late = if one["overdue"] == true { "overdue" } else { "open" };
        let due_at = one["due_at"].as_i64().map(output::time).unwrap_or_default();
        let (review, reviewer) = (one["review"].as_str(), one["reviewer"].as_str());
        output::line(format!(
            "{:<22} {:<20} {:>4} to decide  due {due_at}  {late}",
            review.unwrap_or_default(),
            reviewer.unwrap_or("(nobody)"),
            one["open"],
        ))?;
    }
    Ok(())
}
