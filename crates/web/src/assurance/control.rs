//! One control: what it is for, its two queries, what its newest run found, and its history.
//!
//! The rows shown are computed again from the run's ledger size and parameters: the same query at the same size gives
//! the same rows, so nothing but the run's digests needs to be kept.

use std::sync::Arc;

use askama::Template;
use assurance::Control;
use axum::extract::{Path, State};
use domain::assurance::{ControlRan, Outcome};
use query::{At, Params};

use crate::App;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::rows::{self, Row};
use crate::ui::{self, Cell, Column, Empty, Link, Mark, Page, Query, Section, Shell, Table, Tone, page};

/// Rows of violations and of the population that a page shows.
const SHOWN: usize = 50;

/// The page.
#[derive(Template)]
#[template(path = "assurance/control.html")]
pub(crate) struct ControlPage {
    shell: Shell,
    control: &'static Control,
    in_scope: bool,
    run: Option<ControlRan>,
    violations: Option<Table>,
    population: Option<Table>,
    history: Table,
}

impl ControlPage {
    fn outcome(&self) -> Mark {
        Mark::outcome(self.run.as_ref().map(|run| run.outcome))
    }

    fn command(&self) -> String {
        format!("counterfoil controls run {}", self.control.id)
    }

    fn criterion(id: &str) -> Link {
        Link::to(&format!("/criteria#{id}"))
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let control = assurance::catalogue().controls.first().expect("a control");
        let row = |i: u64| {
            let value = serde_json::json!({
                "seq": 18_000 + i, "item": format!("n1/2026-11-22T{i:02}:00:00"), "at": "2026-11-22T10:00:00Z",
                "detail": "edge 100, logged 99, sealed 99", "run_id": "0193540a", "ts": "2026-11-22T20:54:09Z",
                "tree_size": 18_000 + i, "population": 24, "violations": 2 - i,
            });
            value.as_object().expect("an object").clone()
        };
        let found: Vec<Row> = (0..3).map(row).collect();
        let run = sample_run(&control.id, Outcome::Fail);
        let (violations, population) =
            (found_table("Violations", VIOLATION, &found), found_table(POPULATION, ITEM, &found));
        let shell = || Shell::sample(Section::Controls);
        let filled = Self {
            shell: shell(),
            control,
            in_scope: true,
            violations: Some(violations),
            population: Some(population),
            run: Some(run),
            history: history_table(&found, "SELECT 1".into(), 18_204),
        };
        let history = history_table(&[], "SELECT 1".into(), 18_204);
        [
            filled,
            Self { shell: shell(), control, in_scope: false, run: None, violations: None, population: None, history },
        ]
    }
}

#[cfg(test)]
pub(crate) fn sample_run(control: &str, outcome: Outcome) -> ControlRan {
    ControlRan {
        requested_by: "a_7f3k2m9q".into(),
        run: "0193540a-9c1f-7b60-8a11-2b8c4d1e5f60".into(),
        control: control.to_owned(),
        due_at: 1_795_380_849_000,
        logic_sha256: "ab".repeat(32),
        params: domain::assurance::RunParams {
            start: 1_793_000_000_000,
            end: 1_795_380_849_000,
            now: 1_795_380_849_000,
        },
        at_size: 18_200,
        at_root: "cd".repeat(32),
        population: 744,
        population_root: "ef".repeat(32),
        violations: u64::from(outcome == Outcome::Fail) * 2,
        violations_root: "01".repeat(32),
        outcome,
        reason: (outcome == Outcome::NotTested).then(|| "table `documents` is not filled yet".to_owned()),
        engine: "datafusion 55.2".into(),
    }
}

/// The columns that a violations query returns, and those of a population query.
const VIOLATION: &[&str] = &["item", "detail", "at"];
const ITEM: &[&str] = &["item"];

const POPULATION: &str = "The population's first items";

fn found_table(caption: &'static str, names: &[&str], found: &[Row]) -> Table {
    let empty = Empty::new("None", "The query ran at the run's ledger size and found nothing.");
    let mut table = Table::new(caption, names.iter().copied().map(Column::text).collect(), empty);
    let cell = |row: &Row, name: &&str| row.get(*name).and_then(rows::shown).map_or(Cell::None, Cell::Wide);
    table.rows = found.iter().take(SHOWN).map(|row| names.iter().map(|name| cell(row, name)).collect()).collect();
    table
}

fn history_sql(control: &str) -> String {
    format!(
        "SELECT run_id, ts, tree_size, population, violations, seq\nFROM control_runs\n\
         WHERE control_id = {}\nORDER BY ts DESC\nLIMIT 100",
        ui::literal(control)
    )
}

fn history_table(found: &[Row], sql: String, size: u64) -> Table {
    let columns = vec![
        Column::text("event"),
        Column::text("ran (UTC)"),
        Column::number("population"),
        Column::number("violations"),
        Column::text("found"),
        Column::number("at size"),
        Column::text("run"),
    ];
    let mut table = Table::new("Runs", columns, Empty::new("Never run", "Run it now with the command above."));
    let row = |row: &Row| {
        let seq = rows::text(row, "seq");
        let link = Link::into("/ledger", &seq);
        let violations = rows::count(row, "violations");
        vec![
            Cell::Stub(seq, link),
            rows::instant(row, "ts").map_or(Cell::None, Cell::Time),
            Cell::count(rows::count(row, "population")),
            Cell::count(violations),
            Cell::Mark(if violations > 0 {
                Mark::new("violated", Tone::Bad)
            } else {
                Mark::new("no violation", Tone::Plain)
            }),
            Cell::count(rows::count(row, "tree_size")),
            Cell::Code(rows::text(row, "run_id")),
        ]
    };
    table.rows = found.iter().map(row).collect();
    table.query = Some(Query { sql, size });
    table
}

/// What a query of the control gives, computed again as the run computed it.
async fn again(app: &App, run: &ControlRan, sql: &str) -> Result<Vec<Row>, Failure> {
    let session = app.db.at(At::Size(run.at_size)).await.map_err(rows::failure)?;
    let params = Params { start: run.params.start, end: run.params.end, now: run.params.now };
    let sql = format!("SELECT * FROM (\n{sql}\n) LIMIT {SHOWN}");
    let answer = session.sql(&sql, Some(params)).await.map_err(rows::failure)?;
    answer.rows().map_err(rows::failure)
}

/// `GET /controls/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, "controls")?;
    let control = assurance::catalogue().controls.iter().find(|control| control.id == id);
    let control = control.ok_or_else(|| Failure::not_found("control", &id))?;
    let (in_scope, run) = app.engine.read(|state| (state.controls.contains_key(&id), state.runs.get(&id).cloned()));
    let (mut violations, mut population) = (None, None);
    if let Some(run) = run.as_ref().filter(|run| run.outcome != Outcome::NotTested) {
        violations = Some(found_table("Violations", VIOLATION, &again(&app, run, &control.query).await?));
        population = Some(found_table(POPULATION, ITEM, &again(&app, run, &control.population).await?));
    }
    let sql = history_sql(&id);
    let history = app.ask(&sql).await?;
    let history = history_table(&history.rows, sql, history.size);
    let shell = Shell::new(&app, &who, Section::Controls).await?;
    page(&ControlPage { shell, control, in_scope, run, violations, population, history })
}
