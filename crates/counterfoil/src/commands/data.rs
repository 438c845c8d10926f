//! `counterfoil data`.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use domain::RefusalCode;
use domain::data::{DataClass, Form, LawfulBasis};
use http::Method;
use serde_json::{Value, json};

use super::fields;
use crate::client::{BROKEN_OFF, Client, Connect};
use crate::commands::content;
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
    /// Store a version of a data set, encrypted as it is sent, and read before anybody sees it
    Put(Put),
    /// Read a version of a data set into a file; needs --purpose, and leaves a record
    Get(Get),
    /// Read all of a version and say whether it is whole, or what is wrong with which object
    Verify {
        /// The data set
        dataset: String,
        /// The version
        version: String,
    },
    /// Say how two versions differ: columns, rows, distributions; needs --purpose, and leaves a record
    Diff(Diff),
    /// List data sets
    List,
    /// List objects that an older copy of the ledger, which was gone on with, does not name: they are destroyed at their time
    Aside,
    /// Show a data set with its versions
    Show {
        /// Its name
        dataset: String,
    },
    /// Destroy a version: its key first, so that no copy can be opened any more
    Destroy(Destroy),
    // checks
    /// Check a version against a contract, and record what was found
    Check(super::checks::Check),
    /// Propose a contract by what the rows of a version are; needs --purpose, and leaves a record
    Profile(super::checks::Profile),
    /// Keep what a tool elsewhere says of checks that it ran; it shuts nothing away and opens no gate
    ReportChecks(super::outside::ReportChecks),
    /// Look at rows of a quarantined version
    Rows(super::checks::Rows),
    /// Let a quarantined version be read; not by whoever stored it or had it checked
    Release(super::checks::Release),
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
    #[arg(long, value_parser = classes())]
    class: String,
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
    #[arg(long, value_parser = bases())]
    lawful_basis: Option<String>,
    /// What it may be read for, by the vocabulary of --purpose; give it once for each
    #[arg(long = "purposes", value_name = "PURPOSE", value_delimiter = ',', required = true)]
    purposes: Vec<String>,
    /// Where it is to stay
    #[arg(long)]
    region: Option<String>,
    /// The country of those whom it is about, by two letters, such as au; leave it out when they are of several
    #[arg(long, value_name = "COUNTRY")]
    subject_country: Option<String>,
}

/// The words of the classes that there are.
pub(super) fn classes() -> PossibleValuesParser {
    PossibleValuesParser::new(DataClass::ALL.map(DataClass::as_str))
}

/// The words of the lawful bases that there are.
fn bases() -> PossibleValuesParser {
    PossibleValuesParser::new(LawfulBasis::ALL.map(LawfulBasis::as_str))
}

/// A version to store.
#[derive(Args)]
pub struct Put {
    /// The data set
    dataset: String,
    /// The file, a directory of files, https://…, or s3://BUCKET/NAME with the environment of S3's clients
    file: String,
    /// How rows are written; by default as the name says. `none`: bytes that nobody reads
    #[arg(long, value_parser = ["csv", "jsonl", "parquet", "arrow", "none"])]
    form: Option<String>,
    /// Name of the version, never used twice
    #[arg(long)]
    version: String,
    /// The column, or the member of each JSON object, with an identifier of whom a row is about; in every form
    #[arg(long, value_name = "COLUMN", requires = "subject_scope")]
    subject_column: Option<String>,
    /// The kind of that identifier, as elsewhere here, such as email
    #[arg(long, value_name = "SCOPE", requires = "subject_column")]
    subject_scope: Option<String>,
    /// Rows are about nobody in particular: no erasure finds anybody in them
    #[arg(long, conflicts_with = "subject_column")]
    no_subjects: bool,
}

