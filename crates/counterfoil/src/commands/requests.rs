//! `counterfoil requests`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with requests of people about what is held of them.
#[derive(Subcommand)]
pub enum Requests {
    /// Take a request in; by what the person may be known is read from a file or standard input, one on each line
    Receive(Receive),
    /// Say who asks, and how that was checked
    Identity(Identity),
    /// Look for everything that is held of whoever asks
    Search(Named),
    /// Say what an erasure means for a model version
    Assess(Assess),
    /// Ask two others to approve an erasure
    Ask(Ask),
    /// Carry an erasure out that was approved; what is forgotten does not come back
    Execute(Named),
    /// Show how a request stands
    Status(Named),
    /// Show what whoever asked wrote; that leaves a record
    Text(Named),
    /// Write what is held of whoever asks into a ZIP file, opened, for them; that leaves a record
    Export(Output),
    /// Write the certificate of an erasure, with the proofs of its steps
    Certificate(Certificate),
    /// Close a request
    Close(Close),
    /// List requests, the most urgent first
    List,
}

/// A request.
#[derive(Args)]
pub struct Named {
    /// Its identifier, such as q_0123456789abcdef
    request: String,
}

/// A request as it comes in.
#[derive(Args)]
pub struct Receive {
    /// What they ask for
    #[arg(long, value_enum)]
    kind: Kind,
    /// How it came in
    #[arg(long, value_enum, default_value = "staff")]
    channel: Channel,
    /// File with what they may be known by, one on each line: addresses and numbers as they are, anything else as `[PLACE]
    /// VALUE` with the service or scope where it is theirs, `[people]`, or `[any]`; `-` for standard input
    #[arg(long, short, default_value = "-")]
    file: PathBuf,
    /// File with where to answer
    #[arg(long, value_name = "FILE")]
    contact: Option<PathBuf>,
    /// When it was received, such as 2026-11-22T20:54:00Z; now when left out
    #[arg(long, value_name = "TIME", value_parser = output::parse_time)]
    received: Option<i64>,
    /// Until when it must be answered: a length of time from its receipt such as 20d, or a date; 30 days when left out
    #[arg(long)]
    due: Option<String>,
}

/// What is asked for.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// To see what is held
    Access,
    /// To have it put right
    Correction,
    /// To have it forgotten
    Erasure,
    /// To have a decision that was made without people explained
    AdmExplanation,
    /// To have such a decision reviewed by a person
    AdmReview,
}

/// How a request came in.
#[derive(Clone, Copy, ValueEnum)]
pub enum Channel {
    /// Through somebody who works here
    Staff,
    /// By electronic mail
    Email,
    /// By telephone
    Phone,
    /// By post
    Post,
    /// Through a form on the web
    Web,
    /// Through a program
    Api,
}

/// Who asks.
#[derive(Args)]
pub struct Identity {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// How it was checked
    #[arg(long, value_enum)]
    method: How,
    /// It could not be confirmed
    #[arg(long)]
    failed: bool,
    /// Where that is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
}

/// How it was checked who asks.
#[derive(Clone, Copy, ValueEnum)]
pub enum How {
    /// They signed in to their account
    Account,
    /// A document was shown
    Document,
    /// They were reached at an address that was known before
    Callback,
    /// They knew what only they could
    Questions,
    /// In person
    InPerson,
}

/// What an erasure means for a model version.
#[derive(Args)]
pub struct Assess {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// The model and its version, such as credit-risk/1
    #[arg(long, value_name = "MODEL/VERSION")]
    model: String,
    /// What is known
    #[arg(long, value_enum)]
    assessment: Known,
    /// What is done about it
    #[arg(long, value_enum)]
    action: Action,
    /// Where the reason, or the method and its test, is written down; never a name
    #[arg(long)]
    reference: String,
}

/// What is known of a model and the person's data.
#[derive(Clone, Copy, ValueEnum)]
pub enum Known {
    /// It was trained on them
    Trained,
    /// It was not
    NotTrained,
    /// That cannot be found out any more
    Unknown,
}

/// What is done about a model.
#[derive(Clone, Copy, ValueEnum)]
pub enum Action {
    /// It is trained anew without them
    Retrain,
    /// Their influence is removed
    Unlearn,
    /// What it could say of them is held back
    Filter,
    /// It stays, for a reason
    Keep,
}

