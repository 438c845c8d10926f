//! Documents that people work under: what one has to read and acknowledge, who has not, and who was trained.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::Command;
use domain::people::{Document, DocumentAcknowledged, TrainingRecorded};
use engine::Principal;
use serde::Deserialize;

use super::names::Names;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, literal, page,
    parse_instant, timestamp,
};

const DOCUMENTS: &str = "SELECT seq, doc_id, kind, version, published_at, approved_by, review_due, ack_required\n\
                         FROM documents WHERE superseded_at IS NULL ORDER BY doc_id LIMIT 200";

/// The longest text that a page shows, in bytes; more is for downloading.
const SHOWN_BYTES: usize = 256 << 10;

/// Who has not acknowledged what they are to.
fn missing(now: i64) -> String {
    format!("{} LIMIT 500", query::unacknowledged(&timestamp(now)))
}

/// What people who hold a role were trained for, those without training first.
fn training(now: i64) -> String {
    format!(
        "SELECT h.principal_id, t.seq, t.course, t.completed_at, t.expires_at, t.recorded_by FROM {}\n\
         LEFT JOIN training t ON t.principal_id = h.principal_id\n\
         ORDER BY t.expires_at ASC NULLS FIRST, h.principal_id LIMIT 500",
        query::role_holders(&timestamp(now))
    )
}

/// The page of all documents.
#[derive(Template)]
#[template(path = "people/documents.html")]
pub(crate) struct DocumentsPage {
    shell: Shell,
    waiting: Vec<Waiting>,
    documents: Table,
    /// Who has not acknowledged what, and who was trained, for those who may know.
    people: Option<(Table, Table)>,
    /// Whether the visitor may record training.
    records: bool,
}

/// A document that waits for the visitor.
struct Waiting {
    document: String,
    version: u64,
}

impl Waiting {
    fn of(document: &Document) -> Self {
        Self { document: document.published.document.clone(), version: document.published.version }
    }
}

fn documents_table(found: &Found) -> Table {
    let columns = ["document", "kind", "version", "since (UTC)", "approved by", "review due (UTC)", "to acknowledge"];
    let empty = Empty::new("No document is published", "Publish one, and let somebody else approve it:")
        .command("counterfoil documents publish policy.md --id ai-use --review-due 365d --ack-required --ask TICKET");
    let mut table = Table::new("Documents", columns.map(Column::text).into(), empty);
    table.rows = found.rows.iter().map(document_row).collect();
    table.query = Some(Query { sql: DOCUMENTS.to_owned(), size: found.size });
    table
}

fn document_row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let due = rows::instant(row, "review_due");
    vec![
        Cell::Stub(text("doc_id"), Link::into("/documents", &text("doc_id"))),
        Cell::Text(text("kind")),
        Cell::Text(text("version")),
        rows::instant(row, "published_at").map_or(Cell::None, Cell::Time),
        rows::maybe(row, "approved_by").map_or_else(|| Cell::Mark(Mark::new("nobody", Tone::Bad)), Cell::actor),
        due.map_or(Cell::None, Cell::Time),
        Cell::Text(if text("ack_required") == "true" { "by everybody" } else { "no" }.to_owned()),
    ]
}

fn missing_table(found: &Found, sql: String, names: &Names) -> Table {
    let empty = Empty::new(
        "Nobody is missing",
        "Nothing in force waits for anybody to acknowledge it. A new version asks all of them anew.",
    );
    let mut table = Table::new("Not acknowledged", ["person", "document", "version"].map(Column::text).into(), empty);
    let cells = |row: &Row| {
        let actor = rows::text(row, "principal_id");
        vec![
            Cell::Stub(names.shown(&actor), Link::into("/people", &actor)),
            Cell::Text(rows::text(row, "doc_id")),
            Cell::Text(rows::text(row, "version")),
        ]
    };
    table.rows = found.rows.iter().map(cells).collect();
    table.query = Some(Query { sql, size: found.size });
    table
}

