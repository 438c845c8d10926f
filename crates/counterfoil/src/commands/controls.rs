//! `counterfoil controls`.

use std::collections::BTreeSet;

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
    /// Test controls over the ledger as it is, or was; exits with code 2 when one fails
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
                match failed {
                    true => Err(Failure::new(2, "failed", "a control failed: see its findings above")),
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

/// How many findings of a control are printed.
const SHOWN: usize = 5;

/// What was found, in few words. A finding is a row, and one item can have several.
fn found(run: &Value) -> String {
    let (population, findings) = (&run["population"], &run["violations"]);
    let rows = run["violating"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The answer has the first rows only: of those left out nobody knows here which items they are about.
    if findings.as_u64() != Some(rows.len() as u64) {
        return format!("{findings} findings, population {population}");
    }
    let items: BTreeSet<&str> = rows.iter().filter_map(|row| row["item"].as_str()).collect();
    let s = if rows.len() == 1 { "" } else { "s" };
    format!("{findings} finding{s} in {} of {population} items", items.len())
}

/// Prints what runs found: one line a control, then the first findings of each that failed.
pub fn print_runs(answer: &Value) -> Result<(), Failure> {
    for run in answer["runs"].as_array().into_iter().flatten() {
        let outcome = match run["outcome"].as_str() {
            Some("pass") => "pass",
            Some("fail") => "FAIL",
            _ => "not tested",
        };
        let control = run["control"].as_str().unwrap_or("-");
        let name = run["name"].as_str().unwrap_or("");
        let why = match run["reason"].as_str() {
            Some(reason) => reason.to_owned(),
            None => found(run),
        };
        output::line(format!("  {control:9} {outcome:10}  {name} ({why})"))?;
        for row in run["violating"].as_array().into_iter().flatten().take(SHOWN) {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            output::line(format!("              {}: {}", text("item"), text("detail")))?;
        }
        let more = run["violations"].as_u64().unwrap_or(0).saturating_sub(SHOWN as u64);
        if more > 0 {
            output::line(format!("              and {more} more: --json shows the first 100"))?;
        }
    }
    let root = answer["at_root"].as_str().unwrap_or("-");
    output::line(format!("  computed at ledger size {}, root {root}", answer["at_size"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_two_findings_of_one_item_when_printed_then_it_is_one_item_of_the_population() {
        let row = |item: &str| json!({"item": item, "detail": "d"});
        let run = json!({"population": 10, "violations": 3, "violating": [row("a"), row("a"), row("b")]});
        assert_eq!(found(&run), "3 findings in 2 of 10 items");
        let one = json!({"population": 1, "violations": 1, "violating": [row("a")]});
        assert_eq!(found(&one), "1 finding in 1 of 1 items");
        assert_eq!(found(&json!({"population": 4, "violations": 0, "violating": []})), "0 findings in 0 of 4 items");
        let many = json!({"population": 10, "violations": 300, "violating": [row("a")]});
        assert_eq!(found(&many), "300 findings, population 10", "nobody knows what the others are about");
    }
}
