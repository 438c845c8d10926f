//! `counterfoil contracts import` and `counterfoil data report-checks`: what teams have of other tools.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use ingest::outside::reports::{Files, MAX_REPORT_BYTES, slim, tool_of};
use ingest::outside::{Source, contract_of};
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::{self, Failure};

/// What teams have, to become a contract.
#[derive(Args)]
pub struct Import {
    /// The file: a suite as JSON, or a contract of the Open Data Contract Standard as YAML or JSON; `-` for standard input
    file: PathBuf,
    /// Whose file it is
    #[arg(long, default_value = "great-expectations", value_parser = ["great-expectations", "odcs"])]
    from: String,
    /// The data set that the contract is for, by whose name it is called too; by default as the file says
    #[arg(long)]
    dataset: Option<String>,
    /// Which object of its schema is meant, when the file has several
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// The file to write; it must not be there yet
    #[arg(long, short)]
    output: PathBuf,
}

impl Import {
    pub fn run(&self, json: bool) -> Result<(), Failure> {
        let source = Source::of(&self.from).ok_or_else(|| Failure::usage("there is no such source"))?;
        let text = output::read(&self.file)?;
        let made = contract_of(source, &text, self.dataset.as_deref(), self.object.as_deref())
            .map_err(|why| Failure::refused("invalid", format!("{}: {why}", self.file.display())))?;
        let failed = |error: std::io::Error| Failure::io(format!("{}: {error}", self.output.display()));
        let mut file = std::fs::File::create_new(&self.output).map_err(failed)?;
        file.write_all(made.text.as_bytes()).map_err(failed)?;
        if json {
            return output::json(&json!({"output": self.output, "left_out": made.left_out}));
        }
        let left_out: String = made.left_out.iter().map(|one| format!("not as it was: {one}\n")).collect();
        output::text(format!("written: {}\n{left_out}", self.output.display()))
    }
}

/// Results of checks that were run elsewhere.
#[derive(Args)]
pub struct ReportChecks {
    /// The data set, or its version as NAME@VERSION
    dataset: String,
    /// The tool that ran them
    #[arg(long, value_parser = ["great-expectations", "dbt"])]
    from: String,
    /// Its results: of a validation or a checkpoint, or run_results.json
    file: PathBuf,
    /// manifest.json of dbt, which says what its tests are of
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Whose results are meant: a suite, or a model, seed or source of dbt; by default the one that is called as the data set
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
}

impl ReportChecks {
    pub async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let tool = tool_of(&self.from).ok_or_else(|| Failure::usage("there is no such tool"))?;
        let (report, manifest) = (bounded(&self.file)?, self.manifest.as_deref().map(bounded).transpose()?);
        // Values of rows that the files may have do not leave this computer.
        let (report, manifest) = slim(tool, Files { report: &report, manifest: manifest.as_deref() })
            .map_err(|why| Failure::refused("invalid", format!("{}: {why}", self.file.display())))?;
        let (dataset, version) = match self.dataset.split_once('@') {
            Some((dataset, version)) => (dataset, Some(version)),
            None => (self.dataset.as_str(), None),
        };
        let mut wish = json!({"from": self.from, "dataset": dataset, "report": report});
        for (member, value) in [("version", version), ("of", self.of.as_deref()), ("manifest", manifest.as_deref())] {
            if let Some(value) = value {
                wish[member] = json!(value);
            }
        }
        client.json(Method::POST, "/api/v1/checks/reports", Some(&wish)).await
    }
}

/// The text of a file that is not too long to be read.
fn bounded(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::io(format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_REPORT_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// What was kept of a report, as text.
pub fn told(answer: &Value) -> String {
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let version = answer["version"].as_str().map(|version| format!("@{version}")).unwrap_or_default();
    let mut text = format!(
        "{}{version}: {} by {} {}, report {}\n",
        word(answer, "dataset"),
        word(answer, "verdict"),
        word(answer, "tool").replace('_', " "),
        word(answer, "tool_version"),
        word(answer, "report")
    );
    for one in answer["results"].as_array().into_iter().flatten() {
        let broken = one["violations"].as_u64().map(|rows| format!("{rows} found")).unwrap_or_default();
        let warns = if one["warns"] == true { "  warning" } else { "" };
        text += &format!(
            "{:<8} {:<13} {:<48} {broken}{warns}\n",
            word(one, "verdict"),
            word(one, "dimension"),
            word(one, "rule")
        );
    }
    for note in answer["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text += &format!("{note}\n");
    }
    text
}
