//! `counterfoil tokens`: scopes, tokens of values and back, whole files of them, and placeholders for prompts.
//!
//! Values are read from files or standard input, never from the command line, which other users of a machine can see.

mod bulk;
mod files;

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What is said of a scope that erasure cannot reach.
pub(super) const FF1_WARNING: &str = "tokens by ff1 can be turned back by whoever has the scope's key, and erasing a person does not end \
                           them; a token may be somebody's genuine number";

/// What stands in the place of values.
#[derive(Subcommand)]
pub enum Tokens {
    /// Scopes: where the same value has the same token, and for what tokens are turned back
    #[command(subcommand)]
    Scope(Scope),
    /// Make tokens of values, one a line
    Tokenize(Tokenize),
    /// Turn tokens back, one a line; say why with --purpose
    Detokenize(Detokenize),
    /// Replace a column of a CSV or Parquet file by tokens, or back
    Bulk(bulk::Bulk),
    /// Put placeholders such as PERSON_1 in brackets in the place of values in a text; nothing is sent or kept
    Placeholder(Placeholder),
    /// Put the values of a map of `tokens placeholder` back into a text
    Restore(Restore),
}

/// Scopes of tokens.
#[derive(Subcommand)]
pub enum Scope {
    /// Declare a scope, or change for what its tokens are turned back
    Declare(Declare),
    /// List scopes and how many tokens the vault keeps of each
    List,
    /// Give a scope no more tokens; those that there are can be turned back as before
    Retire {
        /// Its name
        scope: String,
    },
}

/// A scope.
#[derive(Args)]
pub struct Declare {
    /// Its name
    scope: String,
    /// Class of its values
    #[arg(long, default_value = "personal")]
    class: String,
    /// How its tokens are made
    #[arg(long, value_enum, default_value = "vaulted")]
    method: How,
    /// What its values are
    #[arg(long, value_enum, default_value = "text")]
    kind: Kind,
    /// For what its tokens may be turned back: purposes by commas; none means never
    #[arg(long, value_delimiter = ',')]
    reveal_for: Vec<String>,
    /// Each value is a person's, who is named with it and whose erasure ends its token
    #[arg(long)]
    per_subject: bool,
}

/// How tokens are made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// Random tokens; values are sealed in the vault
    Vaulted,
    /// Other numbers of the same form; nothing is stored, and erasure does not reach them
    Ff1,
}

/// What values are.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Any text
    Text,
    /// Numbers of payment cards
    Card,
    /// Telephone numbers
    Phone,
    /// Australian tax file numbers
    Tfn,
    /// Australian Medicare numbers
    Medicare,
}

/// Values, one a line.
#[derive(Args)]
pub struct Tokenize {
    /// The scope
    scope: String,
    /// File with the values; standard input when left out
    #[arg(long)]
    file: Option<PathBuf>,
    /// File with whose each value is, one a line, for a scope that tells subjects apart
    #[arg(long, requires = "service")]
    subjects: Option<PathBuf>,
    /// The service that knows them so
    #[arg(long)]
    service: Option<String>,
    /// What else a token by ff1 is bound to, such as a column's name; give the same to turn it back
    #[arg(long, default_value = "")]
    tweak: String,
}

/// Tokens, one a line.
#[derive(Args)]
pub struct Detokenize {
    /// The scope
    scope: String,
    /// File with the tokens; standard input when left out
    #[arg(long)]
    file: Option<PathBuf>,
    /// What else the tokens were bound to
    #[arg(long, default_value = "")]
    tweak: String,
}

/// A text, and what is to go from it.
#[derive(Args)]
pub struct Placeholder {
    /// File with the text; standard input when left out
    #[arg(long)]
    file: Option<PathBuf>,
    /// File with values, one a line as `KIND=VALUE`, such as `person=Anna Lee`
    #[arg(long)]
    values: Option<PathBuf>,
    /// What to find by its form, by commas: card, email, phone, tfn, medicare
    #[arg(long, value_delimiter = ',')]
    detect: Vec<String>,
}

/// A text with placeholders, and their map.
#[derive(Args)]
pub struct Restore {
    /// File with what `tokens placeholder` printed
    #[arg(long)]
    map: PathBuf,
    /// File with the text; standard input when left out
    #[arg(long)]
    file: Option<PathBuf>,
}

impl Tokens {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Scope(scope) => scope.run(json, connect).await,
            Self::Tokenize(wish) => {
                let values = lines(&read(wish.file.as_ref())?);
                let subjects =
                    wish.subjects.as_ref().map(|file| read(Some(file)).map(|text| lines(&text))).transpose()?;
                let mut body = json!({"values": values, "column": wish.tweak});
                if let Some(subjects) = subjects {
                    (body["subjects"], body["service"]) = (json!(subjects), json!(wish.service));
                }
                say(json, connect, &format!("/api/v1/tokens/{}/tokenize", wish.scope), &body, "tokens").await
            }
            Self::Detokenize(wish) => {
                let body = json!({"tokens": lines(&read(wish.file.as_ref())?), "column": wish.tweak});
                say(json, connect, &format!("/api/v1/tokens/{}/detokenize", wish.scope), &body, "values").await
            }
            Self::Bulk(bulk) => bulk.run(json, connect).await,
            Self::Placeholder(wish) => wish.run(),
            Self::Restore(wish) => wish.run(json),
        }
    }
}

