//! `counterfoil sql`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// A question.
#[derive(Args)]
pub struct Sql {
    /// The query; `select * from tables` lists what there is
    query: String,
    /// Ask at a past ledger size, or at a time such as 2026-11-22T10:00:00Z
    #[arg(long)]
    at: Option<String>,
    /// Include records that are durable but not sealed yet; such an answer cannot be reproduced
    #[arg(long, conflicts_with = "at")]
    tail: bool,
    /// Ask an evidence package instead of a server
    #[arg(long)]
    package: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// File for the answer; standard output by default
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned text
    Table,
    /// Comma-separated values
    Csv,
    /// An array of objects
    Json,
    /// Apache Parquet
    Parquet,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }
}

impl Sql {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let format = if json && self.format == Format::Table { Format::Json } else { self.format };
        let bytes = match &self.package {
            Some(package) => self.ask_package(package, format).await?,
            None => {
                let mut body = json!({"query": self.query, "format": format.name(), "tail": self.tail});
                if let Some(at) = &self.at {
                    body["at"] = at_value(at)?;
                }
                ask(connect, &body).await?
            }
        };
        write(self.output.as_deref(), &bytes)
    }

    async fn ask_package(&self, package: &std::path::Path, format: Format) -> Result<Vec<u8>, Failure> {
        output::note("the package is taken at its word; `counterfoil verify` says whether it is whole");
        let database = assurance::package_database(package, query::Limits::default())
            .map_err(|e| Failure::io(format!("{}: {e}", package.display())))?;
        let at = match self.at.as_deref().map(at_value).transpose()? {
            None => query::At::Latest { tail: false },
            Some(Value::Number(size)) => query::At::Size(size.as_u64().unwrap_or(u64::MAX)),
            Some(time) => query::At::Time(output::parse_time(time.as_str().unwrap_or("")).map_err(Failure::usage)?),
        };
        let wrong = |e: query::QueryError| Failure::usage(e.to_string());
        let session = database.at(at).await.map_err(wrong)?;
        session.gone_since().iter().for_each(|gone| output::note(&gone.to_string()));
        let answer = session.sql(&self.query, None).await.map_err(wrong)?;
        match format {
            Format::Table => answer.to_table().map(String::into_bytes),
            Format::Csv => answer.to_csv(),
            Format::Json => answer.to_json(),
            Format::Parquet => answer.to_parquet(),
        }
        .map_err(wrong)
    }
}

/// Prints the answer to a query, as text or JSON.
pub async fn print(json: bool, connect: &Connect, query: &str) -> Result<(), Failure> {
    let format = if json { "json" } else { "table" };
    let bytes = ask(connect, &json!({"query": query, "format": format})).await?;
    write(None, &bytes)
}

async fn ask(connect: &Connect, body: &Value) -> Result<Vec<u8>, Failure> {
    let client = connect.open().await?;
    let text = body.to_string().into_bytes();
    let answer = client.send(Method::POST, "/api/v1/sql", "application/json", text).await?;
    client.close().await?;
    if let Some(gone) = &answer.gone {
        output::note(gone);
    }
    Ok(answer.body.to_vec())
}

/// A ledger size as a number, or a time as text.
pub fn at_value(at: &str) -> Result<Value, Failure> {
    if let Ok(size) = at.parse::<u64>() {
        return Ok(json!(size));
    }
    output::parse_time(at).map(|ms| json!(output::time(ms))).map_err(Failure::usage)
}

fn write(path: Option<&std::path::Path>, bytes: &[u8]) -> Result<(), Failure> {
    match path {
        Some(path) => std::fs::write(path, bytes).map_err(|e| Failure::io(format!("{}: {e}", path.display()))),
        None => {
            output::bytes(bytes)?;
            match !bytes.ends_with(b"\n") && std::str::from_utf8(bytes).is_ok() {
                true => output::text('\n'),
                false => Ok(()),
            }
        }
    }
}
