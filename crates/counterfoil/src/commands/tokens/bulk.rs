//! A whole column of a file at once. The file is read and written a batch at a time, so that memory does not grow with it;
//! the server makes the tokens, and knows which scope, how many and why.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::files;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// Most bytes of values in one request: well below what the server takes.
const MAX_BYTES: usize = 400 << 10;

/// A file and what to do with one of its columns.
#[derive(Args)]
pub struct Bulk {
    /// The file: .csv with a line of headings, or .parquet
    file: PathBuf,
    /// Where to write the result, in the same format
    #[arg(long, short)]
    out: PathBuf,
    /// The scope
    #[arg(long)]
    scope: String,
    /// The column
    #[arg(long)]
    column: String,
    /// Turn tokens back instead; say why with --purpose
    #[arg(long)]
    reveal: bool,
    /// The column that says whose each value is, for a scope that tells subjects apart
    #[arg(long, requires = "service")]
    subject_column: Option<String>,
    /// The service that knows them so
    #[arg(long)]
    service: Option<String>,
    /// What else tokens by ff1 are bound to; give the same to turn them back
    #[arg(long, default_value = "")]
    tweak: String,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    rows: u64,
    converted: u64,
    erased: u64,
}

impl Bulk {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let out = self.out.display();
        if self.out.exists() {
            return Err(Failure::usage(format!("`{out}` exists: remove it, or write somewhere else")));
        }
        if self.file.extension() != self.out.extension() {
            let message = format!("`{out}` ends otherwise than {}: this converts no formats", self.file.display());
            return Err(Failure::usage(message));
        }
        let mut partial = self.out.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let client = connect.open().await?;
        let written = self.convert(&client, &partial, !json && std::io::stderr().is_terminal()).await;
        client.close().await?;
        let done = match written {
            Ok(done) => done,
            Err(failure) => {
                // Half a file would be taken for the whole; that it cannot be removed is the smaller trouble.
                let _ = std::fs::remove_file(&partial);
                return Err(failure);
            }
        };
        std::fs::rename(&partial, &self.out).map_err(|e| Failure::io(format!("{out}: {e}")))?;
        if done.erased > 0 {
            output::note(&format!("{} are empty now, because their subject was erased", done.erased));
        }
        let Done { rows, converted, erased } = done;
        match json {
            true => output::json(&json!({"rows": rows, "converted": converted, "erased": erased})),
            false => output::line(format!("{rows} rows, {converted} values converted: {out}")),
        }
    }

    async fn convert(&self, client: &Client, partial: &Path, shows: bool) -> Result<Done, Failure> {
        // What is turned back is for whoever did it; tokens are for others.
        let mode = if self.reveal { 0o600 } else { 0o666 };
        let sink = File::options().write(true).create_new(true).mode(mode).open(partial);
        let sink = sink.map_err(|e| Failure::io(format!("{}: {e}", partial.display())))?;
        let mut table = files::open(&self.file, sink, &self.column, self.subject_column.as_deref())?;
        let mut done = Done::default();
        while let Some(batch) = table.next()? {
            let converted = self.ask(client, &batch.values, batch.subjects.as_deref(), &mut done).await;
            let first = done.rows + 1;
            done.rows += u64::try_from(batch.values.len()).unwrap_or(u64::MAX);
            let converted = converted.map_err(|failure| {
                let message = format!("rows {first} to {}, empty ones not counted: {}", done.rows, failure.message);
                Failure { message, ..failure }
            })?;
            table.write(converted)?;
            if shows {
                progress(done.rows, table.part());
            }
        }
        table.finish()?;
        if shows {
            let _ = writeln!(std::io::stderr());
        }
        Ok(done)
    }

    /// What stands in the place of values, in their order. Empty ones stay empty.
    async fn ask(
        &self,
        client: &Client,
        values: &[Option<String>],
        subjects: Option<&[Option<String>]>,
        done: &mut Done,
    ) -> Result<Vec<Option<String>>, Failure> {
        let mut converted = vec![None; values.len()];
        let full = |at: &usize| values[*at].as_ref().is_some_and(|value| !value.trim().is_empty());
        let places: Vec<usize> = (0..values.len()).filter(full).collect();
        let mut rest = places.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |at: &&usize| {
                bytes += values[**at].as_ref().map_or(0, String::len);
                bytes <= MAX_BYTES
            };
            let count = rest.iter().take(engine::MAX_TOKENS).take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            rest = later;
            let answer = client.json(Method::POST, &self.path(), Some(&self.body(now, values, subjects)?)).await?;
            let given = answer[if self.reveal { "values" } else { "tokens" }].as_array().cloned().unwrap_or_default();
            if given.len() != now.len() {
                return Err(Failure::io(format!("{} values were answered with {}", now.len(), given.len())));
            }
            for (at, value) in now.iter().zip(given) {
                match value {
                    Value::String(text) => {
                        done.converted += 1;
                        converted[*at] = Some(text);
                    }
                    _ => done.erased += 1,
                }
            }
        }
        Ok(converted)
    }

    fn path(&self) -> String {
        let what = if self.reveal { "detokenize" } else { "tokenize" };
        format!("/api/v1/tokens/{}/{what}", self.scope)
    }

    fn body(
        &self,
        places: &[usize],
        values: &[Option<String>],
        subjects: Option<&[Option<String>]>,
    ) -> Result<Value, Failure> {
        let pick = |of: &[Option<String>]| places.iter().map(|at| of[*at].clone()).collect::<Option<Vec<String>>>();
        let values = pick(values).unwrap_or_default();
        if self.reveal {
            return Ok(json!({"tokens": values, "column": self.tweak}));
        }
        let mut body = json!({"values": values, "column": self.tweak});
        if let Some(subjects) = subjects {
            let subjects = pick(subjects).ok_or_else(|| Failure::usage("a row has a value, and nobody whose it is"))?;
            (body["subjects"], body["service"]) = (json!(subjects), json!(self.service));
        }
        Ok(body)
    }
}

/// How far it is, on one line that is written over.
fn progress(rows: u64, part: f64) {
    const WIDTH: usize = 30;
    let part = part.clamp(0.0, 1.0);
    let filled = (0..WIDTH).filter(|at| (*at as f64) < part * WIDTH as f64).count();
    let bar = "#".repeat(filled) + &" ".repeat(WIDTH - filled);
    let mut out = std::io::stderr();
    let _ = write!(out, "\r[{bar}] {:3.0} %  {rows} rows", part * 100.0);
    let _ = out.flush();
}
