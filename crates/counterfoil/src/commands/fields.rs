//! `counterfoil data scan`, `fields`, `findings`, `view` and `views`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// A version of a data set, as `NAME@VERSION`.
#[derive(Clone)]
pub struct Version {
    dataset: String,
    version: String,
}

impl std::str::FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('@') {
            Some((dataset, version)) if !dataset.is_empty() && !version.is_empty() => {
                Ok(Self { dataset: dataset.to_owned(), version: version.to_owned() })
            }
            _ => Err("name a version as NAME@VERSION".to_owned()),
        }
    }
}

/// A version that detectors look at again.
#[derive(Args)]
pub struct Scan {
    /// The version, as NAME@VERSION
    version: Version,
}

/// Fields of a data set.
#[derive(Args)]
pub struct Fields {
    /// The data set
    dataset: String,
    /// Say what fields are, from a TOML file with `[[fields]]`: field, class, purposes, justification
    #[arg(long, value_name = "FILE", conflicts_with = "field")]
    file: Option<PathBuf>,
    /// Say what one field is
    #[arg(long, requires = "class")]
    field: Option<String>,
    /// Its class
    #[arg(long, value_parser = super::data::classes(), requires = "field")]
    class: Option<String>,
    /// What it may be used for, by the vocabulary of --purpose
    #[arg(long = "purposes", value_name = "PURPOSE", value_delimiter = ',', requires = "field")]
    purposes: Vec<String>,
    /// Where it is written down why that is needed, such as a ticket's number
    #[arg(long, requires = "field")]
    justification: Option<String>,
}

/// Findings in data sets.
#[derive(Args)]
pub struct Findings {
    #[command(subcommand)]
    what: Option<Settle>,
    /// Settled ones too
    #[arg(long)]
    all: bool,
    /// In one data set only
    #[arg(long)]
    dataset: Option<String>,
}

/// What is done with a finding.
#[derive(Subcommand)]
pub enum Settle {
    /// Settle a finding
    Resolve {
        /// The finding, such as f_0123
        finding: String,
        /// How it is settled
        #[arg(long = "as", value_enum)]
        how: How,
        /// Where the reason is written down, such as a ticket's number; never a name
        #[arg(long)]
        reference: Option<String>,
        /// Until when it is accepted: a date, or a length of time
        #[arg(long)]
        until: Option<String>,
    },
}

/// How a finding is settled.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum How {
    /// It is declared as what it is
    Reclassified,
    /// It is not what it was taken for
    FalseAlarm,
    /// The version is destroyed
    Removed,
    /// It stays as it is until a day
    Accepted,
}

/// A view to read.
#[derive(Args)]
pub struct View {
    /// The version, as NAME@VERSION
    version: Version,
    /// What it is read for
    #[arg(long = "for", value_name = "PURPOSE")]
    aim: String,
    /// The file to write; what is there is replaced when all has come
    #[arg(long, short, required_unless_present_any = ["report", "link"])]
    output: Option<PathBuf>,
    /// How rows are written; else as the file's name ends
    #[arg(long, value_enum)]
    form: Option<Form>,
    /// The region that it goes to, where a rule says where data of its class may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
    /// Say how well people can be told apart in it, and read no rows
    #[arg(long, conflicts_with = "output")]
    report: bool,
    /// Make a link that is good for so many seconds, an hour at most, instead of reading
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["output", "report"])]
    link: Option<u32>,
}

/// How rows are written.
#[derive(Clone, Copy, ValueEnum)]
pub enum Form {
    /// Comma-separated, with a header
    Csv,
    /// A JSON object a line
    Jsonl,
    /// Apache Parquet
    Parquet,
    /// A stream of Apache Arrow
    Arrow,
}

/// The views of a data set.
#[derive(Args)]
pub struct Views {
    /// The data set
    dataset: String,
    /// Declare the view for a purpose, from a TOML file with `[[columns]]`, quasi, min_k, max_suppressed_permille
    #[arg(long, value_name = "FILE", requires = "aim")]
    declare: Option<PathBuf>,
    /// Have no view for a purpose any more
    #[arg(long, requires = "aim", conflicts_with = "declare")]
    retire: bool,
    /// The purpose
    #[arg(long = "for", value_name = "PURPOSE")]
    aim: Option<String>,
}