/// What to ask for.
#[derive(Args)]
pub struct Ask {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// Where the reason is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
}

/// Where to write something.
#[derive(Args)]
pub struct Output {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// The file to write
    #[arg(long, short)]
    output: PathBuf,
    /// Leave out so many inferences: where there are more than one archive takes, it says where the next part begins
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The region that it goes to, where a rule says where data of the class of a data set in it may be
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
}

/// Which form of a certificate to write where.
#[derive(Args)]
pub struct Certificate {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// The file to write; without it, to standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// For people to read and file, without the proofs
    #[arg(long, requires = "output")]
    pdf: bool,
}

/// How a request ends.
#[derive(Args)]
pub struct Close {
    /// The request's identifier, such as q_0123456789abcdef
    request: String,
    /// How it ends
    #[arg(long, value_enum)]
    outcome: Outcome,
    /// Why it is refused
    #[arg(long, value_enum, required_if_eq("outcome", "refused"))]
    reason: Option<Why>,
    /// Where the answer is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
    /// When whoever asked was told, such as 2026-11-22T20:54:00Z; now when left out
    #[arg(long, value_name = "TIME", value_parser = output::parse_time)]
    notified: Option<i64>,
}

/// How a request ends.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Outcome {
    /// What was asked for was done
    Done,
    /// It was not, for a reason
    Refused,
    /// Whoever asked took it back
    Withdrawn,
}

/// Why a request is refused.
#[derive(Clone, Copy, ValueEnum)]
pub enum Why {
    /// It could not be confirmed who asks
    IdentityNotConfirmed,
    /// The law says that it must be kept
    LegalObligation,
    /// It is needed for a claim, or under a legal hold
    LegalClaims,
    /// It would tell about others
    RightsOfOthers,
    /// It has no ground, or is one of too many
    Unfounded,
    /// Nothing is held
    NothingHeld,
}

/// The ledger's word for a value: as it is typed, with underscores.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().replace('-', "_")).unwrap_or_default()
}

impl Requests {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let on = |request: &str, what: &str| format!("/api/v1/requests/{request}{what}");
        let (method, path, body) = match self {
            Self::Export(wish) => {
                let path = on(&wish.request, &format!("/export?from={}", wish.from));
                let path = super::data::bound_for(&path, wish.to_region.as_deref());
                return written(json, connect, &path, &wish.output).await;
            }
            Self::Certificate(wish) => {
                let path = on(&wish.request, if wish.pdf { "/certificate.pdf" } else { "/certificate" });
                return match &wish.output {
                    Some(file) => written(json, connect, &path, file).await,
                    None => output::bytes(&fetched(connect, &path).await?),
                };
            }
            Self::List => (Method::GET, "/api/v1/requests".to_owned(), None),
            Self::Receive(wish) => (Method::POST, "/api/v1/requests".to_owned(), Some(wish.body()?)),
            Self::Status(named) => (Method::GET, on(&named.request, ""), None),
            Self::Text(named) => (Method::GET, on(&named.request, "/text"), None),
            Self::Search(named) => (Method::POST, on(&named.request, "/search"), None),
            Self::Execute(named) => (Method::POST, on(&named.request, "/execute"), None),
            Self::Identity(said) => {
                let result = if said.failed { "failed" } else { "confirmed" };
                let body = json!({"method": word(&said.method), "result": result, "reference": said.reference});
                (Method::POST, on(&said.request, "/identity"), Some(body))
            }
            Self::Assess(said) => {
                let (model, version) = said.model.split_once('/').ok_or_else(|| {
                    Failure::usage(format!("`{}` is no model version: write MODEL/VERSION", said.model))
                })?;
                let body = json!({
                    "model": model, "version": version, "assessment": word(&said.assessment),
                    "action": word(&said.action), "reference": said.reference,
                });
                (Method::POST, on(&said.request, "/assess"), Some(body))
            }
            Self::Ask(wish) => {
                (Method::POST, on(&wish.request, "/approval"), Some(json!({"reference": wish.reference})))
            }
            Self::Close(said) => {
                let told = said.notified.or_else(|| Some(chrono::Utc::now().timestamp_millis()));
                let reason = said.reason.as_ref().map(word);
                let body = json!({
                    "outcome": word(&said.outcome), "reason_code": reason, "reference": said.reference,
                    "notified_at": told.filter(|_| said.outcome != Outcome::Withdrawn),
                });
                (Method::POST, on(&said.request, "/close"), Some(body))
            }
        };
        let client = connect.open().await?;
        let answer = client.json(method, &path, body.as_ref()).await?;
        client.close().await?;
        match (json, self) {
            (true, _) => output::json(&answer),
            (false, Self::List) => output::text(listed(&answer)),
            (false, Self::Receive(_)) => {
                let known = answer["known_by"].as_u64().unwrap_or(0);
                output::line(format!("received: {}, known by {known} references", text(&answer, "request")))
            }
            (false, Self::Ask(_)) => output::line(format!("asked for: {}", text(&answer, "approval"))),
            (false, Self::Text(_)) => output::text(told(&answer)),
            (false, _) => output::text(shown(&answer)),
        }
    }
}

