//! The log of accesses, newest first, with filters in the address; and one's own.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use domain::people::Purpose;
use engine::Principal;
use serde::Deserialize;

use super::names::Names;
use crate::App;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::rows::{self, Row};
use crate::ui::{
    self, Cell, Column, Empty, Link, Mark, Page, Place, Query, Section, Shell, Table, Tone, page, parse_instant,
};

/// Rows on a page.
const PAGE: usize = 50;

const OWN: &str = "/accesses/mine";
const ALL: &str = "/accesses";

/// The filters, as the address has them; empty means any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    actor: String,
    decision: String,
    object: String,
    action: String,
    /// A declared purpose; not `purpose`, which says why this list is asked for.
    why: String,
    from: String,
    to: String,
    #[serde(flatten)]
    place: Place,
}

impl Filters {
    /// Those of one actor alone, whatever the address says.
    pub(crate) fn of(self, actor: &str) -> Self {
        Self { actor: actor.to_owned(), ..self }
    }

    /// The query that these filters mean, for at most `limit` rows.
    pub(crate) fn sql(&self, limit: usize) -> Result<String, Failure> {
        let mut tests = Vec::new();
        let equal = [
            ("principal_id", &self.actor),
            ("decision", &self.decision),
            ("object_kind", &self.object),
            ("action", &self.action),
            ("purpose_id", &self.why),
        ];
        for (column, value) in equal.into_iter().filter(|(_, value)| !value.is_empty()) {
            tests.push(format!("{column} = {}", ui::literal(value)));
        }
        for (test, moment) in [("ts >=", &self.from), ("ts <", &self.to)] {
            if !moment.is_empty() {
                let bad = || Failure::invalid(format!("`{moment}` is not a moment: write it like 2026-11-22T20:54"));
                tests.push(format!("{test} {}", ui::timestamp(parse_instant(moment).ok_or_else(bad)?)));
            }
        }
        // Identifiers grow with time.
        tests.extend(self.place.tests("event_id", |id| Some(ui::literal(id))));
        let clause = if tests.is_empty() { String::new() } else { format!("WHERE {}\n", tests.join("\n  AND ")) };
        Ok(format!(
            "SELECT event_id, ts, principal_id, action, object_kind, object_id, decision, code, policy_id, grant_id,\n  \
             purpose_id, door, route, key_id, session_id, tables, occurrences, http_status, segment_id\n\
             FROM access_events\n{clause}ORDER BY event_id {}\nLIMIT {limit}",
            self.place.direction()
        ))
    }

