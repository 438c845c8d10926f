//! The page of one data set: what is declared of it, and its versions.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use domain::data::Dataset;

use crate::App;
use crate::app::Found;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, page};

/// The page.
#[derive(Template)]
#[template(path = "data/dataset.html")]
pub(crate) struct DatasetPage {
    shell: Shell,
    name: String,
    dataset: Dataset,
    versions: Table,
    /// Versions whose form is known, which can be compared.
    known: Vec<String>,
    may_store: bool,
    fields: Table,
}

impl DatasetPage {
    fn new(shell: Shell, name: String, dataset: Dataset, found: &Found, may_store: bool) -> Self {
        let columns =
            ["version", "stored (UTC)", "by", "bytes", "form", "rows", "columns", "whom rows are about", "key"];
        let empty = Empty::new("No version is stored", "Store one:")
            .command(format!("counterfoil data put {name} FILE --version 1"));
        let mut versions = Table::new("Versions", columns.map(Column::text).into(), empty);
        let row = |(version, known): (&String, &domain::data::Version)| {
            let about = known.subjects.as_ref().map(|subjects| format!("column {}", subjects.column));
            vec![
                Cell::Stub(version.clone(), Link::into(&format!("/data/{name}"), version)),
                Cell::Time(Instant::at(&known.at)),
                Cell::actor(&known.by),
                Cell::count(known.stored.bytes),
                Cell::maybe(ingest::form_of(known).map(|form| form.as_str().to_owned())),
                known.content.as_ref().map_or(Cell::maybe(None), |content| Cell::count(content.rows)),
                known.content.as_ref().map_or(Cell::maybe(None), |content| Cell::count(content.width)),
                Cell::maybe(about),
                Cell::Code(known.stored.key.clone()),
            ]
        };
        versions.rows = dataset.versions.iter().map(row).collect();
        let fields = fields(&name, found);
        let forms = dataset.versions.iter().filter(|(_, known)| ingest::form_of(known).is_some());
        let known = forms.map(|(version, _)| version.clone()).collect();
        Self { shell, name, dataset, versions, known, may_store, fields }
    }

    fn purposes(&self) -> String {
        let purposes: Vec<&str> = self.dataset.spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
        purposes.join(", ")
    }

    fn lawful_basis(&self) -> &'static str {
        self.dataset.spec.lawful_basis.map_or("none needed", |basis| basis.as_str())
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let row = serde_json::json!({
            "version": "1", "field": "email", "declared_class": "personal", "proposed_class": "personal", "found": "email",
            "found_permille": 980, "purpose_id": "support", "justification_ref": "DPIA-7", "declared_by": "a_91bc77",
            "use_state": "unknown", "used_by": null, "seq": 7,
        });
        let rows = vec![row.as_object().expect("an object").clone()];
        Self::new(Shell::sample(Section::Data), "loans".to_owned(), sample(), &Found { rows, size: 18_204 }, true)
    }
}

/// The fields of the versions: what they are declared as, what was found, what they are for, and which models take them.
fn fields(name: &str, known: &Found) -> Table {
    let columns = ["version", "field", "declared", "found", "share", "purpose", "justification", "by", "models"];
    let empty = Empty::new("No field is known", "Say what fields are:").command(format!(
        "counterfoil data fields {name} --field FIELD --class CLASS --purposes PURPOSE --justification TICKET"
    ));
    let mut table = Table::new("Fields", columns.map(Column::text).into(), empty);
    table.query = Some(Query { sql: crate::api::fields::fields_of(name), size: known.size });
    let row = |row: &Row| {
        let text = |column: &str| rows::maybe(row, column);
        let undeclared = || Cell::Mark(Mark::new("not at all", Tone::Open));
        let share = row.get("found_permille").and_then(serde_json::Value::as_u64);
        let unused = match (text("use_state").as_deref(), text("used_by")) {
            (Some("unused"), _) => Cell::Mark(Mark::new("none takes it", Tone::Open)),
            (Some("used"), Some(models)) => Cell::Wide(models),
            _ => Cell::Text("unknown".to_owned()),
        };
        vec![
            Cell::Text(rows::text(row, "version")),
            Cell::Text(rows::text(row, "field")),
            text("declared_class").map_or_else(undeclared, Cell::Text),
            Cell::maybe(text("found")),
            Cell::maybe(share.map(|permille| format!("{}.{} %", permille / 10, permille % 10))),
            text("purpose_id").map_or_else(|| Cell::Mark(Mark::new("none", Tone::Open)), Cell::Text),
            Cell::maybe(text("justification_ref")),
            text("declared_by").map_or(Cell::None, Cell::actor),
            unused,
        ]
    };
    table.rows = known.rows.iter().map(row).collect();
    table
}

/// A data set with a version.
#[cfg(test)]
pub(super) fn sample() -> Dataset {
    serde_json::from_value(serde_json::json!({
        "spec": {
            "class": "personal", "owner": "a_91bc77", "source": "crm/exports", "licence": "CC-BY-4.0",
            "lawful_basis": "contract", "purposes": ["development"],
        },
        "retired_at": null,
        "versions": { "1": {
            "stored": {
                "object": "0a", "class": "personal", "key": "object/personal/0a", "sha256": "c1", "stored_bytes": 200,
                "bytes": 90, "chunks": 1, "commitment": "c2",
            },
            "subjects": { "form": "csv", "column": "email", "scope": "email" },
            "content": {
                "form": "csv", "rows": 4, "width": 2, "schema": "c3", "digest": "c4", "groups": ["c5"], "groups_each": 1,
                "columns": [{ "name": "id", "type": "integer" }, { "name": "email", "type": "text" }],
            },
            "at": 1_795_000_000_000_i64, "by": "a_91bc77",
        } },
        "ended": [],
    }))
    .expect("a data set")
}

/// `GET /data/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let dataset = app.engine.read(|state| state.datasets.get(&id).cloned());
    let dataset = dataset.ok_or_else(|| Failure::not_found("data set", &id))?;
    let known = app.ask(&crate::api::fields::fields_of(&id)).await?;
    let may_store = app.decides(&who, "dataset.version.store", &format!("dataset/{id}"));
    let mut shown = DatasetPage::new(Shell::new(&app, &who, Section::Data).await?, id, dataset, &known, may_store);
    if !app.decides(&who, "sql", "ledger") {
        shown.fields.query = None;
    }
    Names::on_page(&app, &who, vec![], &mut [&mut shown.versions, &mut shown.fields]).await;
    page(&shown)
}