fn training_table(found: &Found, sql: String, names: &Names, now: i64) -> Table {
    let columns = ["person", "course", "completed (UTC)", "counts until (UTC)", "stands", "recorded by"];
    let empty = Empty::new("Nobody holds a role", "Training is asked of people who hold one.");
    let mut table = Table::new("Training", columns.map(Column::text).into(), empty);
    let cells = |row: &Row| {
        let actor = rows::text(row, "principal_id");
        let until = rows::instant(row, "expires_at");
        let stands = match until {
            None => Mark::new("none", Tone::Bad),
            Some(until) if until.0 <= now => Mark::new("over", Tone::Bad),
            Some(_) => Mark::new("counts", Tone::Good),
        };
        vec![
            Cell::Stub(names.shown(&actor), Link::into("/people", &actor)),
            Cell::maybe(rows::maybe(row, "course")),
            rows::instant(row, "completed_at").map_or(Cell::None, Cell::Time),
            until.map_or(Cell::None, Cell::Time),
            Cell::Mark(stands),
            rows::maybe(row, "recorded_by").map_or(Cell::None, Cell::actor),
        ]
    };
    table.rows = found.rows.iter().map(cells).collect();
    table.query = Some(Query { sql, size: found.size });
    table
}

/// What the visitor may know of others: who has not acknowledged what, and who was trained, each with its query.
async fn others(app: &App, who: &Principal, now: i64) -> Result<Option<[(Found, String); 2]>, Failure> {
    if !app.is_shown(who, "read", "people") {
        return Ok(None);
    }
    let (missing, training) = (missing(now), training(now));
    let (lacking, trained) = (app.ask(&missing).await?, app.ask(&training).await?);
    Ok(Some([(lacking, missing), (trained, training)]))
}

/// Whom rows name.
fn named(found: &Found) -> impl Iterator<Item = String> {
    let columns = |row: &Row| ["principal_id", "recorded_by"].map(|column| rows::maybe(row, column));
    found.rows.iter().flat_map(columns).flatten()
}

/// `GET /documents`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "documents")?;
    let waiting = app.engine.read(|state| state.to_acknowledge(&who.actor).map(Waiting::of).collect());
    let now = clock();
    let mut documents = documents_table(&app.ask(DOCUMENTS).await?);
    let others = others(&app, &who, now).await?;
    let concerned = others.iter().flatten().flat_map(|(found, _)| named(found)).collect();
    let names = Names::on_page(&app, &who, concerned, &mut [&mut documents]).await;
    let people = others.map(|[(lacking, missing), (trained, training)]| {
        let mut trained = training_table(&trained, training, &names, now);
        names.fill(&mut [&mut trained]);
        (missing_table(&lacking, missing, &names), trained)
    });
    let records = app.engine.policies().decide(&who, "training.record", "actor/a_somebody").is_ok();
    let shell = Shell::new(&app, &who, Section::Documents).await?;
    page(&DocumentsPage { shell, waiting, documents, people, records })
}

/// The page of one document.
#[derive(Template)]
#[template(path = "people/document.html")]
pub(crate) struct DocumentPage {
    shell: Shell,
    document: Document,
    /// When the visitor acknowledged this version.
    acknowledged: Option<Instant>,
    /// What it says; `None` when that is no text, or too long for a page.
    text: Option<String>,
    versions: Table,
}

impl DocumentPage {
    fn since(&self) -> Instant {
        Instant(self.document.at)
    }

    fn due(&self) -> Instant {
        Instant(self.document.published.review_due)
    }
}

/// The text of a document, when it is one and a page can show it.
pub(crate) fn as_text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| text.len() <= SHOWN_BYTES)
}

fn versions_table(found: &Found, sql: String) -> Table {
    let columns = ["version", "since (UTC)", "until (UTC)", "approved by", "approved (UTC)", "SHA-256"];
    let mut table = Table::new("Versions", columns.map(Column::text).into(), Empty::new("No version", ""));
    let cells = |row: &Row| {
        let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
        vec![
            Cell::Stub(rows::text(row, "version"), Link::into("/ledger", &rows::text(row, "seq"))),
            moment("published_at"),
            moment("superseded_at"),
            rows::maybe(row, "approved_by").map_or(Cell::None, Cell::actor),
            moment("approved_at"),
            Cell::Code(rows::text(row, "content_hash").chars().take(12).collect()),
        ]
    };
    table.rows = found.rows.iter().map(cells).collect();
    table.query = Some(Query { sql, size: found.size });
    table
}

/// `GET /documents/{id}`
pub(crate) async fn one(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, &format!("document/{id}"))?;
    let document = app.engine.document(&id)?;
    let text = as_text(app.engine.document_bytes(&document.published.sha256).await?);
    let sql = format!(
        "SELECT seq, version, published_at, superseded_at, approved_by, approved_at, content_hash\n\
         FROM documents WHERE doc_id = {} ORDER BY published_at DESC LIMIT 200",
        literal(&id)
    );
    let mut versions = versions_table(&app.ask(&sql).await?, sql);
    Names::on_page(&app, &who, vec![], &mut [&mut versions]).await;
    let acknowledged = document.acknowledged.get(&who.actor).map(Instant::at);
    let shell = Shell::new(&app, &who, Section::Documents).await?;
    page(&DocumentPage { shell, document, acknowledged, text, versions })
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

