//! Evidence packages: which were handed out, and making one.

use std::sync::Arc;

use askama::Template;
use assurance::ExportRequest;
use axum::Form;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use engine::Principal;
use http::header;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::App;
use crate::api::assurance_failure;
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Page, Query, Section, Shell, Table, clock, page, parse_instant};

const SQL: &str = "SELECT seq, ts, package_id, principal_id, window_start, window_end, tree_size, segments,\n  \
                   payloads, package_digest\nFROM evidence_packages\nORDER BY seq DESC\nLIMIT 200";

/// Bytes of a package that are in memory at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Days that the form proposes.
const DAYS: i64 = 90;

/// The page.
#[derive(Template)]
#[template(path = "assurance/evidence.html")]
pub(crate) struct EvidencePage {
    shell: Shell,
    from: String,
    to: String,
    table: Table,
}

impl EvidencePage {
    fn new(shell: Shell, found: &[Row], now: i64, size: u64) -> Self {
        let names = ["event", "time (UTC)", "package", "handed to", "from", "until"];
        let mut columns: Vec<Column> = names.map(Column::text).into();
        columns.extend([Column::number("at size"), Column::number("segments"), Column::text("payloads")]);
        let empty = Empty::new("No package has been exported", "Choose a window above, or type:");
        let mut table = Table::new(
            "Evidence packages",
            columns,
            empty.command("counterfoil evidence export --from 2026-08-01 -o evidence.zip"),
        );
        table.rows = found.iter().map(package_row).collect();
        table.query = Some(Query { sql: SQL.to_owned(), size });
        let day = |ms: i64| Instant(ms).rfc3339().chars().take(10).collect();
        Self { shell, from: day(now - DAYS * 86_400_000), to: day(now + 86_400_000), table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let value = serde_json::json!({
            "seq": 18_100, "ts": "2026-11-22T20:54:09Z", "package_id": "0193540a-9c1f-7b60-8a11-2b8c4d1e5f60",
            "principal_id": "a_7f3k2m9q", "window_start": "2026-08-01T00:00:00Z",
            "window_end": "2026-11-01T00:00:00Z", "tree_size": 18_099, "segments": 412, "payloads": false,
        });
        let row = value.as_object().expect("an object").clone();
        let shell = || Shell::sample(Section::Evidence);
        let now = 1_795_380_849_000;
        [Self::new(shell(), &[row.clone(), row], now, 18_204), Self::new(shell(), &[], now, 18_204)]
    }
}

fn package_row(row: &Row) -> Vec<Cell> {
    let seq = rows::text(row, "seq");
    let link = Link::into("/ledger", &seq);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    vec![
        Cell::Stub(seq, link),
        moment("ts"),
        Cell::Code(rows::text(row, "package_id")),
        Cell::actor(rows::text(row, "principal_id")),
        moment("window_start"),
        moment("window_end"),
        Cell::count(rows::count(row, "tree_size")),
        Cell::count(rows::count(row, "segments")),
        Cell::Text(if rows::text(row, "payloads") == "true" { "sealed, included" } else { "left out" }.to_owned()),
    ]
}

/// `GET /evidence`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "evidence")?;
    let found = app.ask(SQL).await?;
    let shell = Shell::new(&app, &who, Section::Evidence).await?;
    let mut shown = EvidencePage::new(shell, &found.rows, clock(), found.size);
    Names::on_page(&app, &who, vec![], &mut [&mut shown.table]).await;
    page(&shown)
}

/// The form's fields.
#[derive(Deserialize)]
pub(crate) struct Window {
    from: String,
    to: String,
    /// Present when ticked.
    payloads: Option<String>,
}

/// `POST /evidence/export`
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(window): Form<Window>,
) -> Result<Response, PageError> {
    app.may(&who, "evidence.request", "evidence")?;
    let moment = |text: &str| {
        parse_instant(text).ok_or_else(|| Failure::invalid(format!("`{text}` is not a day: write it like 2026-11-22")))
    };
    let (from, to) = (moment(&window.from)?, moment(&window.to)?);
    Ok(package(&app, &who, from, to, window.payloads.is_some()).await?)
}

/// Makes a package and answers with it. The file is removed when the answer has been sent or given up.
pub(crate) async fn package(
    app: &App,
    who: &Principal,
    from: i64,
    to: i64,
    payloads: bool,
) -> Result<Response, Failure> {
    let made = assurance::export(&app.engine, &app.db, who, ExportRequest { from, to, payloads }).await;
    let package = made.map_err(assurance_failure)?;
    let opened = tokio::fs::File::open(&package.file).await;
    let file = opened.map_err(|error| Failure::internal("open the package", &error))?;
    let name = format!("attachment; filename=\"counterfoil-evidence-{}.zip\"", package.exported.package);
    let headers = [(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, name)];
    // The package lives in the stream, and its file goes when the stream does.
    let chunks = futures_util::stream::try_unfold((file, package), |(mut file, package)| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), (file, package))))
    });
    Ok((headers, Body::from_stream(chunks)).into_response())
}
