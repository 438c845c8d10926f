//! `counterfoil data`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::fields;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// What to do with data sets.
#[derive(Subcommand)]
pub enum Data {
    /// Declare a data set, or change its declaration
    Declare(Box<Declare>),
    /// Store nothing more in a data set
    Retire {
        /// Its name
        dataset: String,
    },
    /// Store a version of a data set, encrypted as it is sent
    Put(Put),
    /// Read a version of a data set into a file; needs --purpose, and leaves a record
    Get(Get),
    /// List data sets
    List,
    /// Show a data set with its versions
    Show {
        /// Its name
        dataset: String,
    },
    /// Destroy a version: its key first, so that no copy can be opened any more
    Destroy(Destroy),
    // Fields, what is found in them, and what goes out for a purpose.
    /// Have detectors look at a version again
    Scan(fields::Scan),
    /// Show the fields of a data set, or say what they are
    Fields(fields::Fields),
    /// List what contradicts the declared classes, or settle it
    Findings(fields::Findings),
    /// Read what goes out of a version for a purpose, or make a link to it
    View(fields::View),
    /// Show the views of a data set, declare one, or have none any more
    Views(fields::Views),
}

/// A declaration.
#[derive(Args)]
pub struct Declare {
    /// Its name
    dataset: String,
    /// How sensitive it is
    #[arg(long, value_enum)]
    class: Class,
    /// Who answers for it, by pseudonym
    #[arg(long)]
    owner: String,
    /// Where it comes from, as a reference such as crm/exports
    #[arg(long)]
    source: String,
    /// Under which licence or agreement, as a reference such as CC-BY-4.0
    #[arg(long)]
    licence: String,
    /// Why data about people may be processed; needed for classes personal and sensitive
    #[arg(long, value_enum)]
    lawful_basis: Option<Basis>,
    /// What it may be read for, by the vocabulary of --purpose; give it once for each
    #[arg(long = "purposes", value_name = "PURPOSE", value_delimiter = ',', required = true)]
    purposes: Vec<String>,
    /// Where it is to stay
    #[arg(long)]
    region: Option<String>,
}

/// A data class.
#[derive(Clone, Copy, ValueEnum)]
pub enum Class {
    /// Anybody may have it
    Public,
    /// For the organisation
    Internal,
    /// For those in it who need it
    Confidential,
    /// About people
    Personal,
    /// About people, and what could harm them most
    Sensitive,
}

/// A lawful basis.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Basis {
    /// They agreed
    Consent,
    /// A contract with them needs it
    Contract,
    /// The law demands it
    LegalObligation,
    /// Somebody's life is at stake
    VitalInterests,
    /// A public task needs it
    PublicTask,
    /// An interest that outweighs theirs
    LegitimateInterests,
}

/// A version to store.
#[derive(Args)]
pub struct Put {
    /// The data set
    dataset: String,
    /// The file
    file: PathBuf,
    /// Name of the version, never used twice
    #[arg(long)]
    version: String,
    /// The column, or the member of each JSON object, with an identifier of whom a row is about
    #[arg(long, value_name = "COLUMN", requires = "subject_scope")]
    subject_column: Option<String>,
    /// The kind of that identifier, as elsewhere here, such as email
    #[arg(long, value_name = "SCOPE", requires = "subject_column")]
    subject_scope: Option<String>,
    /// Rows are about nobody in particular: no erasure finds anybody in them
    #[arg(long, conflicts_with = "subject_column")]
    no_subjects: bool,
}

/// A version to read.
#[derive(Args)]
pub struct Get {
    /// The data set
    dataset: String,
    /// The version
    version: String,
    /// The file to write; what is there is replaced when all has come
    #[arg(long, short)]
    output: PathBuf,
}

/// A version to destroy.
#[derive(Args)]
pub struct Destroy {
    /// The data set
    dataset: String,
    /// The version
    version: String,
    /// Where the reason is written down, such as a ticket's number
    #[arg(long)]
    reference: String,
}

impl Data {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        if let Some(ask) = self.of_fields() {
            return ask.run(json, connect).await;
        }
        let client = connect.open().await?;
        let answer = self.ask(&client).await;
        client.close().await?;
        let answer = answer?;
        match (json, self) {
            (true, Self::List) => output::json(&answer["datasets"]),
            (true, _) => output::json(&answer),
            (false, Self::Declare(wish)) => output::line(format!("declared: {}", wish.dataset)),
            (false, Self::Retire { dataset }) => output::line(format!("retired: {dataset}")),
            (false, Self::Put(wish)) => {
                let (bytes, key) = (&answer["stored"]["bytes"], word(&answer["stored"], "key"));
                output::line(format!("stored: {} version {}, {bytes} bytes under {key}", wish.dataset, wish.version))
            }
            (false, Self::Get(wish)) => {
                output::line(format!("written: {}, {} bytes", wish.output.display(), answer["bytes"]))
            }
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Show { .. }) => output::text(described(&answer)),
            (false, Self::Destroy(wish)) => {
                output::line(format!("destroyed: {} version {}", wish.dataset, wish.version))
            }
            (false, Self::Scan(_) | Self::Fields(_) | Self::Findings(_) | Self::View(_) | Self::Views(_)) => Ok(()),
        }
    }

    /// What is done elsewhere.
    fn of_fields(&self) -> Option<fields::Ask<'_>> {
        match self {
            Self::Scan(wish) => Some(fields::Ask::Scan(wish)),
            Self::Fields(wish) => Some(fields::Ask::Fields(wish)),
            Self::Findings(wish) => Some(fields::Ask::Findings(wish)),
            Self::View(wish) => Some(fields::Ask::View(wish)),
            Self::Views(wish) => Some(fields::Ask::Views(wish)),
            _ => None,
        }
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        match self {
            Self::Declare(wish) => {
                let command = json!({"command": "dataset.declare", "body": wish.body()});
                client.json(Method::POST, "/api/v1/commands", Some(&command)).await
            }
            Self::Retire { dataset } => {
                let command = json!({"command": "dataset.retire", "body": {"dataset": dataset}});
                client.json(Method::POST, "/api/v1/commands", Some(&command)).await
            }
            Self::Put(wish) => wish.put(client).await,
            Self::Get(wish) => wish.get(client).await,
            Self::List => client.json(Method::GET, "/api/v1/datasets", None).await,
            Self::Show { dataset } => client.json(Method::GET, &at(&[dataset]), None).await,
            Self::Destroy(wish) => {
                let path = at(&[&wish.dataset, "versions", &wish.version, "destroy"]);
                client.json(Method::POST, &path, Some(&json!({"reference": wish.reference}))).await
            }
            Self::Scan(_) | Self::Fields(_) | Self::Findings(_) | Self::View(_) | Self::Views(_) => Ok(Value::Null),
        }
    }
}