/// One of these commands.
pub enum Ask<'a> {
    /// `data scan`
    Scan(&'a Scan),
    /// `data fields`
    Fields(&'a Fields),
    /// `data findings`
    Findings(&'a Findings),
    /// `data view`
    View(&'a View),
    /// `data views`
    Views(&'a Views),
}

impl Ask<'_> {
    pub async fn run(self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let answer = connect.asked(async |client| self.ask(client).await).await?;
        if json {
            return output::json(&answer);
        }
        match self {
            Self::Scan(wish) => output::text(scanned(wish, &answer)),
            Self::Fields(wish) if wish.declares() => output::line(format!("declared: fields of {}", wish.dataset)),
            Self::Fields(_) => output::text(fields(&answer)),
            Self::Findings(Findings { what: Some(Settle::Resolve { finding, .. }), .. }) => {
                output::line(format!("settled: {finding}"))
            }
            Self::Findings(_) => output::text(findings(&answer)),
            Self::View(View { report: true, .. }) => output::line(reached(&answer["reached"])),
            Self::View(View { link: Some(_), .. }) => output::line(word(&answer, "url").to_owned()),
            Self::View(_) => output::line(format!("written: {}, {} bytes", word(&answer, "output"), answer["bytes"])),
            Self::Views(wish) if wish.declare.is_some() => {
                output::line(format!("declared: a view of {}", wish.dataset))
            }
            Self::Views(wish) if wish.retire => output::line(format!("retired: a view of {}", wish.dataset)),
            Self::Views(_) => output::text(views(&answer)),
        }
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        match self {
            Self::Scan(Scan { version: Version { dataset, version } }) => {
                let path = super::data::at(&[dataset, "versions", version, "scan"]);
                client.json(Method::POST, &path, Some(&json!({}))).await
            }
            Self::Fields(wish) => wish.ask(client).await,
            Self::Findings(wish) => wish.ask(client).await,
            Self::View(wish) => wish.ask(client).await,
            Self::Views(wish) => wish.ask(client).await,
        }
    }
}

impl Fields {
    fn declares(&self) -> bool {
        self.file.is_some() || self.field.is_some()
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let path = super::data::at(&[&self.dataset, "fields"]);
        let body = match (&self.file, &self.field, &self.class) {
            (Some(file), _, _) => from_toml(file)?,
            (None, Some(field), Some(class)) => {
                let mut one = json!({"field": field, "class": class, "purposes": self.purposes});
                if let Some(justification) = &self.justification {
                    one["justification"] = json!(justification);
                }
                json!({"fields": [one]})
            }
            _ => return client.json(Method::GET, &path, None).await,
        };
        client.json(Method::POST, &path, Some(&body)).await
    }
}

impl Findings {
    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let Some(Settle::Resolve { finding, how, reference, until }) = &self.what else {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("all", if self.all { "true" } else { "false" });
            if let Some(dataset) = &self.dataset {
                query.append_pair("dataset", dataset);
            }
            return client.json(Method::GET, &format!("/api/v1/findings?{}", query.finish()), None).await;
        };
        let mut body = json!({"resolution": how.to_possible_value().map(|value| value.get_name().to_owned())});
        if let Some(reference) = reference {
            body["reference"] = json!(reference);
        }
        if let Some(until) = until {
            body["until"] = json!(output::in_future(until)?);
        }
        let finding: String = form_urlencoded::byte_serialize(finding.as_bytes()).collect();
        client.json(Method::POST, &format!("/api/v1/findings/{finding}/resolve"), Some(&body)).await
    }
}

impl View {
    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let Version { dataset, version } = &self.version;
        let path = super::data::at(&[dataset, "versions", version, "view", &self.aim]);
        if let Some(seconds) = self.link {
            return client.json(Method::POST, &format!("{path}/links"), Some(&json!({"seconds": seconds}))).await;
        }
        let Some(output) = self.output.as_ref().filter(|_| !self.report) else {
            return client.json(Method::GET, &format!("{path}?report=true"), None).await;
        };
        let form = self.form(output)?;
        let path = super::data::bound_for(&format!("{path}?form={form}"), self.to_region.as_deref());
        let bytes = super::data::into_file(client, &path, output).await?;
        Ok(json!({"dataset": dataset, "version": version, "bytes": bytes, "output": output}))
    }

    fn form(&self, output: &Path) -> Result<&'static str, Failure> {
        match (self.form, output.extension().and_then(|extension| extension.to_str())) {
            (Some(Form::Csv), _) | (None, Some("csv")) => Ok("csv"),
            (Some(Form::Jsonl), _) | (None, Some("jsonl" | "ndjson")) => Ok("jsonl"),
            (Some(Form::Parquet), _) | (None, Some("parquet")) => Ok("parquet"),
            (Some(Form::Arrow), _) | (None, Some("arrow" | "arrows")) => Ok("arrow"),
            _ => {
                let message = format!("{}: say how rows are written with --form", output.display());
                Err(Failure::usage(message))
            }
        }
    }
}

