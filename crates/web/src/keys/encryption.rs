//! The key hierarchy: keys by class, when they are replaced, and what holds the root key. No key material.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::keys::EncryptionConfigured;
use domain::keys::encryption::{MAX_CLASS_DAYS, MAX_RATCHET_HOURS};
use engine::{ClassInventory, KeyInventory};
use serde::Deserialize;

use crate::App;
use crate::app::Found;
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

const HISTORY: &str = "SELECT seq, key_id, classification, state, created_at, rotate_due_at, custodian_id\n\
                       FROM crypto_keys\nORDER BY created_at DESC, key_id\nLIMIT 200";

/// The page.
#[derive(Template)]
#[template(path = "keys/encryption.html")]
pub(crate) struct EncryptionPage {
    shell: Shell,
    inventory: KeyInventory,
    classes: Table,
    history: Table,
    /// Whether the visitor may have keys replaced.
    may_rotate: bool,
    max_days: u32,
    max_hours: u32,
}

impl EncryptionPage {
    fn new(shell: Shell, inventory: KeyInventory, found: &Found, may_rotate: bool, now: i64) -> Self {
        let columns = vec![
            Column::text("class"),
            Column::number("version"),
            Column::text("made (UTC)"),
            Column::text("rotation due (UTC)"),
            Column::text("state"),
            Column::number("bucket keys"),
            Column::number("subjects"),
            Column::number("erased"),
            Column::number("days"),
            Column::number("ended"),
        ];
        let empty = Empty::new("No class has a key yet", "One is made when the first thing of a class is encrypted.");
        let mut classes = Table::new("Keys by class", columns, empty);
        let requested = |class: &str| inventory.requested.iter().any(|key| key == class);
        classes.rows = inventory.classes.iter().map(|class| line(class, requested(&class.class), now)).collect();
        let columns = ["key", "class", "state", "made (UTC)", "rotation due (UTC)", "root key held by"];
        let empty = Empty::new("No key was reported yet", "A new key is reported within a minute.");
        let mut history = Table::new("Versions of class keys", columns.map(Column::text).into(), empty);
        history.rows = found.rows.iter().map(row).collect();
        history.query = Some(Query { sql: HISTORY.to_owned(), size: found.size });
        let (max_days, max_hours) = (MAX_CLASS_DAYS, MAX_RATCHET_HOURS);
        Self { shell, inventory, classes, history, may_rotate, max_days, max_hours }
    }

    fn schedule(&self) -> &EncryptionConfigured {
        &self.inventory.schedule
    }

    fn ratcheted(&self) -> Option<Instant> {
        self.inventory.ratcheted_at.map(Instant)
    }

    fn ratchet_due(&self) -> Option<Instant> {
        Some(self.inventory.ratchet_due_at).filter(|due| *due > 0).map(Instant)
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let class = |class: &str, rotating| ClassInventory {
            class: class.into(),
            version: 3,
            created_at: 1_795_380_849_000,
            rotation_due_at: Some(1_803_156_849_000),
            rotating,
            buckets: 257,
            subjects: [1_000_000, 17],
            days: [91, 280],
        };
        let inventory = |classes: Vec<ClassInventory>, forgets| KeyInventory {
            custodian: "file",
            root: "file:0123456789abcdef".into(),
            forgets,
            schedule: EncryptionConfigured::default(),
            ratcheted_at: forgets.then_some(1_795_380_849_000),
            ratchet_due_at: if forgets { 1_795_467_249_000 } else { 0 },
            requested: vec!["personal".into()],
            classes,
        };
        let row = serde_json::json!({
            "seq": 40, "key_id": "class/personal/v2", "classification": "personal", "state": "destroyed",
            "created_at": "2026-08-22T20:54:09Z", "rotate_due_at": null, "custodian_id": "file",
        });
        let found = |rows| Found { rows, size: 18_204 };
        let rows = vec![row.as_object().expect("an object").clone()];
        let shell = || Shell::sample(Section::Encryption);
        let classes = vec![class("internal", false), class("personal", true)];
        [
            Self::new(shell(), inventory(classes, true), &found(rows), true, 1_795_380_849_000),
            Self::new(shell(), inventory(vec![], false), &found(vec![]), false, 1_795_380_849_000),
        ]
    }
}

fn line(class: &ClassInventory, requested: bool, now: i64) -> Vec<Cell> {
    let state = match () {
        () if class.rotating => Mark::new("moving over", Tone::Open),
        () if requested => Mark::new("asked for", Tone::Open),
        () if class.rotation_due_at.is_some_and(|due| due < now) => Mark::new("overdue", Tone::Bad),
        () if class.rotation_due_at.is_none() => Mark::new("new", Tone::Open),
        () => Mark::new("in use", Tone::Good),
    };
    let ([subjects, erased], [days, ended]) = (class.subjects, class.days);
    vec![
        Cell::Stub(class.class.clone(), Link::to("/ledger").with("stream", format!("encryption/{}", class.class))),
        Cell::count(class.version),
        Cell::Time(Instant(class.created_at)),
        class.rotation_due_at.map_or(Cell::None, |due| Cell::Time(Instant(due))),
        Cell::Mark(state),
        Cell::count(class.buckets),
        Cell::count(subjects),
        Cell::count(erased),
        Cell::count(days),
        Cell::count(ended),
    ]
}

fn row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let tone = if text("state") == "active" { Tone::Good } else { Tone::Plain };
    vec![
        Cell::Id(text("key_id"), Link::into("/ledger", &text("seq"))),
        Cell::Text(text("classification")),
        Cell::Mark(Mark::new(text("state"), tone)),
        moment("created_at"),
        moment("rotate_due_at"),
        Cell::Text(text("custodian_id")),
    ]
}

/// `GET /encryption`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "encryption")?;
    let inventory = app.engine.encryption_inventory().await?;
    let found = app.ask(HISTORY).await?;
    let may_rotate = app.engine.policies().decide(&who, "encryption.rotate", "encryption/root").is_ok();
    let shell = Shell::new(&app, &who, Section::Encryption).await?;
    page(&EncryptionPage::new(shell, inventory, &found, may_rotate, clock()))
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

/// A key that a form has replaced.
#[derive(Deserialize)]
pub(crate) struct Rotation {
    key: String,
}

/// `POST /encryption/rotate`
pub(crate) async fn rotate(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Rotation>) -> Back {
    app.engine.rotate_encryption(&who, &form.key).await?;
    Ok(Redirect::to("/encryption"))
}

/// When a form has keys replaced.
#[derive(Deserialize)]
pub(crate) struct Schedule {
    class_days: u32,
    ratchet_hours: u32,
}

/// `POST /encryption/schedule`
pub(crate) async fn configure(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Schedule>) -> Back {
    app.engine.configure_encryption(&who, form.class_days, form.ratchet_hours).await?;
    Ok(Redirect::to("/encryption"))
}