/// The version that somebody read.
#[derive(Deserialize)]
pub(crate) struct Read {
    version: u64,
}

/// `POST /documents/{id}/acknowledge`
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(read): Form<Read>,
) -> Back {
    let acknowledged = DocumentAcknowledged { document: id, version: read.version };
    app.engine.execute(&who, Command::AcknowledgeDocument(acknowledged)).await?;
    Ok(Redirect::to("/documents"))
}

/// A course that a form records.
#[derive(Deserialize)]
pub(crate) struct Completed {
    actor: String,
    course: String,
    completed: String,
    expires: String,
}

/// `POST /training`
pub(crate) async fn record(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Completed>) -> Back {
    let day = |text: &str| {
        let wrong = || Failure::invalid(format!("`{text}` is not a day: write it like 2026-11-22"));
        parse_instant(text).ok_or_else(wrong)
    };
    let recorded = TrainingRecorded {
        completed_at: day(&form.completed)?,
        expires_at: day(&form.expires)?,
        actor: form.actor.trim().to_owned(),
        course: form.course.trim().to_owned(),
        evidence_sha256: None,
    };
    app.engine.execute(&who, Command::RecordTraining(recorded)).await?;
    Ok(Redirect::to("/documents"))
}

#[cfg(test)]
mod samples {
    use std::collections::BTreeMap;

    use domain::people::{DocumentKind, DocumentPublished};
    use serde_json::{Value, json};

    use super::*;

    fn found(rows: &[Value]) -> Found {
        Found { rows: rows.iter().map(|row| row.as_object().expect("an object").clone()).collect(), size: 18_204 }
    }

    fn document() -> Document {
        let published = DocumentPublished {
            document: "ai-use".into(),
            kind: DocumentKind::Policy,
            version: 2,
            sha256: "9f2c4e1ab07d6635c1f0de824b6a93775f1e20c8d4ab3969017e5cc2b8f4a6d1".into(),
            review_due: 1_820_000_000_000,
            ack_required: true,
        };
        Document { published, at: 1_795_380_849_000, acknowledged: BTreeMap::new() }
    }

    impl DocumentsPage {
        pub(crate) fn samples() -> [Self; 2] {
            let documents = found(&[json!({
                "seq": 40, "doc_id": "ai-use", "kind": "policy", "version": "2", "approved_by": "a_50",
                "published_at": "2026-11-22T20:54:09Z", "review_due": "2027-09-01T00:00:00Z", "ack_required": true,
            })]);
            let lacking = found(&[json!({"principal_id": "a_91bc77", "doc_id": "ai-use", "version": "2"})]);
            let trained = found(&[
                json!({"principal_id": "a_91bc77"}),
                json!({
                    "principal_id": "a_50", "seq": 41, "course": "ai-basics", "recorded_by": "a_7f3k2m9q",
                    "completed_at": "2026-11-01T00:00:00Z", "expires_at": "2027-11-01T00:00:00Z",
                }),
            ]);
            let (now, names) = (1_795_380_849_000, Names::sample(&[("a_50", "Ada Okafor")]));
            let tables =
                (missing_table(&lacking, missing(now), &names), training_table(&trained, training(now), &names, now));
            let shell = || Shell::sample(Section::Documents);
            [
                Self {
                    shell: shell(),
                    waiting: vec![Waiting::of(&document())],
                    documents: documents_table(&documents),
                    people: Some(tables),
                    records: true,
                },
                Self {
                    shell: shell(),
                    waiting: vec![],
                    documents: documents_table(&found(&[])),
                    people: None,
                    records: false,
                },
            ]
        }
    }

    impl DocumentPage {
        pub(crate) fn samples() -> [Self; 2] {
            let versions = found(&[json!({
                "seq": 40, "version": "2", "published_at": "2026-11-22T20:54:09Z", "approved_by": "a_50",
                "approved_at": "2026-11-22T20:50:00Z", "content_hash": "9f2c4e1ab07d6635",
            })]);
            let of = |acknowledged: Option<Instant>, text: Option<&str>| Self {
                shell: Shell::sample(Section::Documents),
                document: document(),
                acknowledged,
                text: text.map(Into::into),
                versions: versions_table(&versions, "SELECT 1".into()),
            };
            [of(None, Some("# Use of AI\n\nAsk <first>.")), of(Some(Instant(1_795_380_849_000)), None)]
        }
    }
}