impl Views {
    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let purpose = self.aim.as_deref().unwrap_or_default();
        let path = super::data::at(&[&self.dataset, "views", purpose]);
        match &self.declare {
            Some(file) => client.json(Method::PUT, &path, Some(&from_toml(file)?)).await,
            None if self.retire => client.json(Method::DELETE, &path, None).await,
            None => client.json(Method::GET, &super::data::at(&[&self.dataset, "views"]), None).await,
        }
    }
}

/// A file of TOML as the API takes it; what does not belong there is for the server to say.
fn from_toml(file: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::io(format!("{}: {e}", file.display())))?;
    toml::from_str(&text).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn percent(permille: &Value) -> String {
    permille.as_u64().map_or_else(String::new, |permille| format!("{}.{}%", permille / 10, permille % 10))
}

fn scanned(wish: &Scan, answer: &Value) -> String {
    let scan = &answer["scan"]["scanned"];
    let whole = if scan["whole"] == true { "all of it" } else { "a sample" };
    let Version { dataset, version } = &wish.version;
    let (rows, bytes) = (&scan["rows_sampled"], &scan["bytes_sampled"]);
    let mut text = format!("{dataset} version {version}: {rows} rows, {bytes} bytes looked at, {whole}\n");
    for column in list(&scan["columns"]) {
        for found in list(&column["found"]) {
            let (name, kind, class) =
                (column["column"].as_str().unwrap_or("(file)"), word(found, "kind"), word(found, "class"));
            let (cells, all, score) = (&found["cells"], &column["cells"], percent(&found["score_permille"]));
            text += &format!("{name:<24} {kind:<14} {class:<13} {cells} of {all} cells, sure by {score}\n");
        }
    }
    text + &format!("{} findings opened\n", list(&answer["opened"]).count())
}

fn fields(answer: &Value) -> String {
    let line = |row: &Value| {
        let or = |name: &str, other: &'static str| row[name].as_str().unwrap_or(other).to_owned();
        format!(
            "{:<12} {:<24} declared {:<13} found {:<24} for {:<16} {}\n",
            word(row, "version"),
            word(row, "field"),
            or("declared_class", "not at all"),
            or("found", "nothing"),
            or("purpose_id", "nothing"),
            word(row, "use_state"),
        )
    };
    let lines: String = list(&answer["fields"]).map(line).collect();
    if lines.is_empty() { "no field is known: store a version, or declare fields\n".to_owned() } else { lines }
}

fn findings(answer: &Value) -> String {
    let line = |one: &Value| {
        let due = output::time(one["due"].as_i64().unwrap_or_default());
        let settled = one["resolved"]["resolution"].as_str().map_or_else(String::new, |how| format!("  {how}"));
        let place = one["field"].as_str().unwrap_or("(whole)");
        let (dataset, version) = (word(one, "dataset"), word(one, "version"));
        format!(
            "{}  {dataset}@{version} {place}  {} ({})  owner {}  due {due}{settled}\n",
            word(one, "finding"),
            word(one, "kind"),
            word(one, "why"),
            word(one, "owner"),
        )
    };
    let lines: String = list(&answer["findings"]).map(line).collect();
    if lines.is_empty() { "there are no findings\n".to_owned() } else { lines }
}

fn reached(reached: &Value) -> String {
    let k = reached["k"].as_u64().map_or_else(|| "not measured".to_owned(), |k| format!("k = {k}"));
    format!("{k}: {} rows, {} of them left out", reached["rows"], reached["suppressed"])
}

fn views(answer: &Value) -> String {
    let line = |one: &Value| {
        let rules = list(&one["spec"]["columns"]).map(|column| {
            let rule = match &column["rule"] {
                Value::String(rule) => rule.clone(),
                Value::Object(rule) => rule.keys().cloned().collect(),
                other => other.to_string(),
            };
            format!("{} {rule}", word(column, "column"))
        });
        let rules: Vec<String> = rules.collect();
        format!("{:<16} k {}  {}\n", word(one, "purpose"), one["spec"]["min_k"], rules.join(", "))
    };
    let lines: String = list(&answer["views"]).map(line).collect();
    if lines.is_empty() { "there is no view: the data set is read as it is\n".to_owned() } else { lines }
}
