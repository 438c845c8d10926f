//! The ledger, newest first, with filters in the address.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use serde::Deserialize;

use crate::App;
use crate::auth::Visitor;
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{self, Cell, Column, Empty, Link, Page, Place, Query, Section, Shell, Table, page};

/// Rows on a page.
const PAGE: usize = 50;

/// The filters, as the address has them; empty means any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    #[serde(rename = "type")]
    kind: String,
    actor: String,
    stream: String,
    q: String,
    #[serde(flatten)]
    place: Place,
}

impl Filters {
    /// The query that these filters mean.
    fn sql(&self) -> String {
        let mut tests = Vec::new();
        for (column, value) in [("type", &self.kind), ("actor", &self.actor), ("stream", &self.stream)] {
            if !value.is_empty() {
                tests.push(format!("{column} = {}", ui::literal(value)));
            }
        }
        if !self.q.is_empty() {
            tests.push(format!("body LIKE {}", ui::pattern(&self.q)));
        }
        tests.extend(self.place.tests("seq", |key| key.parse::<u64>().ok().map(|seq| seq.to_string())));
        let clause = if tests.is_empty() { String::new() } else { format!("WHERE {}\n", tests.join("\n  AND ")) };
        let (direction, limit) = (self.place.direction(), PAGE + 1);
        format!(
            "SELECT seq, ts, type, stream, actor, body\nFROM events\n{clause}ORDER BY seq {direction}\nLIMIT {limit}"
        )
    }

    fn link(&self) -> Link {
        let given = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
        Link::to("/ledger")
            .maybe("type", given(&self.kind))
            .maybe("actor", given(&self.actor))
            .maybe("stream", given(&self.stream))
            .maybe("q", given(&self.q))
    }
}

/// The page.
#[derive(Template)]
#[template(path = "infrastructure/ledger.html")]
pub(crate) struct LedgerPage {
    shell: Shell,
    filters: Filters,
    types: &'static [&'static str],
    table: Table,
}

impl LedgerPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = |seq: u64, kind: &str, stream: &str| {
            let body =
                r#"{"core":{"len":21470001,"path":"inferences/segment_day=2026-11-22/n1.core.parquet"},"n":4096}"#;
            let value = serde_json::json!({ "seq": seq, "ts": "2026-11-22T20:54:09.120Z", "type": kind,
                "stream": stream, "actor": "counterfoil", "body": body });
            value.as_object().expect("an object").clone()
        };
        let kinds = ["segment.sealed", "control.ran", "ledger.heartbeat", "service.declared", "key.created"];
        let found: Vec<Row> =
            (0..60u64).map(|i| row(18_203 - i, kinds[usize::try_from(i % 5).expect("small")], "node/n1")).collect();
        let filled = Self::new(Shell::sample(Section::Ledger), Filters::default(), &found, 18_204);
        let filters = Filters { kind: "key.revoked".into(), q: "x\"<".into(), ..Filters::default() };
        [filled, Self::new(Shell::sample(Section::Ledger), filters, &[], 18_204)]
    }

    fn new(shell: Shell, filters: Filters, found: &[Row], size: u64) -> Self {
        let mut columns = vec![filters.place.heading("seq", &filters.link())];
        columns.extend(["time (UTC)", "type", "stream", "actor", "body"].map(Column::text));
        let empty = Empty::new("No event matches", "Remove a filter to see more.");
        let mut table = Table::new("Events of the ledger", columns, empty);
        table.rows = found.iter().take(PAGE).map(event_row).collect();
        table.query = Some(Query { sql: filters.sql(), size });
        let last = found.get(PAGE - 1).filter(|_| found.len() > PAGE);
        filters.place.links(&mut table, &filters.link(), last.map(|row| rows::text(row, "seq")));
        Self { shell, filters, types: domain::Event::TYPES, table }
    }
}

/// An event as a row: number, moment, type, stream, actor, and the beginning of its body.
pub(crate) fn event_row(row: &Row) -> Vec<Cell> {
    let seq = rows::text(row, "seq");
    let link = Link::into("/ledger", &seq);
    let stream = rows::text(row, "stream");
    let body: String = rows::text(row, "body").chars().take(120).collect();
    vec![
        Cell::Stub(seq, link),
        rows::instant(row, "ts").map_or(Cell::None, Cell::Time),
        Cell::Text(rows::text(row, "type")),
        Cell::Link(stream.clone(), Link::to("/ledger").with("stream", stream)),
        Cell::actor(rows::text(row, "actor")),
        Cell::Wide(body),
    ]
}

/// `GET /ledger`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(filters): Parameters<Filters>,
) -> Page {
    app.may_read(&who, "ledger")?;
    let found = app.ask(&filters.sql()).await?;
    let shell = Shell::new(&app, &who, Section::Ledger).await?;
    let mut shown = LedgerPage::new(shell, filters, &found.rows, found.size);
    Names::on_page(&app, &who, vec![], &mut [&mut shown.table]).await;
    page(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_one_query_and_stay_values() {
        let filters = Filters { kind: "key.created".into(), q: "it's".into(), ..Filters::default() };
        let sql = filters.sql();
        assert!(sql.contains("type = 'key.created'\n  AND body LIKE '%it''s%'\nORDER BY seq DESC"), "{sql}");
    }
}
