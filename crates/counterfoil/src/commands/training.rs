//! `counterfoil training`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::approvals::settle;
use crate::client::Connect;
use crate::output::{self, Failure};

/// The most courses that one file can have.
const MAX_ROWS: usize = 10_000;

/// What to do with training.
#[derive(Subcommand)]
pub enum Training {
    /// Record that somebody else completed a course
    Record(Record),
    /// Record courses from a CSV file with the columns actor, course, completed, expires and evidence_sha256
    Import {
        /// The file, in UTF-8; its first line names the columns, and evidence_sha256 may be left out
        file: PathBuf,
    },
    /// List who completed what, and until when it counts
    List,
}

/// A course that was completed.
#[derive(Args)]
pub struct Record {
    /// Who completed it, by pseudonym
    #[arg(long)]
    actor: String,
    /// The course, as a name such as ai-basics
    #[arg(long)]
    course: String,
    /// When: a date, or a time
    #[arg(long)]
    completed: String,
    /// Until when it counts: a date, or a time; three years later at most
    #[arg(long)]
    expires: String,
    /// SHA-256 of what shows it, such as a certificate kept elsewhere
    #[arg(long)]
    evidence_sha256: Option<String>,
}

/// A line of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    actor: String,
    course: String,
    completed: String,
    expires: String,
    #[serde(default)]
    evidence_sha256: Option<String>,
}

const LIST: &str = "select principal_id, course, completed_at, expires_at, recorded_by from training order by expires_at, principal_id";

impl Training {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let commands = match self {
            Self::List => return super::sql::print(json, connect, LIST).await,
            Self::Record(record) => vec![(1, record.command().map_err(Failure::usage)?)],
            Self::Import { file } => {
                let name = file.display().to_string();
                let text = std::fs::read(file).map_err(|e| Failure::io(format!("{name}: {e}")))?;
                rows(&text).map_err(|why| Failure::usage(format!("{name}: {why}")))?
            }
        };
        let client = connect.open().await?;
        let (mut recorded, mut same) = (0_u64, 0_u64);
        for (line, command) in &commands {
            let answer = settle(&client, command, None).await.map_err(|refused| match self {
                Self::Import { .. } => Failure { message: format!("line {line}: {}", refused.message), ..refused },
                _ => refused,
            })?;
            match answer["events"].as_array().is_some_and(|events| !events.is_empty()) {
                true => recorded += 1,
                false => same += 1,
            }
        }
        client.close().await?;
        match json {
            true => output::json(&json!({"recorded": recorded, "same": same})),
            false => output::line(format!("recorded: {recorded}; as they were: {same}")),
        }
    }
}

impl Record {
    fn command(&self) -> Result<Value, String> {
        let Self { actor, course, completed, expires, evidence_sha256 } = self;
        command(actor, course, completed, expires, evidence_sha256.as_deref())
    }
}

fn command(
    actor: &str,
    course: &str,
    completed: &str,
    expires: &str,
    evidence_sha256: Option<&str>,
) -> Result<Value, String> {
    let (completed_at, expires_at) = (output::parse_time(completed)?, output::parse_time(expires)?);
    let mut body = json!({"actor": actor, "course": course, "completed_at": completed_at, "expires_at": expires_at});
    if let Some(digest) = evidence_sha256.filter(|digest| !digest.is_empty()) {
        body["evidence_sha256"] = digest.into();
    }
    Ok(json!({"command": "training.record", "body": body}))
}

/// Lines of a file, which are not its rows: a field in quotes may have lines of its own, and rows may be apart.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at a byte, or after the ends of lines there; rows are asked for in their order.
    fn of(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte).unwrap_or(usize::MAX);
        let rest = self.text.get(begin..).unwrap_or_default();
        let begin = begin + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.text.get(self.at..begin).unwrap_or_default();
        self.line += passed.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        self.at = begin;
        self.line
    }
}

/// The commands of a file, each with the line that it begins at; what is wrong with it is found before anything is recorded.
fn rows(text: &[u8]) -> Result<Vec<(u64, Value)>, String> {
    let mut commands = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let columns = reader.headers().map_err(|e| e.to_string())?.clone();
    let mut lines = Lines { text, at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        let row: Row = record.deserialize(Some(&columns)).map_err(|e| match e.kind() {
            csv::ErrorKind::Deserialize { err, .. } => format!("line {line}: {err}"),
            _ => e.to_string(),
        })?;
        if commands.len() == MAX_ROWS {
            return Err(format!("it has more than {MAX_ROWS} courses: cut it into several files"));
        }
        let command = command(&row.actor, &row.course, &row.completed, &row.expires, row.evidence_sha256.as_deref());
        commands.push((line, command.map_err(|why| format!("line {line}: {why}"))?));
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_file_when_read_then_each_line_is_a_command_and_what_is_wrong_names_its_line() {
        let good = rows(b"course,actor,completed,expires\nai-basics, a_1 ,1970-01-02,1970-01-03\n").expect("good");
        let body =
            json!({"actor": "a_1", "course": "ai-basics", "completed_at": 86_400_000, "expires_at": 172_800_000});
        assert_eq!(good, [(2, json!({"command": "training.record", "body": body}))]);
        for (bad, word) in [
            ("actor,course,completed,expires\na_1,x,soon,1970-01-03\n", "line 2"),
            (
                "actor,course,completed,expires\na_1,\"x\ny\",1970-01-02,1970-01-03\n\na_1,x,soon,1970-01-03\n",
                "line 5: ",
            ),
            (
                "actor,course,completed,expires\r\na_1,\"x\r\ny\",1970-01-02,1970-01-03\r\na_1,x,soon,1970-01-03\r\n",
                "line 4: ",
            ),
            ("course,completed,expires,actor\nx,1970-01-02,1970-01-03,a_1\nx,soon,1970-01-03,a_1\n", "line 3: "),
            ("actor,course,completed\na_1,x,1970-01-02\n", "expires"),
            ("actor,course,completed,expires,name\na_1,x,1970-01-02,1970-01-03,Zoe\n", "name"),
        ] {
            let why = rows(bad.as_bytes()).expect_err(bad);
            assert!(why.contains(word), "{why}");
        }
    }
}
