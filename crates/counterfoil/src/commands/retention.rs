//! `counterfoil retention`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::apply::ASKABLE;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// How long data is kept, and what goes when.
#[derive(Subcommand)]
pub enum Retention {
    /// Make a rule of how long something is kept, or change it; to a shorter time, somebody else approves it first
    Set(Set),
    /// Take a rule away: what no rule is about is kept
    Unset {
        /// Its name
        rule: String,
    },
    /// List the rules, and what went by them
    List,
    /// Show what is due, or goes within some days, and what keeps it
    Due {
        /// Look so many days ahead; 0 for what is due now
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Dispose of what is due and not held, now instead of once a day
    Run,
    /// Say that the clock is right, although it leapt ahead or the server was down for long: until then nothing is disposed of
    Clock {
        /// Where it is written down how that was found out, such as a ticket's number; never a name
        #[arg(long)]
        reference: String,
    },
    /// Say that you looked for what went and did not find it; for whoever did not make the rule, or destroy it
    Confirm {
        /// The disposals, such as x_0123456789abcdef, or the objects of versions that were destroyed by hand
        #[arg(required = true)]
        disposals: Vec<String>,
        /// Where it is written down what was looked at, such as a ticket's number; never a name
        #[arg(long)]
        reference: String,
    },
}

/// A rule.
#[derive(Args)]
pub struct Set {
    /// Its name
    rule: String,
    /// inference_payload, inference_core, access_record, access_core, dataset, artifact or lineage_event
    #[arg(long, default_value = "inference_payload")]
    kind: String,
    /// Of which class; `*` for every class that no other rule names
    #[arg(long, default_value = "*")]
    class: String,
    /// For how many whole days after the day on which it came to be
    #[arg(long)]
    days: u32,
    /// Where it is written down why, such as a clause or a ticket's number; never a name
    #[arg(long)]
    basis: String,
    /// Where an approval is needed, ask for it, with where the reason is written down
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

impl Set {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let answer = connect.asked(async |client| self.set(client).await).await?;
        match (json, answer["approval"].as_str()) {
            (true, _) => output::json(&answer),
            (false, Some(approval)) => {
                output::line(format!("asked for {approval}: once it is approved, set this again"))
            }
            (false, None) => output::line(format!("rule {}: {} days", self.rule, self.days)),
        }
    }

    async fn set(&self, client: &Client) -> Result<Value, Failure> {
        let mut body = json!({"kind": self.kind, "class": self.class, "days": self.days, "basis": self.basis});
        let path = format!("/api/v1/retention/rules/{}", self.rule);
        let refused = match client.json(Method::PUT, &path, Some(&body)).await {
            Ok(done) => return Ok(done),
            Err(refused) => refused,
        };
        if !refused.policies.iter().any(|rule| ASKABLE.contains(&rule.as_str())) {
            return Err(refused);
        }
        let Some(reference) = &self.ask else {
            let message = format!("{}; or set this again with `--ask REFERENCE`", refused.message);
            return Err(Failure { message, ..refused });
        };
        body["rule"] = json!(self.rule);
        let command = json!({"command": "retention.schedule", "body": body});
        let request = json!({"command": command, "reference": reference});
        client.json(Method::POST, "/api/v1/approvals", Some(&request)).await
    }
}

const RULES: &str = "select rule_id, kind, classification, days, basis, scheduled_by, scheduled_at from retention_rules \
                     where unscheduled_at is null order by rule_id";

const GONE: &str = "select deletion_id, object_id, rule_id, requested_at, completed_at, replicas_confirmed, replicas_total, \
                    verified_by from deletions order by requested_at desc limit 200";

impl Retention {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Set(set) => set.run(json, connect).await,
            Self::Unset { rule } => {
                let path = format!("/api/v1/retention/rules/{rule}");
                say(json, connect, Method::DELETE, &path, None, &format!("taken away: {rule}")).await
            }
            Self::List if json => {
                let client = connect.open().await?;
                let answer = client.json(Method::GET, "/api/v1/retention", None).await?;
                client.close().await?;
                output::json(&answer)
            }
            Self::List => {
                super::sql::print(false, connect, RULES).await?;
                super::sql::print(false, connect, GONE).await
            }
            Self::Due { days } => due(json, connect, *days).await,
            Self::Run => {
                let client = connect.open().await?;
                let answer = client.json(Method::POST, "/api/v1/retention/run", None).await?;
                client.close().await?;
                match json {
                    true => output::json(&answer),
                    false => {
                        let done = answer["disposals"].as_array().map_or(0, Vec::len);
                        output::line(format!("disposed of: {done}"))
                    }
                }
            }
            Self::Clock { reference } => {
                let body = json!({"reference": reference});
                say(
                    json,
                    connect,
                    Method::POST,
                    "/api/v1/retention/clock/confirm",
                    Some(&body),
                    "confirmed: the clock is right",
                )
                .await
            }
            Self::Confirm { disposals, reference } => {
                let client = connect.open().await?;
                for disposal in disposals {
                    let path = format!("/api/v1/retention/disposals/{disposal}/confirm");
                    client.json(Method::POST, &path, Some(&json!({"reference": reference}))).await?;
                }
                client.close().await?;
                match json {
                    true => output::json(&json!({"confirmed": disposals})),
                    false => output::line(format!("confirmed: {}", disposals.join(", "))),
                }
            }
        }
    }
}

async fn due(json: bool, connect: &Connect, days: u32) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::GET, &format!("/api/v1/retention/due?days={days}"), None).await?;
    client.close().await?;
    if json {
        return output::json(&answer);
    }
    let all = answer["due"].as_array().cloned().unwrap_or_default();
    if all.is_empty() {
        return output::line("nothing that a rule says the end of goes in that time");
    }
    output::line("due                   what                                      rows     bytes about  held by")?;
    for one in &all {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let what = match one["object"].as_str() {
            Some(object) => one["source"].as_str().unwrap_or(object).to_owned(),
            None => format!("{} {} {}", text("kind"), text("class"), text("day")),
        };
        let held: Vec<&str> = one["held_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let at = output::time(one["expires_at"].as_i64().unwrap_or_default());
        let rows = one["rows"].as_u64().map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let bytes = one["bytes"].as_u64().unwrap_or(0);
        output::line(format!("{at:20}  {what:40}  {rows:>7}  {bytes:11}  {}", held.join(", ")))?;
    }
    output::line("a day's key covers everybody of its class: what holds one of them keeps the day")
}

pub(super) async fn say(
    json: bool,
    connect: &Connect,
    method: Method,
    path: &str,
    body: Option<&Value>,
    said: &str,
) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(method, path, body).await?;
    client.close().await?;
    if json { output::json(&answer) } else { output::line(said) }
}