impl Declare {
    fn body(&self) -> Value {
        let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        let mut spec = json!({
            "class": name(self.class.to_possible_value()), "owner": self.owner, "source": self.source,
            "licence": self.licence, "purposes": self.purposes,
        });
        if let Some(basis) = self.lawful_basis {
            spec["lawful_basis"] = json!(name(basis.to_possible_value()));
        }
        if let Some(region) = &self.region {
            spec["region"] = json!(region);
        }
        json!({"dataset": self.dataset, "spec": spec})
    }
}

impl Put {
    async fn put(&self, client: &Client) -> Result<Value, Failure> {
        let mut path = at(&[&self.dataset, "versions", &self.version]);
        if let (Some(column), Some(scope)) = (&self.subject_column, &self.subject_scope) {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("form", form(&self.file)?)
                .append_pair("column", column)
                .append_pair("scope", scope)
                .finish();
            path = format!("{path}?{query}");
        } else if self.no_subjects {
            path += "?subjects=none";
        }
        let answer = client.upload(&path, &self.file).await?;
        serde_json::from_slice(&answer.body).map_err(|e| Failure::io(format!("{path}: the answer is not JSON: {e}")))
    }
}

/// How rows are written in a file, by its name.
fn form(file: &Path) -> Result<&'static str, Failure> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok("csv"),
        Some("jsonl" | "ndjson") => Ok("jsonl"),
        _ => {
            let message = format!("{}: rows have subjects in files that end with .csv or .jsonl", file.display());
            Err(Failure::usage(message))
        }
    }
}

impl Get {
    async fn get(&self, client: &Client) -> Result<Value, Failure> {
        let path = at(&[&self.dataset, "versions", &self.version]);
        let bytes = into_file(client, &path, &self.output).await?;
        Ok(json!({"dataset": self.dataset, "version": self.version, "bytes": bytes, "output": self.output}))
    }
}

/// Reads into a file beside the one that is meant, which it becomes when all has come; returns how many bytes came.
pub(super) async fn into_file(client: &Client, path: &str, output: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = output.with_extension("part");
    let failed = |e: std::io::Error| Failure::io(format!("{}: {e}", beside.display()));
    // It is in clear here: nobody else on this computer reads it.
    let _ = std::fs::remove_file(&beside);
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let mut file = opened.map_err(failed)?;
    let came = client.download(path, &mut file).await;
    let kept = came.and_then(|bytes| {
        file.sync_all().and_then(|()| std::fs::rename(&beside, output)).map_err(failed)?;
        Ok(bytes)
    });
    if kept.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    kept
}

/// An address below that of data sets. What is no name is sent as it is spelled, and refused there.
pub(super) fn at(parts: &[&str]) -> String {
    let escaped: Vec<String> =
        parts.iter().map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect()).collect();
    format!("/api/v1/datasets/{}", escaped.join("/"))
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn listed(answer: &Value) -> String {
    let line = |one: &Value| {
        let versions = one["versions"].as_array().map_or(0, Vec::len);
        let standing = if one["retired_at"].is_null() { "" } else { "  retired" };
        let (name, class, owner) = (word(one, "dataset"), word(&one["spec"], "class"), word(&one["spec"], "owner"));
        format!("{name:<24} {class:<13} {owner:<16} {versions} versions{standing}\n")
    };
    match answer["datasets"].as_array() {
        Some(datasets) if !datasets.is_empty() => datasets.iter().map(line).collect(),
        _ => "no data set is declared\n".to_owned(),
    }
}

fn described(one: &Value) -> String {
    let spec = &one["spec"];
    let purposes: Vec<&str> = spec["purposes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut text = format!(
        "{}: {}, owner {}, from {}, {}, for {}\n",
        word(one, "dataset"),
        word(spec, "class"),
        word(spec, "owner"),
        word(spec, "source"),
        word(spec, "licence"),
        purposes.join(", ")
    );
    for version in one["versions"].as_array().into_iter().flatten() {
        let at = output::time(version["at"].as_i64().unwrap_or_default());
        let (name, stored) = (word(version, "version"), &version["stored"]);
        text += &format!("{name:<16} {at}  {} bytes  {}\n", stored["bytes"], word(stored, "key"));
    }
    text
}