impl Receive {
    fn body(&self) -> Result<Value, Failure> {
        let lines = output::read(&self.file)?;
        let identifiers: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let contact = self.contact.as_deref().map(output::read).transpose()?.unwrap_or_default();
        // The time to answer runs from the receipt, whenever it is written down.
        let due_at = self.due.as_deref().map(|due| match (output::parse_duration(due), self.received) {
            (Ok(length), Some(received)) => Ok(received.saturating_add(length)),
            _ => output::in_future(due),
        });
        Ok(json!({
            "kind": word(&self.kind), "channel": word(&self.channel), "identifiers": identifiers,
            "contact": contact.trim(), "received_at": self.received, "due_at": due_at.transpose()?,
        }))
    }
}

async fn fetched(connect: &Connect, path: &str) -> Result<bytes::Bytes, Failure> {
    let client = connect.open().await?;
    let answer = client.send(Method::GET, path, "application/json", vec![]).await?;
    client.close().await?;
    Ok(answer.body)
}

/// Writes an answer to a file that only its owner can read, and that was not there.
async fn written(json: bool, connect: &Connect, path: &str, file: &std::path::Path) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let body = fetched(connect, path).await?;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let put = opened.and_then(|mut opened| opened.write_all(&body));
    put.map_err(|e| Failure::io(format!("`{}` was not written: {e}", file.display())))?;
    match json {
        true => output::json(&json!({"file": file.display().to_string(), "bytes": body.len()})),
        false => output::line(format!("written: {}", file.display())),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn listed(answer: &Value) -> String {
    let requests: Vec<&Value> = answer["requests"].as_array().into_iter().flatten().collect();
    let line = |one: &&Value| {
        let (received, late) = (&one["received"], if one["late"] == true { "late" } else { "" });
        format!(
            "{}  {:<15} due {}  {:<4} {}\n",
            text(one, "request"),
            text(received, "kind"),
            received["due_at"].as_i64().map(output::time).unwrap_or_default(),
            late,
            text(one, "standing"),
        )
    };
    match requests.is_empty() {
        true => "nobody has asked\n".to_owned(),
        false => requests.iter().map(line).collect(),
    }
}

fn told(answer: &Value) -> String {
    let written = &answer["text"];
    if written.is_null() {
        return "what was written is forgotten\n".to_owned();
    }
    let known = written["identifiers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known: String = known.map(|one| format!("known by   {one}\n")).collect();
    format!("{known}answer to  {}\n", text(written, "contact"))
}

fn shown(answer: &Value) -> String {
    let received = &answer["received"];
    let time = |value: &Value| value.as_i64().map(output::time).unwrap_or_default();
    let mut said =
        format!("{} for {}: {}\n", text(answer, "request"), text(received, "kind"), text(answer, "standing"));
    said += &format!("received   {}\ndue        {}", time(&received["received_at"]), time(&received["due_at"]));
    said += if answer["late"] == true { ", which is past\n" } else { "\n" };
    said += &format!("identity   {}\n", answer["identity"].as_str().unwrap_or("not checked"));
    for (place, count) in answer["searched"]["counts"].as_object().into_iter().flatten() {
        said += &format!("held       {place}: {count}\n");
    }
    for model in answer["unassessed"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        said += &format!("to assess  {model}\n");
    }
    for step in answer["steps"].as_array().into_iter().flatten() {
        said += &format!("done       {} at {}\n", text(step, "step"), time(&step["at"]));
    }
    said
}