impl Scope {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (command, said) = match self {
            Self::List => return list(json, connect).await,
            Self::Declare(wish) => (json!({"command": "token.scope.declare", "body": wish.body()}), "declared"),
            Self::Retire { scope } => (json!({"command": "token.scope.retire", "body": {"scope": scope}}), "retired"),
        };
        if let Self::Declare(Declare { method: How::Ff1, .. }) = self {
            output::note(FF1_WARNING);
        }
        let client = connect.open().await?;
        let done = client.json(Method::POST, "/api/v1/commands", Some(&command)).await?;
        client.close().await?;
        match json {
            true => output::json(&done),
            false => output::line(format!("{said}: {}", command["body"]["scope"].as_str().unwrap_or_default())),
        }
    }
}

impl Declare {
    fn body(&self) -> Value {
        let word = |value: clap::builder::PossibleValue| value.get_name().to_owned();
        let mut purposes = self.reveal_for.clone();
        purposes.sort_unstable();
        purposes.dedup();
        json!({"scope": self.scope, "spec": {
            "method": self.method.to_possible_value().map(word),
            "kind": self.kind.to_possible_value().map(word),
            "class": self.class,
            "purposes": purposes,
            "per_subject": self.per_subject,
        }})
    }
}

async fn list(json: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::GET, "/api/v1/tokens", None).await?;
    client.close().await?;
    if json {
        return output::json(&answer);
    }
    for one in answer["scopes"].as_array().into_iter().flatten() {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &one["spec"];
        let purposes: Vec<String> = spec["purposes"].as_array().into_iter().flatten().map(word).collect();
        let (live, erased) = (&one["tokens"]["live"], &one["tokens"]["erased"]);
        let counted =
            if spec["method"] == "ff1" { "not stored".to_owned() } else { format!("{live} live, {erased} erased") };
        output::line(format!(
            "{}  {} {}  class {}{}  {counted}  turned back for {}{}",
            word(&one["scope"]),
            word(&spec["method"]),
            word(&spec["kind"]),
            word(&spec["class"]),
            if spec["per_subject"] == true { "  per subject" } else { "" },
            if purposes.is_empty() { "nothing".to_owned() } else { purposes.join(", ") },
            if one["retired"] == true { "  retired" } else { "" },
        ))?;
    }
    Ok(())
}

/// Sends a request and prints the list that it is answered with, one a line.
async fn say(json: bool, connect: &Connect, path: &str, body: &Value, member: &str) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::POST, path, Some(body)).await?;
    client.close().await?;
    if json {
        return output::json(&answer);
    }
    for one in answer[member].as_array().into_iter().flatten() {
        output::line(one.as_str().unwrap_or_default())?;
    }
    match answer["erased"].as_u64() {
        Some(erased) if erased > 0 => {
            output::note(&format!("{erased} stand for nothing any more, because their subject was erased"));
        }
        _ => {}
    }
    Ok(())
}

impl Placeholder {
    fn run(&self) -> Result<(), Failure> {
        let text = read(self.file.as_ref())?;
        let given = self.values.as_ref().map(|file| read(Some(file))).transpose()?.unwrap_or_default();
        let values = lines(&given).into_iter().enumerate().map(|(at, line)| match line.split_once('=') {
            Some((kind, value)) => Ok((kind.trim().to_owned(), value.to_owned())),
            None => Err(Failure::usage(format!("line {} of the values is not `KIND=VALUE`", at + 1))),
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let kinds = self.detect.iter().map(|name| {
            let known = scan::personal::Kind::ALL.map(scan::personal::Kind::as_str).join(", ");
            scan::personal::Kind::find(name)
                .ok_or_else(|| Failure::usage(format!("nothing detects `{name}`: name some of {known}")))
        });
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let placed = scan::placeholders::place(&text, &values, &kinds).map_err(Failure::usage)?;
        output::json(&json!({"text": placed.text, "map": placed.map}))
    }
}

impl Restore {
    fn run(&self, json: bool) -> Result<(), Failure> {
        let map: Value = serde_json::from_str(&output::read(&self.map)?)
            .map_err(|e| Failure::usage(format!("{}: {e}", self.map.display())))?;
        let map = serde_json::from_value(map["map"].clone())
            .map_err(|_| Failure::usage(format!("{} is not what `tokens placeholder` printed", self.map.display())))?;
        let text = scan::placeholders::restore(&read(self.file.as_ref())?, &map);
        if json { output::json(&json!({ "text": text })) } else { output::text(text) }
    }
}

/// A file, or standard input.
pub(super) fn read(file: Option<&PathBuf>) -> Result<String, Failure> {
    let Some(file) = file else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    };
    output::read(file)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}
