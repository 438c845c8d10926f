//! The catalogue of controls with the newest result of each.

use std::sync::Arc;

use askama::Template;
use assurance::Control;
use axum::extract::{Query as Parameters, State};
use domain::assurance::{ControlRan, Outcome};
use serde::Deserialize;

use crate::App;
use crate::auth::Visitor;
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, page};

/// The filters, as the address has them; empty means any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    family: String,
    /// `pass`, `fail` or `not_tested`, of the controls in scope.
    outcome: String,
    q: String,
    /// `violations` or `ran`, worst and newest first; otherwise by identifier.
    sort: String,
}

impl Filters {
    fn sorted_by(&self, sort: &str) -> (Link, &'static str) {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let link = Link::to("/controls").maybe("family", given(&self.family)).maybe("outcome", given(&self.outcome));
        let link = link.maybe("q", given(&self.q)).with("sort", sort);
        let arrow = if sort == "id" { "↑" } else { "↓" };
        let here = self.sort == sort || (self.sort.is_empty() && sort == "id");
        (link, if here { arrow } else { "" })
    }

    fn sort(&self, lines: &mut [Line<'_>]) {
        let run = |line: &Line<'_>, key: fn(&ControlRan) -> i64| std::cmp::Reverse(line.run.map_or(i64::MIN, key));
        match self.sort.as_str() {
            "violations" => {
                lines.sort_by_key(|line| run(line, |ran| i64::try_from(ran.violations).unwrap_or(i64::MAX)))
            }
            "ran" => lines.sort_by_key(|line| run(line, |ran| ran.params.now)),
            _ => lines.sort_by_key(|line| &line.control.id),
        }
    }

    fn keep(&self, line: &Line<'_>) -> bool {
        let text = format!("{} {}", line.control.id, line.control.name).to_lowercase();
        let outcome = match line.run.map(|run| run.outcome) {
            Some(Outcome::Pass) => "pass",
            Some(Outcome::Fail) => "fail",
            Some(Outcome::NotTested) | None => "not_tested",
        };
        (self.family.is_empty() || self.family == line.control.family)
            && (self.outcome.is_empty() || (line.in_scope && self.outcome == outcome))
            && text.contains(&self.q.to_lowercase())
    }
}

/// A control with what the state knows of it.
struct Line<'a> {
    control: &'a Control,
    in_scope: bool,
    run: Option<&'a ControlRan>,
}

/// The page.
#[derive(Template)]
#[template(path = "assurance/controls.html")]
pub(crate) struct ControlsPage {
    shell: Shell,
    filters: Filters,
    families: Vec<&'static str>,
    outcomes: [(&'static str, &'static str); 3],
    table: Table,
}

/// The runs behind the newest results.
const SQL: &str =
    "SELECT control_id, run_id, ts, tree_size, population, violations\nFROM control_runs\nORDER BY control_id, ts DESC";

impl ControlsPage {
    fn new(shell: Shell, filters: Filters, mut lines: Vec<Line<'_>>, size: u64) -> Self {
        filters.sort(&mut lines);
        let mut families: Vec<&str> =
            assurance::catalogue().controls.iter().map(|control| control.family.as_str()).collect();
        families.sort_unstable();
        families.dedup();
        let sortable = |column: Column, by: &str| {
            let (link, arrow) = filters.sorted_by(by);
            column.sorted_by(link, arrow)
        };
        let mut columns = vec![sortable(Column::text("control"), "id")];
        columns.extend(["name", "criteria", "in scope", "outcome"].map(Column::text));
        columns.push(Column::number("population"));
        columns.push(sortable(Column::number("violations"), "violations"));
        columns.push(sortable(Column::text("ran (UTC)"), "ran"));
        columns.push(Column::number("at size"));
        let empty = Empty::new("No control matches", "Remove a filter to see more.");
        let mut table = Table::new("Controls", columns, empty);
        table.rows = lines.iter().filter(|line| filters.keep(line)).map(control_row).collect();
        table.query = Some(Query { sql: SQL.to_owned(), size });
        let outcomes = [("pass", "pass"), ("fail", "fail"), ("not_tested", "not tested")];
        Self { shell, filters, families, outcomes, table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let outcomes = [Outcome::Pass, Outcome::Fail, Outcome::NotTested];
        let catalogue = assurance::catalogue();
        let runs: Vec<ControlRan> = catalogue
            .controls
            .iter()
            .zip(outcomes.iter().cycle())
            .map(|(control, outcome)| super::control::sample_run(&control.id, *outcome))
            .collect();
        let line = |(i, control)| Line { control, in_scope: i % 4 != 3, run: runs.get(i).filter(|_| i % 4 != 3) };
        let lines = || -> Vec<Line<'_>> { catalogue.controls.iter().enumerate().map(line).collect() };
        let shell = || Shell::sample(Section::Controls);
        let filters = Filters { q: "nothing".into(), ..Filters::default() };
        [Self::new(shell(), Filters::default(), lines(), 18_204), Self::new(shell(), filters, lines(), 18_204)]
    }
}

fn control_row(line: &Line<'_>) -> Vec<Cell> {
    let Line { control, in_scope, run } = line;
    let outcome = if *in_scope || run.is_some() {
        Mark::outcome(run.map(|run| run.outcome))
    } else {
        Mark::new("–", crate::ui::Tone::Plain)
    };
    let mut cells = vec![
        Cell::Id(control.id.clone(), Link::into("/controls", &control.id)),
        Cell::Wide(control.name.clone()),
        Cell::Text(control.tsc.join(" ")),
        Cell::Text(if *in_scope { "yes" } else { "no" }.to_owned()),
        Cell::Mark(outcome),
    ];
    cells.extend(match run {
        Some(run) => [
            Cell::count(run.population),
            Cell::count(run.violations),
            Cell::Time(Instant(run.params.now)),
            Cell::count(run.at_size),
        ],
        None => [Cell::None, Cell::None, Cell::None, Cell::None],
    });
    cells
}

/// `GET /controls`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(filters): Parameters<Filters>,
) -> Page {
    app.may_read(&who, "controls")?;
    let (scope, runs, size) = app.engine.read(|state| (state.controls.clone(), state.runs.clone(), state.size));
    let line = |control: &'static Control| Line {
        control,
        in_scope: scope.contains_key(&control.id),
        run: runs.get(&control.id),
    };
    let lines = assurance::catalogue().controls.iter().map(line).collect();
    page(&ControlsPage::new(Shell::new(&app, &who, Section::Controls).await?, filters, lines, size))
}
