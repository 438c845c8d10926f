//! Lists of people: printed, and read from a file.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::people::one;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// The most people that one file can have.
const MAX_ROWS: usize = 10_000;

/// Prints people.
pub async fn list(json: bool, connect: &Connect, search: &str, skip: usize, count: usize) -> Result<(), Failure> {
    let path = format!("/api/v1/people?q={}&skip={skip}&count={count}", encoded(search));
    let found = one(connect, Method::GET, &path, None).await?;
    if json {
        return output::json(&found["people"]);
    }
    let people = found["people"].as_array().cloned().unwrap_or_default();
    let mut text = String::new();
    for person in &people {
        let word = |of: &str| person[of].as_str().unwrap_or("-").to_owned();
        text += &format!(
            "{:<20} {:<8} {:<7} {:<28} {}\n",
            word("actor"),
            word("kind"),
            word("status"),
            word("name"),
            roles(person)
        );
    }
    let total = found["total"].as_u64().unwrap_or_default();
    if people.len() as u64 != total {
        text += &format!("{} of {total}; see --search, --skip and --count\n", people.len());
    }
    output::text(text)
}

fn roles(person: &Value) -> String {
    let role = |held: &Value| Some(format!("{} in {}", held["role"].as_str()?, held["scope"].as_str()?));
    person["roles"].as_array().into_iter().flatten().filter_map(role).collect::<Vec<_>>().join(", ")
}

