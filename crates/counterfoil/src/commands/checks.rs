//! `counterfoil data check`, `profile`, `rows` and `release`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::{self, Failure};

/// A version to check.
#[derive(Args)]
pub struct Check {
    /// The version, as NAME@VERSION
    version: String,
    /// Check against this file instead of the contract in force; it need not be published. Needs --purpose and what reading
    /// the version does, and what is found is not recorded
    #[arg(long, value_name = "FILE", conflicts_with = "under")]
    contract: Option<PathBuf>,
    /// Check against the contract of this name, of whatever data set
    #[arg(long, value_name = "NAME")]
    under: Option<String>,
    /// At which stage of a pipeline it is checked, such as raw, cleaned, features or training
    #[arg(long, default_value = "ingest")]
    stage: String,
    /// The run of the pipeline, by a name of its own
    #[arg(long)]
    run: Option<String>,
    /// The region that the answer goes to, where a rule says where data of its class may be; with --contract
    #[arg(long, value_name = "REGION", requires = "contract")]
    to_region: Option<String>,
}

/// A version whose rows suggest a contract.
#[derive(Args)]
pub struct Profile {
    /// The version, as NAME@VERSION, or the newest of NAME
    version: String,
    /// The file to write; it must not be there yet. To standard output when left out
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// The region that the answer goes to, where a rule says where data of its class may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
}

/// Rows to look at.
#[derive(Args)]
pub struct Rows {
    /// The version, as NAME@VERSION
    version: String,
    /// The rows that had it quarantined; leaves a record
    #[arg(long, required = true)]
    quarantined: bool,
    /// How to write them; by default as the file's name ends
    #[arg(long, value_enum)]
    form: Option<RowForm>,
    /// The region that they go to, where a rule says where data of their class may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
    /// The file to write
    #[arg(long, short)]
    output: PathBuf,
}

/// How rows are written.
#[derive(Clone, Copy, ValueEnum)]
pub enum RowForm {
    /// Comma-separated, with a header
    Csv,
    /// A JSON object a line
    Jsonl,
    /// Apache Parquet
    Parquet,
}

/// A quarantined version to let out.
#[derive(Args)]
pub struct Release {
    /// The version, as NAME@VERSION
    version: String,
    /// Where the reason is written down, such as a ticket's number
    #[arg(long)]
    reference: String,
}

/// A version by its data set and name.
fn named(version: &str) -> Result<(&str, &str), Failure> {
    let parts = version.split_once('@').filter(|(dataset, name)| !dataset.is_empty() && !name.is_empty());
    parts.ok_or_else(|| Failure::usage(format!("`{version}` names no version: write NAME@VERSION")))
}

impl Check {
    pub async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let (dataset, version) = named(&self.version)?;
        let mut wish = json!({"dataset": dataset, "version": version, "stage": self.stage});
        if let Some(file) = &self.contract {
            wish["text"] = json!(output::read(file)?);
        }
        for (member, value) in [("contract", &self.under), ("run", &self.run)] {
            if let Some(value) = value {
                wish[member] = json!(value);
            }
        }
        let path = super::data::bound_for("/api/v1/checks", self.to_region.as_deref());
        client.json(Method::POST, &path, Some(&wish)).await
    }
}

/// What a check found, as text.
pub fn told(found: &Value) -> String {
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut text = format!(
        "{}@{}: {}, {} rows, {}\n",
        word(found, "dataset"),
        word(found, "version"),
        word(found, "verdict"),
        number(&found["rows"]),
        found["check"].as_str().map_or("not recorded".to_owned(), |check| format!("check {check}"))
    );
    for one in found["results"].as_array().into_iter().flatten() {
        let (violations, checked) = (number(&one["violations"]), number(&one["checked"]));
        let said = match domain::data::checks::wilson(violations, checked) {
            // A file breaks a rule about its columns in more places than it has columns of a kind.
            Some(_) if violations > checked => format!("{violations} found"),
            Some((share, low, high)) => {
                let percent = |share: f64| share * 100.0;
                format!(
                    "{violations} of {checked} ({:.3} %, {:.3} to {:.3} %)",
                    percent(share),
                    percent(low),
                    percent(high)
                )
            }
            None => match one["help"].as_str() {
                Some(help) => format!("{}: {help}", word(one, "why")),
                None => word(one, "why"),
            },
        };
        let blocks = if one["blocking"] == true { "" } else { "  warning" };
        text += &format!(
            "{:<8} {:<13} {:<32} {said}{blocks}\n",
            word(one, "verdict"),
            word(one, "dimension"),
            word(one, "rule")
        );
    }
    if found["quarantined"] == true {
        let version = format!("{}@{}", word(found, "dataset"), word(found, "version"));
        text += &format!(
            "quarantined: nobody reads it; see why with `counterfoil data rows {version} --quarantined -o FILE`\n"
        );
    }
    text
}

