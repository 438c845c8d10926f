//! `counterfoil detectors`: what is looked for in data, prompts and answers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::retention::say;
use super::tokens::read;
use crate::client::Connect;
use crate::output::{self, Failure};

/// Detectors: those that are built in, and your own.
#[derive(Subcommand)]
pub enum Detectors {
    /// List your own, and the kinds that are built in
    List,
    /// Declare one of your own, or change it: a pattern or words, which stand in the ledger and must be nobody's data
    Declare(Box<Declare>),
    /// Have one of your own look at nothing more
    Retire {
        /// Its name
        detector: String,
    },
    /// Say what all of them find in a text, which is kept nowhere
    Try(Try),
}

/// A detector.
#[derive(Args)]
pub struct Declare {
    /// Its name, and that of the kind it finds, such as staff_number
    detector: String,
    /// The class of what it finds
    #[arg(long, value_parser = super::data::classes())]
    class: String,
    /// A regular expression, as in SQL; how long a match may be must be bounded
    #[arg(long, required_unless_present = "words", conflicts_with = "words")]
    pattern: Option<String>,
    /// A file with words, one a line
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// A word that speaks for it when it stands beside a match; give it once for each
    #[arg(long, value_name = "WORD")]
    context: Vec<String>,
    /// The name of a column that holds what it finds; give it once for each
    #[arg(long = "column", value_name = "NAME")]
    columns: Vec<String>,
    /// How sure a match is by itself, in thousandths: 500 masks, 900 blocks, and a word beside or a column adds to it
    #[arg(long, default_value_t = ::scan::detect::SURE)]
    score: u16,
    /// A text in which it must find something; give it once for each
    #[arg(long = "example", value_name = "TEXT")]
    examples: Vec<String>,
    /// A text in which it must find nothing; give it once for each
    #[arg(long = "near-miss", value_name = "TEXT")]
    near_misses: Vec<String>,
}

/// A text to try them on.
#[derive(Args)]
pub struct Try {
    /// File with the text; standard input when it is left out
    file: Option<PathBuf>,
    /// The column that it stands in, if it is a cell
    #[arg(long)]
    column: Option<String>,
}

impl Detectors {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::List => list(json, connect).await,
            Self::Declare(wish) => {
                let path = format!("/api/v1/detectors/{}", wish.detector);
                let spec = wish.spec()?;
                say(json, connect, Method::PUT, &path, Some(&spec), &format!("declared: {}", wish.detector)).await
            }
            Self::Retire { detector } => {
                let path = format!("/api/v1/detectors/{detector}");
                say(json, connect, Method::DELETE, &path, None, &format!("retired: {detector}")).await
            }
            Self::Try(wish) => wish.run(json, connect).await,
        }
    }
}

impl Declare {
    fn spec(&self) -> Result<Value, Failure> {
        let mut spec = json!({"class": self.class, "score_permille": self.score});
        if let Some(pattern) = &self.pattern {
            spec["pattern"] = json!(pattern);
        }
        if let Some(file) = &self.words {
            let text = read(Some(file))?;
            let words = text.lines().map(str::trim).filter(|word| !word.is_empty());
            spec["words"] = json!(words.collect::<Vec<_>>());
        }
        for (name, texts) in [
            ("context", &self.context),
            ("columns", &self.columns),
            ("examples", &self.examples),
            ("near_misses", &self.near_misses),
        ] {
            if !texts.is_empty() {
                spec[name] = json!(texts);
            }
        }
        Ok(spec)
    }
}

impl Try {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let text = read(self.file.as_ref())?;
        let mut body = json!({"text": text});
        if let Some(column) = &self.column {
            body["column"] = json!(column);
        }
        let client = connect.open().await?;
        let answer = client.json(Method::POST, "/api/v1/detectors", Some(&body)).await?;
        client.close().await?;
        if json {
            return output::json(&answer);
        }
        let found = answer["found"].as_array().map(Vec::as_slice).unwrap_or_default();
        if found.is_empty() {
            return output::line("nothing was found");
        }
        for one in found {
            let at = |name: &str| one[name].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let line = text.get(..at("start")).map_or(1, |before| before.matches('\n').count() + 1);
            let value = text.get(at("start")..at("end")).unwrap_or_default().escape_debug();
            let score = at("score_permille");
            output::line(format!("line {line}  {}  {}  {score}  {value}", word("kind"), word("class")))?;
        }
        Ok(())
    }
}

async fn list(json: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    let answer = client.json(Method::GET, "/api/v1/detectors", None).await?;
    client.close().await?;
    if json {
        return output::json(&answer);
    }
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for one in answer["own"].as_array().into_iter().flatten() {
        let spec = &one["spec"];
        let finds = match (spec["pattern"].as_str(), spec["words"].as_array()) {
            (Some(pattern), _) => pattern.to_owned(),
            (None, words) => format!("{} words", words.map_or(0, Vec::len)),
        };
        let retired = if one["retired_at"].is_null() { "" } else { "  retired" };
        let (name, class, score) = (word(&one["detector"]), word(&spec["class"]), &spec["score_permille"]);
        output::line(format!("{name}  {class}  {score}  {finds}{retired}"))?;
    }
    let kinds = answer["built_in"].as_array().into_iter().flatten().map(|one| word(&one["detector"]));
    output::line(format!("built in: {}", kinds.collect::<Vec<_>>().join(", ")))
}
