//! The log of inferences, newest first, with filters in the address.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use domain::serving::Status;
use serde::Deserialize;

use crate::App;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::rows::{self, Row};
use crate::ui::{
    self, Cell, Column, Empty, Link, Mark, Page, Place, Query, Section, Shell, Table, page, parse_instant,
};

/// Rows on a page.
const PAGE: usize = 50;

/// The statuses that a filter can name.
const STATUSES: [Status; 5] = [Status::Ok, Status::Error, Status::Refused, Status::Cancelled, Status::Interrupted];

/// The filters, as the address has them; empty means any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    service: String,
    status: String,
    model: String,
    /// The day's tag of a data subject, in hexadecimal.
    subject: String,
    from: String,
    to: String,
    #[serde(flatten)]
    place: Place,
}

impl Filters {
    /// The query that these filters mean.
    fn sql(&self) -> Result<String, Failure> {
        let mut tests = Vec::new();
        let equal = [
            ("service", &self.service),
            ("status", &self.status),
            ("model", &self.model),
            ("encode(subject_tag, 'hex')", &self.subject),
        ];
        for (column, value) in equal.into_iter().filter(|(_, value)| !value.is_empty()) {
            tests.push(format!("{column} = {}", ui::literal(value)));
        }
        for (test, moment) in [("ts_start >=", &self.from), ("ts_start <", &self.to)] {
            if !moment.is_empty() {
                let bad = || Failure::invalid(format!("`{moment}` is not a moment: write it like 2026-11-22T20:54"));
                tests.push(format!("{test} {}", ui::timestamp(parse_instant(moment).ok_or_else(bad)?)));
            }
        }
        // Identifiers grow with time.
        tests.extend(self.place.tests("inference_id", |id| Some(ui::literal(id))));
        let clause = if tests.is_empty() { String::new() } else { format!("WHERE {}\n", tests.join("\n  AND ")) };
        Ok(format!(
            "SELECT inference_id, ts_start, service, model, version, status,\n  \
             (arrow_cast(ts_end, 'Int64') - arrow_cast(ts_start, 'Int64')) / 1000.0 AS latency_ms, segment_id\n\
             FROM inference_records\n{clause}ORDER BY inference_id {}\nLIMIT {}",
            self.place.direction(),
            PAGE + 1
        ))
    }

    fn link(&self) -> Link {
        let mut link = Link::to("/inferences");
        let all = [
            ("service", &self.service),
            ("status", &self.status),
            ("model", &self.model),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in all {
            link = link.maybe(name, Some(value).filter(|value| !value.is_empty()));
        }
        link
    }
}

/// The page.
#[derive(Template)]
#[template(path = "serving/inferences.html")]
pub(crate) struct InferencesPage {
    shell: Shell,
    filters: Filters,
    services: Vec<String>,
    statuses: [&'static str; 5],
    table: Table,
}

impl InferencesPage {
    fn new(shell: Shell, filters: Filters, services: Vec<String>, found: &[Row], sql: String, size: u64) -> Self {
        let mut columns = vec![filters.place.heading("inference", &filters.link())];
        columns.extend(["time (UTC)", "service", "model", "version", "status"].map(Column::text));
        columns.extend([Column::number("latency"), Column::text("segment")]);
        let next = "Point a client at this server with a key of a service:";
        let empty = Empty::new("No inference matches", next).command("counterfoil keys create --service NAME");
        let mut table = Table::new("Inferences", columns, empty);
        table.rows = found.iter().take(PAGE).map(inference_row).collect();
        table.query = Some(Query { sql, size });
        let last = found.get(PAGE - 1).filter(|_| found.len() > PAGE);
        filters.place.links(&mut table, &filters.link(), last.map(|row| rows::text(row, "inference_id")));
        Self { shell, filters, services, statuses: STATUSES.map(Status::as_str), table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let statuses = ["ok", "ok", "ok", "error", "ok", "refused", "ok", "cancelled"];
        let found: Vec<Row> = (0..60usize)
            .map(|i| {
                let value = serde_json::json!({
                    "inference_id": format!("0193540a-9c1f-7b60-8a11-{:012x}", 9_000_000 - i * 7717),
                    "ts_start": "2026-11-22T20:54:09.120Z", "service": "credit-risk", "model": "openai/gpt-4o-mini",
                    "version": "as-served", "status": statuses[i % 8], "latency_ms": 312.5 + i as f64,
                    "segment_id": if i < 9 { serde_json::Value::Null } else { "n1/4/17".into() },
                });
                value.as_object().expect("an object").clone()
            })
            .collect();
        let services = || vec!["credit-risk".to_owned(), "support-assistant".to_owned()];
        let filters =
            || Filters { service: "credit-risk".into(), from: "2026-11-22T20:00".into(), ..Filters::default() };
        let sql = |filters: &Filters| filters.sql().expect("good filters");
        let shell = || Shell::sample(Section::Inferences);
        [
            Self::new(shell(), filters(), services(), &found, sql(&filters()), 18_204),
            Self::new(shell(), filters(), services(), &[], sql(&filters()), 18_204),
        ]
    }
}

/// The newest few inferences, for the overview.
pub(crate) struct Latest;

impl Latest {
    /// How many.
    pub(crate) const ROWS: usize = 8;