    fn link(&self, path: &str) -> Link {
        let mut link = Link::to(path);
        let all = [
            ("actor", &self.actor),
            ("decision", &self.decision),
            ("object", &self.object),
            ("action", &self.action),
            ("why", &self.why),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in all {
            let wanted = !value.is_empty() && (path == ALL || name != "actor");
            link = link.maybe(name, wanted.then_some(value));
        }
        link
    }
}

/// The page.
#[derive(Template)]
#[template(path = "people/accesses.html")]
pub(crate) struct AccessesPage {
    shell: Shell,
    /// Whether it shows the visitor's own accesses only.
    own: bool,
    path: &'static str,
    filters: Filters,
    purposes: Vec<&'static str>,
    table: Table,
}

impl AccessesPage {
    fn new(shell: Shell, path: &'static str, filters: Filters, found: &[Row], sql: String, size: u64) -> Self {
        let list = filters.link(path);
        let mut columns = vec![filters.place.heading("access", &list)];
        let names =
            ["time (UTC)", "actor", "action", "object", "decision", "why", "policies", "which", "grant", "door"];
        columns.extend(names.map(Column::text));
        columns.push(Column::number("times"));
        let empty = Empty::new("No access matches", "Whatever is asked of this server is recorded here.");
        let mut table = Table::new("Accesses", columns, empty);
        table.rows = found.iter().take(PAGE).map(row).collect();
        table.query = Some(Query { sql, size });
        let last = found.get(PAGE - 1).filter(|_| found.len() > PAGE);
        filters.place.links(&mut table, &list, last.map(|row| rows::text(row, "event_id")));
        let purposes = Purpose::ALL.iter().map(|(purpose, _)| purpose.as_str()).collect();
        Self { shell, own: path == OWN, path, filters, purposes, table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 3] {
        let found: Vec<Row> = (0..60usize)
            .map(|i| {
                let denied = i % 7 == 3;
                let value = serde_json::json!({
                    "event_id": format!("0193540a-9c1f-7b60-8a11-{:012x}", 9_000_000 - i * 7717),
                    "ts": "2026-11-22T20:54:09.120Z", "principal_id": if denied { None } else { Some("a_7f3k2m9q") },
                    "action": if denied { "enter" } else { "sql" }, "object_kind": "inference_log",
                    "decision": if denied { "deny" } else { "allow" }, "code": denied.then_some("unauthenticated"),
                    "policy_id": "auditor-reads-and-tests", "grant_id": "g_3f9ac2", "purpose_id": "audit",
                    "door": "api", "occurrences": if denied { 17 } else { 1 },
                });
                value.as_object().expect("an object").clone()
            })
            .collect();
        let filters = || Filters { decision: "deny".into(), from: "2026-11-22T20:00".into(), ..Filters::default() };
        let sql = |filters: &Filters| filters.sql(PAGE + 1).expect("good filters");
        let shell = || Shell::sample(Section::People);
        [
            Self::new(shell(), ALL, filters(), &found, sql(&filters()), 18_204),
            Self::new(shell(), ALL, filters(), &[], sql(&filters()), 18_204),
            Self::new(shell(), OWN, Filters::default(), &found, sql(&filters()), 18_204),
        ]
    }
}

fn row(row: &Row) -> Vec<Cell> {
    let code = |column: &str| rows::maybe(row, column).map_or(Cell::None, Cell::Code);
    let decision = match rows::text(row, "decision").as_str() {
        "allow" => Mark::new("allowed", Tone::Good),
        _ => Mark::new("denied", Tone::Bad),
    };
    let why = rows::maybe(row, "purpose_id").or_else(|| rows::maybe(row, "code"));
    let id = rows::text(row, "event_id");
    let link = Link::to("/sql").with("query", format!("SELECT * FROM access_records WHERE access_id = '{id}'"));
    vec![
        Cell::Id(id, link),
        rows::instant(row, "ts").map_or(Cell::None, Cell::Time),
        rows::maybe(row, "principal_id").map_or_else(|| Cell::Text("a stranger".into()), Cell::actor),
        Cell::Text(rows::text(row, "action")),
        Cell::Text(rows::text(row, "object_kind")),
        Cell::Mark(decision),
        Cell::maybe(why),
        Cell::Wide(rows::text(row, "policy_id").replace(',', ", ")),
        rows::maybe(row, "object_id").map_or(Cell::None, Cell::Wide),
        code("grant_id"),
        Cell::Text(rows::text(row, "door")),
        Cell::count(rows::count(row, "occurrences")),
    ]
}

/// `GET /accesses`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(filters): Parameters<Filters>,
) -> Page {
    app.may_read(&who, "accesses")?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    list(&app, &who, shell, ALL, filters).await
}

/// `GET /accesses/mine`
pub(crate) async fn mine(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(filters): Parameters<Filters>,
) -> Page {
    app.may_read(&who, &format!("actor/{}", who.actor))?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    list(&app, &who, shell, OWN, filters.of(&who.actor)).await
}

async fn list(app: &App, who: &Principal, shell: Shell, path: &'static str, filters: Filters) -> Page {
    let sql = filters.sql(PAGE + 1)?;
    let found = app.ask(&sql).await?;
    let mut shown = AccessesPage::new(shell, path, filters, &found.rows, sql, found.size);
    Names::on_page(app, who, vec![], &mut [&mut shown.table]).await;
    page(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_one_query_and_ones_own_are_of_nobody_else() {
        let filters = Filters { decision: "de'ny".into(), actor: "a_2".into(), ..Filters::default() }.of("a_1");
        let sql = filters.sql(10).expect("good filters");
        assert!(sql.contains("WHERE principal_id = 'a_1'\n  AND decision = 'de''ny'\n"), "{sql}");
        let link = filters.link(OWN).to_string();
        assert!(!link.contains("actor") && link.contains("decision"), "{link}");
        let bad = Filters { from: "soon".into(), ..Filters::default() }.sql(1).expect_err("not a moment");
        assert!(bad.message.contains("`soon`"), "{}", bad.message);
    }
}
