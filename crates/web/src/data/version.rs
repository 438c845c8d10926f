//! The page of one version of a data set: how it stands, what was checked of it, and what came of each rule.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use domain::data::{Standing, Unsure, Version, checks::wilson};

use crate::App;
use crate::app::Found;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, literal, page};

/// The results of the checks of a version, newest first.
const RESULTS: &str = "SELECT seq, check_id, rule, dimension, blocking, status, checked, violations, reason, contract_id, \
                       contract_version, ts, reported_by, tool_version\nFROM dataset_checks\nWHERE dataset_id = $dataset AND version = $version\n\
                       ORDER BY ts DESC, check_id LIMIT 400";

/// The page.
#[derive(Template)]
#[template(path = "data/version.html")]
pub(crate) struct VersionPage {
    shell: Shell,
    dataset: String,
    name: String,
    version: Version,
    standing: Standing,
    contract: Option<(String, u64)>,
    results: Table,
    /// What the data set may be read for.
    purposes: Vec<&'static str>,
}

impl VersionPage {
    fn new(
        shell: Shell,
        (dataset, name): (String, String),
        version: Version,
        (standing, contract): (Standing, Option<(String, u64)>),
        found: &Found,
    ) -> Self {
        let columns = vec![
            Column::text("rule"),
            Column::text("dimension"),
            Column::text("verdict"),
            Column::number("looked at"),
            Column::number("break it"),
            Column::text("share, and where it lies (95 %)"),
            Column::text("if broken"),
            Column::text("by"),
            Column::text("checked (UTC)"),
        ];
        let empty = Empty::new("Nothing was checked of this version", "Check it:")
            .command(format!("counterfoil data check {dataset}@{name}"));
        let mut results = Table::new("Checks", columns, empty);
        results.rows = found.rows.iter().map(result).collect();
        results.query = Some(Query { sql: asked(&dataset, &name), size: found.size });
        Self { shell, dataset, name, version, standing, contract, results, purposes: vec![] }
    }

    /// How the version stands.
    fn mark(&self) -> Mark {
        let checked = self.standing.checked.as_ref();
        match (&self.standing.quarantine, &self.standing.released) {
            (Some(_), _) => Mark::new("quarantined", Tone::Bad),
            (None, Some(_)) => Mark::new("released", Tone::Open),
            _ => match checked.map(|last| last.verdict.as_str()) {
                Some("passed") => Mark::new("passed", Tone::Good),
                Some("failed") => Mark::new("failed", Tone::Bad),
                Some(_) => Mark::new("unknown", Tone::Open),
                None => Mark::new("not checked", Tone::Open),
            },
        }
    }

    fn stored(&self) -> Instant {
        Instant::at(&self.version.at)
    }

    fn broken(&self) -> String {
        self.standing.quarantine.as_ref().map(|quarantine| quarantine.rules.join(", ")).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let version = || super::dataset::sample().versions.remove("1").expect("a version");
        let standing: Standing = serde_json::from_value(serde_json::json!({
            "checked": {
                "check": "k_1", "contract": "loans", "number": 2, "object": "0a", "verdict": "failed",
                "passed": ["completeness"], "at": 1_795_000_000_000_i64,
            },
            "quarantine": {
                "check": "k_1", "rules": ["amount.range"], "rows": null, "kept": 2, "by": "a_91bc77",
                "at": 1_795_000_000_000_i64,
            },
            "released": null,
        }))
        .expect("a standing");
        let row = serde_json::json!({
            "seq": 7, "check_id": "k_1/amount.range", "rule": "amount.range", "dimension": "validity", "blocking": true,
            "status": "failed", "checked": 1000, "violations": 2, "contract_id": "loans", "contract_version": 2,
            "ts": "2026-11-22T20:54:09Z",
        });
        let found = |rows| Found { rows, size: 18_204 };
        let shell = || Shell::sample(Section::Data);
        let named = || ("loans".to_owned(), "1".to_owned());
        let rows = vec![row.as_object().expect("an object").clone()];
        let bare = Self::new(shell(), named(), version(), (Standing::default(), None), &found(vec![]));
        [
            Self::new(shell(), named(), version(), (standing, Some(("loans".to_owned(), 2))), &found(rows)),
            Self { purposes: vec!["development"], ..bare },
        ]
    }
}

fn asked(dataset: &str, version: &str) -> String {
    RESULTS.replace("$dataset", &literal(dataset)).replace("$version", &literal(version))
}

fn result(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let number = |column: &str| row.get(column).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let (checked, violations) = (number("checked"), number("violations"));
    let verdict = match text("status").as_str() {
        "passed" => Mark::new("passed", Tone::Good),
        "failed" => Mark::new("failed", Tone::Bad),
        _ => {
            let reason: Option<Unsure> =
                row.get("reason").and_then(|reason| serde_json::from_value(reason.clone()).ok());
            Mark::new(reason.map_or("unknown".to_owned(), |why| format!("unknown: {}", why.meaning())), Tone::Open)
        }
    };
    let percent = |share: f64| format!("{:.3} %", share * 100.0);
    let share = wilson(violations, checked)
        .map(|(share, low, high)| format!("{}, {} to {}", percent(share), percent(low), percent(high)));
    let blocks = row.get("blocking").and_then(serde_json::Value::as_bool) == Some(true);
    let contract = match (rows::maybe(row, "reported_by"), rows::maybe(row, "contract_version")) {
        (Some(tool), _) => format!("said by {} {}", tool.replace('_', " "), text("tool_version")),
        (None, Some(version)) => format!("{} {version}", text("contract_id")),
        (None, None) => format!("{}, a file", text("contract_id")),
    };
    let counted = |column: &str| row.get(column).and_then(serde_json::Value::as_u64).map_or(Cell::None, Cell::count);
    vec![
        Cell::Stub(text("rule"), Link::into("/ledger", &text("seq"))),
        Cell::Text(text("dimension")),
        Cell::Mark(verdict),
        counted("checked"),
        counted("violations"),
        Cell::maybe(share),
        Cell::Text(if blocks { "quarantine" } else { "told" }.to_owned()),
        Cell::Text(contract),
        rows::instant(row, "ts").map_or(Cell::None, Cell::Time),
    ]
}

/// `GET /data/{id}/{version}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path((id, name)): Path<(String, String)>,
) -> Page {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let (version, standing, contract, purposes) = app.engine.read(|state| {
        let contract = state.contract_of(&id).map(|known| (known.published.contract.clone(), known.published.version));
        let standing = state.standing(&id, &name).cloned().unwrap_or_default();
        let purposes =
            state.datasets.get(&id).map(|known| known.spec.purposes.iter().map(|one| one.as_str()).collect::<Vec<_>>());
        (state.dataset_version(&id, &name).cloned(), standing, contract, purposes)
    });
    let version = version.ok_or_else(|| Failure::not_found("version", &name))?;
    let found = app.ask(&asked(&id, &name)).await?;
    let shell = Shell::new(&app, &who, Section::Data).await?;
    let mut shown = VersionPage::new(shell, (id, name), version, (standing, contract), &found);
    shown.purposes = purposes.unwrap_or_default();
    if app.may_read(&who, "ledger").is_err() {
        // They may neither ask the query again nor open the ledger that each row leads to.
        shown.results.query = None;
        for (cells, row) in shown.results.rows.iter_mut().zip(&found.rows) {
            cells.iter_mut().take(1).for_each(|stub| *stub = Cell::Text(rows::text(row, "rule")));
        }
    }
    Names::on_page(&app, &who, vec![], &mut [&mut shown.results]).await;
    page(&shown)
}