/// What was checked of a version as it came in; nothing when there is no contract for it.
pub fn arrived(stored: &Value) -> String {
    let check = &stored["check"];
    match (check.is_null(), check["message"].as_str()) {
        (true, _) => String::new(),
        (false, Some(why)) => format!("it waits for its check, which could not be run: {why}\n"),
        (false, None) => told(check),
    }
}

/// A check that did not pass has an exit code of its own, so that a pipeline stops.
///
/// # Errors
/// When the verdict is not that it passed.
pub fn passed(found: &Value) -> Result<(), Failure> {
    let verdict = found["verdict"].as_str().unwrap_or("unknown");
    if verdict == "passed" {
        return Ok(());
    }
    let why = |one: &&Value| one["blocking"] == true && one["verdict"] != "passed";
    let rules = found["results"].as_array().into_iter().flatten().filter(why);
    let rules: Vec<&str> = rules.filter_map(|one| one["rule"].as_str()).collect();
    let message = format!("the check came out as {verdict}: {}", rules.join(", "));
    Err(Failure::new(2, "check_not_passed", message))
}

/// What came in and waits for its check, or did not pass it, has that exit code too.
///
/// # Errors
/// When one of the versions that came in is not let in.
pub fn let_in(answer: &Value) -> Result<(), Failure> {
    let one = |stored: &Value| match &stored["check"] {
        Value::Null => Ok(()),
        check => match check["message"].as_str() {
            Some(why) => {
                let message = format!("it waits for its check, which could not be run: {why}");
                Err(Failure::new(2, "check_not_passed", message))
            }
            None => passed(check),
        },
    };
    match answer["versions"].as_array() {
        Some(several) => several.iter().try_for_each(one),
        None => one(answer),
    }
}

impl Profile {
    pub async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let (dataset, version) = match self.version.split_once('@') {
            Some(_) => named(&self.version).map(|(dataset, version)| (dataset, Some(version)))?,
            None => (self.version.as_str(), None),
        };
        let path = super::data::at(&[dataset, "profile"]);
        let path = match version {
            Some(version) => super::data::asking(&path, "version", version),
            None => path,
        };
        let path = super::data::bound_for(&path, self.to_region.as_deref());
        let answer = client.json(Method::GET, &path, None).await?;
        if let Some(output) = &self.output {
            let failed = |error: std::io::Error| Failure::io(format!("{}: {error}", output.display()));
            let mut file = std::fs::File::create_new(output).map_err(failed)?;
            file.write_all(answer["text"].as_str().unwrap_or_default().as_bytes()).map_err(failed)?;
        }
        Ok(answer)
    }

    /// The contract, or where it is; what it does not say stands below as comments, so that all of it is a contract still.
    pub fn told(&self, answer: &Value) -> String {
        let left_out = answer["left_out"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match &self.output {
            Some(output) => {
                let left_out: String = left_out.map(|one| format!("not proposed: {one}\n")).collect();
                format!("written: {}\n{left_out}", output.display())
            }
            None => {
                let left_out: String = left_out.map(|one| format!("# not proposed: {one}\n")).collect();
                let apart = if left_out.is_empty() { "" } else { "\n" };
                format!("{}{apart}{left_out}", answer["text"].as_str().unwrap_or_default())
            }
        }
    }
}

impl Rows {
    pub async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let (dataset, version) = named(&self.version)?;
        let form = match self.form {
            Some(RowForm::Csv) => "csv",
            Some(RowForm::Jsonl) => "jsonl",
            Some(RowForm::Parquet) => "parquet",
            None => match self.output.extension().and_then(|extension| extension.to_str()) {
                Some("jsonl" | "ndjson") => "jsonl",
                Some("parquet") => "parquet",
                _ => "csv",
            },
        };
        let path = super::data::at(&[dataset, "versions", version, "quarantine"]);
        let path = super::data::bound_for(&format!("{path}?form={form}"), self.to_region.as_deref());
        let bytes = super::data::into_file(client, &path, &self.output).await?;
        Ok(json!({"version": self.version, "form": form, "bytes": bytes, "output": self.output}))
    }

    pub fn told(&self, answer: &Value) -> String {
        format!("written: {}, {} bytes\n", self.output.display(), answer["bytes"])
    }
}

impl Release {
    pub async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let (dataset, version) = named(&self.version)?;
        let path = super::data::at(&[dataset, "versions", version, "release"]);
        client.json(Method::POST, &path, Some(&json!({"reference": self.reference}))).await
    }

    pub fn told(&self) -> String {
        format!("released: {}\n", self.version)
    }
}