/// Two versions.
#[derive(Args)]
pub struct Diff {
    /// The first, as NAME@VERSION
    from: String,
    /// The second, of the same data set
    to: String,
    /// A column that tells rows apart; several together when given several times
    #[arg(long, value_name = "COLUMN")]
    key: Vec<String>,
    /// The region that the answer goes to, where a rule says where data of its class may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
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
    /// The region that it goes to, where a rule says where data of its class may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
    /// The run that reads it, a UUID: what that makes is then known to have learned from it
    #[arg(long)]
    run: Option<String>,
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
        let answer = connect.asked(async |client| self.ask(client, json, connect).await).await?;
        match (json, self) {
            (true, Self::Check(_)) => output::json(&answer).and_then(|()| super::checks::passed(&answer)),
            (false, Self::Check(_)) => {
                output::text(super::checks::told(&answer)).and_then(|()| super::checks::passed(&answer))
            }
            (false, Self::Profile(wish)) => output::text(wish.told(&answer)),
            (false, Self::ReportChecks(_)) => output::text(super::outside::told(&answer)),
            (false, Self::Rows(wish)) => output::text(wish.told(&answer)),
            (false, Self::Release(wish)) => output::text(wish.told()),
            (true, Self::List) => output::json(&answer["datasets"]),
            (true, Self::Put(_)) => output::json(&answer).and_then(|()| super::checks::let_in(&answer)),
            (true, _) => output::json(&answer),
            (false, Self::Declare(wish)) => output::line(format!("declared: {}", wish.dataset)),
            (false, Self::Retire { dataset }) => output::line(format!("retired: {dataset}")),
            (false, Self::Put(wish)) => {
                let one = |one: &Value| output::text(wish.told(one) + "\n" + &super::checks::arrived(one));
                let said = match answer["versions"].as_array() {
                    Some(several) => several.iter().try_for_each(one),
                    None => one(&answer),
                };
                said.and_then(|()| super::checks::let_in(&answer))
            }
            (false, Self::Diff(_)) => output::text(content::compared(&answer)),
            (false, Self::Get(wish)) => {
                output::line(format!("written: {}, {} bytes", wish.output.display(), answer["bytes"]))
            }
            (false, Self::Verify { dataset, version }) => {
                let (bytes, object) = (&answer["bytes"], word(&answer, "object"));
                output::line(format!("whole: {dataset} version {version}, {bytes} bytes in object {object}"))
            }
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Aside) => output::text(aside(&answer)),
            (false, Self::Show { .. }) => output::text(described(&answer)),
            (false, Self::Destroy(wish)) => {
                let object = word(&answer["events"][0]["body"], "object");
                output::line(format!(
                    "destroyed: {} version {}, which lay in object {object}",
                    wish.dataset, wish.version
                ))
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

    async fn ask(&self, client: &Client, json: bool, connect: &Connect) -> Result<Value, Failure> {
        match self {
            Self::Declare(wish) => {
                let command = json!({"command": "dataset.declare", "body": wish.body()});
                client.json(Method::POST, "/api/v1/commands", Some(&command)).await
            }
            Self::Retire { dataset } => {
                let command = json!({"command": "dataset.retire", "body": {"dataset": dataset}});
                client.json(Method::POST, "/api/v1/commands", Some(&command)).await
            }
            Self::Check(wish) => wish.ask(client).await,
            Self::Profile(wish) => wish.ask(client).await,
            Self::ReportChecks(wish) => wish.ask(client).await,
            Self::Rows(wish) => wish.ask(client).await,
            Self::Release(wish) => wish.ask(client).await,
            Self::Put(wish) => wish.put(client, json, connect).await,
            Self::Diff(wish) => client.json(Method::GET, &wish.path()?, None).await,
            Self::Get(wish) => wish.get(client).await,
            Self::Verify { dataset, version } => verified(client, dataset, version).await,
            Self::List => client.json(Method::GET, "/api/v1/datasets", None).await,
            Self::Aside => client.json(Method::GET, "/api/v1/objects/aside", None).await,
            Self::Show { dataset } => client.json(Method::GET, &at(&[dataset]), None).await,
            Self::Destroy(wish) => {
                let path = at(&[&wish.dataset, "versions", &wish.version, "destroy"]);
                client.json(Method::POST, &path, Some(&json!({"reference": wish.reference}))).await
            }
            Self::Scan(_) | Self::Fields(_) | Self::Findings(_) | Self::View(_) | Self::Views(_) => Ok(Value::Null),
        }
    }
}

/// What lies aside, for people.
fn aside(answer: &Value) -> String {
    let objects = answer["objects"].as_array().map_or(&[][..], Vec::as_slice);
    let line = |one: &Value| {
        let until = output::time(one["until"].as_i64().unwrap_or(0));
        let class = one["class"].as_str().unwrap_or("unknown");
        format!("{}  {class}  {} bytes, destroyed at {until}\n", word(one, "object"), one["bytes"])
    };
    match objects.is_empty() {
        true => "nothing lies aside\n".to_owned(),
        false => objects.iter().map(line).collect(),
    }
}

impl Declare {
    fn body(&self) -> Value {
        let mut spec = json!({
            "class": self.class, "owner": self.owner, "source": self.source,
            "licence": self.licence, "purposes": self.purposes,
        });
        if let Some(basis) = &self.lawful_basis {
            spec["lawful_basis"] = json!(basis);
        }
        if let Some(region) = &self.region {
            spec["region"] = json!(region);
        }
        if let Some(country) = &self.subject_country {
            spec["subject_country"] = json!(country);
        }
        json!({"dataset": self.dataset, "spec": spec})
    }
}

impl Put {
    async fn put(&self, client: &Client, json: bool, connect: &Connect) -> Result<Value, Failure> {
        let sources = content::sources(&self.file, connect).await?;
        let numbered = sources.len() > 1;
        let mut answers = Vec::with_capacity(sources.len());
        for (number, source) in (1..).zip(sources) {
            let version = if numbered { format!("{}-{number}", self.version) } else { self.version.clone() };
            let path = self.path(&version, &source)?;
            let pieces = content::with_progress(source, format!("{} {version}", self.dataset), json);
            let answer = client.upload(&path, pieces).await;
            content::cleared(json);
            let parsed = serde_json::from_slice(&answer?.body);
            let answer: Value = parsed.map_err(|e| Failure::io(format!("{path}: the answer is not JSON: {e}")))?;
            answers.push(answer);
        }
        match numbered {
            true => Ok(json!({"dataset": self.dataset, "versions": answers})),
            false => Ok(answers.pop().unwrap_or_default()),
        }
    }

