//! The policies in force, how they came to be, and proposing others.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::infrastructure::PoliciesInstalled;
use engine::Asked as Wish;
use serde::Deserialize;

use super::names::Names;
use crate::api::approvals::WEEK_MS;
use crate::api::policies::install_command;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Link, Page, Query, Section, Shell, Table, clock, page};

/// All versions, newest first.
pub(crate) const HISTORY: &str = "SELECT seq, version, sha256, installed_at, installed_by, superseded_at, approval_id, \
                                  approved_by, stood_in\nFROM policy_versions\nORDER BY version DESC";

/// The page.
#[derive(Template)]
#[template(path = "people/policies.html")]
pub(crate) struct PoliciesPage {
    shell: Shell,
    sha256: String,
    text: String,
    history: Table,
}

impl PoliciesPage {
    fn new(shell: Shell, in_force: PoliciesInstalled, found: &Found) -> Self {
        let columns =
            ["version", "digest", "in force from (UTC)", "until (UTC)", "by", "approval", "approved by", "remark"];
        let empty = Empty::new("No policies yet", "They are installed when the ledger begins.");
        let mut history = Table::new("Versions", columns.map(Column::text).into(), empty);
        history.rows = found.rows.iter().map(row).collect();
        history.query = Some(Query { sql: HISTORY.to_owned(), size: found.size });
        Self { shell, sha256: in_force.sha256, text: in_force.text, history }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 1] {
        let row = serde_json::json!({
            "seq": 1, "version": 2, "sha256": "9f2c4e1ab07d6635", "installed_at": "2026-11-22T20:54:09Z",
            "installed_by": "a_91bc77", "approval_id": "p_3f9ac2", "approved_by": "a_50", "stood_in": false,
        });
        let found = Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let text = "permit (principal, action, resource);".to_owned();
        let in_force = PoliciesInstalled { sha256: "9f2c4e1ab07d6635".into(), text };
        [Self::new(Shell::sample(Section::Policies), in_force, &found)]
    }
}

fn row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let approval = rows::maybe(row, "approval_id");
    let remark = match (text("stood_in").as_str(), &approval) {
        ("true", _) => "nobody could approve yet",
        (_, None) => "the program's own",
        _ => "",
    };
    vec![
        Cell::Stub(text("version"), Link::into("/ledger", &text("seq"))),
        Cell::Code(text("sha256").chars().take(12).collect()),
        moment("installed_at"),
        moment("superseded_at"),
        Cell::actor(text("installed_by")),
        approval.map_or(Cell::None, |id| Cell::Link(id.clone(), Link::into("/approvals", &id))),
        rows::maybe(row, "approved_by").map_or(Cell::None, Cell::actor),
        Cell::Text(remark.to_owned()),
    ]
}

/// `GET /policies`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "policies")?;
    let none = || PoliciesInstalled { sha256: String::new(), text: String::new() };
    let in_force = app.engine.read(|state| state.policies.clone()).unwrap_or_else(none);
    let found = app.ask(HISTORY).await?;
    let shell = Shell::new(&app, &who, Section::Policies).await?;
    let mut shown = PoliciesPage::new(shell, in_force, &found);
    Names::on_page(&app, &who, vec![], &mut [&mut shown.history]).await;
    page(&shown)
}

/// Policies that a form proposes.
#[derive(Deserialize)]
pub(crate) struct Proposal {
    text: String,
    reference: String,
}

/// `POST /policies`: asks for an approval and leads to it, where the diff is.
pub(crate) async fn propose(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(form): Form<Proposal>,
) -> Result<Redirect, PageError> {
    // Browsers send lines that end in CR LF; policies are known by the digest of their text.
    let text = form.text.replace("\r\n", "\n");
    let reference = form.reference.trim().to_owned();
    let wish = Wish { command: install_command(&text), evidence: vec![], expires_at: clock() + WEEK_MS, reference };
    let approval = app.engine.request_approval(&who, wish).await?;
    Ok(Redirect::to(&format!("/approvals/{approval}")))
}