/// What is known of somebody, in words.
pub fn described(person: &Value) -> String {
    let mut lines = vec![];
    for (title, key) in [
        ("actor", "actor"),
        ("kind", "kind"),
        ("status", "status"),
        ("left at", "left_at"),
        ("name", "name"),
        ("e-mail", "email"),
        ("user name", "user_name"),
    ] {
        if let Some(text) = person[key].as_str() {
            lines.push(format!("{title:<10} {text}"));
        }
    }
    lines.push(format!(
        "{:<10} {}",
        "roles",
        Some(roles(person)).filter(|roles| !roles.is_empty()).unwrap_or("none".into())
    ));
    let groups: Vec<&str> = person["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    lines.push(format!("{:<10} {}", "groups", if groups.is_empty() { "none".into() } else { groups.join(", ") }));
    lines.join("\n")
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// People from a file.
#[derive(Args)]
pub struct Import {
    /// The file: CSV in UTF-8 whose first line names the columns; user_name is needed, name and email may be there
    file: PathBuf,
    /// Apply without asking
    #[arg(long)]
    yes: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A line of the file.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Row {
    user_name: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// What a line comes to.
enum Step {
    Add(Row),
    Change(String, Row, Vec<&'static str>),
    Same,
}

impl Import {
    /// Shows what the file comes to, asks, and carries it out. What is as the file says is left alone.
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let file = self.file.display().to_string();
        let text = std::fs::read(&self.file).map_err(|e| Failure::io(format!("{file}: {e}")))?;
        let rows = rows(&text).map_err(|why| Failure::usage(format!("{file}: {why}")))?;
        let client = connect.open().await?;
        let mut steps = Vec::new();
        for row in rows {
            steps.push(plan(&client, row).await?);
        }
        let shown: Vec<String> = steps.iter().filter_map(Step::shown).collect();
        if !json {
            let nothing = "nothing to do: everybody is as the file says".to_owned();
            output::line(if shown.is_empty() { nothing } else { shown.join("\n") })?;
        }
        let mut actors = Vec::new();
        if !self.dry_run && !shown.is_empty() && (self.yes || ask(json)?) {
            for step in &steps {
                actors.extend(carry_out(&client, step).await?);
            }
            if !json {
                output::line(format!("done: {} people", actors.len()))?;
            }
        }
        client.close().await?;
        match json {
            true => output::json(&json!({ "plan": shown, "actors": actors })),
            false => Ok(()),
        }
    }
}

impl Step {
    fn shown(&self) -> Option<String> {
        match self {
            Self::Add(row) => Some(format!("+ {}", row.user_name)),
            Self::Change(actor, row, what) => Some(format!("~ {} ({actor}): {}", row.user_name, what.join(", "))),
            Self::Same => None,
        }
    }
}

fn rows(text: &[u8]) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    let mut seen = BTreeSet::new();
    for (line, row) in csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text).deserialize::<Row>().enumerate()
    {
        let row = row.map_err(|e| e.to_string())?;
        if row.user_name.is_empty() {
            return Err(format!("line {}: user_name is empty", line + 2));
        }
        if !seen.insert(row.user_name.to_lowercase()) {
            return Err(format!("line {}: `{}` comes twice", line + 2, row.user_name));
        }
        if rows.len() == MAX_ROWS {
            return Err(format!("it has more than {MAX_ROWS} people: cut it into several files"));
        }
        rows.push(row);
    }
    Ok(rows)
}

async fn plan(client: &Client, row: Row) -> Result<Step, Failure> {
    let path = format!("/api/v1/people?user_name={}", encoded(&row.user_name));
    let found = client.json(Method::GET, &path, None).await?;
    let Some(known) = found["people"].as_array().and_then(|people| people.first()) else { return Ok(Step::Add(row)) };
    let differs = |key: &str, wanted: &Option<String>| wanted.is_some() && known[key].as_str() != wanted.as_deref();
    let mut what = Vec::new();
    what.extend(differs("name", &row.name).then_some("name"));
    what.extend(differs("email", &row.email).then_some("email"));
    what.extend((known["status"] == "left").then_some("comes back"));
    let actor = known["actor"].as_str().unwrap_or_default().to_owned();
    Ok(if what.is_empty() { Step::Same } else { Step::Change(actor, row, what) })
}

async fn carry_out(client: &Client, step: &Step) -> Result<Option<String>, Failure> {
    let body = |row: &Row| {
        let mut body = Map::from_iter([("user_name".to_owned(), json!(row.user_name))]);
        body.extend(row.name.iter().map(|name| ("name".to_owned(), json!(name))));
        body.extend(row.email.iter().map(|email| ("email".to_owned(), json!(email))));
        body
    };
    match step {
        Step::Same => Ok(None),
        Step::Add(row) => {
            let mut body = body(row);
            body.insert("kind".to_owned(), json!("human"));
            let added = client.json(Method::POST, "/api/v1/people", Some(&body.into())).await?;
            Ok(added["actor"].as_str().map(str::to_owned))
        }
        Step::Change(actor, row, what) => {
            if what.contains(&"comes back") {
                client.json(Method::POST, &format!("/api/v1/people/{actor}/return"), None).await?;
            }
            client.json(Method::PATCH, &format!("/api/v1/people/{actor}"), Some(&body(row).into())).await?;
            Ok(Some(actor.clone()))
        }
    }
}

fn ask(json: bool) -> Result<bool, Failure> {
    if json || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here: give --yes to apply, or --dry-run to only look"));
    }
    output::text("Apply these changes? Type `yes`: ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_file_when_read_then_columns_go_by_name_and_what_is_wrong_names_its_line() {
        let good = rows("email,user_name\nz@e.x, zoe \n,ada\n".as_bytes()).expect("good");
        assert_eq!((good[0].user_name.as_str(), good[0].email.as_deref()), ("zoe", Some("z@e.x")));
        assert_eq!(
            (good[1].user_name.as_str(), good[1].email.as_deref(), good[1].name.as_deref()),
            ("ada", None, None)
        );
        for (bad, word) in [
            ("user_name\nzoe\nZOE\n", "line 3"),
            ("user_name,name\n,Zoe\n", "line 2"),
            ("name\nZoe\n", "user_name"),
            ("user_name,role\nzoe,administrator\n", "role"),
        ] {
            let why = rows(bad.as_bytes()).expect_err(bad);
            assert!(why.contains(word), "{why}");
        }
    }
}