    /// Where a version is put, with how its rows are written and whom they are about.
    fn path(&self, version: &str, source: &content::Source) -> Result<String, Failure> {
        let form = match self.form.as_deref() {
            Some("none") => None,
            Some(form) => Some(form),
            None => Form::of_name(&source.name).map(Form::as_str),
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(form) = form {
            query.append_pair("form", form);
        }
        if let (Some(column), Some(scope)) = (&self.subject_column, &self.subject_scope) {
            if form.is_none() {
                let message =
                    format!("{}: say how rows are written with --form, to say whom they are about", source.name);
                return Err(Failure::usage(message));
            }
            query.append_pair("column", column).append_pair("scope", scope);
        } else if self.no_subjects {
            query.append_pair("subjects", "none");
        }
        let (path, query) = (at(&[&self.dataset, "versions", version]), query.finish());
        Ok(if query.is_empty() { path } else { format!("{path}?{query}") })
    }

    /// What became of it, in a line.
    fn told(&self, answer: &Value) -> String {
        let (name, version) = (&self.dataset, word(answer, "version"));
        if answer["known"] == true {
            return format!("known: {name} version {version} has the same bytes, and nothing was stored");
        }
        let (bytes, key) = (&answer["stored"]["bytes"], word(&answer["stored"], "key"));
        let read = match answer["content"].as_object() {
            Some(content) => format!(", {} rows of {} columns", content["rows"], content["width"]),
            None => String::new(),
        };
        format!("stored: {name} version {version}, {bytes} bytes{read} under {key}")
    }
}

impl Diff {
    fn path(&self) -> Result<String, Failure> {
        let named = |text: &str| text.split_once('@').map(|(name, version)| (name.to_owned(), version.to_owned()));
        let wrong = || Failure::usage("two versions of one data set are named as NAME@VERSION NAME@VERSION");
        let ((from, before), (to, after)) = named(&self.from).zip(named(&self.to)).ok_or_else(wrong)?;
        if from != to {
            return Err(wrong());
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &before).append_pair("to", &after);
        if !self.key.is_empty() {
            query.append_pair("key", &self.key.join(","));
        }
        Ok(bound_for(&format!("{}?{}", at(&[&from, "diff"]), query.finish()), self.to_region.as_deref()))
    }
}

impl Get {
    async fn get(&self, client: &Client) -> Result<Value, Failure> {
        let mut path = at(&[&self.dataset, "versions", &self.version]);
        if let Some(run) = &self.run {
            path = asking(&path, "run", run);
        }
        let path = bound_for(&path, self.to_region.as_deref());
        let bytes = match into_file(client, &path, &self.output).await {
            // What is wrong behind what was read ahead cannot be said in an answer that has begun: ask for it.
            Err(broken) if broken.kind == BROKEN_OFF => {
                let why = verified(client, &self.dataset, &self.version).await.err();
                return Err(why.filter(is_unreadable).unwrap_or(broken));
            }
            came => came?,
        };
        Ok(json!({"dataset": self.dataset, "version": self.version, "bytes": bytes, "output": self.output}))
    }
}

/// Whether a version is whole.
async fn verified(client: &Client, dataset: &str, version: &str) -> Result<Value, Failure> {
    client.json(Method::GET, &at(&[dataset, "versions", version, "verify"]), None).await
}

/// Whether a failure says of an object that it does not open: another one explains nothing of an answer that broke off.
fn is_unreadable(failure: &Failure) -> bool {
    [RefusalCode::Conflict, RefusalCode::Expired].iter().any(|code| code.as_str() == failure.kind)
}

/// The same address with one more question.
pub(super) fn asking(path: &str, name: &str, value: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

/// The same address with where what is read goes.
pub(super) fn bound_for(path: &str, region: Option<&str>) -> String {
    region.map_or_else(|| path.to_owned(), |region| asking(path, "to_region", region))
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
        let read = match version["content"].as_object() {
            Some(content) => {
                let form = content["form"].as_str().unwrap_or_default();
                format!("{form}, {} rows of {} columns, ", content["rows"], content["width"])
            }
            None => String::new(),
        };
        text += &format!("{name:<16} {at}  {read}{} bytes  {}\n", stored["bytes"], word(stored, "key"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_why_a_version_was_not_verified_when_an_answer_broke_off_then_only_an_object_that_does_not_open_explains_it()
     {
        let explains = |code: &str| is_unreadable(&Failure::refused(code, "why"));
        assert!(explains("conflict") && explains("expired"));
        assert!(!["forbidden", "not_found", "unavailable", "503"].into_iter().any(explains));
        assert!(!is_unreadable(&Failure::unreachable("the server is away")));
    }
}
