//! The page of all data sets, and of what lies encrypted.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use domain::data::Dataset;
use engine::Principal;

use crate::App;
use crate::app::{DATASETS, Found};
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Link, Mark, Page, Query, Section, Shell, Table, Tone, literal, page};

/// The data sets that somebody may read, and the scopes in which they lie when that is not all of them.
pub(crate) fn readable(app: &App, who: &Principal) -> Result<Readable, Failure> {
    let own = app.may_read_some(who, "datasets", &DATASETS)?;
    let fits = |name: &str| own.as_ref().is_none_or(|own| own.contains(&format!("dataset/{name}")));
    let datasets = app.engine.read(|state| {
        let datasets = state.datasets.iter().filter(|(name, _)| fits(name));
        datasets.map(|(name, one)| (name.clone(), one.clone())).collect()
    });
    Ok((datasets, own))
}

type Readable = (Vec<(String, Dataset)>, Option<Vec<String>>);

const OBJECTS: &str = "SELECT seq, kind, classification, source_ref, key_id, encrypted, created_at FROM data_objects\n\
                       WHERE deleted_at IS NULL ORDER BY encrypted, created_at DESC LIMIT 200";

/// The page.
#[derive(Template)]
#[template(path = "data/datasets.html")]
pub(crate) struct DataPage {
    shell: Shell,
    datasets: Table,
    objects: Table,
}

impl DataPage {
    fn new(shell: Shell, datasets: &[(String, Dataset)], found: &Found) -> Self {
        let columns = ["data set", "class", "owner", "purposes", "lawful basis", "licence", "versions", "standing"];
        let empty = Empty::new("No data set is declared", "Declare one in a file, or by a command:")
            .command("counterfoil data declare NAME --class internal --owner a_… --source … --licence … --purposes …");
        let mut table = Table::new("Data sets", columns.map(Column::text).into(), empty);
        table.rows = datasets.iter().map(|(name, dataset)| declared(name, dataset)).collect();
        let columns = ["of", "kind", "class", "key", "encrypted", "since (UTC)"];
        let mut objects = Table::new("Objects", columns.map(Column::text).into(), Empty::new("Nothing is stored", ""));
        objects.rows = found.rows.iter().map(object).collect();
        objects.query = Some(Query { sql: OBJECTS.to_owned(), size: found.size });
        Self { shell, datasets: table, objects }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = serde_json::json!({
            "seq": 7, "kind": "dataset", "classification": "personal", "source_ref": "dataset/loans/1",
            "key_id": "object/personal/0a", "encrypted": true, "created_at": "2026-11-22T20:54:09Z",
        });
        let rows = vec![row.as_object().expect("an object").clone()];
        let shell = || Shell::sample(Section::Data);
        let loans = ("loans".to_owned(), super::dataset::sample());
        [
            Self::new(shell(), &[loans], &Found { rows, size: 18_204 }),
            Self::new(shell(), &[], &Found { rows: vec![], size: 1 }),
        ]
    }
}

fn declared(name: &str, dataset: &Dataset) -> Vec<Cell> {
    let spec = &dataset.spec;
    let purposes: Vec<&str> = spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let standing = match dataset.retired_at {
        None => Mark::new("in use", Tone::Good),
        Some(_) => Mark::new("retired", Tone::Open),
    };
    vec![
        Cell::Stub(name.to_owned(), Link::into("/data", name)),
        Cell::Text(spec.class.as_str().to_owned()),
        Cell::actor(&spec.owner),
        Cell::Text(purposes.join(", ")),
        Cell::maybe(spec.lawful_basis.map(|basis| basis.as_str().to_owned())),
        Cell::Text(spec.licence.clone()),
        Cell::count(dataset.versions.len() as u64),
        Cell::Mark(standing),
    ]
}

fn object(row: &Row) -> Vec<Cell> {
    let encrypted = match row.get("encrypted").and_then(serde_json::Value::as_bool) {
        Some(true) => Mark::new("yes", Tone::Good),
        _ => Mark::new("no", Tone::Bad),
    };
    vec![
        Cell::Stub(rows::text(row, "source_ref"), Link::into("/ledger", &rows::text(row, "seq"))),
        Cell::Text(rows::text(row, "kind")),
        Cell::maybe(rows::maybe(row, "classification")),
        rows::maybe(row, "key_id").map_or(Cell::None, Cell::Code),
        Cell::Mark(encrypted),
        rows::instant(row, "created_at").map_or(Cell::None, Cell::Time),
    ]
}

/// The objects of some data sets, by their scopes.
fn objects_in(own: &[String]) -> String {
    let tests: Vec<String> =
        own.iter().map(|scope| format!("starts_with(source_ref, {})", literal(&format!("{scope}/")))).collect();
    OBJECTS.replace(" ORDER BY", &format!(" AND ({}) ORDER BY", tests.join(" OR ")))
}

/// `GET /data`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let (datasets, own) = readable(&app, &who)?;
    let sql = own.as_ref().map_or(OBJECTS.to_owned(), |own| objects_in(own));
    let found = app.ask(&sql).await?;
    let mut shown = DataPage::new(Shell::new(&app, &who, Section::Data).await?, &datasets, &found);
    if own.is_some() {
        // They may neither ask the query again nor open the ledger that each row leads to.
        shown.objects.query = None;
        for (cells, row) in shown.objects.rows.iter_mut().zip(&found.rows) {
            cells.iter_mut().take(1).for_each(|stub| *stub = Cell::Text(rows::text(row, "source_ref")));
        }
    }
    Names::on_page(&app, &who, vec![], &mut [&mut shown.datasets]).await;
    page(&shown)
}
