//! A version that is brought in by a form, and the page that says how two versions differ.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, Request, State};
use axum::response::Redirect;
use domain::data::Form;
use http::header;
use ingest::{ColumnDiff, Diff, Outcome, Wish};

use crate::App;
use crate::api::content::{Compared, compare};
use crate::api::contracts::on_arrival;
use crate::api::datasets::{Rows, brought_in};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::multipart;
use crate::ui::{Cell, Column, Empty, Page, Section, Shell, Table, page};

/// `POST /data/{id}/versions`: a form with a file, which is read as it comes.
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    request: Request,
) -> Result<Redirect, PageError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(kind)?;
    let mut body = request.into_body().into_data_stream();
    let head = multipart::head(&mut body, &boundary).await?;
    let field =
        |name: &str| head.fields.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let form = match field("form").as_deref() {
        None => Form::of_name(&head.file_name),
        Some("none") => None,
        Some(word) => {
            let form = Form::ALL.into_iter().find(|form| form.as_str() == word);
            Some(form.ok_or_else(|| Failure::invalid("there is no such form of rows"))?)
        }
    };
    let column = field("column");
    let rows = Rows { form, scope: column.as_ref().and_then(|_| field("scope")), column, subjects: field("subjects") };
    let version = field("version").unwrap_or_default();
    let wish = Wish { dataset: id.clone(), version: version.clone(), form, about: rows.about()? };
    let begun = std::io::Cursor::new(head.begun);
    let outcome = brought_in(&app, &who, wish, body, |pieces| {
        multipart::File::new(std::io::Read::chain(begun, pieces), head.end)
    })
    .await?;
    if matches!(outcome, Outcome::Stored { .. }) {
        on_arrival(&app, &who, &id, &version).await;
    }
    Ok(Redirect::to(&format!("/data/{id}")))
}

/// The page of a comparison.
#[derive(Template)]
#[template(path = "data/diff.html")]
pub(crate) struct DiffPage {
    shell: Shell,
    name: String,
    diff: Diff,
    columns: Table,
    moved: Table,
}

impl DiffPage {
    fn new(shell: Shell, name: String, diff: Diff) -> Self {
        let titles = [
            "column",
            "type",
            "without a value",
            "different values, about",
            "median",
            "least and greatest",
            "apart by",
        ];
        let empty = Empty::new("No column is in both with one type", "");
        let mut columns = Table::new("Columns in both", titles.map(Column::text).into(), empty);
        columns.rows = diff.columns.iter().map(compared).collect();
        let titles = ["column", "value", "rows before", "rows after"];
        let empty = Empty::new("No values are shown", "Those of public and internal data are, where they are few.");
        let mut moved = Table::new("Values that moved most", titles.map(Column::text).into(), empty);
        for column in &diff.columns {
            let changed = column.moved.iter().filter(|value| value.rows[0] != value.rows[1]);
            moved.rows.extend(changed.map(|value| {
                let shown = value.value.clone().unwrap_or_else(|| "none".to_owned());
                let [before, after] = value.rows;
                vec![Cell::Text(column.name.clone()), Cell::Text(shown), Cell::count(before), Cell::count(after)]
            }));
        }
        Self { shell, name, diff, columns, moved }
    }

    fn added(&self) -> String {
        listed(&self.diff.columns_added)
    }

    fn removed(&self) -> String {
        listed(&self.diff.columns_removed)
    }

    fn retyped(&self) -> String {
        let named = self.diff.columns_retyped.iter().map(|[name, was, is]| format!("{name} ({was}, then {is})"));
        let named: Vec<String> = named.collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let column = ColumnDiff {
            name: "purpose".into(),
            kind: "text".into(),
            shows_values: true,
            nulls: [0, 2],
            distinct: [3, 4],
            min: Some([Some("car".into()), None]),
            max: Some([Some("home".into()), Some("home".into())]),
            quantiles: None,
            measure: Some("total_variation"),
            distance: Some(0.125),
            moved: vec![ingest::Moved { value: None, rows: [0, 2] }],
        };
        let diff = Diff {
            from: "1".into(),
            to: "2".into(),
            rows: [10, 12],
            columns_added: vec![["region".into(), "text".into()]],
            columns_removed: vec![],
            columns_retyped: vec![["rate".into(), "integer".into(), "number".into()]],
            by_key: Some(ingest::RowDiff {
                key: vec!["id".into()],
                added: 3,
                removed: 1,
                changed: 2,
                unclear: [0, 0],
                not_compared: vec![],
            }),
            columns: vec![column],
            columns_left_out: 0,
            shows_values: true,
        };
        Self::new(Shell::sample(Section::Data), "loans".into(), diff)
    }
}

fn listed(columns: &[[String; 2]]) -> String {
    let named: Vec<String> = columns.iter().map(|[name, kind]| format!("{name} ({kind})")).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}

fn compared(column: &ColumnDiff) -> Vec<Cell> {
    let pair = |[a, b]: [u64; 2]| Cell::Text(if a == b { a.to_string() } else { format!("{a}, then {b}") });
    let median = column.quantiles.map(|[a, b]| format!("{:.4}, then {:.4}", a.p50, b.p50));
    let ends = |ends: &[Option<String>; 2]| ends.clone().map(|end| end.unwrap_or_else(|| "none".to_owned()));
    let range = column.min.as_ref().zip(column.max.as_ref()).map(|(min, max)| {
        let ([min, min_then], [max, max_then]) = (ends(min), ends(max));
        format!("{min} to {max}, then {min_then} to {max_then}")
    });
    let apart =
        column.measure.zip(column.distance).map(|(measure, by)| format!("{by:.4} ({})", measure.replace('_', " ")));
    vec![
        Cell::Text(column.name.clone()),
        Cell::Text(column.kind.clone()),
        pair(column.nulls),
        pair(column.distinct),
        Cell::maybe(median),
        Cell::maybe(range),
        Cell::maybe(apart),
    ]
}

/// `GET /data/{id}/diff`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Query(compared): Query<Compared>,
) -> Page {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let diff = compare(&app, &who, &id, &compared).await?;
    page(&DiffPage::new(Shell::new(&app, &who, Section::Data).await?, id, diff))
}
