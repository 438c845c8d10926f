//! SQL over everything: where "show the query" leads, and where a table becomes CSV or Parquet.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Response};
use engine::Principal;
use http::header;
use query::{Answer, At, Filled, TableInfo, tables};
use serde::Deserialize;

use crate::App;
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows;
use crate::ui::{Cell, Column, Empty, Link, Page, Query, Section, Shell, Table, page};

/// Rows that a page shows; downloads have all.
const SHOWN: usize = 500;

/// What is asked, as the address has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    query: String,
    /// The ledger size to ask at; empty for now.
    at: String,
    /// `csv`, `parquet` or `json` for a download; otherwise a page.
    format: String,
}

/// The page.
#[derive(Template)]
#[template(path = "infrastructure/sql.html")]
pub(crate) struct SqlPage {
    shell: Shell,
    asked: Asked,
    table: Option<Table>,
    total: u64,
    problem: Option<String>,
    /// What the answer lacks.
    gone: Vec<String>,
    known: Table,
}

impl SqlPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let shell = || Shell::sample(Section::Sql);
        let asked = Asked { query: "SELECT 1".into(), ..Asked::default() };
        let problem = Some("there is no column `x`".to_owned());
        let known = Table::new("Tables", vec![Column::text("table")], Empty::new("none", "none"));
        [
            Self {
                shell: shell(),
                asked: Asked::default(),
                table: None,
                total: 0,
                problem: None,
                gone: vec!["2 records of `inferences` went".into()],
                known: known_tables(),
            },
            Self { shell: shell(), asked, table: None, total: 0, problem, gone: vec![], known },
        ]
    }
}

fn known_tables() -> Table {
    let columns = ["table", "filled", "holds", "columns"].map(Column::text).into();
    let mut table = Table::new("Tables that can be asked", columns, Empty::new("No tables", "This build has none."));
    table.rows = tables().iter().map(table_row).collect();
    table
}

fn table_row(info: &TableInfo) -> Vec<Cell> {
    let names: Vec<&str> = info.columns.iter().map(|column| column.name).collect();
    let filled = match info.filled {
        Filled::Yes => "yes".to_owned(),
        Filled::NotYet { area } => format!("not yet: {area}"),
    };
    let first = Link::to("/sql").with("query", format!("SELECT * FROM {} LIMIT 100", info.name));
    vec![
        Cell::Stub(info.name.to_owned(), first),
        Cell::Text(filled),
        Cell::Wide(info.doc.to_owned()),
        Cell::Wide(names.join(", ")),
    ]
}

/// `GET /sql`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(asked): Parameters<Asked>,
) -> Page {
    if !asked.query.trim().is_empty() {
        App::asked(&who, &asked.query, None);
    }
    app.may(&who, "sql", "ledger")?;
    let shell = Shell::new(&app, &who, Section::Sql).await?;
    if asked.query.trim().is_empty() {
        let (problem, gone, known) = (None, vec![], known_tables());
        return page(&SqlPage { shell, asked, table: None, total: 0, problem, gone, known });
    }
    let result = run(&app, &who, &asked).await;
    match result {
        Ok((answer, ..)) if !asked.format.is_empty() => download(&answer, &asked.format).map_err(PageError::from),
        Ok((answer, size, gone)) => {
            let (table, total) = result_table(&answer, &asked.query, size)?;
            let (table, problem, known) = (Some(table), None, known_tables());
            page(&SqlPage { shell, asked, table, total, problem, gone, known })
        }
        Err(failure) if !asked.format.is_empty() => Err(failure.into()),
        Err(failure) => {
            let problem = Some(failure.message);
            let (gone, known) = (vec![], known_tables());
            page(&SqlPage { shell, asked, table: None, total: 0, problem, gone, known })
        }
    }
}

/// The answer, the size that it is of, and what it lacks.
async fn run(app: &App, who: &Principal, asked: &Asked) -> Result<(Answer, u64, Vec<String>), Failure> {
    let at = match asked.at.trim() {
        "" => At::Latest { tail: true },
        text => At::Size(text.parse().map_err(|_| Failure::invalid(format!("`{text}` is not a ledger size")))?),
    };
    let session = app.db.at(at).await.map_err(rows::failure)?;
    App::asked(who, &asked.query, Some(session.size()));
    let answer = session.sql(&asked.query, None).await.map_err(rows::failure)?;
    Ok((answer, session.size(), session.gone_since().iter().map(ToString::to_string).collect()))
}

fn result_table(answer: &Answer, sql: &str, size: u64) -> Result<(Table, u64), Failure> {
    let columns = answer.columns();
    let empty = Empty::new("No rows", "The query ran and found nothing.");
    let mut table = Table::new("Result", columns.iter().map(Column::text).collect(), empty);
    let found = answer.rows().map_err(rows::failure)?;
    let cell = |row: &rows::Row, column: &String| match row.get(column) {
        Some(value) if value.is_number() => Cell::Number(value.to_string()),
        Some(value) => rows::shown(value)
            .map_or(Cell::None, |text| if text.len() > 40 { Cell::Wide(text) } else { Cell::Text(text) }),
        None => Cell::None,
    };
    table.rows = found.iter().take(SHOWN).map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    table.query = Some(Query { sql: sql.to_owned(), size });
    Ok((table, found.len() as u64))
}

/// An answer as a file of `csv`, `parquet` or `json`.
pub(crate) fn download(answer: &Answer, format: &str) -> Result<Response, Failure> {
    let (kind, bytes) = match format {
        "csv" => ("text/csv; charset=utf-8", answer.to_csv().map_err(rows::failure)?),
        "json" => ("application/json", answer.to_json().map_err(rows::failure)?),
        "parquet" => ("application/vnd.apache.parquet", answer.to_parquet().map_err(rows::failure)?),
        "table" => ("text/plain; charset=utf-8", answer.to_table().map_err(rows::failure)?.into_bytes()),
        other => return Err(Failure::invalid(format!("`{other}` is not a format: use table, csv, json or parquet"))),
    };
    let name = format!("attachment; filename=\"counterfoil.{format}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}