    /// The query for them.
    pub(crate) fn sql() -> Result<String, Failure> {
        Filters::default().sql()
    }

    /// The table of what that query found.
    pub(crate) fn table(found: &[Row]) -> Table {
        let names = ["inference", "time (UTC)", "service", "model", "version", "status"].map(Column::text);
        let columns = names.into_iter().chain([Column::number("latency"), Column::text("segment")]).collect();
        let empty = Empty::new("No inference yet", "Point a client at this server with a key of a service:");
        let mut table =
            Table::new("Latest inferences", columns, empty.command("counterfoil keys create --service NAME"));
        table.rows = found.iter().take(Self::ROWS).map(inference_row).collect();
        table
    }
}

fn inference_row(row: &Row) -> Vec<Cell> {
    let id = rows::text(row, "inference_id");
    let link = Link::into("/inferences", &id);
    let latency = rows::number(row, "latency_ms").map(|ms| format!("{ms:.1} ms"));
    vec![
        Cell::Id(id, link),
        rows::instant(row, "ts_start").map_or(Cell::None, Cell::Time),
        Cell::maybe(rows::maybe(row, "service")),
        Cell::maybe(rows::maybe(row, "model")),
        Cell::maybe(rows::maybe(row, "version")),
        Cell::Mark(Mark::status(&rows::text(row, "status"))),
        latency.map_or(Cell::None, Cell::Number),
        rows::maybe(row, "segment_id").map_or_else(|| Cell::Text("not sealed yet".into()), Cell::Code),
    ]
}

/// `GET /inferences`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(filters): Parameters<Filters>,
) -> Page {
    app.may_read(&who, "inferences")?;
    let sql = filters.sql()?;
    let found = app.ask(&sql).await?;
    let services = app.engine.read(|state| state.services.keys().cloned().collect());
    let shell = Shell::new(&app, &who, Section::Inferences).await?;
    page(&InferencesPage::new(shell, filters, services, &found.rows, sql, found.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_one_query_and_bad_moments_are_refused() {
        let filters = Filters { status: "o'k".into(), to: "2026-11-22".into(), ..Filters::default() };
        let sql = filters.sql().expect("good filters");
        assert!(sql.contains("WHERE status = 'o''k'\n  AND ts_start < TIMESTAMP '2026-11-22T00:00:00.000'\n"), "{sql}");
        let bad = Filters { from: "soon".into(), ..Filters::default() }.sql().expect_err("not a moment");
        assert!(bad.message.contains("`soon`"), "{}", bad.message);
    }
}
