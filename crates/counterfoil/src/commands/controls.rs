//! `counterfoil controls`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with controls.
#[derive(Subcommand)]
pub enum Controls {
    /// List the catalogue with the newest result of each control
    List,
    /// Test controls over the ledger as it is, or was
    Run(Run),
}

/// What to test.
#[derive(Args, Default)]
pub struct Run {
    /// Controls to test; by default all in scope
    controls: Vec<String>,
    /// Start of the observation window; by default 90 days before its end
    #[arg(long)]
    from: Option<String>,
    /// End of the observation window; by default now
    #[arg(long)]
    to: Option<String>,
    /// Test over a past ledger size, or at a time
    #[arg(long)]
    at: Option<String>,
    /// Exit with code 2 when a control fails
    #[arg(long)]
    strict: bool,
}

impl Controls {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::List => list(json, connect).await,
            Self::Run(run) => {
                let answer = run.run(connect).await?;
                match json {
                    true => output::json(&answer)?,
                    false => print_runs(&answer)?,
                }
                let failed = answer["runs"].as_array().into_iter().flatten().any(|r| r["outcome"] == "fail");
                match failed && run.strict {
                    true => Err(Failure::new(2, "failed", "a control failed: see its violations above")),
                    false => Ok(()),
                }
            }
        }
    }
}

impl Run {
    /// Runs the controls and returns the API's answer.
    pub async fn run(&self, connect: &Connect) -> Result<Value, Failure> {
        let mut body = json!({});
        if !self.controls.is_empty() {
            body["controls"] = json!(self.controls);
        }
        for (name, text) in [("start", &self.from), ("end", &self.to)] {
            if let Some(text) = text {
                body[name] = json!(output::parse_time(text).map_err(Failure::usage)?);
            }
        }
        if let Some(at) = &self.at {
            body["at"] = super::sql::at_value(at)?;
        }
        let client = connect.open().await?;
        let answer = client.json(Method::POST, "/api/v1/controls/run", Some(&body)).await?;
        client.close().await?;
        Ok(answer)
    }
}

async fn list(json: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::GET, "/api/v1/controls", None).await?;
    client.close().await?;
    if json {
        return output::json(&answer);
    }
    for control in answer["controls"].as_array().into_iter().flatten() {
        let text = |name: &str| control[name].as_str().unwrap_or("-");
        output::line(format!("{:10} {:11} {}", text("id"), text("outcome"), text("name")))?;
    }
    Ok(())
}

/// Prints what runs found: one line a control, then a few violations of each that failed.
pub fn print_runs(answer: &Value) -> Result<(), Failure> {
    for run in answer["runs"].as_array().into_iter().flatten() {
        let outcome = match run["outcome"].as_str() {
            Some("pass") => "pass",
            Some("fail") => "FAIL",
            _ => "not tested",
        };
        let (population, violations) = (&run["population"], &run["violations"]);
        let control = run["control"].as_str().unwrap_or("-");
        let name = run["name"].as_str().unwrap_or("");
        let why = match run["reason"].as_str() {
            Some(reason) => reason.to_owned(),
            None => format!("{violations} of {population} violate"),
        };
        output::line(format!("  {control:9} {outcome:10}  {name} ({why})"))?;
        for row in run["violating"].as_array().into_iter().flatten().take(2) {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            output::line(format!("              {}: {}", text("item"), text("detail")))?;
        }
    }
    let root = answer["at_root"].as_str().unwrap_or("-");
    output::line(format!("  computed at ledger size {}, root {root}", answer["at_size"]))
}
